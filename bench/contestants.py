"""Who is measured. Each is opened (a daemon is started, and is then idle), given torrents to get or to seed,
asked whether it is done, and closed. How each is set is in `settings`, which the report prints. All speak plain
TCP only and are found by the tracker alone."""

import os
import signal
import subprocess

from clients import Aria2, Libtorrent, RTorrent, Transmission, info_hash
from lab import SPATE, check, end, fresh, spawn, wait_until

BENCH = os.environ["SPATE_BENCH_BUILD"]  # where the bench's own programs are


def program(*parts):
    return os.path.join(BENCH, "bench", *parts)


class Contestant:
    ends = False  # by itself, when it is done
    writes = True  # what it gets
    part = 1  # it seeds only so much of the payload: 1 / part

    def has_piece(self):
        """Whether it says that it has verified a piece; False for those that tell their peers at once."""
        return False


class Floor(Contestant):
    """A floor or one of its components; arguments follow from the row."""
    ends = True
    settings = "one minimal program; see bench/floors/download.c and seed.c"

    def __init__(self, *options):
        self.options, self.writes = options, "--no-write" not in options

    def open(self, net, row, port):
        self.net, self.row, self.port = net, row, port

    def get(self, work, out, sender_port):
        more = ["--have"] if self.row.have else []
        self.process = spawn("floor-download", program("floor_download"), "--torrents", work.list, "--address",
                             self.net.there(), "--port", sender_port, "--out", os.path.join(out, work.name), *more,
                             *self.options)

    def seed(self, work):
        self.process = spawn("floor-seed", program("floor_seed"), "--torrents", work.list, "--payload", work.payload,
                             "--address", self.net.client, "--port", self.port, *self.options)
        wait_until("the floor listens", lambda: os.path.getsize(self.process.log) > 0)

    def close(self):
        end(self.process)


class Part(Contestant):
    """A component of a floor, by itself and without any counterpart."""
    ends, writes = True, False
    settings = "a part of the floor alone; see bench/floors/parts.c"

    def __init__(self, what):
        self.what = what

    def open(self, net, row, port):
        pass

    def get(self, work, out, _):
        to = [] if self.what == "hash" else [os.path.join(out, work.name)]
        self.process = spawn("part", program("parts"), self.what, work.payload, *to)

    def close(self):
        end(self.process)


class Spate(Contestant):
    """One `spate get`, measured from its first instruction to its last, or one `spate seed`; for many torrents at
    once, and for connections beyond what the program allows, a session of libspate (bench/session.c)."""
    ends = True
    settings = ("defaults (--no-config; --max-peers where a row has more than 80 connections); a download is measured "
                "from the start of the process to its end; rows with many torrents run in bench/session.c")

    def open(self, net, row, port):
        self.net, self.row, self.port = net, row, port

    def start(self, command, work, directory):
        at = ["--bind", self.net.client, "--port", self.port]
        if self.row.torrents > 1:
            listing = os.path.join(fresh("list"), "torrents")
            with open(listing, "w", encoding="utf-8") as file:
                file.writelines(torrent + "\n" for torrent in work.torrents)
            more = ["--get"] if command == "get" else []
            self.process = spawn("session", program("session"), "--list", listing, "--save", directory, *at,
                                 "--connections", self.row.connections * self.row.torrents + 100, *more,
                                 stdin=subprocess.PIPE)
            return
        more = ["--max-peers", self.row.connections] if self.row.connections > 80 else []
        where = ["-o" if command == "get" else "-d", directory]
        self.process = spawn("spate-" + command, SPATE, command, *work.torrents, *where, "--no-config", "--json",
                             "--state-dir", fresh("state"), *at, *more)

    def get(self, work, out, _):
        self.start("get", work, out)

    def seed(self, work):
        self.start("seed", work, work.parent)
        said = b"ready" if self.row.torrents > 1 else b'"seeding"'
        wait_until("spate seeds", lambda: said in open(self.process.log, "rb").read(), 120)

    def close(self):
        if self.process.stdin:
            self.process.stdin.close()
        end(self.process, signal.SIGINT)


