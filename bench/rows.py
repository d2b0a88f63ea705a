"""The rows of the bench, and how a row of each kind is measured. To add one, add a line to ROWS."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import time

import lab
from clients import Libtorrent
from contestants import CONTESTANTS, Floor, program
from lab import check, end, fresh, path, spawn
from meter import Meter

POLL_S = 1  # between two questions to a client of other people
PATIENCE_S = 15  # for one measurement
OTHERS = ("libtorrent", "libtorrent tuned", "Transmission", "aria2", "rTorrent")


@dataclasses.dataclass
class Row:
    name: str
    title: str
    kind: str  # a key of KINDS
    who: tuple
    net: str = "lo"
    connections: int = 1  # a torrent
    torrents: int = 1
    have: bool = False  # the sender puts a HAVE before every block
    counterpart: str = "bench"  # or libtorrent
    base: str = ""  # the row whose figure of the same contestant this one is compared with
    rounds: int = 0  # at most so many, 0: as all


PARTS = ("receive only", "receive and hash", "receive and write")
FLOORS = ("floor, sendfile", "floor, mapped", "floor, pread")

ROWS = [
    Row("download", "Download from one peer", "download", ("floor", "spate", *OTHERS, *PARTS)),
    Row("seed", "Seed to one peer", "seed", (*FLOORS, "spate", *OTHERS)),
    Row("download-veth", "Download from one peer, MTU 1500", "download", ("floor", "spate", *OTHERS), net="veth"),
    Row("seed-veth", "Seed to one peer, MTU 1500", "seed",
        (*FLOORS, "spate", "libtorrent", "libtorrent tuned", "rTorrent"), net="veth"),
    Row("download-have", "Download, a HAVE before every block", "download", ("floor", "spate", "libtorrent"), have=True,
        base="download"),
    Row("download-from-libtorrent", "Download from libtorrent", "download", ("spate", *OTHERS),
        counterpart="libtorrent"),
    Row("seed-to-libtorrent", "Seed to libtorrent", "seed", ("spate", *OTHERS), counterpart="libtorrent"),
]

ports = iter(range(10000, 60000, 2))


# ---- counterparts ---------------------------------------------------------------------------------


class Sender:
    def __init__(self, bench, row, work, port, witness=None):
        net = bench.nets[row.net]
        more = ["--have"] if row.have else []
        more += ["--witness", witness] if witness else []
        self.process = spawn("sender", *net.command(program("sender")), "--torrents", work.list, "--payload",
                             work.payload, "--port", port, *more, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.read()  # it listens

    def read(self):
        line = self.process.stdout.readline()
        check(line, "the sender ended:\n" + open(self.process.log, errors="replace").read())
        return json.loads(line)

    def figures(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self.read()


def libtorrent_at(net, port):
    check(net.other is None, "libtorrent as a counterpart lives on the loopback only")
    return Libtorrent(net.there(), port, transport="plain")


# ---- kinds ----------------------------------------------------------------------------------------


def per_gib(figures, work):
    gib = work.length / (1 << 30)
    for name in ("cpu", "user", "system", "machine"):
        figures[name] = figures.pop(name + "_s") / gib
    return figures


def await_done(contestant, counterpart, patience=PATIENCE_S):
    limit = time.monotonic() + patience
    while not contestant.done():
        check(counterpart.poll() is None, "its counterpart ended with exit code %s" % counterpart.poll())
        check(contestant.process.poll() is None, "it ended with exit code %s" % contestant.process.poll())
        check(time.monotonic() < limit, "not done after %d s" % patience)
        time.sleep(POLL_S)


def rate_of(said, work):
    seconds = (said["last_block_ns"] - said["first_request_ns"]) / 1e9
    return {"seconds": seconds, "rate": work.length / (1 << 20) / seconds}


def measure_download(bench, row, contestant, port):
    net, work, out = bench.nets[row.net], bench.work(row), fresh("out")
    there = int(port) + 1
    if row.counterpart == "libtorrent":
        counterpart = libtorrent_at(net, there)
        for torrent in work.torrents:
            counterpart.add(torrent, work.parent, seed=True)
    else:
        counterpart = Sender(bench, row, work, there)
    bench.trackers[row.net].names([(net.there(1 + i % 200), there) for i in range(row.connections)])
    contestant.open(net, row, port)
    if contestant.ends:
        contestant.get(work, out, there)
        meter = Meter(contestant.process.pid, whole=True)
        figures = meter.wait(contestant.process, PATIENCE_S)
        check(contestant.process.returncode == 0, "exit code %d" % contestant.process.returncode)
    else:
        meter = Meter(contestant.process.pid)
        contestant.get(work, out, there)
        await_done(contestant, counterpart.process)
        figures = meter.stop()
    if row.counterpart == "bench":
        said = counterpart.figures()
        figures.update(rate_of(said, work))
        figures["sent_twice"] = said["payload_bytes"] / work.length - 1
        figures["peers"] = said["peers"]
    contestant.close()
    if contestant.writes:
        work.compare_and_remove(out)
    return per_gib(figures, work)


def receive_all(bench, row, work, port):
    """The fixed downloader, to its end; it compares every byte."""
    net = bench.nets[row.net]
    more = ["--connections", row.connections, "--from", net.there()] if row.connections > 1 else []
    more += ["--window", max(16, 250 // row.connections)]
    process = spawn("receiver", *net.command(program("receiver")), "--torrents", work.list, "--payload", work.payload,
                    "--address", net.client, "--port", port, "--patience", PATIENCE_S, *more, stdout=subprocess.PIPE)
    text = process.communicate(timeout=PATIENCE_S + 20)[0]
    check(text, "the receiver failed:\n" + open(process.log, errors="replace").read())
    said = json.loads(text)
    check(said["wrong_bytes"] == 0, "%d bytes were wrong" % said["wrong_bytes"])
    check(process.returncode == 0, "the receiver got %d bytes in %d s" % (said["payload_bytes"], PATIENCE_S))
    return said


def receive_by_libtorrent(bench, row, work, port):
    net, out = bench.nets[row.net], fresh("out")
    receiver = libtorrent_at(net, port + 1)
    for torrent in work.torrents:
        receiver.add(torrent, out, seed=False, peers=[(net.client, port)])
    limit = time.monotonic() + PATIENCE_S
    while not all(receiver.is_done(torrent) for torrent in work.torrents):
        check(time.monotonic() < limit, "not done after %d s" % PATIENCE_S)
        time.sleep(POLL_S)
    receiver.stop()
    work.compare_and_remove(out)


def measure_seed(bench, row, contestant, port):
    net, work = bench.nets[row.net], bench.work(row)
    bench.trackers[row.net].names([])
    contestant.open(net, row, port)
    contestant.seed(work)
    meter = Meter(contestant.process.pid)
    if row.counterpart == "libtorrent":
        receive_by_libtorrent(bench, row, work, port)
        figures = meter.stop()
    else:
        said = receive_all(bench, row, work, port)
        # A floor ends with its peer.
        figures = meter.wait(contestant.process, PATIENCE_S) if isinstance(contestant, Floor) else meter.stop()
        figures.update(rate_of(said, work))
        figures["chokes"] = said["chokes"]
    contestant.close()
    return per_gib(figures, work)


KINDS = {"download": measure_download, "seed": measure_seed}


def measure(bench, row, name):
    """One measurement; whatever it started is ended, whatever it wrote is gone."""
    before, there = len(lab.started), set(os.listdir(lab.HOME))
    try:
        return KINDS[row.kind](bench, row, CONTESTANTS[name](), next(ports))
    except Exception:
        if bench.verbose:
            lab.show_logs()
        raise
    finally:
        for process in lab.started[before:]:
            if process.poll() is None:
                end(process, signal.SIGKILL)
        del lab.started[before:]
        for entry in set(os.listdir(lab.HOME)) - there:
            if re.fullmatch(r"[a-z]+-[a-z0-9_]{8}", entry):  # as lab.fresh names directories
                shutil.rmtree(path(entry), ignore_errors=True)
