#!/bin/sh
# test_faults.sh HONE [MODEL]: what goes wrong around `hone serve` (tests/clients/faults.py).
# Ends with "N passed, N failed".
set -eu
hone=$1
model=${2:-smollm2-135m-instruct}
cd "$(dirname "$0")/.."
"$hone" pull "$model" >/dev/null
exec python3 tests/clients/faults.py "$hone" "$model" tests/data
