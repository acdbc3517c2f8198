#!/usr/bin/env bats
# dhow-oci: options of exec, create and run about descriptors, sockets, cgroups and users.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox python3 || return 1
    oci_setup
}

teardown() {
    oci_cleanup
    [ -z "${receiver:-}" ] || kill "$receiver" 2>/dev/null || true
}

receive() {
    rm -f "$T/sock" "$T/received"
    "$TOP/tests/lib/unix-receive" "$1" "$T/sock" >"$T/received" 3>&- &
    receiver=$!
    wait_for 5 test -S "$T/sock"
}

received() {
    wait "$receiver"
    cat "$T/received"
}

@test "a pidfd is sent for create, run and exec" {
    bundle
    cmd sleep 1000
    receive pidfd
    oci create --pidfd-socket "$T/sock" f1 </dev/null >/dev/null 2>&1
    [ "$(received)" = "$(oci state f1 | jq .pid)" ]
    oci start f1
    receive pidfd
    oci exec -d --pidfd-socket "$T/sock" --pid-file "$T/exec.pid" f1 sleep 1000 </dev/null >/dev/null 2>&1
    [ "$(received)" = "$(cat "$T/exec.pid")" ]
    fails 255 oci exec --pidfd-socket "$T/none" f1 sleep 1000
    says "send the pidfd"
}

@test "the annotation for a pidfd is served, too" {
    bundle ".annotations = {\"run.oci.pidfd_receiver\":\"$T/sock\"}"
    cmd sleep 1000
    receive pidfd
    oci create f2 </dev/null >/dev/null 2>&1
    [ "$(received)" = "$(oci state f2 | jq .pid)" ]
    bundle '.annotations = {"run.oci.pidfd_receiver":"sock"}'
    fails 1 oci run f2b
    says "not an absolute path"
}

# what the container's program has open, and the directory that it lists
count_fds() {
    oci "$@" ls /proc/self/fd | wc -l
}

@test "descriptors: only those that are asked for, and only if they are there" {
    container f3
    [ "$(count_fds exec f3 3</dev/null 4</dev/null)" = 4 ]
    [ "$(count_fds exec --preserve-fds 2 f3 3</dev/null 4</dev/null)" = 6 ]
    fails 255 oci exec --preserve-fds 40 f3 true
    says "is not open"
    bundle
    cmd true
    fails 1 oci --log "$T/log" run --preserve-fds 40 f3b
    says "is not open"
    fails 1 oci state f3b
}

@test "socket activation: LISTEN_FDS and LISTEN_PID" {
    local look='echo $LISTEN_FDS; test "$LISTEN_PID" = $$ && echo mine; exec ls /proc/self/fd'
    container f4
    [ "$(LISTEN_FDS=1 oci exec f4 sh -c "$look" 3</dev/null)" = $'1\nmine\n0\n1\n2\n3\n4' ]
    bundle
    [ "$(LISTEN_FDS=1 script "$look" 3</dev/null)" = $'1\nmine\n0\n1\n2\n3\n4' ]
    # meant for another process
    [ "$(LISTEN_PID=1 LISTEN_FDS=1 script 'echo "none:$LISTEN_FDS"' 3</dev/null)" = "none:" ]
}

@test "exec in a cgroup below the container's, by controller" {
    [ -d /sys/fs/cgroup/memory ] || skip "needs cgroup v1"
    container f5
    mkdir /sys/fs/cgroup/memory/f5/sub /sys/fs/cgroup/cpu/f5/other
    ok oci exec --cgroup memory:sub f5 cat /proc/self/cgroup
    says "memory:/sub"
    [[ $output != *"pids:/sub"* ]]
    ok oci exec --cgroup memory:sub --cgroup cpu:other f5 cat /proc/self/cgroup
    says "memory:/sub"
    says ":/other"
    ok oci exec --cgroup memory:/ f5 cat /proc/self/cgroup
    [[ $output != */sub* ]]
    fails 255 oci exec --cgroup memory:sub --cgroup memory:sub f5 true
    says "a second time"
    fails 255 oci exec --cgroup nonsense:sub f5 true
    says "unknown controller"
    fails 255 oci exec --cgroup memory:none f5 true
    says "has no cgroup 'none'"
    fails 255 oci exec --cgroup memory:../.. f5 true
    says "'..'"
    fails 255 oci exec --cgroup :sub f5 true
    says "unknown controller ''"
}

