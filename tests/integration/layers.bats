#!/usr/bin/env bats
# The layer store by itself: real archives in every form, every way of mounting, crashes.
load ../lib/helpers

setup_file() { common_setup_file; }
teardown_file() { common_teardown_file; }

setup() {
    require root python3
    TOOL=$BUILD/tests/lib/tools/layer-tool
    DUMP=$TOP/tests/lib/tree-dump
    [ -x "$TOOL" ] || skip "layer-tool is not built"
}

# What GNU tar makes of $1, in $T/$2.dump
reference() {
    [ -e "$T/$2.dump" ] && return
    mkdir -p "$T/$2.ref"
    tar --xattrs --xattrs-include='*' --numeric-owner -xpf "$1" -C "$T/$2.ref"
    "$DUMP" "$T/$2.ref" >"$T/$2.dump"
    rm -rf "$T/$2.ref"
}

# Import FILE in MODE into a root of its own, mount it alone and compare with the reference.
compare() {
    local mode=$1 file=$2 name=$3 id
    mkdir -p "$T/$name-$mode"
    id=$("$TOOL" import "$T/$name-$mode" "$mode" "$file")
    "$TOOL" mount "$T/$name-$mode" ro 0 "$DUMP mnt" "$id" >"$T/$name.$mode"
    diff "$T/$name.dump" "$T/$name.$mode" | head -n 5
    cmp "$T/$name.dump" "$T/$name.$mode"
    ok "$TOOL" list "$T/$name-$mode"
    rm -rf "$T/$name-$mode" "$T/$name.$mode"
}

# Everything a file system can hold, made by GNU tar.
awkward() {
    [ -d "$T/awkward" ] && return
    local a=$T/awkward
    mkdir -p "$a/empty" "$a/many" "$a/deep/$(printf 'd/%.0s' {1..100})" "$a/names"
    for i in {1..3000}; do : >"$a/many/file-with-a-somewhat-long-name-$i"; done
    echo x >"$a/names/$(printf 'n%.0s' {1..255})"
    touch "$a/names/-" "$a/names/+" "$a/names/..." "$a/names/ " "$a/names/"$'\n' "$a/names/~" "$a/names/ü"
    ln -s "$(printf 't/%.0s' {1..1500})" "$a/long-link"
    ln -s x "$a/short-link"
    ln -s "$(printf 'm%.0s' {1..500})" "$a/middle-link"
    echo data >"$a/one"
    ln "$a/one" "$a/two"
    ln "$a/one" "$a/deep/three"
    mkfifo "$a/fifo"
    mknod "$a/null" c 1 3
    mknod "$a/high" b 300 300000
    head -c 100000 /dev/urandom >"$a/binary"
    cp /bin/true "$a/setuid"
    chown 1000:1000 "$a/binary" "$a/empty"
    chmod 6755 "$a/setuid"
    chown 4000000000:100000 "$a/two"
    chmod 1777 "$a/empty"
    setfattr -n user.comment -v hello "$a/binary"
    setfattr -n user.dir -v hello "$a/empty"
    setfattr -n trusted.secret -v "$(printf 'v%.0s' {1..2000})" "$a/setuid"
    setcap cap_net_raw+ep "$a/setuid" 2>/dev/null || true
    setfacl -m u:1234:rwx "$a/binary" 2>/dev/null || true
    setfacl -d -m g:4321:rx "$a/empty" 2>/dev/null || true
    touch -d '1969-12-31 23:59:58.5 UTC' "$a/one"
    touch -d '2444-01-01 UTC' "$a/binary"
    truncate -s 30M "$a/sparse"
    printf here | dd of="$a/sparse" bs=1 seek=25000001 conv=notrunc status=none
    printf end | dd of="$a/sparse" bs=1 seek=31457277 conv=notrunc status=none
}

@test "a Debian root is what GNU tar makes of it: EROFS from the file" {
    fixture debian
    reference "$DHOW_FIXTURES/debian.tar" debian
    compare erofs "$DHOW_FIXTURES/debian.tar" debian
}

@test "the same over loop devices" {
    [ -e /dev/loop-control ] || skip "no loop devices"
    reference "$DHOW_FIXTURES/debian.tar" debian
    compare erofs-loop "$DHOW_FIXTURES/debian.tar" debian
}

