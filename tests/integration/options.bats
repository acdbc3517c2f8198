#!/usr/bin/env bats
# What each option of run and create does inside the container.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root
    image busybox
    fixture busybox
    dhow import -c 'ENTRYPOINT ["/bin/echo","entry"]' -c 'CMD ["cmd"]' -c 'ENV FROM=image' \
        -c 'USER user' -c 'WORKDIR /srv/app' "$DHOW_FIXTURES/busybox.tar" configured
}

box() {
    case " $* " in *" --network "*) dhow run --rm "$@" ;; *) dhow run --rm --network none "$@" ;; esac
}

@test "entrypoint and command combine as docker's do" {
    ok box configured
    [ "$output" = "entry cmd" ]
    ok box configured mine
    [ "$output" = "entry mine" ]
    ok box --entrypoint /bin/echo configured
    [ "$output" = "" ]
    ok box --entrypoint '["/bin/echo","a  b"]' configured c
    [ "$output" = "a  b c" ]
}

@test "a command that is missing is 127, one that cannot be executed 126, a bad option 125" {
    fails 127 box busybox /no/such
    fails 127 box busybox nosuch
    fails 126 box busybox /etc
    fails 125 box --no-such-option busybox true
    says "unknown option '--no-such-option'"
    fails 7 box busybox sh -c 'exit 7'
    fails 137 box busybox sh -c 'sh -c "kill -9 \$\$"; exit $?'
}

@test "-e, --env-file and the image's environment" {
    printf '# comment\nA=1 with blanks\n\nFROM_HOST\nB=\n' >"$T/env"
    export FROM_HOST=here NOT_ASKED=secret
    ok box --env-file "$T/env" -e C=3 -e UNSET_HERE --entrypoint /bin/env configured
    says "A=1 with blanks"
    says "FROM_HOST=here"
    says "C=3"
    says "FROM=image"
    [[ $output != *NOT_ASKED* && $output != *UNSET_HERE* ]]
    printf 'bad name=1\n' >"$T/env"
    fails 125 box --env-file "$T/env" busybox env
    says "line 1"
    fails 125 box --env-file "$T/missing" busybox env
    says "$T/missing"
    ok box -t busybox sh -c 'echo $TERM $HOME'
    says "xterm /root"
}

@test "users, groups and homes come from the image" {
    ok box busybox id
    says "uid=0(root) gid=0(root)"
    ok box --entrypoint /bin/id configured
    says "uid=1000(user)"
    says "4321(extra)"
    ok box -u 1234:5678 busybox id
    says "uid=1234 gid=5678"
    ok box -u 2147483647 busybox id -u
    says 2147483647
    ok box -u 0 --group-add 777 busybox id -G
    says 777
    fails 125 box -u nobodyhere busybox true
    says "no user 'nobodyhere'"
    fails 125 box -u 4294967296 busybox true
    fails 125 box --group-add nosuch busybox true
    says "--group-add 'nosuch'"
}

@test "the working directory is made when it is missing" {
    ok box --entrypoint /bin/pwd configured
    [ "$output" = /srv/app ]
    ok box -w /a/b/c busybox pwd
    [ "$output" = /a/b/c ]
    fails 125 box -w relative busybox pwd
}

@test "--hostname, --domainname, and what stands for them by default" {
    ok box --hostname web --domainname example busybox sh -c 'hostname; cat /proc/sys/kernel/domainname; cat /etc/hostname'
    [ "${lines[0]}" = web ]
    [ "${lines[1]}" = example ]
    [ "${lines[2]}" = web ]
    ok box --network host busybox hostname
    [ "$output" = "$(hostname)" ]
    id=$(dhow create --network none busybox hostname)
    ok dhow start -a "$id"
    [ "$output" = "${id:0:12}" ]
    dhow rm "$id"
}

