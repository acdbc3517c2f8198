#!/usr/bin/env bats
# --mount type=image: other images' trees inside a container.
load ../lib/helpers

setup_file() {
    common_setup_file
    image busybox
    mkdir -p "$T/data/sub/deep"
    echo content >"$T/data/sub/file"
    ln -s /etc "$T/data/link"
    tar -C "$T/data" -cf "$T/data.tar" .
    dhow import -q "$T/data.tar" data
    mkdir -p "$T/two"
    echo 2 >"$T/two/second"
    tar -C "$T/two" -cf "$T/two.tar" .
}

@test "an image's tree is there, read-only, with its subpath, more than once" {
    ok dhow run --rm --network none --mount type=image,source=data,destination=/data \
        --mount type=image,src=data,dst=/sub,subpath=sub \
        --mount type=image,source=busybox,target=/bb,readonly busybox \
        sh -c 'cat /data/sub/file /sub/file; ls -d /sub/deep /bb/bin/busybox; touch /data/x 2>&1; true'
    says $'content\ncontent'
    says /bb/bin/busybox
    says "Read-only"
    # nothing stays on the host
    ! grep -q "$T/root" /proc/self/mountinfo
}

@test "the image is held as long as the container is there, under whatever name" {
    dhow create --name user --network none --mount type=image,source=data,target=/data busybox cat /data/sub/file
    fails 125 dhow rmi data
    says "container user"
    dhow tag data other
    ok dhow rmi data
    fails 125 dhow rmi other
    ok dhow image prune -a -f
    ok dhow start -a user
    [ "$output" = content ]
    ok dhow start -a user
    [ "$output" = content ]
    ok dhow inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{end}}' user
    [ "$output" = "image /data false" ]
    # cp into a container that does not run goes past it
    dhow rm user
    dhow tag other data
}

@test "what cannot be is refused by name, and leaves nothing" {
    fails 125 dhow run --rm --network none --mount type=image,source=absent,target=/x busybox true
    says "no such image"
    fails 125 dhow run --rm --network none --mount type=image,target=/x busybox true
    says "needs the name of an image"
    fails 125 dhow run --rm --network none --mount type=image,source=data,target=/x,rw=true busybox true
    fails 125 dhow run --rm --network none --mount type=image,source=data,target=/x,ro=false busybox true
    says "read-only only"
    fails 125 dhow run --rm --network none --mount type=image,source=data,target=/x,subpath=../.. busybox true
    says "must stay inside"
    run dhow run --rm --network none --mount type=image,source=data,target=/x,subpath=nothere busybox true
    [ "$status" -ne 0 ]
    says "nothere"
    # a link in the image leads nowhere
    run dhow run --rm --network none --mount type=image,source=data,target=/x,subpath=link busybox ls /x
    [ "$status" -ne 0 ]
    ok dhow ps -aq
    [ -z "$output" ]
}

@test "an ordinary user has them too" {
    require rootless
    uimage busybox
    cp "$T/data.tar" "$T/user/"
    udhow import -q "$T/user/data.tar" data
    ok udhow run --rm --network none --mount type=image,source=data,target=/data busybox cat /data/sub/file
    [ "$output" = content ]
    ok udhow run --rm --network none --mount type=image,source=data,target=/data,subpath=sub busybox cat /data/file
    [ "$output" = content ]
}
