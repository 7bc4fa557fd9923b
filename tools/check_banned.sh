#!/bin/sh
# check_banned.sh: library code neither prints nor exits, and takes memory through mem.h.
cd "$(dirname "$0")/.." || exit 1
words='exit|abort|printf|puts|putchar|strcpy|strcat|sprintf|atof|strtok|gets|alloca|rand|malloc|calloc|realloc|free|getenv|system|gmtime|localtime'
files=$(git ls-files 'src/*.c' | grep -v -e '^src/cli/' -e '^src/base/mem.c' -e '^src/base/status.c')
# utf8proc_map hands out memory of its own
found=$(grep -nE "(^|[^a-zA-Z0-9_])($words) ?\(" $files | grep -vE '^src/text/normalize.c:[0-9]+: +free\(out\);' | grep -vE ':[0-9]+: *(/?\*|//)')
found="$found$(grep -nE 'fprintf\(stderr' $files)"
[ -z "$found" ] || { echo "$found"; exit 1; }
