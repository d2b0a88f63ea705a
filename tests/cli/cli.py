"""What the tests of the program share: a directory and an environment of its own, and ways to run spate."""

import atexit
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SPATE = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "spate"
SOURCE = os.environ.get("SPATE_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
PATIENCE = 60  # seconds until something that takes one or two is called stuck


def free_port():
    """A port that is free for TCP and UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def digest(path):
    """Names and contents of everything below path."""
    found = {}
    for folder, folders, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            with open(full, "rb") as file:
                found[os.path.relpath(full, path)] = hashlib.sha256(file.read()).hexdigest()
    return found


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("waited in vain for " + what)


directories = []  # that are still there


def make_directory():
    """One that is gone in the end, also when the tests are stopped by a signal."""
    directories.append(tempfile.mkdtemp(prefix="spate-cli."))
    return directories[-1]


def remove_directory(path):
    """Tries more than once: a process that was told to end may still put something there."""
    for _ in range(50):
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.exists(path):
            directories.remove(path)
            return
        time.sleep(0.1)
    raise AssertionError(path + " cannot be removed")


@atexit.register
def remove_directories():
    for path in directories:
        shutil.rmtree(path, ignore_errors=True)


def interrupt(*_):
    raise KeyboardInterrupt


class Case(unittest.TestCase):
    """A test in a directory of its own; what it started is ended with it."""

    def setUp(self):
        self.directory = make_directory()
        self.addCleanup(remove_directory, self.directory)
        self.started = []
        self.addCleanup(self.end_all)
        atexit.register(self.end_all)
        self.addCleanup(atexit.unregister, self.end_all)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.directory, "LC_ALL": "C.UTF-8", "TERM": "xterm",
            "XDG_CONFIG_HOME": self.path("config"), "XDG_STATE_HOME": self.path("state"),
        }
        for name, value in os.environ.items():
            if name.startswith(("ASAN_", "UBSAN_", "LSAN_", "TSAN_", "LLVM_")):
                self.environment[name] = value

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, content):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def spate(self, *arguments, code=0, stdin=b"", environment=None):
        """Runs to the end; returns (stdout, stderr)."""
        result = subprocess.run([SPATE, *arguments], input=stdin, capture_output=True, cwd=self.directory,
                                env={**self.environment, **(environment or {})}, timeout=PATIENCE * 2)
        if code is not None and result.returncode != code:
            self.fail(f"spate {' '.join(map(str, arguments))} ended with {result.returncode}, not {code}\n"
                      f"{result.stdout.decode(errors='replace')}\n{result.stderr.decode(errors='replace')}")
        return result.stdout.decode(), result.stderr.decode()

    def start(self, *arguments, state=None, **options):
        """Starts in the background."""
        environment = dict(self.environment)
        if state:
            environment["XDG_STATE_HOME"] = self.path(state)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen([SPATE, *arguments], cwd=self.directory, env=environment,
                                   stdin=subprocess.DEVNULL, **options)
        self.started.append(process)
        return process

    def finish(self, process, code=0):
        """Waits for its end; returns (stdout, stderr)."""
        out, err = process.communicate(timeout=PATIENCE)
        out, err = (out or b"").decode(), (err or b"").decode()
        self.assertEqual(process.returncode, code, out + err)
        return out, err

    def stop(self, process, code=0):
        process.send_signal(signal.SIGINT)
        return self.finish(process, code)

    def events(self, text):
        return [json.loads(line) for line in text.splitlines()]

    def torrent(self, name, *arguments):
        """Makes name.torrent of what is at files/name."""
        self.spate("create", self.path("files", name), "-o", self.path(name + ".torrent"), "-q", "--force",
                   *arguments)
        return self.path(name + ".torrent")

    def seeder(self, torrent, folder="files", *arguments):
        """A seeder on the loopback; returns its process and its address once it seeds."""
        port = free_port()
        log = open(self.path(f"seed-{port}.json"), "wb")
        self.addCleanup(log.close)
        process = self.start("seed", torrent, "-d", self.path(folder), "--bind", "127.0.0.1", "--port", str(port),
                             "--json", *arguments, state=f"state-{port}", stdout=log)
        wait_until(lambda: '"seeding"' in read(log.name) or process.poll() is not None, "the seeder")
        self.assertIsNone(process.poll())
        process.log = log.name
        return process, f"127.0.0.1:{port}"


@contextlib.contextmanager
def elapsed():
    """Yields a function that says how many seconds have passed."""
    begin = time.monotonic()
    yield lambda: time.monotonic() - begin


def main():
    signal.signal(signal.SIGTERM, interrupt)
    unittest.main(module="__main__", verbosity=2)
