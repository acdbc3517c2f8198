#!/usr/bin/env bats
# images, tag, rmi, history, inspect, prune, and the check of the store.
load ../lib/helpers
load ../lib/registry

setup() {
    image busybox
}

teardown() {
    unfake
    dhow rm -f user >/dev/null 2>&1 || true
    dhow image prune -a -f >/dev/null 2>&1 || true
}

id_of() {
    dhow inspect --type image -f '{{.Id}}' "$1"
}

@test "a listing has docker's columns, short names and ids, one row per name" {
    ok dhow tag busybox me/app:v1
    ok dhow images
    [[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
    [ "${#lines[@]}" -eq 3 ]
    ok dhow images --format '{{.Repository}}:{{.Tag}} {{.ID}}'
    says "busybox:latest $(id_of busybox | cut -c8-19)"
    says "me/app:v1 $(id_of busybox | cut -c8-19)"
    ok dhow images -q
    [ "${lines[0]}" = "$(id_of busybox | cut -c8-19)" ]
}

@test "names, ids and prefixes find an image; a name wins over an id" {
    local id
    id=$(id_of busybox | cut -d: -f2)
    for name in busybox busybox:latest docker.io/library/busybox "$id" "sha256:$id" "${id:0:12}" "${id:0:3}"; do
        [ "$(id_of "$name")" = "sha256:$id" ]
    done
    printf 'x' >"$T/x"
    tar -C "$T" -cf "$T/x.tar" x
    ok dhow import "$T/x.tar" "${id:0:6}"
    [ "$(id_of "${id:0:6}")" != "sha256:$id" ]
    [ "$(id_of "${id:0:7}")" = "sha256:$id" ]
    fails 125 dhow inspect --type image nothing
    says "no such image: 'nothing'"
}

@test "tag gives names, moves them, and refuses bad ones" {
    ok dhow tag busybox other:1
    [ "$(id_of other:1)" = "$(id_of busybox)" ]
    echo y >"$T/y"
    tar -C "$T" -cf "$T/y.tar" y
    ok dhow import "$T/y.tar" y:1
    ok dhow tag y:1 other:1
    [ "$(id_of other:1)" = "$(id_of y:1)" ]
    fails 125 dhow tag busybox Other
    fails 125 dhow tag busybox "x@sha256:$(printf '0%.0s' {1..64})"
    fails 125 dhow tag nothing x
    says "no such image"
}

@test "rmi takes a name away, and with the last one the image and its layers" {
    local id
    id=$(id_of busybox)
    ok dhow tag busybox two:1
    ok dhow rmi two:1
    [ "$output" = "Untagged: two:1" ]
    ok dhow tag busybox two:1
    fails 125 dhow rmi "${id#sha256:}"
    says "several repositories"
    ok dhow rmi busybox
    ok dhow rmi "$id"
    says "Deleted: $id"
    wait_for 5 sh -c "! find $T/root/layers -name layer.tar | grep -q ."
    [ -z "$(ls "$T/root/blobs/sha256")" ]
    fails 125 dhow rmi busybox
    says "no such image"
    store_is_sound
}

@test "a layer that another image has too stays" {
    ok dhow import -m one "$DHOW_FIXTURES/busybox.tar" one
    ok dhow rmi one
    ok dhow run --rm --network none busybox true
    store_is_sound
}

@test "an image that a container uses is busy; rmi -f takes only its names" {
    ok dhow create --name user --network none busybox true
    fails 125 dhow rmi busybox
    says "is used by container"
    ok dhow tag busybox two:1
    ok dhow rmi two:1
    ok dhow rmi -f busybox
    ok dhow start -a user
    ok dhow rm user
    ok dhow image prune -f
    ok dhow images -q
    [ -z "$output" ]
    store_is_sound
}

@test "prune removes what has no name; -a all that no container uses" {
    echo z >"$T/z"
    tar -C "$T" -cf "$T/z.tar" z
    ok dhow import "$T/z.tar" old:1
    ok dhow tag busybox old:1
    ok dhow images -q --filter dangling=true
    [ "${#lines[@]}" -eq 1 ]
    ok dhow image prune -f
    ok dhow images -q --filter dangling=true
    [ -z "$output" ]
    ok dhow inspect --type image busybox
    ok dhow image prune -a -f
    ok dhow images -q
    [ -z "$output" ]
    store_is_sound
}

@test "history tells what made each layer, newest first" {
    fake
    ok dhow pull "$FAKE/a"
    ok dhow history --format '{{.CreatedBy}}' "$FAKE/a"
    [ "${lines[*]}" = "second first" ]
    ok dhow history -q "$FAKE/a"
    [ "${lines[1]}" = "<missing>" ]
}

@test "pull, rmi and prune side by side get along, and leave a sound store" {
    local name end=$((SECONDS + 5)) pids=
    fake --layer-bytes 200000
    for name in a b a; do
        while [ $SECONDS -lt $end ]; do
            dhow pull -q "$FAKE/$name" || echo failed
            dhow rmi -f "$FAKE/$name" 2>&1 | grep -v -e '^Untagged' -e '^Deleted' -e 'no such image' || true
            [ $((RANDOM % 3)) -ne 0 ] || dhow image prune -f | grep dhow: || true
        done 3>&- >"$T/side-$name-$RANDOM" 2>&1 &
        pids+=" $!"
    done
    # shellcheck disable=SC2086 # a list
    wait $pids
    run grep -h -v '^[0-9a-f]*$' "$T"/side-*
    [ -z "$output" ] || { echo "$output"; return 1; }
    store_is_sound
}

@test "check finds what is missing, damaged or too much, and repairs it" {
    local tar
    ok dhow system check
    tar=$(find "$T/root/layers" -name layer.tar)
    chmod u+w "$tar"
    printf x | dd of="$tar" bs=1 seek=4096 conv=notrunc status=none
    fails 1 dhow system check
    says "layer"
    ok dhow system check --repair
    ok dhow images -q
    [ -z "$output" ]
    ok dhow system check
    image busybox
    rm -f "$T"/root/blobs/sha256/*
    fails 125 dhow inspect --type image busybox
    says "pull it again"
    fails 1 dhow system check
    ok dhow system check --repair
    image busybox
    cp "$T"/root/blobs/sha256/* "$T/blob"
    echo extra >"$T/root/blobs/sha256/$(echo extra | sha256sum | cut -d' ' -f1)"
    fails 1 dhow system check
    says "no image refers to it"
    ok dhow system check --repair
    store_is_sound
}

@test "the store is private, its blobs read-only" {
    local path
    for path in root/layers root/blobs root/blobs/sha256 root/ingest root/leases; do
        [ "$(stat -c %a "$T/$path")" = 700 ]
    done
    [ "$(stat -c %a "$T/root/dhow.db")" = 600 ]
    [ "$(find "$T/root/blobs" -type f ! -perm 444)" = "" ]
    chmod 755 "$T/root/blobs"
    ok dhow images
    [ "$(stat -c %a "$T/root/blobs")" = 700 ]
}

@test "a database written by a newer dhow is refused by name" {
    cp -r "$T/root" "$T/newer"
    python3 - "$T/newer/dhow.db" <<-'END'
	import sqlite3, sys
	c = sqlite3.connect(sys.argv[1])
	c.execute("UPDATE schema_version SET version = 99 WHERE component = 'image'")
	c.commit()
	END
    run "$BUILD/dhow" --root "$T/newer" --runroot "$T/newer-run" images
    [ "$status" -eq 125 ]
    says "'image' has version 99"
}
