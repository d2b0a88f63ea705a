"""spate and Transmission, both ways. They find each other through a tracker: whoever comes second dials.
Transmission takes ten seconds before it says what it wants, so it does everything at once."""

from clients import SpateTracker, Transmission
from lab import finish, test, v4
from scenarios import single_and_nested, spate_gets, spate_seeds

WHAT = "a single file and a nested torrent with unicode names"


def through_tracker(transfer):
    tracker = SpateTracker(v4(9)).start()
    transfer(Transmission(v4(3)), single_and_nested([tracker.url("http")]))
    tracker.stop()


@test("spate gets %s from Transmission, and both count every byte" % WHAT, Transmission.needs)
def gets():
    through_tracker(spate_gets)


@test("spate seeds %s to Transmission, and both count every byte" % WHAT, Transmission.needs)
def seeds():
    through_tracker(spate_seeds)


finish()
