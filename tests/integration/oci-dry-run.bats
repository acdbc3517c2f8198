#!/usr/bin/env bats
# dhow-oci --dry-run: the steps of create, run and exec, with nothing done.
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

step() {
    jq -e ".steps[] | select(.step == \"$1\")" "$T/plan"
}

@test "create --dry-run prints every step and does none" {
    bundle '.hostname = "box"' '.linux.resources.pids.limit = 9' \
        '.hooks.createRuntime = [{"path": "/bin/touch", "args": ["touch", "'"$T"'/hooked"]}]'
    cmd touch /tmp/ran
    before=$(ls -A "$T/oci" 2>/dev/null || true)
    ok oci create --dry-run d1 </dev/null
    says 'hostname value=box'
    says 'mount destination=/proc type=proc'
    says 'hook point=createRuntime path=/bin/touch'
    says 'execute args=touch,/tmp/ran'
    ok oci run --dry-run d1 </dev/null
    [ ! -e "$T/hooked" ]
    [ ! -e "$B/rootfs/tmp/ran" ]
    [ "$(ls -A "$T/oci" 2>/dev/null || true)" = "$before" ]
    nothing_left d1
}

@test "the state root is not made" {
    bundle
    (cd "$B" && ok "$BUILD/dhow-oci" --root "$T/none" run --dry-run d2)
    [ ! -e "$T/none" ]
}

@test "json has the same steps as the text" {
    bundle '.linux.sysctl = {"net.ipv4.ip_forward": "1"}' '.process.user.uid = 1000'
    oci run --dry-run --format json d3 </dev/null >"$T/plan"
    [ "$(jq -r .id "$T/plan")" = d3 ]
    [ "$(step sysctl | jq -r .file)" = net/ipv4/ip_forward ]
    [ "$(step user | jq .uid)" = 1000 ]
    [ "$(step execute | jq -c .args)" = '["sh"]' ]
    [ "$(jq '.steps | length' "$T/plan")" = "$(oci run --dry-run d3 </dev/null | grep -c '^  ')" ]
}

@test "what is planned is what happens" {
    bundle '.linux.resources.pids.limit = 9' '.process.rlimits = [{"type": "RLIMIT_CORE", "soft": 3, "hard": 5}]' \
        '.mounts += [{"destination": "/data", "type": "tmpfs", "source": "t", "options": ["ro", "nodev", "size=64k"]}]'
    oci run --dry-run --format json d4 </dev/null >"$T/plan"
    file=$(jq -r '.steps[] | select(.step == "cgroup-write" and .value == "9") | .file' "$T/plan")
    [ "$file" = pids.max ]
    path=$(step cgroup | jq -r .path)
    cmd sleep 1000
    oci create d4 </dev/null >/dev/null 2>&1
    oci start d4
    found=$(find /sys/fs/cgroup -path "*$path/pids.max" 2>/dev/null | head -n 1)
    [ "$(cat "$found")" = 9 ]
    pid=$(oci state d4 | jq .pid)
    # mounts: the same destinations in the same order, then those of masks and read-only paths
    jq -r '.steps[] | select(.step | startswith("mount") and . != "mount-root") | .destination' "$T/plan" >"$T/planned"
    awk '{ print $5 }' "/proc/$pid/mountinfo" | grep -Fxf "$T/planned" | awk '!seen[$0]++' >"$T/real"
    diff "$T/planned" "$T/real"
    grep -q ' /data ro,nodev' "/proc/$pid/mountinfo"
    grep -Eq 'core file size +3 +5' "/proc/$pid/limits"
}

@test "exec --dry-run" {
    container d5
    oci exec --dry-run --format json --cwd /tmp d5 touch /tmp/executed >"$T/plan"
    [ "$(step find | jq .pid)" = "$(oci state d5 | jq .pid)" ]
    [ "$(step directory | jq -r .path)" = /tmp ]
    step join-namespaces | jq -e '.namespaces | index("pid")'
    [ ! -e "$B/rootfs/tmp/executed" ]
    fails 255 oci exec --dry-run nobody true
    says "does not exist"
}

@test "what would be refused is refused" {
    bundle '.linux.sysctl = {"kernel.core_pattern": "|/x"}'
    fails 1 oci create --dry-run d6
    says "kernel.core_pattern"
    bundle
    fails 1 oci create --dry-run --format yaml d6
    says "neither text nor json"
    fails 1 oci create --format json d6
    says "goes with --dry-run only"
}

@test "a virtual machine is validated, and refused in one line" {
    bundle '.vm = {"kernel": {"path": "/vmlinuz"}, "hwConfig": {"vcpus": 2}}'
    fails 1 oci create d8
    says "vm: the container asks for a virtual machine"
    [ "${#lines[@]}" -eq 1 ]
    nothing_left d8
    fails 1 oci run --dry-run d8
    says "vm: the container asks for a virtual machine"
    bundle '.vm = {"kernel": {"path": "vmlinuz"}}'
    fails 1 oci create d8
    says "vm.kernel.path: 'vmlinuz' is not an absolute path"
}

@test "an ordinary user can look at a plan" {
    require rootless
    bundle
    mkdir -p "$T/user/b"
    cp "$B/config.json" "$T/user/b/"
    cp "$BUILD/dhow-oci" "$T/bin-oci"
    chmod 755 "$T/bin-oci"
    ok as_user "$T/bin-oci" run --bundle "$T/user/b" --dry-run d7
    says 'execute args=sh'
}
