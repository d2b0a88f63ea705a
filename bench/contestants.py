"""Who is measured. Each is opened (a daemon is started, and is then idle), given torrents to get or to seed,
asked whether it is done, and closed. A client that ends by itself when it is done has `ends` set. How each is
set is in `settings`, which the report prints. All speak plain TCP only and are found by the tracker alone."""

import os
import subprocess

from clients import Aria2, Libtorrent, RTorrent, Transmission, info_hash
from lab import SPATE, check, end, fresh, spawn, wait_until

BENCH = os.environ["SPATE_BENCH_BUILD"]  # where the bench's own programs are


def program(*parts):
    return os.path.join(BENCH, "bench", *parts)


class Floor:
    """A floor or one of its components; arguments follow from the row."""
    ends = True
    settings = "one minimal program; see bench/floors"

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


class Spate:
    """One `spate get`, measured from its first instruction to its last, or one `spate seed`."""
    ends = writes = True
    settings = "defaults (--no-config); the whole process, start and exit included"

    def open(self, net, row, port):
        self.net, self.port = net, port
        self.more = ["--max-peers", str(row.connections)] if row.connections > 80 else []
        self.state = fresh("state")

    def start(self, command, *words):
        self.process = spawn("spate-" + command, SPATE, command, *words, "--no-config", "--state-dir", self.state,
                             "--bind", self.net.client, "--port", self.port, *self.more)

    def get(self, work, out, _):
        self.start("get", *work.torrents, "-o", out)

    def seed(self, work):
        self.start("seed", *work.torrents, "-d", work.parent, "--json")
        wait_until("spate seeds", lambda: b'"seeding"' in open(self.process.log, "rb").read(), 120)

    def close(self):
        end(self.process, 2)


class Client:
    """What those of other people have in common: a daemon from the lab."""
    ends, writes = False, True

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
        for torrent in work.torrents[:1]:
            wait_until("it seeds", lambda: self.client.is_done(torrent), 120)

    def done(self):
        return all(self.client.is_done(torrent) for torrent in self.work.torrents)

    def close(self):
        self.client.stop()


class LibtorrentClient(Client):
    def make(self, address, port, connections):
        more = {"connections_limit": connections + 50} if connections > 150 else {}
        return Libtorrent(address, port, transport="plain", settings={**more, **self.more})


class TransmissionClient(Client):
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


LIBTORRENT_TUNED = {"preset": "high_performance_seed", "max_out_request_queue": 2000, "aio_threads": 2,
                    "hashing_threads": 1, "send_socket_buffer_size": 0, "recv_socket_buffer_size": 0}

CONTESTANTS = {
    "floor": Floor,
    "receive only": lambda: Floor("--no-hash", "--no-write"),
    "receive and hash": lambda: Floor("--no-write"),
    "receive and write": lambda: Floor("--no-hash"),
    "floor, sendfile": lambda: Floor("--way", "sendfile"),
    "floor, mapped": lambda: Floor("--way", "mapped"),
    "floor, pread": lambda: Floor("--way", "pread"),
    "spate": Spate,
    "libtorrent": lambda: LibtorrentClient(settings="2.0.8 defaults; plain TCP, no DHT, LSD or port mapping"),
    "libtorrent tuned": lambda: LibtorrentClient(
        settings="as above, with high_performance_seed() and " + ", ".join(
            "%s=%s" % (k, v) for k, v in LIBTORRENT_TUNED.items() if k != "preset"), **LIBTORRENT_TUNED),
    "Transmission": lambda: TransmissionClient(
        settings="3.00 defaults; no encryption wanted, no uTP, DHT, LPD, port mapping or queue"),
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
