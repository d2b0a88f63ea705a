"""Torrents that nobody here made: those of the npm package webtorrent-fixtures, in the directory that
SPATE_FIXTURES names (scripts/fixtures.sh fetches them). All are shown; those whose files come with them are
checked, and go from libtorrent to spate and back."""

import json
import os

from clients import Libtorrent, info_hash
from lab import IN_CI, SPATE, check, equal, finish, fresh, run, test, v4
from scenarios import Work, spate_gets, spate_seeds

FIXTURES = os.environ.get("SPATE_FIXTURES", "")
if not FIXTURES and not IN_CI:
    print("1..0 # SKIP SPATE_FIXTURES is not set: no real torrents are here")
    raise SystemExit(0)

COMPLETE = {"alice": "alice.txt", "folder": "folder", "leaves": "Leaves of Grass by Walt Whitman.epub",
            "lots-of-numbers": "lots-of-numbers", "numbers": "numbers"}
THERE = v4(2)


def fixture(name):
    return os.path.join(FIXTURES, name)


def works():
    return [Work(fixture(data), fixture(name + ".torrent")) for name, data in COMPLETE.items()]


@test("every real torrent is shown with the info-hash of its original bytes, and the broken one is refused")
def shown():
    torrents = sorted(name for name in os.listdir(FIXTURES) if name.endswith(".torrent"))
    check(len(torrents) >= 9, "only %d torrents" % len(torrents))
    for name in torrents:
        broken = name == "corrupt.torrent"
        said = run(SPATE, "show", fixture(name), "--json", code=3 if broken else 0)
        text = run(SPATE, "show", fixture(name), code=3 if broken else 0)
        if not broken:
            equal(json.loads(said)["info_hash"], info_hash(fixture(name)), "info-hash of " + name)
            check(info_hash(fixture(name)) in text, "no info-hash in the text of " + name)


@test("real torrents whose files are here are found whole by check")
def checked():
    for work in works():
        run(SPATE, "check", work.torrent, "-d", FIXTURES, "--no-config")


@test("spate gets real torrents from libtorrent, several at once", Libtorrent.needs)
def gets():
    client = Libtorrent(THERE)
    spate_gets(client, works(), peers=[(THERE, client.port)])


@test("spate seeds real torrents to libtorrent, several at once", Libtorrent.needs)
def seeds():
    spate_seeds(Libtorrent(THERE), works(), dialled=True)


finish()
