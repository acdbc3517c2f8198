#!/usr/bin/env bats
# pull: against Debian's docker-registry with what skopeo pushes, and against one that misbehaves.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    start_registry
    make_images
}

teardown() {
    unfake
    dhow image prune -a -f >/dev/null 2>&1 || true
}

# One image of three layers in each form of compression, and as docker's schema 2; images of one
# plain layer; an index of several platforms.
make_images() {
    local src=$T/src:multi:latest name
    require skopeo zstd || return 1
    fixture busybox || return 1
    for name in two three; do
        mkdir "$T/add"
        echo "$name" >"$T/add/$name"
        tar -C "$T/add" --owner=0 --group=0 --mtime=@0 -cf "$T/$name.tar" .
        rm -r "$T/add"
    done
    echo '{"Cmd":["sh"],"Env":["PATH=/bin"],"Labels":{"a":"b"}}' >"$T/config.json"
    "$TOP/tests/lib/mkimage" layout "$T/src" multi:latest "$T/config.json" \
        "$DHOW_FIXTURES/busybox.tar" "$T/two.tar" "$T/three.tar"
    skopeo copy -q --dest-tls-verify=false "oci:$src" "docker://$REGISTRY/gzip"
    skopeo copy -q --dest-tls-verify=false --format v2s2 "oci:$src" "docker://$REGISTRY/schema2"
    push_plain
    push_index
}