class Client(Contestant):
    """What those of other people have in common: a daemon from the lab."""

    def __init__(self, **more):
        self.settings = more.pop("settings")
        self.more = more

    def open(self, net, row, port):
        self.client = self.make(net.client, port, row.connections * row.torrents)
        self.process = self.client.process

    def get(self, work, out, _):
        self.work = work
        for torrent in work.torrents:
            self.client.add(torrent, out, seed=False)

    def seed(self, work):
        self.work = work
        for torrent in work.torrents:
            self.client.add(torrent, work.parent, seed=True)
        wait_until("it seeds", self.done, 120, pause=0.5)

    def done(self):
        return self.client.are_done(self.work.torrents)

    def close(self):
        self.client.stop()


class LibtorrentClient(Client):
    def make(self, address, port, connections):
        more = {"connections_limit": connections + 50} if connections > 150 else {}
        return Libtorrent(address, port, transport="plain", settings={**more, **self.more})


class TransmissionClient(Client):
    part = 8  # it looks at requests twice a second: an N-th of the payload is enough to seed

    def make(self, address, port, connections):
        more = {"peer-limit-global": connections + 50, "peer-limit-per-torrent": connections + 10} \
            if connections > 50 else {}
        return Transmission(address, port, settings={"encryption": 0, **more})


class Aria2Client(Client):
    def make(self, address, port, connections):
        return Aria2(address, port, options=["--bt-max-peers=%d" % (connections + 10)] if connections > 50 else [])


class RTorrentClient(Client):
    def make(self, address, port, connections):
        return RTorrent(address, port, peers=connections + 10 if connections > 50 else 0)

    def has_piece(self):
        return self.client.pieces(self.work.torrents[0]) > 0


LIBTORRENT_TUNED = {"preset": "high_performance_seed", "max_out_request_queue": 2000, "aio_threads": 2,
                    "hashing_threads": 1}

CONTESTANTS = {
    "floor": Floor,
    "receive only": lambda: Floor("--no-hash", "--no-write"),
    "hash only": lambda: Part("hash"),
    "write only": lambda: Part("write"),
    "write allocated only": lambda: Part("write-allocated"),
    "floor, sendfile": lambda: Floor("--way", "sendfile"),
    "floor, mapped": lambda: Floor("--way", "mapped"),
    "floor, pread": lambda: Floor("--way", "pread"),
    "spate": Spate,
    "libtorrent": lambda: LibtorrentClient(settings="2.0.8 defaults; plain TCP, no DHT, LSD or port mapping; "
                                            "connections_limit where a row has more"),
    "libtorrent tuned": lambda: LibtorrentClient(
        settings="as above, with high_performance_seed() and " + ", ".join(
            "%s=%s" % (k, v) for k, v in LIBTORRENT_TUNED.items() if k != "preset"), **LIBTORRENT_TUNED),
    "Transmission": lambda: TransmissionClient(
        settings="3.00 defaults; no encryption wanted, no uTP, DHT, LPD, port mapping or queue; "
                 "it seeds an eighth of the payload only, being slow"),
    "aria2": lambda: Aria2Client(settings="1.36 defaults; --file-allocation=none, --bt-seed-unverified, no LPD"),
    "rTorrent": lambda: RTorrentClient(
        settings="0.9.8 defaults; no encryption wanted, no DHT or PEX, no second check of what was just downloaded"),
}


def installed(name):
    """Why a contestant cannot be measured here; None when it can."""
    from lab import missing
    needs = {"libtorrent": "python libtorrent", "libtorrent tuned": "python libtorrent",
             "Transmission": "transmission-daemon", "aria2": "aria2c", "rTorrent": "rtorrent"}
    return missing(needs[name]) if name in needs else None
