"""get, seed, scrape and tracker: transfers on the loopback, and everything that can go wrong with them."""

import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest
import urllib.parse

import cli

HASH = r"^[0-9a-f]{40}$"


def described_fields():
    """{event: fields} of the events in docs/json.md."""
    with open(os.path.join(cli.SOURCE, "docs", "json.md"), encoding="utf-8") as file:
        text = file.read().split("## spate show")[0]
    sections = re.split(r"^### (\w+)\n", text, flags=re.M)
    return {name: set(re.findall(r"`([a-z_]+)`", "\n".join(
        line.split("|")[1] for line in body.splitlines() if line.startswith("| `"))))
        for name, body in zip(sections[1::2], sections[2::2])}


class Transfer(cli.Case):
    def setUp(self):
        super().setUp()
        self.write("files/album/one.bin", cli.noise(3000000))
        self.write("files/album/dir/two.bin", cli.noise(1000000, 2))
        self.write("files/album/пустой", b"")
        self.write("files/album/three.txt", cli.noise(70000, 3))
        self.album = self.torrent("album")

    def get(self, *arguments, code=0, **options):
        """Runs get into out/ with --json; returns its events."""
        out, err = self.spate("get", "-o", "out", "--bind", "127.0.0.1", "--json", *arguments, code=code, **options)
        return self.events(out)

    def assert_same(self, folder="out/album"):
        self.assertEqual(cli.digest(self.path(folder)), cli.digest(self.path("files/album")))


