#!/usr/bin/env bats
# dhow-oci when system calls fail: every failure is reported, and leaves no process, mount, cgroup
# or state behind.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox strace || return 1
    oci_setup
}

teardown() {
    local pid
    for pid in ${helpers:-}; do
        kill "$pid" 2>/dev/null || true
    done
    oci_cleanup
    # a slice is systemd's to remove, and this one is made by nobody else
    find /sys/fs/cgroup -depth -type d -path '*/dhow-fault.slice*' -exec rmdir {} + 2>/dev/null || true
}

# inject CALL N: run a container while the N-th such call of each process fails. What the container
# itself calls is not meant, so it does next to nothing.
inject() {
    local status=0
    before_each
    (cd "$B" && timeout -k 1 20 strace -f -o /dev/null -e "inject=$1:error=EIO:when=$2" \
        "$BUILD/dhow-oci" --root "$T/oci" ${options:-} run fault </dev/null >"$T/fault.out" 2>&1) || status=$?
    if [ "$status" -ge 124 ] && [ "$status" -ne 126 ] && [ "$status" -ne 127 ]; then
        echo "$1 number $2: exit $status"
        cat "$T/fault.out"
        return 1
    fi
    # a silent failure is none; 1 without a word is
    if [ "$status" -ne 0 ] && ! [ -s "$T/fault.out" ]; then
        echo "$1 number $2: exit $status without a message"
        return 1
    fi
    if [ -d "$T/oci/fault" ]; then
        # the clean-up itself was made to fail: it must succeed the next time
        dhow_oci delete -f fault
    fi
    nothing_left fault || {
        echo "after $1 number $2 (exit $status)"
        cat "$T/fault.out"
        return 1
    }
    after_each "$status" || {
        echo "after $1 number $2 (exit $status): not as it was"
        cat "$T/fault.out"
        return 1
    }
}

# what a test wants before and after each try; after_each is told the exit code
before_each() { :; }
after_each() { :; }

each() {
    local call=$1 n last=$2
    for n in $(seq 1 "$last"); do
        inject "$call" "$n" || return 1
    done
    [ -z "$(pgrep -f -- "--root $T/oci" || true)" ]
    ! grep -F "$B" /proc/self/mountinfo
}

@test "making processes, sockets and namespaces" {
    bundle
    cmd true
    each clone3 1
    each socketpair 1
    each unshare 1
    each setsid 1
    each sethostname 1
    each memfd_create 1
    each execveat 1
    each setgroups 1
    each setresgid 1
    each setresuid 1
    each capset 1
    each sendto 3
    each recvmsg 4
    each close_range 4
}

@test "mounts" {
    bundle
    cmd true
    each open_tree 3
    each mount_setattr 4
    each fsopen 7
    each fsconfig 8
    each fsmount 7
    each move_mount 10
    each pivot_root 1
    each umount2 1
    each chdir 2
    each fchdir 1
}

@test "files, directories and devices" {
    bundle
    cmd true
    each mkdirat 4
    each openat2 12
    each mknodat 2
    each symlinkat 2
    each openat 10
    each write 4
    each renameat 2
    each bpf 2
}

@test "with limits and a user namespace" {
    chmod 755 "$T"
    bundle '.linux.resources += {"memory":{"limit":67108864},"pids":{"limit":50}}' '.linux.namespaces += [{"type":"user"}]
        | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":1000}] | .linux.gidMappings = .linux.uidMappings'
    cmd true
    each openat 14
    each write 8
    each mkdirat 6
    each move_mount 4
}

