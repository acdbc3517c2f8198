#!/usr/bin/env bats
# push: to Debian's docker-registry, where skopeo looks at what came, and to one that misbehaves.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    require skopeo || return 1
    start_registry
    fixture busybox
    dhow import -q "$DHOW_FIXTURES/busybox.tar" made:1
    # two layers, the second of bytes that do not compress: more than one PATCH, below
    mkdir "$T/add"
    head -c 40000000 /dev/urandom >"$T/add/noise"
    tar -C "$T/add" --owner=0 --group=0 --mtime=@0 -cf "$T/noise.tar" .
    rm -r "$T/add"
    echo '{"Cmd":["sh"],"Env":["PATH=/bin"]}' >"$T/config.json"
    "$TOP/tests/lib/mkimage" layout "$T/layout" noise:1 "$T/config.json" "$DHOW_FIXTURES/busybox.tar" "$T/noise.tar"
    dhow load -q -i "$T/layout"
    push from/skopeo:1 busybox
}

teardown() {
    unfake
}

# look ARGS...: skopeo inspect of an image at the registry.
look() {
    skopeo inspect --tls-verify=false "$@"
}

@test "what was pulled is pushed with the same digest, and its layers are mounted, not sent" {
    ok dhow pull -q "$REGISTRY/from/skopeo:1"
    ok dhow push "$REGISTRY/from/skopeo:1" "$REGISTRY/to/dhow:1"
    says "(1 blobs sent, 1 there already)"
    [ "${lines[-1]}" = "$(look "docker://$REGISTRY/from/skopeo:1" | jq -r .Digest)" ]
    [ "$(look --raw "docker://$REGISTRY/to/dhow:1")" = "$(look --raw "docker://$REGISTRY/from/skopeo:1")" ]
    ok dhow inspect --type image -f '{{.RepoDigests}}' "$REGISTRY/from/skopeo:1"
    says "$REGISTRY/to/dhow@sha256:"
}

@test "without the compressed form the layer is compressed anew, and known the second time" {
    ok dhow push made:1 "$REGISTRY/made:1"
    says "(2 blobs sent, 0 there already)"
    ok look --raw "docker://$REGISTRY/made:1"
    [ "$(jq -r '.layers[0].mediaType' <<<"$output")" = application/vnd.oci.image.layer.v1.tar+gzip ]
    ok dhow push made:1 "$REGISTRY/made:1"
    says "(0 blobs sent, 2 there already)"
    # skopeo unpacks it to the same bytes
    ok skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/made:1" "docker-archive:$T/made.tar:made:1"
    dhow rmi made:1 && dhow load -q -i "$T/made.tar"
    store_is_sound
}

@test "podman pulls what we push and pushes what we pull, by the same digest" {
    require podman
    local digest podman=(podman --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs)
    digest=$(dhow push -q made:1 "$REGISTRY/for/podman:1")
    ok "${podman[@]}" pull -q --tls-verify=false "$REGISTRY/for/podman@$digest"
    [ "$output" = "$(dhow images -q --no-trunc made | cut -d: -f2)" ]
    ok "${podman[@]}" push -q --tls-verify=false --digestfile "$T/podman-digest" "$output" "$REGISTRY/from/podman:1"
    ok dhow pull -q "$REGISTRY/from/podman:1"
    ok dhow push -q "$REGISTRY/from/podman:1" "$REGISTRY/again/podman:1"
    [ "$output" = "$(cat "$T/podman-digest")" ]
}

@test "the compressed bytes are the same whatever the number of processors" {
    ok dhow push -q --force-compression made:1 "dir:$T/many"
    ok taskset -c 0 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" push -q --force-compression made:1 "dir:$T/one"
    diff -r "$T/many" "$T/one"
}

@test "zstd, levels and docker's format" {
    ok dhow push -q --compression-format zstd made:1 "$REGISTRY/zstd:1"
    ok look --raw "docker://$REGISTRY/zstd:1"
    [ "$(jq -r '.layers[0].mediaType' <<<"$output")" = application/vnd.oci.image.layer.v1.tar+zstd ]
    ok skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/zstd:1" "oci:$T/zstd:1"
    ok dhow push -q --compression-level 1 --force-compression made:1 "$REGISTRY/level:1"
    ok dhow push -q --format v2s2 made:1 "$REGISTRY/v2s2:1"
    ok look --raw "docker://$REGISTRY/v2s2:1"
    [ "$(jq -r .mediaType <<<"$output")" = application/vnd.docker.distribution.manifest.v2+json ]
    [ "$(jq -r '.layers[0].mediaType' <<<"$output")" = application/vnd.docker.image.rootfs.diff.tar.gzip ]
    fails 125 dhow push --compression-level 10 made:1 "$REGISTRY/x"
    says "gzip has 1 to 9"
    fails 125 dhow push --compression-format lzma made:1 "$REGISTRY/x"
    says "gzip or zstd"
    fails 125 dhow push --format v3 made:1 "$REGISTRY/x"
    says "oci or v2s2"
}

@test "--digestfile, --quiet and --all-tags" {
    ok dhow push -q --digestfile "$T/digest" made:1 "$REGISTRY/made:2"
    [ "${#lines[@]}" -eq 1 ]
    [ "$(cat "$T/digest")" = "$output" ]
    dhow tag made:1 "$REGISTRY/tags:a"
    dhow tag made:1 "$REGISTRY/tags:b"
    ok dhow push -q --all-tags "$REGISTRY/tags"
    ok skopeo list-tags --tls-verify=false "docker://$REGISTRY/tags"
    [ "$(jq -c '.Tags|sort' <<<"$output")" = '["a","b"]' ]
    fails 125 dhow push --all-tags "$REGISTRY/tags:a"
    says "names one image, not a repository"
    fails 125 dhow push nothing
    says "no such image: 'nothing'"
}

@test "a pull keeps the compressed form unless told otherwise; rmi takes it away" {
    dhow rmi -f "$REGISTRY/from/skopeo:1"
    ok dhow pull -q "$REGISTRY/from/skopeo:1"
    [ "$(find "$T/root/packed" -type f | wc -l)" -eq 0 ] # the layer was there all the time
    dhow rmi -f "$(dhow images -q made)" "$REGISTRY/from/skopeo:1" noise:1 >/dev/null 2>&1 || true
    dhow image prune -a -f >/dev/null
    ok dhow pull -q "$REGISTRY/from/skopeo:1"
    [ "$(find "$T/root/packed" -type f | wc -l)" -eq 1 ]
    ok dhow save -q --format oci-dir -o "$T/same" "$REGISTRY/from/skopeo:1"
    [ "$(jq -r '.manifests[0].digest' "$T/same/index.json")" = "$(look "docker://$REGISTRY/from/skopeo:1" | jq -r .Digest)" ]
    ok dhow rmi "$REGISTRY/from/skopeo:1"
    [ "$(find "$T/root/packed" -type f | wc -l)" -eq 0 ]
    DHOW_PACKED_LAYERS=discard dhow pull -q "$REGISTRY/from/skopeo:1"
    [ "$(find "$T/root/packed" -type f | wc -l)" -eq 0 ]
    store_is_sound
    dhow import -q "$DHOW_FIXTURES/busybox.tar" made:1
    dhow load -q -i "$T/layout"
}

@test "a damaged compressed form is noticed and made anew" {
    dhow image prune -a -f >/dev/null
    ok dhow pull -q "$REGISTRY/from/skopeo:1"
    local file
    file=$(find "$T/root/packed" -type f)
    chmod u+w "$file"
    printf x | dd of="$file" bs=1 seek=5000 conv=notrunc status=none
    fake_push
    ok dhow push "$REGISTRY/from/skopeo:1" "$FAKE/damaged:1"
    [ ! -e "$file" ]
    dhow import -q "$DHOW_FIXTURES/busybox.tar" made:1
    dhow load -q -i "$T/layout"
}

@test "a broken upload goes on where the registry has it" {
    fake_push --cut 3000000:2
    ok dhow push noise:1 "$FAKE/noise:1"
    [ "$(requests '^GET .*/uploads/.* status=204')" -ge 1 ]
    ok skopeo copy -q --src-tls-verify=false "docker://$FAKE/noise:1" "dir:$T/noise-one"
    unfake
    # where the size is known, so is each piece's range
    fake_push --cut 3000000:1
    ok dhow image copy "oci:$T/layout:noise:1" "docker://$FAKE/noise:2"
    [ "$(requests '^PATCH .* range=[1-9]')" -ge 1 ]
}

@test "an upload that is too large for a proxy is sent in pieces" {
    fake_push --largest 34000000
    ok dhow image copy "oci:$T/layout:noise:1" "docker://$FAKE/noise:1"
    [ "$(requests '^PATCH .* range=[1-9]')" -eq 1 ]
    ok skopeo copy -q --src-tls-verify=false "docker://$FAKE/noise:1" "dir:$T/noise-pieces"
}

@test "where the registry does not know it any more, the upload begins anew" {
    fake_push --cut 3000000:1 --forget
    ok dhow push noise:1 "$FAKE/noise:1"
    ok skopeo copy -q --src-tls-verify=false "docker://$FAKE/noise:1" "dir:$T/noise-came"
}

@test "429 with Retry-After is waited for; giving up is told" {
    fake_push --busy 429:3 --retry-after 1
    local start=$SECONDS
    ok dhow push noise:1 "$FAKE/noise:1"
    [ $((SECONDS - start)) -ge 1 ]
    unfake
    fake_push --busy 503:100
    fails 125 dhow push --retry 1 made:1 "$FAKE/made:1"
    says "status 503"
}

@test "tokens are asked for with the right scopes, once, and go to nobody else" {
    fake_push --auth
    fails 125 dhow push made:1 "$FAKE/made:1"
    says "refuses the credentials"
    ok dhow push --creds alice:secret made:1 "$FAKE/made:1"
    [ "$(grep -c 'GET /token?.*scope=repository%3Amade%3Apull%2Cpush.* status=200' "$T/fake.log")" -eq 1 ]
    # the next repository mounts from this one, so its token lets it read there
    ok dhow push --creds alice:secret made:1 "$FAKE/other:1"
    [ "$(requests '^POST .*mount=.*from=made status=201')" -ge 1 ]
}

@test "credentials never follow an upload to another host" {
    FAKE_PROGRAM=fake-push.py second
    fake_push --auth --location-host "$SECOND"
    run dhow push --retry 1 --creds alice:secret made:1 "$FAKE/made:1"
    [ "$status" -eq 125 ]
    grep -q '^P' "$T/second.log"
    run ! grep -E 'auth=(Bearer|Basic)' "$T/second.log"
}

@test "SIGKILL and SIGINT during a push leave the store sound" {
    fake_push --rate 4000000
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" push noise:1 "$FAKE/killed:1" 2>/dev/null 3>&- &
    sleep 1
    kill -9 $!
    wait $! || true
    timeout -s INT 1 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" push noise:1 "$FAKE/killed:1" 2>"$T/err" && return 1
    grep -q interrupted "$T/err"
    store_is_sound
}
