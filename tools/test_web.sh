#!/bin/sh
# test_web.sh HONE [MODEL [FOLDER]]: the page of `hone serve` in a headless Chromium, both
# from the distribution; screenshots go into FOLDER.  Ends with "N passed, N failed".
set -eu
hone=$1
model=${2:-smollm2-135m-instruct}
cd "$(dirname "$0")/.."
tools/setup.sh chromium chromium-driver python3-selenium fonts-dejavu-core
. tools/start_server.sh
start_server "$hone" "$model" --ctx 2048
# the distribution's selenium belongs to the distribution's Python
/usr/bin/python3 tests/web/test_page.py "$url" ${3:+"$3"}
