#!/usr/bin/env bats
# image prune by age, label, last use and size; system df and prune; images mounted on the host.
load ../lib/helpers

setup_file() {
    common_setup_file
    fixture busybox
    mkdir -p "$T/src"
}

setup() {
    local id
    for id in $(dhow ps -aq); do dhow rm -f "$id" >/dev/null; done
    dhow image unmount -af >/dev/null 2>&1 || true
    dhow image prune -a -f >/dev/null
}

# mk NAME KIB [IMPORT-OPTIONS...]: an image with one layer of KIB random kilobytes.
mk() {
    local name=$1 kib=$2
    shift 2
    rm -rf "$T/src/$name"
    mkdir -p "$T/src/$name/etc"
    head -c "${kib}K" /dev/urandom >"$T/src/$name/blob"
    echo "$name" >"$T/src/$name/etc/name"
    tar -C "$T/src/$name" -cf "$T/src/$name.tar" .
    dhow import -q "$@" "$T/src/$name.tar" "$name" >/dev/null
}

# used NAME AGE-IN-HOURS: as if a container had been made from it so long ago.
used() {
    python3 - "$T/root/dhow.db" "$1" "$2" <<'END'
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
t = int((time.time() - float(sys.argv[3]) * 3600) * 1e9)
n = db.execute("UPDATE image SET used_ns = ?, stored_ns = ? WHERE id = (SELECT image FROM image_name WHERE name = ?)",
               (t, t, "docker.io/library/%s:latest" % sys.argv[2])).rowcount
assert n == 1
db.commit()
END
}

there() {
    local name
    for name; do dhow image exists "$name" || { echo "$name is gone"; return 1; }; done
}

absent() {
    local name
    for name; do ! dhow image exists "$name" || { echo "$name is there"; return 1; }; done
}

@test "a container made from an image counts as its use, to the hour" {
    image busybox
    used busybox 50
    dhow create --network none busybox true
    ok dhow system df -v --format '{{range .Images}}{{.Repository}} {{.UsedSince}}{{end}}'
    [[ $output == "busybox "*second* ]]
}

@test "unused-for keeps what was used lately, and what is in use" {
    image busybox
    mk old 10
    mk new 10
    used old 800
    used new 20
    used busybox 900
    dhow create --network none busybox true
    ok dhow image prune -a -f --unused-for 30d
    says "Untagged: old:latest"
    absent old
    there new busybox
    ok dhow image prune -a -f --unused-for 12h
    absent new
    there busybox
    fails 125 dhow image prune -a -f --unused-for soon
    says "not a length of time"
}

@test "keep-storage removes the least recently used first, and stops at the size" {
    mk img-a 1000
    mk img-b 1000
    mk img-c 1000
    used img-a 30
    used img-b 10
    used img-c 20
    ok dhow image prune -a -f --keep-storage 2200k --dry-run
    says "Would be untagged: img-a:latest"
    [[ $output != *img-c:latest* ]]
    there img-a img-b img-c
    ok dhow image prune -a -f --keep-storage 2200k
    absent img-a
    there img-b img-c
    ok dhow image prune -a -f --keep-storage 1200k
    absent img-c
    there img-b
    ok dhow image prune -a -f --keep-storage 1200k
    there img-b
    # without --all only images without a name are to choose from
    ok dhow image prune -f --keep-storage 0
    there img-b
    fails 125 dhow image prune -f --keep-storage much
}

@test "filters: until, label, label!, dangling" {
    mk plain 10
    mk kept 10 -c 'LABEL keep=yes' -c 'LABEL stage=one'
    mk other 10 -c 'LABEL stage=two'
    ok dhow image prune -a -f --filter until=1h
    there plain kept other
    ok dhow image prune -a -f --filter until=2001-01-01
    there plain kept other
    ok dhow image prune -a -f --filter label=stage=two
    absent other
    there plain kept
    ok dhow image prune -a -f --filter 'label!=keep'
    absent plain
    there kept
    ok dhow image prune -f --filter dangling=false --filter label=stage
    absent kept
    fails 125 dhow image prune -f --filter reference=x
    says "not a filter"
    fails 125 dhow image prune -f --filter until=whenever
}

@test "a dry run says what a run removes" {
    mk one 100
    mk two 100
    dhow untag one
    ok dhow image prune -f --dry-run
    wanted=$(sed -n 's/^Would be deleted: //p' <<<"$output" | sort)
    [ -n "$wanted" ]
    ok dhow image prune -f
    [ "$(sed -n 's/^Deleted: //p' <<<"$output" | sort)" = "$wanted" ]
    there two
}

