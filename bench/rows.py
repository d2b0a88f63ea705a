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
from contestants import CONTESTANTS, Floor, general, program, version_of
from lab import check, end, fresh, path, spawn
from meter import Meter, io_of, switches_of

POLL_S = 1  # between two questions to a client of other people
PATIENCE_S = 300  # for one measurement
IDLE_TORRENTS = 10000
IDLE_S, IDLE_QUICK_S = 60, 10
OTHERS = ("libtorrent", "libtorrent tuned", "Transmission", "aria2", "rTorrent")


PARTS = ("receive only", "hash only", "write only", "write allocated only")
FLOORS = ("floor, sendfile", "floor, mapped", "floor, pread")
MANY_FLOORS = ("floor, sendfile", "floor, mapped")
FAST = ("libtorrent", "libtorrent tuned", "aria2", "rTorrent")  # Transmission takes longer than all of these


@dataclasses.dataclass
class Row:
    name: str
    title: str
    kind: str  # a key of KINDS
    who: tuple
    quick: tuple = ("floor", *FLOORS, "spate", "libtorrent")  # who of them takes part with QUICK=1, in one round
    net: str = "lo"
    connections: int = 1  # a torrent
    torrents: int = 1
    have: bool = False  # the sender puts a HAVE before every block
    hashes: bool = False  # the receiver hashes what it gets
    counterpart: str = "bench"  # or libtorrent
    base: str = ""  # the row whose figure of the same contestant this one is compared with


ROWS = [
    Row("download", "Download from one peer", "download", ("floor", "spate", *OTHERS, *PARTS),
        quick=("floor", "spate", *FAST, *PARTS)),
    Row("seed", "Seed to one peer", "seed", (*FLOORS, "spate", *OTHERS), quick=(*FLOORS, "spate", *FAST)),
    Row("seed-hashing", "Seed to one peer, which hashes what it gets", "seed", (*FLOORS, "spate", *FAST), hashes=True),
    Row("first-piece", "From the start to the first verified piece", "first", ("spate", *OTHERS),
        quick=("spate", "libtorrent", "aria2", "rTorrent")),
    Row("download-veth", "Download from one peer, MTU 1500", "download", ("floor", "spate", *FAST), net="veth"),
    Row("seed-veth", "Seed to one peer, MTU 1500", "seed", (*FLOORS, "spate", *FAST), net="veth"),
    Row("download-have", "Download, a HAVE before every block", "download", ("floor", "spate", *FAST), have=True,
        base="download"),
    Row("download-200", "Download from 200 peers", "download", ("floor", "spate", *FAST), connections=200,
        base="download"),
    Row("seed-200", "Seed to 200 peers", "seed", (*MANY_FLOORS, "spate", *FAST), connections=200, base="seed"),
    Row("download-500x4", "Download 500 torrents, 4 peers each", "download", ("floor", "spate", "libtorrent"),
        torrents=500, connections=4, base="download"),
    # libtorrent takes minutes to go round 500 torrents with its unchoke slots.
    Row("seed-500x4", "Seed 500 torrents, 4 peers each", "seed", (*MANY_FLOORS, "spate"), torrents=500, connections=4,
        base="seed"),
    Row("download-from-libtorrent", "Download from libtorrent", "download", ("spate", *FAST),
        counterpart="libtorrent"),
    Row("seed-to-libtorrent", "Seed to libtorrent", "seed", ("spate", *FAST), counterpart="libtorrent"),
    Row("cold-50", "Seed from a cold disk to 50 peers", "cold", ("spate", *FAST), connections=50),
    Row("idle-10000", "10,000 torrents that wait", "idle", ("spate",)),
]

ports = iter(range(10000, 60000, 2))  # of the client; its counterpart has the next one


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


def per_gib(figures, payload_bytes):
    gib = payload_bytes / (1 << 30)
    figures["blocks"] = payload_bytes / 16384
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


def rate_of(said):
    seconds = (said["last_block_ns"] - said["first_request_ns"]) / 1e9
    return {"seconds": seconds, "rate": said["payload_bytes"] / (1 << 20) / seconds}


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
        if said["payload_bytes"]:
            figures.update(rate_of(said))
            figures.update(sent_twice=said["payload_bytes"] / work.length - 1, peers=said["peers"])
    contestant.close()
    if contestant.writes:
        work.compare_and_remove(out)
    return per_gib(figures, work.length)


