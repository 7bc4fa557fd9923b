# start_server.sh, to be sourced: start_server HONE MODEL OPTION... starts `hone serve` on a
# free port, sets url, and ends the server with the script.
start_server() {
    hone=$1 model=$2
    shift 2
    "$hone" pull "$model" >/dev/null
    out=$(mktemp)
    "$hone" serve "$model" --port 0 --alias "$model" "$@" >"$out" 2>&1 &
    server=$!
    trap 'kill $server 2>/dev/null || true; rm -f "$out"' EXIT
    url=
    for _ in $(seq 300); do
        url=$(grep -oE 'http://[0-9.]+:[0-9]+' "$out" | head -n 1 || true)
        [ -z "$url" ] || return 0
        kill -0 $server 2>/dev/null || break
        sleep 0.2
    done
    cat "$out"
    echo '0 passed, 1 failed'
    exit 1
}