@test "the same extracted, out of gzip and out of zstd" {
    reference "$DHOW_FIXTURES/debian.tar" debian
    gzip -1 -c "$DHOW_FIXTURES/debian.tar" >"$T/debian.gz"
    compare directory "$T/debian.gz" debian
    rm "$T/debian.gz"
    if command -v zstd >/dev/null; then
        zstd -q -1 -c "$DHOW_FIXTURES/debian.tar" >"$T/debian.zst"
        compare erofs "$T/debian.zst" debian
        rm "$T/debian.zst"
    fi
}

@test "links, devices, names, times, attributes and sparse files in every dialect of tar" {
    awkward
    for dialect in pax gnu posix-0.0; do
        case $dialect in
        posix-*) options="--format=pax --sparse-version=${dialect#posix-}" ;;
        *) options="--format=$dialect" ;;
        esac
        [ "$dialect" = gnu ] || options="$options --xattrs --xattrs-include=*"
        # shellcheck disable=SC2086
        tar $options --sparse --numeric-owner -C "$T/awkward" -cf "$T/awkward.tar" .
        reference "$T/awkward.tar" "awkward-$dialect"
        compare erofs "$T/awkward.tar" "awkward-$dialect"
        compare directory "$T/awkward.tar" "awkward-$dialect"
    done
}

@test "a file of more than 4 GiB" {
    mkdir -p "$T/large"
    truncate -s 4400M "$T/large/file"
    printf 'the end' | dd of="$T/large/file" bs=1 seek=4613734393 conv=notrunc status=none
    tar --format=gnu --sparse -C "$T/large" -cf "$T/large.tar" .
    rm -rf "$T/large/file"
    mkdir -p "$T/large-root"
    id=$("$TOOL" import "$T/large-root" erofs "$T/large.tar")
    rm "$T/large.tar"
    ok "$TOOL" mount "$T/large-root" ro 0 'stat -c %s mnt/file; tail -c 7 mnt/file' "$id"
    says 4613734400
    says 'the end'
    rm -rf "$T/large-root"
}

@test "overlays of several layers, in every way that kernels need" {
    mkdir -p "$T/ways" "$T/l"
    mkdir -p "$T/l/d" && echo one >"$T/l/d/one" && echo old >"$T/l/gone"
    tar -C "$T/l" -cf "$T/l1.tar" .
    rm -rf "${T:?}/l" && mkdir -p "$T/l/d" && echo two >"$T/l/d/two" && touch "$T/l/.wh.gone"
    tar -C "$T/l" -cf "$T/l2.tar" .
    rm -rf "${T:?}/l" && mkdir -p "$T/l/d" && echo three >"$T/l/d/three" && touch "$T/l/d/.wh..wh..opq"
    tar -C "$T/l" -cf "$T/l3.tar" .
    for mode in erofs directory; do
        mkdir -p "$T/ways/$mode"
        for n in 1 2 3; do
            "$TOOL" import "$T/ways/$mode" "$mode" "$T/l$n.tar" >"$T/l$n.id"
        done
        for way in 0 2 6 14; do
            ok "$TOOL" mount "$T/ways/$mode" rw "$way" 'ls mnt mnt/d; echo w >mnt/w; rm mnt/d/two; ls mnt/d' \
                "$(cat "$T/l1.id")" "$(cat "$T/l2.id")"
            [ "$output" = $'mnt:\nd\n\nmnt/d:\none\ntwo\none' ]
            rm -rf "$T/ways/$mode/upper" "$T/ways/$mode/work"
            ok "$TOOL" mount "$T/ways/$mode" volatile "$way" 'ls mnt/d' \
                "$(cat "$T/l1.id")" "$(cat "$T/l2.id")" "$(cat "$T/l3.id")"
            [ "$output" = three ]
            # a volatile mount can be made again
            ok "$TOOL" mount "$T/ways/$mode" volatile "$way" 'ls mnt/d' "$(cat "$T/l1.id")"
            rm -rf "$T/ways/$mode/upper" "$T/ways/$mode/work"
            ok "$TOOL" mount "$T/ways/$mode" ro "$way" 'ls mnt/d; touch mnt/x 2>&1 || true' \
                "$(cat "$T/l1.id")" "$(cat "$T/l2.id")"
            says 'Read-only file system'
        done
    done
    rm -rf "$T/ways"
}

