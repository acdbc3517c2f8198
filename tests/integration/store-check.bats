#!/usr/bin/env bats
# store check: every kind of damage is found, and a repair changes only what is broken.
load ../lib/helpers

setup_file() {
    common_setup_file
    fixture busybox
}

setup() {
    local id
    for id in $(dhow ps -aq); do dhow rm -f "$id" >/dev/null; done
    dhow image prune -a -f >/dev/null
    image busybox
}

layer() {
    local id
    id=$(dhow inspect --type image -f '{{index .RootFS.Layers 0}}' "${1:-busybox}")
    echo "$T/root/layers/${id#sha256:}"
}

# spoil FILE OFFSET: one byte of it becomes another.
spoil() {
    chmod u+w "$1"
    python3 - "$1" "$2" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([b ^ 1]))
END
}

sound() {
    ok dhow store check && [ "$output" = "The store is sound." ]
}

# other NAME: another image, which must come through unharmed.
other() {
    mkdir -p "$T/other"
    echo "$1" >"$T/other/file"
    tar -C "$T/other" -cf "$T/other.tar" .
    dhow import -q "$T/other.tar" "$1" >/dev/null
}

@test "a damaged or missing index is made anew from the tar" {
    sound
    cp "$(layer)/layer.erofs" "$T/index"
    spoil "$(layer)/layer.erofs" 1300
    fails 1 dhow store check
    says "its index does not fit its content"
    says "1 finding."
    ok dhow store check --quick
    ok dhow store check --repair
    says ": rebuilt"
    says "1 finding, repaired."
    cmp "$(layer)/layer.erofs" "$T/index"
    rm -f "$(layer)/layer.erofs"
    fails 1 dhow store check --quick
    says "its index is missing"
    ok dhow store check --repair --quick
    cmp "$(layer)/layer.erofs" "$T/index"
    sound
    ok dhow run --rm --network none busybox true
}

@test "an index is repaired below a running container" {
    dhow run -d --name runs --network none busybox sleep 1000
    spoil "$(layer)/layer.erofs" 1300
    ok dhow store check --repair
    ok dhow exec runs cat /etc/passwd
    says root
}

@test "a damaged layer that came from nowhere goes with its images, which are named; the others stay" {
    other fine
    dhow tag busybox team/second
    dhow create --name uses --network none busybox true
    spoil "$(layer)/layer.tar" 4096
    fails 1 dhow store check
    says "is damaged: its content is sha256:"
    says "incomplete" || says "is damaged"
    # the container is left without its image, and says so
    fails 1 dhow store check --repair
    says "busybox:latest"
    says "team/second:latest"
    says "needed by container uses"
    says "did not come from a registry"
    says "its image 'busybox' is gone"
    ok dhow image exists fine
    fails 1 dhow image exists busybox
    # the same image again, and all is well
    image busybox
    dhow rm uses
    sound
}

