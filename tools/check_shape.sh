#!/bin/sh
# check_shape.sh: functions of at most 150 lines, files of at most 900, lines of at most 92
# columns in src, include and examples; exceptions stand in tools/shape_allow.txt.
cd "$(dirname "$0")/.." || exit 1
files=$(git ls-files 'src/*.[ch]' 'include/*.h' 'examples/*.c')
awk -v allow="$(cat tools/shape_allow.txt 2>/dev/null)" '
    FNR == 1 { inside = 0 }
    { gsub(/[\x80-\xBF]/, ""); }
    length($0) > 92 { print FILENAME ":" FNR ": " length($0) " columns"; bad = 1 }
    /^\{/ { start = FNR; inside = 1 }
    /^\}/ && inside {
        inside = 0
        if (FNR - start > 150 && index(allow, FILENAME) == 0) {
            print FILENAME ":" start ": a function of " FNR - start " lines"; bad = 1
        }
    }
    FNR > 900 && !(FILENAME in long) && index(allow, FILENAME) == 0 {
        long[FILENAME] = 1; print FILENAME ": more than 900 lines"; bad = 1
    }
    END { exit bad }' $files
