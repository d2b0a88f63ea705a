"""Payloads and their torrents. The payload is made once a run, of random bytes, on the bench's own tmpfs; a work
is the payload as one torrent or cut into many, with the tracker of one network in its torrents."""

import filecmp
import hashlib
import os

from lab import check, path

PIECE_BYTES = 1 << 20


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, list):
        return b"l%be" % b"".join(map(bencode, value))
    return b"d%be" % b"".join(bencode(key) + bencode(value[key]) for key in sorted(value))


def make_payload(parent, mebibytes):
    os.makedirs(parent, exist_ok=True)
    name = os.path.join(parent, "payload.bin")
    with open(name, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return name


def make_torrent(out, name, length, piece_length, hashes, tracker=None):
    """Writes a v1 torrent of one file; returns its info-hash."""
    info = bencode({"name": name, "length": length, "piece length": piece_length, "pieces": hashes})
    announce = b"8:announce" + bencode(tracker) if tracker else b""
    with open(out, "wb") as file:
        file.write(b"d%b4:info%be" % (announce, info))
    return hashlib.sha1(info).digest()


class Work:
    """payload: the file that the counterparts map. parent and names: where a seeder finds the files."""

    def __init__(self, payload, tracker, tag, count=1):
        self.payload, self.parent, self.tag = payload, os.path.dirname(payload), tag
        self.length = os.path.getsize(payload)
        self.count, share = count, self.length // count
        self.name = os.path.basename(payload)
        if count > 1:
            self.parent = path("parts-%d" % count)
            os.makedirs(self.parent, exist_ok=True)
            share -= share % 16384
            self.length = share * count
        piece = min(PIECE_BYTES, 1 << (share - 1).bit_length() - 2)
        self.names, self.torrents, lines = [], [], []
        where = path("torrents-%s-%d" % (tag, count))
        os.makedirs(where)
        with open(payload, "rb") as file:
            for i in range(count):
                name = "part-%04d.bin" % i if count > 1 else self.name
                hashes, left, at = b"", share, file.tell()
                out = open(os.path.join(self.parent, name), "wb") if count > 1 else None
                while left:
                    data = file.read(min(piece, left))
                    hashes += hashlib.sha1(data).digest()
                    left -= len(data)
                    if out:
                        out.write(data)
                if out:
                    out.close()
                torrent = os.path.join(where, name + ".torrent")
                info_hash = make_torrent(torrent, name, share, piece, hashes, tracker)
                self.names.append(name)
                self.torrents.append(torrent)
                lines.append("%s %d %d %d %s %s\n" % (info_hash.hex(), at, share, piece, hashes.hex(), name))
        self.piece = piece
        self.list = os.path.join(where, "list")
        with open(self.list, "w", encoding="ascii") as file:
            file.writelines(lines)

    def compare_and_remove(self, directory):
        for name in self.names:
            copy = os.path.join(directory, name)
            check(filecmp.cmp(os.path.join(self.parent, name), copy, shallow=False), "%s differs" % name)
            os.unlink(copy)


class IdleWork:
    """Many small torrents whose files are there: 4 pieces of 16 KiB each, all of them zeros."""

    def __init__(self, count):
        self.parent, where = path("idle"), path("torrents-idle")
        os.makedirs(self.parent)
        os.makedirs(where)
        hashes = hashlib.sha1(bytes(16384)).digest() * 4
        self.torrents = []
        for i in range(count):
            name = "idle-%05d.bin" % i
            with open(os.path.join(self.parent, name), "wb") as file:
                file.truncate(65536)
            self.torrents.append(os.path.join(where, name + ".torrent"))
            make_torrent(self.torrents[-1], name, 65536, 16384, hashes)
