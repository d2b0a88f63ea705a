#!/bin/sh
# make sim, make sim-crash, make sim-prove: the simulator's program, built and run.
#
#   scripts/sim.sh seeds [N]   every scenario with seeds 1 to N (default 1,000), on all cores
#   scripts/sim.sh crash [N] [SECONDS]
#                              transfers that are crashed again and again, until N crashes were recovered
#                              from (default 1,000,000) or the time is over (default two hours)
#   scripts/sim.sh prove       a build with planted bugs: each has to be caught
set -eu
cd "$(dirname "$0")/.."

# build DIRECTORY [MESON OPTION...]: configures once, builds spate-sim.
build()
{
    dir=$1
    shift
    if [ ! -e "$dir/build.ninja" ]; then
        meson setup "$dir" -Dtests=true "$@"
    fi
    ninja -C "$dir" tests/sim/spate-sim
}

case ${1:-seeds} in
seeds)
    build build-sim
    exec build-sim/tests/sim/spate-sim --all --seeds "1..${2:-1000}"
    ;;
crash)
    build build-sim
    exec build-sim/tests/sim/spate-sim a_transfer_outlives_crash_after_crash \
        --recoveries "${2:-1000000}" --for "${3:-7200}"
    ;;
prove)
    build build-plants -Dplants=true
    exec build-plants/tests/sim/spate-sim --prove
    ;;
*)
    echo "usage: scripts/sim.sh seeds [N] | crash [N] [SECONDS] | prove" >&2
    exit 2
    ;;
esac
