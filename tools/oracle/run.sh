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
"$python" schema_suite.py "$hone"
templates=$(find ../../build/peers/src -path '*/llama.cpp/models/templates' 2>/dev/null | head -1)
if [ -n "$templates" ]; then # bench/peers.py got them with llama.cpp's source
    "$python" -W ignore template_real.py "$hone" "$templates"
else
    echo 'no templates of real models: bench/peers.py gets them'
fi
