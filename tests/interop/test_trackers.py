"""Every client finds the others through every tracker: opentracker and `spate tracker`, over HTTP and UDP. One
spate seeds a torrent for each, three clients get both, then another spate gets them from whom the tracker
names, and the tracker has counted all."""

import json

from clients import Aria2, Libtorrent, Opentracker, Spate, SpateTracker, Transmission
from lab import SPATE, equal, finish, fresh, run, single_file, test, v4, v6, wait_until
from scenarios import Work, spate_gets, spate_seeds

SCHEMES = "http", "udp"
COUNTERPARTS = Libtorrent.needs, Transmission.needs, Aria2.needs


def scrape(work, here=v4(1)):
    """What the tracker of this torrent has counted, in the order that BEP 48 names it."""
    answer = json.loads(run(SPATE, "scrape", work.torrent, "--json", "--no-config", "--bind", here))
    return answer["seeders"], answer["completed"], answer["leechers"]


def works_for(tracker):
    parent = fresh("source")
    return [Work(single_file(parent, scheme, (1 << 20) + 777, seed=i), trackers=[tracker.url(scheme)])
            for i, scheme in enumerate(SCHEMES)]


def everybody_through(tracker):
    works = works_for(tracker)
    torrents = [work.torrent for work in works]
    tracker.start(*torrents)
    seeder = Spate(v4(1)).seed(torrents, works[0].parent)
    leechers = [Libtorrent(v4(2)), Transmission(v4(3)), Aria2(v4(5))]
    places = [fresh(client.name) for client in leechers]
    for client, place in zip(leechers, places):
        for torrent in torrents:
            client.add(torrent, place, seed=False)
    for work, scheme in zip(works, SCHEMES):
        for client, place in zip(leechers, places):
            wait_until("%s is done over %s" % (client.name, scheme), lambda: client.is_done(work.torrent))
            work.compare(place)
        wait_until("the tracker over %s has counted 4 seeders, 3 completed downloads" % scheme,
                   lambda: scrape(work) == (4, 3, 0), 20)
    late = Spate(v4(6))
    late.get(torrents, fresh("late"))
    late.finish()
    for work, scheme in zip(works, SCHEMES):
        equal(scrape(work), (4, 4, 0), "seeders, completed and leechers over " + scheme)
    seeder.stop()
    for work, scheme in zip(works, SCHEMES):
        equal(scrape(work), (3, 4, 0), "seeders, completed and leechers over %s after a goodbye" % scheme)
    for client in leechers:
        client.stop()
    tracker.stop()


@test("spate, libtorrent, Transmission and aria2 meet through opentracker over HTTP and UDP", "opentracker",
      *COUNTERPARTS)
def through_opentracker():
    everybody_through(Opentracker(v4(9)))


@test("spate, libtorrent, Transmission and aria2 meet through spate tracker over HTTP and UDP", *COUNTERPARTS)
def through_spate_tracker():
    everybody_through(SpateTracker(v4(9)))


@test("spate and libtorrent meet through spate tracker over HTTP and UDP on IPv6, both ways", Libtorrent.needs)
def ipv6():
    tracker = SpateTracker(v6(9)).start()
    spate_gets(Libtorrent(v6(2)), works_for(tracker), v6(1))
    spate_seeds(Libtorrent(v6(2)), works_for(tracker), v6(1))
    tracker.stop()


finish()
