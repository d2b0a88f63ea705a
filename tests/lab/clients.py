"""The programs of the lab, each behind the same few words: add a torrent to get or to seed, ask whether it is
done and what was counted, stop. A client lives at one address."""

import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
import xmlrpc.client

import lab
from lab import (PATIENCE_S, SPATE, SYSTEM_PYTHON, check, end, equal, fresh, path, run, spawn, url_host, wait_until,
                 write)

HERE = os.path.dirname(os.path.abspath(__file__))


def bencode_end(data, at):
    """The position after the item at `at`."""
    if data[at:at + 1] == b"i":
        return data.index(b"e", at) + 1
    if data[at:at + 1] in (b"l", b"d"):
        at += 1
        while data[at:at + 1] != b"e":
            at = bencode_end(data, at)
        return at + 1
    colon = data.index(b":", at)
    return colon + 1 + int(data[at:colon])


def info_hash(torrent):
    """SHA-1 over the original bytes of the info dictionary, in hex."""
    data = open(torrent, "rb").read()
    at = 1
    while data[at:at + 1] != b"e":
        key = data[at:bencode_end(data, at)]
        at += len(key)
        value_end = bencode_end(data, at)
        if key == b"4:info":
            return hashlib.sha1(data[at:value_end]).hexdigest()
        at = value_end
    raise AssertionError("no info dictionary in " + torrent)


def ask_json(url, payload, headers=None):
    request = urllib.request.Request(url, json.dumps(payload).encode(), headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=PATIENCE_S) as answer:
        return answer.read()


# ---- spate ----------------------------------------------------------------------------------------


class Spate:
    """One `spate get` or `spate seed`."""
    name = "spate"

    def __init__(self, address, port=7001):
        self.address, self.port, self.process = address, port, None
        self.state = fresh("state")

    def start(self, command, torrents, *arguments, peers=(), options=()):
        torrents = [torrents] if isinstance(torrents, str) else torrents
        self.events_file = os.path.join(fresh("events"), "spate-%s.json" % command)
        more = []
        for host, port in peers:
            more += ["--peer", "%s:%d" % (url_host(host), port)]
        with open(self.events_file, "wb") as out:
            self.process = spawn("spate-%s.log" % command, SPATE, command, *torrents, *arguments, "--no-config",
                                 "--state-dir", self.state, "--bind", self.address, "--port", self.port, "--json", "-v",
                                 "--log", os.path.join(self.state, "log"), *more, *options, stdout=out)
        self.process.log = os.path.join(self.state, "log")
        open(self.process.log, "ab").close()

    def seed(self, torrents, directory, peers=(), options=()):
        """torrents: one path or a list of them."""
        self.start("seed", torrents, "-d", directory, peers=peers, options=options)
        self.wait_state("seeding", 1 if isinstance(torrents, str) else len(torrents))
        return self

    def get(self, torrents, directory, peers=(), options=()):
        self.start("get", torrents, "-o", directory, peers=peers, options=options)
        return self

    def events(self, kind):
        with open(self.events_file, encoding="utf-8") as file:
            lines = file.read().split("\n")[:-1]
        return [e for e in map(json.loads, lines) if e["event"] == kind]

    def wait_state(self, state, torrents=1):
        def there():
            check(self.process.poll() is None, "spate ended with exit code %s before it was %s" % (
                self.process.poll(), state))
            return len({e["info_hash"] for e in self.events("state") if e["state"] == state}) == torrents
        wait_until("spate is " + state, there)

    def is_done(self, torrent):
        check(self.process.poll() in (None, 0), "exit code of spate: %s" % self.process.poll())
        return any(e["info_hash"] == info_hash(torrent) for e in self.events("complete"))

    def summary(self, torrent_hash):
        found = [e for e in self.events("summary") if e["info_hash"] == torrent_hash]
        check(len(found) == 1, "spate printed %d summaries of the torrent" % len(found))
        return found[0]

    def finish(self, patience=PATIENCE_S):
        """Waits for the end of a get that ends by itself."""
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError("spate get did not finish in %d s; its last event: %s" % (
                patience, (self.events("progress") or ["none"])[-1])) from None
        equal(code, 0, "exit code of spate get")
        for summary in self.events("summary"):
            equal(summary["result"], "complete", "result of spate get")

    def stop(self):
        """Ctrl-C."""
        equal(end(self.process, signal.SIGINT), 0, "exit code of spate after SIGINT")


