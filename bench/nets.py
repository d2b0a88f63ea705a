"""The networks of the bench, each with a side for the client under test and one for its counterpart:

    lo      one namespace, both sides on its loopback (MTU 65,536)
    veth    a namespace each, joined by a veth pair of MTU 1500

Routes name the congestion control, since a namespace may not choose one that its parent does not hand out;
it is cubic for everybody. A tracker answers announces over HTTP, so that every client learns of its peers the
same way."""

import http.server
import os
import socket
import struct
import subprocess
import threading
import urllib.parse

from lab import check, end, spawn

CONGESTION_CONTROL = "cubic"
TRACKER_PORT = 6969


def ip(*words, within=None):
    before = ["nsenter", "--net=/proc/%d/ns/net" % within.pid] if within else []
    subprocess.run([*before, "ip", *" ".join(words).split()], check=True)


class Net:
    """client: the address of the client under test. there(n): the n-th address of its counterpart."""

    def __init__(self, name, client, there, other=None):
        self.name, self.client, self.other, self.pattern = name, client, other, there

    def there(self, n=1):
        return self.pattern % n

    def command(self, *words):
        """A command line that runs a counterpart on its side."""
        return ["nsenter", "--net=/proc/%d/ns/net" % self.other.pid, *words] if self.other else list(words)

    def close(self):
        if self.other:
            end(self.other)


def local(network, within=None):
    """A whole network whose addresses are all this namespace's own, reached by the loopback device."""
    ip("route add local %s dev lo congctl %s" % (network, CONGESTION_CONTROL), within=within)


def loopback():
    ip("address add 10.77.1.1/32 dev lo")
    ip("route replace local 10.77.1.1 dev lo table local proto kernel congctl " + CONGESTION_CONTROL)
    ip("route add local 10.77.2.0/24 dev lo src 10.77.1.1 congctl " + CONGESTION_CONTROL)
    return Net("lo", "10.77.1.1", "10.77.2.%d")


def veth():
    other = spawn("other-side", "unshare", "--net", "sleep", "infinity")
    here = os.readlink("/proc/self/ns/net")
    while os.readlink("/proc/%d/ns/net" % other.pid) == here:
        check(other.poll() is None, "no second network namespace is to be had")
    ip("link add bench0 mtu 1500 type veth peer name bench1 mtu 1500 netns %d" % other.pid)
    ip("address add 10.78.1.1/32 dev bench0")
    ip("link set bench0 up")
    ip("link set lo up", within=other)
    ip("link set bench1 up", within=other)
    local("10.78.2.0/24", within=other)
    ip("address add 10.78.2.254/32 dev bench1", within=other)
    ip("route add 10.78.2.0/24 dev bench0 src 10.78.1.1 congctl " + CONGESTION_CONTROL)
    ip("route add 10.78.1.1/32 dev bench1 congctl " + CONGESTION_CONTROL, within=other)
    return Net("veth", "10.78.1.1", "10.78.2.%d", other)


class Tracker:
    """Answers announces with the peers that the row at hand has named. Its clients live in this namespace."""

    def __init__(self, address):
        self.peers = b""
        tracker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are kept for who does not ask to close them
            timeout = 60

            def do_GET(self):  # noqa: N802 (the name is the library's)
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                gone = query.get("event") == ["stopped"]
                peers = b"" if gone else tracker.peers
                body = b"d8:intervali1800e5:peers%d:%be" % (len(peers), peers)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 1024

        self.server = Server((address, TRACKER_PORT), Handler)
        self.server.daemon_threads = True
        self.url = "http://%s:%d/announce" % (address, TRACKER_PORT)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def names(self, peers):
        """peers: (address, port), ..."""
        self.peers = b"".join(socket.inet_aton(host) + struct.pack("!H", port) for host, port in peers)
