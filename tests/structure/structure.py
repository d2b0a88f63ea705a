"""The rules of the house, checked: structure.py ROOT [BUILD-DIRECTORY]

Reads every source file below src/, apps/ and include/ and, when a build directory is given, the object
files that were made from them. Prints one line for each broken rule and fails when there is one. The
rules and their reasons are in ARCHITECTURE.md; selftest.py plants a violation of each.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

FLOORS = {
    "base": 0,
    "crypto": 1, "io": 1,
    "codec": 2,
    "proto": 3, "swarm": 3, "disk": 3, "tracker": 3,
    "engine": 4,
}
APPS_FLOOR = 5
PURE = {"base", "crypto", "codec", "proto", "swarm", "tracker"}
MAY_INCLUDE_IO = {"io", "disk", "engine", "apps"}

# Each library has one door: the pattern of its headers, and the folders that may include them.
DOORS = [
    (r"uv(\.h|/)", "libuv", ["src/io"]),
    (r"ares(\.h|_)", "c-ares", ["src/io"]),
    (r"curl/", "libcurl", ["src/io"]),
    (r"sqlite3", "SQLite", ["src/disk", "src/io/sim"]),
    (r"openssl/", "libcrypto", ["src/crypto"]),
    (r"jansson", "jansson", ["apps"]),
    (r"microhttpd", "libmicrohttpd", ["apps"]),
]

# System headers that only serve input, output, clocks or randomness.
IMPURE_HEADERS = {
    "sys/socket.h", "netdb.h", "unistd.h", "fcntl.h", "time.h", "sys/time.h", "sys/stat.h", "sys/random.h",
    "sys/mman.h", "poll.h", "sys/epoll.h", "sys/select.h", "dirent.h", "pthread.h", "threads.h", "signal.h",
    "termios.h", "sys/ioctl.h", "sys/wait.h", "spawn.h", "aio.h",
}

# Functions nobody calls: no safe use, or no place in this program.
BANNED = {
    "system", "popen", "rand", "random", "srand", "srandom", "rand_r", "drand48", "lrand48", "strcpy",
    "strcat", "stpcpy", "sprintf", "vsprintf", "gets", "strtok", "tmpnam", "tempnam", "mktemp", "alloca",
    "setjmp", "longjmp", "atoi", "atol", "atoll", "posix_fallocate",
}
# Processes: one file of the command-line program may start one, for --on-complete.
PROCESS = {
    "execl", "execlp", "execle", "execv", "execve", "execvp", "execvpe", "fexecve", "fork", "vfork",
    "posix_spawn", "posix_spawnp",
}
# Clocks and randomness come through the port; programs above the engine may read a clock.
CLOCK = {
    "time", "clock_gettime", "gettimeofday", "clock", "getrandom", "getentropy", "arc4random", "sleep",
    "usleep", "nanosleep", "clock_nanosleep",
}
# A library is a guest in somebody's process.
RUDE = {
    "exit", "_exit", "quick_exit", "atexit", "abort", "signal", "sigaction", "umask", "chdir", "fchdir",
    "setlocale", "setenv", "unsetenv", "putenv", "clearenv", "printf", "vprintf", "puts", "putchar",
    "perror", "getchar", "scanf",
}
RUDE_NAMES = {"stdout", "stderr", "stdin"}
# What a failed ASSERT does is the one exception.
ASSERT_FILE = "src/base/error.c"
# Calls that would be input or output in a room that has none; looked for in object files.
IMPURE = CLOCK | {
    "open", "openat", "creat", "read", "write", "pread", "pwrite", "readv", "writev", "preadv", "pwritev",
    "socket", "connect", "bind", "listen", "accept", "accept4", "send", "sendto", "sendmsg", "sendmmsg",
    "recv", "recvfrom", "recvmsg", "recvmmsg", "poll", "ppoll", "select", "epoll_wait", "fopen", "fdopen",
    "fread", "fwrite", "fgets", "fputs", "fprintf", "mmap", "stat", "fstat", "lstat", "opendir", "unlink",
    "rename", "mkdir", "getaddrinfo", "gethostbyname", "pthread_create", "thrd_create", "getenv",
}


class Source:
    """One file: its text without comments and strings, and what it includes."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8") as file:
            self.text = file.read()
        self.code = strip(self.text)
        parts = path.split("/")
        self.top = parts[0]
        self.folder = "/".join(parts[:-1])
        self.stem = parts[-1].rsplit(".", 1)[0]
        if self.top == "src":
            self.room = parts[1] if len(parts) > 2 else "src"
            self.floor = FLOORS.get(self.room)
        elif self.top == "apps":
            # apps/spate.c, the table of subcommands, stands above the rooms of apps/.
            self.room = "/".join(parts[:2]) if len(parts) > 2 else "apps"
            self.floor = APPS_FLOOR if len(parts) > 2 else APPS_FLOOR + 1
        else:
            self.room = "include"
            self.floor = -1
        self.includes = []
        without_comments = strip(self.text, strings=False)
        for number, line in enumerate(without_comments.splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if match:
                self.includes.append((number, match.group(1), match.group(2)))


def strip(text, strings=True):
    """The text with comments (and the insides of strings) blanked, lines kept."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + found[-1] if strings else found
        return re.sub(r"[^\n]", " ", found)

    return re.sub(pattern, blank, text, flags=re.S)


class House:
    def __init__(self, root, build=None):
        self.root = root
        self.build = build
        self.findings = []
        self.sources = {}
        for top in ("include", "src", "apps"):
            for folder, _, names in os.walk(os.path.join(root, top)):
                for name in names:
                    if name.endswith((".c", ".h")):
                        path = os.path.relpath(os.path.join(folder, name), root)
                        self.sources[path] = Source(root, path)

    def broken(self, rule, where, why):
        self.findings.append((rule, where, why))

    def resolve(self, name):
        """The path of an included project file, or None."""
        for path in ("include/" + name, "src/" + name, "apps/" + name, name):
            if path in self.sources:
                return path
        return None

    def edges(self, source):
        for number, kind, name in source.includes:
            path = self.resolve(name)
            if path is not None and (kind == '"' or name == "spate.h"):
                yield number, self.sources[path]

    # ---- one method a rule ----

    def rooms(self):
        for source in self.sources.values():
            if source.top == "src" and source.floor is None:
                self.broken("rooms", source.path, f"'{source.room}' is no room of the house")
            if source.top == "include" and source.path != "include/spate.h":
                self.broken("rooms", source.path, "include/spate.h is the only public header")

    def rooted(self):
        for source in self.sources.values():
            for number, kind, name in source.includes:
                where = f"{source.path}:{number}"
                if kind == '"' and name != "spate.h" and ("/" not in name or name.startswith(".")):
                    self.broken("rooted", where, f'"{name}" is not a rooted path such as "base/map.h"')
                elif kind == '"' and self.resolve(name) is None:
                    self.broken("rooted", where, f'"{name}" is no file of the project')
                elif kind == "<" and name != "spate.h" and self.resolve(name) is not None:
                    self.broken("rooted", where, f"<{name}> is ours: write it in quotes")
                elif name.endswith(".c"):
                    self.broken("rooted", where, f"{name} is included")

    def floors(self):
        for source in self.sources.values():
            for number, target in self.edges(source):
                if target.room == "include" or source.floor is None or target.floor is None:
                    continue
                where = f"{source.path}:{number}"
                if source.room == "include":
                    self.broken("floors", where, f"the public header includes {target.path}")
                elif target.floor > source.floor:
                    self.broken("floors", where, f"{source.room} includes {target.path}, which is above it")
                elif target.floor == source.floor and target.room != source.room:
                    self.broken("floors", where, f"{source.room} includes {target.path}, which is beside it")
                elif source.room == target.room == "io" and self.drivers_mix(source, target):
                    self.broken("floors", where, f"one driver includes another's {target.path}")

    @staticmethod
    def drivers_mix(source, target):
        return target.folder != "src/io" and source.folder != target.folder

    def cli(self):
        """apps/cli (and the daemon) reach the engine only through the public header."""
        for source in self.sources.values():
            if source.room not in ("apps/cli", "apps/daemon", "apps"):
                continue
            for number, target in self.edges(source):
                own = target.room == source.room or (source.room == "apps" and target.top == "apps")
                if not own and target.path not in ("include/spate.h", "src/base/text.h"):
                    self.broken("cli", f"{source.path}:{number}",
                                f"{source.room} may include spate.h, base/text.h and its own, not {target.path}")

    def io_door(self):
        for source in self.sources.values():
            for number, target in self.edges(source):
                room = "apps" if source.top == "apps" else source.room
                if target.room == "io" and room not in MAY_INCLUDE_IO:
                    self.broken("io", f"{source.path}:{number}", f"{room} includes {target.path}")

    def cycles(self):
        done, path = set(), []

        def visit(source):
            if source.path in path:
                cycle = path[path.index(source.path):] + [source.path]
                self.broken("cycles", source.path, " -> ".join(cycle))
                return
            if source.path in done:
                return
            path.append(source.path)
            for _, target in self.edges(source):
                visit(target)
            path.pop()
            done.add(source.path)

        for source in self.sources.values():
            visit(source)

    def umbrellas(self):
        for source in self.sources.values():
            if source.path.endswith(".h") and len(list(self.edges(source))) > 1:
                if not re.sub(r"^\s*#.*$", "", source.code, flags=re.M).strip():
                    self.broken("umbrella", source.path, "a header that only includes others")

    def libraries(self):
        for source in self.sources.values():
            for number, kind, name in source.includes:
                for pattern, library, doors in DOORS:
                    if kind == "<" and re.match(pattern, name):
                        if not any(source.path.startswith(door + "/") for door in doors):
                            self.broken("libraries", f"{source.path}:{number}",
                                        f"<{name}>: {library} lives in {' and '.join(doors)}")

    def purity(self):
        for source in self.sources.values():
            if source.top == "src" and source.room in PURE and source.path != ASSERT_FILE:
                for number, kind, name in source.includes:
                    if kind == "<" and name in IMPURE_HEADERS:
                        self.broken("purity", f"{source.path}:{number}",
                                    f"<{name}> in {source.room}, which has no input, output, clock or chance")

    def calls(self):
        starters = set()
        for source in self.sources.values():
            for match in re.finditer(r"(?<![\w.>])([a-z_]\w*)\s*\(", source.code):
                name = match.group(1)
                where = f"{source.path}:{source.code.count(chr(10), 0, match.start()) + 1}"
                if name in BANNED:
                    self.broken("banned", where, f"{name}() is not used here")
                elif name in PROCESS and source.room != "apps/cli":
                    self.broken("process", where, f"{name}(): only --on-complete starts a process")
                elif name in PROCESS:
                    starters.add(source.path)
                elif name in CLOCK and source.top == "src" and source.room != "io":
                    self.broken("clock", where, f"{name}(): clock and chance come through io/io.h")
                elif name in RUDE and source.top == "src" and source.path != ASSERT_FILE:
                    self.broken("guest", where, f"{name}(): the library is a guest")
            if source.top == "src" and source.path != ASSERT_FILE:
                for match in re.finditer(r"\b(" + "|".join(RUDE_NAMES) + r")\b", source.code):
                    where = f"{source.path}:{source.code.count(chr(10), 0, match.start()) + 1}"
                    self.broken("guest", where, f"{match.group(1)}: the library prints nothing")
        if len(starters) > 1:
            self.broken("process", ", ".join(sorted(starters)), "one file starts processes, not several")

    def words(self):
        for source in self.sources.values():
            if not source.text.startswith("/*"):
                self.broken("words", source.path, "does not open with a comment that says what it is")
            for number, line in enumerate(source.text.splitlines(), 1):
                match = re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line)
                if match:
                    self.broken("words", f"{source.path}:{number}", match.group(1))

    def variables(self):
        """No mutable variable outlives its call: not at file scope, not static inside a function."""
        for source, output in self.objects():
            for section, kind, name in symbols(output):
                mutable = re.match(r"\.(data|bss|tdata|tbss)|\*COM\*", section)
                thread = section.startswith((".tdata", ".tbss")) and "d" not in kind
                if mutable and not section.startswith(".data.rel.ro") and ("O" in kind or thread):
                    self.broken("variables", source.path, f"'{name}' is mutable (it is in {section})")

    def prefixes(self):
        """file = noun = prefix: a global function begins with its file's noun, or with a struct that the
        file's own header defines, or with its room."""
        for source, output in self.objects():
            if source.path == "apps/spate.c":
                continue
            parts = source.path.split("/")
            allowed = {source.stem.split("_")[0], "spate_"} | {part for part in parts[1:-1]}
            for other in self.sources.values():
                if other.path.endswith(".h") and other.folder == source.folder and (
                        other.stem == source.stem or source.stem.startswith(other.stem + "_")):
                    tags = re.findall(r"\b(?:struct|enum|union)\s+(\w+)\s*\{", other.code)
                    allowed |= {tag.split("_")[0] for tag in tags}
            for section, kind, name in symbols(output):
                if "g" in kind and "F" in kind and section.startswith(".text"):
                    if not any(name.startswith(prefix) for prefix in allowed):
                        self.broken("prefixes", source.path, f"{name}() has none of {sorted(allowed)} in front")

    def object_calls(self):
        """The same bans as in the source, seen where no macro can hide them."""
        for source, output in self.objects():
            for section, _, name in symbols(output):
                if section != "*UND*":
                    continue
                name = re.sub(r"^__isoc\d\d_", "", name)
                name = re.sub(r"^__(\w+)_chk$", r"\1", name)
                name = re.sub(r"64(_2|_time64)?$", "", name)
                if name in BANNED:
                    self.broken("banned", source.path, f"{name}() is called")
                elif name in PROCESS and source.room != "apps/cli":
                    self.broken("process", source.path, f"{name}() is called")
                elif source.room in PURE and source.path != ASSERT_FILE and name in IMPURE:
                    self.broken("purity", source.path, f"{name}() is called")
                elif name in CLOCK and source.top == "src" and source.room != "io":
                    self.broken("clock", source.path, f"{name}() is called")

    def objects(self):
        if self.build is None:
            return
        with open(os.path.join(self.build, "compile_commands.json"), encoding="utf-8") as file:
            commands = json.load(file)
        seen = 0
        for command in commands:
            path = os.path.relpath(os.path.join(command["directory"], command["file"]), os.path.realpath(self.root))
            output = os.path.join(command["directory"], command["output"])
            if path in self.sources:
                seen += 1
                yield self.sources[path], output
        if seen == 0:
            self.broken("objects", self.build, "holds no object file of this tree")

    def headers(self):
        """Every header compiles alone, and twice; the public one in C and in C++, with both compilers."""
        flags = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
        ours = ["-std=gnu11", "-D_GNU_SOURCE", "-Isrc", "-Iinclude", "-Iapps", "-I."]
        jobs = []
        for path in self.sources:
            if path.endswith(".h"):
                jobs.append((path, ["gcc", "-xc", *flags, *ours, "-"]))
        for compiler, language in (("gcc", "-std=c99"), ("clang", "-std=c99"), ("g++", "-std=c++11"),
                                   ("clang++", "-std=c++11")):
            kind = "-xc++" if "++" in compiler else "-xc"
            jobs.append(("include/spate.h", [compiler, kind, *flags, language, "-pedantic", "-Iinclude", "-"]))

        def compile_alone(job):
            path, command = job
            twice = f'#include "{path}"\n' * 2 + "int structure_unit;\n"
            result = subprocess.run([*command[:-1], "-I.", "-"], input=twice, text=True, capture_output=True,
                                    cwd=self.root)
            return path, command[0], result.returncode, result.stderr

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for path, compiler, status, errors in pool.map(compile_alone, jobs):
                if status != 0:
                    self.broken("headers", path, f"does not compile alone with {compiler}:\n{errors}")

    def tests(self):
        """A test that no build file names passes for ever."""
        for folder, _, names in os.walk(os.path.join(self.root, "tests")):
            build = os.path.join(folder, "meson.build")
            text = open(build, encoding="utf-8").read() if os.path.exists(build) else ""
            named = set(re.findall(r"'([^']*)'", re.sub(r"#.*", "", text)))
            for name in names:
                stem = name[:-len(".c")]
                if re.fullmatch(r"test_\w+\.c", name) and not named & {name, stem, stem[len("test_"):]}:
                    path = os.path.relpath(os.path.join(folder, name), self.root)
                    self.broken("tests", path, "meson.build beside it does not name it")

    def check(self, headers=True):
        self.rooms()
        self.tests()
        self.rooted()
        self.floors()
        self.cli()
        self.io_door()
        self.cycles()
        self.umbrellas()
        self.libraries()
        self.purity()
        self.calls()
        self.words()
        if self.build is not None:
            self.variables()
            self.prefixes()
            self.object_calls()
        if headers:
            self.headers()
        return self.findings


def symbols(path):
    """(section, flags, name) of each symbol of an object file."""
    listing = subprocess.run(["objdump", "-t", path], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        match = re.match(r"[0-9a-f]{8,16} (.{7}) (\S+)\t[0-9a-f]+\s+(?:\.hidden |\.protected )?(\S+)$", line)
        if match:
            yield match.group(2), match.group(1), match.group(3)


RULES = {
    "rooms": "every folder is a room of the house, and there is one public header",
    "rooted": "include paths are rooted, and sources are not included",
    "floors": "includes go strictly down, never sideways",
    "cli": "the command line reaches the engine only through spate.h and base/text.h",
    "io": "only disk, engine and apps include io",
    "cycles": "no two files include each other",
    "umbrella": "no header only includes others",
    "libraries": "each library has one door",
    "purity": "no input, output, clock or chance below the engine but through the port",
    "banned": "banned functions are not called",
    "process": "one file starts processes",
    "clock": "clock and chance come through the port",
    "guest": "the library is a guest",
    "words": "files open with a comment, nothing is left to do",
    "variables": "no mutable variable at file scope",
    "prefixes": "file = noun = prefix",
    "objects": "the objects of this tree are there",
    "headers": "headers compile alone",
    "tests": "every test is built",
}


def main():
    root = os.path.realpath(sys.argv[1])
    house = House(root, sys.argv[2] if len(sys.argv) > 2 else None)
    findings = house.check()
    broken = {rule for rule, _, _ in findings}
    for rule, promise in RULES.items():
        print(f"[{'  FAILED ' if rule in broken else '       OK'} ] {rule}: {promise}")
    for rule, where, why in findings:
        print(f"{where}: {rule}: {why}")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
