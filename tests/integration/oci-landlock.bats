#!/usr/bin/env bats
# dhow-oci: linux.landlock and the annotation org.dhow.landlock.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
    oci features | jq -e '.linux.landlock.enabled' >/dev/null
    # a kernel without it leaves everything out: no_landlock then says so
    bundle '.linux.landlock = {"ruleset": {"handledAccessFS": [4]}, "disableBestEffort": true}'
    (script true) >"$T/probe" 2>&1 || grep -q "Permission denied" "$T/probe" || {
        skip "Landlock is missing: $(cat "$T/probe")"
    }
}

teardown() {
    oci_cleanup
}

FS='.linux.landlock.ruleset.handledAccessFS'
READ='["LANDLOCK_ACCESS_FS_READ_FILE", "LANDLOCK_ACCESS_FS_READ_DIR", "LANDLOCK_ACCESS_FS_EXECUTE"]'
WRITE='["LANDLOCK_ACCESS_FS_WRITE_FILE", "LANDLOCK_ACCESS_FS_MAKE_REG", "LANDLOCK_ACCESS_FS_REMOVE_FILE"]'

# allow PATHS RIGHTS: a filter that adds a rule
allow() {
    echo ".linux.landlock.rules.pathBeneath += [{\"paths\": $1, \"allowedAccess\": $2}]"
}

@test "reads are allowed below the paths of the rules and denied elsewhere" {
    echo secret >"$B/rootfs/etc/secret"
    echo public >"$B/rootfs/tmp/public"
    bundle "$FS = $READ" "$(allow '["/bin", "/proc", "/tmp"]' "$READ")"
    script 'cat /tmp/public; cat /etc/secret; ls /etc' >"$T/out" 2>&1 || true
    run cat "$T/out"
    says public
    says "'/etc/secret': Permission denied"
    says "can't open '/etc'"
    [[ $output != *"secret"$'\n'"public"* ]]
}

@test "writes are denied where only reading is allowed, also for root" {
    bundle "$FS = $READ + $WRITE" "$(allow '["/"]' "$READ")" "$(allow '["/tmp"]' "$WRITE")"
    run script 'echo a >/tmp/yes && cat /tmp/yes; echo b >/etc/no; rm /etc/passwd; id -u'
    says a
    says "/etc/no: Permission denied"
    says "can't remove '/etc/passwd'"
    [ ! -e "$B/rootfs/etc/no" ]
    [ -e "$B/rootfs/etc/passwd" ]
}

@test "a rule may name a file, and a link is followed inside the root" {
    echo one >"$B/rootfs/etc/one"
    ln -sf /etc/one "$B/rootfs/etc/link"
    ln -sf ../../../../../../etc/one "$B/rootfs/etc/up"
    bundle "$FS = $READ" "$(allow '["/bin", "/etc/up"]' "$READ")"
    run script 'cat /etc/link; cat /etc/passwd'
    says one
    says "'/etc/passwd': Permission denied"
}

@test "connections are allowed to the ports of the rules only" {
    bundle '.linux.landlock.ruleset.handledAccessNet = ["LANDLOCK_ACCESS_NET_CONNECT_TCP", "LANDLOCK_ACCESS_NET_BIND_TCP"]' \
        '.linux.landlock.rules.netPort = [{"ports": [8001], "allowedAccess": ["LANDLOCK_ACCESS_NET_CONNECT_TCP", 1]}]'
    run script 'echo hi | nc -l -p 8001 & sleep 0.3; nc -w 2 127.0.0.1 8001; nc -w 2 127.0.0.1 8002; nc -l -p 8003'
    says hi
    [[ $output == *"127.0.0.1"*"Permission denied"* ]]
    [[ $output == *"bind"*"Permission denied"* ]]
}

@test "exec has the same rules, and signals stay inside its domain" {
    echo secret >"$B/rootfs/etc/secret"
    container l1 "$FS = $READ" "$(allow '["/bin", "/proc"]' "$READ")" \
        '.linux.landlock.ruleset.scoped = ["LANDLOCK_SCOPE_SIGNAL"]'
    run oci exec l1 cat /etc/secret
    says "Permission denied"
    run oci exec l1 sh -c 'kill -0 1'
    says "ot permitted"
}

@test "an ordinary user without no_new_privileges is restricted, and gains nothing" {
    bundle "$FS = $READ" "$(allow '["/bin", "/proc"]' "$READ")" '.process.user = {"uid": 1000, "gid": 1000}' \
        '.process.noNewPrivileges = false'
    run script 'id -u; cat /etc/passwd; grep -E "CapEff|CapPrm|NoNewPrivs" /proc/self/status'
    says 1000
    says "Permission denied"
    says "CapEff:	0000000000000000"
    says "CapPrm:	0000000000000000"
    says "NoNewPrivs:	0"
}

@test "it goes with a seccomp profile" {
    bundle "$FS = $READ" "$(allow '["/bin", "/proc"]' "$READ")" \
        '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["landlock_restrict_self", "landlock_create_ruleset", "mkdir"], "action": "SCMP_ACT_ERRNO"}]}'
    run script 'cat /etc/passwd; mkdir /tmp/x; grep Seccomp: /proc/self/status'
    says "Permission denied"
    says "Operation not permitted"
    says "Seccomp:	2"
}

@test "the annotation does the same" {
    bundle ".annotations[\"org.dhow.landlock\"] = ({\"ruleset\": {\"handledAccessFS\": $READ},
        \"rules\": {\"pathBeneath\": [{\"paths\": [\"/bin\"], \"allowedAccess\": $READ}]}} | tojson)"
    run script 'cat /etc/passwd'
    says "Permission denied"
    cmd sleep 1000
    oci create l2 </dev/null >/dev/null 2>&1
    run oci exec l2 cat /etc/passwd
    says "Permission denied"
}

@test "bad names are refused with their place" {
    bundle "$FS = [\"LANDLOCK_ACCESS_FS_FLY\"]"
    fails 1 oci create l3
    says "linux.landlock.ruleset.handledAccessFS[0]"
    says "LANDLOCK_ACCESS_FS_FLY"
    nothing_left l3
}

@test "a missing path fails, unless it may be missing" {
    bundle "$FS = $READ" "$(allow '["/bin", "/nowhere"]' "$READ")"
    cmd true
    fails 1 oci run l4
    says "linux.landlock.rules.pathBeneath[0].paths[1]: '/nowhere'"
    nothing_left l4
    bundle "$FS = $READ" "$(allow '["/bin", "/nowhere"]' "$READ")" \
        '.linux.landlock.rules.pathBeneath[0].ignoreMissing = true'
    cmd true
    ok oci run l4
}

@test "what the kernel lacks is left out, or refused when all is required" {
    bundle "$FS = $READ + [1152921504606846976]" "$(allow '["/bin"]' "$READ")"
    run script 'cat /etc/passwd; echo ran'
    says "Permission denied"
    says ran
    bundle "$FS = $READ + [1152921504606846976]" "$(allow '["/bin"]' "$READ")" '.linux.landlock.disableBestEffort = true'
    cmd true
    fails 1 oci run l5
    says "0x1000000000000000"
    nothing_left l5
}

@test "dry-run and features name it" {
    bundle "$FS = $READ" "$(allow '["/bin"]' "$READ")"
    ok oci create --dry-run l6
    says "landlock handledAccessFS=LANDLOCK_ACCESS_FS_EXECUTE"
    says "landlock-path paths=/bin"
    oci features | jq -e '.vendorExtensions | index("linux.landlock")'
    oci features | jq -e '.linux.landlock.accessFS | index("LANDLOCK_ACCESS_FS_REFER")'
}
