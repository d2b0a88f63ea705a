#!/bin/bash
# make fresh-check: a bare Debian 12 made with debootstrap below TMPDIR, a clone of HEAD in it, and there
# the two commands of the README, `make demo` and `make check`. Prints how both ended.
#
# It happens in mount and process namespaces of its own, so that whatever goes wrong, no mount and no
# process is left behind. The mirror, its keys and the proxy are the ones that this machine's apt uses.
set -euo pipefail

suite=bookworm
script=$(readlink -f "$0")
repository=$(dirname "$(dirname "$script")")
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

if [ "$(id -u)" != 0 ]; then
    echo "fresh-check: needs root, for debootstrap and its mounts (try: sudo make fresh-check)" >&2
    exit 1
fi

# ---- inside the namespaces: turn the directory into the root and run the commands ----
if [ "${1:-}" = --inside ]; then
    root=$2
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    cd "$root"
    # Not chroot: in a chroot the kernel refuses user namespaces, which tests without root use.
    pivot_root . mnt
    exec chroot . /bin/bash -c '
        set -u
        umount -l /mnt
        cd /root/spate
        for what in demo check; do
            echo "==== make $what ===="
            make "$what" 2>&1 | tee "/root/$what.log"
            echo "${PIPESTATUS[0]}" >"/root/$what.status"
        done'
fi

# ---- outside ----
directory=$(mktemp -d "${TMPDIR:-/tmp}/spate-fresh.XXXXXX")
root=$directory/root
cleanup()
{
    # The mounts were made in a namespace that is gone; --one-file-system is for the day that is wrong.
    rm -rf --one-file-system "$directory"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

# Lines "URI release label" of Debian's own repositories, as this machine's apt knows them.
targets()
{
    apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(LABEL)|$(CODENAME)' \
        'Created-By: Packages' 'Component: main' | sed -n 's/^Debian|//p' | sort -u
}
sources=$(targets)
if [ -z "$sources" ]; then
    apt-get update -q
    sources=$(targets)
fi
mirror=$(printf '%s\n' "$sources" | awk -F'|' '$3 == "Debian" { print $1; exit }')
if [ -z "$mirror" ]; then
    echo "fresh-check: this machine's apt knows no Debian mirror to take a bare system from" >&2
    exit 1
fi

proxy=$(apt-config dump --format '%v%n' Acquire::http::Proxy)
if [ -n "$proxy" ]; then
    export http_proxy=$proxy
fi
echo "fresh-check: a bare Debian ($suite) in $root"
debootstrap --variant=minbase --include=ca-certificates,make "$suite" "$root" "$mirror" \
    >"$directory/debootstrap.log" 2>&1 || {
    tail -n 30 "$directory/debootstrap.log" >&2
    exit 1
}

# The same repositories under the bare system's release name, and the same way to reach them.
printf '%s\n' "$sources" | awk -F'|' -v suite="$suite" '{
    release = $2
    base = $4
    sub(/-(updates|security)$/, "", base)
    if (release ~ /-updates$/ || release ~ /-security$/ || $3 == "Debian") {
        sub(/^[a-z]+/, suite, release)
        print "deb " $1 " " release " main"
    }
}' | sort -u >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date) ' \
    >"$root/etc/apt/apt.conf.d/90host" || true
find /etc/apt/trusted.gpg.d -type f \( -name '*.gpg' -o -name '*.asc' \) \
    -exec cp -n {} "$root/etc/apt/trusted.gpg.d/" \;
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
if [ -d /usr/local/share/ca-certificates ]; then
    cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
    # Without our TMPDIR, which is no directory in there.
    env -i PATH="$PATH" chroot "$root" update-ca-certificates >/dev/null
fi

git clone --quiet --no-hardlinks "$repository" "$root/root/spate"
started=$(date +%s)
keep=(HOME=/root LANG=C.UTF-8 CI=true TERM="${TERM:-dumb}"
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)
if command -v npm >/dev/null 2>&1; then
    keep+=("npm_config_registry=$(npm config get registry 2>/dev/null)")
fi
env -i "${keep[@]}" unshare --mount --propagation private --pid --fork --kill-child \
    bash "$script" --inside "$root" || true

failed=0
echo
echo "==== fresh-check: how the two commands ended in a bare Debian ($suite), $(($(date +%s) - started)) s ===="
for what in demo check; do
    status=$(cat "$root/root/$what.status" 2>/dev/null || echo 'no')
    echo "-- make $what: exit status $status"
    tail -n 8 "$root/root/$what.log" 2>/dev/null || true
    if [ "$status" != 0 ]; then
        failed=1
    fi
done
exit $failed
