#!/usr/bin/env bats
# Attacks that worked on runc, crun, youki or their callers, one test each. What stands in the
# comments is the mechanism; the expectation is always: the host is untouched.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
}

setup() {
    # what an attack changed in the root must not reach the next test
    rm -rf "$B/rootfs.pristine"
    cp -a "$B/rootfs" "$B/rootfs.pristine"
    echo untouched >"$T/canary"
}

teardown() {
    # also of a test that failed: it would hold the lock of oci_setup
    [ -z "${bus:-}" ] || kill "$bus" || true
    [ -z "${racer:-}" ] || kill "$racer" || true
    oci_cleanup
    rm -rf --one-file-system "$B/rootfs"
    mv "$B/rootfs.pristine" "$B/rootfs"
    [ "$(cat "$T/canary")" = untouched ]
}

digest() {
    sha256sum <"$BUILD/dhow-oci"
}

@test "CVE-2016-9962: a process that joins cannot be traced or looked into" {
    # a container that can trace keeps opening the descriptors and the program of whoever joins it
    bundle '.process.capabilities |= map_values(. + ["CAP_SYS_PTRACE"])'
    cmd sh -c 'while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] || readlink $p/exe; done; done >/tmp/seen 2>/dev/null'
    oci create p1 </dev/null >/dev/null 2>&1
    oci start p1
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        oci exec p1 true
    done
    oci delete -f p1
    ! grep -q dhow-oci "$B/rootfs/tmp/seen"
}

@test "CVE-2019-5736: /proc/self/exe as program or interpreter is not the runtime" {
    before=$(digest)
    printf '#!/proc/self/exe\n' >"$B/rootfs/bin/evil"
    chmod +x "$B/rootfs/bin/evil"
    bundle '.process.capabilities |= map_values(. + ["CAP_DAC_OVERRIDE","CAP_SYS_PTRACE"])'
    cmd /bin/evil --version
    run oci run e1
    [[ $output != *"dhow-oci version"* ]]
    cmd /proc/self/exe --version
    run oci run e2
    [[ $output != *"dhow-oci version"* ]]
    container e3 '.process.capabilities |= map_values(. + ["CAP_DAC_OVERRIDE","CAP_SYS_PTRACE"])'
    # whoever is executed shows its program: it must be none of the host's, and not writable
    oci exec -d e3 sh -c 'while :; do for p in /proc/[0-9]*; do readlink $p/exe; (exec 3>>$p/exe) 2>/dev/null && echo "WRITABLE $(readlink $p/exe)"; done; done >/tmp/exes 2>/dev/null' </dev/null >/dev/null 2>&1
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        run oci exec e3 /bin/evil --version
        [[ $output != *"dhow-oci version"* ]]
    done
    oci delete -f e3
    ! grep -q dhow-oci "$B/rootfs/tmp/exes"
    ! grep "WRITABLE" "$B/rootfs/tmp/exes" | grep -v busybox
    [ "$(digest)" = "$before" ]
}

@test "CVE-2019-16884: nothing is mounted over /proc" {
    mkdir -p "$T/fake"
    for dest in /proc /proc/ /proc/self/attr /proc/sys ///proc/../proc/x; do
        bundle ".mounts += [{\"destination\":\"$dest\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}]"
        run script true
        case $dest in
        ///*) ;;
        *)
            [ "$status" -eq 1 ]
            says "/proc"
            ;;
        esac
    done
}

@test "CVE-2019-18837: mount targets that are links stay inside the root" {
    ln -s "$T" "$B/rootfs/way-out"
    ln -s "../../../../../../../../../..$T" "$B/rootfs/way-out2"
    # one at a time: the first that is refused ends it
    for mount in '"/way-out/canary","type":"bind","source":"/dev/null"' '"/way-out/deep/dir","type":"tmpfs","source":"tmpfs"' \
        '"/way-out2/deep/dir","type":"tmpfs","source":"tmpfs"' '"/way-out/deep/file","type":"bind","source":"/dev/null"'; do
        bundle ".mounts += [{\"destination\":$mount}]"
        run script true
        [ ! -e "$T/deep" ]
        [ "$(cat "$T/canary")" = untouched ]
    done
    ! grep -F " $T" /proc/self/mountinfo
}