class Get(Transfer):
    def test_every_byte_comes_and_the_events_are_as_described(self):
        seeder, address = self.seeder(self.album)
        events = self.get(self.album, "--peer", address)
        self.assert_same()
        names = [event["event"] for event in events]
        self.assertEqual(names[:2], ["session", "added"])
        self.assertEqual(names[-2:], ["summary", "exit"])
        self.assertEqual(names.count("complete"), 1)
        self.assertEqual([e["state"] for e in events if e["event"] == "state"][-1], "seeding")
        self.assertEqual(events[-1]["code"], 0)
        summary = events[-2]
        self.assertEqual(summary["result"], "complete")
        self.assertEqual(summary["durable_bytes"], 4070000)
        self.assertGreaterEqual(summary["downloaded_bytes"], 4070000)
        fields = described_fields()
        for event in events:
            rest = set(event) - {"event", "time", "info_hash"}
            wanted = fields[event["event"]]
            self.assertLessEqual(rest, wanted)
            if event["event"] not in ("state", "error"):
                self.assertEqual(rest, wanted)
            if "info_hash" in event:
                self.assertRegex(event["info_hash"], HASH)
        self.stop(seeder)
        with open(seeder.log, encoding="utf-8") as file:
            last = self.events(file.read())
        self.assertEqual(last[-2]["event"], "summary")
        self.assertGreaterEqual(last[-2]["uploaded_bytes"], 4070000)

    def test_plain_text_ends_with_a_summary(self):
        _, address = self.seeder(self.album)
        out, err = self.spate("get", "-o", "out", "--bind", "127.0.0.1", self.album, "--peer", address)
        self.assertEqual(err, "")
        self.assertNotIn("\x1b", out)
        self.assertIn("album: complete, 3.9 MiB verified and synced in " + self.path("out"), out)
        out, err = self.spate("get", "-q", "-o", "again", "--bind", "127.0.0.1", self.album, "--peer", address)
        self.assertEqual((out, err), ("", ""))
        self.assert_same("again/album")

    def test_every_line_in_plain_text_says_what_it_is_about(self):
        seeder, address = self.seeder(self.album)
        for options in ([], ["--check"], ["--seed-time", "1"]):
            out, err = self.spate("get", "-o", "out", "--bind", "127.0.0.1", self.album, "--peer", address, *options)
            self.assertEqual(err, "")
            for line in out.splitlines():
                self.assertRegex(line, "^(album: [a-z0-9]|    received )")
            self.assertEqual("album: seeding" in out, "--seed-time" in options, out)
        self.stop(seeder)
        out, _ = self.spate("seed", self.album, "-d", "files", "--bind", "127.0.0.1", "--seed-time", "1")
        for line in out.splitlines():
            self.assertRegex(line, "^album: [a-z0-9]")

    def test_a_second_run_downloads_nothing(self):
        seeder, address = self.seeder(self.album)
        self.get(self.album, "--peer", address)
        self.stop(seeder)
        events = self.get(self.album)
        self.assertEqual(events[-2]["downloaded_bytes"], 0)
        self.assertEqual(events[-2]["result"], "complete")

    def test_files_that_are_there_already_are_checked_and_kept(self):
        os.makedirs(self.path("out"))
        subprocess.run(["cp", "-r", self.path("files/album"), self.path("out")], check=True)
        events = self.get(self.album)
        self.assertEqual(events[-2]["downloaded_bytes"], 0)
        self.assertIn("checking", [e["state"] for e in events if e["event"] == "state"])

    def test_only_wanted_files_are_created(self):
        _, address = self.seeder(self.album)
        listing, _ = self.spate("get", "--list", self.album)
        number = re.search(r"(?m)^ +(\d+) .*three\.txt", listing).group(1)
        for place, selection in enumerate((number, "three.txt", "*.txt", f"{number}-{number}")):
            events = self.get(self.album, "--peer", address, "--files", selection, "-o", f"out{place}")
            self.assertEqual(os.listdir(self.path(f"out{place}/album")), ["three.txt"])
            self.assertEqual(events[-2]["wanted_bytes"], 70000)
            self.assertEqual(events[-2]["durable_bytes"], 70000)
            with open(self.path(f"out{place}/album/three.txt"), "rb") as file:
                self.assertEqual(file.read(), cli.noise(70000, 3))
        self.assertEqual(self.spate("get", self.album, "--files", "nothing", code=2)[0], "")

    def test_a_directory_that_is_gone_is_not_taken_for_an_empty_one(self):
        _, address = self.seeder(self.album)
        self.get(self.album, "--peer", address)
        os.rename(self.path("out"), self.path("unmounted"))
        _, err = self.spate("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--peer", address, code=6)
        self.assertIn("--check", err)
        self.assertFalse(os.path.exists(self.path("out/album")))
        self.get(self.album, "--peer", address, "--check")
        self.assert_same()

    def test_more_files_can_be_wanted_later(self):
        _, address = self.seeder(self.album)
        self.get(self.album, "--peer", address, "--files", "three.txt")
        self.get(self.album, "--peer", address)
        self.assert_same()

    def test_a_name_of_ones_own(self):
        _, address = self.seeder(self.album)
        self.get(self.album, "--peer", address, "-O", "other", "--sequential", "--file-allocation", "full")
        self.assert_same("out/other")

    def test_two_torrents_at_once_and_a_list_of_sources(self):
        self.write("files/single", cli.noise(500000, 9))
        single = self.torrent("single")
        _, first = self.seeder(self.album)
        _, second = self.seeder(single)
        self.write("list.txt", f"# two of them\n\n  {self.album}  \n{single}\r\n")
        events = self.get("-i", "list.txt", "--peer", first, "--peer", second)
        self.assert_same()
        self.assertEqual(cli.digest(self.path("out"))["single"], cli.digest(self.path("files"))["single"])
        self.assertEqual([e["result"] for e in events if e["event"] == "summary"], ["complete", "complete"])

    def test_standard_input_is_a_source(self):
        _, address = self.seeder(self.album)
        with open(self.album, "rb") as file:
            self.get("-", "--peer", address, stdin=file.read())
        self.assert_same()

    def test_a_missing_source_does_not_stop_the_others_but_is_the_exit_code(self):
        _, address = self.seeder(self.album)
        self.get("missing.torrent", self.album, "--peer", address, code=3)
        self.assert_same()

    def test_list_and_dry_run_write_nothing(self):
        before = sorted(os.listdir(self.directory))
        out, _ = self.spate("get", "--list", self.album)
        self.assertIn("4 files", out)
        out, _ = self.spate("get", "--dry-run", self.album, "-o", "out", "--files", "1")
        self.assertIn("1 of 4 files", out)
        listing = json.loads(self.spate("get", "--list", "--json", self.album, "--files", "2")[0])
        self.assertEqual([file["wanted"] for file in listing["files"]], [False, True, False, False])
        self.assertEqual(sorted(os.listdir(self.directory)), before)

    def test_a_name_has_to_be_one_element_and_a_directory_something(self):
        for name in ("", ".", "..", "a/b", "/etc"):
            for command in (["get", "-O"], ["seed", "--name"], ["check", "--name"]):
                out, err = self.spate(*command, name, self.album, code=2)
                self.assertEqual(out, "")
                self.assertIn("one element of a path", err)
        for command in (["get", "-o"], ["seed", "-d"], ["check", "-d"]):
            self.assertIn("no directory", self.spate(*command, "", self.album, code=2)[1])

    def test_a_peer_has_a_port(self):
        for peer in ("127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:-1", "::1",
                     "[::1]", ":7000"):
            _, err = self.spate("get", self.album, "--peer", peer, code=2)
            self.assertIn("is not HOST:PORT or [IPv6]:PORT", err)

    def test_usage_errors(self):
        for arguments in (["--files", "1", "a", "b"], ["-O", "x", "a", "b"], ["--port", "65536", "a"],
                          ["--peer", "nonsense", self.album], ["--timeout", "soon", self.album], []):
            self.spate("get", *arguments, code=2)

    def test_what_is_wrong_with_the_network_is_said_before_anything_is_asked(self):
        for command in (["get"], ["seed", "-d", "files"], ["scrape"]):
            for option, value, code, said in (
                    ("--tracker", "tracker.example", 2, "is not a udp, http or https URL"),
                    ("--tracker", "upd://tracker.example:1/announce", 2, "is not a udp"),
                    ("--proxy", "gopher://127.0.0.1:1", 2, "is not an http, https, socks5 or socks4 URL"),
                    ("--ca-cert", "nowhere.pem", 2, "nowhere.pem: No such file"),
                    ("--bind", "no-such-if", 5, "there is no network interface 'no-such-if'")):
                out, err = self.spate(*command, self.album, option, value, code=code)
                self.assertEqual(out, "")
                self.assertIn(said, err)

    def test_a_port_that_cannot_be_had_is_a_failure_of_the_network(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            _, err = self.spate("get", self.album, "--bind", "127.0.0.1", "--port", port, code=5)
            self.assertIn("port " + port, err)
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            if int(file.read()) <= 1:
                return  # any port is for everybody
        # Without this privilege port 1 is not even root's.
        arguments = ["setpriv", "--bounding-set", "-net_bind_service"] if os.getuid() == 0 else []
        result = subprocess.run([*arguments, cli.SPATE, "get", self.album, "--bind", "127.0.0.1", "--port", "1"],
                                cwd=self.directory, env=self.environment, capture_output=True, timeout=cli.PATIENCE)
        self.assertEqual(result.returncode, 5, result.stderr)
        self.assertIn(b"permission denied", result.stderr)

    def test_a_directory_that_is_none_is_said_before_anything_is_asked(self):
        self.write("file", "x")
        for command, where in (("get", "file"), ("seed", "file"), ("seed", "nowhere"), ("get", "file/below")):
            out, err = self.spate(command, self.album, "--dir" if command == "seed" else "-o", where, code=6)
            self.assertEqual(out, "")
            self.assertIn(f"spate: {where}: ", err)
        self.assertEqual(len(err.splitlines()), 1)

    def test_a_failure_is_said_once(self):
        self.write("out/album/three.txt", "somebody's thesis")
        out, err = self.spate("get", self.album, "-o", "out", "--bind", "127.0.0.1", code=8)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertNotIn("error", out)
        self.assertNotIn("the same command", out)
        self.assertIn("album: not complete, 0.0 %", out)

    def test_a_bad_state_directory_is_an_error(self):
        self.write("not-a-directory", "x")
        self.spate("get", self.album, "-o", "out", "--state-dir", "not-a-directory/state", code=6)


class Ending(Transfer):
    def slow_get(self, *arguments, **options):
        """A download that would take a minute, after its first verified piece."""
        _, address = self.seeder(self.album)
        log = self.path("get.json")
        with open(log, "wb") as file:
            process = self.start("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--json", "--peer", address,
                                 "--max-down", "64k", *arguments, stdout=file, **options)

        def verified():
            with open(log, encoding="utf-8") as file:
                return re.search(r'"verified_bytes":[1-9]', file.read())
        cli.wait_until(verified, "the first piece")
        return process, log

    def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(self):
        process, log = self.slow_get()
        with cli.elapsed() as seconds:
            self.stop(process, code=130)
            self.assertLess(seconds(), 10)  # two, and the margin of a busy machine
        with open(log, encoding="utf-8") as file:
            summary = self.events(file.read())[-2]
        self.assertEqual(summary["result"], "stopped")
        self.assertGreater(summary["verified_bytes"], 0)
        _, address = self.seeder(self.album)
        again = self.get(self.album, "--peer", address)[-2]
        self.assertEqual(again["result"], "complete")
        self.assertLessEqual(again["downloaded_bytes"], 4070000 - summary["verified_bytes"] + 65536)
        self.assert_same()

    def test_sigterm_does_the_same(self):
        process, _ = self.slow_get()
        process.send_signal(signal.SIGTERM)
        self.finish(process, code=130)

    def test_a_second_ctrl_c_ends_at_once(self):
        # Its trackers never answer, so that a goodbye to them takes its time.
        port = cli.free_port()
        process, _ = self.slow_get("--tracker", f"udp://127.0.0.1:{port}/announce")
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.wait(cli.PATIENCE)
        self.assertIn(process.returncode, (-signal.SIGINT, 130))

    def test_a_reader_that_does_not_read_holds_nothing_up(self):
        _, address = self.seeder(self.album)
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        try:
            while True:
                os.write(write_end, b" " * 4096)
        except BlockingIOError:
            os.set_blocking(write_end, True)
        process = self.start("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--json", "--peer", address,
                             stdout=write_end)
        os.close(write_end)
        cli.wait_until(lambda: os.path.exists(self.path("out/album/three.txt")) and
                       cli.digest(self.path("out/album")) == cli.digest(self.path("files/album")), "the files")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(cli.PATIENCE)
        os.close(read_end)

    def test_a_reader_that_is_gone_stops_a_transfer_in_json(self):
        _, address = self.seeder(self.album)
        process = self.start("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--json", "--peer", address,
                             "--max-down", "64k")
        process.stdout.readline()
        process.stdout.close()
        process.wait(cli.PATIENCE)
        self.assertNotEqual(process.returncode, 0)

    def test_streams_that_are_closed_are_not_taken_for_files(self):
        _, address = self.seeder(self.album)
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            where = f"out {closed}"
            script = f'exec "$@" {closed}'
            result = subprocess.run(["sh", "-c", script, "sh", cli.SPATE, "get", self.album, "-o", where, "--bind",
                                     "127.0.0.1", "--peer", address, "--tracker", f"http://127.0.0.1:{cli.free_port()}/"],
                                    cwd=self.directory, env=self.environment, capture_output=True, timeout=cli.PATIENCE)
            self.assertEqual(result.returncode, 0, (closed, result))
            self.assert_same(where + "/album")
        # What has nowhere to go is a failure where it is what was asked for.
        result = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", cli.SPATE, "show", self.album], env=self.environment,
                                capture_output=True)
        self.assertEqual(result.returncode, 6, result)

    def test_silence_is_explained_and_given_up(self):
        begin = time.monotonic()
        out, err = self.spate("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--timeout", "12", code=4)
        self.assertGreater(time.monotonic() - begin, 11)
        self.assertRegex(out, r"album: nothing for 1\ds: no peers known")
        self.assertIn("given up", err)

    def test_a_trackers_refusal_is_part_of_the_explanation(self):
        class Refusing(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"d14:failure reason15:wrong \x1b[7mkey!!e")

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        out, _ = self.spate("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--timeout", "12", "--tracker",
                            f"http://127.0.0.1:{server.server_port}/0123456789abcdef0123/announce", code=4)
        self.assertIn("wrong \\x1b[7mkey!!", out)
        self.assertNotIn("0123456789abcdef0123", out)
        self.assertNotIn("\x1b", out)

    def test_seeding_goes_on_until_the_ratio(self):
        _, address = self.seeder(self.album)
        port = cli.free_port()
        process = self.start("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--port", str(port), "--peer",
                             address, "--seed-ratio", "0.9", state="state-get")
        cli.wait_until(lambda: os.path.exists(self.path("out/album")) and
                       cli.digest(self.path("out/album")) == cli.digest(self.path("files/album")), "the files")
        self.assertIsNone(process.poll())
        self.spate("get", self.album, "-o", "third", "--bind", "127.0.0.1", "--peer", f"127.0.0.1:{port}")
        out, _ = self.finish(process)
        self.assertIn("complete", out)

    def test_seeding_goes_on_for_a_time(self):
        _, address = self.seeder(self.album)
        begin = time.monotonic()
        self.get(self.album, "--peer", address, "--seed-time", "2")
        self.assertGreater(time.monotonic() - begin, 2)
        self.get(self.album, "--no-seed", "--seed-time", "1h")


