"""A test that cannot fail proves nothing: plants a violation of every rule of structure.py in a small
house and expects it, and it alone, to be found.
"""

import json
import os
import subprocess
import sys
import tempfile

from structure import RULES, House

# A house in which every rule holds.
GOOD = {
    "include/spate.h": "/* Public. */\n#ifndef SPATE_H\n#define SPATE_H\nint spate_one(void);\n#endif\n",
    "src/base/map.h": "/* Map. */\n#ifndef BASE_MAP_H\n#define BASE_MAP_H\nstruct map {\n    int size;\n};\n"
                      "int map_size(const struct map *map);\n#endif\n",
    "src/base/map.c": '/* Map. */\n#include "base/map.h"\n\nint map_size(const struct map *map)\n{\n'
                      "    static const int more = 0; /* system(\"x\") is only a word here */\n"
                      "    return map->size + more;\n}\n",
    "src/base/text.h": "/* Text. */\n#ifndef BASE_TEXT_H\n#define BASE_TEXT_H\nint text_one(void);\n#endif\n",
    "src/crypto/sha.h": '/* Sha. */\n#ifndef SHA_H\n#define SHA_H\n#include "base/map.h"\n'
                        "int sha1_init(const struct map *map);\n#endif\n",
    "src/io/io.h": "/* Port. */\n#ifndef IO_H\n#define IO_H\nstruct io {\n    int one;\n};\n#endif\n",
    "src/io/uv/uv_loop.h": '/* Real. */\n#ifndef UV_H\n#define UV_H\n#include "io/io.h"\n'
                           "int uv_one(struct io *io);\n#endif\n",
    "src/io/sim/sim.h": '/* Sim. */\n#ifndef SIM_H\n#define SIM_H\n#include "io/io.h"\n'
                        "int sim_one(struct io *io);\n#endif\n",
    "src/codec/wire.h": '/* Wire. */\n#ifndef WIRE_H\n#define WIRE_H\n#include "base/map.h"\n'
                        "int wire_one(struct map *map);\n#endif\n",
    "src/proto/peer.h": '/* Peer. */\n#ifndef PEER_H\n#define PEER_H\n#include "codec/wire.h"\n'
                        "int peer_one(struct map *map);\n#endif\n",
    "src/disk/store.h": '/* Store. */\n#ifndef STORE_H\n#define STORE_H\n#include "io/io.h"\n'
                        "int store_one(struct io *io);\n#endif\n",
    "src/engine/session.c": '/* Session. */\n#include "disk/store.h"\n#include "proto/peer.h"\n#include "spate.h"\n\n'
                            "int spate_one(void)\n{\n    return 1;\n}\n",
    "apps/cli/get.c": '/* Get. */\n#include "base/text.h"\n#include "spate.h"\n\nint get_run(void);\n\n'
                      "int get_run(void)\n{\n    return spate_one() + text_one();\n}\n",
}


def header(name, *includes, body=""):
    guard = name.upper()
    lines = "".join(f'#include "{include}"\n' for include in includes)
    return f"/* {name}. */\n#ifndef {guard}\n#define {guard}\n{lines}{body}int {name}_one(void);\n#endif\n"


def source(body, *includes):
    return "/* A file. */\n" + "".join(f"#include {include}\n" for include in includes) + body


