#!/bin/bash
# make check: everything, in about a quarter of an hour on two cores. A line for each stage with its
# time; what failed is shown where it failed; one closing line counts single tests and lint stages.
#
#   stage                      what                                                        budget
#   release build and tests    gcc, as released: unit, structure, symbols, port, api, cli  5 min
#   simulation                 whole swarms on a virtual clock                             2 min
#   bad weather                crashes, full disks, hostile peers and trackers             2 min
#   real clients               libtorrent, Transmission, aria2, opentracker                3 min
#   clang build and lint       clang's warnings; format, clang-tidy, cppcheck              2 min
#   asan+ubsan build, tests    everything above but what looks at the release itself       5 min
#   fuzz smoke                 every fuzz target over its corpus and mutations, there      1 min
#   tsan build and tests       the suites that have threads                                1 min
#
# scripts/check.sh [STAGE...] runs only these: release lint asan tsan. With CI=true a skipped test (a
# counterpart that is not installed) counts as a failure.
set -u
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
root=build-check
logs=$root/logs
stages=${*:-release lint asan tsan}
rm -rf "$logs"
mkdir -p "$logs"
started=$SECONDS
lint_passed=0
lint_failed=0
launcher=() # what the tests run under
counted=() # testlog.json files, read for the closing line

# stage NAME COMMAND...: runs it with its output in a log, prints its line, and the log when it failed.
stage()
{
    local name=$1 begin=$SECONDS log verdict=ok
    shift
    log=$logs/${name//[^a-z0-9]/-}.log
    printf '%-34s' "$name"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        verdict=FAILED
    fi
    printf '%-7s %4d s\n' "$verdict" $((SECONDS - begin))
    if [ "$verdict" = FAILED ]; then
        sed 's/^/    /' "$log" | tail -n 400
        return 1
    fi
}

# lint NAME COMMAND...: a stage that is one test by itself.
lint()
{
    if stage "$@"; then
        lint_passed=$((lint_passed + 1))
    else
        lint_failed=$((lint_failed + 1))
        return 1
    fi
}

# build DIRECTORY [MESON OPTION...]: configures it once and builds it.
build()
{
    local dir=$1
    shift
    if [ -e "$dir/build.ninja" ]; then
        meson configure "$dir" "$@" || return 1
    else
        meson setup "$dir" "$@" || return 1
    fi
    ninja -C "$dir"
}

# tests NAME DIRECTORY MESON-TEST-ARGUMENT...: runs tests; each case is counted at the end.
tests()
{
    local name=$1 dir=$2 base
    shift 2
    base=${name//[^a-z0-9]/-}
    rm -f "$dir/meson-logs/$base.json"
    counted+=("$dir/meson-logs/$base.json")
    stage "$name" "${launcher[@]}" meson test -C "$dir" --no-rebuild --logbase "$base" --print-errorlogs "$@"
}

# has SUITE DIRECTORY: whether any test is in it (meson calls it an error to run none).
has()
{
    meson test -C "$2" --no-rebuild --list 2>/dev/null | grep -Eq "^[^/]*[:+ ]$1([+ ]|\$)"
}

suite_tests()
{
    local name=$1 dir=$2 suite=$3
    shift 3
    if has "$suite" "$dir"; then
        tests "$name" "$dir" --suite "$suite" "$@"
    else
        echo "$name: no tests"
        lint_failed=$((lint_failed + 1))
    fi
}

wants()
{
    case " $stages " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

tidy()
{
    # What is released: tests may well call system() or never check an fclose.
    scripts/sources.sh | grep -E '^(src|apps|lib|examples)/.*\.c$' |
        python3 scripts/compiled.py "$root/clang/compile_commands.json" |
        xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$root/clang" --warnings-as-errors='*'
}

run_cppcheck()
{
    mkdir -p "$root/cppcheck"
    cppcheck --quiet --std=c11 --language=c --platform=unix64 -j "$(nproc)" \
        --cppcheck-build-dir="$root/cppcheck" --enable=warning,portability --inline-suppr \
        --suppressions-list=scripts/cppcheck.supp --error-exitcode=1 -D__GNUC__ -D_GNU_SOURCE \
        -I include -I src -I . src apps lib examples
}

check_format()
{
    scripts/sources.sh | xargs clang-format --dry-run --Werror
}

echo "spate: all tests, sanitizers and linters; the budget is 20 minutes on two cores"

# Torrents nobody here wrote; the tests that want them skip without them, and in CI that is a failure.
if SPATE_FIXTURES=$(scripts/fixtures.sh "$root/fixtures"); then
    export SPATE_FIXTURES
else
    unset SPATE_FIXTURES
fi

if wants release; then
    if lint 'release build' build "$root/release" --buildtype=debugoptimized -Dtests=true -Dbench=true; then
        tests 'release tests' "$root/release" --no-suite interop --no-suite sim --no-suite fuzz-smoke \
            --no-suite weather
        suite_tests 'simulation' "$root/release" sim
        suite_tests 'bad weather' "$root/release" weather
        suite_tests 'real clients' "$root/release" interop --num-processes 1
    fi
fi

if wants lint; then
    if CC=clang lint 'clang build' build "$root/clang" --buildtype=debug -Dtests=true -Dfuzz=true -Dbench=true; then
        lint 'clang-tidy' tidy
    fi
    lint 'format' check_format
    lint 'cppcheck' run_cppcheck
fi

if wants asan; then
    # Every report ends the test, undefined behaviour included.
    if lint 'asan+ubsan build' build "$root/asan" -Doptimization=1 -Dtests=true -Db_sanitize=address,undefined \
        -Dc_args=-fno-sanitize-recover=all; then
        export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1
        export UBSAN_OPTIONS=print_stacktrace=1
        tests 'asan+ubsan tests' "$root/asan" --no-suite symbols --no-suite structure \
            --no-suite fuzz-smoke --timeout-multiplier 4
        suite_tests 'fuzz smoke' "$root/asan" fuzz-smoke --timeout-multiplier 4
        unset ASAN_OPTIONS UBSAN_OPTIONS
    fi
fi

if wants tsan; then
    # The thread sanitizer wants its own place in memory, which full address randomisation denies it.
    if lint 'tsan build' build "$root/tsan" -Doptimization=1 -Dtests=true -Db_sanitize=thread; then
        export TSAN_OPTIONS=suppressions=$PWD/scripts/tsan.supp:allocator_may_return_null=1
        threads=()
        for suite in port api threads; do
            if has "$suite" "$root/tsan"; then
                threads+=(--suite "$suite")
            fi
        done
        if [ ${#threads[@]} -gt 0 ]; then
            launcher=(setarch -R)
            tests 'tsan tests' "$root/tsan" "${threads[@]}" --timeout-multiplier 6
            launcher=()
        else
            echo 'tsan tests: no tests'
            lint_failed=$((lint_failed + 1))
        fi
        unset TSAN_OPTIONS
    fi
fi

printf '%-34s%-7s %4d s\n' 'all of it' '' $((SECONDS - started))
exec python3 scripts/count.py "$lint_passed" "$lint_failed" "${counted[@]}"
