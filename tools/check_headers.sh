#!/bin/sh
# check_headers.sh: every header compiles alone, but for templates (*_tmpl.h), which come
# behind the vectors of a tier.  Headers of another machine need its cross compiler and are
# left out without it.
cd "$(dirname "$0")/.." || exit 1
bad=0
for h in $(git ls-files 'src/*.h' 'include/*.h'); do
    flags=''
    compiler=${CC:-cc}
    case $h in
    *_tmpl.h) continue ;;
    */x86/vec_avx512.h) flags='-march=cooperlake' ;;
    */x86/*) flags='-mavx2 -mfma -mf16c -DVEC_VNNI256=0' ;;
    */arm/*) flags='-DVEC_DOTPROD=0' ;;
    esac
    case $h in
    */x86/*) machine=x86_64 ;;
    */arm/*) machine=aarch64 ;;
    *) machine=$(uname -m) ;;
    esac
    if [ "$machine" != "$(uname -m)" ]; then
        compiler=$machine-linux-gnu-gcc
        command -v "$compiler" >/dev/null || continue
    fi
    # shellcheck disable=SC2086
    echo "#include \"$h\"" | $compiler -std=c17 -D_GNU_SOURCE $flags -Iinclude -Isrc -I. -fsyntax-only -x c - || bad=1
done
exit $bad
