#!/usr/bin/env python3
"""make bench: what spate costs beside floors and other clients. See docs/performance.md.

    bench.py BUILD [--quick] [--rows NAME,...] [--who NAME,...] [--rounds N] [--mib N] [--json FILE] [--docs] [--syscalls]

BUILD is a build directory made with -Dbench=true. Everything happens in namespaces of its own (network, mounts,
processes), which the kernel takes down when this program ends, whatever ends it. Ends with 0 when everything was
measured and every byte was right, with 1 otherwise."""

import argparse
import ctypes
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
QUICK_MIB, QUICK_ROUNDS = 256, 2
QUICK_TWICE = ("download", "seed")  # the other rows have one round then
FULL_MIB, FULL_ROUNDS = 1024, 5
QUICK_LIMIT_S, FULL_LIMIT_S = 1200, 4 * 3600  # for everything; each step has a limit of its own


def arguments():
    parser = argparse.ArgumentParser(description="Measures spate beside floors and other clients.")
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a smaller payload, not the slow rows")
    parser.add_argument("--rows", help="only these rows, with commas between them")
    parser.add_argument("--who", help="only these contestants, with commas between them; some names have a comma "
                        "inside, and the longest name that fits is taken: --who 'floor, mapped,spate' names two")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--mib", type=int, help="size of the payload")
    parser.add_argument("--json", help="where the figures go (default: in BUILD)")
    parser.add_argument("--verbose", action="store_true", help="show the logs of what failed")
    parser.add_argument("--syscalls", action="store_true", help="count system calls (perf) and print them per block of "
                        "16 KiB; other figures are then not to be relied on")
    parser.add_argument("--docs", action="store_true", help="bring docs/performance.md and its chart up to date")
    return parser.parse_args()


def named(text, known):
    """The known names in a text with commas between them; the longest that fits, since some have a comma inside."""
    words, found = [word.strip() for word in text.split(",")], []
    while words:
        for count in range(len(words), 0, -1):
            name = ", ".join(words[:count])
            if name in known:
                break
        else:
            sys.exit("bench: nobody is named '%s'; there are: %s" % (words[0], "; ".join(known)))
        found.append(name)
        del words[:count]
    return found


options = arguments()
BUILD = os.path.abspath(options.build)
COLD = os.path.join(BUILD, "bench-cold")  # the one file that is not on the tmpfs
os.environ["SPATE"] = os.path.join(BUILD, "apps", "spate")
os.environ["SPATE_BENCH_BUILD"] = BUILD
os.environ["SPATE_LAB_UNSHARE"] = "--mount --pid --fork --kill-child --mount-proc"
os.environ["SPATE_LAB_HOME"] = os.path.join(BUILD, "bench-home")
os.makedirs(os.environ["SPATE_LAB_HOME"], exist_ok=True)


def guard():
    """Runs the program again as a child, which enters the namespaces; nothing in them outlives this process."""
    if os.environ.get("SPATE_BENCH_GUARDED"):
        return
    process = subprocess.Popen(
        [sys.executable, *sys.argv], env=dict(os.environ, SPATE_BENCH_GUARDED="1"), start_new_session=True,
        preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))  # PR_SET_PDEATHSIG
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        code = process.wait(QUICK_LIMIT_S if options.quick else FULL_LIMIT_S)
    except subprocess.TimeoutExpired:
        print("bench: it takes too long", file=sys.stderr)
        code = 1
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(COLD, ignore_errors=True)
    sys.exit(code)


guard()
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "lab")]

import lab  # noqa: E402 (it enters the namespaces when it is imported)
import nets  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
from contestants import CONTESTANTS, Contestant, installed  # noqa: E402
from work import IdleWork, Work, make_payload  # noqa: E402


def warm(payload):
    """On a virtual machine, memory that was never used costs whoever touches it first: let that be nobody. The rows of
    many torrents have the payload in parts beside it, and what is downloaded; two more are for sockets and clients."""
    copies = [shutil.copy(payload, lab.path("warm-%d" % i)) for i in range(4)]
    for copy in copies:
        os.unlink(copy)


