#!/bin/sh
# check_headers.sh: every header compiles alone.
cd "$(dirname "$0")/.." || exit 1
bad=0
for h in $(git ls-files 'src/*.h' 'include/*.h'); do
    flags=''
    case $h in */x86/*) [ "$(uname -m)" = x86_64 ] || continue; flags='-mavx2 -mfma -mf16c' ;; esac
    # shellcheck disable=SC2086
    echo "#include \"$h\"" | ${CC:-cc} -std=c17 -D_GNU_SOURCE $flags -Iinclude -Isrc -I. -fsyntax-only -x c - || bad=1
done
exit $bad
