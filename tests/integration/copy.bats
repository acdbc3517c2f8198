#!/usr/bin/env bats
# image copy: between registries, the store, archives and folders; skopeo and podman's formats.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    require skopeo || return 1
    start_registry
    fixture busybox
    mkdir "$T/add"
    echo two >"$T/add/two"
    tar -C "$T/add" --owner=0 --group=0 --mtime=@0 -cf "$T/two.tar" .
    echo '{"Cmd":["sh"],"Env":["PATH=/bin"],"Labels":{"a":"b"}}' >"$T/config.json"
    "$TOP/tests/lib/mkimage" layout "$T/layout" team/two:1 "$T/config.json" "$DHOW_FIXTURES/busybox.tar" "$T/two.tar"
    skopeo copy -q --dest-tls-verify=false "oci:$T/layout:team/two:1" "docker://$REGISTRY/two:1"
    make_index
}

teardown() {
    unfake
}

# An index of two platforms at $REGISTRY/index:1, made by hand.
make_index() {
    local arch digest size entries=()
    for arch in amd64 arm64; do
        jq -c --arg a "$arch" '.architecture = $a' <<<"$(skopeo inspect --tls-verify=false --config --raw "docker://$REGISTRY/two:1")" >"$T/$arch.json"
        skopeo copy -q "oci:$T/layout:team/two:1" "dir:$T/$arch"
        digest=$(sha256sum "$T/$arch.json" | cut -d' ' -f1)
        cp "$T/$arch.json" "$T/$arch/$digest"
        size=$(stat -c %s "$T/$arch.json")
        jq -c --arg d "sha256:$digest" --argjson s "$size" '.config.digest = $d | .config.size = $s' "$T/$arch/manifest.json" >"$T/m"
        mv "$T/m" "$T/$arch/manifest.json"
        skopeo copy -q --dest-tls-verify=false --preserve-digests "dir:$T/$arch" "docker://$REGISTRY/index:$arch"
        entries+=("$(printf '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"os":"linux","architecture":"%s"}}' \
            "$(sha256sum "$T/$arch/manifest.json" | cut -d' ' -f1)" "$(stat -c %s "$T/$arch/manifest.json")" "$arch")")
    done
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,%s]}' "${entries[@]}" >"$T/index.json"
    curl -sSf -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary "@$T/index.json" \
        "http://$REGISTRY/v2/index/manifests/1"
}

digest_at() {
    skopeo inspect --tls-verify=false --format '{{.Digest}}' "$@"
}

# Nothing of a copy that failed is left beside the file or folder.
no_temps() {
    [ -z "$(find "$T" -maxdepth 1 -name '.*tmp-*')" ]
}

@test "every transport to the next one: the image stays the same, and skopeo reads each" {
    local want at
    want=$(digest_at "docker://$REGISTRY/two:1")
    ok dhow image copy -q "docker://$REGISTRY/two:1" "oci:$T/a:x"
    [ "$output" = "$want" ]
    ok dhow image copy -q "oci:$T/a:x" "dir:$T/b"
    [ "$output" = "$want" ]
    ok dhow image copy -q "dir:$T/b" "oci-archive:$T/c.tar:y"
    [ "$output" = "$want" ]
    ok dhow image copy -q "oci-archive:$T/c.tar:y" "docker://$REGISTRY/again:1"
    [ "$output" = "$want" ]
    ok dhow image copy -q "oci-archive:$T/c.tar" "docker-archive:$T/d.tar:team/d:1"
    ok dhow image copy -q "docker-archive:$T/d.tar" two:stored
    ok dhow run --rm --network none two:stored cat /two
    [ "$output" = two ]
    ok dhow image copy -q "containers-storage:two:stored" "dir:$T/e"
    for at in "oci:$T/a:x" "dir:$T/b" "oci-archive:$T/c.tar:y" "docker-archive:$T/d.tar" "dir:$T/e"; do
        ok skopeo inspect --config "$at"
        [ "$(jq -r .config.Labels.a <<<"$output")" = b ]
        ok skopeo copy -q "$at" "oci:$T/check:x"
    done
    no_temps
}

@test "what skopeo writes is read" {
    local want at
    want=$(dhow image copy -q "oci:$T/layout" "dir:$T/f")
    for at in "dir:$T/g" "oci:$T/h:x" "oci-archive:$T/i.tar:x"; do
        skopeo copy -q "oci:$T/layout:team/two:1" "$at"
        ok dhow image copy -q "$at" "oci:$T/skopeo:${at%%:*}"
        [ "$output" = "$want" ]
    done
    skopeo copy -q "oci:$T/layout:team/two:1" "docker-archive:$T/j.tar:team/j:1"
    ok dhow image copy -q "docker-archive:$T/j.tar:team/j:1" "oci:$T/skopeo:docker"
    ok skopeo inspect "oci:$T/skopeo:docker"
}

@test "registry to registry: blobs are mounted, an index is copied whole or in part" {
    ok dhow image copy "docker://$REGISTRY/two:1" "docker://$REGISTRY/mounted:1"
    says "(1 blobs sent, 2 there already)"
    ok dhow image copy -q --all "docker://$REGISTRY/index:1" "docker://$REGISTRY/index-copy:1"
    [ "$output" = "sha256:$(sha256sum "$T/index.json" | cut -d' ' -f1)" ]
    ok dhow image copy -q --platform linux/arm64 "docker://$REGISTRY/index:1" "oci:$T/arm:x"
    ok skopeo inspect --override-arch arm64 "oci:$T/arm:x"
    [ "$(jq -r .Architecture <<<"$output")" = arm64 ]
    ok dhow image copy -q --all "docker://$REGISTRY/index:1" "dir:$T/all"
    ok skopeo copy -q --all "dir:$T/all" "oci:$T/all-oci:x"
    ok dhow image copy -q --all "oci:$T/all-oci:x" "oci-archive:$T/all.tar:x"
    [ "$output" = "sha256:$(sha256sum "$T/index.json" | cut -d' ' -f1)" ]
    fails 125 dhow image copy --all "docker://$REGISTRY/index:1" "docker-archive:$T/no.tar"
    says "one image, not all of an index"
    fails 125 dhow image copy --platform linux/s390x "docker://$REGISTRY/index:1" "dir:$T/no"
    says "no image for linux/s390x"
    no_temps
}

