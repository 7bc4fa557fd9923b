#!/bin/sh
# test_clients.sh HONE [MODEL]: Python clients against `hone serve` (tests/clients), in an
# environment of their own under build/.  Ends with "N passed, N failed".
set -eu
hone=$1
model=${2:-smollm2-135m-instruct}
cd "$(dirname "$0")/.."
venv=build/clients
stamp=$venv/stamp
if ! cmp -s tests/clients/requirements.txt "$stamp"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r tests/clients/requirements.txt
    cp tests/clients/requirements.txt "$stamp"
fi
"$hone" pull "$model" >/dev/null
out=$(mktemp)
"$hone" serve "$model" --port 0 --ctx 4096 --alias "$model" >"$out" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -f "$out"' EXIT
url=
for _ in $(seq 100); do
    url=$(grep -oE 'http://[0-9.]+:[0-9]+' "$out" | head -n 1 || true)
    [ -z "$url" ] || break
    kill -0 $server 2>/dev/null || break
    sleep 0.2
done
[ -n "$url" ] || { cat "$out"; echo '0 passed, 1 failed'; exit 1; }
HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 "$venv/bin/python" tests/clients/test_clients.py "$url" "$model"
