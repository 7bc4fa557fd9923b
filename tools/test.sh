#!/bin/sh
# test.sh BUILD [OPTION...]: runs every test program, or those that options of `meson test`
# choose, and ends with "N passed, N failed[, N skipped]".  Counts single tests (TAP lines);
# a program that dies counts as one failure.
set -u
build=$1
shift
log=$build/meson-logs/testlog.txt
rm -f "$log"
meson test -C "$build" --no-rebuild --print-errorlogs "$@" >"$build/test-output.txt" 2>&1
status=$?
[ -e "$log" ] || { cat "$build/test-output.txt"; echo '0 passed, 1 failed'; exit 1; }
grep -E '^(not ok|# skipped)' "$log" | sort -u
skipped=$(grep -cE '^(not )?ok .*# *SKIP' "$log")
failed=$(grep -E '^not ok' "$log" | grep -vcE '# *SKIP')
passed=$(grep -E '^ok' "$log" | grep -vcE '# *SKIP')
if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
    failed=1
fi
if [ "$failed" != 0 ]; then
    sed -n '/^Summary of Failures/,$p' "$build/test-output.txt"
    grep -B2 -A12 -E 'ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error|assertion failed' "$log" | head -60
fi
if [ "$skipped" != 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ]
