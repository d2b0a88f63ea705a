"""What libspate shows: symbols.py spate.h libspate.so libspate.a

The shared library and the archive define exactly the functions that the public header promises, and no
other global name; the shared library has a soname; the archive is one object; nothing but the
libraries that spate is built on is left for a guest's linker to find.
"""

import re
import subprocess
import sys

header, shared, archive = sys.argv[1:]
failures = []


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check(name, holds, why):
    print(f"[{'       OK' if holds else '  FAILED '} ] {name}")
    if not holds:
        failures.append(name)
        print(f"    {why}")


with open(header, encoding="utf-8") as file:
    text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
promised = set(re.findall(r"^SPATE_API\b[^;(]*?\b(spate_\w+)\s*\(", text, flags=re.M))
check("the_header_promises_functions", len(promised) > 30, f"only {len(promised)} found")


def defined(*command):
    names = set()
    for line in run(*command).splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] != "A":  # A: the version node itself
            names.add(fields[2].split("@")[0])
    return names


for kind, names in (
    ("shared_library", defined("nm", "-D", "--defined-only", shared)),
    ("archive", defined("nm", "-g", "--defined-only", archive)),
):
    check(f"the_{kind}_defines_what_the_header_promises", not promised - names,
          f"missing: {sorted(promised - names)}")
    check(f"the_{kind}_shows_nothing_else", not names - promised, f"too much: {sorted(names - promised)}")

dynamic = run("readelf", "-d", shared)
check("the_shared_library_has_a_soname", "soname: [libspate.so.0]" in dynamic, dynamic)
check("the_archive_is_one_object", len(run("ar", "t", archive).split()) == 1, run("ar", "t", archive))

# Names that the archive leaves to the guest's linker: none may look like one of ours.
ours = {line.split()[2] for line in run("nm", "--defined-only", archive).splitlines() if len(line.split()) == 3}
undefined = {line.split()[-1] for line in run("nm", "-u", archive).splitlines() if line.startswith(" ")}
check("the_archive_asks_for_none_of_its_own_names", not ours & undefined, f"{sorted(ours & undefined)}")
check("what_a_guest_might_define_is_local", {"sha1_init", "map_get"} <= ours,
      "sha1_init and map_get are gone: the guest test proves nothing")

sys.exit(1 if failures else 0)
