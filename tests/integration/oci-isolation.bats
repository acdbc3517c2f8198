#!/usr/bin/env bats
# dhow-oci: what a container sees, may do and may use.
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

@test "all namespaces are its own" {
    bundle
    ok script 'cd /proc/self/ns; for n in cgroup ipc mnt net pid uts; do readlink $n; done'
    for line in "${lines[@]}"; do
        [ "$(readlink "/proc/self/ns/${line%%:*}")" != "$line" ]
    done
}

@test "hostname, pid 1, and only its own processes" {
    bundle '.hostname = "boat"' '.domainname = "sea"'
    ok script 'hostname; cat /proc/sys/kernel/domainname; echo $$; set -- /proc/[0-9]*; echo $#'
    [ "$output" = $'boat\nsea\n1\n1' ]
}

@test "namespaces are joined by path, and their type is checked" {
    container j1
    pid=$(oci state j1 | jq .pid)
    bundle "(.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$pid/ns/net\"" \
        "(.linux.namespaces[] | select(.type == \"pid\")).path = \"/proc/$pid/ns/pid\"" \
        "(.linux.namespaces[] | select(.type == \"ipc\")).path = \"/proc/$pid/ns/ipc\"" \
        "(.linux.namespaces[] | select(.type == \"uts\")).path = \"/proc/$pid/ns/uts\"" 'del(.hostname)'
    ok script 'for n in net pid ipc uts; do readlink /proc/self/ns/$n; done; ps | grep -c "sleep 100[0]"'
    for n in net pid ipc uts; do
        says "$(readlink "/proc/$pid/ns/$n")"
    done
    [ "${lines[4]}" = 1 ]
    bundle "(.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$pid/ns/pid\""
    fails 1 oci run j2
    says "is a pid namespace, not a network one"
    bundle '(.linux.namespaces[] | select(.type == "network")).path = "/no/such/file"'
    fails 1 oci run j2
    says "/no/such/file"
    [ "$(oci list -q)" = j1 ]
}

@test "the host's namespaces are shared when they are not listed" {
    bundle '.linux.namespaces |= map(select(.type != "network" and .type != "pid"))'
    ok script 'readlink /proc/self/ns/net; readlink /proc/self/ns/pid'
    says "$(readlink /proc/self/ns/net)"
    says "$(readlink /proc/self/ns/pid)"
}

@test "a time namespace with its clocks moved" {
    bundle '.linux.namespaces += [{"type":"time"}] | .linux.timeOffsets = {"boottime":{"secs":1000000,"nanosecs":0}}'
    ok script 'cut -d. -f1 /proc/uptime'
    [ "$output" -gt 1000000 ]
}

@test "a user namespace maps ids" {
    chmod 755 "$T"
    bundle '.linux.namespaces += [{"type":"user"}]
        | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":1000}]
        | .linux.gidMappings = [{"containerID":0,"hostID":300000,"size":1000}]'
    ok script 'id -u; cat /proc/self/uid_map; echo >/dev/null; ls -l /dev/null /dev/zero | wc -l; touch /tmp/new'
    [ "${lines[0]}" = 0 ]
    says "300000"
    [ "$(stat -c %u "$B/rootfs/tmp/new")" = 300000 ]
    bundle '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":1000}]'
    fails 1 oci run u2
    says "linux.uidMappings"
    nothing_left u2
}

@test "capabilities: exactly those asked for" {
    bundle '.process.capabilities = {"bounding":["CAP_CHOWN","CAP_KILL","CAP_SYS_TIME"],"effective":["CAP_CHOWN"],"permitted":["CAP_CHOWN","CAP_KILL"],"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]} | .process.user = {"uid":1000,"gid":1000}'
    ok script 'grep ^Cap /proc/self/status'
    says $'CapInh:\t0000000000000020'
    says $'CapPrm:\t0000000000000020'
    says $'CapEff:\t0000000000000020'
    says $'CapBnd:\t0000000002000021'
    says $'CapAmb:\t0000000000000020'
    bundle 'del(.process.capabilities)'
    ok script 'grep ^CapBnd /proc/self/status'
    says $'CapBnd:\t0000000000000000'
    bundle '.process.capabilities.bounding += ["CAP_NO_SUCH"]'
    ok script 'true'
    says "unknown capability 'CAP_NO_SUCH'"
}

