#!/usr/bin/env bats
# The same for an ordinary user: one user namespace, subordinate ids, no bridge.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root rootless
    uimage busybox
}

teardown_file() {
    # the namespace's holder stays for a few seconds after the last command
    wait_for 20 test ! -e "$T/xdg/dhow/userns"
    common_teardown_file
}

box() {
    udhow run --rm "$@"
}

@test "root inside is the user outside, other ids are subordinate" {
    ok box busybox id
    says "uid=0(root)"
    id=$(udhow run -d busybox sleep 100)
    pid=$(udhow inspect --format '{{.State.Pid}}' "$id")
    [ "$(stat -c %U "/proc/$pid")" = dhowtest ]
    udhow rm -f "$id"
    id=$(udhow run -d -u 1000 busybox sleep 100)
    pid=$(udhow inspect --format '{{.State.Pid}}' "$id")
    sub=$(awk -F: '$1 == "dhowtest" {print $2; exit}' /etc/subuid)
    [ "$(stat -c %u "/proc/$pid")" -eq $((sub + 999)) ]
    udhow rm -f "$id"
}

@test "files of every owner, in the image and in volumes" {
    ok box busybox sh -c 'touch /f && chown 1234:1234 /f && stat -c %u /f'
    [ "$output" = 1234 ]
    ok box -v data:/data busybox sh -c 'touch /data/f && chown 77 /data/f'
    ok box -v data:/data busybox stat -c %u /data/f
    [ "$output" = 77 ]
    ok udhow volume rm data
}

@test "a real Debian: set-id programs, owners, accounts" {
    uimage debian
    ok box debian bash -c 'stat -c "%u:%g %a" /etc/shadow /usr/bin/passwd; useradd -m jo; su jo -c "touch ~/x; id -u"; stat -c %U ~jo/x'
    [ "${lines[0]}" = "0:42 640" ]
    [ "${lines[1]}" = "0:0 4755" ]
    [ "${lines[2]}" = 1000 ]
    [ "${lines[3]}" = jo ]
    fails 1 box -u nobody debian cat /etc/shadow
    ok udhow rmi debian
}

@test "exec, cp, logs, stop, rm" {
    udhow run -d --name up busybox sh -c 'echo started; exec sleep 1000'
    ok udhow exec up sh -c 'echo inside > /tmp/f; cat /proc/1/comm'
    says sleep
    ok udhow cp up:/tmp/f "$T/user/f"
    [ "$(cat "$T/user/f")" = inside ]
    [ "$(stat -c %U "$T/user/f")" = dhowtest ]
    ok udhow cp "$T/user/f" up:/tmp/g
    wait_for 5 sh -c "true"
    ok udhow logs up
    says started
    ok udhow top up
    says "sleep 1000"
    ok udhow ps
    says "up"
    ok udhow stop -t 1 up
    ok udhow start up
    ok udhow kill up
    ok udhow wait up
    ok udhow rm up
}

@test "networks: none by default, the host's when asked, no bridge" {
    ok box busybox ls /sys/class/net
    [ "$output" = lo ]
    ok box --network host busybox readlink /proc/self/ns/net
    [ "$output" = "$(readlink /proc/self/ns/net)" ]
    fails 125 box --network bridge busybox true
    says "needs root"
    says "--network none or host"
}

@test "what needs root is refused by name" {
    fails 125 box --memory 64m busybox true
    says "--memory"
    fails 125 box -p 80 busybox true
}

@test "namespaces of the host and of another container" {
    ok box --pid host busybox cat /proc/1/comm
    [ "$output" = "$(cat /proc/1/comm)" ]
    udhow run -d --name peer busybox sh -c 'echo shared > /dev/shm/f; sleep 100'
    wait_for 5 udhow exec peer cat /dev/shm/f
    ok box --ipc container:peer --network container:peer --pid container:peer busybox cat /dev/shm/f
    [ "$output" = shared ]
    udhow rm -f peer
}

@test "devices, init, read-only, privileged as far as it goes" {
    ok box --device /dev/null:/dev/mine busybox sh -c 'echo x > /dev/mine'
    ok box --init busybox cat /proc/1/comm
    says dhow-init
    ok box --read-only --tmpfs /t busybox touch /t/x
    ok box --privileged busybox mount -t tmpfs x /tmp
    ok box --mount type=volume,src=s,dst=/x busybox mkdir /x/a
    ok box --mount type=volume,src=s,dst=/x,volume-subpath=a busybox touch /x/b
    udhow volume rm s
}

@test "a terminal" {
    ok box -t busybox tty
    says /dev/
}

@test "commands that run at once share one namespace" {
    for i in 1 2 3 4; do
        udhow run --name "par$i" busybox readlink /proc/self/ns/user >"$T/ns$i" 2>&1 3>&- &
    done
    wait
    [ "$(cat "$T"/ns? | sort -u | wc -l)" -eq 1 ]
    udhow rm par1 par2 par3 par4
}

@test "the holder of the namespace goes when nobody needs it" {
    udhow ps >/dev/null
    holder=$(cut -d' ' -f1 "$T/xdg/dhow/userns")
    [ -d "/proc/$holder" ]
    wait_for 15 test ! -e "$T/xdg/dhow/userns"
    wait_for 5 test ! -d "/proc/$holder"
}

@test "the holder may be killed: containers and commands find each other all the same" {
    id=$(udhow run -d busybox sleep 100)
    ok udhow exec "$id" readlink /proc/self/ns/user
    namespace=$output
    kill -9 "$(cut -d' ' -f1 "$T/xdg/dhow/userns")"
    ok udhow exec "$id" readlink /proc/self/ns/user
    [ "$output" = "$namespace" ]
    ok box busybox readlink /proc/self/ns/user
    [ "$output" = "$namespace" ]
    ok udhow stop -t 0 "$id"
    ok udhow rm "$id"
    wait_for 15 test ! -e "$T/xdg/dhow/userns"
}

@test "a user without subordinate ids is told what to do" {
    mkdir -p "$T/nosub"
    chown 54321 "$T/nosub"
    run setpriv --reuid 54321 --regid 54321 --clear-groups env HOME="$T/nosub" XDG_RUNTIME_DIR="$T/nosub" "$T/bin/dhow" ps
    [ "$status" -eq 125 ]
    says "subordinate"
    says "usermod"
}