@test "an image of 120 layers" {
    mkdir -p "$T/deep-root" "$T/l120"
    ids=()
    for i in $(seq 120); do
        echo "$i" >"$T/l120/f$((i % 7))"
        echo "$i" >"$T/l120/only-$i"
        tar -C "$T/l120" -cf "$T/l120.tar" .
        ids+=("$("$TOOL" import "$T/deep-root" erofs "$T/l120.tar")")
        rm "$T/l120/only-$i"
    done
    for way in 0 14; do
        ok "$TOOL" mount "$T/deep-root" rw "$way" 'ls mnt | wc -l; cat mnt/f1' "${ids[@]}"
        [ "$output" = $'127\n120' ]
    done
    rm -rf "$T/deep-root"
}

@test "containers of one image share its loop devices" {
    [ -e /dev/loop-control ] || skip "no loop devices"
    fixture busybox
    mkdir -p "$T/shared"
    id=$("$TOOL" import "$T/shared" erofs-loop "$DHOW_FIXTURES/busybox.tar")
    here='grep -l layers/'$id' /sys/block/loop*/loop/backing_file | wc -l; stat -c %d mnt'
    "$TOOL" mount "$T/shared" ro 1 "$here; touch $T/up; while [ ! -e $T/go ]; do sleep 0.05; done" "$id" \
        3>&- >"$T/first" &
    pid=$!
    wait_for 10 test -e "$T/up"
    ok "$TOOL" mount "$T/shared" ro 1 "$here" "$id"
    touch "$T/go"
    wait $pid
    [ "$output" = "$(cat "$T/first")" ]
    [ "${lines[0]}" -eq 2 ]
    sleep 0.2
    ! grep -q "$T/shared" /sys/block/loop*/loop/backing_file 2>/dev/null
}

@test "a store made as a directory can be mounted from an index later, and the other way round" {
    fixture busybox
    mkdir -p "$T/forms"
    id=$("$TOOL" import "$T/forms" directory "$DHOW_FIXTURES/busybox.tar")
    ok "$TOOL" mount "$T/forms" ro 0 'ls mnt/bin/busybox' "$id"
    [ -e "$T/forms/layers/$id/layer.erofs" ]
    rm -rf "$T/forms"
}

@test "a wrong diffID, a missing layer and a full disk say so" {
    mkdir -p "$T/wrong"
    zero=$(printf '0%.0s' {1..64})
    fails 1 "$TOOL" import "$T/wrong" auto "$DHOW_FIXTURES/busybox.tar" "$zero"
    says "[corrupt] layer: its content has the diffID sha256:"
    fails 1 "$TOOL" mount "$T/wrong" ro 0 true "$zero"
    says "[not-found] layer sha256:$zero is not in the store"
    mkdir -p "$T/small"
    mount -t tmpfs -o size=1m tmpfs "$T/small"
    run "$TOOL" import "$T/small" directory "$DHOW_FIXTURES/busybox.tar"
    left=$(ls "$T/small/layers")
    umount "$T/small"
    [ "$status" -eq 1 ]
    says "[no-space] layer: write "
    [ -z "$left" ]
}

@test "containers run over loop devices, which go with them" {
    [ -e /dev/loop-control ] || skip "no loop devices"
    [ -x "$BUILD/dhow" ] || skip "dhow is not built"
    fixture busybox
    mkdir -p "$T/loops"
    mount -t tmpfs -o size=64m tmpfs "$T/loops"
    mkdir "$T/loops/root"
    looped() { "$BUILD/dhow" --root "$T/loops/root" --runroot "$T/loops/run" "$@"; }
    life() {
        looped import "$DHOW_FIXTURES/busybox.tar" b && looped run --rm --network none b cat /etc/passwd &&
            looped run -d --name c --network none b sleep 60 && looped exec c ls /bin/sh && looped rm -f c
    }
    run life
    sleep 0.3
    left=$(grep -l "$T/loops" /sys/block/loop*/loop/backing_file 2>/dev/null || true)
    umount "$T/loops"
    [ "$status" -eq 0 ]
    says /bin/sh
    [ -z "$left" ]
}

