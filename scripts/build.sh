#!/bin/sh
# Builds the library and the program as released: scripts/build.sh DIRECTORY [MESON OPTION...]
set -eu
cd "$(dirname "$0")/.."
build=$1
shift
if [ -e "$build/build.ninja" ]; then
    if [ $# -gt 0 ]; then
        meson configure "$build" "$@"
    fi
else
    meson setup "$build" -Dtests=false "$@"
fi
exec ninja -C "$build"
