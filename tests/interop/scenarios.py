"""Transfers between spate and another client, with what must hold afterwards: every file is the same, byte by
byte, and both sides counted what the files hold."""

import os

from clients import Spate, create, info_hash
from lab import check, equal, fresh, nested_tree, same, single_file, size_of, v4, wait_until

HERE = v4(1)  # where spate lives unless told otherwise


class Work:
    """A torrent and the files it was made of."""

    def __init__(self, source, torrent=None, trackers=(), padding=0):
        """padding: bytes of pad files that share a block with a file; no other is asked for (BEP 47)."""
        self.source, self.parent = source, os.path.dirname(source)
        self.torrent = torrent or create(source, *trackers)
        self.hash = info_hash(self.torrent)
        self.size = size_of(source)
        self.padding = padding

    def is_one_copy(self, count, what):
        """Each byte went over the wire at least once, whole blocks of padding never; a counterpart may count a
        block twice that it sent twice."""
        check(self.size <= count <= (self.size + self.padding) * 1.02, "%s: %d, not %d" % (what, count, self.size))

    def compare(self, directory, **how):
        same(self.source, os.path.join(directory, os.path.basename(self.source)), **how)


def single_and_nested(trackers=()):
    """A single file and a nested tree in one directory, a torrent each."""
    parent = fresh("source")
    return [Work(single_file(parent), trackers=trackers), Work(nested_tree(parent), trackers=trackers)]


def spate_gets(client, works, here=HERE, peers=()):
    """The client seeds, one spate gets everything. peers: what spate is told; others come from a tracker."""
    for work in works:
        client.add(work.torrent, work.parent, seed=True)
    out = fresh("out")
    spate = Spate(here).get([work.torrent for work in works], out, peers=peers)
    spate.finish()
    for work in works:
        summary = spate.summary(work.hash)
        equal(summary["downloaded_bytes"], work.size + work.padding, "bytes that spate received")
        equal(summary["wasted_bytes"], 0, "bytes that spate received twice")
        equal(summary["failed_bytes"], 0, "bytes that spate received and that were wrong")
        wait_until("%s has counted what it sent" % client.name,
                   lambda: client.counters(work.torrent)[0] >= work.size)
        work.is_one_copy(client.counters(work.torrent)[0], "bytes that %s sent" % client.name)
        work.compare(out)
    client.stop()


def spate_seeds(client, works, here=HERE, dialled=False):
    """spate seeds, the client gets everything. dialled: the client is told of spate, not by a tracker."""
    spate = Spate(here).seed([work.torrent for work in works], works[0].parent)
    out = fresh("out")
    for work in works:
        client.add(work.torrent, out, seed=False, peers=[(here, spate.port)] if dialled else ())
    for work in works:
        wait_until("%s is done" % client.name, lambda: client.is_done(work.torrent))
        work.is_one_copy(client.counters(work.torrent)[1], "bytes that %s received" % client.name)
    client.stop()
    spate.stop()
    for work in works:
        work.is_one_copy(spate.summary(work.hash)["uploaded_bytes"], "bytes that spate sent")
        work.compare(out, empty_files=client.makes_empty_files)
