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
. tools/start_server.sh
start_server "$hone" "$model" --ctx 4096
HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 "$venv/bin/python" tests/clients/test_clients.py "$url" "$model"