@test "system df: what is shared, unique and reclaimable adds up to the files" {
    image busybox
    mk big 2000
    dhow tag big again
    # another image of the same layer
    dhow import -q -c 'LABEL x=y' "$T/src/big.tar" twin >/dev/null
    dhow run --name writer --network none busybox dd if=/dev/zero of=/data bs=1k count=300
    dhow exec writer true 2>/dev/null || true
    dhow volume create vol
    head -c 5000 /dev/zero >"$T/root/volumes/vol/_data/file"
    ln "$T/root/volumes/vol/_data/file" "$T/root/volumes/vol/_data/same"
    ok dhow system df --format '{{.Type}} {{.TotalCount}} {{.Active}} {{.SizeBytes}} {{.ReclaimableBytes}}'
    files=$(find "$T/root/layers" "$T/root/blobs" -type f ! -name probe.json -printf '%b\n' | awk '{ n += $1 * 512 } END { print n }')
    read -r _ total active bytes free <<<"${lines[0]}"
    [ "$total $active $bytes" = "3 1 $files" ]
    [ "$free" -lt "$bytes" ]
    [ "$free" -gt 2000000 ]
    [ "${lines[1]}" = "Containers 1 0 307200 307200" ]
    [ "${lines[2]}" = "Local Volumes 1 0 5000 5000" ]
    ok dhow system df -v
    says "SHARED SIZE"
    ok dhow system df -v --format json
    python3 - <<END
import json
d = json.loads('''$output''')
by = {i["Repository"]: i for i in d["Images"]}
assert by["twin"]["SharedBytes"] > 2000000, by
assert by["twin"]["SizeBytes"] - by["twin"]["SharedBytes"] < 20000, by
assert by["busybox"]["SharedBytes"] == 0 and by["busybox"]["Containers"] == 1, by
assert d["Volumes"][0]["Name"] == "vol" and d["Volumes"][0]["Links"] == 0
END
    dhow volume rm vol
}

@test "system prune takes filters" {
    image busybox
    dhow create --name a --network none --label keep=1 busybox true
    dhow create --name b --network none busybox true
    dhow volume create --label keep=1 v1
    ok dhow system prune -f --filter 'label!=keep'
    ok dhow ps -a --format '{{.Names}}'
    [ "$output" = a ]
    ok dhow container prune -f --filter until=1h
    ok dhow ps -aq
    [ -n "$output" ]
    ok dhow container prune -f --filter label=keep
    ok dhow ps -aq
    [ -z "$output" ]
    there busybox
    ok dhow system prune -a -f --filter until=1h
    there busybox
    ok dhow system prune -a -f
    absent busybox
    dhow volume rm v1
}

@test "an image is mounted, listed, held and unmounted" {
    require root
    image busybox
    dhow run --name c --network none busybox true
    mk two 10
    ok dhow image mount busybox
    path=$output
    [ -x "$path/bin/busybox" ]
    run touch "$path/new"
    [ "$status" -ne 0 ]
    ok dhow image mount busybox # again is fine
    [ "$output" = "$path" ]
    mkdir "$T/at"
    ok dhow image mount --target "$T/at" two
    [ "$(cat "$T/at/etc/name")" = two ]
    ok dhow image mount --format '{{.Name}} {{.Mountpoint}} {{.Mounted}}'
    says "busybox:latest $path true"
    says "two:latest $T/at true"
    # another image does not go on top of it
    fails 125 dhow image mount --target "$T/at" busybox
    says "already"
    fails 125 dhow rmi two
    says "mount of $T/at"
    ok dhow image prune -a -f
    there two
    ok dhow image unmount "$T/at"
    [ -z "$(ls "$T/at")" ]
    ok dhow image prune -a -f
    absent two
    # open files
    exec 7<"$path/bin/busybox"
    fails 125 dhow image unmount busybox
    says "--force"
    ok dhow image unmount -f busybox
    [ ! -e "$path" ]
    exec 7<&-
    fails 125 dhow image unmount busybox
    says "not mounted"
}

@test "prune --external takes what only a mount holds; an umount by hand confuses nothing" {
    require root
    mk held 10
    ok dhow image mount held
    path=$output
    ok dhow image prune -a -f --external
    says "Untagged: held:latest"
    ! mountpoint -q "$path"
    mk held 10
    ok dhow image mount held
    path=$output
    umount "$path"
    ok dhow image mount --format '{{.Mounted}}'
    [ "$output" = false ]
    ok dhow image unmount held
    ok dhow rmi held
}

@test "an ordinary user's image mount is refused by name" {
    require rootless
    uimage busybox
    fails 125 udhow image mount busybox
    says "ordinary user"
}
