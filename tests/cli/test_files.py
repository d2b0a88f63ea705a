"""create, show, check and magnet: torrent files, without a network."""

import json
import os
import stat
import subprocess
import time

import cli


class Create(cli.Case):
    def setUp(self):
        super().setUp()
        self.write("files/album/one.flac", cli.noise(300000))
        self.write("files/album/two.flac", cli.noise(100000, 2))
        self.write("files/album/text/read me.txt", "hello")
        self.write("files/album/empty", b"")

    def test_it_prints_hash_and_magnet_and_shows_what_is_in_it(self):
        out, _ = self.spate("create", "files/album", "-o", "a.torrent", "-t", "udp://t.example:1/announce", "-t",
                            "http://u.example/announce", "--private", "--comment", "words <&>", "--piece-size", "32k",
                            "--web-seed", "http://w.example/")
        show = json.loads(self.spate("show", "--json", "a.torrent")[0])
        self.assertIn(show["info_hash"], out)
        self.assertIn("magnet:?xt=urn:btih:" + show["info_hash"], out)
        self.assertEqual(show["name"], "album")
        self.assertEqual(show["comment"], "words <&>")
        self.assertEqual(show["piece_length"], 32768)
        self.assertTrue(show["private"])
        self.assertEqual([t["url"] for t in show["trackers"]],
                         ["udp://t.example:1/announce", "http://u.example/announce"])
        self.assertEqual([t["tier"] for t in show["trackers"]], [0, 1])
        self.assertEqual(show["web_seeds"], ["http://w.example/"])
        self.assertEqual(show["total_bytes"], 400005)
        self.assertEqual(sorted(f["path"] for f in show["files"]),
                         ["empty", "one.flac", "text/read me.txt", "two.flac"])
        text, _ = self.spate("show", "--files", "a.torrent")
        self.assertIn("text/read me.txt", text)
        self.assertIn(show["info_hash"], text)

    def test_json_is_the_same_in_one_object(self):
        out, _ = self.spate("create", "files/album", "--json", "-o", "a.torrent")
        created = json.loads(out)
        show = json.loads(self.spate("show", "--json", "a.torrent")[0])
        self.assertEqual(created["info_hash"], show["info_hash"])
        self.assertEqual(created["magnet"], self.spate("magnet", "a.torrent")[0].strip())

    def test_the_same_files_give_the_same_torrent(self):
        first = subprocess.run([cli.SPATE, "create", "files/album", "-o", "-", "--no-date"], cwd=self.directory,
                               env=self.environment, capture_output=True, check=True)
        time.sleep(1.1)
        self.spate("create", "files/album", "-o", "a.torrent", "--no-date", "--threads", "1")
        with open(self.path("a.torrent"), "rb") as file:
            self.assertEqual(file.read(), first.stdout)
        self.assertIn("info hash", first.stderr.decode())

    def test_it_replaces_nothing_without_force_and_leaves_nothing_behind(self):
        self.write("a.torrent", "precious")
        _, err = self.spate("create", "files/album", "-o", "a.torrent", code=8)
        self.assertIn("--force", err)
        with open(self.path("a.torrent"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        self.spate("create", "files/album", "-o", "a.torrent", "--force")
        self.spate("show", "a.torrent")
        self.spate("create", "files/album", "-o", "missing/a.torrent", code=6)
        self.spate("create", "nonexistent", "-o", "b.torrent", code=6)
        self.assertEqual(sorted(os.listdir(self.directory)), ["a.torrent", "files"])

    def test_the_default_name_is_that_of_the_files(self):
        self.spate("create", "files/album/", "-q")
        self.assertEqual(json.loads(self.spate("show", "--json", "album.torrent")[0])["name"], "album")

    def test_a_wrong_piece_size_is_a_usage_error(self):
        for size in ("3M", "1k", "1G", "x"):
            self.spate("create", "files/album", "-o", "a.torrent", "--piece-size", size, code=2)
        self.assertFalse(os.path.exists(self.path("a.torrent")))

    def test_the_piece_size_follows_the_size_of_the_files(self):
        for size, piece in ((1, 16384), (8 << 20, 16384), ((8 << 20) + 1, 32768), (30000000, 32768), (40 << 20, 65536),
                            (200 << 20, 131072)):
            with open(self.path("files/holes"), "wb") as file:
                file.truncate(size)
            created = json.loads(self.spate("create", "files/holes", "-o", "a.torrent", "--force", "--json")[0])
            self.assertEqual(created["piece_length"], piece, size)

    def test_each_tracker_option_is_a_tier(self):
        self.spate("create", "files/album", "-t", "udp://a.example:1/announce,http://b.example/announce?x=1,2", "-t",
                   "https://c.example/announce, udp://[::1]:1/announce", "-t", "wss://d.example/")
        trackers = json.loads(self.spate("show", "--json", "album.torrent")[0])["trackers"]
        self.assertEqual([(t["tier"], t["url"]) for t in trackers], [
            (0, "udp://a.example:1/announce"), (0, "http://b.example/announce?x=1,2"), (1, "https://c.example/announce"),
            (1, "udp://[::1]:1/announce"), (2, "wss://d.example/")])

    def test_a_tracker_that_is_no_url_is_a_usage_error(self):
        for url in ("", "tracker.example", "upd://tracker.example:1/announce", "http://a.example/,", "http://",
                    "udp://a.example:1/,,udp://b.example:1/"):
            _, err = self.spate("create", "files/album", "-t", url, code=2)
            self.assertIn("is not a URL such as udp://", err)
        self.spate("create", "files/album", "-w", "udp://a.example:1/", code=2)
        self.assertFalse(os.path.exists(self.path("album.torrent")))

    def test_names_that_could_not_be_seeded_are_refused_with_better_ones(self):
        for name, shown, better in (("a\nb", "a\\x0ab", "a_b"), ("end.", "end.", "end_"), ("nul.txt", "nul.txt", "_nul.txt"),
                                    ("\u202egpj.exe", "\\u202egpj.exe", "_gpj.exe")):
            self.write("files/album/" + name, "x")
            _, err = self.spate("create", "files/album", "--force", code=1)
            self.assertIn("has a name that not every system can store: rename it", err)
            self.assertIn(f'"{better}"', err)
            self.assertTrue(err[:-1].isprintable(), err)
            os.rename(self.path("files/album", name), self.path("files/album", better))
            self.spate("create", "files/album", "--force")
            self.spate("check", "album.torrent", "-d", "files")

    def test_a_pipe_is_written_to_and_not_replaced(self):
        os.mkfifo(self.path("pipe"))
        process = self.start("create", "files/album", "-o", "pipe", "--no-date")
        with open(self.path("pipe"), "rb") as pipe:
            received = pipe.read()
        self.finish(process)
        self.spate("create", "files/album", "--no-date")
        with open(self.path("album.torrent"), "rb") as file:
            self.assertEqual(received, file.read())
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("pipe")).st_mode))

    def test_dev_stdout_is_standard_output(self):
        for name in ("pipe", "file"):
            with open(self.path("out"), "w+b") as out:
                result = subprocess.run([cli.SPATE, "create", "files/album", "-o", "/dev/stdout"], cwd=self.directory,
                                        env=self.environment, stderr=subprocess.PIPE,
                                        stdout=out if name == "file" else subprocess.PIPE)
                self.assertEqual(result.returncode, 0, result.stderr)
                out.seek(0)
                torrent = out.read() if name == "file" else result.stdout
            self.assertTrue(torrent.startswith(b"d") and torrent.endswith(b"ee"), torrent)
            self.assertIn(b"created    on standard output\n", result.stderr)
        self.assertTrue(os.path.islink("/dev/stdout"))

    def test_behind_a_link_its_target_is_replaced(self):
        self.write("target", "old")
        os.symlink("target", self.path("a.torrent"))
        self.spate("create", "files/album", "-o", "a.torrent", code=8)
        self.spate("create", "files/album", "-o", "a.torrent", "--force")
        self.assertEqual(os.readlink(self.path("a.torrent")), "target")
        self.spate("show", "target")

    def test_a_full_stdout_is_no_success(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([cli.SPATE, "create", "files/album", "-o", "-"], cwd=self.directory,
                                    env=self.environment, stdout=full, stderr=subprocess.DEVNULL)
        self.assertNotEqual(result.returncode, 0)


class Show(cli.Case):
    def test_names_of_strangers_are_harmless(self):
        name = b"\x1b]0;owned\x07\xe2\x80\xaegpj.exe\xff<b>"
        info = (b"d6:lengthi1e4:name%d:%s12:piece lengthi16384e6:pieces20:%se" % (len(name), name, b"x" * 20))
        announce = b"http://t.example/announce?passkey=0123456789abcdef"
        torrent = self.write("x.torrent", b"d8:announce%d:%s7:comment7:\x1b[2J\x07\n\t4:info%se" %
                             (len(announce), announce, info))
        out, _ = self.spate("show", "--files", torrent)
        self.assertNotRegex(out, "[\x00-\x09\x0b-\x1f\x7f\u202e]")
        self.assertNotIn("0123456789abcdef", out)
        self.assertIn("passkey=***", out)
        self.assertIn("0123456789abcdef", self.spate("show", "-v", torrent)[0])
        out, _ = self.spate("show", "--json", torrent)
        self.assertRegex(out, r"^[ -~]+\n$")
        self.assertNotRegex(out, "[<>&]")
        self.assertIn("0123456789abcdef", json.loads(out)["trackers"][0]["url"])

    def test_a_name_that_is_changed_on_the_disk_is_shown_with_the_other_one(self):
        files = b"".join(b"d6:lengthi1e4:pathl%d:%see" % (len(name), name) for name in (b"a\nb", b"..", b"plain"))
        torrent = self.write("x.torrent", b"d4:infod5:filesl%se4:name1:t12:piece lengthi16384e6:pieces20:%see" %
                             (files, b"x" * 20))
        out, _ = self.spate("show", "--files", torrent)
        self.assertIn("a\\x0ab  (stored as a_b)\n", out)
        self.assertIn("..  (stored as ._)\n", out)
        self.assertIn("plain\n", out)
        out, _ = self.spate("check", torrent, code=10)
        self.assertRegex(out, r"(?m)^missing +a\\x0ab  \(stored as a_b\)$")

    def test_what_is_no_torrent_is_named(self):
        for content, words in ((b"", "empty"), (b"<!DOCTYPE html><html>", "web page"),
                               (b"magnet:?xt=urn:btih:00", "magnet"), (b"d4:infode", "x.torrent"),
                               (b"\x00" * 100, "x.torrent")):
            self.write("x.torrent", content)
            _, err = self.spate("show", "x.torrent", code=3)
            self.assertIn(words, err)
        self.assertIn("x.torrent: this is not a torrent file: ", err)
        self.assertIn("No such file", self.spate("show", "nothing.torrent", code=3)[1])
        self.assertIn("an empty word", self.spate("show", "", code=3)[1])
        self.assertIn("directory", self.spate("show", ".", code=3)[1].lower())
        self.spate("show", "magnet:?xt=urn:btih:00", code=3)
        self.spate("show", "ftp://example.org/x.torrent", code=3)

    def test_a_file_that_is_too_long_is_refused(self):
        with open(self.path("x.torrent"), "wb") as file:
            file.truncate((32 << 20) + 1)
        self.assertIn("too long", self.spate("show", "x.torrent", code=3)[1])


class Check(cli.Case):
    def setUp(self):
        super().setUp()
        self.write("files/album/a", cli.noise(100000))
        self.write("files/album/b", cli.noise(100000, 2))
        self.write("files/album/c", cli.noise(100000, 3))
        self.torrent("album", "--piece-size", "16k")

    def check(self, code):
        out, _ = self.spate("check", "album.torrent", "-d", "files", "--json", code=code)
        result = json.loads(out)
        return result, {file["path"]: file["state"] for file in result["files"]}

    def test_right_files_are_right(self):
        before = {name: os.stat(self.path("files/album", name)).st_mtime_ns for name in "abc"}
        result, states = self.check(0)
        self.assertTrue(result["good"])
        self.assertEqual(result["bad_pieces"], [])
        self.assertEqual(states, {"a": "good", "b": "good", "c": "good"})
        self.assertIn("3 of 3 files", self.spate("check", "album.torrent", "-d", "files")[0])
        self.assertEqual(self.spate("check", "-q", "album.torrent", "-d", "files"), ("", ""))
        self.assertEqual(before, {name: os.stat(self.path("files/album", name)).st_mtime_ns for name in "abc"})
        self.assertFalse(os.path.exists(self.path("state")))

    def test_a_wrong_byte_is_found(self):
        with open(self.path("files/album/b"), "r+b") as file:
            file.seek(50000)
            file.write(b"!!")
        result, states = self.check(10)
        self.assertFalse(result["good"])
        self.assertEqual(states["b"], "wrong")
        self.assertEqual(result["bad_pieces"], [[9, 9]])  # (100000 + 50000) / 16384
        out, _ = self.spate("check", "album.torrent", "-d", "files", code=10)
        self.assertIn("bad pieces: 9\n", out)
        self.assertRegex(out, r"(?m)^wrong +b")

    def test_missing_and_short_files_are_told_apart(self):
        os.unlink(self.path("files/album/a"))
        os.truncate(self.path("files/album/c"), 99999)
        _, states = self.check(10)
        self.assertEqual(states["a"], "missing")
        self.assertEqual(states["c"], "short")

    def test_a_longer_file_is_named_and_left_alone(self):
        with open(self.path("files/album/c"), "ab") as file:
            file.write(b"more")
        _, states = self.check(0)
        self.assertEqual(states, {"a": "good", "b": "good", "c": "long"})
        out, _ = self.spate("check", "album.torrent", "-d", "files")
        self.assertIn("(100004 bytes instead of 100000)", out)
        self.assertEqual(os.path.getsize(self.path("files/album/c")), 100004)

    def test_a_directory_that_is_not_there_is_named(self):
        self.assertIn("elsewhere", self.spate("check", "album.torrent", "-d", "elsewhere", code=6)[1])


if __name__ == "__main__":
    cli.main()
