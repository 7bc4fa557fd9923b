#!/bin/sh
# check_symbols.sh LIBRARY: external symbols begin with hone_; those of the template engine
# and of HTTP, which are private to their folders, with tpl_ and http_.
nm -g --defined-only "$1" 2>/dev/null | awk 'NF == 3 && $3 !~ /^(hone|tpl|http)_/ { print; bad = 1 } END { exit bad }'