@test "CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc and /sys as links are refused" {
    for name in proc sys; do
        rm -rf "$B/rootfs/$name"
        mkdir -p "$B/rootfs/elsewhere"
        ln -s elsewhere "$B/rootfs/$name"
        bundle
        fails 1 script true
        says "/$name"
        rm "$B/rootfs/$name"
        mkdir "$B/rootfs/$name"
    done
}

@test "CVE-2021-30465, CVE-2024-45310: a mount target exchanged for a link" {
    require python3
    mkdir -p "$T/volume/dir" "$T/outside"
    cat >"$T/racer.py" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None)
a, b = (os.path.join(sys.argv[1], n).encode() for n in ("dir", "link"))
try: os.symlink(sys.argv[2], b)
except FileExistsError: pass
open(sys.argv[1] + ".ready", "w").close()
while True:
    libc.renameat2(-100, a, -100, b, 2)
END
    python3 "$T/racer.py" "$T/volume" "$T/outside" 3>&- 8>&- &
    racer=$!
    wait_for 5 test -e "$T/volume.ready"
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        bundle ".mounts += [{\"destination\":\"/v\",\"source\":\"$T/volume\",\"options\":[\"bind\"]},
            {\"destination\":\"/v/dir/made/deep\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}]"
        cmd true
        oci run "race$i" >/dev/null 2>&1 || true
    done
    kill "$racer"
    racer=
    [ -z "$(ls -A "$T/outside")" ]
    ! grep -F " $T" /proc/self/mountinfo
}