put_blob() {
    local url
    url=$(curl -sS -o /dev/null -D - -X POST "http://$REGISTRY/v2/$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //p')
    curl -sSf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" "$url&digest=$3"
}

put_manifest() {
    curl -sSf -X PUT -H "Content-Type: $3" --data-binary "@$4" "http://$REGISTRY/v2/$1/manifests/$2"
}

digest_of() {
    echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"
}

descriptor() {
    printf '{"mediaType":"%s","digest":"%s","size":%s%s}' "$1" "$(digest_of "$2")" "$(stat -c %s "$2")" "${3:-}"
}

# one_layer ARCH REPOSITORY [TAG [SUFFIX]]: an image for that platform; SUFFIX +zstd compresses.
one_layer() {
    local arch=$1 dir=$T/plain-${1//\//-}${4:-} layer
    mkdir -p "$dir/root"
    echo "$arch" >"$dir/root/arch"
    tar -C "$dir/root" --owner=0 --group=0 --mtime=@0 -cf "$dir/layer.tar" .
    printf '{"architecture":"%s","os":"linux"%s,"config":{"Cmd":["/bin/true"]},"rootfs":{"type":"layers","diff_ids":["%s"]}}' \
        "${arch%%/*}" "$([ "$arch" = "${arch%%/*}" ] || printf ',"variant":"%s"' "${arch#*/}")" "$(digest_of "$dir/layer.tar")" >"$dir/config"
    layer=$dir/layer.tar
    if [ -n "${4:-}" ]; then
        zstd -q "$layer"
        layer+=.zst
    fi
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
        "$(descriptor application/vnd.oci.image.config.v1+json "$dir/config")" \
        "$(descriptor "application/vnd.oci.image.layer.v1.tar${4:-}" "$layer")" >"$dir/manifest"
    put_blob "$2" "$layer" "$(digest_of "$layer")"
    put_blob "$2" "$dir/config" "$(digest_of "$dir/config")"
    put_manifest "$2" "${3:-$(digest_of "$dir/manifest")}" application/vnd.oci.image.manifest.v1+json "$dir/manifest"
}

push_plain() {
    one_layer amd64 plain latest
    one_layer amd64 zstd latest +zstd
    one_layer arm64 other latest
}

push_index() {
    local arch list=
    for arch in amd64 arm/v6 arm64; do
        one_layer "$arch" index
        list+=${list:+,}$(descriptor application/vnd.oci.image.manifest.v1+json "$T/plain-${arch//\//-}/manifest" \
            ",\"platform\":{\"os\":\"linux\",\"architecture\":\"${arch%%/*}\"$([ "$arch" = "${arch%%/*}" ] || printf ',"variant":"%s"' "${arch#*/}")}")
    done
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}' "$list" >"$T/index.json"
    put_manifest index latest application/vnd.oci.image.index.v1+json "$T/index.json"
}

# More than the small layer is on its way.
is_downloading() {
    find "$T/root/ingest" -type f -size +100k | grep -q .
}

# --- what works ---

@test "gzip, zstd and plain layers, OCI and docker manifests give the same image" {
    local kind id=
    for kind in gzip schema2; do
        ok dhow pull "$REGISTRY/$kind"
        ok dhow inspect --type image -f '{{json .RootFS.Layers}}' "$REGISTRY/$kind"
        [ -z "$id" ] || [ "$output" = "$id" ]
        id=$output
        [ "$(jq length <<<"$id")" -eq 3 ]
    done
    ok dhow pull "$REGISTRY/plain"
    ok dhow inspect --type image -f '{{json .RootFS.Layers}}' "$REGISTRY/plain"
    id=$output
    ok dhow rmi "$REGISTRY/plain"
    ok dhow pull "$REGISTRY/zstd"
    ok dhow inspect --type image -f '{{json .RootFS.Layers}}' "$REGISTRY/zstd"
    [ "$output" = "$id" ]
    store_is_sound
}

@test "what was pulled is what skopeo sees: id, digest, layers" {
    local name=$REGISTRY/gzip
    ok dhow pull -q "$name"
    [ "${output#sha256:}" = "$(skopeo inspect --tls-verify=false --raw "docker://$name" | jq -r .config.digest | cut -d: -f2)" ]
    ok dhow inspect --type image -f '{{index .RepoDigests 0}}' "$name"
    [ "$output" = "$name@$(skopeo inspect --tls-verify=false "docker://$name" | jq -r .Digest)" ]
}

@test "by digest, by tag and digest; the digest pins what is fetched" {
    local digest
    digest=$(skopeo inspect --tls-verify=false "docker://$REGISTRY/gzip" | jq -r .Digest)
    ok dhow pull "$REGISTRY/gzip@$digest"
    ok dhow inspect --type image "$REGISTRY/gzip@$digest"
    fails 125 dhow inspect --type image "$REGISTRY/gzip"
    ok dhow pull "$REGISTRY/gzip:latest@$digest"
    fails 125 dhow pull "$REGISTRY/gzip@sha256:$(printf '0%.0s' {1..64})"
    says "has no image"
}

@test "a second pull changes nothing and fetches nothing but the manifest" {
    fake
    ok dhow pull "$FAKE/a"
    : >"$T/fake.log"
    ok dhow pull "$FAKE/a"
    [ "$(requests /blobs/)" -eq 0 ]
    [ "$(requests /manifests/)" -eq 1 ]
}

@test "a layer that is there is not fetched for another image" {
    fake
    ok dhow pull "$FAKE/a"
    : >"$T/fake.log"
    ok dhow pull "$FAKE/b"
    [ "$(requests /blobs/)" -eq 1 ] # the config
}

@test "an index gives this machine's image, or the one asked for; nearest variant" {
    ok dhow pull "$REGISTRY/index"
    ok dhow inspect --type image -f '{{.Architecture}}' "$REGISTRY/index"
    [ "$output" = amd64 ]
    ok dhow pull --platform linux/arm64 "$REGISTRY/index"
    ok dhow inspect --type image -f '{{.Architecture}}' "$REGISTRY/index"
    [ "$output" = arm64 ]
    ok dhow pull --platform linux/arm/v7 "$REGISTRY/index"
    ok dhow inspect --type image -f '{{.Variant}}' "$REGISTRY/index"
    [ "$output" = v6 ]
    # the name stands for this index already, but for another machine
    ok dhow pull "$REGISTRY/index"
    ok dhow inspect --type image -f '{{.Architecture}}' "$REGISTRY/index"
    [ "$output" = amd64 ]
    fails 125 dhow pull --platform linux/s390x "$REGISTRY/index"
    says "no image for linux/s390x"
    says "linux/arm/v6"
    fails 125 dhow pull --platform linux/arm/v5 "$REGISTRY/index"
    fails 125 dhow pull --platform 'linux/a b' "$REGISTRY/index"
    says "platform"
}

@test "an image for another CPU is refused unless it is asked for" {
    fails 125 dhow pull "$REGISTRY/other"
    says "is an image for linux/arm64"
    says "--platform linux/arm64"
    ok dhow pull --platform linux/arm64 "$REGISTRY/other"
}

@test "pull policies: never, missing, newer, always" {
    fake
    fails 125 dhow pull --policy never "$FAKE/a"
    says "no such image"
    ok dhow pull --policy missing "$FAKE/a"
    : >"$T/fake.log"
    ok dhow pull --policy missing "$FAKE/a"
    ok dhow pull --policy never "$FAKE/a"
    [ "$(requests .)" -eq 0 ]
    ok dhow pull --policy newer "$FAKE/a"
    [ "$(requests .)" -eq 1 ]
    unfake
    ok dhow pull --policy newer "$FAKE/a"
    fails 125 dhow pull --policy always "$FAKE/a"
    says "cannot be reached"
    fails 125 dhow pull --policy sometimes "$FAKE/a"
    says "always, missing, newer or never"
}

# --- authentication ---

@test "basic authentication: refused without, refused with wrong ones, taken with --creds" {
    fake --auth basic
    fails 125 dhow pull "$FAKE/a"
    says "wants credentials"
    fails 125 dhow pull --creds alice:wrong "$FAKE/a"
    says "credentials"
    ok dhow pull --creds alice:secret "$FAKE/a"
    fails 125 dhow pull --creds alice "$FAKE/b"
    says "USER:PASSWORD"
}

@test "bearer tokens: anonymous, with a password, and a new one when it grew too old" {
    fake --auth bearer
    ok dhow pull "$FAKE/a"
    unfake
    fake --auth bearer --private
    fails 125 dhow pull "$FAKE/b"
    says "refuses the credentials"
    ok dhow pull --creds alice:secret "$FAKE/b"
    unfake
    fake --auth bearer --expire 1:1 --seed 2
    ok dhow pull "$FAKE/c"
    [ "$(requests '/token.*status=200')" -ge 2 ]
}

@test "credentials from --authfile, REGISTRY_AUTH_FILE, docker's config.json; the longest entry wins" {
    local auth wrong
    auth=$(printf 'alice:secret' | base64)
    wrong=$(printf 'alice:wrong' | base64)
    fake --auth bearer --private
    echo "{\"auths\":{\"$FAKE\":{\"auth\":\"$wrong\"},\"$FAKE/team\":{\"auth\":\"$auth\"}}}" >"$T/auth.json"
    ok dhow pull --authfile "$T/auth.json" "$FAKE/team/a"
    fails 125 dhow pull --authfile "$T/auth.json" "$FAKE/a"
    REGISTRY_AUTH_FILE=$T/auth.json ok dhow pull "$FAKE/team/b"
    mkdir -p "$T/docker"
    echo "{\"auths\":{\"http://$FAKE/v1/\":{\"auth\":\"$auth\"}}}" >"$T/docker/config.json"
    HOME=$T DOCKER_CONFIG=$T/docker ok dhow pull "$FAKE/c"
    fails 125 dhow pull --authfile "$T/none.json" "$FAKE/d"
    says "none.json"
}

@test "an identity token is changed for an access token" {
    fake --auth bearer --private
    echo "{\"auths\":{\"$FAKE\":{\"identitytoken\":\"refresh-me\"}}}" >"$T/id.json"
    ok dhow pull --authfile "$T/id.json" "$FAKE/a"
    echo "{\"auths\":{\"$FAKE\":{\"identitytoken\":\"stale\"}}}" >"$T/id.json"
    fails 125 dhow pull --authfile "$T/id.json" "$FAKE/b"
    says "refuses the credentials"
}

@test "a credential helper is asked" {
    fake --auth basic
    mkdir -p "$T/helper"
    cat >"$T/helper/docker-credential-test" <<-'END'
	#!/bin/sh
	read -r server
	[ "$1" = get ] && echo "{\"ServerURL\":\"$server\",\"Username\":\"alice\",\"Secret\":\"secret\"}"
	END
    chmod +x "$T/helper/docker-credential-test"
    echo '{"credsStore":"test"}' >"$T/helper.json"
    PATH=$T/helper:$PATH ok dhow pull --authfile "$T/helper.json" "$FAKE/a"
    echo "{\"credHelpers\":{\"$FAKE\":\"gone\"}}" >"$T/helper.json"
    fails 125 dhow pull --authfile "$T/helper.json" "$FAKE/b"
    says "docker-credential-gone"
}

# --- TLS ---

@test "TLS: an unknown certificate is refused, --cert-dir or --tls-verify=false takes it" {
    fake --tls "$T/tls"
    fails 125 dhow pull "$FAKE/a"
    says "certificate is not trusted"
    ok dhow pull --cert-dir "$T/tls" "$FAKE/a"
    ok dhow pull --tls-verify=false "$FAKE/b"
}

@test "TLS: a client certificate is shown where the registry wants one" {
    fake --tls "$T/mtls" --client-cert
    mkdir -p "$T/certs"
    cp "$T/mtls/ca.crt" "$T/certs/ca.crt"
    fails 125 dhow pull --retry 1 --cert-dir "$T/certs" "$FAKE/a"
    cp "$T/mtls/ca.crt" "$T/certs/me.cert"
    fails 125 dhow pull --cert-dir "$T/certs" "$FAKE/a"
    says "me.key"
    cp "$T/mtls/key.pem" "$T/certs/me.key"
    ok dhow pull --cert-dir "$T/certs" "$FAKE/a"
}

@test "a registry with an IPv6 address" {
    fake --bind ::1
    ok dhow pull "[::1]:${FAKE#*:}/a"
    ok dhow inspect --type image "[::1]:${FAKE#*:}/a"
}

@test "an ordinary user pulls into directories of their own" {
    require rootless
    fake
    ok udhow pull "$FAKE/a"
    ok udhow images -q
    [ "${#lines[@]}" -eq 1 ]
    ok udhow system check
    ok udhow rmi "$FAKE/a"
}

@test "http: on loopback by default, never with --tls-verify=true" {
    fake
    fails 125 dhow pull --tls-verify=true "$FAKE/a"
    says "TLS"
    ok dhow pull "localhost:${FAKE#*:}/a"
}

# --- what breaks ---

@test "unreachable, unknown host, missing name, bad name: one line and exit 125" {
    fails 125 dhow pull -q 127.0.0.1:1/x
    [ "${#lines[@]}" -eq 1 ]
    says "cannot be reached"
    fails 125 dhow pull -q no-such-host.invalid/x
    [ "${#lines[@]}" -eq 1 ]
    says "no-such-host.invalid"
    fails 125 dhow pull "$REGISTRY/nothing"
    says "has no image 'nothing:latest'"
    fails 125 dhow pull "$REGISTRY/gzip:nothing"
    says "has no image 'gzip:nothing'"
    fails 125 dhow pull "$REGISTRY/UPPER"
    says "lower case"
    fails 125 dhow pull "$REGISTRY/a@sha256:abc"
    says "bad image name"
}

@test "5xx and 429 are tried again, Retry-After is obeyed" {
    local start
    fake --fail-manifest 503:2 --fail-blob 500:1
    ok dhow pull "$FAKE/a"
    unfake
    fake --fail-manifest 429:1 --retry-after 2 --seed 3
    start=$SECONDS
    ok dhow pull "$FAKE/b"
    [ $((SECONDS - start)) -ge 2 ]
}

@test "what stays broken is given up, and says what the server said, made harmless" {
    fake --fail-manifest 503
    fails 125 dhow pull --retry 1 "$FAKE/a"
    says "status 503"
    [[ $output != *$'\e'* ]]
    [ "$(requests /manifests/)" -eq 2 ]
    unfake
    fake --fail-manifest 429
    fails 125 dhow pull --retry 1 "$FAKE/a"
    says "too many requests"
    unfake
    fake --fail-manifest 403
    fails 125 dhow pull "$FAKE/a"
    says "denies access"
}

@test "a broken connection is resumed where it broke" {
    fake --cut 300000:3
    ok dhow pull "$FAKE/a"
    [ "$(requests 'range=bytes=')" -ge 3 ]
    store_is_sound
}

@test "a server without ranges is read from the start again" {
    fake --cut 300000:1 --no-range
    ok dhow pull "$FAKE/a"
    store_is_sound
}

@test "a killed pull is resumed by the next one, byte for byte" {
    fake --rate 400000 --layer-bytes 2000000
    dhow pull -q "$FAKE/a" >/dev/null 2>&1 3>&- &
    local pid=$!
    wait_for 10 is_downloading
    sleep 1
    # `dhow` is a function here: its process is the child
    pkill -KILL -P "$pid" || kill -KILL "$pid"
    wait "$pid" || true
    unfake
    fake --layer-bytes 2000000
    ok dhow pull "${FAKE}/a"
    [ "$(requests 'range=bytes=[0-9]')" -eq 1 ]
    [ -z "$(ls "$T/root/ingest")" ]
    store_is_sound
}

@test "killed at any system call that changes the store: sound, and nothing half done" {
    require strace
    local call limit n
    fake --layer-bytes 100000
    for call in renameat:7 fsync:8 fdatasync:3 unlinkat:6 pwrite64:8 mkdirat:6 flock:5 ftruncate:1; do
        limit=${call#*:}
        for ((n = 1; n <= limit; n++)); do
            rm -rf "$T/kill"
            strace -f -o /dev/null -e trace="${call%:*}" -e inject="${call%:*}:signal=KILL:when=$n" \
                "$BUILD/dhow" --root "$T/kill" --runroot "$T/kill-run" pull -q "$FAKE/a" >/dev/null 2>&1 || true
            run "$BUILD/dhow" --root "$T/kill" --runroot "$T/kill-run" system check
            [ "$output" = "The store is sound." ] || { echo "$call $n: $output"; return 1; }
            [ -z "$(find "$T/kill/leases" -type f; find "$T/kill/layers" -name 'tmp-*')" ] || { echo "$call $n: left"; return 1; }
        done
    done
    ok "$BUILD/dhow" --root "$T/kill" --runroot "$T/kill-run" pull -q "$FAKE/a"
}

@test "an interrupted pull says so, exits 130 and leaves a sound store" {
    fake --rate 300000
    dhow pull "$FAKE/a" >"$T/out" 2>&1 3>&- &
    local pid=$! status=0
    wait_for 10 is_downloading
    pkill -INT -P "$pid" || kill -INT "$pid"
    wait "$pid" || status=$?
    [ "$status" -eq 130 ]
    fails 125 dhow inspect --type image "$FAKE/a"
    ok dhow system check
    [ -z "$(find "$T/root/layers" -name 'tmp-*')" ]
}

@test "two pulls at once fetch a layer once" {
    fake --rate 700000
    dhow pull -q "$FAKE/a" >/dev/null 2>&1 3>&- &
    local one=$!
    dhow pull -q "$FAKE/b" >/dev/null 2>&1 3>&- &
    local two=$!
    wait "$one"
    wait "$two"
    ok dhow inspect --type image "$FAKE/a" "$FAKE/b"
    # two layers, two configs
    [ "$(requests '/blobs/.*status=200')" -eq 4 ]
    store_is_sound
}

@test "a layer that is cut short, too long or altered is refused; its name is in the message" {
    fake --short 1000
    fails 125 dhow pull --retry 1 "$FAKE/a"
    says "ends after"
    unfake
    fake --long 1000
    fails 125 dhow pull --retry 1 "$FAKE/a"
    says "more than the"
    unfake
    fake --long 1000 --chunked
    fails 125 dhow pull --retry 1 "$FAKE/a"
    says "more than the"
    unfake
    fake --corrupt
    fails 125 dhow pull --retry 1 "$FAKE/a"
    says "what came has the digest"
    unfake
    fake --bad-gzip
    fails 125 dhow pull "$FAKE/a"
    says "layer sha256:"
    unfake
    fake --wrong-diffid
    fails 125 dhow pull "$FAKE/a"
    says "layer sha256:"
    [ -z "$(ls "$T/root/ingest")" ]
    fails 125 dhow inspect --type image "$FAKE/a"
    ok dhow system check
}

@test "good layers of a failed pull are kept for the next one, and pruned when asked" {
    fake --corrupt
    fails 125 dhow pull "$FAKE/a"
    [ "$(find "$T/root/layers" -name layer.tar | wc -l)" -le 1 ]
    unfake
    fake
    ok dhow pull "$FAKE/a"
    ok dhow rmi "$FAKE/a"
    ok dhow image prune -f
    wait_for 5 sh -c "! find $T/root/layers -name layer.tar | grep -q ."
    store_is_sound
}

@test "chunked answers, redirects and nested indexes work" {
    fake --chunked
    ok dhow pull "$FAKE/a"
    unfake
    second --seed 4
    fake --seed 4 --redirect "http://$SECOND"
    ok dhow pull "$FAKE/b"
    unfake
    fake --index-depth 2 --seed 5
    ok dhow pull "$FAKE/c"
    unfake
    fake --redirect-loop
    fails 125 dhow pull "$FAKE/d"
    says "redirects more than"
    unfake
    fake --index-depth 6 --seed 6
    fails 125 dhow pull "$FAKE/e"
    says "indexes within indexes"
}

@test "a full disk: one line, and what was half done is gone" {
    require root
    fake --layer-bytes 30000000
    mkdir -p "$T/small"
    mount -t tmpfs -o size=16m,mode=700 small "$T/small"
    run "$BUILD/dhow" --root "$T/small" --runroot "$T/small-run" pull "$FAKE/a"
    ls -la "$T/small/ingest" "$T/small/layers"
    local left
    left=$(find "$T/small/ingest" -type f; find "$T/small/layers" -name 'tmp-*')
    umount "$T/small"
    [ "$status" -eq 125 ]
    [[ $output == *"No space left"* || $output == *"the disk has"* ]]
    [ -z "$left" ]
}

@test "a store that cannot be written to: one line" {
    require root
    mkdir -p "$T/ro"
    mount -t tmpfs -o ro,mode=700 ro "$T/ro"
    run "$BUILD/dhow" --root "$T/ro" --runroot "$T/ro-run" pull -q "$REGISTRY/plain"
    umount "$T/ro"
    [ "$status" -eq 125 ]
    [ "${#lines[@]}" -eq 1 ]
    says "Read-only file system"
}
