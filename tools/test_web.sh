#!/bin/sh
# test_web.sh HONE [MODEL [FOLDER]]: the page of `hone serve` in a headless Chromium, both
# from the distribution; screenshots go into FOLDER.  Ends with "N passed, N failed".
set -eu
hone=$1
model=${2:-smollm2-135m-instruct}
cd "$(dirname "$0")/.."
tools/setup.sh chromium chromium-driver python3-selenium fonts-dejavu-core
"$hone" pull "$model" >/dev/null
out=$(mktemp)
"$hone" serve "$model" --port 0 --ctx 2048 --alias "$model" >"$out" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -f "$out"' EXIT
url=
for _ in $(seq 300); do
    url=$(grep -oE 'http://[0-9.]+:[0-9]+' "$out" | head -n 1 || true)
    [ -z "$url" ] || break
    kill -0 $server 2>/dev/null || break
    sleep 0.2
done
[ -n "$url" ] || { cat "$out"; echo '0 passed, 1 failed'; exit 1; }
# the distribution's selenium belongs to the distribution's Python
/usr/bin/python3 tests/web/test_page.py "$url" ${3:+"$3"}