@test "CVE-2021-43784: nothing huge is cut short, or read as something else" {
    chmod 711 "$T"
    # nearly the page of mappings that the kernel takes, and more than that
    bundle '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [range(0;260) | {"containerID":(70000 + 2 * .),"hostID":(400000 + 2 * .),"size":1}]
        | .linux.uidMappings[0] = {"containerID":0,"hostID":300000,"size":65536} | .linux.gidMappings = .linux.uidMappings'
    ok script 'wc -l </proc/self/uid_map; tail -n 1 /proc/self/gid_map'
    [ "$(xargs <<<"$output")" = "260 70518 400518 1" ]
    bundle '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [range(0;5000) | {"containerID":.,"hostID":(300000+.),"size":1}] | .linux.gidMappings = .linux.uidMappings'
    fails 1 script true
    says "id mapping"
    # what is longer than 16 bits can count, with something at its end that looks like a state
    text='","pid":1,"status":"running","owner":"'
    container m1 ".annotations = {\"a\":((\"x\" * 70000) + $(jq -n --arg t "$text" '$t'))}"
    oci state m1 >"$T/m1.json"
    [ "$(jq -r '.annotations.a | length' "$T/m1.json")" = $((70000 + ${#text})) ]
    [ "$(jq -r .annotations.a "$T/m1.json" | tail -c $((${#text} + 1)))" = "$text" ]
    [ "$(readlink "/proc/$(jq .pid "$T/m1.json")/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

@test "CVE-2022-29162, CVE-2022-27650: inheritable and ambient are empty unless asked for" {
    container i1
    ok oci exec --cap CAP_NET_ADMIN i1 grep -E 'CapInh|CapAmb' /proc/self/status
    [ "$output" = $'CapInh:\t0000000000000000\nCapAmb:\t0000000000000000' ]
    bundle
    ok script "grep -E 'CapInh|CapAmb' /proc/self/status"
    [ "$output" = $'CapInh:\t0000000000000000\nCapAmb:\t0000000000000000' ]
}

@test "CVE-2022-0811: a sysctl is one key and one value" {
    pattern=$(cat /proc/sys/kernel/core_pattern)
    for pair in '"net.ipv4.ip_forward":"1+kernel.core_pattern=|/evil"' '"net.ipv4.ip_forward\nkernel.core_pattern":"x"' '"kernel.core_pattern":"|/evil"' '"net/../kernel/core_pattern":"|/evil"'; do
        bundle ".linux.sysctl = {$pair}"
        run script true
        now=$(cat /proc/sys/kernel/core_pattern)
        # it is the machine's: also where this fails
        [ "$now" = "$pattern" ] || printf '%s' "$pattern" >/proc/sys/kernel/core_pattern
        [ "$now" = "$pattern" ]
        [ "$status" -ne 0 ]
    done
}

@test "CVE-2022-0492: no release_agent in reach" {
    bundle '.linux.resources.memory = {"limit":67108864} | .linux.resources.pids = {"limit":50}'
    [ "$(jq '[.mounts[] | select(.type == "cgroup")] | length' "$B/config.json")" = 1 ]
    ok script 'ls /sys/fs/cgroup | wc -l; find /sys/fs/cgroup -name release_agent; touch /sys/fs/cgroup/x 2>/dev/null && echo writable; true'
    # there are cgroups to be seen, and that is all
    [[ $output =~ ^[1-9][0-9]*$ ]]
    # one that may mount cgroups sees its own part only
    bundle '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"]) | .linux.resources.memory = {"limit":67108864}'
    ok script 'mkdir /tmp/cg; mount -t cgroup -o memory none /tmp/cg 2>/dev/null && find /tmp/cg -maxdepth 1 -name release_agent; true'
    [ -z "$output" ]
}

@test "CVE-2023-25809: the cgroups of the host are not writable" {
    bundle
    ok script 'grep " /sys/fs/cgroup" /proc/mounts | grep -v " ro," | wc -l'
    [ "$output" = 0 ]
    require rootless
    rm -rf "$T/user/bundle"
    cp -a "$B" "$T/user/bundle"
    chown -R "$TEST_USER:" "$T/user/bundle"
    rm -f "$T/user/bundle/config.json"
    as_user sh -c "cd bundle && $T/bin/dhow-oci spec --rootless && jq '.process.terminal = false | del(.process.rlimits) | .process.args = [\"sh\",\"-c\",\"find /sys/fs/cgroup -writable -type f 2>/dev/null | wc -l\"]' config.json >c && mv c config.json"
    ok as_user sh -c "cd bundle && $T/bin/dhow-oci --root $T/xdg/oci run rl1"
    [ "$output" = 0 ]
}

@test "CVE-2024-3154: annotations give systemd no commands" {
    require python3
    [ ! -d /run/systemd/system ] || missing no-systemd "the real one would be asked"
    v2=$(findmnt -nr -t cgroup2 -o TARGET | head -n 1)
    [ -w "$v2/cgroup.procs" ] || missing cgroup-v2 "no v2 hierarchy"
    "$TOP/tests/lib/fake-systemd" "$T/bus" "$T/calls" "$v2" 2>/dev/null 3>&- 8>&- &
    bus=$!
    wait_for 5 test -S "$T/bus"
    for name in ExecStartPre ExecStart ExecStopPost OnFailure User DeviceAllow Wants; do
        bundle ".annotations = {\"org.systemd.property.$name\":\"'/bin/touch $T/pwned'\"}"
        cmd true
        DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus,guid=0 run oci --systemd-cgroup run "p-$name" </dev/null
        [ "$status" -ne 0 ]
        says "org.systemd.property.$name"
    done
    ! grep -q pwned "$T/calls"
    [ ! -e "$T/pwned" ]
    oci features | jq -e '.potentiallyUnsafeConfigAnnotations | index("org.systemd.property.")'
}

@test "CVE-2024-21626: no descriptor of the host's as working directory" {
    for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 20 30; do
        bundle ".process.cwd = \"/proc/self/fd/$n\""
        fails 1 script 'pwd; ls ../../../../..'
    done
    container w1
    for n in 3 4 5 6 7 8 9 10 11 12; do
        run oci exec --cwd "/proc/self/fd/$n" w1 pwd
        [ "$status" -ne 0 ]
    done
    ln -s /proc/self/fd/7 "$B/rootfs/link"
    run oci exec --cwd /link w1 pwd
    [ "$status" -ne 0 ]
    # and what is inherited is not passed on
    bundle
    cmd sh -c 'ls /proc/self/fd | wc -l'
    run bash -c "cd '$B' && exec 7</ 9</etc/passwd && exec '$BUILD/dhow-oci' --root '$T/oci' run w2"
    [ "$output" = 4 ]
}

# descriptors PID MAX: what a process has open above MAX, but sockets and the sealed stage
descriptors() {
    local fd to
    for fd in "/proc/$1/fd"/*; do
        to=$(readlink "$fd")
        [ "${fd##*/}" -gt "$2" ] || continue
        [[ $to == socket:* || $to == /memfd:dhow-stage* ]] || echo "${fd##*/} $to"
    done
}

@test "CVE-2016-9962, CVE-2024-21626: while it waits to be started, init holds nothing of the host's" {
    bundle '.linux.resources.memory = {"limit":67108864} | .linux.resources.pids = {"limit":50}'
    cmd sleep 1000
    # inherited descriptors, some close-on-exec and some not, and those of the runtime itself
    (cd "$B" && exec 5</ 9</etc/passwd 17<"$T" && dhow_oci create h1 </dev/null >/dev/null 2>&1)
    run descriptors "$(oci state h1 | jq .pid)" 2
    echo "$output"
    [ -z "$output" ]
    ok oci start h1
    oci delete -f h1
    # those that are asked for stay, and nothing above them
    (cd "$B" && exec 3</etc/passwd 4</etc/group 5</ 6</ && dhow_oci create --preserve-fds 2 h2 </dev/null >/dev/null 2>&1)
    pid=$(oci state h2 | jq .pid)
    [ "$(readlink "/proc/$pid/fd/4")" = /etc/group ]
    run descriptors "$pid" 4
    echo "$output"
    [ -z "$output" ]
    oci delete -f h2
    # without a process
    bundle 'del(.process)'
    (cd "$B" && exec 5</ && dhow_oci create h3 </dev/null >/dev/null 2>&1)
    run descriptors "$(oci state h3 | jq .pid)" 2
    echo "$output"
    [ -z "$output" ]
}

@test "CVE-2025-23266: a hook's environment is the configuration's" {
    printf '/usr/bin/env >>"%s"\n' "$T/hook.env" >"$T/hook.sh"
    hook="{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"$T/hook.sh\"]}"
    bundle ".process.env += [\"LD_PRELOAD=/evil.so\"] | .hooks = {\"createRuntime\":[$hook],\"createContainer\":[$hook,$hook + {\"env\":[\"ONLY=this\"]}]}"
    LD_LIBRARY_PATH=/evil ok script true
    [ "$(grep -c '^PWD=' "$T/hook.env")" = 3 ]
    grep -q '^ONLY=this' "$T/hook.env"
    ! grep -q evil "$T/hook.env"
}

@test "CVE-2025-24965: files are not made through links of the root" {
    mkdir "$T/made"
    for to in "$T/made" "../../../../../../../../../..$T/made"; do
        ln -sfn "$to" "$B/rootfs/etc/dir"
        ln -sfn "$to/file" "$B/rootfs/etc/target"
        # one at a time: the first that is refused ends it
        for change in '.mounts += [{"destination":"/etc/target","type":"bind","source":"/etc/hostname"}]' \
            '.mounts += [{"destination":"/etc/dir/other","type":"bind","source":"/etc/hostname"}]' \
            '.linux.devices = [{"path":"/etc/dir/null","type":"c","major":1,"minor":3}]' '.process.cwd = "/etc/dir/cwd"'; do
            bundle "$change"
            run script true
            [ -z "$(ls -A "$T/made")" ]
        done
    done
    rmdir "$T/made"
}

@test "CVE-2025-31133: a masked path is masked by the null device and nothing else" {
    rm -rf "$B/rootfs/dev"
    mkdir "$B/rootfs/dev"
    ln -s /proc/sysrq-trigger "$B/rootfs/dev/null"
    # the root's own /dev instead of a fresh one
    bundle '.mounts |= map(select(.destination | startswith("/dev") | not))'
    fails 1 script 'cat /proc/kcore | head -c 1'
    rm "$B/rootfs/dev/null"
    echo secret >"$B/rootfs/dev/null"
    fails 1 script true
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "CVE-2025-52565: /dev/console and /dev/pts of the root are not trusted" {
    rm -rf "$B/rootfs/dev"
    mkdir -p "$B/rootfs/dev/pts"
    for to in "$T/canary" "../../../../../../../../../..$T/canary" ../etc/passwd; do
        ln -sfn "$to" "$B/rootfs/dev/console"
        bundle '.process.terminal = true | .mounts |= map(select(.destination | (startswith("/dev") | not) or . == "/dev/pts"))'
        cmd cat /etc/passwd
        run bash -c "cd '$B' && '$BUILD/dhow-oci' --root '$T/oci' run t1 </dev/null"
        [ "$status" -ne 0 ]
        says "bind '/dev/console'"
        [ "$(stat -c %F "$T/canary")" = "regular file" ]
    done
    rm -r "$B/rootfs/dev"
    mkdir "$B/rootfs/dev"
    ln -s "$T" "$B/rootfs/dev/pts"
    bundle '.process.terminal = true | .mounts |= map(select(.destination | startswith("/dev") | not))'
    run bash -c "cd '$B' && '$BUILD/dhow-oci' --root '$T/oci' run t1 </dev/null"
    [ "$status" -ne 0 ]
    says "/dev/pts"
}

@test "CVE-2025-52881: writes to procfs cannot be redirected" {
    pattern=$(cat /proc/sys/kernel/core_pattern)
    echo 0 >"$T/decoy"
    bundle ".mounts += [{\"destination\":\"/proc/sys/net/ipv4/ip_forward\",\"type\":\"bind\",\"source\":\"$T/decoy\"}] | .linux.sysctl = {\"net.ipv4.ip_forward\":\"1\"}"
    run script true
    [ "$(cat "$T/decoy")" = 0 ]
    [ "$status" -eq 1 ]
    [ "$(cat /proc/sys/kernel/core_pattern)" = "$pattern" ]
}

@test "youki's CVE-2025-54867, CVE-2025-62161, CVE-2025-62596: links at /proc/self, masks and labels" {
    rm -rf "$B/rootfs/proc"
    ln -s / "$B/rootfs/proc"
    bundle
    fails 1 script true
    says "/proc"
    rm "$B/rootfs/proc"
    mkdir "$B/rootfs/proc"
    ln -s "$T" "$B/rootfs/out"
    bundle '.linux.maskedPaths += ["/out/canary"] | .linux.readonlyPaths += ["/out"]'
    ok script true
    ! grep -F " $T" /proc/self/mountinfo
    bundle '.process.selinuxLabel = "label" | .linux.mountLabel = "label"'
    fails 1 script true
    says "SELinux is not active"
}

@test "CVE-2026-30892: a user is a number, whole" {
    container u1
    for user in 1abc '' : -1 4294967295 4294967296 1:x 1:-1 ' 1' '1 ' 0x1 root +1; do
        run oci exec -u "$user" u1 id
        [ "$status" -eq 255 ]
        says "is not UID"
    done
    for uid in -1 4294967296 '"0"' 1.5; do
        bundle ".process.user.uid = $uid"
        fails 1 script true
        says "process.user.uid"
    done
}

@test "CVE-2026-41579, CVE-2026-47766: /dev as a link makes nothing on the host" {
    mkdir "$T/hostdev"
    for target in "$T/hostdev" ../../../../../../../.."$T/hostdev" hostdir; do
        rm -rf "$B/rootfs/dev"
        ln -s "$target" "$B/rootfs/dev"
        bundle '.mounts |= map(select(.destination | startswith("/dev") | not))'
        fails 1 script true
        cmd sleep 1000
        fails 1 oci create d1
        [ -z "$(ls -A "$T/hostdev")" ]
        # with a tmpfs on it, the link is followed inside the root only
        bundle
        run script true
        [ -z "$(ls -A "$T/hostdev")" ]
        nothing_left d1
    done
}

@test "crun #2262: a bind of the host's / beside pinned namespaces stays what it is" {
    touch "$T/pinned"
    unshare --net="$T/pinned" true
    bundle '.mounts += [{"destination":"/host","source":"/","options":["rbind","ro"]}]'
    run script "cat /host$T/canary; touch /host$T/x 2>/dev/null || echo ro"
    umount "$T/pinned"
    [ "$output" = $'untouched\nro' ]
}

@test "ids and cgroup paths cannot climb" {
    bundle
    for id in .. ../x a/b . .x 'a b' ''; do
        run oci run -- "$id"
        [ "$status" -ne 0 ]
    done
    [ ! -e "$T/x" ]
    for path in /../x /a/../../b .. /./a; do
        bundle ".linux.cgroupsPath = \"$path\""
        fails 1 script true
    done
}