class Complete(Transfer):
    def test_a_command_gets_its_words_and_no_shell(self):
        _, address = self.seeder(self.album)
        script = self.write("hook.py", "import json, os, sys\n"
                            "print('from the hook')\n"
                            "json.dump([sys.argv[1:], [os.environ['SPATE_' + n] for n in ('NAME', 'DIR', 'INFO_HASH')]],"
                            " open(sys.argv[1], 'w'))\n")
        events = self.get(self.album, "--peer", address, "--on-complete", "python3", script, "hook.json",
                          "$HOME; touch x", "--json", ";")
        with open(self.path("hook.json"), encoding="utf-8") as file:
            words, facts = json.load(file)
        self.assertEqual(words, ["hook.json", "$HOME; touch x", "--json"])
        self.assertEqual(facts, ["album", os.path.realpath(self.path("out")), events[1]["info_hash"]])
        self.assertEqual([e["status"] for e in events if e["event"] == "command"], [0])

    def test_a_failing_command_has_its_own_code(self):
        _, address = self.seeder(self.album)
        events = self.get(self.album, "--peer", address, "--on-complete", "false", code=11)
        self.assertEqual(events[-1]["name"], "command")
        self.assert_same()


class Config(Transfer):
    def test_the_file_is_read_and_the_command_line_counts_more(self):
        _, address = self.seeder(self.album)
        config = self.write("config/spate/spate.conf", "# mine\noutput-dir = ~/from-config\nseed-ratio = 99\n")
        before = os.stat(config)
        self.spate("get", self.album, "--bind", "127.0.0.1", "--peer", address, "--no-seed")
        self.assert_same("from-config/album")
        self.spate("get", self.album, "--bind", "127.0.0.1", "--peer", address, "-o", "said", "--no-seed")
        self.assert_same("said/album")
        self.spate("get", self.album, "--bind", "127.0.0.1", "--peer", address, "--no-config", "-O", "plain")
        self.assert_same("plain")
        self.assertEqual(os.stat(config).st_mtime_ns, before.st_mtime_ns)

    def test_a_wrong_line_is_named(self):
        self.write("config/spate/spate.conf", "\nmax-dwon = 5M\n")
        _, err = self.spate("get", self.album, code=2)
        self.assertIn("spate.conf, line 2: unknown option 'max-dwon'; did you mean 'max-down'?", err)
        self.spate("get", "--no-config", "--list", self.album)
        self.spate("get", "--config", "nowhere.conf", "--list", self.album, code=2)


