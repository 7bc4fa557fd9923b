#!/bin/sh
# valgrind.sh BUILD: start and end of `hone run` without a lost byte or a bad read.
set -eu
model=${XDG_CACHE_HOME:-$HOME/.cache}/hone/models/SmolLM2-135M-Instruct.Q4_1.gguf
[ -e "$model" ] || { echo "skipped: no $model"; exit 0; }
command -v valgrind >/dev/null || { echo 'skipped: no valgrind'; exit 0; }
valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
    "$1/hone" run "$model" --raw -p 'Hi' -n 2 --temp 0 --kernels ref --ctx 64 --threads 2
echo 'valgrind: clean'
