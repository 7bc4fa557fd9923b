#!/bin/sh
# check_headers.sh: every header compiles alone, but for templates (*_tmpl.h), which come
# behind the vectors of a tier.
cd "$(dirname "$0")/.." || exit 1
bad=0
for h in $(git ls-files 'src/*.h' 'include/*.h'); do
    flags=''
    case $h in
    *_tmpl.h) continue ;;
    */x86/vec_avx512.h) flags='-march=cooperlake' ;;
    */x86/*) flags='-mavx2 -mfma -mf16c -DVEC_VNNI256=0' ;;
    esac
    case $h in */x86/*) [ "$(uname -m)" = x86_64 ] || continue ;; esac
    # shellcheck disable=SC2086
    echo "#include \"$h\"" | ${CC:-cc} -std=c17 -D_GNU_SOURCE $flags -Iinclude -Isrc -I. -fsyntax-only -x c - || bad=1
done
exit $bad
