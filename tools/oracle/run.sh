#!/bin/sh
# run.sh HONE: the differential oracles; needs a python3 with the packages their scripts name
# (PYTHON chooses another interpreter).
set -eu
hone=$(realpath "$1")
cd "$(dirname "$0")"
python=${PYTHON:-python3}
text=${TEXT:-../../README.md}
"$python" tokenizer_diff.py "$hone" "$text" 1000
"$python" tokenizer_random.py "$hone" "$text" 200 2>/dev/null # the reference panics on some
"$python" -W ignore template_diff.py "$hone" 2000
