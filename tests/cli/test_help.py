"""Help, manual, completions and the description of the JSON name the same things as the program."""

import os
import re
import shutil
import subprocess

import cli

COMMANDS = ["get", "seed", "create", "show", "check", "magnet", "scrape", "tracker"]


def read(*parts):
    with open(os.path.join(cli.SOURCE, *parts), encoding="utf-8") as file:
        return file.read()


class Help(cli.Case):
    def options(self, command):
        out, _ = self.spate("help", command)
        return set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", out, re.M))

    def test_the_overview_names_every_command(self):
        out, err = self.spate("--help")
        self.assertEqual(err, "")
        for command in COMMANDS:
            self.assertRegex(out, rf"(?m)^  {command} ")
        self.assertEqual(self.spate("help")[0], out)

    def test_without_a_command_it_explains_itself_and_fails(self):
        out, err = self.spate(code=2)
        self.assertEqual(out, "")
        self.assertIn("Usage: spate COMMAND", err)

    def test_every_command_has_help_in_eighty_columns(self):
        for command in COMMANDS:
            with self.subTest(command):
                out, err = self.spate(command, "--help")
                self.assertEqual(err, "")
                self.assertEqual(self.spate("help", command)[0], out)
                self.assertTrue(out.startswith(f"Usage: spate {command} "))
                self.assertLessEqual(max(map(len, out.splitlines())), 80)

    def test_every_option_is_in_the_manual_and_nothing_else(self):
        for command in COMMANDS:
            with self.subTest(command):
                manual = read("man", f"spate-{command}.1.scd").split("# OPTIONS", 1)[1]
                text = re.split(r"^# ", manual, flags=re.M)[0]
                self.assertEqual(set(re.findall(r"\*--([a-z-]+)\*", text)), self.options(command))

    def test_the_exit_codes_of_the_manual_are_those_of_the_program(self):
        out, _ = self.spate("help", "exit-codes")
        program = [tuple(line.split(None, 2)[:2]) for line in out.splitlines()]
        manual = re.findall(r"^\|\] \*(\d+)\*\n:\[ ([a-z-]+)", read("man", "spate.1.scd"), re.M)
        self.assertEqual(program, manual)

    def test_the_config_options_of_the_manual_are_those_of_the_program(self):
        manual = read("man", "spate.conf.5.scd").split("# OPTIONS")[1].split("# EXAMPLE")[0]
        named = set(re.findall(r"\*([a-z-]+)\*", manual))
        everything = set().union(*(self.options(command) for command in COMMANDS if command != "tracker"))
        accepted = set()
        for name in everything:
            config = self.write("a.conf", f"{name} = 1\n")
            _, err = self.spate("get", "--config", config, "--dry-run", "/nonexistent", code=None)
            if "unknown option" not in err:
                accepted.add(name)
        self.assertEqual(named, accepted)

    def test_the_version_has_features(self):
        out, _ = self.spate("--version")
        self.assertRegex(out, r"^spate \d+\.\d+\.\d+\nfeatures: \S")

    def test_unknown_words_get_a_hint(self):
        _, err = self.spate("gte", code=2)
        self.assertIn("did you mean 'get'?", err)
        _, err = self.spate("some.torrent", code=2)
        self.assertIn("'some.torrent' is not a command; 'spate get' downloads it", err)
        _, err = self.spate("https://example.org/x?y", code=2)
        self.assertIn("'spate get' downloads it", err)
        _, err = self.spate("--frobnicate", code=2)
        self.assertIn("unknown option '--frobnicate'", err)
        _, err = self.spate("get", "--max-dwon", "5M", "x", code=2)
        self.assertIn("did you mean --max-down?", err)
        _, err = self.spate("get", code=2)
        self.assertIn("spate get [OPTION]... SOURCE...", err)
        _, err = self.spate("show", "a", "b\x1b[31m", code=2)
        self.assertNotIn("\x1b", err)

    def test_every_event_and_field_is_described(self):
        """What the program writes is compared by test_get; here is what the source can write."""
        described = set(re.findall(r"`([a-z_0-9]+)`", read("docs", "json.md")))
        for name in ("events.c", "listing.c", "create.c", "check.c", "scrape.c"):
            source = read("apps", "cli", name)
            fields = re.findall(r'(?:set_\w+|json_object_set_new)\((?:object|row), "(\w+)"', source)
            events = re.findall(r'begin\("(\w+)"', source)
            self.assertTrue(fields)
            for field in fields + events:
                if name in ("listing.c", "check.c") and field in described_in_braces():
                    continue
                self.assertIn(field, described, f"{name}: {field}")


