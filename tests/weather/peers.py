"""Hostile peers, written byte by byte: each breaks another rule. The download finishes from an honest seed all
the same, and no honest peer is lost."""

import os
import socket
import struct
import subprocess
import threading
import time

from weather import (end, equal, finish, free_port, make_torrent, path, read, run, seed, spawn, test)

PIECE = 65536
NAME = b"\x13BitTorrent protocol"


def message(number, body=b""):
    return struct.pack(">IB", len(body) + 1, number) + body


class Peer(threading.Thread):
    """Listens, takes one connection after the other, and lets behave(socket) do its worst."""

    def __init__(self, info_hash, behave, reserved=b"\0\0\0\0\0\x10\0\x04", peer_id=None, info=None):
        super().__init__(daemon=True)
        self.info_hash, self.behave, self.reserved = info_hash, behave, reserved
        self.peer_id = peer_id or b"-XX0001-" + os.urandom(12)
        self.says = info or info_hash
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            connection.settimeout(20)
            theirs = self.take(connection, 68)
            peer_id = theirs[48:68] if self.peer_id == "mirror" else self.peer_id
            connection.sendall(NAME + self.reserved + self.says + peer_id)
            self.behave(self, connection)
        except (OSError, struct.error):
            pass
        finally:
            connection.close()

    @staticmethod
    def take(connection, count):
        data = b""
        while len(data) < count:
            part = connection.recv(count - len(data))
            if not part:
                raise OSError("closed")
            data += part
        return data

    def next(self, connection):
        length = struct.unpack(">I", self.take(connection, 4))[0]
        return self.take(connection, length) if length else b""


def serve_blocks(make):
    """Unchokes, has everything, and answers each request with make(piece, offset, length)."""
    def behave(peer, connection):
        connection.sendall(message(14) + message(1))
        while True:
            body = peer.next(connection)
            if body[:1] == b"\x06":
                piece, offset, length = struct.unpack(">III", body[1:])
                data = make(piece, offset, length)
                if data is not None:
                    connection.sendall(message(7, struct.pack(">II", piece, offset) + data))
    return behave


def say(*what):
    def behave(peer, connection):
        for data in what:
            connection.sendall(data)
        while True:
            peer.next(connection)
    return behave


def info_hash_of(torrent):
    import json
    return bytes.fromhex(json.loads(run("show", torrent, "--json", check=0).stdout)["info_hash"])


torrent, data = make_torrent("hostile.bin", 3 << 20, 5, "64k")
info = info_hash_of(torrent)
count = 0


def survive(behave, seconds=60, honest_rate="2M", **keywords):
    """A download with one hostile peer and one honest seed; returns the hostile peer."""
    global count
    count += 1
    hostile = Peer(info, behave, **keywords)
    seeder, address = seed(torrent, "--max-up", honest_rate, state="honest%d" % count)
    where = path("hostile%d" % count)
    done = run("get", torrent, "-o", where, "--bind", "127.0.0.1", "--peer", hostile.address, "--peer",
               address, "--log", where + ".log", state="get%d" % count, timeout=seconds)
    hostile.listener.close()
    equal(done.returncode, 0, "exit code\n" + done.stdout + done.stderr)
    equal(read(os.path.join(where, "hostile.bin")) == data, True, "identical bytes")
    end(seeder)
    hostile.log = read(where + ".log").decode() if os.path.exists(where + ".log") else ""
    hostile.seeder = address
    return hostile


@test("a peer of another torrent is left")
def wrong_info_hash():
    survive(say(), info=os.urandom(20))


@test("a peer that shows our own peer id is left")
def own_peer_id():
    survive(say(), peer_id="mirror")


@test("an oversize length ends only that peer")
def oversize():
    survive(say(b"\xff\xff\xff\xff\x07"))


@test("a short bitfield ends only that peer")
def short_bitfield():
    survive(say(message(5, b"\xff")))


@test("a have out of range ends only that peer")
def have_out_of_range():
    survive(say(message(4, struct.pack(">I", 1 << 30))))


@test("requests out of range end only that peer")
def requests_out_of_range():
    survive(say(message(2), message(6, struct.pack(">III", 0, 65536, 16384)),
                message(6, struct.pack(">III", 99999, 0, 16384))))


@test("a flood of requests costs bounded memory and ends nobody else")
def flood():
    def behave(peer, connection):
        connection.sendall(message(2))
        request = message(6, struct.pack(">III", 0, 0, 16384)) * 1000
        for _ in range(200):
            connection.sendall(request)  # and never reads
        time.sleep(3)
    survive(behave)


@test("a peer that sends garbage after its handshake is left")
def garbage():
    survive(say(os.urandom(200000)))


@test("a peer that closes in the middle of a block costs nothing")
def half_block():
    def behave(peer, connection):
        connection.sendall(message(14) + message(1))
        while True:
            body = peer.next(connection)
            if body[:1] == b"\x06":
                piece, offset, length = struct.unpack(">III", body[1:])
                connection.sendall(struct.pack(">IBII", length + 9, 7, piece, offset) + b"x" * 1000)
                return
    survive(behave)


@test("a peer that stalls after its unchoke holds up nothing")
def stall():
    survive(serve_blocks(lambda *_: None), seconds=100)


@test("corrupt blocks are never written, their sender is banned, the honest seed stays")
def corrupt():
    def make(piece, offset, length):
        at = piece * PIECE + offset
        return bytes([data[at] ^ 1]) + data[at + 1:at + length]
    hostile = survive(serve_blocks(make), honest_rate="1M")
    equal("banned" in hostile.log and hostile.address in hostile.log, True,
          "the sender is named\n" + hostile.log[-2000:])
    for line in hostile.log.splitlines():
        if "banned" in line:
            equal(hostile.seeder in line, False, "an honest peer was banned: " + line)


@test("now and then a corrupt block between good ones bans only its sender")
def one_in_ten():
    def make(piece, offset, length):
        at = piece * PIECE + offset
        block = data[at:at + length]
        return b"?" + block[1:] if (piece + offset // 16384) % 10 == 3 else block
    hostile = survive(serve_blocks(make), honest_rate="500k")
    for line in hostile.log.splitlines():
        if "banned" in line:
            equal(hostile.seeder in line, False, "an honest peer was banned: " + line)


@test("a seed survives the same strangers and goes on serving")
def hostile_to_a_seed():
    seeder, address = seed(torrent, state="brave")
    host, port = address.split(":")
    for attack in (b"GET / HTTP/1.0\r\n\r\n", NAME + b"\0" * 8 + os.urandom(20) + b"y" * 20,
                   NAME + b"\0\0\0\0\0\x10\0\x04" + info + b"z" * 20 + b"\xff" * 100,
                   NAME + b"\0\0\0\0\0\x10\0\x04" + info + b"w" * 20 +
                   message(2) + message(6, struct.pack(">III", 1, 2, 3)) * 2000, b""):
        with socket.create_connection((host, int(port))) as s:
            s.sendall(attack)
            time.sleep(0.1)
    idle = [socket.create_connection((host, int(port))) for _ in range(150)]  # they never speak
    run("get", torrent, "-o", path("brave"), "--bind", "127.0.0.1", "--peer", address, state="brave-get",
        check=0)
    equal(read(path("brave", "hostile.bin")) == data, True, "identical bytes")
    for s in idle:
        s.close()
    equal(seeder.poll(), None, "the seed lives")
    equal(end(seeder) in (0, 130), True, "and ends well")


finish()
