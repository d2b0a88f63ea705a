"""What the tests with real clients and the bench share: a network namespace of their own, processes that are ended
by id whatever happens, payloads whose bytes follow from a seed, trees compared byte by byte, and TAP.

Importing this module moves the program into a namespace (`unshare -n` as root, `unshare -rn` otherwise)
whose loopback carries 10.77.0.1..9 and fd77::1..9: clients such as Transmission refuse peers at 127.x,
and nothing that anybody sends can leave the machine."""

import atexit
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unicodedata

INSIDE = "SPATE_LAB"  # in the environment of the program inside its namespace: "root" or "user"
PATIENCE_S = 60  # for what takes a few seconds on an idle machine
IN_CI = os.environ.get("CI") == "true"
SYSTEM_PYTHON = "/usr/bin/python3"  # the one that Debian's packages install modules for


def namespaces(*more):
    """The command that runs the rest of its line in a network namespace; None where that is forbidden."""
    commands = {"root": ("unshare", "-n", *more), "user": ("unshare", "-rn", *more)}
    for how in ("root", "user") if os.geteuid() == 0 else ("user",):
        if subprocess.run([*commands[how], "true"], stderr=subprocess.DEVNULL).returncode == 0:
            return how, commands[how]
    return None


def enter(*more):
    """Runs the program again inside a namespace. more: further options of unshare."""
    if INSIDE in os.environ:
        return
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"
    found = namespaces(*more)
    if not found:
        print("1..0 # SKIP no network namespace is to be had here" if not IN_CI else
              "1..1\nnot ok 1 - a network namespace is to be had")
        sys.exit(0)
    os.environ[INSIDE] = found[0]
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.stdout.flush()
    os.execvp(found[1][0], [*found[1], sys.executable, *sys.argv])


def v4(host):
    return "10.77.0.%d" % host


def v6(host):
    return "fd77::%d" % host


def url_host(address):
    return "[%s]" % address if ":" in address else address


def raise_loopback():
    lines = ["link set lo up"]
    lines += ["address add %s/24 dev lo" % v4(host) for host in range(1, 10)]
    lines += ["-6 address add %s/64 dev lo nodad" % v6(host) for host in range(1, 10)]
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True)


enter(*os.environ.get("SPATE_LAB_UNSHARE", "").split())
raise_loopback()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPATE = os.path.abspath(os.environ.get("SPATE", os.path.join(ROOT, "build", "apps", "spate")))
if not os.access(SPATE, os.X_OK):
    print("Bail out! there is no program %s; SPATE names it" % SPATE)
    sys.exit(1)
HOME = os.environ.get("SPATE_LAB_HOME") or tempfile.mkdtemp(prefix="spate-lab-")
os.chmod(HOME, 0o755)  # opentracker reads its white list as nobody
started = []
results = []
c_library = ctypes.CDLL(None)


# ---- files ----------------------------------------------------------------------------------------


def path(*parts):
    return os.path.join(HOME, *parts)


def fresh(name):
    """An empty directory."""
    directory = tempfile.mkdtemp(prefix=name + "-", dir=HOME)
    os.chmod(directory, 0o755)
    return directory


def write(name, data):
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "wb") as file:
        file.write(data)


def single_file(parent, name="single file.bin", size=(8 << 20) + 12345, seed=1):
    """A file whose length is no multiple of any piece length; returns its path."""
    target = os.path.join(parent, name)
    write(target, random.Random(seed).randbytes(size))
    return target


NESTED = {
    "00 empty at the beginning": 0,
    "a/b/c/d/deep.bin": 1500001,
    "a/b/c/empty": 0,
    "a/one byte": 1,
    "Ünïcödé – Größe/naïve café.txt": 5,
    "Ünïcödé – Größe/" + unicodedata.normalize("NFD", "décomposé") + ".dat": 300007,
    "кириллица/日本語のファイル.bin": 2097152,
    "emoji 🎈🧵.bin": 70000,
    "exactly one piece.bin": 65536,
    "tail.bin": 777777,
    "zz empty at the end": 0,
}


def nested_tree(parent, name="Sämmlung 日本 nested", seed=2):
    """A directory of directories with unicode names, empty files and many that share pieces; returns its path."""
    root = os.path.join(parent, name)
    rng = random.Random(seed)
    sizes = dict(NESTED, **{"tiny/%02d" % i: rng.randrange(1, 200) for i in range(40)})
    for file, size in sizes.items():
        write(os.path.join(root, file), rng.randbytes(size))
    return root


def tree(root):
    """Every file below a path (or the file itself): relative name -> bytes."""
    if os.path.isfile(root):
        return {"": open(root, "rb").read()}
    found = {}
    for directory, _, files in os.walk(os.fsencode(root)):
        for file in files:
            full = os.path.join(directory, file)
            with open(full, "rb") as opened:
                found[os.path.relpath(full, os.fsencode(root))] = opened.read()
    return found