def described_in_braces():
    return set(re.findall(r"[a-z_]+", " ".join(re.findall(r"\{([^}]*)\}", read("docs", "json.md")))))


class Completion(cli.Case):
    def script(self, shell):
        return self.write("completion." + shell, self.spate("completion", shell)[0])

    def options(self, command):
        out, _ = self.spate("help", command)
        return set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", out, re.M))

    def test_scripts_name_every_option(self):
        for shell, pattern in (("bash", "--{}[ ']"), ("zsh", "'\\*?--{}=?\\["), ("fish", "-l {} ")):
            out, _ = self.spate("completion", shell)
            for command in COMMANDS:
                for option in self.options(command):
                    self.assertRegex(out, pattern.format(option), f"{shell}: {command}")

    def test_an_unknown_shell_is_refused(self):
        self.spate("completion", "csh", code=2)

    def complete_bash(self, *words):
        line = " ".join(f"'{word}'" for word in words)
        result = subprocess.run(
            ["bash", "-c", f"source '{self.script('bash')}'; compopt() {{ :; }}; COMP_WORDS=({line}); "
                           f"COMP_CWORD={len(words) - 1}; _spate; printf '%s\\n' \"${{COMPREPLY[@]}}\""],
            check=True, capture_output=True, text=True, cwd=self.directory)
        self.assertEqual(result.stderr, "")
        return result.stdout.split("\n")[:-1]

    def test_bash_completes(self):
        self.write("a torrent/x", "")
        self.assertEqual(self.complete_bash("spate", "cr"), ["create"])
        self.assertEqual(self.complete_bash("spate", "get", "--max-"), ["--max-down", "--max-up", "--max-peers"])
        self.assertEqual(self.complete_bash("spate", "get", "--file-allocation", "f"), ["full"])
        self.assertEqual(self.complete_bash("spate", "get", "-o", "a"), ["a torrent"])
        self.assertEqual(self.complete_bash("spate", "get", "a"), ["a torrent"])
        self.assertEqual(self.complete_bash("spate", "get", "--port", ""), [""])
        self.assertIn("exit-codes", self.complete_bash("spate", "help", ""))

    def test_other_shells_accept_their_scripts(self):
        for shell in ("zsh", "fish"):
            if shutil.which(shell):
                subprocess.run([shell, "-n", self.script(shell)], check=True)

    # Who has no zsh or fish needs no completions for it: nothing is skipped there.

    def test_zsh_can_source_it_and_autoload_it(self):
        if not shutil.which("zsh"):
            return
        script = self.script("zsh")
        self.write("functions/_spate", cli.read(script))
        for way in (f"source {script}", f"source {script}; source {script}", ""):
            result = subprocess.run(
                ["zsh", "-f", "-c", f"fpath=({self.path('functions')} $fpath); autoload -Uz compinit; "
                                    f"compinit -u -d {self.path('dump')}; {way}; print $_comps[spate]; "
                                    "autoload +X _spate 2>/dev/null; print $+functions[_spate]"],
                capture_output=True, text=True, env=self.environment)
            self.assertEqual((result.stdout, result.stderr), ("_spate\n1\n", ""), way)
        # Before compinit there is nobody to tell, which is no reason to complain at each start of a shell.
        result = subprocess.run(["zsh", "-f", "-c", f"source {script}"], capture_output=True, text=True,
                                env=self.environment)
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_fish_completes(self):
        if not shutil.which("fish"):
            return
        def complete(line):
            result = subprocess.run(["fish", "-c", f"source {self.script('fish')}; complete -C'{line}'"], check=True,
                                    capture_output=True, text=True, env=self.environment, cwd=self.directory)
            self.assertEqual(result.stderr, "")
            return {word.split("\t")[0] for word in result.stdout.splitlines()}

        self.assertEqual(complete("spate cr"), {"create"})
        self.assertEqual(complete("spate get --max-"), {"--max-down", "--max-up", "--max-peers"})
        self.assertEqual(complete("spate get --file-allocation "), {"full", "none", "sparse"})


if __name__ == "__main__":
    cli.main()
