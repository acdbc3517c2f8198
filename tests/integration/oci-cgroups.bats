#!/usr/bin/env bats
# dhow-oci: limits on cgroup v1, a hybrid and v2, who owns a cgroup, and systemd as its manager. The
# same file runs on the host and in the machine of tests/vm; a test says what it cannot have.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
}

teardown() {
    oci_cleanup
    if [ -e "$T/bus.pid" ]; then
        kill "$(cat "$T/bus.pid")" && rm "$T/bus.pid"
        unset DBUS_SYSTEM_BUS_ADDRESS
    fi
}

on_v2() {
    [ -e /sys/fs/cgroup/cgroup.controllers ]
}

# The v2 hierarchy, where there is one.
v2_root() {
    if on_v2; then echo /sys/fs/cgroup; else echo /sys/fs/cgroup/unified; fi
}

# value ID V1-CONTROLLER V1-FILE V2-FILE: what the kernel has for a container of the default path.
value() {
    if on_v2; then cat "/sys/fs/cgroup/$1/$4"; else cat "/sys/fs/cgroup/$2/$1/$3"; fi
}

is() {
    [ "$1" = "$2" ] || {
        echo "'$1' is not '$2'"
        return 1
    }
}

LIMITS='{"memory":{"limit":33554432,"swap":50331648,"reservation":16777216},
    "cpu":{"shares":512,"quota":20000,"period":50000,"burst":10000,"cpus":"0"},"pids":{"limit":11}}'

@test "memory, cpu, cpuset and pids arrive" {
    require cgroup-memory
    container l1 ".linux.resources += $LIMITS"
    is "$(value l1 memory memory.limit_in_bytes memory.max)" 33554432
    is "$(value l1 memory memory.soft_limit_in_bytes memory.low)" 16777216
    is "$(value l1 pids pids.max pids.max)" 11
    is "$(value l1 cpuset cpuset.cpus cpuset.cpus)" 0
    is "$(value l1 cpu cpu.cfs_burst_us cpu.max.burst)" 10000
    if on_v2; then
        is "$(cat /sys/fs/cgroup/l1/memory.swap.max)" 16777216
        is "$(cat /sys/fs/cgroup/l1/cpu.max)" "20000 50000"
        is "$(cat /sys/fs/cgroup/l1/cpu.weight)" 59
    else
        is "$(value l1 cpu cpu.cfs_quota_us)" 20000
        is "$(value l1 cpu cpu.cfs_period_us)" 50000
        is "$(value l1 cpu cpu.shares)" 512
    fi
    oci delete -f l1
    nothing_left l1
}

@test "update: one value at a time leaves the others, and -r reads a file or standard input" {
    require cgroup-memory
    container u1 ".linux.resources += $LIMITS"
    ok oci update --memory 67108864 --memory-swap 67108864 --memory-reservation 0 u1
    is "$(value u1 memory memory.limit_in_bytes memory.max)" 67108864
    is "$(value u1 memory memory.soft_limit_in_bytes memory.low)" 16777216
    ok oci update --cpu-period 100000 u1
    ok oci update --cpu-share 1024 --pids-limit -1 --cpuset-cpus 0 --cpu-burst 0 u1
    is "$(value u1 pids pids.max pids.max)" max
    if on_v2; then
        is "$(cat /sys/fs/cgroup/u1/memory.swap.max)" 0
        is "$(cat /sys/fs/cgroup/u1/cpu.max)" "20000 100000"
        is "$(cat /sys/fs/cgroup/u1/cpu.weight)" 100
    else
        is "$(value u1 cpu cpu.cfs_period_us)" 100000
        is "$(value u1 cpu cpu.cfs_quota_us)" 20000
    fi
    ok oci update --cpu-quota -1 u1
    # a higher limit of memory than that of both was: the order matters on v1
    echo '{"memory":{"limit":100663296,"swap":134217728},"pids":{"limit":20}}' >"$T/new.json"
    ok oci update -r "$T/new.json" u1
    is "$(value u1 memory memory.limit_in_bytes memory.max)" 100663296
    oci update -r - u1 <<<'{"memory":{"limit":-1}}'
    [ "$(value u1 memory memory.limit_in_bytes memory.max)" != 100663296 ]
    ok oci update --cpu-idle 1 u1
    is "$(value u1 cpu cpu.idle cpu.idle)" 1
    fails 1 oci update --memory 4096 --memory-swap 4095 u1
    echo '{"memory":{"limit":4096,"checkBeforeUpdate":true}}' >"$T/new.json"
    fails 1 oci update -r "$T/new.json" u1
    says "is below the"
    oci_is u1 running
}

