"""One swarm of everybody: a slow seed, and leechers of four kinds that must feed each other to finish early."""

from clients import Aria2, Libtorrent, Opentracker, Spate, SpateTracker, Transmission
from lab import check, equal, finish, fresh, nested_tree, single_file, test, v4, wait_until
from scenarios import Work

CLIENTS = Libtorrent, Transmission, Aria2
NEEDS = [client.needs for client in CLIENTS]
SEED_RATE = 2 << 20  # bytes a second


def leech(work):
    """Two spates and one of each other client get the torrent; returns what the spates summed up."""
    others = [make(v4(2 + i)) for i, make in enumerate(CLIENTS)]
    places = [fresh(client.name) for client in others]
    spates = [Spate(v4(7)), Spate(v4(8))]
    outs = [fresh("out") for _ in spates]
    for client, place in zip(others, places):
        client.add(work.torrent, place, seed=False)
    for spate, out in zip(spates, outs):
        spate.get(work.torrent, out, options=["--seed-time", "10m"])
    for client in [*spates, *others]:
        wait_until("%s is done" % client.name, lambda: client.is_done(work.torrent), 120)
    sent = {client.name: client.counters(work.torrent)[0] for client in others}
    for client, place in zip(others, places):
        client.stop()
        work.compare(place, empty_files=client.makes_empty_files)
    for i, (spate, out) in enumerate(zip(spates, outs)):
        spate.stop()
        work.compare(out)
        summary = spate.summary(work.hash)
        sent["spate %d" % i] = summary["uploaded_bytes"]
        equal(summary["failed_bytes"], 0, "bytes that were wrong")
        print("# spate %d received %.2f payloads twice" % (i, summary["wasted_bytes"] / work.size))
    print("# sent, in payloads: " + ", ".join("%s %.2f" % (name, n / work.size) for name, n in sent.items()))
    check(sum(sent.values()) > work.size, "the leechers hardly fed each other: %r" % sent)
    check(sent["spate 0"] + sent["spate 1"] > 0, "no spate sent anything")


@test("a mixed swarm with a slow spate as its seed finishes, and the leechers feed each other", *NEEDS, "opentracker")
def spate_is_the_seed():
    tracker = Opentracker(v4(9))
    work = Work(single_file(fresh("source")), trackers=[tracker.url("udp"), tracker.url("http")])
    tracker.start(work.torrent)
    seeder = Spate(v4(1)).seed(work.torrent, work.parent, options=["--max-up", str(SEED_RATE)])
    leech(work)
    seeder.stop()
    uploaded = seeder.summary(work.hash)["uploaded_bytes"]
    print("# the seed sent %.2f payloads to 5 leechers" % (uploaded / work.size))
    check(uploaded >= work.size, "the seed sent less than it has")
    tracker.stop()


@test("a mixed swarm with libtorrent as its seed finishes a nested torrent through spate tracker", *NEEDS)
def libtorrent_is_the_seed():
    tracker = SpateTracker(v4(9)).start()
    work = Work(nested_tree(fresh("source")), trackers=[tracker.url("udp"), tracker.url("http")])
    seeder = Libtorrent(v4(6), upload_rate=SEED_RATE)
    seeder.add(work.torrent, work.parent, seed=True)
    leech(work)
    print("# the seed sent %.2f payloads to 5 leechers" % (seeder.counters(work.torrent)[0] / work.size))
    seeder.stop()
    tracker.stop()


finish()
