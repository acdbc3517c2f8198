# shellcheck shell=bash
# Bundles for the tests of dhow-oci: `load ../lib/oci` after the helpers.
#
#   bundle [JQ-FILTER...]   write $B/config.json: an example configuration without a terminal that
#                           runs `sh`, changed by the filters; $B/rootfs has busybox
#   cmd WORD...             its process.args
#   oci ARGS...             dhow-oci on this file's root, in the bundle
#   container ID [FILTER...]  a started container that sleeps

oci_setup() {
    local applet
    # cgroups are named after container ids, which two runs at the same time would share
    exec 8>/tmp/dhow-oci-tests.lock
    flock -w 900 8 || return 1
    B=$T/bundle
    export B
    mkdir -p "$B"/rootfs/{bin,proc,sys,dev,etc,tmp,root}
    chmod 1777 "$B/rootfs/tmp"
    cp "$(command -v busybox)" "$B/rootfs/bin/busybox"
    for applet in $("$B/rootfs/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -sf busybox "$B/rootfs/bin/$applet"
    done
    printf 'root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n' >"$B/rootfs/etc/passwd"
    (cd "$B" && "$BUILD/dhow-oci" spec && mv config.json base.json)
}

bundle() {
    local filter='.process.terminal = false | .process.args = ["sh"] | del(.process.rlimits) | .root.readonly = false' f
    for f; do
        filter="$filter | $f"
    done
    jq "$filter" "$B/base.json" >"$B/config.json"
}

cmd() {
    local word
    for word; do
        printf '%s' "$word" | jq -Rs .
    done >"$B/args.json"
    jq --slurpfile args "$B/args.json" '.process.args = $args' "$B/config.json" >"$B/config.new"
    mv "$B/config.new" "$B/config.json"
}

oci() {
    (cd "$B" && dhow_oci "$@")
}

# What the container prints: `script 'sh commands'` runs them.
script() {
    cmd sh -c "$1"
    oci run "c-$BATS_TEST_NUMBER" </dev/null
}

container() {
    local id=$1
    shift
    bundle "$@"
    cmd sleep 1000
    oci create "$id" </dev/null >/dev/null 2>"$T/create.err" || {
        cat "$T/create.err"
        return 1
    }
    oci start "$id"
}

oci_cleanup() {
    local id
    for id in $(oci list -q); do
        oci delete -f "$id"
    done
}

# For wait_for: whether container ID is in a state.
oci_is() {
    [ "$(dhow_oci state "$1" 2>/dev/null | jq -r .status)" = "$2" ]
}

# Nothing of this file's containers may be left: state, processes, cgroups.
no_cgroup() {
    [ -z "$(find /sys/fs/cgroup -type d -name "$1" 2>/dev/null)" ]
}

nothing_left() {
    [ -z "$(ls -A "$T/oci" 2>/dev/null)" ] || {
        echo "state left: $(ls -A "$T/oci")"
        return 1
    }
    # polled: the kernel takes a cgroup away a moment after its last process
    wait_for 2 no_cgroup "$1" >/dev/null || {
        echo "cgroup left: $(find /sys/fs/cgroup -type d -name "$1")"
        return 1
    }
}