def receive_all(bench, row, work, port, *more):
    """The fixed downloader, to its end; it compares every byte."""
    net = bench.nets[row.net]
    more = ["--connections", row.connections, "--from", net.there(), "--window", max(16, 450 // row.connections), *more]
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
        figures, payload_bytes = meter.stop(), work.length
    else:
        said = receive_all(bench, row, work, port, "--part", contestant.part,
                           *(["--hash"] if row.hashes else []))
        # A floor ends with its peer.
        figures = meter.wait(contestant.process, PATIENCE_S) if isinstance(contestant, Floor) else meter.stop()
        figures.update(rate_of(said))
        figures.update(chokes=said["chokes"], lost=said["lost"])
        payload_bytes = said["payload_bytes"]
    contestant.close()
    return per_gib(figures, payload_bytes)


def measure_first(bench, row, contestant, port):
    """A second peer, which has nothing, notes when it is told of a piece. rTorrent, which tells it late, is asked."""
    net, work, out = bench.nets[row.net], bench.work(row), fresh("out")
    sender = Sender(bench, row, work, port + 1, witness=port + 201)
    bench.trackers[row.net].names([(net.there(1), port + 1), (net.there(2), port + 201)])
    contestant.open(net, row, port)
    began = time.monotonic_ns()
    contestant.get(work, out, port + 1)
    limit = time.monotonic() + PATIENCE_S
    verified = 0
    while not verified:
        check(time.monotonic() < limit, "nobody heard of a piece in %d s" % PATIENCE_S)
        time.sleep(0.02)
        said = sender.figures()
        verified = said["first_have_ns"] or (contestant.has_piece() and time.monotonic_ns())
    contestant.close()
    return {"first_piece_ms": (verified - began) / 1e6,
            "first_request_ms": (said["first_request_ns"] - began) / 1e6}


def measure_cold(bench, row, contestant, port):
    """Every piece goes to one of many peers, in no order; the disk's share is what the process made it read."""
    net, work = bench.nets[row.net], bench.cold_work(row)
    bench.trackers[row.net].names([])
    contestant.open(net, row, port)
    contestant.seed(work)
    forget_pages(os.path.join(work.parent, work.name))
    before = io_of(contestant.process.pid)
    meter = Meter(contestant.process.pid)
    said = receive_all(bench, row, work, port, "--shuffle")
    read = io_of(contestant.process.pid) - before
    figures = meter.stop()
    figures.update(rate_of(said))
    figures["read_per_sent"] = read / said["payload_bytes"]
    contestant.close()
    return per_gib(figures, said["payload_bytes"])


def forget_pages(name):
    """Takes a file out of the page cache, and makes sure."""
    with open(name, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    said = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", name], stdout=subprocess.PIPE,
                          check=True, text=True).stdout
    left = int(said.split()[0])
    check(left < os.path.getsize(name) / 100, "%d bytes of %s stay in the page cache" % (left, name))


def measure_idle(bench, row, contestant, port):
    net, work = bench.nets[row.net], bench.idle_work(IDLE_TORRENTS)
    contestant.open(net, dataclasses.replace(row, torrents=IDLE_TORRENTS), port)
    began = time.monotonic()
    contestant.seed(work)
    ready = time.monotonic() - began
    time.sleep(2)
    seconds = IDLE_QUICK_S if bench.quick else IDLE_S
    meter = Meter(contestant.process.pid)
    switches = switches_of(contestant.process.pid)
    time.sleep(seconds)
    switches = switches_of(contestant.process.pid) - switches
    figures = meter.stop()
    contestant.close()
    return {"wakeups": switches / seconds, "cpu_ms_per_minute": figures["cpu_s"] * 1000 * 60 / seconds,
            "ready_s": ready, "idle_seconds": seconds, "anon_bytes": figures["anon_bytes"],
            "rss_bytes": figures["rss_bytes"]}


KINDS = {"download": measure_download, "seed": measure_seed, "first": measure_first, "cold": measure_cold,
         "idle": measure_idle}


def measure(bench, row, name):
    """One measurement; whatever it started is ended, whatever it wrote is gone."""
    before, there = len(lab.started), set(os.listdir(lab.HOME))
    contestant, port = CONTESTANTS[name](), next(ports)
    try:
        figures = KINDS[row.kind](bench, row, contestant, port)
        if contestant.counter and "blocks" in figures:
            figures.update(contestant.counter.per_block(figures["blocks"]))
        bench.versions[name] = bench.versions.get(name) or version_of(contestant)
        bench.settings.setdefault(name, {})[row.name] = general(contestant.passed, bench.nets[row.net].client, port)
        return figures
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