@test "user, groups and umask" {
    bundle '.process.user = {"uid":1000,"gid":1001,"additionalGids":[5,6],"umask":63}'
    ok script 'id -u; id -g; id -G; umask; echo $HOME'
    [ "$output" = $'1000\n1001\n1001 5 6\n0077\n/home/alice' ]
}

@test "no_new_privs" {
    bundle '.process.noNewPrivileges = true'
    ok script 'grep NoNewPrivs /proc/self/status'
    says 1
    bundle '.process.noNewPrivileges = false'
    ok script 'grep NoNewPrivs /proc/self/status'
    says 0
}

@test "resource limits; one above the host's is refused with a reason" {
    bundle '.process.rlimits = [{"type":"RLIMIT_NOFILE","soft":100,"hard":200},{"type":"RLIMIT_CORE","soft":0,"hard":0}]'
    ok script 'ulimit -n; ulimit -Hn; ulimit -c'
    [ "$output" = $'100\n200\n0' ]
    bundle '.process.rlimits = [{"type":"RLIMIT_NOFILE","soft":9,"hard":9}]'
    ok script 'ulimit -n'
    [ "$output" = 9 ]
    bundle '.process.user = {"uid":1000,"gid":1000} | .process.rlimits = [{"type":"RLIMIT_NOFILE","soft":100,"hard":200}]'
    ok script 'ulimit -Hn'
    [ "$output" = 200 ]
    if ! setpriv -d | grep -q 'Capability bounding set:.*sys_resource'; then
        bundle '.process.rlimits = [{"type":"RLIMIT_NOFILE","soft":99999999,"hard":99999999}]'
        fails 1 script true
        says "process.rlimits[0]: RLIMIT_NOFILE: hard limit 99999999 is above"
    fi
    bundle '.process.rlimits = [{"type":"RLIMIT_NONSENSE","soft":1,"hard":1}]'
    fails 1 script true
    says "process.rlimits[0].type"
}

@test "the default devices, and no other" {
    bundle
    ok script 'for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo missing $d; done
        for l in fd stdin stdout stderr ptmx; do [ -L /dev/$l ] || echo missing $l; done
        ls /dev | grep -vE "^(null|zero|full|random|urandom|tty|fd|stdin|stdout|stderr|ptmx|pts|shm|mqueue)$"; true'
    [ -z "$output" ]
}

@test "listed devices are made, and rules decide what can be opened" {
    bundle '.process.capabilities.bounding += ["CAP_MKNOD"] | .process.capabilities.effective += ["CAP_MKNOD"] | .process.capabilities.permitted += ["CAP_MKNOD"]
        | .linux.devices = [{"path":"/dev/mine","type":"c","major":1,"minor":5,"fileMode":384,"uid":0,"gid":8},{"path":"/dev/sub/pipe","type":"p"}]'
    ok script 'stat -c "%a %u %g" /dev/mine; head -c 3 /dev/mine | wc -c; [ -p /dev/sub/pipe ] && echo pipe
        mknod /tmp/mem c 1 1 && ! head -c 1 /tmp/mem 2>/dev/null && echo denied; rm /tmp/mem'
    [ "$output" = $'600 0 8\n3\npipe\ndenied' ]
    [ -c /dev/fuse ] || return 0
    bundle '.linux.resources.devices += [{"allow":true,"type":"c","major":10,"minor":229,"access":"r"}] | .linux.devices = [{"path":"/dev/fuse","type":"c","major":10,"minor":229}]'
    ok script 'exec 3</dev/fuse && echo readable; (exec 4>/dev/fuse) 2>/dev/null || echo "not writable"'
    [ "$output" = $'readable\nnot writable' ]
}

