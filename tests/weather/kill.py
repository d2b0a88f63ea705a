"""Crashes: a rate-limited download killed again and again loses nothing that was written (kill.py [TIMES])."""

import random
import signal
import sys
import time

from weather import (end, equal, events, finish, good_pieces, make_torrent, path, read, run, seed, spawn,
                     test)

TIMES = int(sys.argv[1]) if len(sys.argv) > 1 else 50
PIECE = 262144


@test("a download killed %d times continues, and downloads nothing again that was written" % TIMES)
def kill_again_and_again():
    torrent, data = make_torrent("killed.bin", 40 << 20)
    seeder, address = seed(torrent)
    get = ("get", torrent, "-o", path("out"), "--bind", "127.0.0.1", "--peer", address, "--json")
    chance = random.Random(7)
    between = 0
    for _ in range(TIMES):
        process = spawn(*get, "--max-down", "3M", state="get")
        time.sleep(0.1 + chance.random() * 0.3)
        end(process, signal.SIGKILL)
        have = good_pieces(data, path("out", "killed.bin"), PIECE) / len(data)
        between += 0.01 < have < 0.99
    missing = len(data) - good_pieces(data, path("out", "killed.bin"), PIECE)
    done = run(*get, state="get", check=0)
    got = max(event.get("downloaded_bytes", 0) for event in events(done.stdout))
    print("# killed %d times, %d of them between 1 %% and 99 %%; missing %d, downloaded %d" %
          (TIMES, between, missing, got))
    equal(read(path("out", "killed.bin")) == data, True, "identical bytes")
    equal(got, missing, "bytes downloaded by the last run")
    if between < TIMES * 4 // 5:
        raise AssertionError("only %d of %d kills fell between 1 %% and 99 %%" % (between, TIMES))
    end(seeder)


finish()