@test "what came from a registry is fetched again: layers, blobs, configs" {
    start_registry
    push team/app:v1 busybox
    name=$REGISTRY/team/app:v1
    dhow rmi busybox
    ok dhow pull -q "$name"
    id=$output
    spoil "$(layer "$name")/layer.tar" 4096
    fails 1 dhow store check
    # nothing is thrown away that can come back
    port=${REGISTRY##*:}
    kill "$(cat "$T/registry.pid")"
    wait_for 5 bash -c "! curl -sf http://$REGISTRY/v2/ -o /dev/null"
    fails 1 dhow store check --repair
    says "left as it is"
    ok dhow image exists "$name"
    docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 3>&- &
    echo $! >"$T/registry.pid"
    wait_for 10 curl -sf "http://$REGISTRY/v2/" -o /dev/null
    ok dhow store check --repair
    says ": fetched"
    sound
    ok dhow run --rm --network none "$name" true
    # the config and the manifest
    for blob in "$T"/root/blobs/sha256/*; do spoil "$blob" 20; done
    ok dhow store check --repair --format json
    [ "$(jq -r '.Sound, .Left' <<<"$output" | xargs)" = "true 0" ]
    [ "$(jq -r '.Findings[] | select(.Object == "blob") | .Action' <<<"$output" | sort -u)" = fetched ]
    sound
    [ "$(dhow images -q)" = "${id:0:12}" ]
    # deleted there, too: then it goes
    rm -rf "$T/registry/docker"
    rm -f "$(layer "$name")/layer.tar"
    ok dhow store check --repair
    says ": removed"
    fails 1 dhow image exists "$name"
    sound
    stop_registry
}

@test "--no-fetch removes what is damaged" {
    start_registry
    push team/app:v1 busybox
    ok dhow pull -q "$REGISTRY/team/app:v1"
    spoil "$(layer "$REGISTRY/team/app:v1")/layer.tar" 4096
    fails 125 dhow store check --no-fetch
    ok dhow store check --repair --no-fetch
    says ": removed"
    says "not to be fetched"
    [ -z "$(dhow images -q)" ]
    sound
    stop_registry
}

@test "strays and what nothing refers to go" {
    sum=$(echo extra | sha256sum | cut -d' ' -f1)
    echo extra >"$T/root/blobs/sha256/$sum"
    echo junk >"$T/root/blobs/sha256/junk"
    mkdir "$T/root/layers/junk"
    cp -r "$(layer)" "$T/root/layers/$sum"
    fails 1 dhow store check --format json
    [ "$(jq -r '.Findings[].Problem' <<<"$output" | sort | uniq -c | xargs)" = "1 damaged 2 orphaned 2 stray" ]
    ok dhow store check --repair
    sound
    [ ! -e "$T/root/layers/$sum" ]
    ok dhow run --rm --network none busybox true
}

@test "a container whose directory is gone is found, and its row removed" {
    id=$(dhow create --name lost --network none busybox true)
    rm -r "$T/root/containers/$id/upper"
    fails 1 dhow store check --quick
    says "container lost"
    ok dhow store check --repair --quick
    ok dhow ps -aq
    [ -z "$output" ]
}

@test "a damaged database is reported, and nothing else is touched" {
    cp -a "$T/root" "$T/copy"
    python3 - "$T/copy/dhow.db" <<'END'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
root = c.execute("SELECT rootpage FROM sqlite_master WHERE name = 'image_layer_digest'").fetchone()[0]
size = c.execute("PRAGMA page_size").fetchone()[0]
c.close()
with open(sys.argv[1], "r+b") as f:
    f.seek((root - 1) * size + 8)
    f.write(b"\xff" * 200)
END
    before=$(cd "$T/copy" && find layers blobs -type f | sort | xargs sha256sum)
    fails 1 "$BUILD/dhow" --root "$T/copy" --runroot "$T/copyrun" store check --repair
    says "dhow.db"
    [ "$(cd "$T/copy" && find layers blobs -type f | sort | xargs sha256sum)" = "$before" ]
    rm -rf "$T/copy" "$T/copyrun"
}

@test "kill -9 of a repair: the next one ends it" {
    for delay in 0.005 0.02 0.04 0.08; do
        spoil "$(layer)/layer.erofs" 1300
        other "k$delay"
        spoil "$(layer "k$delay")/layer.tar" 600
        timeout -s KILL "$delay" "$BUILD/dhow" --root "$T/root" --runroot "$T/run" store check --repair >/dev/null || true
        run dhow store check --repair
        sound
        ok dhow run --rm --network none busybox true
    done
}

@test "directories of an ordinary user's layers are compared and made anew" {
    require rootless
    uimage busybox
    ok udhow store check
    root=$(find "$T/user/data" -name diff -type d)
    echo more >>"$root/etc/passwd"
    fails 1 udhow store check
    says "'passwd' has another"
    as_user chmod 700 "$T/user" # the directory is not in use: no container
    ok udhow store check --repair
    says ": rebuilt"
    ok udhow store check
    rm "$root/etc/group" 2>/dev/null || rm "$(find "$T/user/data" -name diff -type d)/etc/group"
    fails 1 udhow store check
    says "'group' is missing"
    ok udhow store check --repair
    ok udhow run --rm --network none busybox cat /etc/group
}