def command():
    """What repeats this run."""
    if options.rows or options.who or options.rounds or options.mib or options.syscalls:
        return "python3 bench/bench.py build-bench " + shlex.join(sys.argv[2:])
    return "make bench QUICK=1" if options.quick else "make bench"


class Bench:
    """The networks, the works, and what was measured: results[row][contestant] is a list of figures."""

    def __init__(self):
        self.quick, self.verbose = options.quick, options.verbose
        self.commit, self.command = report.commit(), command()
        self.mib = options.mib or (QUICK_MIB if options.quick else FULL_MIB)
        self.rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
        self.rows = [row for row in rows.ROWS if not options.rows or row.name in options.rows.split(",")]
        self.results, self.failures, self.works = {}, [], {}
        self.versions, self.settings = {}, {}  # of a contestant; of a contestant in a row
        self.wanted = named(options.who, CONTESTANTS) if options.who else None
        self.absent = {name: why for name in self.wanted or CONTESTANTS if (why := installed(name))}
        self.nets = {"lo": nets.loopback(), "veth": nets.veth()}
        self.trackers = {name: nets.Tracker(net.client) for name, net in self.nets.items()}
        self.payload = make_payload(lab.path("payload"), self.mib)
        warm(self.payload)

    def work(self, row):
        key = (row.net, row.torrents)
        if key not in self.works:
            self.works[key] = Work(self.payload, self.trackers[row.net].url, row.net, row.torrents)
        return self.works[key]

    def cold_work(self, row):
        """A copy on the disk of the build directory; the counterpart compares with what is on the tmpfs."""
        if "cold" not in self.works:
            os.makedirs(COLD, exist_ok=True)
            copy = shutil.copy(self.payload, COLD)
            self.works["cold"] = Work(copy, self.trackers[row.net].url, "cold")
            self.works["cold"].payload = self.payload
        return self.works["cold"]

    def idle_work(self, count):
        if "idle" not in self.works:
            self.works["idle"] = IdleWork(count)
        return self.works["idle"]

    def who(self, row):
        wanted = self.wanted or (row.quick if self.quick else row.who)
        return [name for name in row.who if name in wanted and name not in self.absent]

    def round(self, number):
        for row in self.rows:
            for name in self.who(row):
                if self.quick and number > 1 and row.name not in QUICK_TWICE:
                    continue
                began = time.monotonic()
                try:
                    figures = rows.measure(self, row, name)
                except (AssertionError, OSError, subprocess.SubprocessError) as error:
                    self.failures.append({"row": row.name, "who": name, "round": number, "why": str(error)})
                    print("%d  %-26s %-18s failed: %s" % (number, row.name, name, error), flush=True)
                    continue
                self.results.setdefault(row.name, {}).setdefault(name, []).append(figures)
                print("%d  %-26s %-18s %s  (%.1f s)" % (number, row.name, name, report.brief(row, figures),
                                                         time.monotonic() - began), flush=True)

    def close(self):
        shutil.rmtree(COLD, ignore_errors=True)
        for net in self.nets.values():
            net.close()


def prepare():
    """A tmpfs for everything, seen by nobody else, and room for many connections."""
    size = 6 * (options.mib or (QUICK_MIB if options.quick else FULL_MIB)) + 1024
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=755" % size, "tmpfs", lab.HOME], check=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def main():
    began = time.monotonic()
    Contestant.counts_calls = options.syscalls
    prepare()
    bench = Bench()
    for name, why in bench.absent.items():
        print("not measured: %s: %s" % (name, why))
    for number in range(1, bench.rounds + 1):
        bench.round(number)
    bench.close()
    record = report.make(bench, time.monotonic() - began)
    report.show(record)
    out = options.json or os.path.join(BUILD, "bench-quick.json" if options.quick else "bench.json")
    report.save(record, out)
    print("figures: " + out)
    if options.docs:
        report.publish(record)
    return 1 if bench.failures or bench.absent else 0


if __name__ == "__main__":
    sys.exit(main())
