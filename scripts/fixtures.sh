#!/bin/sh
# Fetches real torrents that nobody here made: the npm package webtorrent-fixtures, whose checksum stands
# below. Prints the directory that holds them.
#
#   scripts/fixtures.sh [DIRECTORY]      (default: build-fixtures)
#
# What is there already, and right, is not fetched again. The tests find them through SPATE_FIXTURES:
#
#   SPATE_FIXTURES=$(scripts/fixtures.sh) meson test -C build fixtures
set -eu

package=webtorrent-fixtures
version=2.0.3
sha512=b953904b5cb44cd6fd973c626bca5a2a8d75a9d03093cf096e78ddcde73e48c189199e172bb94f33c974d60003f3c3b77ef30f97f7b5e1d5f21fb2a26babd6a3

cd "$(dirname "$0")/.."
directory=${1:-build-fixtures}
archive=$package-$version.tgz
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)

right()
{
    [ -f "$1" ] && echo "$sha512  $1" | sha512sum --check --status -
}

if ! right "$directory/$archive"; then
    temporary=$(mktemp -d "$directory/fetch.XXXXXX")
    trap 'rm -rf "$temporary"' EXIT
    trap 'exit 1' HUP INT TERM
    if ! npm pack --silent --pack-destination "$temporary" "$package@$version" \
        >"$temporary/log" 2>&1; then
        cat "$temporary/log" >&2
        echo "fixtures: cannot fetch $package@$version with npm" >&2
        exit 1
    fi
    if ! right "$temporary/$archive"; then
        echo "fixtures: $archive has not the checksum it should have" >&2
        exit 1
    fi
    mv "$temporary/$archive" "$directory/$archive"
    rm -rf "$directory/package"
fi
if [ ! -e "$directory/package/package.json" ]; then
    # Into place in one step, so that an interrupted run leaves no half of it.
    rm -rf "$directory/unpacked"
    mkdir "$directory/unpacked"
    tar -xzf "$directory/$archive" -C "$directory/unpacked"
    rm -rf "$directory/package"
    mv "$directory/unpacked/package" "$directory/package"
    rmdir "$directory/unpacked"
fi
echo "$directory/package/fixtures"
