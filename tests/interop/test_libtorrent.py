"""spate and libtorrent, both ways, without a tracker: whoever gets is told of the seed. libtorrent tries
encryption first, as it does by default, and falls back."""

import json
import os

from clients import Libtorrent, Spate
from lab import SPATE, check, equal, finish, fresh, nested_tree, run, single_file, test, v4, v6
from scenarios import Work, spate_gets, spate_seeds

NEED = Libtorrent.needs
V1_ONLY, V2_ONLY, HYBRID = 64, 32, 0  # flags of libtorrent's create_torrent
THERE = v4(2)
PAYLOADS = ("a single file", single_file), ("a nested torrent with unicode names and empty files", nested_tree)


def gets(work, here=v4(1), there=THERE):
    client = Libtorrent(there)
    spate_gets(client, [work], here, peers=[(there, client.port)])


def made_by_libtorrent(source, flags):
    maker = Libtorrent(v4(4))
    torrent = os.path.join(fresh("torrent"), "libtorrent.torrent")
    padding = maker.create(source, torrent, flags)
    maker.stop()
    return Work(source, torrent, padding=padding)


for what, make in PAYLOADS:
    @test("spate gets %s from libtorrent, and both count every byte once" % what, NEED)
    def get_payload():
        gets(Work(make(fresh("source"))))

    @test("spate seeds %s to libtorrent, and both count every byte" % what, NEED)
    def seed_payload():
        spate_seeds(Libtorrent(THERE), [Work(make(fresh("source")))], dialled=True)

    @test("spate gets %s from libtorrent over IPv6" % what, NEED)
    def get_payload_ipv6():
        gets(Work(make(fresh("source"))), v6(1), v6(2))

    @test("spate seeds %s to libtorrent over IPv6" % what, NEED)
    def seed_payload_ipv6():
        spate_seeds(Libtorrent(v6(2)), [Work(make(fresh("source")))], v6(1), dialled=True)

    @test("spate gets a v1 torrent that libtorrent made of %s" % what, NEED)
    def get_v1():
        gets(made_by_libtorrent(make(fresh("source")), V1_ONLY))

    @test("spate gets a hybrid torrent that libtorrent made of %s as v1" % what, NEED)
    def get_hybrid():
        gets(made_by_libtorrent(make(fresh("source")), HYBRID))

    @test("spate seeds a hybrid torrent that libtorrent made of %s" % what, NEED)
    def seed_hybrid():
        spate_seeds(Libtorrent(THERE), [made_by_libtorrent(make(fresh("source")), HYBRID)], dialled=True)


@test("libtorrent with its defaults, uTP and encryption first, reaches spate", NEED)
def defaults():
    spate_seeds(Libtorrent(THERE, transport="utp"), [Work(single_file(fresh("source")))], dialled=True)


@test("a v2-only torrent is shown, and refused by get with a text that says why", NEED)
def v2_only():
    source = nested_tree(fresh("source"))
    maker = Libtorrent(THERE)
    torrent = os.path.join(fresh("torrent"), "v2.torrent")
    maker.create(source, torrent, V2_ONLY)
    shown = json.loads(run(SPATE, "show", "--json", torrent))
    equal(len(shown["info_hash_v2"]), 64, "digits of the v2 info-hash")
    said = run(SPATE, "get", torrent, "-o", fresh("out"), "--no-config", code=3)
    check("v2-only" in said, "the text does not say v2-only: " + said)


finish()
