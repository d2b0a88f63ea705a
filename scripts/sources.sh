#!/bin/sh
# Prints every C and C++ source and header of the project, one a line; the one list that formatting and
# linting go by.
set -eu
cd "$(dirname "$0")/.."
find include src apps lib examples tests bench \
    -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) 2>/dev/null | LC_ALL=C sort
