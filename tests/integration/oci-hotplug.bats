#!/usr/bin/env bats
# dhow-oci mounts add|remove.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
    chmod 755 "$T"
    mkdir -p "$T/src/sub"
    echo data >"$T/src/file"
}

teardown() {
    oci_cleanup
}

USER_NS='.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":65536}] | .linux.gidMappings = .linux.uidMappings'

list() {
    echo "[$1]" >"$T/mounts.json"
}

in_container() {
    oci exec "$@"
}

try() {
    container m1 "$@"
    mkdir -p "$B/rootfs/foo"
    list "{\"destination\":\"/foo\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"size=64k\"]},
        {\"destination\":\"/foo/bar\",\"type\":\"bind\",\"source\":\"$T/src\",\"options\":[\"bind\",\"ro\"]},
        {\"destination\":\"/foo/one\",\"type\":\"bind\",\"source\":\"$T/src/file\",\"options\":[\"bind\"]}"
    oci mounts add m1 "$T/mounts.json"
    ok in_container m1 sh -c 'cat /foo/bar/file /foo/one; touch /foo/new; touch /foo/bar/x 2>&1 || true; grep " /foo" /proc/self/mountinfo'
    says $'data\ndata\n'
    says "Read-only"
    says "/foo rw,nosuid,"
    ! grep -F " $B/rootfs/foo" /proc/self/mountinfo || [ -n "${SHARED:-}" ]
    oci mounts remove m1 - <"$T/mounts.json"
    ok in_container m1 sh -c 'ls -A /foo; grep -c " /foo" /proc/self/mountinfo || true'
    [ "$output" = 0 ]
    fails 1 oci mounts remove m1 "$T/mounts.json"
    oci delete -f m1
    rmdir "$B/rootfs/foo"
    nothing_left m1
}

@test "a tmpfs, a directory and a file come and go" {
    try
}

@test "also with a user namespace" {
    chown 300000:300000 "$B/rootfs"
    try "$USER_NS"
    chown 0:0 "$B/rootfs"
}

@test "also in a shared mount namespace" {
    SHARED=yes try '.linux.namespaces |= map(select(.type != "mount"))'
    ! grep -F " $B" /proc/self/mountinfo
}

@test "all or none" {
    container m4
    list "{\"destination\":\"/tmp/a\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},{\"destination\":\"/tmp/b\",\"type\":\"nosuchfs\",\"source\":\"x\"}"
    fails 1 oci mounts add m4 "$T/mounts.json"
    says nosuchfs
    ok in_container m4 cut -d' ' -f5 /proc/self/mountinfo
    [[ $output == */proc* && $output != */tmp/* ]]
}

@test "what cannot be is refused" {
    container m5
    list '{"destination":"/proc","type":"proc","source":"proc"}'
    fails 1 oci mounts add m5 "$T/mounts.json"
    says "procfs cannot be mounted later"
    list '{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup"}'
    fails 1 oci mounts add m5 "$T/mounts.json"
    says "cannot be mounted later"
    list '{"destination":"/proc/sys","type":"tmpfs","source":"tmpfs"}'
    fails 1 oci mounts add m5 "$T/mounts.json"
    says "mounting inside /proc is not allowed"
    list '{"destination":"/tmp","type":"bind","source":"/no/such","options":["bind"]}'
    fails 1 oci mounts add m5 "$T/mounts.json"
    says "/no/such"
    list '{"destination":"/tmp"}'
    fails 1 oci mounts remove m5 "$T/mounts.json"
    list '{"destination":"/","type":"tmpfs"}'
    fails 1 oci mounts remove m5 "$T/mounts.json"
    says "nothing is mounted on '/'"
    echo '{}' >"$T/mounts.json"
    fails 1 oci mounts add m5 "$T/mounts.json"
    fails 1 oci mounts swap m5 "$T/mounts.json"
    says "neither add nor remove"
    list '{"destination":"/tmp","type":"tmpfs","source":"t"}'
    fails 1 oci mounts add no-such "$T/mounts.json"
    says "does not exist"
}

@test "a link in the container does not lead out" {
    container m6
    mkdir -p "$T/outside"
    ln -s "$T/outside" "$B/rootfs/tmp/way-out"
    list '{"destination":"/tmp/way-out","type":"tmpfs","source":"tmpfs"}'
    oci mounts add m6 "$T/mounts.json"
    ! grep -F " $T/outside" /proc/self/mountinfo
    oci mounts remove m6 "$T/mounts.json"
    [ -d "$B/rootfs$T/outside" ]
    rm "$B/rootfs/tmp/way-out"
}
