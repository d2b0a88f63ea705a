"""spate and aria2, both ways. They find each other through a tracker: whoever comes second dials."""

from clients import Aria2, SpateTracker
from lab import finish, fresh, nested_tree, single_file, test, v4
from scenarios import Work, spate_gets, spate_seeds

PAYLOADS = ("a single file", single_file), ("a nested torrent with unicode names and empty files", nested_tree)


def through_tracker(transfer, make):
    tracker = SpateTracker(v4(9)).start()
    transfer(Aria2(v4(5)), [Work(make(fresh("source")), trackers=[tracker.url("http")])])
    tracker.stop()


for what, make in PAYLOADS:
    @test("spate gets %s from aria2, and both count every byte" % what, Aria2.needs)
    def gets():
        through_tracker(spate_gets, make)

    @test("spate seeds %s to aria2, and both count every byte" % what, Aria2.needs)
    def seeds():
        through_tracker(spate_seeds, make)

finish()
