#!/bin/sh
# test_arm.sh: hone for 64-bit ARM, cross-compiled and tested under qemu-user: everything on
# a CPU that has every extension, the kernels again on CPUs whose highest tiers are dotprod
# and neon, where an instruction of a higher one would be illegal.
#
# Libraries for ARM are unpacked under build/; the system's own packages stay as they are.
set -eu
cd "$(dirname "$0")/.."
build=build/arm
root=$PWD/build/arm-root
ready=$root/usr/lib/aarch64-linux-gnu/pkgconfig/cmocka.pc

tools/setup.sh gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user

# Packages of another architecture, by apt with a state of its own.
get_libraries() {
    apt=$root/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status"
    cat >"$apt/apt.conf" <<EOF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
EOF
    echo 'hone: test-arm: getting libraries for ARM' >&2
    APT_CONFIG=$apt/apt.conf apt-get update -qq
    APT_CONFIG=$apt/apt.conf apt-get install -qq -y --download-only libjansson-dev libpcre2-dev \
        libutf8proc-dev libcmocka-dev >/dev/null
    for deb in "$apt"/archives/*.deb; do
        dpkg-deb -x "$deb" "$root"
    done
    rm -r "${apt:?}"
}
[ -e "$ready" ] || get_libraries
printf "[constants]\nroot = '%s'\n" "$root" >$build-root.ini
tools/meson.sh $build --cross-file $build-root.ini --cross-file tools/aarch64.ini \
    -Dnetwork=disabled -Deditline=disabled -Dtests=enabled

passed=0
failed=0
# run CPU [OPTION...]: tests on that CPU; adds up the counts.
run() {
    echo "== $1"
    export QEMU_CPU="$1"
    shift
    tools/test.sh $build "$@" >$build/run.txt || true
    cat $build/run.txt
    line=$(tail -n 1 $build/run.txt)
    passed=$((passed + ${line%% passed*}))
    line=${line#*passed, }
    failed=$((failed + ${line%% failed*}))
}
run max --no-suite cli # a script that starts programs by itself
run neoverse-n1 --suite kernel
run cortex-a53 --suite kernel
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
