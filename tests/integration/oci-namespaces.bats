#!/usr/bin/env bats
# dhow-oci: namespaces that are shared with the caller or joined by path.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
}

teardown() {
    oci_cleanup
    if [ -n "${HOLDER:-}" ]; then
        kill -9 "$HOLDER" 2>/dev/null || true
        wait "$HOLDER" 2>/dev/null || true
    fi
}

# A process in new namespaces of these kinds (options of unshare): $HOLDER.
hold() {
    unshare "$@" sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
    HOLDER=$!
    wait_for 5 holder_is_ready
}

holder_is_ready() {
    [ "$(cat "/proc/$HOLDER/comm")" = sleep ]
}

mounts_below() {
    grep -c " $1" /proc/self/mountinfo
}

NO_MOUNT='.linux.namespaces |= map(select(.type != "mount"))'

@test "without a mount namespace the caller's is shared, and nothing is left in it" {
    bundle "$NO_MOUNT" '.linux.maskedPaths += ["/etc/passwd"] | .root.readonly = true'
    ok script 'readlink /proc/self/ns/mnt; ls -A / | grep -c busybox; ls /dev/null; cat /etc/passwd; touch /x || true; pwd'
    [ "${lines[0]}" = "$(readlink /proc/self/ns/mnt)" ]
    [ "${lines[1]}" = 0 ]
    [ "${lines[2]}" = /dev/null ]
    says "Read-only"
    ! grep -F " $B" /proc/self/mountinfo
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "its mounts are where others see them, and go with delete" {
    container n2 "$NO_MOUNT" '.mounts += [{"destination":"/vol","type":"tmpfs","source":"tmpfs"}]'
    [ "$(mounts_below "$B/rootfs/vol ")" = 1 ]
    ok oci exec n2 sh -c 'echo hello >/vol/file; ls /bin/busybox; readlink /proc/self/ns/mnt'
    says "$(readlink /proc/self/ns/mnt)"
    [ "$(cat "$B/rootfs/vol/file")" = hello ]
    oci delete -f n2
    ! grep -F " $B" /proc/self/mountinfo
    nothing_left n2
}

@test "a creation that fails takes its mounts along" {
    bundle "$NO_MOUNT" '.mounts += [{"destination":"/vol","type":"tmpfs","source":"tmpfs","options":["nonsense=1"]}]'
    fails 1 script true
    says "'/vol'"
    ! grep -F " $B" /proc/self/mountinfo
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "shared mounts and a user namespace do not go together, nor with the host's root" {
    bundle "$NO_MOUNT" '.linux.namespaces += [{"type":"user"}]
        | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":10}] | .linux.gidMappings = .linux.uidMappings'
    fails 1 script true
    says "a new mount namespace is needed"
    bundle "$NO_MOUNT" '.root.path = "/"'
    fails 1 script true
    says "root.path: the host's own root"
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "a mount namespace is joined by path" {
    hold --mount --propagation private
    container n5 "(.linux.namespaces[] | select(.type == \"mount\")).path = \"/proc/$HOLDER/ns/mnt\"" \
        ".mounts += [{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"$B\",\"options\":[\"bind\",\"ro\"]}]"
    pid=$(oci state n5 | jq .pid)
    [ "$(readlink "/proc/$pid/ns/mnt")" = "$(readlink "/proc/$HOLDER/ns/mnt")" ]
    ! grep -F " $B" /proc/self/mountinfo
    [ "$(grep -cF " $B/rootfs " "/proc/$HOLDER/mountinfo")" = 1 ]
    ok oci exec n5 ls / /b
    says config.json
    says bin
    oci delete -f n5
    ! grep -F " $B" "/proc/$HOLDER/mountinfo"
    nothing_left n5
}

@test "the type of what is joined is checked" {
    hold --net --uts
    for pair in network:uts uts:net ipc:net mount:uts user:net pid:net; do
        bundle "(.linux.namespaces[] | select(.type == \"${pair%:*}\")) |= empty | .linux.namespaces += [{\"type\":\"${pair%:*}\",\"path\":\"/proc/$HOLDER/ns/${pair#*:}\"}]"
        fails 1 script true
        says "not a ${pair%:*} one"
    done
    bundle '(.linux.namespaces[] | select(.type == "uts")).path = "/dev/null"'
    fails 1 script true
    says "'/dev/null' is not a namespace"
    bundle '(.linux.namespaces[] | select(.type == "uts")).path = "/no/such"'
    fails 1 script true
    says "open '/no/such'"
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "a new user namespace beside namespaces of the host's" {
    chmod 755 "$T"
    hold --net --ipc --uts
    bundle "(.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$HOLDER/ns/net\"" \
        "(.linux.namespaces[] | select(.type == \"ipc\")).path = \"/proc/$HOLDER/ns/ipc\"" \
        "(.linux.namespaces[] | select(.type == \"uts\")).path = \"/proc/$HOLDER/ns/uts\"" \
        'del(.hostname) | .linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":1000}]
        | .linux.gidMappings = .linux.uidMappings | .mounts |= map(select(.type != "mqueue"))'
    ok script 'for n in net ipc uts; do readlink /proc/self/ns/$n; done; id -u; cat /proc/self/uid_map'
    for n in net ipc uts; do
        says "$(readlink "/proc/$HOLDER/ns/$n")"
    done
    says 300000
}

@test "a joined user namespace, with its own and the host's other namespaces" {
    chmod 755 "$T"
    container u8 '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":1000}] | .linux.gidMappings = .linux.uidMappings'
    pid=$(oci state u8 | jq .pid)
    hold --uts
    bundle ".linux.namespaces += [{\"type\":\"user\",\"path\":\"/proc/$pid/ns/user\"}]" 'del(.hostname)' \
        "(.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$pid/ns/net\"" \
        "(.linux.namespaces[] | select(.type == \"pid\")).path = \"/proc/$pid/ns/pid\"" \
        "(.linux.namespaces[] | select(.type == \"uts\")).path = \"/proc/$HOLDER/ns/uts\""
    ok script 'for n in user net pid uts; do readlink /proc/self/ns/$n; done; id -u'
    for n in user net pid; do
        says "$(readlink "/proc/$pid/ns/$n")"
    done
    says "$(readlink "/proc/$HOLDER/ns/uts")"
    [ "${lines[4]}" = 0 ]
}

@test "a failing join of a staged creation is told" {
    bundle '.linux.namespaces += [{"type":"user","path":"/proc/self/ns/user"}]'
    fails 1 script true
    says "join the user namespace"
    says "it may be the one we are in already"
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "sysctls of a network that is the caller's are refused" {
    bundle '(.linux.namespaces[] | select(.type == "network")).path = "/proc/self/ns/net" | .linux.sysctl = {"net.ipv4.ip_default_ttl":"99"}'
    fails 1 script true
    says "'net.ipv4.ip_default_ttl' would be set for the host"
    [ "$(cat /proc/sys/net/ipv4/ip_default_ttl)" != 99 ]
}

@test "time namespaces: offsets, and joined" {
    container t11 '.linux.namespaces += [{"type":"time"}] | .linux.timeOffsets = {"monotonic":{"secs":5000,"nanosecs":1},"boottime":{"secs":-1,"nanosecs":0}}'
    pid=$(oci state t11 | jq .pid)
    ok oci exec t11 cat /proc/self/timens_offsets
    [[ $output =~ monotonic\ +5000\ +1 && $output =~ boottime\ +-1\ +0 ]]
    bundle ".linux.namespaces += [{\"type\":\"time\",\"path\":\"/proc/$pid/ns/time\"}]"
    ok script 'readlink /proc/self/ns/time'
    [ "$output" = "$(readlink "/proc/$pid/ns/time")" ]
    bundle '.linux.timeOffsets = {"monotonic":{"secs":1,"nanosecs":0}}'
    fails 1 script true
    says "linux.timeOffsets"
    bundle '.linux.namespaces += [{"type":"time"}] | .linux.timeOffsets = {"boottime":{"secs":-1000000000,"nanosecs":0}}'
    fails 1 script true
    says "linux.timeOffsets"
    bundle '.linux.namespaces += [{"type":"time"}] | .linux.timeOffsets = {"monotone":{"secs":1}}'
    fails 1 script true
    says "monotone"
}

@test "a user namespace without mappings: the process's user is the caller" {
    bundle '.linux.namespaces += [{"type":"user"}] | .mounts |= map(select(.type != "devpts"))'
    ok script 'cat /proc/self/uid_map; id -u'
    [[ ${lines[0]} =~ ^\ *0\ +0\ +1$ ]]
    [ "${lines[-1]}" = 0 ]
}

@test "domainname and a sysctl that disagree" {
    bundle '.domainname = "sea" | .linux.sysctl = {"kernel.domainname":"lake"}'
    fails 1 script true
    says "kernel.domainname is 'lake', but domainname is 'sea'"
    bundle '.domainname = "sea" | .linux.sysctl = {"kernel.domainname":"sea"}'
    ok script 'cat /proc/sys/kernel/domainname'
    [ "$output" = sea ]
    bundle '.linux.sysctl = {"kernel.hostname":"x"}'
    fails 1 script true
    says "kernel.hostname"
}
