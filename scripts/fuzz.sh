#!/bin/bash
# make fuzz: every fuzz target for a while, from the committed corpora, and then how much of its parser it
# reached.
#
#   scripts/fuzz.sh [SECONDS] [TARGET...]      (default: 60, all of tests/fuzz/targets.txt)
#
# Two builds with clang below build-fuzz: one with libFuzzer, AddressSanitizer and UBSan, which looks for
# faults as many targets at a time as there are cores; one that counts lines, which then runs what was
# found. A target fails when it finds a fault, which is left in build-fuzz/faults, or reaches less than
# 90 % of the lines that targets.txt names.
set -u
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift $(($# > 0 ? 1 : 0))
root=$PWD/build-fuzz
list=tests/fuzz/targets.txt
least=90

mapfile -t names < <(awk '!/^#/ && NF { print $1 }' "$list")
if [ $# -gt 0 ]; then
    names=("$@")
fi
for name in "${names[@]}"; do
    if ! grep -q "^$name " "$list"; then
        echo "fuzz: '$name' is not in $list" >&2
        exit 2
    fi
done

# The tools that belong to the compiler, under its own version's name where there is one.
version=$(clang -dumpversion | cut -d. -f1)
tool()
{
    command -v "$1-$version" || command -v "$1" || {
        echo "fuzz: $1 is not installed" >&2
        exit 1
    }
}
profdata=$(tool llvm-profdata) || exit 1
cov=$(tool llvm-cov) || exit 1

# build DIRECTORY FLAGS PREFIX MESON-OPTION...: configures once, builds the targets.
build()
{
    local dir=$root/$1 flags=$2 prefix=$3
    shift 3
    # What runs while it builds (Meson tries its compiler) counts nothing.
    local -x LLVM_PROFILE_FILE=/dev/null
    if [ ! -e "$dir/build.ninja" ]; then
        CC=clang meson setup "$dir" -Dtests=true -Db_lundef=false -Db_pie=false \
            -Dc_args="$flags" -Dc_link_args="$flags" "$@" >"$root/log" 2>&1 || {
            cat "$root/log" >&2
            return 1
        }
    fi
    ninja -C "$dir" "${names[@]/#/tests/fuzz/$prefix}" >"$root/log" 2>&1 || {
        cat "$root/log" >&2
        return 1
    }
}

mkdir -p "$root"
echo "fuzz: building"
build fuzzers '-U_FORTIFY_SOURCE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' fuzz_ \
    -Dfuzz=true --buildtype=debugoptimized || exit 1
build lines '-fprofile-instr-generate -fcoverage-mapping' smoke_ --buildtype=debug || exit 1

work=$(mktemp -d "${TMPDIR:-/tmp}/spate-fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
faults=$root/faults
mkdir -p "$faults"

# fuzz NAME: its verdict is the file $work/NAME.fault, there when it found one.
fuzz()
{
    local name=$1
    cp -r "tests/fuzz/corpus/$name" "$work/$name"
    chmod -R u+w "$work/$name"
    UBSAN_OPTIONS=print_stacktrace=1 "$root/fuzzers/tests/fuzz/fuzz_$name" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -use_value_profile=1 -max_len=100000 \
        -artifact_prefix="$faults/$name-" "$work/$name" >"$work/$name.log" 2>&1 </dev/null ||
        touch "$work/$name.fault"
}

# cover NAME: prints percent, lines reached, lines, and the share of each file, after running all that was
# found in the build that counts lines.
cover()
{
    local name=$1 files
    read -ra files < <(awk -v name="$name" '$1 == name { $1 = $2 = ""; print }' "$list")
    LLVM_PROFILE_FILE=$work/$name.profraw "$root/lines/tests/fuzz/smoke_$name" "$work/$name" \
        >"$work/$name.lines.log" 2>&1 &&
        "$profdata" merge -o "$work/$name.profdata" "$work/$name.profraw" &&
        "$cov" export -summary-only -instr-profile="$work/$name.profdata" \
            "$root/lines/tests/fuzz/smoke_$name" >"$work/$name.json" || return 1
    python3 - "$work/$name.json" "${files[@]}" <<'PYTHON'
import json, os, sys
covered = count = 0
parts = []
for file in json.load(open(sys.argv[1], encoding="utf-8"))["data"][0]["files"]:
    if not file["filename"].endswith(tuple("/" + name for name in sys.argv[2:])):
        continue
    lines = file["summary"]["lines"]
    covered += lines["covered"]
    count += lines["count"]
    parts.append(f"{os.path.basename(file['filename'])} {lines['percent']:.1f} %")
print(f"{100 * covered / max(count, 1):.1f} {covered} {count} {', '.join(parts)}")
PYTHON
}

jobs=$(nproc)
echo "fuzz: ${#names[@]} targets, $seconds s each, $jobs at a time"
for name in "${names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    fuzz "$name" &
done
wait

failed=0
for name in "${names[@]}"; do
    runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$work/$name.log")
    verdict=ok
    if [ -e "$work/$name.fault" ]; then
        verdict='FAULT FOUND'
        failed=$((failed + 1))
        tail -n 60 "$work/$name.log" | sed 's/^/    /'
        ls "$faults/$name"-* 2>/dev/null | sed 's/^/    input: /'
    fi
    if read -r percent covered count parts < <(cover "$name") && [ "$count" -gt 0 ]; then
        if [ "$verdict" = ok ] && [ "$((covered * 100))" -lt "$((count * least))" ]; then
            verdict="FAILED (less than $least %)"
            failed=$((failed + 1))
        fi
        printf '%-22s %10s runs  %5s %% of %4s lines  %s\n' "$name" "${runs:-?}" "$percent" "$count" \
            "$verdict"
        printf '%24s%s\n' '' "$parts"
    else
        printf '%-22s %s\n' "$name" "FAILED (no coverage)"
        cat "$work/$name.lines.log"
        failed=$((failed + 1))
    fi
done
echo "fuzz: $((${#names[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
