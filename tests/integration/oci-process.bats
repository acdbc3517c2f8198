#!/usr/bin/env bats
# dhow-oci: what a process is given: scheduler, I/O priority, CPUs, memory policy, labels, RDT.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
}

teardown() {
    oci_cleanup
}

# policy of process PID, as `chrt` names it
sched_of() {
    chrt -p "$1" | sed -n 's/.*policy: //p'
}

pid_of() {
    oci state "$1" | jq .pid
}

@test "scheduler: policies, nice and flags" {
    container p1 '.process.scheduler = {"policy":"SCHED_BATCH","nice":7}'
    [ "$(sched_of "$(pid_of p1)")" = SCHED_BATCH ]
    [ "$(ps -o ni= -p "$(pid_of p1)" | tr -d ' ')" = 7 ]
    ok oci exec p1 sh -c 'cut -d" " -f19 /proc/self/stat'
    [ "$output" = 7 ]
    container p1b '.process.scheduler = {"policy":"SCHED_IDLE","flags":["SCHED_FLAG_RESET_ON_FORK"]}'
    [[ $(sched_of "$(pid_of p1b)") == SCHED_IDLE* ]]
}

@test "scheduler: nonsense is refused by its path" {
    bundle '.process.scheduler = {"policy":"SCHED_NONSENSE"}'
    fails 1 oci run p2
    says "process.scheduler.policy"
    bundle '.process.scheduler = {"policy":"SCHED_FIFO","priority":100}'
    fails 1 oci run p2
    says "process.scheduler.priority"
    bundle '.process.scheduler = {"policy":"SCHED_DEADLINE","runtime":2000000,"deadline":1000000}'
    fails 1 oci run p2
    says "runtime <= deadline"
    nothing_left p2
}

@test "I/O priority" {
    container p3 '.process.ioPriority = {"class":"IOPRIO_CLASS_BE","priority":6}'
    [ "$(ionice -p "$(pid_of p3)")" = "best-effort: prio 6" ]
    ok oci exec p3 ionice
    says "prio 6"
    printf '{"args":["ionice"],"cwd":"/","env":["PATH=/bin"],"ioPriority":{"class":"IOPRIO_CLASS_IDLE","priority":0}}' >"$T/p.json"
    ok oci exec -p "$T/p.json" p3
    says "idle"
    bundle '.process.ioPriority = {"class":"IOPRIO_CLASS_BE","priority":8}'
    fails 1 oci run p3b
    says "process.ioPriority.priority"
}

@test "exec's CPU affinity: initial, final, and nonsense" {
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    container p4 '.process.execCPUAffinity = {"initial":"0","final":"1"}'
    ok oci exec p4 grep Cpus_allowed_list /proc/self/status
    [ "$output" = $'Cpus_allowed_list:\t1' ]
    # not for the container itself
    [ "$(sed -n 's/Cpus_allowed_list:\t//p' "/proc/$(pid_of p4)/status")" = "$(sed -n 's/Cpus_allowed_list:\t//p' /proc/self/status)" ]
    printf '{"args":["true"],"cwd":"/","execCPUAffinity":{"final":"1-x"}}' >"$T/p.json"
    fails 255 oci exec -p "$T/p.json" p4
    says "process.execCPUAffinity.final"
    printf '{"args":["true"],"cwd":"/","env":["PATH=/bin"],"execCPUAffinity":{"final":"4000"}}' >"$T/p.json"
    fails 255 oci exec -p "$T/p.json" p4
    says "set CPUs 4000"
}