@test "capabilities are docker's, and change as asked" {
    caps() { box "$@" busybox sh -c 'grep CapBnd /proc/self/status' | awk '{print $2}'; }
    [ "$(caps)" = 00000000a80425fb ]
    [ "$(caps --cap-drop ALL)" = 0000000000000000 ]
    [ "$(caps --cap-drop ALL --cap-add chown)" = 0000000000000001 ]
    [ "$(caps --cap-drop CAP_NET_RAW)" = 00000000a80405fb ]
    ok box busybox sh -c 'grep -E "Cap(Inh|Amb)" /proc/self/status'
    says "CapInh:	0000000000000000"
    says "CapAmb:	0000000000000000"
    own=$(awk '/CapBnd/ {print $2}' /proc/self/status)
    [ "$(caps --privileged)" = "$own" ]
}

@test "seccomp: filtered by default, off when asked, by file" {
    ok box busybox grep Seccomp: /proc/self/status
    says "2"
    ok box --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status
    says "0"
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >"$T/seccomp.json"
    fails 1 box --security-opt "seccomp=$T/seccomp.json" busybox mkdir /x
    says "not permitted"
    ok box busybox mkdir /x
    echo '{' >"$T/bad.json"
    fails 125 box --security-opt "seccomp=$T/bad.json" busybox true
    fails 125 box --security-opt "seccomp=$T/missing.json" busybox true
    says missing.json
}

@test "no-new-privileges, mask and unmask" {
    ok box --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
    says 1
    ok box busybox grep NoNewPrivs /proc/self/status
    says 0
    ok box busybox cat /proc/mounts
    says " /proc/sys "
    ok box --security-opt unmask=ALL busybox cat /proc/mounts
    [[ $output != *" /proc/sys "* ]]
    ok box --security-opt unmask=/proc/sys busybox cat /proc/mounts
    [[ $output != *" /proc/sys "* ]]
    ok box --security-opt mask=/proc/version busybox sh -c 'wc -c < /proc/version'
    [ "$output" = 0 ]
    fails 1 box busybox sh -c 'echo 1 > /proc/sys/kernel/printk'
}

@test "--read-only, with a tmpfs where one is asked for" {
    fails 1 box --read-only busybox touch /x
    says "Read-only"
    ok box --read-only --tmpfs /t busybox touch /t/x
    ok box --read-only --read-only-tmpfs busybox touch /tmp/x /run/x /var/tmp/x
    ok box --read-only busybox touch /dev/shm/x
    ok box --read-only -w /new/dir busybox pwd
}

@test "--shm-size and --tmpfs options" {
    ok box --shm-size 1m busybox df -k /dev/shm
    says 1024
    ok box busybox df -k /dev/shm
    says 65536
    ok box --tmpfs /t:size=2m,mode=1770 busybox sh -c 'df -k /t; stat -c %a /t; grep " /t " /proc/mounts'
    says 2048
    says 1770
    says noexec
}

@test "--device and its rules" {
    ok box --device /dev/zero:/dev/mine busybox sh -c 'head -c 3 /dev/mine | wc -c'
    [ "$output" = 3 ]
    ok box --device /dev/fuse:/dev/mine:r busybox sh -c '(: </dev/mine) && echo read; (: >/dev/mine) || echo refused'
    says read
    says refused
    # a node made inside opens only when a rule allows the device
    ok box busybox sh -c 'mknod /k c 10 229; (: </k) || echo refused'
    says refused
    ok box --device-cgroup-rule 'c 10:229 r' busybox sh -c 'mknod /k c 10 229; (: </k) && echo read'
    says read
    fails 125 box --device /dev/nosuch busybox true
    says /dev/nosuch
    fails 125 box --device /etc/passwd busybox true
    says "not a device"
}

@test "--sysctl sets what belongs to the container, and only that" {
    ok box --sysctl net.ipv4.ip_unprivileged_port_start=0 --sysctl kernel.shmmni=100 busybox \
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni
    [ "${lines[0]}" = 0 ]
    [ "${lines[1]}" = 100 ]
    fails 125 box --sysctl kernel.core_pattern=x busybox true
    fails 125 box --network host --sysctl net.ipv4.ip_forward=1 busybox true
    says "no network namespace of its own"
}

