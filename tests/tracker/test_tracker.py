#!/usr/bin/env python3
"""spate tracker over real sockets of the loopback interface: UDP (BEP 15) and HTTP (BEP 3, 23, 48), well-formed
and not. Usage: test_tracker.py COMMAND [ARGUMENT...], the command that starts the tracker."""
import os
import pwd
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import unittest
import urllib.error
import urllib.parse
import urllib.request

COMMAND = []
PATIENCE_S = 20  # for what comes at once on an idle machine
MAGIC = 0x41727101980
CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)


def bdecode(data, at=0):
    """One item; returns it and the position after it."""
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        keys = items[0::2]
        assert keys == sorted(keys), keys
        return dict(zip(keys, items[1::2])), at + 1
    colon = data.index(b":", at)
    size = int(data[at:colon])
    return data[colon + 1:colon + 1 + size], colon + 1 + size


# What a tracker says that root starts without --user.
ROOT_WARNING = "" if os.geteuid() != 0 else (
    "spate tracker: warning: it stays root; --user NAME becomes another user once all listeners are bound\n")


class Tracker:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.udp, self.http = [], []
        for _ in range(sum(a in ("--udp", "--http") for a in arguments)):
            line = self.process.stdout.readline().decode()
            match = re.fullmatch(r"(udp|http)://(.+):(\d+)/announce\n", line)
            assert match, (line, self.process.stderr.read() if not line else "")
            getattr(self, match.group(1)).append((match.group(2).strip("[]"), int(match.group(3))))

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output.decode(), errors.decode()


class Udp:
    """A client of one UDP tracker."""

    def __init__(self, address, source=None):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.v6 = family == socket.AF_INET6
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)

    def send(self, data):
        self.socket.send(data)

    def receive(self, patience=PATIENCE_S):
        if select.select([self.socket], [], [], patience)[0]:
            return self.socket.recv(65536)
        return None

    def ask(self, data):
        self.send(data)
        answer = self.receive()
        assert answer is not None, "no answer"
        return answer

    def connect(self):
        transaction = random.getrandbits(32)
        answer = self.ask(struct.pack(">QII", MAGIC, CONNECT, transaction))
        assert len(answer) == 16 and struct.unpack(">II", answer[:8]) == (CONNECT, transaction), answer
        return struct.unpack(">Q", answer[8:])[0]

    def announce(self, connection, info_hash, port, left=1, event=0, want=-1, extra=b""):
        peer_id = b"-XX0001-abcdefghijkl"
        transaction = random.getrandbits(32)
        answer = self.ask(struct.pack(">QII20s20sQQQIIIiH", connection, ANNOUNCE, transaction, info_hash, peer_id,
                                      0, left, 0, event, 0x08080808, 7, want, port) + extra)
        action, got = struct.unpack(">II", answer[:8])
        assert (action, got) == (ANNOUNCE, transaction), answer
        interval, leechers, seeders = struct.unpack(">III", answer[8:20])
        size = 18 if self.v6 else 6
        assert (len(answer) - 20) % size == 0
        peers = [answer[i:i + size] for i in range(20, len(answer), size)]
        return interval, leechers, seeders, peers


class TrackerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tracker = Tracker("--udp", "127.0.0.1:0", "--udp", "[::1]:0", "--http", "127.0.0.1:0", "--http", "[::1]:0",
                              "--interval", "10m")

    @classmethod
    def tearDownClass(cls):
        code, output, errors = cls.tracker.stop()
        assert code == 0, (code, errors)
        assert errors == ROOT_WARNING, errors

    def setUp(self):
        self.info_hash = os.urandom(20)

    def url(self, path, v6=False, **parameters):
        host, port = self.tracker.http[1 if v6 else 0]
        host = f"[{host}]" if ":" in host else host
        query = urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
        return f"http://{host}:{port}{path}?{query}"

    def get(self, url):
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            body = answer.read()
        item, end = bdecode(body)
        self.assertEqual(end, len(body))
        return item

    def announce(self, port, v6=False, **more):
        return self.get(self.url("/announce", v6, info_hash=self.info_hash, peer_id=b"-XX0001-abcdefghijkl", port=port,
                                 uploaded=0, downloaded=0, **{"left": 1, "compact": 1, **more}))

    def test_udp_peers_find_each_other(self):
        a, b = Udp(self.tracker.udp[0]), Udp(self.tracker.udp[0])
        self.assertEqual(a.announce(a.connect(), self.info_hash, 1001, left=0), (600, 0, 1, []))
        interval, leechers, seeders, peers = b.announce(b.connect(), self.info_hash, 1002)
        self.assertEqual((leechers, seeders), (1, 1))
        self.assertEqual(peers, [socket.inet_aton("127.0.0.1") + struct.pack(">H", 1001)])

    def test_udp_over_ipv6_gives_18_byte_peers_of_its_own_family(self):
        a, b = Udp(self.tracker.udp[1]), Udp(self.tracker.udp[1])
        v4 = Udp(self.tracker.udp[0])
        v4.announce(v4.connect(), self.info_hash, 1003)
        a.announce(a.connect(), self.info_hash, 1001)
        peers = b.announce(b.connect(), self.info_hash, 1002)[3]
        self.assertEqual(peers, [socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">H", 1001)])

    def test_udp_stop_forgets_the_peer(self):
        a, b = Udp(self.tracker.udp[0]), Udp(self.tracker.udp[0])
        a.announce(a.connect(), self.info_hash, 1001)
        self.assertEqual(a.announce(a.connect(), self.info_hash, 1001, event=3)[3], [])
        self.assertEqual(b.announce(b.connect(), self.info_hash, 1002)[1:], (1, 0, []))

    def test_udp_options_are_let_pass(self):
        a = Udp(self.tracker.udp[0])
        path = b"/announce?x=y"
        a.announce(a.connect(), self.info_hash, 1001, extra=bytes([2, len(path)]) + path + b"\x01\x00")

    def test_udp_wants_as_many_as_asked(self):
        a = Udp(self.tracker.udp[0])
        connection = a.connect()
        for port in range(2000, 2300):
            a.announce(connection, self.info_hash, port, want=0)
        for want, expected in ((0, 0), (1, 1), (7, 7), (-1, 50), (100000, 200)):
            peers = a.announce(connection, self.info_hash, 2000, want=want)[3]
            self.assertEqual(len(peers), expected)
            self.assertEqual(len(set(peers)), expected)
            self.assertNotIn(socket.inet_aton("127.0.0.1") + struct.pack(">H", 2000), peers)

    def test_udp_scrape(self):
        a = Udp(self.tracker.udp[0])
        connection = a.connect()
        a.announce(connection, self.info_hash, 1001, left=0)
        a.announce(connection, self.info_hash, 1002, left=5)
        a.announce(connection, self.info_hash, 1002, left=0, event=1)
        answer = a.ask(struct.pack(">QII", connection, SCRAPE, 9) + self.info_hash + os.urandom(20))
        self.assertEqual(struct.unpack(">IIIIIIII", answer), (SCRAPE, 9, 2, 1, 0, 0, 0, 0))

    def test_udp_without_a_good_connection_id_there_is_silence(self):
        a = Udp(self.tracker.udp[0])
        connection = a.connect()
        other = Udp(self.tracker.udp[0], source="127.0.0.2")
        rest = struct.pack(">II20s20sQQQIIIiH", ANNOUNCE, 5, self.info_hash, b"x" * 20, 0, 1, 0, 0, 0, 7, -1, 99)
        other.send(struct.pack(">Q", connection) + rest)
        a.send(struct.pack(">Q", connection ^ 1) + rest)
        a.send(struct.pack(">QII", connection ^ 1, SCRAPE, 5) + self.info_hash)
        self.assert_silent_but_alive(a)
        self.assert_silent_but_alive(other)

    def assert_silent_but_alive(self, client):
        """Nothing was answered so far: the first answer is that to a new connect."""
        client.connect()
        self.assertIsNone(client.receive(0))

    def test_udp_garbage_is_met_with_silence(self):
        a = Udp(self.tracker.udp[0])
        chance = random.Random(1)
        for size in list(range(0, 120)) + [1500, 2048, 2049, 9000, 65507]:
            a.send(chance.randbytes(size))
        a.send(struct.pack(">QI", MAGIC, CONNECT))
        a.send(struct.pack(">QII", MAGIC + 1, CONNECT, 1))
        a.send(struct.pack(">QII", MAGIC, 4, 1))
        self.assert_silent_but_alive(a)

    def test_udp_truncated_announces_are_met_with_silence(self):
        a = Udp(self.tracker.udp[0])
        whole = struct.pack(">QII20s20sQQQIIIiH", a.connect(), ANNOUNCE, 5, self.info_hash, b"x" * 20, 0, 1, 0, 0, 0, 7, -1, 99)
        for size in range(16, 98):
            a.send(whole[:size])
        self.assert_silent_but_alive(a)

    def test_udp_no_answer_is_longer_than_an_unproven_question(self):
        a = Udp(self.tracker.udp[0])
        self.assertEqual(len(a.ask(struct.pack(">QII", MAGIC, CONNECT, 1))), 16)
        self.assertEqual(len(a.ask(struct.pack(">QII", MAGIC, CONNECT, 1) + bytes(1000))), 16)

    def test_http_compact(self):
        self.announce(1001, left=0)
        answer = self.announce(1002)
        self.assertEqual(answer[b"peers"], socket.inet_aton("127.0.0.1") + struct.pack(">H", 1001))
        self.assertEqual((answer[b"complete"], answer[b"incomplete"]), (1, 1))
        self.assertEqual((answer[b"interval"], answer[b"min interval"]), (600, 300))
        self.assertEqual(answer[b"external ip"], socket.inet_aton("127.0.0.1"))

    def test_http_over_ipv6(self):
        self.announce(1001, v6=True)
        answer = self.announce(1002, v6=True)
        self.assertEqual(answer[b"peers6"], socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">H", 1001))
        self.assertNotIn(b"peers", answer)

    def test_http_lists(self):
        self.announce(1001)
        peer = {b"ip": b"127.0.0.1", b"peer id": b"-XX0001-abcdefghijkl", b"port": 1001}
        self.assertEqual(self.announce(1002, compact=0)[b"peers"], [peer])
        del peer[b"peer id"]
        self.assertEqual(self.announce(1002, compact=0, no_peer_id=1)[b"peers"], [peer])

    def test_http_and_udp_share_their_swarms(self):
        a = Udp(self.tracker.udp[0])
        a.announce(a.connect(), self.info_hash, 1001)
        self.assertEqual(self.announce(1002)[b"incomplete"], 2)

    def test_http_seeds_hear_of_no_seeds(self):
        self.announce(1001, left=0)
        self.announce(1003)
        answer = self.announce(1002, left=0)
        self.assertEqual(answer[b"peers"], socket.inet_aton("127.0.0.1") + struct.pack(">H", 1003))

    def test_http_does_not_believe_an_address(self):
        self.announce(1001, ip="8.8.8.8", ipv4="8.8.8.8")
        self.assertEqual(self.announce(1002)[b"peers"], socket.inet_aton("127.0.0.1") + struct.pack(">H", 1001))

    def test_http_info_hashes_with_any_byte(self):
        self.info_hash = bytes([0, 1, 10, 13, 32, 35, 37, 38, 43, 47, 61, 63, 64, 91, 127, 128, 254, 255, 0, 0])
        self.announce(1001, left=0)
        self.assertEqual(self.announce(1002)[b"complete"], 1)

    def test_http_scrape(self):
        self.announce(1001, left=0)
        self.announce(1002, left=3, event="paused")
        self.announce(1003, left=3)
        answer = self.get(self.url("/scrape", info_hash=self.info_hash))
        self.assertEqual(answer, {b"files": {self.info_hash: {
            b"complete": 1, b"downloaded": 0, b"downloaders": 1, b"incomplete": 2}}})

    def test_http_refuses_a_full_scrape(self):
        self.assertEqual(list(self.get(self.url("/scrape"))), [b"failure reason"])

    def test_http_says_what_is_missing(self):
        for missing in ("info_hash", "peer_id", "port"):
            parameters = {"info_hash": b"h" * 20, "peer_id": b"p" * 20, "port": 1, "left": 1}
            del parameters[missing]
            reason = self.get(self.url("/announce", **parameters))[b"failure reason"].decode()
            self.assertIn(missing, reason)
            for bad in ("", "x", "%zz", "99999999", "a" * 21):
                answer = self.get(self.url("/announce", **{**parameters, missing: "BAD"}).replace("BAD", bad))
                self.assertIn(missing, answer[b"failure reason"].decode())

    def test_http_elsewhere_is_404(self):
        for path in ("/", "/announcer", "/stats", "/../announce", "/announce/"):
            with self.assertRaises(urllib.error.HTTPError) as failed:
                self.get(self.url(path))
            self.assertEqual(failed.exception.code, 404)

    def raw(self, data, answered=True):
        """Sends bytes over a connection of their own; returns what came until it was closed."""
        answer = b""
        with socket.create_connection(self.tracker.http[0], timeout=PATIENCE_S) as connection:
            try:
                connection.sendall(data)
                while answered:
                    more = connection.recv(65536)
                    if not more:
                        return answer
                    answer += more
            except OSError:  # it was closed on us, as it may be
                return answer

    def test_http_posts_are_refused(self):
        self.assertIn(b" 405 ", self.raw(b"POST /announce HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"))

    def test_http_garbage_does_no_harm(self):
        chance = random.Random(2)
        for size in (1, 10, 100, 1000, 10000):
            self.raw(chance.randbytes(size), answered=False)
        self.raw(b"GET /announce?" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", answered=False)
        self.raw(b"GET /announce HTTP/1.1\r\n" + b"X: y\r\n" * 10000 + b"\r\n", answered=False)
        self.raw(b"GET /announce?info_hash=%00&&&=&=&%=%&port=-1 HTTP/1.0\r\n\r\n", answered=False)
        self.announce(1001)

    def test_http_many_clients_at_once(self):
        connections = []
        for number in range(100):
            connection = socket.create_connection(self.tracker.http[0], timeout=PATIENCE_S)
            connection.sendall(b"GET /announce?")
            connections.append(connection)
        for number, connection in enumerate(connections):
            query = self.url("", info_hash=self.info_hash, peer_id=b"p" * 20, port=3000 + number, left=1).split("?")[1]
            connection.sendall(f"{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for connection in connections:
            answer = b""
            while more := connection.recv(65536):
                answer += more
            self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
            connection.close()
        self.assertEqual(self.announce(4000)[b"incomplete"], 101)


class CommandLineTest(unittest.TestCase):
    def run_tracker(self, *arguments):
        return subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=PATIENCE_S, text=True)

    def test_help_names_every_option(self):
        done = self.run_tracker("--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--udp", "--http", "--interval", "--max-swarms", "--user", "--quiet", "--help"):
            self.assertIn(option, done.stdout)

    def test_wrong_arguments_are_named(self):
        for arguments in ((), ("--nothing", "1"), ("--udp",), ("word",), ("--udp", "127.0.0.1:0", "--interval", "1s"),
                          ("--udp", "127.0.0.1:0", "--max-swarms", "0")):
            done = self.run_tracker(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertTrue(done.stderr, arguments)
            self.assertEqual(done.stdout, "")

    def test_an_address_that_cannot_be_listened_on_is_an_error(self):
        tracker = Tracker("--http", "127.0.0.1:0", "--udp", "127.0.0.1:0")
        taken, elsewhere, nonsense = 5, 5, 2  # of `spate help exit-codes`
        for code, arguments in ((taken, ("--http", f"127.0.0.1:{tracker.http[0][1]}")),
                                (taken, ("--udp", f"127.0.0.1:{tracker.udp[0][1]}")),
                                (elsewhere, ("--udp", "192.0.2.1:6969")), (elsewhere, ("--http", "192.0.2.1:6969")),
                                (nonsense, ("--udp", "127.0.0.1")), (nonsense, ("--udp", "::1")),
                                (nonsense, ("--udp", "127.0.0.1:65536"))):
            done = self.run_tracker(*arguments)
            self.assertEqual(done.returncode, code, arguments)
            self.assertIn(arguments[1], done.stderr)
        tracker.stop()

    def test_both_signals_end_it_with_success(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            code, output, errors = Tracker("--udp", "127.0.0.1:0").stop(number)
            self.assertEqual((code, errors), (0, ROOT_WARNING))
            self.assertIn("0 UDP", output)

    def test_quiet_says_nothing(self):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen([*COMMAND, "--http", f"127.0.0.1:{port}", "--quiet"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        for _ in range(PATIENCE_S * 20):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
                break
            except ConnectionRefusedError:
                select.select([], [], [], 0.05)
        process.terminate()
        self.assertEqual(process.communicate(timeout=PATIENCE_S), (b"", b""))
        self.assertEqual(process.returncode, 0)

    @staticmethod
    def identities(pid):
        """The user, group and supplementary ids of every thread, without the ids of the threads."""
        found = set()
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
                found.add(tuple(tuple(line.split()) for line in file
                                if line.startswith(("Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:"))))
        return found

    def test_root_becomes_the_user_for_good_and_the_others_stay_who_they_are(self):
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        tracker = Tracker("--http", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--user", user.pw_name)
        found = self.identities(tracker.process.pid)
        self.assertEqual(len(found), 1, "not all threads are the same user")
        facts = {line[0]: line[1:] for line in found.pop()}
        self.assertEqual(facts["Uid:"], (str(user.pw_uid),) * 4)
        if os.geteuid() == 0:
            self.assertEqual(facts["Gid:"], (str(user.pw_gid),) * 4)
            self.assertEqual(sorted(map(int, facts["Groups:"])), sorted(os.getgrouplist(user.pw_name, user.pw_gid)))
            self.assertEqual((int(facts["CapPrm:"][0], 16), int(facts["CapEff:"][0], 16)), (0, 0))
        client = Udp(tracker.udp[0])
        client.announce(client.connect(), b"h" * 20, 1001)
        code, _, errors = tracker.stop()
        self.assertEqual((code, errors), (0, ""))

    def test_who_stays_root_is_warned_unless_he_asked_for_it(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.assertIn("--user", Tracker("--udp", "127.0.0.1:0").stop()[2])
        self.assertEqual(Tracker("--udp", "127.0.0.1:0", "--user", "root").stop()[2], "")

    def test_a_user_that_cannot_be_had_is_an_error(self):
        names = ["no such user", ""] + (["root"] if os.geteuid() != 0 else [])
        for name in names:
            done = self.run_tracker("--udp", "127.0.0.1:0", "--user", name)
            self.assertEqual(done.returncode, 1, name)
            self.assertIn("--user", done.stderr)

    def test_an_open_connection_does_not_delay_the_end(self):
        tracker = Tracker("--http", "127.0.0.1:0")
        with socket.create_connection(tracker.http[0], timeout=PATIENCE_S) as connection:
            connection.sendall(b"GET /announce HTTP/1.1\r\nX: ")
            self.assertEqual(tracker.stop()[0], 0)

    def test_the_longest_silent_swarm_makes_room(self):
        tracker = Tracker("--udp", "127.0.0.1:0", "--max-swarms", "2")
        client = Udp(tracker.udp[0])
        connection = client.connect()
        hashes = [bytes([i]) * 20 for i in range(3)]
        for info_hash in hashes:
            client.announce(connection, info_hash, 1001, left=0)
        answer = client.ask(struct.pack(">QII", connection, SCRAPE, 1) + b"".join(hashes))
        self.assertEqual([struct.unpack(">III", answer[8 + 12 * i:20 + 12 * i])[0] for i in range(3)], [0, 1, 1])
        tracker.stop()


if __name__ == "__main__":
    COMMAND = sys.argv[1:]
    if not COMMAND:
        sys.exit(__doc__)
    unittest.main(argv=sys.argv[:1], verbosity=2, warnings="ignore")
