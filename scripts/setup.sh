#!/bin/sh
# Makes sure that what a door needs is on this machine, and installs only what is missing.
#
#   scripts/setup.sh build|test|sim|fuzz|bench|fmt|fresh...
#
# It looks for commands and headers, not for packages, so a hand-built compiler or library is as good
# as Debian's. Where something is missing it names the Debian packages and installs them with apt (with
# sudo when not root); where apt is absent it says what to install and fails. Services that such a
# package brings are neither started nor left enabled.
set -eu

# What each set needs, one a line: set, kind, what to look for, Debian package. Kinds: command; header
# (found by the compiler, or below /usr/include); llvm (a header of clang's own); python (a module of
# the system's Python, the one Debian's packages install for).
needs='
build command gcc                       gcc
build header  stdio.h                   libc6-dev
build command ld                        binutils
build command meson                     meson
build command ninja                     ninja-build
build command pkg-config                pkg-config
build command python3                   python3
build command scdoc                     scdoc
build header  uv.h                      libuv1-dev
build header  ares.h                    libc-ares-dev
build header  curl/curl.h               libcurl4-openssl-dev
build header  openssl/evp.h             libssl-dev
build header  sqlite3.h                 libsqlite3-dev
build header  jansson.h                 libjansson-dev
build header  microhttpd.h              libmicrohttpd-dev
sim   header  cmocka.h                  libcmocka-dev
fuzz  command clang                     clang
fuzz  llvm    fuzzer/FuzzedDataProvider.h libclang-rt-dev
fuzz  command llvm-cov                  llvm
test  command g++                       g++
test  command clang-tidy                clang-tidy
fmt   command clang-format              clang-format
test  command cppcheck                  cppcheck
test  command ip                        iproute2
test  command unshare                   util-linux
test  command setarch                   util-linux
test  command mount                     mount
test  command npm                       npm
test  command tmux                      tmux
test  python  libtorrent                python3-libtorrent
test  command transmission-daemon       transmission-daemon
test  command transmission-remote       transmission-cli
test  command aria2c                    aria2
test  command opentracker               opentracker
bench command ip                        iproute2
bench command unshare                   util-linux
bench command nsenter                   util-linux
bench command mount                     mount
bench python  libtorrent                python3-libtorrent
bench command transmission-daemon       transmission-daemon
bench command aria2c                    aria2
bench command rtorrent                  rtorrent
fresh command debootstrap               debootstrap
fresh command git                       git
fresh command mount                     mount
'

# The part that runs as root: scripts/setup.sh --apt PACKAGE...
apt_install()
{
    # Debian starts the services of a package when it is installed, unless this file says otherwise.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    install='apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300'
    # Package lists may be absent or old, so a first failure is only a reason to fetch them.
    if ! $install "$@" >/dev/null 2>&1; then
        apt-get update -q -o DPkg::Lock::Timeout=300
        $install "$@"
    fi
    # A tracker or a client installed for the tests must not greet the network at the next boot.
    if command -v systemctl >/dev/null 2>&1; then
        for package in "$@"; do
            case $package in
            transmission-daemon | opentracker)
                systemctl disable --quiet "$package" >/dev/null 2>&1 || true
                ;;
            esac
        done
    fi
}

if [ "${1:-}" = --apt ]; then
    shift
    apt_install "$@"
    exit 0
fi

sets=
for set in "$@"; do
    case $set in
    build) sets="$sets build" ;;
    sim) sets="$sets build sim" ;;
    fuzz) sets="$sets build sim fuzz" ;;
    bench) sets="$sets build bench" ;;
    fmt) sets="$sets fmt" ;;
    test) sets="$sets build sim fuzz fmt test" ;;
    fresh) sets="$sets fresh" ;;
    *)
        echo "setup: unknown set '$set' (build, test, sim, fuzz, bench, fmt or fresh)" >&2
        exit 2
        ;;
    esac
done
if [ -z "$sets" ]; then
    echo "usage: scripts/setup.sh build|test|sim|fuzz|bench|fmt|fresh..." >&2
    exit 2
fi

# Commands such as ip and debootstrap live in directories that a user's PATH may lack.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# missing_headers COMPILER HEADER...: prints the ones that the compiler does not find.
missing_headers()
{
    compiler=$1
    shift
    if command -v "$compiler" >/dev/null 2>&1; then
        for header in "$@"; do
            printf '#if !__has_include(<%s>)\nmissing %s\n#endif\n' "$header" "$header"
        done | "$compiler" -E -P -x c - | sed -n 's/^missing //p' | tr -d ' '
    else
        for header in "$@"; do
            set -- /usr/include/"$header" /usr/include/*-linux-gnu/"$header" \
                /usr/local/include/"$header"
            found=
            for file in "$@"; do
                if [ -e "$file" ]; then
                    found=1
                fi
            done
            if [ -z "$found" ]; then
                echo "$header"
            fi
        done
    fi
}

wanted=$(for set in $sets; do printf '%s' "$needs" | sed -n "s/^$set  *//p"; done)
headers=$(printf '%s\n' "$wanted" | sed -n 's/^header  *\([^ ]*\).*/\1/p')
llvm_headers=$(printf '%s\n' "$wanted" | sed -n 's/^llvm  *\([^ ]*\).*/\1/p')
missing=
if [ -n "$headers" ]; then
    missing="$missing $(missing_headers gcc $headers | tr '\n' ' ')"
fi
if [ -n "$llvm_headers" ]; then
    missing="$missing $(missing_headers clang $llvm_headers | tr '\n' ' ')"
fi
for command in $(printf '%s\n' "$wanted" | sed -n 's/^command  *\([^ ]*\).*/\1/p'); do
    if ! command -v "$command" >/dev/null 2>&1; then
        missing="$missing $command"
    fi
done
for module in $(printf '%s\n' "$wanted" | sed -n 's/^python  *\([^ ]*\).*/\1/p'); do
    if ! /usr/bin/python3 -c "import $module" >/dev/null 2>&1; then
        missing="$missing $module"
    fi
done

packages=
for what in $missing; do
    package=$(printf '%s\n' "$wanted" | awk -v what="$what" '$2 == what { print $3; exit }')
    case " $packages " in
    *" $package "*) ;;
    *) packages="$packages $package" ;;
    esac
done
packages=${packages# }

if [ -z "$packages" ]; then
    exit 0
fi

echo "setup: not found:$(printf ' %s' $missing)"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: there is no apt here. Please install, under your system's names for them:" >&2
    echo "    $packages" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    run=
elif command -v sudo >/dev/null 2>&1; then
    run=sudo
else
    echo "setup: neither root nor sudo. Please run as root:" >&2
    echo "    apt-get install $packages" >&2
    exit 1
fi
echo "setup: installing $packages"
$run sh "$0" --apt $packages