@test "--ulimit" {
    ok box --ulimit nofile=100:200 --ulimit core=0 busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c'
    [ "${lines[0]}" = 100 ]
    [ "${lines[1]}" = 200 ]
    [ "${lines[2]}" = 0 ]
}

@test "--init reaps, forwards signals and passes the exit code on" {
    ok box --init busybox sh -c 'cat /proc/1/comm'
    says dhow-init
    fails 5 box --init busybox sh -c 'exit 5'
    fails 127 box --init busybox nosuch
    # an orphan is reaped: no zombie is left
    ok box --init busybox sh -c '(sleep 0.1 &) ; sleep 0.5; ps -o stat | grep -c Z || true'
    [ "$output" = 0 ]
    id=$(dhow run -d --init --network none busybox sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done')
    sleep 0.3
    dhow stop "$id"
    ok dhow inspect --format '{{.State.ExitCode}}' "$id"
    [ "$output" = 9 ]
    dhow rm "$id"
}

@test "namespaces of the host and of other containers" {
    ok box --pid host busybox cat /proc/1/comm
    [ "$output" = "$(cat /proc/1/comm)" ]
    ok box --uts host busybox hostname
    [ "$output" = "$(hostname)" ]
    ok box --ipc host busybox readlink /proc/self/ns/ipc
    [ "$output" = "$(readlink /proc/self/ns/ipc)" ]
    dhow run -d --name peer --network none busybox sleep 100
    ok dhow exec peer readlink /proc/self/ns/net
    netns=$output
    ok dhow run --rm --network container:peer --pid container:peer busybox sh -c 'readlink /proc/self/ns/net; ps'
    says "$netns"
    says "sleep 100"
    dhow rm -f peer
    fails 125 dhow run --rm --network container:nosuch busybox true
    says nosuch
}

@test "labels, annotations and cidfile" {
    printf 'c=3\n' >"$T/labels"
    ok dhow run -d --name labelled --network none --label a=1 -l b --label-file "$T/labels" --cidfile "$T/cid" busybox true
    [ "$(cat "$T/cid")" = "$output" ]
    ok dhow inspect --format '{{json .Config.Labels}}' labelled
    says '"a":"1"'
    says '"c":"3"'
    dhow rm -f labelled
    fails 125 dhow run --rm --cidfile "$T/cid" busybox true
    says "$T/cid"
}

@test "--oom-score-adj" {
    ok box --oom-score-adj 500 busybox cat /proc/self/oom_score_adj
    [ "$output" = 500 ]
    fails 125 box --oom-score-adj 5000 busybox true
}

@test "--add-host, --dns and the three files of ours" {
    ok box --add-host db:10.1.2.3 busybox cat /etc/hosts
    says "10.1.2.3"
    ok box --dns 9.9.9.9 --dns-search example.org busybox cat /etc/resolv.conf
    says "nameserver 9.9.9.9"
    says "search example.org"
}

@test "what is not supported is refused by name" {
    for option in --health-cmd=true --volume-driver=nfs --gpus=all --link=a; do
        fails 125 box "$option" busybox true
        says "option ${option%%=*} is not supported"
    done
}

@test "--ipc container: one namespace, one /dev/shm" {
    dhow run -d --name shm --network none busybox sh -c 'echo shared > /dev/shm/f; sleep 100'
    wait_for 5 dhow exec shm cat /dev/shm/f
    ok box --ipc container:shm busybox sh -c 'cat /dev/shm/f; echo back > /dev/shm/g'
    [ "$output" = shared ]
    ok dhow exec shm cat /dev/shm/g
    [ "$output" = back ]
    dhow rm -f shm
}

@test "-e NAME is read when the container is made, not when it is started" {
    export LATER=first
    id=$(dhow create --network none -e LATER -e NEVER busybox env)
    LATER=second NEVER=leaked run dhow start -a "$id"
    says "LATER=first"
    [[ $output != *leaked* ]]
    dhow rm "$id"
}

@test "a working directory below a volume is made in the volume" {
    ok box -v wdvol:/data -w /data/sub busybox pwd
    [ "$output" = /data/sub ]
    dhow volume rm wdvol
}
