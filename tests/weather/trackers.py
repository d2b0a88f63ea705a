"""Trackers in bad weather: whatever they answer, or do not, the transfer is unaffected and the exit is quick."""

import contextlib
import gzip
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from weather import (end, equal, finish, make_torrent, path, read, run, seed, test)

torrent, data = make_torrent("tracked.bin", 2 << 20)
count = 0


class Tracker:
    """An HTTP server that gives every request the same answer."""

    def __init__(self, answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    answer(self)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/announce" % self.server.server_address[1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def reply(status, body, headers=()):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    return answer


def unaffected(url, expected=None):
    """A download with a peer given by hand and this tracker."""
    global count
    count += 1
    seeder, address = seed(torrent, state="seed%d" % count)
    where = path("out%d" % count)
    began = time.monotonic()
    done = run("get", torrent, "-o", where, "--bind", "127.0.0.1", "--peer", address, "--tracker", url,
               "--log", where + ".log", state="get%d" % count, check=0)
    spent = time.monotonic() - began
    equal(read(os.path.join(where, "tracked.bin")) == data, True, "identical bytes")
    equal(spent < 15, True, "took %.1f s" % spent)
    end(seeder)
    if expected:
        log = read(where + ".log").decode() + done.stdout + done.stderr
        equal(expected.lower() in log.lower(), True, "says %r\n%s" % (expected, log[-1500:]))


def with_tracker(answer, expected=None):
    tracker = Tracker(answer)
    unaffected(tracker.url, expected)
    tracker.close()


@test("a refused passkey is shown as the tracker said it")
def refused():
    with_tracker(reply(200, b"d14:failure reason19:passkey not allowede"), "passkey not allowed")


@test("404 is an answer like another")
def not_found():
    with_tracker(reply(404, b"no"))


@test("an HTML page is no announce answer")
def html():
    with_tracker(reply(200, b"<html><body>Welcome</body></html>" * 50))


@test("a gzip bomb is refused while it is read")
def bomb():
    body = gzip.compress(b"\0" * (200 << 20))
    with_tracker(reply(200, body, [("Content-Encoding", "gzip")]))


@test("a body of 30 MB is refused while it is read")
def large():
    with_tracker(reply(200, b"d5:peers30000000:" + b"\1" * 30000000 + b"e"))


@test("a tracker that takes the connection and never answers holds up nothing")
def silent():
    with_tracker(lambda handler: time.sleep(30))


@test("a tracker that closes at once holds up nothing")
def closing():
    with_tracker(lambda handler: handler.connection.close())


@test("a UDP tracker that never answers holds up nothing, and the exit takes less than two seconds")
def silent_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        unaffected("udp://127.0.0.1:%d/announce" % s.getsockname()[1])


@test("the only seed is found behind six dead ports of its address")
def dead_ports():
    seeder, address = seed(torrent, state="seed_behind")
    with contextlib.ExitStack() as stack:
        # Bound and not listening: each refuses, and nobody else takes the port meanwhile.
        dead = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(6)]
        for s in dead:
            s.bind(("127.0.0.1", 0))
        ports = [s.getsockname()[1] for s in dead] + [int(address.rsplit(":", 1)[1])]
        peers = b"".join(socket.inet_aton("127.0.0.1") + port.to_bytes(2, "big") for port in ports)
        tracker = Tracker(reply(200, b"d8:intervali1800e5:peers%d:%se" % (len(peers), peers)))
        for i in range(5):  # who is dialled first is decided by lot
            where = path("behind%d" % i)
            run("get", torrent, "-o", where, "--bind", "127.0.0.1", "--tracker", tracker.url,
                state="get_behind%d" % i, check=0, timeout=30)
            equal(read(os.path.join(where, "tracked.bin")) == data, True, "identical bytes")
        tracker.close()
    end(seeder)


@test("a name that does not resolve holds up nothing")
def nowhere():
    unaffected("http://tracker.invalid/announce")


finish()