def size_of(root):
    return sum(len(data) for data in tree(root).values())


def same(source, copy, empty_files=True):
    """Fails and says how the copy of a file or tree differs. empty_files False: they may be missing."""
    wanted, found = tree(source), tree(copy)
    if not empty_files:
        wanted = {name: data for name, data in wanted.items() if data or name in found}
    for name in sorted(wanted):
        check(name in found, "%r is missing in %s" % (name, copy))
        check(wanted[name] == found[name], "%r differs: %d bytes in the source, %d in the copy" % (
            name, len(wanted[name]), len(found[name])))
    more = sorted(set(found) - set(wanted))
    check(not more, "not part of the torrent: %r" % more)


# ---- processes ------------------------------------------------------------------------------------


def environment():
    env = dict(os.environ, HOME=HOME, XDG_CONFIG_HOME=path("config"), LC_ALL="C.UTF-8")
    for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"):
        env.pop(name, None)
        env.pop(name.upper(), None)
    return env


def die_with_parent():
    c_library.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: even when this program is killed


def run(*arguments, code=0, patience=PATIENCE_S):
    """A command to its end; returns its output."""
    done = subprocess.run([str(a) for a in arguments], env=environment(), timeout=patience,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode(errors="replace")
    check(done.returncode == code, "%s: exit code %d, not %d\n%s" % (
        " ".join(map(str, arguments)), done.returncode, code, text))
    return text


def spawn(name, *arguments, **more):
    """A command in the background, its output in a log that is shown when a test fails."""
    log = os.path.join(fresh("log"), name)
    with open(log, "wb") as output:
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", output)
        process = subprocess.Popen([str(a) for a in arguments], env=environment(), stderr=output,
                                   preexec_fn=die_with_parent, **more)
    process.log = log
    started.append(process)
    return process


def end(process, how=signal.SIGTERM, patience=20):
    """Ends a process by its id; returns its exit code."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("%s does not end on signal %d" % (process.args[0], how)) from None
    return process.returncode


def end_all():
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    del started[:]


def clean_up():
    end_all()
    if not os.environ.get("SPATE_LAB_HOME"):  # otherwise it belongs to whoever named it
        shutil.rmtree(HOME, ignore_errors=True)


atexit.register(clean_up)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(1))


def wait_until(what, condition, patience=PATIENCE_S, pause=0.05):
    """Asks until the answer is true, and returns it."""
    limit = time.monotonic() + patience
    while True:
        answer = condition()
        if answer:
            return answer
        check(time.monotonic() < limit, "waited %d s in vain: %s" % (patience, what))
        time.sleep(pause)


# ---- TAP ------------------------------------------------------------------------------------------


def check(truth, text):
    if not truth:
        raise AssertionError(text)


def equal(found, wanted, what):
    check(found == wanted, "%s: %r, not %r" % (what, found, wanted))


def show_logs():
    for process in started:
        print("# ---- %s (exit code %s)" % (os.path.basename(process.log), process.poll()))
        with open(process.log, errors="replace") as log:
            for line in log.readlines()[-400:]:
                print("#   " + line.rstrip()[:400])


def missing(command):
    """Why this counterpart cannot be driven; None when it can. command: a program, or a module after 'python '."""
    if command.startswith("python "):
        module = command.split()[1]
        there = subprocess.run([SYSTEM_PYTHON, "-c", "import " + module], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL).returncode == 0 if os.path.exists(SYSTEM_PYTHON) else False
    else:
        there = shutil.which(command) is not None
    return None if there else "%s is not installed" % command.removeprefix("python ")


def test(promise, *needs):
    """Runs a function as one TAP case named as its promise. needs: commands of counterparts."""
    def decorate(function):
        number = len(results) + 1
        began = time.monotonic()
        lacks = [reason for reason in map(missing, needs) if reason]
        if lacks and not IN_CI:
            results.append(True)
            print("ok %d - %s # SKIP %s" % (number, promise, lacks[0]), flush=True)
            return function
        try:
            check(not lacks, "; ".join(lacks))
            function()
            results.append(True)
            print("ok %d - %s" % (number, promise), flush=True)
        except Exception as error:  # a failed case must not hide the others
            results.append(False)
            print("not ok %d - %s" % (number, promise))
            text = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
            for line in text.splitlines() or [repr(error)]:
                print("# " + line)
            show_logs()
        print("# %.1f s" % (time.monotonic() - began), flush=True)
        end_all()
        return function
    return decorate


def finish():
    print("1..%d" % len(results))
    sys.exit(0 if all(results) else 1)