@test "masked and read-only paths" {
    mkdir -p "$B/rootfs/secret" "$B/rootfs/frozen"
    echo hidden >"$B/rootfs/secret/file"
    echo hidden >"$B/rootfs/secret.txt"
    bundle '.linux.maskedPaths += ["/secret","/secret.txt","/no/such"] | .linux.readonlyPaths += ["/frozen","/no/such"]'
    ok script 'ls -A /secret; cat /secret.txt; touch /secret/x 2>/dev/null || echo ro; touch /frozen/x 2>/dev/null || echo ro
        cat /proc/kcore 2>/dev/null | head -c 1; ls -A /proc/acpi; echo x 2>/dev/null >/proc/sysrq-trigger || echo ro; echo x 2>/dev/null >/proc/sys/kernel/domainname || echo ro'
    [ "$output" = $'ro\nro\nro\nro' ]
}

@test "a read-only root" {
    bundle '.root.readonly = true'
    ok script 'touch /x 2>&1 || true; touch /dev/shm/x && echo writable'
    says "Read-only"
    says "writable"
}

@test "bind mounts: read-only, recursive, files, relative destinations, made targets" {
    mkdir -p "$T/src/sub"
    echo data >"$T/src/file"
    mount -t tmpfs tmpfs "$T/src/sub"
    bundle ".mounts += [
        {\"destination\":\"/m/ro\",\"source\":\"$T/src\",\"options\":[\"rbind\",\"ro\"]},
        {\"destination\":\"/m/rro\",\"source\":\"$T/src\",\"options\":[\"rbind\",\"rro\"]},
        {\"destination\":\"m/one\",\"type\":\"bind\",\"source\":\"$T/src\",\"options\":[\"bind\",\"nosuid\"]},
        {\"destination\":\"/m/file\",\"type\":\"bind\",\"source\":\"$T/src/file\"}]"
    run script 'cat /m/file; touch /m/ro/x 2>/dev/null || echo ro; touch /m/ro/sub/x && echo sub-rw
        touch /m/rro/sub/y 2>/dev/null || echo sub-ro; grep " /m/one " /proc/mounts | grep -o nosuid; grep -c " /m/one" /proc/mounts; touch /m/one/z && echo rw'
    umount "$T/src/sub"
    [ "$output" = $'data\nro\nsub-rw\nsub-ro\nnosuid\n1\nrw' ]
    bundle '.mounts += [{"destination":"/m/none","source":"/no/such/source","options":["bind"]}]'
    fails 1 script true
    says "/no/such/source"
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "tmpfs with size, mode and copied content" {
    mkdir -p "$B/rootfs/full/dir"
    echo there >"$B/rootfs/full/dir/file"
    bundle '.mounts += [{"destination":"/full","type":"tmpfs","source":"tmpfs","options":["tmpcopyup","size=1m","mode=0711","noexec"]}]'
    ok script 'cat /full/dir/file; df -k /full | tail -1 | awk "{print \$2}"; grep " /full " /proc/mounts | grep -o noexec'
    [ "$output" = $'there\n1024\nnoexec' ]
    bundle '.mounts += [{"destination":"/full","type":"tmpfs","source":"tmpfs","options":["nonsense=1"]}]'
    fails 1 script true
    says "'/full'"
    bundle '.mounts += [{"destination":"/full","type":"nosuchfs","source":"x"}]'
    fails 1 script true
    says "nosuchfs"
}

@test "propagation: nothing goes out, slaves receive" {
    mkdir -p "$T/prop"
    mount -t tmpfs tmpfs "$T/prop"
    mount --make-shared "$T/prop"
    mkdir "$T/prop/in"
    bundle ".mounts += [{\"destination\":\"/prop\",\"source\":\"$T/prop\",\"options\":[\"rbind\",\"rslave\"]},
        {\"destination\":\"/priv\",\"source\":\"$T/prop\",\"options\":[\"rbind\",\"rprivate\"]}]"
    cmd sleep 1000
    oci create p1 </dev/null >/dev/null 2>&1
    oci start p1
    mount -t tmpfs tmpfs "$T/prop/in"
    touch "$T/prop/in/new"
    run oci exec p1 sh -c '[ -e /prop/in/new ] && echo slave; [ -e /priv/in/new ] || echo private'
    oci delete -f p1
    umount -R "$T/prop"
    [ "$output" = $'slave\nprivate' ]
}

@test "propagation: a shared bind reaches the host, and only that" {
    mkdir -p "$T/prop2"
    mount -t tmpfs tmpfs "$T/prop2"
    mount --make-shared "$T/prop2"
    mkdir "$T/prop2/m"
    bundle ".mounts += [{\"destination\":\"/prop\",\"source\":\"$T/prop2\",\"options\":[\"rbind\",\"rshared\"]}]" \
        '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
    run script 'mount -t tmpfs tmpfs /prop/m && touch /prop/m/out; mount -t tmpfs tmpfs /tmp; true'
    seen=$([ -e "$T/prop2/m/out" ] && echo yes)
    umount -R "$T/prop2"
    [ "$seen" = yes ]
    ! grep -F "$B/rootfs" /proc/self/mountinfo
}

@test "sysctls of its own namespaces only" {
    bundle '.linux.sysctl = {"net.ipv4.ip_forward":"1","kernel.shmmax":"1000000","fs.mqueue.msg_max":"20"}'
    ok script 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax /proc/sys/fs/mqueue/msg_max'
    [ "$output" = $'1\n1000000\n20' ]
    for key in kernel.core_pattern kernel.hostname vm.swappiness ../x net.../kernel.core_pattern; do
        bundle ".linux.sysctl = {\"$key\":\"1\"}"
        fails 1 script true
        says "$key"
    done
    bundle '.linux.sysctl = {"net.ipv4.ip_forward":"1"}' '.linux.namespaces |= map(select(.type != "network"))'
    fails 1 script true
    says "shared"
}

@test "limits on this host's cgroups" {
    require cgroup-v1
    bundle '.linux.resources += {"memory":{"limit":33554432,"swap":33554432},"cpu":{"shares":512,"quota":20000,"period":100000,"cpus":"0"},"pids":{"limit":11}}'
    ok script 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpuset/cpuset.cpus'
    [ "$output" = $'33554432\n11\n512\n20000\n0' ]
    run script 'i=0; while [ $i -lt 30 ]; do sleep 1 & i=$((i+1)); done; wait'
    [ "$status" -ne 0 ]
    run script 'a=x; while :; do a=$a$a$a$a; done'
    [ "$status" -eq 137 ]
    nothing_left "c-$BATS_TEST_NUMBER"
    bundle '.linux.resources.memory = {"limit":-5}'
    fails 1 script true
    says "linux.resources.memory.limit"
    nothing_left "c-$BATS_TEST_NUMBER"
    bundle '.linux.resources.unified = {"../x.y":"1"}'
    fails 1 script true
    says "unified"
}

@test "a cgroup path of one's own; no '..' in it" {
    bundle '.linux.cgroupsPath = "/dhow-test-oci/sub/one"'
    cmd sleep 1000
    oci create g1 </dev/null >/dev/null 2>&1
    [ -d /sys/fs/cgroup/unified/dhow-test-oci/sub/one ] || [ -d /sys/fs/cgroup/dhow-test-oci/sub/one ]
    oci delete -f g1
    find /sys/fs/cgroup -depth -type d -path '*/dhow-test-oci*' -exec rmdir {} +
    bundle '.linux.cgroupsPath = "/a/../../b"'
    fails 1 script true
    says "'..'"
}

@test "seccomp: the profile decides" {
    bundle '.linux.seccomp = {"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28},{"names":["getpid"],"action":"SCMP_ACT_ERRNO"}]}'
    ok script 'mkdir /tmp/x 2>&1 || true; grep Seccomp: /proc/self/status'
    says "No space left"
    says $'Seccomp:\t2'
    bundle '.process.noNewPrivileges = false | .linux.seccomp = {"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["execveat"],"action":"SCMP_ACT_ERRNO"},{"names":["sync"],"action":"SCMP_ACT_KILL_PROCESS"}]}'
    ok script 'true'
    fails 159 script 'exec sync'
    bundle '.linux.seccomp = {"defaultAction":"SCMP_ACT_NOTIFY"}'
    fails 1 script true
    says "linux.seccomp"
}

@test "hooks run in order, where they should, with the state" {
    cat >"$T/hook" <<END
#!/bin/sh
state=\$(cat)
echo "\$1 \$(echo "\$state" | jq -r .status) \$(readlink /proc/self/ns/mnt | tr -dc 0-9) \$HOOK" >>"$T/hooks.log"
END
    chmod +x "$T/hook"
    printf '#!/bin/sh\necho "in $(cat | grep -c ociVersion)" >/tmp/start-hook\n' >"$B/rootfs/bin/starthook"
    chmod +x "$B/rootfs/bin/starthook"
    rm -f "$T/hooks.log"
    bundle "def h(\$n): {\"path\":\"$T/hook\",\"args\":[\"hook\",\$n],\"env\":[\"PATH=$PATH\",\"HOOK=set\"]};
        .hooks = {\"prestart\":[h(\"prestart\")],\"createRuntime\":[h(\"createRuntime\")],\"createContainer\":[h(\"createContainer\")],
        \"startContainer\":[{\"path\":\"/bin/starthook\",\"env\":[\"PATH=/bin\"]}],\"poststart\":[h(\"poststart\")],\"poststop\":[h(\"poststop\")]}"
    ok script 'cat /tmp/start-hook; sleep 0.3'
    says "in 1"
    [ "$(cut -d' ' -f1 "$T/hooks.log" | tr '\n' ' ')" = "prestart createRuntime createContainer poststart poststop " ]
    [ "$(cut -d' ' -f2 "$T/hooks.log" | tr '\n' ' ')" = "created created created running stopped " ]
    grep -q "set$" "$T/hooks.log"
    own=$(readlink /proc/self/ns/mnt | tr -dc 0-9)
    [ "$(sed -n 2p "$T/hooks.log" | cut -d' ' -f3)" = "$own" ]
    [ "$(sed -n 3p "$T/hooks.log" | cut -d' ' -f3)" != "$own" ]
}

@test "a hook that fails or hangs fails the container, and nothing stays" {
    bundle '.hooks.createRuntime = [{"path":"/bin/sh","args":["sh","-c","echo why >&2; exit 3"],"env":["PATH=/bin"]}]'
    fails 1 script true
    says "hooks.createRuntime[0]"
    says "status 3: why"
    bundle '.hooks.createContainer = [{"path":"/bin/sleep","args":["sleep","100"],"timeout":1}]'
    fails 1 script true
    says "did not end within 1 s"
    bundle '.hooks.poststart = [{"path":"/bin/false"}]'
    fails 1 script 'sleep 100'
    says "hooks.poststart[0]"
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "a terminal: console socket, size, /dev/console" {
    cat >"$T/recv.py" <<'END'
import array, os, socket, sys, select
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)
open(sys.argv[1] + ".ready", "w").close()
c, _ = s.accept()
data, anc, _, _ = c.recvmsg(64, socket.CMSG_SPACE(4))
fd = array.array("i", anc[0][2])[0]
out = b""
while True:
    try:
        d = os.read(fd, 4096)
    except OSError:
        break
    if not d:
        break
    out += d
sys.stdout.write(out.decode())
END
    bundle '.process.terminal = true | .process.consoleSize = {"height":17,"width":71}'
    cmd sh -c 'tty; stty size; ls /dev/console; [ -t 0 ] && [ -t 2 ] && echo all; echo hi >/dev/console'
    python3 "$T/recv.py" "$T/console" >"$T/term.out" 3>&- &
    recv=$!
    wait_for 5 test -e "$T/console.ready"
    oci create --console-socket "$T/console" t1
    oci start t1
    wait $recv
    run cat "$T/term.out"
    says "/dev/pts/0"
    says "17 71"
    says "/dev/console"
    says "all"
    says "hi"
    fails 1 oci create t2
    says "--console-socket"
    bundle
    fails 1 oci create --console-socket "$T/console" t2
    says "process.terminal is not set"
}

@test "descriptors: 0 to 2 and those preserved, nothing else" {
    bundle
    ok script 'ls /proc/self/fd | wc -l'
    [ "$output" = 4 ]
    cmd sh -c 'cat <&3; ls /proc/$$/fd | tr "\n" " "'
    echo preserved >"$T/three"
    run bash -c "cd '$B' && exec '$BUILD/dhow-oci' --root '$T/oci' run --preserve-fds 1 f1 3<'$T/three' 4<'$T/three'"
    says "preserved"
    says "0 1 2 3 "
    [[ $output != *" 4 "* ]] || [[ $output == *"0 1 2 3 "* ]]
}

@test "socket activation descriptors" {
    bundle
    cmd sh -c 'echo $LISTEN_FDS $LISTEN_PID; cat <&3'
    echo sock >"$T/three"
    run bash -c "cd '$B' && LISTEN_FDS=1 exec '$BUILD/dhow-oci' --root '$T/oci' run f2 3<'$T/three'"
    [ "$output" = $'1 1\nsock' ]
}

@test "annotations are in the state" {
    container a1 '.annotations = {"org.example.key":"value"}'
    [ "$(oci state a1 | jq -r '.annotations["org.example.key"]')" = value ]
}

@test "an ordinary user: a user namespace of subordinate ids, no limits" {
    require rootless
    cp -a "$B" "$T/user/bundle"
    chown -R "$TEST_USER:" "$T/user/bundle"
    rm -f "$T/user/bundle/config.json"
    as_user sh -c "cd bundle && $T/bin/dhow-oci spec --rootless && jq '.process.terminal = false | del(.process.rlimits) | .process.args = [\"sh\",\"-c\",\"id -u; touch /tmp/rootless; hostname\"] | .root.readonly = false' config.json >c && mv c config.json"
    ok as_user sh -c "cd bundle && $T/bin/dhow-oci --root $T/xdg/oci run rl1"
    [ "${lines[0]}" = 0 ]
    [ "$(stat -c %U "$T/user/bundle/rootfs/tmp/rootless")" = "$TEST_USER" ]
    start=$(grep "^$TEST_USER:" /etc/subuid | cut -d: -f2)
    uid=$(id -u "$TEST_USER")
    as_user sh -c "cd bundle && jq '.linux.uidMappings = [{\"containerID\":0,\"hostID\":$uid,\"size\":1},{\"containerID\":1,\"hostID\":$start,\"size\":1000}] | .linux.gidMappings = [{\"containerID\":0,\"hostID\":$(id -g "$TEST_USER"),\"size\":1},{\"containerID\":1,\"hostID\":$(grep "^$TEST_USER:" /etc/subgid | cut -d: -f2),\"size\":1000}] | .process.user = {\"uid\":7,\"gid\":7} | .process.args = [\"sh\",\"-c\",\"id -u; touch /tmp/seven\"]' config.json >c && mv c config.json"
    ok as_user sh -c "cd bundle && $T/bin/dhow-oci --root $T/xdg/oci run rl2"
    [ "${lines[0]}" = 7 ]
    [ "$(stat -c %u "$T/user/bundle/rootfs/tmp/seven")" = $((start + 6)) ]
    as_user sh -c "cd bundle && jq '.linux.resources = {\"memory\":{\"limit\":33554432}}' config.json >c && mv c config.json"
    fails 1 as_user sh -c "cd bundle && $T/bin/dhow-oci --root $T/xdg/oci run rl3"
    says "limits take root or a delegated cgroup"
    [ -z "$(ls -A "$T/xdg/oci")" ]
}
