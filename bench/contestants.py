"""Who is measured. Each is opened (a daemon is started, and is then idle), given torrents to get or to seed,
asked whether it is done, and closed. All speak plain TCP only and are found by the tracker alone. The report prints
what each was really given: its arguments, the lines of its configuration, the settings of its session (`passed`)."""

import os
import re
import signal
import subprocess

from clients import Aria2, Libtorrent, RTorrent, Transmission, info_hash
from lab import HOME, SPATE, check, end, fresh, missing, spawn, wait_until
from meter import CallCounter

BENCH = os.environ["SPATE_BENCH_BUILD"]  # where the bench's own programs are


def program(*parts):
    return os.path.join(BENCH, "bench", *parts)


def grouped(arguments):
    """Each option together with its value."""
    found = []
    for word in map(str, arguments):
        if found and found[-1].startswith("-") and " " not in found[-1] and not word.startswith("-"):
            found[-1] += " " + word
        else:
            found.append(word)
    return found


def general(passed, address, port):
    """Settings without what differs from measurement to measurement for no other reason than that there are many."""
    words = [(r"(?:%s|%s)[^\s;\",]*" % (re.escape(HOME), re.escape(BENCH)), "PATH"),
             (r"\b%s\b" % re.escape(address), "ADDRESS")]
    words += [(r"\b%d\b" % (int(port) + more), "PORT%s" % ("+%d" % more if more else "")) for more in (0, 1, 1000)]
    for pattern, word in words:
        passed = [re.sub(pattern, word, text) for text in passed]
    return list(dict.fromkeys(passed))


class Contestant:
    ends = False  # by itself, when it is done
    writes = True  # what it gets
    part = 1  # it seeds only so much of the payload: 1 / part
    version = None  # the command that makes the program say it
    passed = ()  # every setting it was given for the measurement
    counts_calls = False  # --syscalls: of everybody
    counter = None

    def spawn(self, name, command, *more, **how):
        self.passed = grouped(more)
        if not self.counts_calls:
            return spawn(name, command, *more, **how)
        process = spawn(name, "sh", "-c", 'kill -STOP $$; exec "$@"', "sh", command, *more, **how)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        self.counter = CallCounter(process.pid)
        process.send_signal(signal.SIGCONT)
        return process

    def has_piece(self):
        """Whether it says that it has verified a piece; False for those that tell their peers at once."""
        return False


class Floor(Contestant):
    """A floor or one of its components; program and arguments follow from the row."""
    ends = True

    def __init__(self, *options):
        self.options, self.writes = options, "--no-write" not in options

    def open(self, net, row, port):
        self.net, self.row, self.port = net, row, port
        self.peers = row.connections * row.torrents

    def get(self, work, out, sender_port):
        name, to, more = "download", os.path.join(out, work.name), ["--have"] if self.row.have else []
        if self.peers > 1:
            name, to, more = "many_download", out, ["--connections", self.row.connections]
        self.process = self.spawn("floor-download", program("floor_" + name), "--torrents", work.list, "--address",
                                  self.net.there(), "--port", sender_port, "--out", to, *more, *self.options)

    def seed(self, work):
        name, more = "seed", ["--payload", work.payload]
        if self.peers > 1:
            name, more = "many_seed", ["--directory", work.parent, "--peers", self.peers]
        self.process = self.spawn("floor-seed", program("floor_" + name), "--torrents", work.list, "--address",
                                  self.net.client, "--port", self.port, *more, *self.options)
        wait_until("the floor listens", lambda: os.path.getsize(self.process.log) > 0)

    def close(self):
        end(self.process)


class Part(Contestant):
    """A component of a floor, by itself and without any counterpart."""
    ends, writes = True, False

    def __init__(self, what):
        self.what = what

    def open(self, net, row, port):
        pass

    def get(self, work, out, _):
        to = [] if self.what == "hash" else [os.path.join(out, work.name)]
        self.process = self.spawn("part", program("parts"), self.what, work.payload, *to)

    def close(self):
        end(self.process)


class Spate(Contestant):
    """One `spate get`, measured from its first instruction to its last, or one `spate seed`; for many torrents at
    once, and for connections beyond what the program allows, a session of libspate (bench/session.c)."""
    ends = True
    version = (SPATE, "--version")

    def open(self, net, row, port):
        self.net, self.row, self.port = net, row, port

    def start(self, command, work, directory):
        at = ["--bind", self.net.client, "--port", self.port]
        if self.row.torrents > 1:
            listing = os.path.join(fresh("list"), "torrents")
            with open(listing, "w", encoding="utf-8") as file:
                file.writelines(torrent + "\n" for torrent in work.torrents)
            more = ["--get"] if command == "get" else []
            self.process = self.spawn("session", program("session"), "--list", listing, "--save", directory, *at,
                                      "--connections", self.row.connections * self.row.torrents + 100, *more,
                                      stdin=subprocess.PIPE)
            return
        more = ["--max-peers", self.row.connections] if self.row.connections > 80 else []
        where = ["-o" if command == "get" else "-d", directory]
        self.process = self.spawn("spate-" + command, SPATE, command, *work.torrents, *where, "--no-config", "--json",
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
    """What those of other people have in common: a daemon from the lab, which writes no log."""

    def __init__(self, **more):
        self.more = more

    @property
    def passed(self):
        return self.client.passed

    def open(self, net, row, port):
        self.client = self.make(net.client, port, row.connections * row.torrents)
        self.process = self.client.process
        if self.counts_calls:
            self.counter = CallCounter(self.process.pid)

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
    version = Libtorrent.version

    def make(self, address, port, connections):
        more = {"connections_limit": connections + 50} if connections > 150 else {}
        return Libtorrent(address, port, transport="plain", settings={**more, **self.more})


class TransmissionClient(Client):
    version = Transmission.version
    part = 8  # it looks at requests twice a second: an N-th of the payload is enough to seed

    def make(self, address, port, connections):
        more = {"peer-limit-global": connections + 50, "peer-limit-per-torrent": connections + 10} \
            if connections > 50 else {}
        return Transmission(address, port, settings={"encryption": 0, **more}, logs=False)


class Aria2Client(Client):
    version = Aria2.version

    def make(self, address, port, connections):
        more = ["--bt-max-peers=%d" % (connections + 10)] if connections > 50 else []
        return Aria2(address, port, options=more, logs=False)


class RTorrentClient(Client):
    version = RTorrent.version

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
    "libtorrent": LibtorrentClient,
    "libtorrent tuned": lambda: LibtorrentClient(**LIBTORRENT_TUNED),
    "Transmission": TransmissionClient,
    "aria2": Aria2Client,
    "rTorrent": RTorrentClient,
}


def version_of(contestant):
    """What the program says of itself, in one line; "" for programs of the bench."""
    if not contestant.version:
        return ""
    said = subprocess.run(contestant.version, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL).stdout
    lines = [line.strip() for line in said.splitlines() if re.search(r"\d", line)]
    return lines[0].rstrip(".") if lines else "unknown"


def installed(name):
    """Why a contestant cannot be measured here; None when it can."""
    needs = {"libtorrent": "python libtorrent", "libtorrent tuned": "python libtorrent",
             "Transmission": "transmission-daemon", "aria2": "aria2c", "rTorrent": "rtorrent"}
    return missing(needs[name]) if name in needs else None
