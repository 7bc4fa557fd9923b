#!/bin/sh
# check_layers.sh: includes go down the floors of tools/layers.txt, never up or sideways.
cd "$(dirname "$0")/.." || exit 1
bad=0
for file in $(git ls-files 'src/*.c' 'src/*.h'); do
    floor=$(echo "$file" | cut -d/ -f2)
    allowed=$(sed -n "s/^$floor://p" tools/layers.txt)
    for used in $(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file" | sort -u); do
        case " $allowed $floor hone " in
        *" $used "*) ;;
        *) echo "$file: includes floor '$used'"; bad=1 ;;
        esac
    done
done
for file in $(git ls-files 'include/hone/*.h'); do
    if grep '^#include "' "$file" | grep -qv '"hone/'; then
        echo "$file: a public header includes a private one"
        bad=1
    fi
done
exit $bad
