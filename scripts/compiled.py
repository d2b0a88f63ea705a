"""Passes on those of the file names on standard input that a compile_commands.json says how to compile."""

import json
import os
import sys

with open(sys.argv[1], encoding="utf-8") as database:
    compiled = {os.path.normpath(os.path.join(entry["directory"], entry["file"])) for entry in json.load(database)}
for name in sys.stdin:
    if os.path.abspath(name.strip()) in compiled:
        print(name.strip())