@test "a restriction of the caller's CPUs is none of the container" {
    [ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
    bundle
    cmd sleep 1000
    all=$(sed -n 's/Cpus_allowed_list:\t//p' /proc/self/status)
    (taskset -pc 0 $BASHPID >/dev/null && oci run -d p4b </dev/null >/dev/null 2>&1)
    [ "$(sed -n 's/Cpus_allowed_list:\t//p' "/proc/$(pid_of p4b)/status")" = "$all" ]
    [ "$(taskset -pc 0 $BASHPID >/dev/null && oci exec p4b sed -n 's/Cpus_allowed_list:\t//p' /proc/self/status)" = "$all" ]
}

@test "memory policy, for run and exec" {
    [ -e /proc/self/numa_maps ] || skip "needs a kernel with NUMA"
    bundle '.linux.memoryPolicy = {"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_STATIC_NODES"]}'
    run script 'sed -n "1s/^[^ ]* \([^ ]*\).*/\1/p" /proc/self/numa_maps'
    [ "$output" = "bind=static:0" ]
    container p5 '.linux.memoryPolicy = {"mode":"MPOL_INTERLEAVE","nodes":"0"}'
    ok oci exec p5 sed -n '1s/^[^ ]* \([^ ]*\).*/\1/p' /proc/self/numa_maps
    [ "$output" = "interleave:0" ]
    bundle '.linux.memoryPolicy = {"mode":"MPOL_NONSENSE"}'
    fails 1 oci run p5b
    says "linux.memoryPolicy.mode"
    bundle '.linux.memoryPolicy = {}'
    fails 1 oci run p5b
    says "memoryPolicy"
    bundle '.linux.memoryPolicy = {"mode":"MPOL_BIND"}'
    fails 1 oci run p5b
    says "set MPOL_BIND"
    fails 1 oci state p5b
}

@test "personality, umask, groups and a working directory that is made" {
    bundle '.linux.personality = {"domain":"LINUX32"} | .process.cwd = "/made/for/it"
        | .process.user = {"uid":7,"gid":8,"umask":63,"additionalGids":[9,10]}'
    run script 'uname -m; pwd; umask; id'
    says "/made/for/it"
    says "0077"
    says "uid=7 gid=8 groups=9,10"
    [ "$(uname -m)" != x86_64 ] || says i686
}

@test "environment: the last of a name counts, and an empty HOME is filled" {
    bundle '.process.env = ["PATH=/bin","A=1","B=2","A=3","HOME="]'
    run script 'env | grep -E "^(A|B|HOME)=" | sort; env | grep -c ^A='
    [ "$output" = $'A=3\nB=2\nHOME=/root\n1' ]
}

@test "ambient capabilities: a warning for what cannot be, and exec --cap" {
    bundle '.process.capabilities.inheritable = ["CAP_KILL"] | .process.capabilities.ambient = ["CAP_KILL","CAP_CHOWN"]'
    run script 'grep CapAmb /proc/self/status'
    says "can't raise ambient capability CAP_CHOWN"
    says 0000000000000020
    container p6c '.process.capabilities.inheritable = ["CAP_SYS_CHROOT"] | .process.capabilities.bounding += ["CAP_SYS_CHROOT"]'
    ok oci exec --cap CAP_SYS_CHROOT p6c grep CapAmb /proc/self/status
    says 0000000000040000
}

@test "labels are refused where no security module reads them" {
    [ ! -e /sys/module/apparmor/parameters/enabled ] && [ ! -e /sys/fs/selinux/enforce ] ||
        skip "needs a host without AppArmor and SELinux"
    bundle '.process.apparmorProfile = "mine"'
    fails 1 oci run p7
    says "AppArmor is not active"
    bundle '.process.selinuxLabel = "a:b:c"'
    fails 1 oci run p7
    says "SELinux is not active"
    bundle '.linux.mountLabel = "a:b:c"'
    fails 1 oci run p7
    says "linux.mountLabel"
    bundle '.process.apparmorProfile = "unconfined" | .process.selinuxLabel = ""'
    cmd true
    ok oci run p7
    container p7b
    fails 255 oci exec --apparmor mine p7b true
    says "AppArmor is not active"
    fails 255 oci exec --process-label a:b:c p7b true
    says "SELinux is not active"
}

@test "Intel RDT is refused where resctrl is not mounted, and nothing stays" {
    [ "$(stat -f -c %t /sys/fs/resctrl 2>/dev/null)" != 7655821 ] || skip "needs a host without resctrl"
    bundle '.linux.intelRdt = {"closID":"gold","schemata":["L3:0=f"],"enableMonitoring":true}'
    fails 1 oci run p8
    says "no resctrl file system is mounted"
    nothing_left p8
    bundle '.linux.intelRdt = {"closID":"a/b"}'
    fails 1 oci run p8
    says "linux.intelRdt"
    bundle '.linux.intelRdt = {"memBwSchema":"L3:0=1"}'
    fails 1 oci run p8
    says 'begin with "MB:"'
    container p8b
    fails 1 oci update --l3-cache-schema 'L3:0=f' p8b
    says "no Intel RDT class"
}
