#!/bin/sh
# check_symbols.sh LIBRARY: external symbols begin with hone_; the template engine's, which
# are private to its folder, with tpl_.
nm -g --defined-only "$1" 2>/dev/null | awk 'NF == 3 && $3 !~ /^(hone|tpl)_/ { print; bad = 1 } END { exit bad }'
