#!/usr/bin/env python3
"""CPU time of a download: spate beside libtorrent, both getting 1 GiB from the same libtorrent seed, in turns,
over the loopback of a network namespace, on a tmpfs of its own. Run by hand (and by `make bench`):

    SPATE=build/apps/spate tests/interop/cpu.py [ROUNDS [MEBIBYTES]]

needs libtorrent (python3-libtorrent) and three times the payload in memory. The time of spate is that of
its whole process; that of libtorrent begins after Python and the session have started. Both speak plain
TCP. Every copy is compared byte by byte. Ends with 0 when the median of spate is below libtorrent's."""

import atexit
import filecmp
import os
import statistics
import subprocess
import sys
import time

os.environ["SPATE_LAB_UNSHARE"] = "--mount"

from clients import Libtorrent, Spate  # noqa: E402 (lab enters the namespaces when it is imported)
from lab import HOME, SPATE, check, end_all, fresh, path, run, v4, wait_until  # noqa: E402

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
MEBIBYTES = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
PATIENCE_S = 300


def make_payload():
    name = path("payload", "payload.bin")
    os.mkdir(os.path.dirname(name))
    with open(name, "wb") as file:
        for _ in range(MEBIBYTES // 16):
            file.write(os.urandom(16 << 20))
    torrent = path("payload.torrent")
    run(SPATE, "create", name, "-o", torrent, "--piece-size", "1M", patience=PATIENCE_S)
    return name, torrent


def compare_and_remove(source, directory):
    copy = os.path.join(directory, os.path.basename(source))
    check(filecmp.cmp(source, copy, shallow=False), "the copy in %s differs" % directory)
    os.unlink(copy)


def spate_round(torrent, source, seed):
    out = fresh("out")
    began = time.monotonic()
    spate = Spate(v4(1)).get(torrent, out, peers=[seed])
    _, status, used = os.wait4(spate.process.pid, 0)
    seconds = time.monotonic() - began
    spate.process.returncode = os.waitstatus_to_exitcode(status)
    check(status == 0, "spate get: exit code %d" % spate.process.returncode)
    compare_and_remove(source, out)
    return used.ru_utime, used.ru_stime, seconds


def libtorrent_round(torrent, source, seed):
    out = fresh("out")
    client = Libtorrent(v4(3), transport="plain")
    before = client.order(do="cpu")
    began = time.monotonic()
    client.add(torrent, out, seed=False, peers=[seed])
    wait_until("libtorrent is done", lambda: client.is_done(torrent), PATIENCE_S, pause=0.2)
    seconds = time.monotonic() - began
    after = client.order(do="cpu")
    client.stop()
    compare_and_remove(source, out)
    return after[0] - before[0], after[1] - before[1], seconds


def row(who, turn, figures):
    user, system, seconds = figures
    print("%-5s %-12s %7.2f %7.2f %7.2f %9.2f %9.0f" % (
        turn, who, user, system, user + system, seconds, MEBIBYTES / seconds), flush=True)


def leave_disk():
    end_all()
    subprocess.run(["umount", "--lazy", HOME], check=True)


def main():
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=755" % (3 * MEBIBYTES + 256), "tmpfs", HOME],
                   check=True)
    atexit.register(leave_disk)
    source, torrent = make_payload()
    seeder = Libtorrent(v4(2), transport="plain")
    seeder.add(torrent, os.path.dirname(source), seed=True)
    seed = (v4(2), seeder.port)
    figures = {"spate": [], "libtorrent": []}
    print("%d MiB from a libtorrent seed; CPU seconds" % MEBIBYTES)
    print("%-5s %-12s %7s %7s %7s %9s %9s" % ("round", "who", "user", "sys", "cpu", "seconds", "MiB/s"))
    for turn in range(1, ROUNDS + 1):
        for who, download in ("spate", spate_round), ("libtorrent", libtorrent_round):
            figures[who].append(download(torrent, source, seed))
            row(who, turn, figures[who][-1])
    cpu = {who: statistics.median(user + system for user, system, _ in rows) for who, rows in figures.items()}
    print("median of CPU seconds: spate %.2f, libtorrent %.2f: %.2f times" % (
        cpu["spate"], cpu["libtorrent"], cpu["spate"] / cpu["libtorrent"]))
    return 0 if cpu["spate"] < cpu["libtorrent"] else 1


sys.exit(main())