# (rule, what, files that are added or replaced)
PLANTED = [
    ("rooms", "an unknown folder", {"src/misc/any.h": header("any")}),
    ("rooms", "a second public header", {"include/more.h": header("more")}),
    ("rooted", "a bare name", {"src/base/list.h": header("list", "map.h")}),
    ("rooted", "dots", {"src/base/list.h": header("list", "../base/map.h")}),
    ("rooted", "a file that is not there", {"src/base/list.h": header("list", "base/nothing.h")}),
    ("rooted", "ours in angle brackets", {"src/base/list.h": source("int list_one(void);\n", "<base/map.h>")}),
    ("rooted", "a source", {"src/base/list.c": source("", '"base/map.c"')}),
    ("floors", "upwards", {"src/codec/bencode.h": header("bencode", "proto/peer.h")}),
    ("floors", "upwards from the ground", {"src/base/list.h": header("list", "crypto/sha.h")}),
    ("floors", "sideways", {"src/swarm/picker.h": header("picker", "proto/peer.h")}),
    ("floors", "the public header looks inside", {"include/spate.h": header("spate", "base/map.h")}),
    ("floors", "a driver in a driver", {"src/io/sim/other.h": header("other", "io/uv/uv_loop.h")}),
    ("floors", "the port knows a driver", {"src/io/any.h": header("any", "io/uv/uv_loop.h")}),
    ("cli", "the engine from the command line", {"apps/cli/seed.c": source("", '"engine/session.h"'),
                                                 "src/engine/session.h": header("session")}),
    ("cli", "a base file from the command line", {"apps/cli/seed.c": source("", '"base/map.h"')}),
    ("io", "io in proto", {"src/proto/pex.h": header("pex", "io/io.h")}),
    ("io", "io in the tracker", {"src/tracker/table.h": header("table", "io/io.h")}),
    ("cycles", "two headers", {"src/base/one.h": header("one", "base/two.h"),
                               "src/base/two.h": header("two", "base/one.h")}),
    ("umbrella", "a header of headers", {"src/base/all.h": '/* All. */\n#ifndef ALL\n#define ALL\n'
                                                           '#include "base/map.h"\n#include "base/text.h"\n#endif\n'}),
    ("libraries", "libuv in the engine", {"src/engine/loop.c": source("", "<uv.h>")}),
    ("libraries", "c-ares in disk", {"src/disk/names.c": source("", "<ares.h>")}),
    ("libraries", "libcurl in an app", {"apps/tracker/fetch.c": source("", "<curl/curl.h>")}),
    ("libraries", "SQLite in the engine", {"src/engine/state.c": source("", "<sqlite3.h>")}),
    ("libraries", "libcrypto in codec", {"src/codec/hash.c": source("", "<openssl/evp.h>")}),
    ("libraries", "jansson in the engine", {"src/engine/json.c": source("", "<jansson.h>")}),
    ("libraries", "libmicrohttpd in tracker", {"src/tracker/web.c": source("", "<microhttpd.h>")}),
    ("purity", "a socket header in proto", {"src/proto/lsd.c": source("", "<sys/socket.h>")}),
    ("purity", "threads in swarm", {"src/swarm/choker.c": source("", "<pthread.h>")}),
    ("banned", "strcpy", {"src/base/list.c": source("void list_one(char *a)\n{\n    strcpy(a, a);\n}\n")}),
    ("banned", "rand in an app", {"apps/cli/seed.c": source("int seed_one(void)\n{\n    return rand();\n}\n")}),
    ("banned", "system", {"apps/cli/seed.c": source('int seed_one(void)\n{\n    return system("x");\n}\n')}),
    ("process", "exec in the engine", {"src/engine/run.c": source("void run(char **a)\n{\n    execvp(a[0], a);\n}\n")}),
    ("process", "two starters", {"apps/cli/one.c": source("void one(char **a)\n{\n    execvp(a[0], a);\n}\n"),
                                 "apps/cli/two.c": source("void two(void)\n{\n    fork();\n}\n")}),
    ("clock", "time in the engine", {"src/engine/tick.c": source("long tick(void)\n{\n    return time(0);\n}\n")}),
    ("clock", "clock_gettime in disk", {"src/disk/tick.c": source("void tick(void)\n{\n    clock_gettime(0, 0);\n}\n")}),
    ("guest", "a print", {"src/engine/say.c": source('void say(void)\n{\n    printf("x");\n}\n')}),
    ("guest", "standard error", {"src/engine/say.c": source('void say(void)\n{\n    fputs("x", stderr);\n}\n')}),
    ("guest", "an exit", {"src/disk/say.c": source("void say(void)\n{\n    exit(1);\n}\n")}),
    ("words", "no opening comment", {"src/base/list.h": "#define LIST 1\n"}),
    ("words", "something left to do", {"src/base/list.h": header("list", body="/* TODO: more */\n")}),
    ("headers", "a header that needs another", {"src/base/list.h": header("list", body="int list_of(struct map m, size_t n);\n")}),
    ("headers", "a header without a guard", {"src/base/list.h": "/* List. */\nstruct list {\n    int one;\n};\n"}),
    ("headers", "the public header in C++", {"include/spate.h": GOOD["include/spate.h"].replace(
        "int spate_one(void);", "int spate_one(void);\nint spate_two(int class);")}),
    ("tests", "a test that is not built", {"tests/unit/meson.build": "foreach t : ['one']\n", "tests/unit/test_two.c": ""}),
    ("tests", "a test without a build file", {"tests/unit/base/test_one.c": ""}),
]

