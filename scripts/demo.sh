#!/bin/bash
# make demo: a real swarm on this machine. Makes about 256 MiB of files, a torrent of them, starts a
# tracker and two seeds, and downloads with `spate get` in the foreground, so that its live view is what
# one sees. Then compares every byte and says how it went. Nothing leaves the machine (everything is
# bound to 127.0.0.1), nothing outside one temporary directory is written, root is not needed.
#
#   scripts/demo.sh [BUILD-DIRECTORY]      SPATE_DEMO_RATE=40M: the download's limit, 0 for none
set -euo pipefail
cd "$(dirname "$0")/.."
spate=$PWD/${1:-build}/apps/spate
rate=${SPATE_DEMO_RATE:-40M}

directory=$(mktemp -d "${TMPDIR:-/tmp}/spate-demo.XXXXXX")
started=() # process ids, ours to end
cleanup()
{
    trap - EXIT HUP INT TERM
    local pid
    for pid in "${started[@]}"; do
        kill -INT "$pid" 2>/dev/null || true
    done
    for pid in "${started[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$directory"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

# Nothing of the user's own configuration or records takes part.
export XDG_CONFIG_HOME=$directory/config XDG_STATE_HOME=$directory/state XDG_DATA_HOME=$directory/data
mkdir -p "$XDG_CONFIG_HOME" "$XDG_STATE_HOME" "$XDG_DATA_HOME"

free_ports()
{
    python3 - "$1" <<'PYTHON'
import socket, sys
held = []
while len(held) < int(sys.argv[1]):
    tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    tcp.bind(("127.0.0.1", 0))
    try:
        udp.bind(tcp.getsockname())
    except OSError:
        continue
    held.append((tcp, udp))
print(*(tcp.getsockname()[1] for tcp, _ in held))
PYTHON
}

echo "demo: making about 256 MiB of files"
files=$directory/a/spate-demo
mkdir -p "$files/музыка" "$files/日本語" "$files/nested/deep/deeper"
file()
{
    head -c "$2" /dev/urandom >"$files/$1"
}
file film.mkv $((150 << 20))
file 'музыка/песня №1.flac' $((48 << 20))
file '日本語/長い名前のファイル.bin' $((31 << 20))
file 'nested/deep/deeper/café.iso' $((25 << 20))
file 'nested/one byte' 1
file nested/readme.txt 4321
: >"$files/nested/empty"
for i in $(seq -w 1 40); do
    file "nested/deep/part $i" $((50000 + 1${i} * 7))
done
mkdir "$directory/b"
cp -r "$files" "$directory/b/"

read -r udp http <<<"$(free_ports 2)"
"$spate" create "$files" -o "$directory/demo.torrent" -t "udp://127.0.0.1:$udp/announce" \
    -t "http://127.0.0.1:$http/announce"

"$spate" tracker --udp "127.0.0.1:$udp" --http "127.0.0.1:$http" >"$directory/tracker.log" 2>&1 &
started+=($!)
seeds=()
for name in a b; do
    "$spate" seed "$directory/demo.torrent" -d "$directory/$name" --bind 127.0.0.1 --json \
        >"$directory/seed-$name.json" 2>"$directory/seed-$name.log" &
    started+=($!)
    seeds+=($!)
done

# The tracker says where to find the seeds; get waits for both to have checked in.
ready()
{
    "$spate" scrape "$directory/demo.torrent" 2>/dev/null | grep -Eq '\b2 seed'
}
for _ in $(seq 100); do
    if ready; then
        break
    fi
    sleep 0.2
done

limited=
if [ "$rate" != 0 ]; then
    limited="limited to $rate a second so that there is something to see"
fi
echo "demo: a tracker and two seeds are running; now spate get${limited:+, $limited}"
echo
begin=$(date +%s%N)
status=0
"$spate" get "$directory/demo.torrent" -o "$directory/out" --bind 127.0.0.1 --max-down "$rate" || status=$?
end=$(date +%s%N)
echo
if [ "$status" != 0 ]; then
    echo "demo: FAILED: spate get exited with $status" >&2
    tail -n 20 "$directory"/*.log >&2
    exit 1
fi

if ! diff -r "$files" "$directory/out/spate-demo"; then
    echo "demo: FAILED: what came is not what was sent" >&2
    exit 1
fi
for pid in "${seeds[@]}"; do
    kill -INT "$pid"
    wait "$pid" || true
done

python3 - "$begin" "$end" "$directory" "$limited" <<'PYTHON'
import json, os, sys
begin, end, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
size = count = 0
for folder, _, names in os.walk(directory + "/out"):
    for name in names:
        size += os.path.getsize(os.path.join(folder, name))
        count += 1
uploaded = []
for seed in "ab":
    last = 0
    with open(f"{directory}/seed-{seed}.json", encoding="utf-8") as file:
        for line in file:
            last = json.loads(line).get("uploaded_bytes", last)
    uploaded.append(last)
seconds = (end - begin) / 1e9
print("demo: summary")
print(f"  size         {size / 2**20:.1f} MiB in {count} files, every byte compared")
print(f"  time         {seconds:.1f} s")
print(f"  rate         {size / 2**20 / seconds:.1f} MiB/s" + (f", {sys.argv[4]}" if sys.argv[4] else ""))
total = sum(uploaded) or 1
for seed, part in zip("AB", uploaded):
    print(f"  from seed {seed}  {part / 2**20:.1f} MiB ({100 * part / total:.0f} %)")
if min(uploaded) < 0.2 * size:
    sys.exit("demo: FAILED: a seed gave less than 20 %")
print("demo: passed")
PYTHON