class InTheWay(Transfer):
    def test_a_foreign_file_stops_it_until_it_may_be_overwritten(self):
        _, address = self.seeder(self.album)
        self.write("out/album/three.txt", "somebody's thesis")
        _, err = self.spate("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--peer", address, code=8)
        self.assertIn("three.txt", err)
        self.assertIn("--overwrite", err)
        with open(self.path("out/album/three.txt"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "somebody's thesis")
        self.get(self.album, "--peer", address, "--overwrite")
        self.assert_same()

    def test_what_is_no_file_is_named_for_what_it_is_and_stays(self):
        for name, make, reason, code in (("link", lambda at: os.symlink("/dev/null", at), "symbolic link", 6),
                                         ("folder", os.makedirs, "is a directory", 6),
                                         ("pipe", os.mkfifo, "not part of this torrent", 8)):
            at = self.path(name + "/album/three.txt")
            os.makedirs(os.path.dirname(at))
            make(at)
            _, err = self.spate("get", self.album, "-o", name, "--bind", "127.0.0.1", "--overwrite", code=code)
            self.assertIn(reason, err)
            self.assertNotIn("--overwrite", err)
            self.assertTrue(os.path.lexists(at))

    def test_a_foreign_file_stays_when_it_becomes_wanted_later(self):
        _, address = self.seeder(self.album)
        self.get(self.album, "--peer", address, "--files", "three.txt")
        for name in ("one.bin", "dir/two.bin"):
            self.write("out/album/" + name, "somebody's thesis")
            _, err = self.spate("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--peer", address, code=8)
            self.assertIn(name, err)
            with open(self.path("out/album/" + name), encoding="utf-8") as file:
                self.assertEqual(file.read(), "somebody's thesis")
            os.unlink(self.path("out/album/" + name))
        self.write("out/album/one.bin", cli.noise(3000000))  # a copy of the right file is taken
        events = self.get(self.album, "--peer", address)
        self.assertLess(events[-2]["downloaded_bytes"], 1200000)
        self.assert_same()

    def test_a_directory_that_was_renamed_is_found_under_its_new_name(self):
        _, address = self.seeder(self.album)
        self.get(self.album, "--peer", address)
        os.rename(self.path("out/album"), self.path("out/renamed"))
        events = self.get(self.album, "--peer", address, "-O", "renamed")
        self.assertEqual(events[-2]["downloaded_bytes"], 0)
        self.assert_same("out/renamed")
        self.assertFalse(os.path.exists(self.path("out/album")))
        self.get(self.album, "--peer", address)  # which is its name from now on
        self.assertFalse(os.path.exists(self.path("out/album")))

    def test_another_name_is_another_copy_and_takes_nothing_that_is_there(self):
        _, address = self.seeder(self.album)
        self.get(self.album, "--peer", address)
        self.write("out/other/one.bin", "somebody's thesis")
        _, err = self.spate("get", self.album, "-o", "out", "--bind", "127.0.0.1", "-O", "other", code=8)
        self.assertIn("other/one.bin", err)
        os.unlink(self.path("out/other/one.bin"))
        self.get(self.album, "--peer", address, "-O", "other")
        self.assert_same("out/other")
        self.assert_same()

    def test_a_directory_that_may_not_be_written_has_the_code_of_the_disk(self):
        where = "/sys/kernel/out"  # where root may not write either
        if os.getuid() != 0:
            where = "out"
            os.makedirs(self.path("out"), mode=0o500)
        _, address = self.seeder(self.album)
        self.spate("get", self.album, "-o", where, "--bind", "127.0.0.1", "--peer", address, code=6)

    def test_a_second_process_on_the_same_files_says_so(self):
        _, address = self.seeder(self.album)
        process = self.start("get", self.album, "-o", "out", "--bind", "127.0.0.1", "--peer", address,
                             "--max-down", "64k")
        cli.wait_until(lambda: os.path.exists(self.path("out/album")), "the first process")
        _, err = self.spate("get", self.album, "-o", "out", "--bind", "127.0.0.1", code=9)
        self.assertIn("another", err)
        self.stop(process, code=130)


class Seed(Transfer):
    def test_wrong_and_missing_data_is_refused(self):
        with open(self.path("files/album/one.bin"), "r+b") as file:
            file.write(b"!")
        self.spate("seed", self.album, "-d", "files", "--bind", "127.0.0.1", code=10)
        os.unlink(self.path("files/album/one.bin"))
        self.spate("seed", self.album, "-d", "files", "--bind", "127.0.0.1", "--state-dir", "other", code=10)
        self.assertFalse(os.path.exists(self.path("files/album/one.bin")))

    def test_a_broken_torrent_does_not_keep_the_others_from_being_given(self):
        self.write("broken.torrent", "broken")
        _, err = self.spate("seed", "broken.torrent", self.album, "missing.torrent", "-d", "files", "--bind", "127.0.0.1",
                            "--seed-time", "1", code=3)
        self.assertIn("broken.torrent: this is not a torrent file", err)
        self.assertIn("missing.torrent: No such file", err)
        out, _ = self.spate("seed", self.album, "broken.torrent", "-d", "files", "--bind", "127.0.0.1", "--seed-time", "1",
                            code=3)
        self.assertIn("album: sent 0 B", out)

    def test_links_are_followed_when_asked_for(self):
        os.rename(self.path("files/album/one.bin"), self.path("elsewhere.bin"))
        os.symlink(self.path("elsewhere.bin"), self.path("files/album/one.bin"))
        self.spate("seed", self.album, "-d", "files", "--bind", "127.0.0.1", code=None)
        _, address = self.seeder(self.album, "files", "--follow-symlinks")
        self.get(self.album, "--peer", address)
        self.assertEqual(len(cli.digest(self.path("out/album"))), 4)

    def test_it_says_what_it_has_sent(self):
        port = cli.free_port()
        process = self.start("seed", self.album, "-d", "files", "--bind", "127.0.0.1", "--port", str(port),
                             state="seed-state")
        self.get(self.album, "--peer", f"127.0.0.1:{port}", "--timeout", "60")
        out, _ = self.stop(process)
        self.assertRegex(out, r"album: sent (3\.9|4\.\d) MiB in ")


class Tracker(Transfer):
    def tracker(self):
        udp, web = cli.free_port(), cli.free_port()
        self.start("tracker", "--udp", f"127.0.0.1:{udp}", "--http", f"127.0.0.1:{web}", "--quiet",
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return f"udp://127.0.0.1:{udp}/announce", f"http://127.0.0.1:{web}/announce"

    def test_peers_are_found_through_it_and_scrape_counts_them(self):
        for url in self.tracker():
            with self.subTest(url):
                torrent = self.torrent("album", "-t", url)
                seeder, _ = self.seeder(torrent)

                def scraped():
                    out, _ = self.spate("scrape", "--json", torrent, code=None)
                    return out and self.events(out)[0]["seeders"] == 1
                cli.wait_until(scraped, "the seeder's announce")
                self.assertIn(": 1 seeder, 0 leechers, ", self.spate("scrape", torrent)[0])
                self.get(torrent, "-o", url[:4])
                self.assert_same(url[:4] + "/album")
                self.stop(seeder)

    def test_the_tracker_keeps_a_connection_for_who_comes_again_until_it_is_idle_or_many_are(self):
        port = urllib.parse.urlsplit(self.tracker()[1]).port
        path = "/scrape?info_hash=" + 20 * "x"

        def connect(n=1):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=cli.PATIENCE,
                                                    source_address=("127.0.0.%d" % n, 0))
            try:
                connection.connect()
            except ConnectionRefusedError:
                return None
            self.addCleanup(connection.close)
            return connection

        def ask(connection, **headers):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.version), (200, 11))
            answer.read()
            return answer.will_close

        kept = cli.wait_until(connect, "the tracker")
        first = kept.sock
        self.assertEqual([ask(kept) for _ in range(3)], [False] * 3)
        self.assertIs(kept.sock, first)
        self.assertTrue(ask(connect(), Connection="close"))
        self.assertEqual(first.recv(1), b"")  # it was idle for too long
        many = [connect(2 + i % 4) for i in range(510)]
        self.assertTrue(ask(many[-1]))
        for connection in many[:20]:
            connection.close()
        cli.wait_until(lambda: not ask(connect()), "room for connections that are kept")

    def test_a_tracker_that_is_not_there_is_an_error_of_the_network(self):
        port = cli.free_port()
        out, _ = self.spate("scrape", self.album, "--timeout", "2", "-t", f"http://127.0.0.1:{port}/announce", code=5)
        self.assertIn(f"http://127.0.0.1:{port}/announce: ", out)
        self.spate("scrape", self.album, code=5)  # it names no tracker