class SpateTracker:
    name = "spate tracker"

    def __init__(self, address, port=6969):
        self.address, self.port = address, port

    def start(self, *torrents):
        at = "%s:%d" % (url_host(self.address), self.port)
        self.process = spawn("spate-tracker", SPATE, "tracker", "--udp", at, "--http", at)
        wait_until("spate tracker listens", lambda: open(self.process.log).read().count("announce") == 2)
        return self

    def url(self, scheme):
        return "%s://%s:%d/announce" % (scheme, url_host(self.address), self.port)

    def stop(self):
        equal(end(self.process), 0, "exit code of spate tracker")


# ---- others ---------------------------------------------------------------------------------------


class Opentracker:
    """Debian's is built with a white list. As root it changes its root to -d and its user to nobody, which it
    cannot where only root is mapped: there it runs as another user from the beginning."""
    name = "opentracker"

    def __init__(self, address, port=6969):
        self.address, self.port = address, port

    def start(self, *torrents):
        root = fresh("opentracker")
        with open(os.path.join(root, "white"), "w", encoding="ascii") as white:
            white.write("".join(info_hash(t) + "\n" for t in torrents))
        if os.environ[lab.INSIDE] == "root":
            command = ["opentracker", "-d", root, "-w", "/white"]
        else:
            command = ["unshare", "--user", "--map-user=65534", "--", "opentracker", "-w", os.path.join(root, "white")]
        self.process = spawn("opentracker", *command, "-i", self.address, "-p", self.port, "-P", self.port, cwd=root)
        wait_until("opentracker listens", self.answers)
        return self

    def answers(self):
        try:
            return b"files" in fetch("http://%s:%d/scrape" % (url_host(self.address), self.port))
        except OSError:
            return False

    def url(self, scheme):
        return "%s://%s:%d/announce" % (scheme, url_host(self.address), self.port)

    def stop(self):
        end(self.process)


def note(passed, text):
    if text not in passed:
        passed.append(text)


