"""The live view, as it stands on a real terminal: in tmux, of several sizes and while they change."""

import os
import shlex
import shutil
import subprocess
import time
import unittest

import cli


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class View(cli.Case):
    def setUp(self):
        super().setUp()
        self.socket = self.path("tmux")
        self.addCleanup(self.tmux, "kill-server", check=False)
        self.write("files/日本語の長い名前のファイル.bin", cli.noise(2000000))
        self.torrent_file = self.torrent("日本語の長い名前のファイル.bin")

    def tmux(self, *arguments, check=True):
        return subprocess.run(["tmux", "-u", "-f", "/dev/null", "-S", self.socket, *arguments], check=check,
                              env=self.environment, capture_output=True, text=True).stdout

    def run_in_terminal(self, columns, rows, *arguments, environment=()):
        """Runs spate in a pane, with a line before and one behind; the pane stays."""
        command = " ".join(map(shlex.quote, [cli.SPATE, *arguments]))
        settings = " ".join(map(shlex.quote, environment))
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows),
                  f"cd {shlex.quote(self.directory)}; echo before; env {settings} {command}; echo code $?; exec sleep 600")

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options).rstrip("\n").split("\n")

    def wait_for(self, what):
        def shown():
            lines = self.screen()
            return lines if any(what in line for line in lines) else None
        return cli.wait_until(shown, f"'{what}' on the terminal")

    def get(self, *more):
        self.seed, address = self.seeder(self.torrent_file)
        return ["get", self.torrent_file, "-o", "out", "--bind", "127.0.0.1", "--peer", address, *more]

    def wait_for_view(self, before):
        """Waits until exactly one view stands on the terminal, below the lines given."""
        def stands():
            lines = self.screen()
            return lines if lines[:-3] == before and lines[-3].startswith("日本語") and " %" in lines[-2] else None
        try:
            return cli.wait_until(stands, "one view")
        except AssertionError:
            self.fail("\n".join(self.screen()))

    def test_it_stands_in_place_and_ends_with_a_summary(self):
        self.run_in_terminal(100, 20, *self.get("--max-down", "400k"))
        self.wait_for("KiB/s")
        lines = self.wait_for_view(["before"])
        self.assertIn("peers 1", lines[3])
        lines = self.wait_for("code 0")
        self.assertEqual(lines[0], "before")
        self.assertIn("complete, 1.9 MiB verified and synced", "".join(lines[1:3]))
        self.assertFalse(any(" %  " in line for line in lines))

    def test_resizing_leaves_one_view(self):
        self.run_in_terminal(100, 20, *self.get("--max-down", "64k"))
        self.wait_for("KiB/s")
        for columns, rows in ((60, 20), (40, 20), (15, 10), (120, 8), (60, 30)):
            self.tmux("resize-window", "-x", str(columns), "-y", str(rows))
            time.sleep(0.6)

            def one_view():
                lines = self.screen()
                return sum(line.startswith("日本") for line in lines) == 1 and sum(" %" in line for line in lines) == 1
            cli.wait_until(one_view, f"one view in {columns} columns")
            # tmux moves lines out at the top when others wrap; those are neither lost nor doubled.
            self.assertEqual(sum("before" in line for line in self.screen("-S", "-")), 1)
        self.tmux("send-keys", "C-c")
        self.wait_for("code 130")

    def test_ctrl_z_and_back_draws_it_anew(self):
        seed, address = self.seeder(self.torrent_file)
        command = " ".join(map(shlex.quote, [cli.SPATE, "get", self.torrent_file, "-o", self.path("out"), "--bind",
                                             "127.0.0.1", "--peer", address, "--max-down", "64k"]))
        self.tmux("new-session", "-d", "-x", "100", "-y", "20", "env PS1='shell> ' bash --norc --noprofile -i")
        self.wait_for("shell>")
        self.tmux("send-keys", command, "Enter")
        self.wait_for("KiB/s")
        self.tmux("send-keys", "C-z")
        self.wait_for("Stopped")
        self.tmux("send-keys", "fg", "Enter")
        cli.wait_until(lambda: sum(" %" in line for line in self.screen()) == 2, "the second view")
        time.sleep(1)
        lines = self.screen()
        self.assertTrue(any("Stopped" in line for line in lines), lines)
        self.assertEqual(sum(" %" in line for line in lines), 2, lines)
        self.tmux("send-keys", "C-c")
        self.wait_for("not complete")

    def test_colors_are_left_out_when_asked(self):
        for name, environment, options, colored in (("plain", ["NO_COLOR=1"], [], False), ("option", [], ["--no-color"], False),
                                                    ("color", [], [], True)):
            with self.subTest(name):
                self.run_in_terminal(100, 20, *self.get("--max-down", "64k", "-O", name, *options),
                                     environment=environment)
                self.wait_for("KiB/s")
                self.assertEqual(any("\x1b[" in line for line in self.screen("-e")), colored)
                self.tmux("send-keys", "C-c")
                self.wait_for("code 130")
                self.tmux("kill-session")

    def test_in_few_columns_the_names_stay(self):
        torrents = []
        for number in range(3):
            self.write(f"files/number-{number}", cli.noise(100000, number))
            torrents.append(self.torrent(f"number-{number}"))
        self.run_in_terminal(24, 6, "get", *torrents, "-o", "out", "--bind", "127.0.0.1")
        lines = self.wait_for("number-2")
        self.assertTrue(all("0.0 %" in line for line in lines if "number-" in line), lines)
        self.tmux("resize-window", "-x", "80", "-y", "6")
        cli.wait_until(lambda: sum("ETA" in line and "number-" in line for line in self.screen()) == 3, "the wider view")
        self.tmux("send-keys", "C-c")
        self.wait_for("code 130")

    def test_without_utf8_the_bar_is_plain(self):
        self.run_in_terminal(100, 20, *self.get("--max-down", "200k"), environment=["LC_ALL=C"])
        self.wait_for("##-")
        self.tmux("send-keys", "C-c")

    def test_silence_is_explained(self):
        self.run_in_terminal(100, 20, "get", self.torrent_file, "-o", "out", "--bind", "127.0.0.1")
        lines = self.wait_for("nothing for 1")
        self.assertIn("no peers known", lines[3])
        self.tmux("send-keys", "C-c")
        self.wait_for("code 130")

    def test_a_terminal_that_cannot_move_its_cursor_gets_lines(self):
        self.run_in_terminal(100, 20, *self.get(), environment=["TERM=dumb"])
        lines = self.wait_for("code 0")
        self.assertTrue(any("downloading to" in line for line in lines), lines)


if __name__ == "__main__":
    cli.main()
