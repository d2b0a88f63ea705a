"""How the release was built, read from the files themselves: hardening.py libspate.so spate

Position-independent, full RELRO, no executable stack, stack protector, fortified calls.
"""

import subprocess
import sys

failures = []


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check(name, holds):
    print(f"[{'       OK' if holds else '  FAILED '} ] {name}")
    if not holds:
        failures.append(name)


library, program = sys.argv[1:]
for what, path in (("the_library", library), ("the_program", program)):
    header = run("readelf", "-hW", path)
    segments = run("readelf", "-lW", path)
    dynamic = run("readelf", "-dW", path)
    undefined = run("nm", "-D", "-u", path)
    stack = [line for line in segments.splitlines() if "GNU_STACK" in line]
    check(f"{what}_is_position_independent", "Type:" in header and "DYN (" in header)
    check(f"{what}_makes_its_relocations_read_only", "GNU_RELRO" in segments)
    check(f"{what}_binds_at_start", "BIND_NOW" in dynamic or "NOW" in dynamic)
    check(f"{what}_has_no_executable_stack", bool(stack) and "RWE" not in stack[0])
    check(f"{what}_protects_its_stack", "__stack_chk_fail" in undefined)
    check(f"{what}_is_fortified", "_chk" in undefined.replace("__stack_chk_fail", ""))
check("the_program_is_a_pie", "Flags:" in run("readelf", "-dW", program) and "PIE" in run("readelf", "-dW", program))

sys.exit(1 if failures else 0)
