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
    oci_cleanup
}

# inject CALL N: run a container while the N-th such call of each process fails. What the container
# itself calls is not meant, so it does next to nothing.
inject() {
    local status=0
    # shellcheck disable=SC2034
    (cd "$B" && timeout -k 1 20 strace -f -o /dev/null -e "inject=$1:error=EIO:when=$2" \
        "$BUILD/dhow-oci" --root "$T/oci" run fault </dev/null >"$T/fault.out" 2>&1) || status=$?
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
}

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
