#!/bin/sh
# meson.sh BUILD [OPTION...]: configure BUILD if it is new, then compile it, saying only
# what went wrong.
set -eu
build=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ! -e "$build/build.ninja" ]; then
    meson setup "$build" "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
ninja -C "$build" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
grep -A6 'warning:' "$log" >&2 || true
