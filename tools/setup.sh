#!/bin/sh
# setup.sh [PACKAGE...]: installs what hone is built with, and the packages named, from the
# distribution.  Quiet when nothing is missing; run as root or with sudo at hand.
set -eu

packages='gcc meson ninja-build pkg-config libc6-dev libjansson-dev libpcre2-dev
libutf8proc-dev libcurl4-openssl-dev libarchive-dev libssl-dev libedit-dev libcmocka-dev
libevent-dev libcyaml-dev libyaml-dev
python3 python3-pip ca-certificates'

missing=''
for p in $packages "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=''
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "hone: setup: not root and no sudo; install by hand:$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "hone: setup: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list of names
{
    $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
} >"$log" 2>&1 || {
    cat "$log" >&2
    echo 'hone: setup: apt-get failed, see above' >&2
    exit 1
}