class Fetch(Transfer):
    def serve(self):
        test = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.startswith("/album"):
                    with open(test.album, "rb") as file:
                        body = file.read()
                    self.send_response(200)
                elif self.path.startswith("/page"):
                    body = b"<html>log in first</html>"
                    self.send_response(200)
                else:
                    body = b""
                    self.send_response(404)
                test.agents.append(self.headers["User-Agent"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.agents = []
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def test_a_url_is_a_source(self):
        base = self.serve()
        _, address = self.seeder(self.album)
        self.get(base + "/album.torrent", "--peer", address, "--user-agent", "tester/1")
        self.assert_same()
        self.assertEqual(self.agents, ["tester/1"])

    def test_a_server_that_never_answers_is_given_up_in_the_time_given(self):
        with socket.create_server(("127.0.0.1", 0)) as server, cli.elapsed() as seconds:
            _, err = self.spate("get", f"http://127.0.0.1:{server.getsockname()[1]}/x.torrent", "--timeout", "1", code=4)
            self.assertLess(seconds(), 20)
        self.assertIn("timed out", err)

    def test_what_is_no_torrent_there_is_said(self):
        base = self.serve()
        self.assertIn("404", self.spate("get", base + "/missing?key=0123456789abcdef", code=3)[1])
        _, err = self.spate("get", base + "/page?key=0123456789abcdef", code=3)
        self.assertIn("web page", err)
        self.assertNotIn("0123456789abcdef", err)
        self.spate("get", f"http://127.0.0.1:{cli.free_port()}/x", code=3)


class Log(Transfer):
    def test_the_log_tells_the_story_without_secrets(self):
        _, address = self.seeder(self.album)
        self.get(self.album, "--peer", address, "--log", "log.txt", "--tracker",
                 f"http://127.0.0.1:{cli.free_port()}/0123456789abcdef0123/announce")
        with open(self.path("log.txt"), encoding="utf-8") as file:
            text = file.read()
        self.assertRegex(text, r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info album: complete")
        self.assertNotIn("0123456789abcdef0123", text)
        self.assertEqual(os.stat(self.path("log.txt")).st_mode & 0o077, 0)
        self.get(self.album, "--log", "log.txt")
        with open(self.path("log.txt"), encoding="utf-8") as file:
            self.assertTrue(file.read().startswith(text))
        self.spate("get", self.album, "--log", "no/such/log.txt", code=6)

    def test_an_ordinary_goodbye_is_no_error_in_the_log(self):
        _, address = self.seeder(self.album)
        self.get(self.album, "--peer", address, "--log", "log.txt", "--verbose")
        with open(self.path("log.txt"), encoding="utf-8") as file:
            self.assertIn("closed: by us, not needed any more", file.read())

    def test_a_log_on_a_full_disk_is_said_once_and_holds_up_nothing(self):
        _, address = self.seeder(self.album)
        _, err = self.spate("get", "-o", "out", "--bind", "127.0.0.1", self.album, "--peer", address, "--log", "/dev/full",
                            "--verbose")
        self.assert_same()
        self.assertEqual(err.count("/dev/full"), 1, err)
        self.assertIn("No space left on device", err)


if __name__ == "__main__":
    cli.main()