class Libtorrent:
    name = "libtorrent"
    needs = "python libtorrent"
    makes_empty_files = True

    version = (SYSTEM_PYTHON, "-c", "import libtorrent; print(libtorrent.version)")

    def __init__(self, address, port=7002, transport="tcp", upload_rate=0, settings=None):
        """transport: utp (it tries uTP for three seconds before it tries TCP, as it does unless told
        otherwise), tcp, or plain (TCP, and no attempt at encryption). upload_rate: bytes a second, 0: no
        limit. settings: more of libtorrent's own."""
        self.address, self.port = address, port
        self.process = spawn("libtorrent", SYSTEM_PYTHON, os.path.join(HERE, "libtorrent_client.py"), address, port,
                             transport, upload_rate, json.dumps(settings or {}), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        self.passed = ["%s=%s" % setting for setting in self.order(do="settings").items()]

    def order(self, **order):
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        check(answer, "libtorrent ended")
        return json.loads(answer)

    def add(self, torrent, directory, seed, peers=()):
        self.order(do="add", torrent=torrent, directory=directory, seed=seed, peers=list(peers))
        note(self.passed, "a torrent: not auto_managed, not paused" + (", seed_mode" if seed else ""))

    def create(self, source, out, flags, piece=65536):
        """A torrent at out; returns the bytes of its pad files."""
        return self.order(do="create", source=source, out=out, flags=flags, piece=piece)

    def status(self, torrent):
        found = [s for s in self.order(do="status") if s["info_hash"] == info_hash(torrent)][0]
        check(not found["error"], "libtorrent: " + found["error"])
        return found

    def is_done(self, torrent):
        return self.status(torrent)["done"]

    def are_done(self, torrents):
        now = self.order(do="status")
        return len(now) == len(torrents) and all(s["done"] for s in now)

    def counters(self, torrent):
        """Payload bytes sent and received."""
        now = self.status(torrent)
        return now["uploaded"], now["downloaded"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)


class Transmission:
    name = "Transmission"
    needs = "transmission-daemon"
    makes_empty_files = False

    version = ("transmission-daemon", "--version")

    def __init__(self, address, port=7003, settings=None, logs=True):
        self.address, self.port, self.session = address, port, ""
        home = fresh("transmission")
        settings = {
            "peer-port": port, "bind-address-ipv4": "127.0.0.1" if ":" in address else address,
            "bind-address-ipv6": address if ":" in address else "::1", "rpc-port": port + 1000,
            "rpc-bind-address": "127.0.0.1", "rpc-whitelist-enabled": False, "rpc-host-whitelist-enabled": False,
            "dht-enabled": False, "lpd-enabled": False, "pex-enabled": True, "utp-enabled": False,
            "port-forwarding-enabled": False, "encryption": 1, "ratio-limit-enabled": False,
            "idle-seeding-limit-enabled": False, "rename-partial-files": False, "message-level": 3 if logs else 1,
            "watch-dir-enabled": False, "download-queue-enabled": False, "seed-queue-enabled": False,
            **(settings or {})}
        with open(os.path.join(home, "settings.json"), "w", encoding="utf-8") as file:
            json.dump(settings, file)
        self.passed = ["%s=%s" % (name, json.dumps(value)) for name, value in settings.items()]
        self.process = spawn("transmission", "transmission-daemon", "--foreground", "-g", home)
        wait_until("Transmission answers", self.answers)

    def answers(self):
        check(self.process.poll() is None, "Transmission ended")
        try:
            self.call("session-get")
            return True
        except OSError:
            return False

    def call(self, method, **arguments):
        url = "http://127.0.0.1:%d/transmission/rpc" % (self.port + 1000)
        order = {"method": method, "arguments": arguments}
        try:
            answer = ask_json(url, order, {"X-Transmission-Session-Id": self.session})
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise
            self.session = error.headers["X-Transmission-Session-Id"]
            answer = ask_json(url, order, {"X-Transmission-Session-Id": self.session})
        equal(answer["result"], "success", "Transmission: " + method)
        return answer["arguments"]

    def add(self, torrent, directory, seed, peers=()):
        """It learns of peers from trackers and from whoever connects to it; files that are there are verified."""
        check(not peers, "Transmission cannot be told of peers")
        self.call("torrent-add", filename=torrent, paused=False, **{"download-dir": directory})
        if seed:
            wait_until("Transmission has verified", lambda: self.is_done(torrent))

    def status(self, torrent):
        fields = ["percentDone", "leftUntilDone", "uploadedEver", "downloadedEver", "corruptEver", "status", "error",
                  "errorString", "peers", "trackerStats"]
        return self.call("torrent-get", ids=[info_hash(torrent)], fields=fields)["torrents"][0]

    def is_done(self, torrent):
        now = self.status(torrent)
        check(now["error"] != 3, "Transmission: " + now["errorString"])
        return now["percentDone"] == 1 and now["leftUntilDone"] == 0 and now["status"] == 6

    def counters(self, torrent):
        now = self.status(torrent)
        return now["uploadedEver"], now["downloadedEver"]

    def are_done(self, torrents):
        return all(map(self.is_done, torrents))

    def stop(self):
        end(self.process)


class Aria2:
    name = "aria2"
    needs = "aria2c"
    makes_empty_files = True

    version = ("aria2c", "--version")

    def __init__(self, address, port=7005, options=(), logs=True):
        self.address, self.port, self.jobs = address, port, {}
        home = fresh("aria2")
        family = ["--disable-ipv6=true"] if ":" not in address else []
        # It asks UDP trackers through the socket of its DHT, which finds nobody in here.
        logging = ["--console-log-level=debug"] if logs else ["--console-log-level=error"]
        self.passed = ["--no-conf", "--enable-rpc", "--rpc-listen-port=%d" % (port + 1000), "--interface=" + address,
                       "--listen-port=%d" % port, "--enable-dht=true", "--dht-listen-port=%d" % port,
                       "--dht-file-path=" + os.path.join(home, "dht"), "--bt-enable-lpd=false",
                       "--enable-peer-exchange=true", "--file-allocation=none", "--seed-ratio=0.0",
                       "--summary-interval=0", *logging, *family, *options]
        self.process = spawn("aria2", "aria2c", *self.passed, cwd=home)
        wait_until("aria2 answers", self.answers)

    def answers(self):
        check(self.process.poll() is None, "aria2 ended")
        try:
            self.call("getVersion")
            return True
        except OSError:
            return False

    def call(self, method, *arguments):
        answer = ask_json("http://127.0.0.1:%d/jsonrpc" % (self.port + 1000),
                          {"jsonrpc": "2.0", "id": "1", "method": "aria2." + method, "params": arguments})
        return answer["result"]

    def add(self, torrent, directory, seed, peers=()):
        check(not peers, "aria2 cannot be told of peers")
        options = {"dir": directory}
        if seed:
            options["bt-seed-unverified"] = "true"
            note(self.passed, "a torrent: bt-seed-unverified=true")
        with open(torrent, "rb") as file:
            content = base64.b64encode(file.read()).decode()
        self.jobs[torrent] = self.call("addTorrent", content, [], options)

    def status(self, torrent):
        return self.call("tellStatus", self.jobs[torrent])

    def is_done(self, torrent):
        now = self.status(torrent)
        check(now["status"] != "error", "aria2: " + now.get("errorMessage", ""))
        return now.get("seeder") == "true" and now["completedLength"] == now["totalLength"]

    def counters(self, torrent):
        now = self.status(torrent)
        return int(now["uploadLength"]), int(now["completedLength"])

    def are_done(self, torrents):
        return all(map(self.is_done, torrents))

    def stop(self):
        end(self.process)


class RTorrent:
    """Debian's speaks XML-RPC over SCGI; without a terminal it runs as a daemon in the foreground."""
    name = "rTorrent"
    needs = "rtorrent"
    makes_empty_files = True

    version = ("rtorrent", "-h")

    def __init__(self, address, port=7006, peers=0):
        """peers: how many a torrent may have, 0: rTorrent's default."""
        self.address, self.port = address, port
        home = fresh("rtorrent")
        self.socket = os.path.join(home, "rpc")
        lines = ["system.daemon.set = true", "network.bind_address.set = " + address,
                 "network.port_range.set = %d-%d" % (port, port), "network.port_random.set = no",
                 "session.path.set = " + home, "dht.mode.set = disable", "protocol.pex.set = no",
                 "protocol.encryption.set = none", "pieces.hash.on_completion.set = no",
                 "network.scgi.open_local = " + self.socket]
        if peers:
            lines += ["throttle.max_peers.normal.set = %d" % peers, "throttle.max_peers.seed.set = %d" % peers]
        config = os.path.join(home, "rtorrent.rc")
        write(config, "".join(line + "\n" for line in lines).encode())
        self.passed = ["-n", *lines]
        self.process = spawn("rtorrent", "rtorrent", "-n", "-o", "import=" + config, cwd=home)
        wait_until("rTorrent answers", self.answers)

    def answers(self):
        check(self.process.poll() is None, "rTorrent ended")
        try:
            self.call("system.pid")
            return True
        except OSError:
            return False

    def call(self, method, *arguments):
        body = xmlrpc.client.dumps(arguments, method).encode()
        header = b"CONTENT_LENGTH\0%d\0SCGI\0001\0" % len(body)
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(PATIENCE_S)
            door.connect(self.socket)
            door.sendall(b"%d:%b,%b" % (len(header), header, body))
            answer = b"".join(iter(lambda: door.recv(65536), b""))
        return xmlrpc.client.loads(answer.partition(b"\r\n\r\n")[2])[0][0]

    def add(self, torrent, directory, seed, peers=()):
        """Files that are there are verified."""
        check(not peers, "rTorrent cannot be told of peers")
        self.call("load.start", "", torrent, 'd.directory.set="%s"' % directory)

    def is_done(self, torrent):
        """It takes a while before it knows a torrent that was just loaded."""
        wanted = info_hash(torrent).upper()
        for known, complete, active, hashing, message in self.call(
                "d.multicall2", "", "main", "d.hash=", "d.complete=", "d.is_active=", "d.hashing=", "d.message="):
            if known == wanted:
                check(not message or "Tracker" in message, "rTorrent: " + message)
                return complete == 1 and active == 1 and hashing == 0
        return False

    def pieces(self, torrent):
        """How many it has verified."""
        wanted = info_hash(torrent).upper()
        return sum(n for known, n in self.call("d.multicall2", "", "main", "d.hash=", "d.completed_chunks=")
                   if known == wanted)

    def are_done(self, torrents):
        return all(map(self.is_done, torrents))

    def stop(self):
        end(self.process)


def create(source, *trackers, piece="64k", options=()):
    """A torrent of a file or tree by `spate create`; returns its path."""
    torrent = os.path.join(fresh("torrent"), "spate.torrent")
    more = [word for url in trackers for word in ("-t", url)]
    run(SPATE, "create", source, "-o", torrent, "--piece-size", piece, *more, *options)
    return torrent
