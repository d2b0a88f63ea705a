"""Installs into a temporary directory and builds the example there as a stranger would, with pkg-config:
once with the shared library, once with the archive.   installed.py BUILD-DIRECTORY download.c
"""

import glob
import os
import subprocess
import sys
import tempfile

build, example = sys.argv[1:]


def run(*command, **more):
    result = subprocess.run(command, capture_output=True, text=True, **more)
    if result.returncode != 0:
        print(" ".join(command), result.stdout, result.stderr, sep="\n")
        sys.exit(1)
    return result.stdout


with tempfile.TemporaryDirectory() as directory:
    root = os.path.join(directory, "root")
    run("meson", "install", "-C", build, "--no-rebuild", "--destdir", root)
    found = glob.glob(root + "/**/libspate.pc", recursive=True)
    assert len(found) == 1, found
    library = os.path.dirname(os.path.dirname(found[0]))
    with open(found[0], encoding="utf-8") as file:
        prefix = next(line[7:].strip() for line in file if line.startswith("prefix="))
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(found[0]), LD_LIBRARY_PATH=library)

    def flags(*arguments):
        return run("pkg-config", f"--define-variable=prefix={root}{prefix}", *arguments, "libspate",
                   env=environment).split()

    program = os.path.join(directory, "download")
    run("cc", "-Wall", "-Werror", example, "-o", program, *flags("--cflags", "--libs"))
    assert "libspate.so.0" in run("readelf", "-d", program)
    usage = subprocess.run([program], capture_output=True, text=True, env=environment)
    assert usage.returncode == 1 and "usage" in usage.stderr, usage

    # The archive needs the libraries that spate is built on, and says which.
    needs = run("pkg-config", "--print-requires-private", "libspate", env=environment).split()
    program += "-archive"
    run("cc", "-Wall", "-Werror", example, "-o", program, *flags("--cflags"),
        os.path.join(library, "libspate.a"), *run("pkg-config", "--libs", *needs).split(), "-lpthread")
    assert "libspate" not in run("readelf", "-d", program)
    usage = subprocess.run([program], capture_output=True, text=True)
    assert usage.returncode == 1 and "usage" in usage.stderr, usage