@test "pids.limit 0 is a limit; the smallest memory limits" {
    require cgroup-memory
    container z1 '.linux.resources.pids = {"limit":0}'
    is "$(value z1 pids pids.max pids.max)" 0
    bundle '.linux.resources.memory = {"limit":524288,"swap":524288}'
    cmd true
    ok oci run small
}

@test "what no version of cgroups can do here is refused by name" {
    bundle '.linux.resources.unified = {"cgroup.procs":"1"}'
    fails 1 script true
    says "linux.resources.unified: 'cgroup.procs' is not a limit"
    bundle '.linux.resources.unified = {"nothing.max":"1"}'
    fails 1 script true
    says "the controller 'nothing' is not available"
    if on_v2; then
        for what in 'memory = {"swappiness":10}' 'memory = {"disableOOMKiller":true}' 'memory = {"kernelTCP":4096}' \
            'cpu = {"realtimeRuntime":1000}' 'blockIO = {"leafWeight":10}' 'network = {"classID":7}' 'memory = {"swap":1048576}'; do
            bundle ".linux.resources.$what"
            fails 1 script true
            says "linux.resources"
        done
        # what asks for nothing is fine
        bundle '.linux.resources += {"memory":{"kernel":1,"kernelTCP":-1,"disableOOMKiller":false,"useHierarchy":true},"cpu":{"shares":0,"quota":0,"period":0},"network":{"classID":0}}'
        ok script true
    fi
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "unified sets files of v2" {
    if on_v2; then
        container un1 '.linux.resources.unified = {"memory.high":"33554432","memory.oom.group":"1"}'
        is "$(cat /sys/fs/cgroup/un1/memory.high)" 33554432
        is "$(cat /sys/fs/cgroup/un1/memory.oom.group)" 1
    elif grep -qw hugetlb /sys/fs/cgroup/unified/cgroup.controllers; then
        container un1 '.linux.resources.unified = {"hugetlb.2MB.max":"2097152"}'
        is "$(cat /sys/fs/cgroup/unified/un1/hugetlb.2MB.max)" 2097152
    else
        missing cgroup-v2 "no controller of v2"
    fi
}

@test "huge pages, with their reservations" {
    file=$(find /sys/fs/cgroup/hugetlb /sys/fs/cgroup/unified /sys/fs/cgroup -maxdepth 0 2>/dev/null | while read -r root; do
        grep -qsw hugetlb "$root/cgroup.controllers" || [ -e "$root/hugetlb.2MB.usage_in_bytes" ] && echo "$root"
    done | head -n 1)
    [ -n "$file" ] || missing hugetlb "no such controller"
    container h1 '.linux.resources.hugepageLimits = [{"pageSize":"2MB","limit":4194304}]'
    is "$(cat "$file"/h1/hugetlb.2MB.{max,limit_in_bytes} 2>/dev/null)" 4194304
    is "$(cat "$file"/h1/hugetlb.2MB.rsvd.{max,limit_in_bytes} 2>/dev/null)" 4194304
}

@test "device rules add up, the last one wins, and update replaces them" {
    local rules='{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"r"},{"allow":true,"type":"c","major":10,"minor":229,"access":"w"}'
    local node='.process.capabilities |= map_values(. + ["CAP_MKNOD"])'
    container d1 "$node" ".linux.resources.devices = [$rules]"
    # 1:99 is no device: where the rules allow it, the kernel says so
    oci exec d1 mknod /tmp/fuse c 10 229
    oci exec d1 mknod /tmp/none c 1 99
    ok oci exec d1 head -c 1 /dev/zero
    run oci exec d1 sh -c 'exec 3<>/tmp/fuse'
    [[ $output != *"not permitted"* ]]
    fails 1 oci exec d1 cat /tmp/none
    says "not permitted"
    echo '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":99,"access":"r"}]}' >"$T/rules.json"
    ok oci update -r "$T/rules.json" d1
    fails 1 oci exec d1 cat /tmp/none
    says "No such device"
    run oci exec d1 sh -c 'exec 3<>/tmp/fuse'
    says "not permitted"
}

@test "a cgroup that is frozen is refused" {
    dir=$(v2_root)/dhow-test-frozen
    [ -d "${dir%/*}" ] || missing cgroup-v2 "no v2 hierarchy"
    mkdir "$dir"
    echo 1 >"$dir/cgroup.freeze"
    bundle '.linux.cgroupsPath = "/dhow-test-frozen"'
    run script true
    find /sys/fs/cgroup -depth -type d -path '*/dhow-test-frozen*' -exec rmdir {} +
    [ "$status" -eq 1 ]
    says "is there already, and frozen"
}

# --- ownership ---

MAPPED='.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}] | .linux.gidMappings = .linux.uidMappings'

@test "a container of a user namespace owns its v2 cgroup when it is mounted for writing" {
    require cgroup-v2
    chmod 711 "$T"
    container o1 "$MAPPED" '.linux.namespaces |= (map(select(.type != "cgroup")) + [{"type":"cgroup"}])' \
        '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options -= ["ro"] else . end)'
    is "$(stat -c %u /sys/fs/cgroup/o1 /sys/fs/cgroup/o1/cgroup.procs /sys/fs/cgroup/o1/memory.max | xargs)" "100000 100000 0"
    ok oci exec o1 sh -c 'mkdir /sys/fs/cgroup/inner && echo $$ >/sys/fs/cgroup/inner/cgroup.procs'
    # with the first process below and controllers handed on, an exec goes where that is
    ok oci exec o1 sh -c 'cd /sys/fs/cgroup && echo $$ >inner/cgroup.procs && echo 1 >inner/cgroup.procs && echo +pids >cgroup.subtree_control'
    ok oci exec o1 cat /proc/self/cgroup
    says "0::/inner"
    container o2 "$MAPPED"
    is "$(stat -c %u /sys/fs/cgroup/o2)" 0
    oci delete -f o1
    oci delete -f o2
    nothing_left o1
}

@test "run.oci.delegate-cgroup puts the container below its limits" {
    [ -e "$(v2_root)/cgroup.procs" ] || missing cgroup-v2 "no v2 hierarchy"
    chmod 711 "$T"
    container g1 "$MAPPED" '.annotations["run.oci.delegate-cgroup"] = "mine"'
    pid=$(oci state g1 | jq .pid)
    grep -q '^0::.*/g1/mine$' "/proc/$pid/cgroup"
    is "$(stat -c %u "$(v2_root)/g1" "$(v2_root)/g1/mine" | xargs)" "0 100000"
    ok oci exec g1 true
    oci delete -f g1
    nothing_left g1
    bundle '.annotations["run.oci.delegate-cgroup"] = "../x"'
    fails 1 script true
    says "is not one name"
}

# --- systemd as the manager, played by tests/lib/fake-systemd ---

start_bus() {
    [ ! -d /run/systemd/system ] || missing no-systemd "the real one is tested here"
    [ -w "$(v2_root)/cgroup.procs" ] || missing cgroup-v2 "no v2 hierarchy"
    rm -f "$T/bus"
    "$TOP/tests/lib/fake-systemd" "$T/bus" "$T/calls" "$(v2_root)" 2>"$T/bus.err" 3>&- 8>&- &
    echo $! >"$T/bus.pid"
    wait_for 5 test -S "$T/bus"
    export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus,guid=0
    : >"$T/calls"
}

# property NAME: of the last StartTransientUnit or SetUnitProperties
property() {
    jq -sc --arg name "$1" 'map(select(.method | test("Transient|Properties"))) | last | .args[2] | map(select(.[0] == $name)) | last | .[1]' "$T/calls"
}

SCOPE='.linux.cgroupsPath = "dhow-test.slice:box:s1"'

systemd_container() {
    local id=$1
    shift
    bundle "$@"
    cmd sleep 1000
    oci --systemd-cgroup create "$id" </dev/null >/dev/null 2>"$T/create.err" || {
        cat "$T/create.err"
        return 1
    }
    oci start "$id"
}

@test "systemd: a scope is asked for with its properties, updated and stopped" {
    require python3
    start_bus
    systemd_container s1 "$SCOPE" ".linux.resources += $LIMITS" '.annotations["org.systemd.property.TimeoutStopSec"] = "5"' \
        '.annotations["org.systemd.property.KillMode"] = "'\''mixed'\''"'
    grep -q '^0::/dhow-test.slice/box-s1.scope$' "/proc/$(oci state s1 | jq .pid)/cgroup"
    is "$(jq -sr 'map(.method) | join(" ")' "$T/calls")" "Hello AddMatch Subscribe StartTransientUnit"
    is "$(property Slice)" '"dhow-test.slice"'
    is "$(property Delegate)" true
    is "$(property TasksMax)" 11
    is "$(property CPUQuotaPerSecUSec)" 400000
    is "$(property TimeoutStopUSec)" 5000000
    is "$(property KillMode)" '"mixed"'
    is "$(property DevicePolicy)" '"strict"'
    if on_v2; then
        is "$(property MemoryMax)" 33554432
        is "$(property MemorySwapMax)" 16777216
        is "$(property CPUWeight)" 59
        is "$(property AllowedCPUs)" "[1]"
    else
        is "$(property MemoryLimit)" 33554432
        is "$(property CPUShares)" 512
        is "$(cat /sys/fs/cgroup/memory/dhow-test.slice/box-s1.scope/memory.limit_in_bytes)" 33554432
    fi
    ok oci update --pids-limit 12 s1
    is "$(property TasksMax)" 12
    ok oci exec s1 true
    oci delete -f s1
    is "$(jq -sr 'last | .method' "$T/calls")" ResetFailedUnit
    nothing_left box-s1.scope
    find /sys/fs/cgroup -depth -type d -name dhow-test.slice -exec rmdir {} +
}

@test "systemd: refused, failed and broken answers leave nothing" {
    require python3
    start_bus
    for what in refused:no failing:failed garbage:D-Bus; do
        bundle ".linux.cgroupsPath = \"dhow-test.slice:${what%:*}:s2\""
        fails 1 oci --systemd-cgroup run s2
        says "${what#*:}"
        nothing_left "*-s2.scope"
    done
    kill "$(cat "$T/bus.pid")" && rm "$T/bus.pid"
    fails 1 oci --cgroup-manager systemd run s2
    says "connect to systemd"
    says "cgroupfs"
    find /sys/fs/cgroup -depth -type d -name dhow-test.slice -exec rmdir {} +
}

@test "systemd: names and annotations that it must not see are refused" {
    for path in /a/b a:b:c .slice:a:b a.slice:b: a.slice:b/c:d a.slice:x:y.slice 'a/b.slice:c:d'; do
        bundle ".linux.cgroupsPath = \"$path\""
        fails 1 oci --systemd-cgroup run s3
        says linux.cgroupsPath
    done
    bundle "$SCOPE"
    ok oci --systemd-cgroup run --dry-run s3
    says "systemd-scope unit=box-s1.scope slice=dhow-test.slice manager=system"
    start_bus
    for name in ExecStart ExecStopPost BindsTo Requires Slice Delegate OnFailure Sec PIDs; do
        bundle "$SCOPE" ".annotations[\"org.systemd.property.$name\"] = \"true\""
        fails 1 oci --systemd-cgroup run s3
        says "may not be set"
    done
    for value in "'a" "[1,2]" "uint32 -1" "1 2" "@ab 1"; do
        bundle "$SCOPE" ".annotations[\"org.systemd.property.MemoryHigh\"] = \"$value\""
        fails 1 oci --systemd-cgroup run s3
        says "is no value that systemd takes"
    done
    nothing_left "box-s1.scope"
    [ ! -s "$T/calls" ] || ! grep -q StartTransientUnit "$T/calls"
}

# --- the real one, in the machine ---

@test "real systemd: a scope with its limits, updated, reloaded and gone" {
    require systemd cgroup-v2
    systemd_container r1 '.linux.cgroupsPath = "dhow-test.slice:box:r1"' ".linux.resources += $LIMITS" \
        '.annotations["org.systemd.property.TimeoutStopSec"] = "7"'
    at=/sys/fs/cgroup/dhow.slice/dhow-test.slice/box-r1.scope
    is "$(systemctl show -P MemoryMax box-r1.scope)" 33554432
    is "$(systemctl show -P TasksMax box-r1.scope)" 11
    is "$(systemctl show -P Delegate box-r1.scope)" yes
    is "$(systemctl show -P TimeoutStopUSec box-r1.scope)" 7s
    ok oci update --memory 67108864 --memory-swap 67108864 --pids-limit 12 r1
    systemctl daemon-reload
    is "$(cat $at/memory.max $at/pids.max $at/cpu.weight | xargs)" "67108864 12 59"
    ok oci exec r1 sh -c 'echo x >/dev/null && ! head -c 1 /dev/kmsg 2>/dev/null; cat /proc/self/cgroup'
    oci delete -f r1
    [ ! -d $at ]
    fails 4 systemctl status box-r1.scope
}

@test "real systemd: an ordinary user's session" {
    require systemd cgroup-v2
    loginctl enable-linger dhowtest
    uid=$(id -u dhowtest)
    wait_for 60 test -S "/run/user/$uid/bus"
    chmod 755 "$T" "$B"
    mkdir -p "$B/rootfs/sys/fs/cgroup" # the user may not
    bundle '.process.args = ["cat", "/proc/self/cgroup", "/sys/fs/cgroup/memory.max"]' "$MAPPED" \
        '.linux.uidMappings = [{"containerID":0,"hostID":'"$uid"',"size":1}] | .linux.gidMappings = .linux.uidMappings' \
        '.linux.namespaces |= map(select(.type != "network"))' 'del(.mounts[] | select(.destination == "/sys"))' \
        '.mounts |= map(if .type == "devpts" then .options -= ["gid=5"] else . end)' \
        '.linux.resources = {"memory":{"limit":33554432},"pids":{"limit":50}}' 'del(.linux.cgroupsPath)' '.mounts |= map(select(.destination != "/sys/fs/cgroup")) + [{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro","nosuid","noexec","nodev"]}]'
    cp "$BUILD/dhow-oci" "$T/dhow-oci"
    # within the session
    cat >"$T/in-session" <<-END
	#!/bin/sh
	cd '$B' && exec '$T/dhow-oci' --systemd-cgroup run user1
	END
    chmod 755 "$T/in-session"
    ok setpriv --reuid dhowtest --regid dhowtest --init-groups --reset-env env "XDG_RUNTIME_DIR=/run/user/$uid" \
        systemd-run --user --wait --pipe -q "$T/in-session"
    says "0::/"
    says 33554432
    # what its first process says is the error, not what became of the scope
    rmdir "$B/rootfs/sys/fs/cgroup" "$B/rootfs/sys/fs"
    fails 125 setpriv --reuid dhowtest --regid dhowtest --init-groups --reset-env env "XDG_RUNTIME_DIR=/run/user/$uid" \
        systemd-run --user --wait --pipe -q "$T/in-session" || [ "$status" -eq 1 ]
    says "sys/fs/cgroup"
    loginctl disable-linger dhowtest
}

@test "podman with dhow-oci on cgroup v2, by both managers" {
    require systemd cgroup-v2 podman
    fixture busybox
    p() {
        podman --root "$T/podman" --runroot "$T/podman-run" --runtime "$BUILD/dhow-oci" --events-backend file "$@"
    }
    p pull -q "oci:$DHOW_FIXTURES/busybox:busybox:latest" >/dev/null
    image=$(p images -q | head -n 1)
    for manager in cgroupfs systemd; do
        p --cgroup-manager $manager run -d --name "p-$manager" --network none -m 64m --pids-limit 30 "$image" sleep 1000
        ok p exec "p-$manager" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
        is "$output" $'67108864\n30'
        ok p --cgroup-manager $manager stats --no-stream --format '{{.MemLimit}}{{.PIDS}}' "p-$manager"
        ok p --cgroup-manager $manager pause "p-$manager"
        ok p --cgroup-manager $manager unpause "p-$manager"
        ok p --cgroup-manager $manager rm -f -t 0 "p-$manager"
    done
    ! systemctl list-units --all 'libpod-*.scope' | grep -v conmon | grep -q 'libpod-.*scope'
    umount -q "$T/podman/overlay" || true
}