@test "a damaged tar and a damaged index are found" {
    mkdir -p "$T/damage"
    id=$("$TOOL" import "$T/damage" erofs "$DHOW_FIXTURES/busybox.tar")
    ok "$TOOL" list "$T/damage"
    printf X | dd of="$T/damage/layers/$id/layer.erofs" bs=1 seek=2000 conv=notrunc status=none
    fails 1 "$TOOL" list "$T/damage"
    says "its index does not fit its content"
    printf X | dd of="$T/damage/layers/$id/layer.tar" bs=1 seek=100000 conv=notrunc status=none
    fails 1 "$TOOL" list "$T/damage"
    says "is damaged: its content is sha256:"
}

@test "on tmpfs layers are mounted over loop devices" {
    [ -e /dev/loop-control ] || skip "no loop devices"
    mkdir -p "$T/tmpfs"
    mount -t tmpfs -o size=64m tmpfs "$T/tmpfs"
    run "$TOOL" mode "$T/tmpfs"
    mode=$output
    id=$("$TOOL" import "$T/tmpfs" auto "$DHOW_FIXTURES/busybox.tar")
    run "$TOOL" mount "$T/tmpfs" rw 0 'ls mnt/bin/busybox' "$id"
    sleep 0.1
    left=$(grep -l "$T/tmpfs" /sys/block/loop*/loop/backing_file 2>/dev/null || true)
    umount "$T/tmpfs"
    [ "$status" -eq 0 ]
    [[ $mode == "erofs-loop EROFS cannot be mounted from a file here: Block device required"* ]]
    [ -z "$left" ]
}

@test "an import that is killed leaves only what a sweep removes" {
    fixture debian
    mkdir -p "$T/killed"
    for delay in 0.01 0.03 0.05 0.08 0.1 0.15 0.2 0.3; do
        timeout -s KILL "$delay" "$TOOL" import "$T/killed" auto "$DHOW_FIXTURES/debian.tar" 3>&- >/dev/null 2>&1 || true
        ok "$TOOL" list "$T/killed"
    done
    ok "$TOOL" sweep "$T/killed"
    [ -z "$(find "$T/killed/layers" -name 'tmp-*')" ]
    # a live one is left alone
    mkfifo "$T/fifo"
    "$TOOL" import "$T/killed" auto "$T/fifo" 3>&- >/dev/null 2>&1 &
    pid=$!
    exec 9>"$T/fifo"
    head -c 100000 "$DHOW_FIXTURES/debian.tar" >&9
    wait_for 5 test -n "$(find "$T/killed/layers" -name 'tmp-*')"
    ok "$TOOL" sweep "$T/killed"
    [ -n "$(find "$T/killed/layers" -name 'tmp-*')" ]
    exec 9>&-
    wait $pid || true
    [ -z "$(find "$T/killed/layers" -name 'tmp-*')" ]
    rm -rf "$T/killed"
}

@test "in a user namespace layers are directories, with whiteouts and opaque directories of their own kind" {
    require rootless
    cp "$TOOL" "$DUMP" "$T/bin/"
    chmod 755 "$T/bin" "$T"/*.tar
    as_user mkdir -p "$T/user/layers"
    inside() { as_user unshare --user --map-root-user --map-auto --mount "$@"; }
    ids=()
    for n in 1 2 3; do
        ids+=("$(inside "$T/bin/layer-tool" import "$T/user/layers" auto "$T/l$n.tar")")
    done
    ok inside "$T/bin/layer-tool" mode "$T/user/layers"
    says 'directory EROFS cannot be mounted from a file here: Operation not permitted'
    for way in 0 14; do
        ok inside "$T/bin/layer-tool" mount "$T/user/layers" rw "$way" 'ls mnt mnt/d' "${ids[@]:0:2}"
        [ "$output" = $'mnt:\nd\n\nmnt/d:\none\ntwo' ]
        ok inside "$T/bin/layer-tool" mount "$T/user/layers" rw "$way" 'ls mnt/d; rm -r mnt/d; ls mnt' "${ids[@]}"
        [ "$output" = three ]
        inside rm -rf "$T/user/layers/upper" "$T/user/layers/work"
    done
    # an owner that the namespace does not map
    tar --owner=99999999 --group=99999999 -C "$T/bin" -cf "$T/far.tar" tree-dump
    chmod 644 "$T/far.tar"
    fails 1 inside "$T/bin/layer-tool" import "$T/user/layers" auto "$T/far.tar"
    says "layer: give 'tree-dump' to 99999999:99999999: Invalid argument"
    inside rm -rf "$T/user/layers"
}
