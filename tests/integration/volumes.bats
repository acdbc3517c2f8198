#!/usr/bin/env bats
# Volumes: host directories, named and anonymous volumes, tmpfs.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root
    image busybox
    dhow import -c 'VOLUME /etc' "$DHOW_FIXTURES/busybox.tar" withvolume
}

box() {
    case " $* " in *" --network "*) dhow run --rm "$@" ;; *) dhow run --rm --network none "$@" ;; esac
}

@test "a directory of the host, read-write and read-only" {
    mkdir -p "$T/dir"
    ok box -v "$T/dir:/data" busybox sh -c 'echo hello > /data/f'
    [ "$(cat "$T/dir/f")" = hello ]
    ok box -v "$T/dir:/data:ro" busybox cat /data/f
    fails 1 box -v "$T/dir:/data:ro" busybox touch /data/x
    ok box --mount "type=bind,src=$T/dir,dst=/data,readonly" busybox cat /data/f
    [ "$output" = hello ]
}

@test "a missing source is made for -v, refused for --mount" {
    ok box -v "$T/made/here:/data" busybox touch /data/x
    [ -e "$T/made/here/x" ]
    fails 125 box --mount "type=bind,src=$T/not/there,dst=/data" busybox true
    says "$T/not/there"
}

@test "a file can be mounted" {
    echo content >"$T/file"
    ok box -v "$T/file:/etc/motd" busybox cat /etc/motd
    [ "$output" = content ]
}

@test "a named volume keeps its content and shows in the list" {
    ok box -v data:/data busybox sh -c 'echo kept > /data/f'
    ok box -v data:/elsewhere busybox cat /elsewhere/f
    [ "$output" = kept ]
    ok dhow volume ls -q
    says data
    ok dhow volume rm data
    [ ! -e "$T/root/volumes/data" ]
}

@test "a fresh volume takes over what the image has there" {
    ok box -v etc:/etc busybox ls /etc
    says passwd
    ok box -v etc:/etc busybox rm /etc/passwd
    fails 1 box -v etc:/etc busybox cat /etc/passwd
    ok box -v empty:/etc:nocopy busybox sh -c 'ls -A /etc | grep -c passwd'  || [ "$output" = 0 ]
    dhow volume rm etc empty
}

@test "anonymous volumes go with --rm and rm -v, stay with rm" {
    before=$(dhow volume ls -q | wc -l)
    ok box -v /anon busybox touch /anon/x
    ok box withvolume true
    [ "$(dhow volume ls -q | wc -l)" -eq "$before" ]
    id=$(dhow create -v /anon --network none withvolume true)
    [ "$(dhow volume ls -q | wc -l)" -eq $((before + 2)) ]
    dhow rm -v "$id"
    [ "$(dhow volume ls -q | wc -l)" -eq "$before" ]
    id=$(dhow create -v /anon --network none busybox true)
    dhow rm "$id"
    [ "$(dhow volume ls -q | wc -l)" -eq $((before + 1)) ]
    dhow volume prune -f
}

@test "a volume in use is not removed" {
    id=$(dhow create -v busy:/x --name user --network none busybox true)
    fails 125 dhow volume rm busy
    says "used by container 'user'"
    dhow rm "$id"
    ok dhow volume rm busy
}

@test "--volumes-from" {
    dhow create --name source -v shared:/a -v "$T:/b:ro" --network none busybox true
    ok box --volumes-from source busybox sh -c 'echo x > /a/f; ls /b; touch /b/x 2>&1'  || true
    says "Read-only"
    fails 1 box --volumes-from source:ro busybox touch /a/g
    dhow rm source
    dhow volume rm shared
}

@test "mounts inside mounts, whatever the order" {
    mkdir -p "$T/outer" "$T/inner"
    echo in >"$T/inner/f"
    ok box -v "$T/inner:/m/sub" -v "$T/outer:/m" busybox cat /m/sub/f
    [ "$output" = in ]
}

@test "volume-subpath stays in its volume" {
    ok box -v sub:/v busybox sh -c 'mkdir /v/a; echo deep > /v/a/f; ln -s /etc /v/esc'
    ok box --mount type=volume,src=sub,dst=/x,volume-subpath=a busybox cat /x/f
    [ "$output" = deep ]
    fails 125 box --mount type=volume,src=sub,dst=/x,volume-subpath=esc busybox ls /x
    fails 125 box --mount type=volume,src=sub,dst=/x,volume-subpath=../.. busybox ls /x
    dhow volume rm sub
}

@test "bad volumes: one line each" {
    for bad in 'a:b:c:d' '/x:relative' 'na/me:/x' ':/x' '/a:/' '/a:/b:whatever'; do
        fails 125 box -v "$bad" busybox true
        [ "${#lines[@]}" -eq 1 ]
        says "$bad"
    done
    fails 125 box -v /a:/x --tmpfs /x busybox true
    fails 125 box --mount type=bind,dst=/x busybox true
    fails 125 box --mount type=volume,dst=/x,volume-driver=nfs busybox true
}

@test "containers that start at once fill a fresh volume once" {
    for i in 1 2 3 4 5 6; do
        box -v together:/etc busybox sh -c 'cat /etc/passwd | wc -l' >"$T/lines$i" 2>&1 3>&- &
    done
    wait
    want=$(box busybox sh -c 'cat /etc/passwd | wc -l')
    for i in 1 2 3 4 5 6; do
        [ "$(cat "$T/lines$i")" = "$want" ]
    done
    dhow volume rm together
}
