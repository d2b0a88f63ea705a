"""Disks and files in bad weather: full, read-only, removed, truncated, shared. Mounts are made in a mount
namespace of its own, so nobody else sees them."""

import os
import subprocess
import sys
import time

if os.environ.get("SPATE_WEATHER_INSIDE") != "1":
    os.environ["SPATE_WEATHER_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])

from weather import (end, equal, events, finish, free_port, good_pieces, make_torrent, path, read, run, seed, spawn, test,
                     wait_listening, write)


def mount(where, size):
    os.makedirs(where, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s" % size, "tmpfs", where], check=True)


def get(torrent, address, where, *more, **keywords):
    return run("get", torrent, "-o", where, "--bind", "127.0.0.1", "--peer", address, *more, **keywords)


def full_disk(allocation):
    torrent, data = make_torrent("full.bin", 20 << 20)
    seeder, address = seed(torrent)
    where = path("small-" + allocation)
    mount(where, "8m")
    done = get(torrent, address, where, "--file-allocation", allocation, state=allocation)
    equal(done.returncode, 7, "exit code\n" + done.stdout + done.stderr)
    equal("are free" in (done.stdout + done.stderr), True,
          "says that space is missing\n" + done.stdout + done.stderr)
    equal(os.listdir(where), [], "nothing was allocated")
    subprocess.run(["mount", "-o", "remount,size=64m", where], check=True)
    get(torrent, address, where, "--file-allocation", allocation, state=allocation, check=0)
    equal(read(os.path.join(where, "full.bin")) == data, True, "identical bytes")
    end(seeder)
    subprocess.run(["umount", where], check=True)


@test("a full disk stops the download with a clear message, and it goes on when space returns (growing file)")
def full_growing():
    full_disk("none")


@test("a disk that is too small is noticed before anything is allocated (sparse)")
def full_sparse():
    full_disk("sparse")


@test("a disk that is too small is noticed before anything is allocated (preallocated)")
def full_allocated():
    full_disk("full")


@test("a disk that fills up stops the download with a clear message; what is verified is kept")
def fills_up():
    torrent, data = make_torrent("filling.bin", 20 << 20)
    seeder, address = seed(torrent)
    where = path("filling")
    mount(where, "24m")
    first = spawn("get", torrent, "-o", where, "--bind", "127.0.0.1", "--peer", address, "--max-down", "6M",
                  "--file-allocation", "none", state="filling", stderr=subprocess.PIPE, text=True)
    while good_pieces(data, os.path.join(where, "filling.bin"), 262144) < 2 << 20:
        time.sleep(0.02)
    with open(os.path.join(where, "filler"), "wb") as filler:
        try:
            filler.write(bytes(24 << 20))
        except OSError:
            pass
    equal(first.wait(60), 7, "exit code")
    equal("space" in first.stderr.read(), True, "says that space is missing")
    os.unlink(os.path.join(where, "filler"))
    kept = good_pieces(data, os.path.join(where, "filling.bin"), 262144)
    equal(kept >= 2 << 20, True, "what was verified is kept")
    done = get(torrent, address, where, "--json", state="filling", check=0)
    equal(read(os.path.join(where, "filling.bin")) == data, True, "identical bytes")
    got = max(event.get("downloaded_bytes", 0) for event in events(done.stdout))
    equal(got, len(data) - kept, "bytes downloaded again")
    end(seeder)
    subprocess.run(["umount", where], check=True)


@test("a read-only directory is said to be one")
def read_only():
    torrent, _ = make_torrent("read-only.bin", 1 << 20)
    where = path("read-only")
    mount(where, "4m")
    subprocess.run(["mount", "-o", "remount,ro", where], check=True)
    done = get(torrent, "127.0.0.1:9", where, state="ro")
    equal(done.returncode, 6, "exit code\n" + done.stdout + done.stderr)
    equal("read-only" in (done.stdout + done.stderr), True, "names the reason")
    subprocess.run(["umount", where], check=True)


@test("a removed file is downloaded again, its neighbours are not")
def removed():
    for number in range(4):
        write(path("source", "set", "part%d" % number), os.urandom(1 << 20))
    torrent = path("set.torrent")
    run("create", path("source", "set"), "-o", torrent, "--piece-size", "64k", check=0)
    seeder, address = seed(torrent)
    where = path("removed")
    get(torrent, address, where, state="removed", check=0)
    os.unlink(os.path.join(where, "set", "part2"))
    done = get(torrent, address, where, "--json", state="removed", check=0)
    equal('"downloaded_bytes": 1048576' in done.stdout or '"downloaded_bytes":1048576' in done.stdout,
          True, "downloaded one file\n" + done.stdout[-600:])
    subprocess.run(["diff", "-r", path("source", "set"), os.path.join(where, "set")], check=True)
    end(seeder)


@test("a file truncated under a seeder is noticed, and its peers get the rest from others")
def truncated():
    torrent, data = make_torrent("cut.bin", 8 << 20)
    write(path("cut", "cut.bin"), data)
    bad, bad_address = seed(torrent, "--max-up", "1M", state="cut", directory=path("cut"))
    good, good_address = seed(torrent, "--max-up", "3M")
    process = spawn("get", torrent, "-o", path("cut-out"), "--bind", "127.0.0.1", "--peer", bad_address,
                    "--peer", good_address, state="cut-get")
    os.truncate(path("cut", "cut.bin"), 100000)
    equal(process.wait(60), 0, "exit code")
    equal(read(path("cut-out", "cut.bin")) == data, True, "identical bytes")
    equal(os.path.getsize(path("cut", "cut.bin")), 100000, "the seeder's file is as it was")
    end(bad)
    end(good)


@test("a longer file is reported and never cut")
def longer():
    torrent, data = make_torrent("long.bin", 1 << 20)
    write(path("long", "long.bin"), data + b"and more")
    done = run("check", torrent, "-d", path("long"))
    equal("long" in done.stdout, True, "reported\n" + done.stdout)
    done = run("get", torrent, "-o", path("long"), "--bind", "127.0.0.1", state="long", check=0)
    equal("is longer than it should be" in done.stdout, True, "said without --verbose\n" + done.stdout)
    equal(read(path("long", "long.bin")) == data + b"and more", True, "untouched")


@test("a file that is not part of the torrent stops it, until --overwrite")
def foreign():
    torrent, data = make_torrent("foreign.bin", 1 << 20)
    seeder, address = seed(torrent)
    write(path("foreign", "foreign.bin"), b"a letter to my mother")
    done = get(torrent, address, path("foreign"), state="foreign")
    equal(done.returncode, 8, "exit code\n" + done.stdout + done.stderr)
    equal("foreign.bin" in (done.stdout + done.stderr), True, "named")
    equal(read(path("foreign", "foreign.bin")), b"a letter to my mother", "untouched")
    get(torrent, address, path("foreign"), "--overwrite", state="foreign", check=0)
    equal(read(path("foreign", "foreign.bin")) == data, True, "identical bytes")
    end(seeder)


@test("writing follows no symbolic link below the destination")
def symlinks():
    for number in range(2):
        write(path("source", "linked", "sub", "f%d" % number), os.urandom(100000))
    torrent = path("linked.torrent")
    run("create", path("source", "linked"), "-o", torrent, check=0)
    seeder, address = seed(torrent)
    os.makedirs(path("outside"))
    os.makedirs(path("trap", "linked"))
    os.symlink(path("outside"), path("trap", "linked", "sub"))
    done = get(torrent, address, path("trap"), "--timeout", "5s", state="trap")
    equal(done.returncode, 6, "refused\n" + done.stdout + done.stderr)
    equal("symbolic link" in done.stderr, True, "the reason is said\n" + done.stderr)
    equal(os.listdir(path("outside")), [], "nothing outside was touched")
    end(seeder)


@test("a second process on the same files says so and exits")
def second():
    torrent, _ = make_torrent("locked.bin", 4 << 20)
    seeder, address = seed(torrent, "--max-up", "500k")
    first = spawn("get", torrent, "-o", path("locked"), "--bind", "127.0.0.1", "--peer", address,
                  state="shared")
    while not os.path.exists(path("locked", "locked.bin")):
        time.sleep(0.02)
    done = run("get", torrent, "-o", path("locked"), "--bind", "127.0.0.1", "--timeout", "1s", state="shared")
    equal(done.returncode, 9, "exit code\n" + done.stdout + done.stderr)
    end(first)
    end(seeder)


def seed_all(torrents):
    port = free_port()
    spawn("seed", *torrents, "-d", path("source"), "--bind", "127.0.0.1", "--port", port, state="seed20")
    wait_listening(port)
    return port


@test("twenty processes share one state directory")
def twenty():
    made = [make_torrent("many%02d.bin" % i, 300000, seed=i) for i in range(20)]
    torrents = [torrent for torrent, _ in made]
    port = seed_all(torrents)
    processes = [spawn("get", torrent, "-o", path("many"), "--bind", "127.0.0.1", "--peer",
                       "127.0.0.1:%d" % port, state="many") for torrent in torrents]
    for process in processes:
        equal(process.wait(90), 0, "exit code")
    for i, (_, data) in enumerate(made):
        equal(read(path("many", "many%02d.bin" % i)) == data, True, "identical bytes")


@test("pieces of 64 MiB from twenty slow peers finish within the memory cap")
def large_pieces():
    torrent, data = make_torrent("large.bin", 130 << 20, 3, "64M")
    addresses = []
    for number in range(20):
        _, address = seed(torrent, "--max-up", "1500k", state="large%d" % number)
        addresses += ["--peer", address]
    run("get", torrent, "-o", path("large"), "--bind", "127.0.0.1", *addresses, state="large-get",
        timeout=240, check=0)
    equal(read(path("large", "large.bin")) == data, True, "identical bytes")


finish()