@test "hooks, idmapped mounts, Landlock, a terminal and a network interface" {
    chmod 711 "$T"
    mkdir -p "$T/src"
    bundle ".mounts += [{\"destination\":\"/m\",\"source\":\"$T/src\",\"options\":[\"bind\",\"idmap\"],
            \"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}]}]" \
        '.hooks = {"createRuntime":[{"path":"/bin/true"}],"createContainer":[{"path":"/bin/true"}],"startContainer":[{"path":"/bin/true"}],"poststart":[{"path":"/bin/true"}]}' \
        '.linux.landlock = {"ruleset":{"handledAccessFS":[4096]}} | .process.terminal = true' \
        '.linux.netDevices = {"dhowflt":{"name":"inside"}}'
    cmd true
    before_each() { ip link show dhowflt >/dev/null 2>&1 || ip link add dhowflt type veth peer name dhowfltp; }
    # back on the host after a failure, gone with the network namespace after a success
    after_each() { [ "$1" -eq 0 ] || ip link show dhowflt >/dev/null; }
    before_each || skip "this kernel has no veth interfaces"
    each clone3 2
    each mount_setattr 3
    each setns 2
    each sendto 4
    each recvmsg 3
    each landlock_create_ruleset 2
    each ioctl 3
    each pipe2 2
    # once it is created, the interface is the network namespace's
    after_each() { :; }
    each landlock_restrict_self 1
    each recvmsg 5
    ip link del dhowflt 2>/dev/null || true
}

# fault_in CALL N ARGS...: another command of dhow-oci, on container f9, while such a call fails.
fault_in() {
    local call=$1 n=$2 status=0
    shift 2
    (cd "$B" && timeout -k 1 20 strace -f -o /dev/null -e "inject=$call:error=EIO:when=$n" \
        "$BUILD/dhow-oci" --root "$T/oci" "$@" </dev/null >"$T/fault.out" 2>&1) || status=$?
    if [ "$status" -eq 124 ] || [ "$status" -ge 128 ] && [ "$status" -ne 255 ] || { [ "$status" -ne 0 ] && ! [ -s "$T/fault.out" ]; }; then
        echo "$* with $call number $n: exit $status"
        cat "$T/fault.out"
        return 1
    fi
    # the container has its one process, and can still be told from others
    wait_for 3 only_init || {
        echo "$* with $call number $n (exit $status) left: $(oci ps -f json f9)"
        cat "$T/fault.out"
        return 1
    }
    [ "$(oci state f9 | jq -r .status)" = running ]
}

only_init() {
    [ "$(oci ps -f json f9 | jq length)" = 1 ]
}

@test "exec and update: the container is as it was" {
    local call n
    container f9 '.linux.resources.memory = {"limit":67108864}'
    for call in clone3 socketpair pipe2 setns sendto recvmsg close_range memfd_create execveat capset chdir openat read; do
        for n in 1 2; do
            fault_in "$call" "$n" exec f9 true
        done
    done
    for call in openat write openat2 renameat; do
        for n in 1 2 3; do
            fault_in "$call" "$n" update --memory 70000000 --pids-limit 40 f9
        done
    done
    ok oci exec f9 true
    oci delete -f f9
    nothing_left f9
}

# agent and manager of the two tests below; without the lock of oci_setup
in_background() {
    "$@" 2>/dev/null 3>&- 8>&- &
    helpers+=" $!"
}

@test "seccomp notification" {
    require python3
    bundle ".linux.seccomp = {\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"$T/agent.sock\",
        \"syscalls\":[{\"names\":[\"mkdirat\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}"
    cmd true
    before_each() {
        rm -f "$T/agent.sock"
        in_background "$TOP/tests/lib/seccomp-agent" "$T/agent.sock" "$T/agent.log" continue
        wait_for 5 test -S "$T/agent.sock"
    }
    before_each
    ok oci run fault </dev/null
    each clone 1
    each seccomp 1
    each connect 1
    each sendmsg 4
    each recvfrom 2
}

@test "a scope of systemd" {
    require python3
    [ ! -d /run/systemd/system ] || missing no-systemd "the real one would be asked"
    v2=$(findmnt -nr -t cgroup2 -o TARGET | head -n 1)
    [ -w "$v2/cgroup.procs" ] || missing cgroup-v2 "no v2 hierarchy"
    in_background "$TOP/tests/lib/fake-systemd" "$T/bus" "$T/calls" "$v2"
    wait_for 5 test -S "$T/bus"
    export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus,guid=0
    bundle '.linux.cgroupsPath = "dhow-fault.slice:box:fault"'
    cmd true
    options=--systemd-cgroup
    ok oci $options run fault </dev/null
    grep -q StartTransientUnit "$T/calls"
    each socket 2
    each connect 1
    each sendto 4
    each recvfrom 4
    each sendmsg 2
    no_cgroup 'box-fault.scope'
}