@test "conversion, compression and --preserve-digests" {
    ok dhow image copy -q --format v2s2 "oci:$T/layout" "docker://$REGISTRY/v2s2:1"
    ok skopeo inspect --tls-verify=false --raw "docker://$REGISTRY/v2s2:1"
    [ "$(jq -r .mediaType <<<"$output")" = application/vnd.docker.distribution.manifest.v2+json ]
    ok dhow image copy -q --compression-format zstd "oci:$T/layout" "oci:$T/zstd:x"
    ok skopeo inspect --raw "oci:$T/zstd:x"
    [ "$(jq -r '.layers[1].mediaType' <<<"$output")" = application/vnd.oci.image.layer.v1.tar+zstd ]
    ok dhow image copy -q "oci:$T/zstd:x" zstd:back
    ok dhow image copy -q --dest-decompress "oci:$T/zstd:x" "dir:$T/plain"
    [ "$(sha256sum "$T/two.tar" | cut -d' ' -f1)" = "$(jq -r '.layers[1].digest[7:]' "$T/plain/manifest.json")" ]
    fails 125 dhow image copy --preserve-digests --format v2s2 "oci:$T/layout" "dir:$T/no"
    says "cannot be preserved"
    fails 125 dhow image copy --preserve-digests "oci:$T/layout" "docker-archive:$T/no.tar"
    says "cannot be preserved"
    no_temps
}

@test "a layout keeps its other images; a folder is replaced as a whole" {
    ok dhow image copy -q "oci:$T/layout" "oci:$T/many:a"
    ok dhow image copy -q "oci:$T/zstd:x" "oci:$T/many:b"
    ok dhow image copy -q "oci:$T/layout" "oci:$T/many:a"
    [ "$(jq -c '[.manifests[].annotations["org.opencontainers.image.ref.name"]] | sort' "$T/many/index.json")" = '["a","b"]' ]
    fails 125 dhow image copy "oci:$T/many" "dir:$T/no"
    says "name one behind the path"
    ok dhow image copy -q "oci:$T/layout" "dir:$T/b2"
    ok dhow image copy -q "oci:$T/zstd:x" "dir:$T/b2"
    grep -q zstd "$T/b2/manifest.json"
    mkdir "$T/other"
    touch "$T/other/file"
    fails 125 dhow image copy "oci:$T/layout" "dir:$T/other"
    says "holds other things than an image"
    [ -e "$T/other/file" ]
    no_temps
}

@test "bad sources and locations are refused in one line, and nothing is left" {
    local hex
    fails 125 dhow image copy docker-daemon:x "dir:$T/no"
    says "transport 'docker-daemon:' is not supported"
    fails 125 dhow image copy "oci:$T/none" "dir:$T/no"
    says "No such file"
    fails 125 dhow image copy "docker://$REGISTRY/none:1" "dir:$T/no"
    says "has no image"
    cp -r "$T/layout" "$T/bad"
    hex=$(jq -r '.layers[0].digest[7:]' "$T/bad/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$T/bad/index.json")")
    chmod u+w "$T/bad/blobs/sha256/$hex"
    printf x | dd of="$T/bad/blobs/sha256/$hex" bs=1 seek=300 conv=notrunc status=none
    fails 125 dhow image copy "oci:$T/bad" "dir:$T/no"
    says "has the digest"
    fails 125 dhow image copy "oci:$T/bad" "oci-archive:$T/no.tar"
    [ ! -e "$T/no" ]
    [ ! -e "$T/no.tar" ]
    no_temps
}

@test "a full disk gives one line and leaves nothing" {
    require root
    mkdir -p "$T/small"
    mount -t tmpfs -o size=600k none "$T/small"
    run dhow image copy -q "oci:$T/layout" "oci-archive:$T/small/x.tar"
    local left
    left=$(find "$T/small" -type f)
    umount "$T/small"
    [ "$status" -eq 125 ]
    says "No space left"
    [ "${#lines[@]}" -eq 1 ]
    [ -z "$left" ]
}

@test "SIGKILL during a copy: the next one clears up and goes through" {
    head -c 30000000 /dev/urandom >"$T/noise"
    tar -C "$T" --owner=0 --group=0 --mtime=@0 -cf "$T/noise.tar" noise
    "$TOP/tests/lib/mkimage" layout "$T/big" big:1 "$T/config.json" "$T/noise.tar"
    local delay to
    for to in "dir:$T/k" "oci:$T/l:x" "oci-archive:$T/m.tar:x"; do
        for delay in 0.02 0.05 0.1; do
            "$BUILD/dhow" --root "$T/root" --runroot "$T/run" image copy -q "oci:$T/big" "$to" >/dev/null 2>&1 3>&- &
            sleep "$delay"
            kill -9 $! 2>/dev/null || true
            wait $! || true
        done
        ok dhow image copy -q "oci:$T/big" "$to"
        ok skopeo inspect "$to"
    done
    no_temps
    store_is_sound
}
