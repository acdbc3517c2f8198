#!/usr/bin/env bats
# libdhow-oci as it is installed: header, pkg-config, shared and static, the example.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    for tool in cc pkg-config meson nm; do
        command -v "$tool" >/dev/null || skip "$tool is missing"
    done
    [ -e "$BUILD/src/lib/libdhow-oci.a" ] || skip "a sanitizer build has no static library"
    oci_setup
    meson install -C "$BUILD" --no-rebuild --destdir "$T/inst" >"$T/install.log" 2>&1 || {
        cat "$T/install.log"
        return 1
    }
    PKG_CONFIG_PATH=$(dirname "$(find "$T/inst" -name dhow-oci.pc)")
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR="$T/inst"
    LIB=$(dirname "$PKG_CONFIG_PATH")
    export LIB
    # shellcheck disable=SC2046 # words
    cc -Wall -Wextra -Werror -o "$T/shared" "$TOP/examples/run-container.c" $(pkg-config --cflags --libs dhow-oci)
    # shellcheck disable=SC2046
    cc -static -o "$T/static" "$TOP/examples/run-container.c" $(pkg-config --static --cflags --libs dhow-oci)
}

teardown() {
    oci_cleanup
}

shared() {
    LD_LIBRARY_PATH=$LIB "$T/shared" "$T/oci" "$B" "$@"
}

@test "the example runs a container, shared and static" {
    bundle
    cmd sh -c 'echo inside; exit 7'
    run shared lib1
    [ "$status" -eq 7 ]
    says inside
    says "lib1 runs as process"
    run "$T/static" "$T/oci" "$B" lib1
    [ "$status" -eq 7 ]
    says inside
    nothing_left lib1
}

@test "exec, kill, wait and delete" {
    bundle
    cmd sleep 1000
    run shared lib2 sh -c 'echo beside; exit 3'
    [ "$status" -eq 137 ]
    says beside
    says "exec ended with 3"
    nothing_left lib2
}

@test "failures are values, and leave nothing" {
    bundle
    cmd /nowhere
    run -127 shared lib3
    says "create: exec '/nowhere'"
    nothing_left lib3
    bundle '.linux.landlock = {}'
    run shared lib3
    [ "$status" -eq 1 ]
    says "load: "
    says "linux.landlock"
}

@test "dhow-oci sees its containers" {
    bundle
    cmd sh -c 'sleep 1000'
    shared lib4 >"$T/out" 2>&1 3>&- &
    wait_for 5 oci_is lib4 running
    oci exec lib4 true
    oci kill lib4 KILL
    status=0
    wait $! || status=$?
    [ "$status" -eq 137 ]
    nothing_left lib4
}

@test "a process with threads is refused" {
    bundle
    cmd true
    cat >"$T/threads.c" <<'C'
#include <dhow/oci.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *idle(void *unused) { pause(); return unused; }
int main(int argc, char **argv)
{
    struct dhow_oci_error err;
    struct dhow_oci_bundle *b;
    struct dhow_oci_process *p;
    struct dhow_oci *oci;
    pthread_t t;
    char *plan;
    pthread_create(&t, NULL, idle, NULL);
    if (argc != 3 || dhow_oci_open(argv[1], &oci, &err) || dhow_oci_bundle_load(argv[2], NULL, &b, &err))
        return 2;
    if (dhow_oci_plan("x", b, NULL, &plan, &err))
        return 3;
    if (dhow_oci_create(oci, "x", b, NULL, &p, &err) == 0)
        return 4;
    puts(err.message);
    return err.code == DHOW_OCI_STATE ? 0 : 5;
}
C
    # shellcheck disable=SC2046
    cc -o "$T/threads" "$T/threads.c" $(pkg-config --cflags --libs dhow-oci) -lpthread
    LD_LIBRARY_PATH=$LIB ok "$T/threads" "$T/oci" "$B"
    says "has 2 threads"
    nothing_left x
}

@test "only the interface is visible, with its version" {
    declared=$(grep -o 'dhow_oci_[a-z_]*(' "$T"/inst/usr/*/include/dhow/oci.h | tr -d '(' | sort -u)
    exported=$(nm -D --defined-only "$LIB/libdhow-oci.so.1" | awk '$2 == "T" { print $3 }' | sed 's/@@DHOW_OCI_1$//' | sort -u)
    [ -n "$exported" ]
    [ "$exported" = "$(grep -Fxf <(echo "$exported") <<<"$declared")" ]
    [ "$(wc -l <<<"$exported")" -ge 35 ]
    [ -z "$(nm -D --defined-only "$LIB/libdhow-oci.so.1" | grep -v 'dhow_oci_\|DHOW_OCI_1')" ]
    [ -z "$(nm -g --defined-only "$LIB/libdhow-oci.a" | grep ' T ' | grep -v dhow_oci_)" ]
}

@test "the header is C and C++" {
    echo '#include <dhow/oci.h>' >"$T/h.c"
    cc -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$TOP/include" "$T/h.c"
    command -v c++ >/dev/null || skip "a C++ compiler is missing"
    cp "$T/h.c" "$T/h.cc"
    c++ -std=c++17 -pedantic -Wall -Werror -fsyntax-only -I"$TOP/include" "$T/h.cc"
}
