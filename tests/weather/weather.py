"""What the weather tests share: a directory of their own, processes that are ended by id whatever happens,
payloads whose bytes follow from a seed, and TAP."""

import atexit
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

SPATE = os.path.abspath(os.environ.get("SPATE", "build/apps/spate"))
HOME = tempfile.mkdtemp(prefix="spate-weather-")
started = []
results = []


def cleanup():
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    shutil.rmtree(HOME, ignore_errors=True)


atexit.register(cleanup)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def path(*parts):
    return os.path.join(HOME, *parts)


def environment(state):
    env = dict(os.environ, XDG_CONFIG_HOME=path("config"), XDG_STATE_HOME=path("state", state))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        env.pop(name, None)
        env.pop(name.upper(), None)
    return env


def payload(size, seed):
    return random.Random(seed).randbytes(size)


def write(name, data):
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "wb") as file:
        file.write(data)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def run(*arguments, state="x", timeout=60, check=None, **more):
    """One spate command to its end."""
    done = subprocess.run([SPATE, *map(str, arguments)], env=environment(state), timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    if check is not None and done.returncode != check:
        raise AssertionError("spate %s: exit code %d, not %d\n%s%s" % (
            " ".join(map(str, arguments)), done.returncode, check, done.stdout, done.stderr))
    return done


def spawn(*arguments, state="x", **more):
    """One spate command in the background."""
    more.setdefault("stdout", subprocess.DEVNULL)
    more.setdefault("stderr", subprocess.DEVNULL)
    process = subprocess.Popen([SPATE, *map(str, arguments)], env=environment(state),
                               stdin=subprocess.DEVNULL, **more)
    started.append(process)
    return process


def end(process, how=signal.SIGINT):
    if process.poll() is None:
        process.send_signal(how)
    return process.wait(30)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_torrent(name, size, seed=1, piece="256k", *more):
    """A single file under source/ and its torrent; returns (torrent, bytes)."""
    data = payload(size, seed)
    write(path("source", name), data)
    torrent = path(name + ".torrent")
    run("create", path("source", name), "-o", torrent, "--force", "--piece-size", piece, *more,
        check=0)
    return torrent, data


def seed(torrent, *more, state="seed", directory=None):
    """A seed that listens; returns (process, address)."""
    port = free_port()
    process = spawn("seed", torrent, "-d", directory or path("source"), "--bind", "127.0.0.1",
                    "--port", port, *more, state=state)
    wait_listening(port)
    return process, "127.0.0.1:%d" % port


def wait_listening(port, seconds=20):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("nobody listens on port %d" % port)


def events(text):
    """The JSON events of a --json run."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def good_pieces(data, name, piece):
    """Bytes of the file on the disk that lie in pieces whose bytes are right."""
    found = read(name) if os.path.exists(name) else b""
    return sum(len(data[at:at + piece]) for at in range(0, len(data), piece)
               if found[at:at + piece] == data[at:at + piece])


def test(promise):
    """Runs a function as one TAP case named as its promise."""
    def decorate(function):
        number = len(results) + 1
        began = time.monotonic()
        try:
            function()
            results.append(True)
            print("ok %d - %s" % (number, promise), flush=True)
        except Exception as error:  # a failed case must not hide the others
            results.append(False)
            for line in str(error).splitlines() or [repr(error)]:
                print("# " + line)
            print("not ok %d - %s" % (number, promise), flush=True)
        print("# %.1f s" % (time.monotonic() - began), flush=True)
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
        del started[:]
        return function
    return decorate


def finish():
    print("1..%d" % len(results))
    sys.exit(0 if all(results) else 1)


def equal(a, b, what=""):
    if a != b:
        raise AssertionError("%s: %r is not %r" % (what, a, b))


def sha1(data):
    return hashlib.sha1(data).digest()
