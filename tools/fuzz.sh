#!/bin/sh
# fuzz.sh SECONDS: every fuzzer of tests/fuzz for that long, with clang's libFuzzer.
set -eu
cd "$(dirname "$0")/.."
command -v clang >/dev/null || { echo 'hone: fuzz: needs clang' >&2; exit 1; }
[ -e build/fuzz/build.ninja ] || CC=clang meson setup build/fuzz -Dfuzz=true -Dtests=disabled -Dnetwork=disabled \
    -Deditline=disabled -Db_sanitize=address,undefined -Db_lundef=false \
    '-Dc_args=-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined' --buildtype=debugoptimized >/dev/null
ninja -C build/fuzz >/dev/null
# the tests' own files are seeds too
seeds=build/fuzz/seeds
mkdir -p $seeds/config $seeds/tokenizer
for m in tests/data/models/*/config.json; do cp "$m" "$seeds/config/$(basename "$(dirname "$m")").json"; done
cp tests/data/tok_llama3.json tests/data/tok_smollm.json $seeds/tokenizer
for f in build/fuzz/tests/fuzz/fuzz_*; do
    [ -x "$f" ] && [ -f "$f" ] || continue
    name=$(basename "$f")
    name=${name#fuzz_}
    mkdir -p "build/fuzz/corpus/$name" "$seeds/$name"
    echo "== $name"
    "$f" -max_total_time="$1" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 -artifact_prefix="build/fuzz/$name-" \
        "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" "$seeds/$name"
done
