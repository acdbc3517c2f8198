#!/usr/bin/env bats
# cp in both directions, with running and stopped containers.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root
    image busybox
    dhow run -d --name up --network none busybox sleep 1000
    dhow create --name down --network none -v "$T/vol:/vol" busybox true
    mkdir -p "$T/tree/sub"
    echo one >"$T/tree/f"
    echo two >"$T/tree/sub/g"
    ln -s f "$T/tree/l"
    chown 1234:1234 "$T/tree/f"
    chmod 640 "$T/tree/f"
}

# Each assertion of the function must hold for both; no "||" here, which would switch them off.
both() {
    echo "with a running container"
    "$1" up
    echo "with a stopped container"
    "$1" down
}

content() {
    dhow cp "$1:$2" - | tar -xO 2>/dev/null
}

@test "a file goes in and comes back" {
    there_and_back() {
        ok dhow cp "$T/tree/f" "$1:/tmp/f1"
        ok dhow cp "$1:/tmp/f1" "$T/back"
        [ "$(cat "$T/back")" = one ]
        [ "$(stat -c %a "$T/back")" = 640 ]
    }
    both there_and_back
}

@test "owners: root inside by default, kept with -a" {
    ok dhow cp "$T/tree/f" up:/tmp/f2
    ok dhow exec up stat -c %u /tmp/f2
    [ "$output" = 0 ]
    ok dhow cp -a "$T/tree/f" up:/tmp/f2
    ok dhow exec up stat -c %u:%g /tmp/f2
    [ "$output" = 1234:1234 ]
}

@test "directories: into an existing one, as a new one, content only" {
    trees() {
        ok dhow cp "$T/tree" "$1:/tmp"
        [ "$(content "$1" /tmp/tree/sub/g)" = two ]
        ok dhow cp "$T/tree" "$1:/tmp/new"
        [ "$(content "$1" /tmp/new/sub/g)" = two ]
        ok dhow cp "$T/tree/." "$1:/tmp/"
        rm -rf "$T/out"
        mkdir "$T/out"
        ok dhow cp "$1:/tmp/tree" "$T/out"
        [ "$(cat "$T/out/tree/sub/g")" = two ]
        [ "$(readlink "$T/out/tree/l")" = f ]
        ok dhow cp "$1:/tmp/tree" "$T/out/new"
        [ "$(cat "$T/out/new/f")" = one ]
        ok dhow cp "$1:/tmp/tree/." "$T/out"
        [ "$(cat "$T/out/f")" = one ]
    }
    both trees
}

@test "what docker refuses is refused" {
    refused() {
        fails 125 dhow cp "$T/tree" "$1:/etc/passwd"
        says "directory"
        fails 125 dhow cp "$T/tree/f" "$1:/no/such/dir/"
        says "does not exist"
        fails 125 dhow cp "$T/tree/f" "$1:/no/such"
        fails 125 dhow cp "$1:/no/such" "$T/x"
        says "/no/such"
        fails 125 dhow cp "$1:/etc/passwd/" "$T/x"
        fails 125 dhow cp "$T/missing" "$1:/tmp"
        says "$T/missing"
        fails 125 dhow cp "$1:/etc" "$T/tree/f"
    }
    both refused
    fails 125 dhow cp "$T/tree" /tmp/x
    says "CONTAINER:PATH"
    fails 125 dhow cp nosuch:/etc "$T"
    says nosuch
}

@test "archives by standard input and output" {
    archives() {
        tar -C "$T/tree" -cf "$T/in.tar" .
        ok sh -c "'$BUILD/dhow' --root '$T/root' --runroot '$T/run' cp - $1:/tmp < '$T/in.tar'"
        [ "$(content "$1" /tmp/sub/g)" = two ]
        gzip -kf "$T/in.tar"
        ok sh -c "'$BUILD/dhow' --root '$T/root' --runroot '$T/run' cp - $1:/tmp < '$T/in.tar.gz'"
        ok sh -c "'$BUILD/dhow' --root '$T/root' --runroot '$T/run' cp $1:/tmp/sub - | tar -t"
        says "sub/g"
        fails 125 sh -c "'$BUILD/dhow' --root '$T/root' --runroot '$T/run' cp - $1:/etc/passwd < '$T/in.tar'"
        fails 125 sh -c "echo garbage | '$BUILD/dhow' --root '$T/root' --runroot '$T/run' cp - $1:/tmp"
    }
    both archives
}

@test "links: copied as links, followed with -L, never out of the container" {
    dhow exec up sh -c 'ln -sf /etc/passwd /tmp/lnk; ln -sf /tmp/real /tmp/dst; echo r > /tmp/real'
    ok dhow cp up:/tmp/lnk "$T/lnk"
    [ "$(readlink "$T/lnk")" = /etc/passwd ]
    rm -f "$T/lnk"
    ok dhow cp -L up:/tmp/lnk "$T/lnk"
    [ -f "$T/lnk" ] && [ ! -L "$T/lnk" ]
    cmp "$T/lnk" <(dhow exec up cat /etc/passwd)
    # a target that is a link: the file it leads to is replaced
    ok dhow cp "$T/tree/f" up:/tmp/dst
    ok dhow exec up sh -c 'readlink /tmp/dst; cat /tmp/real'
    [ "${lines[0]}" = /tmp/real ]
    [ "${lines[1]}" = one ]
}

@test "a path below a volume is the volume's" {
    ok dhow cp "$T/tree/f" down:/vol/f
    [ "$(cat "$T/vol/f")" = one ]
    ok dhow cp down:/vol/f "$T/fromvol"
    [ "$(cat "$T/fromvol")" = one ]
}

@test "mount points inside are written, not replaced" {
    ok dhow cp "$T/tree/f" up:/etc/hosts
    ok dhow exec up sh -c 'cat /etc/hosts; grep -c " /etc/hosts " /proc/mounts'
    [ "${lines[0]}" = one ]
    [ "${lines[1]}" = 1 ]
}

@test "a file larger than a pipe, and with holes, arrives" {
    head -c 3000000 /dev/urandom >"$T/big"
    truncate -s 50M "$T/sparse"
    ok dhow cp "$T/big" up:/tmp/big
    ok dhow cp up:/tmp/big "$T/big2"
    cmp "$T/big" "$T/big2"
    ok dhow cp "$T/sparse" up:/tmp/sparse
    ok dhow exec up stat -c %s /tmp/sparse
    [ "$output" = 52428800 ]
}

@test "an archive that lists no directories gets them made" {
    mkdir -p "$T/bare/a/b"
    echo deep >"$T/bare/a/b/f"
    dhow run -d --name bare --network none busybox sleep 1000
    tar -C "$T/bare" -c a/b/f | dhow cp - bare:/tmp
    ok dhow exec bare cat /tmp/a/b/f
    [ "$output" = deep ]
    fails 125 dhow cp "$T/bare/a/b/f" bare:/nodir/x
    says "nodir"
    dhow rm -f bare
}

@test "a stopped container is not started while something is copied into it" {
    dhow create --name slow --network none busybox cat /tmp/f
    mkdir -p "$T/one"
    echo arrived >"$T/one/f"
    tar -C "$T/one" -cf "$T/one.tar" f
    (
        sleep 1.5
        cat "$T/one.tar"
    ) | "$BUILD/dhow" --root "$T/root" --runroot "$T/run" cp - slow:/tmp 3>&- &
    sleep 0.5
    ok dhow start -a slow
    [ "$output" = arrived ]
    wait
    dhow rm slow
}