# (rule, what, path, body): these are compiled, since object files tell.
COMPILED = [
    ("variables", "a variable", "src/base/list.c", "int list_count;\nint list_one(void)\n{\n    return list_count++;\n}\n"),
    ("variables", "a static with a value", "src/base/list.c",
     "static int count = 7;\nint list_one(void)\n{\n    return count++;\n}\n"),
    ("variables", "a static in a function", "src/base/list.c",
     "int list_one(void)\n{\n    static int count;\n    return count++;\n}\n"),
    ("variables", "one a thread", "src/base/list.c",
     "static _Thread_local int count;\nint list_one(void)\n{\n    return count++;\n}\n"),
    ("variables", "one in an app", "apps/cli/seed.c", "int seed_count;\nint seed_one(void)\n{\n    return seed_count++;\n}\n"),
    ("prefixes", "another noun's name", "src/base/list.c", "int heap_one(void)\n{\n    return 1;\n}\n"),
    ("banned", "behind a macro", "src/base/list.c",
     "int rand(void);\n#define CHANCE rand\nint list_one(void)\n{\n    return CHANCE();\n}\n"),
    ("purity", "behind a macro", "src/codec/list.c",
     "int open(const char *, int, ...);\n#define OPEN open\nint list_one(void)\n{\n    return OPEN(\"x\", 0);\n}\n"),
    ("clock", "behind a macro", "src/engine/list.c",
     "long time(long *);\n#define NOW time\nlong list_one(void)\n{\n    return NOW(0);\n}\n"),
    ("process", "behind a macro", "src/engine/list.c",
     "int fork(void);\n#define SPLIT fork\nint list_one(void)\n{\n    return SPLIT();\n}\n"),
]

failures = 0


def expect(what, wanted, found):
    global failures
    holds = {rule for rule, _, _ in found} == wanted
    print(f"[{'       OK' if holds else '  FAILED '} ] {what}")
    if not holds:
        failures += 1
        print(f"    expected {sorted(wanted)}, found {found}")


def write(root, files):
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as file:
            file.write(text)


def compile_tree(root, paths):
    commands = []
    for number, path in enumerate(paths):
        output = f"{number}.o"
        subprocess.run(["gcc", "-std=gnu11", "-O1", "-fPIC", "-Isrc", "-Iinclude", "-c", path, "-o", output],
                       cwd=root, check=True)
        commands.append({"directory": os.path.realpath(root), "file": path, "output": output})
    write(root, {"compile_commands.json": json.dumps(commands)})


with tempfile.TemporaryDirectory() as root:
    write(root, GOOD)
    compile_tree(root, ["src/base/map.c", "src/engine/session.c", "apps/cli/get.c"])
    expect("a good house is found good", set(), House(os.path.realpath(root), root).check())

for rule, what, files in PLANTED:
    with tempfile.TemporaryDirectory() as root:
        write(root, {**GOOD, **files})
        expect(f"{rule}: {what}", {rule}, House(root).check(headers=rule == "headers"))

for rule, what, path, body in COMPILED:
    with tempfile.TemporaryDirectory() as root:
        write(root, {**GOOD, path: source(body)})
        compile_tree(root, [path])
        expect(f"{rule}: {what}", {rule}, House(os.path.realpath(root), root).check(headers=False))

with tempfile.TemporaryDirectory() as root:
    write(root, {**GOOD, "compile_commands.json": "[]"})
    expect("objects: none", {"objects"}, House(root, root).check(headers=False))

untested = set(RULES) - {rule for rule, *_ in PLANTED} - {rule for rule, *_ in COMPILED} - {"objects"}
expect("every rule has a planted violation", set(), [(rule, "", "") for rule in untested])
sys.exit(1 if failures else 0)