@test "exec: the process file may be a pipe; output of a terminal" {
    container f5b
    ok oci exec -p <(printf '{"args":["echo","piped"],"cwd":"/","env":["PATH=/bin"]}') f5b
    [ "$output" = piped ]
    [ "$(oci exec -t f5b echo line </dev/null | tr -d '\r')" = line ]
}

@test "exec --user takes numbers only" {
    container f6
    for bad in 1abc '' : -1 4294967296 4294967295 1: :1 1:x 1:2:3 ' 1' +1 0x1; do
        fails 255 oci exec -u "$bad" f6 id
        says "is not UID"
    done
    ok oci exec -u 12:34 f6 id
    says "uid=12 gid=34"
}

@test "run and exec on a terminal: no line ends in a carriage return, not even the first" {
    bundle '.process.terminal = true'
    cmd sh -c 'echo 1; echo 2; sleep 0.2; echo 3'
    (cd "$B" && dhow_oci run t9 </dev/null >"$T/lines")
    [ "$(od -An -c "$T/lines" | tr -d ' \n')" = '1\n2\n3\n' ]
    container t10
    dhow_oci exec -t t10 sh -c 'echo 1; echo 2; sleep 0.2; echo 3' </dev/null >"$T/lines"
    [ "$(od -An -c "$T/lines" | tr -d ' \n')" = '1\n2\n3\n' ]
    oci delete -f t10
}

@test "exec: no_new_privs, capabilities, console socket without a terminal" {
    container f7 '.process.noNewPrivileges = false'
    ok oci exec f7 grep NoNewPrivs /proc/self/status
    [[ $output == *0 ]]
    ok oci exec --no-new-privs f7 grep NoNewPrivs /proc/self/status
    [[ $output == *1 ]]
    fails 255 oci exec --console-socket "$T/sock" f7 true
    says "there is no terminal"
    fails 255 oci exec -t -d f7 true
    says "--console-socket"
}

@test "original groups are kept by annotation" {
    bundle '.annotations = {"run.oci.keep_original_groups":"1"} | .process.user = {"uid":5,"gid":6,"additionalGids":[7]}'
    cmd id -G
    run setpriv --groups 4242,4243 "$BUILD/dhow-oci" --root "$T/oci" run -b "$B" f8
    says 4242
    says 4243
    [[ $output != *7* ]]
}

@test "what would isolate otherwise is refused by name" {
    bundle '.annotations = {"run.oci.handler":"krun"}'
    fails 1 oci run f9
    says "run.oci.handler"
    bundle '.annotations = {"run.oci.seccomp_fail_unknown_syscall":"1"}
        | .linux.seccomp = {"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read","nonsense"],"action":"SCMP_ACT_LOG"}]}'
    fails 1 oci run f9
    says "syscalls[0].names[1]"
}


@test "sd_notify: the socket is there, and READY is passed on" {
    bundle
    cmd sleep 1000
    receive datagrams
    export NOTIFY_SOCKET=$T/sock
    oci create f10 </dev/null >/dev/null 2>&1
    oci start f10 &
    start=$!
    wait_for 5 test -S "$T/oci/.notify/f10/notify.sock"
    wait_for 5 oci_is f10 running
    # as the container's program would
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"STATUS=x\nREADY=1\n", sys.argv[1])' \
        "/proc/$(oci state f10 | jq .pid)/root/run/notify/notify.sock"
    wait "$start"
    [ "$(received)" = "READY=1"$'\n'"MAINPID=$(oci state f10 | jq .pid)"$'\nBARRIER=1' ]
    tr '\0' '\n' <"/proc/$(oci state f10 | jq .pid)/environ" | grep -qx 'NOTIFY_SOCKET=/run/notify/notify.sock'
    oci delete -f f10
    nothing_left f10
    # a container that ends without a word holds nobody up
    bundle
    cmd true
    ok oci run -d f10b
    ok oci run f10c
    oci delete -f f10b
    unset NOTIFY_SOCKET
    nothing_left 'f10*'
}
