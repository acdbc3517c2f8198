#!/usr/bin/env bats
# manifest: indexes of several platforms; image sync. skopeo reads what is pushed.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    require skopeo || return 1
    start_registry
    fixture busybox
    dhow import -q "$DHOW_FIXTURES/busybox.tar" here:amd
    dhow import -q --platform linux/arm64 "$DHOW_FIXTURES/busybox.tar" here:arm
    push team/app:one busybox
    push team/app:two busybox
    push team/other:one busybox
}

look() {
    skopeo inspect --tls-verify=false "$@"
}

@test "create, add, annotate, inspect, push: the store's images and a registry's" {
    ok dhow manifest create list:1 here:amd
    ok dhow manifest add list:1 here:arm "docker://$REGISTRY/team/app:one"
    ok dhow manifest inspect list:1
    [ "$(jq -c '[.manifests[].platform.architecture]' <<<"$output")" = '["amd64","arm64","amd64"]' ]
    ok dhow manifest annotate --variant v8 --os-version 1.2 --annotation a=b list:1 here:arm
    ok dhow manifest annotate --index --annotation index=yes list:1
    ok dhow manifest push -q list:1 "$REGISTRY/list:1"
    [ "$(look --raw "docker://$REGISTRY/list:1" | sha256sum | cut -d' ' -f1)" = "${output#sha256:}" ]
    ok look --raw "docker://$REGISTRY/list:1"
    [ "$(jq -c '.manifests[1] | [.platform.variant, .platform["os.version"], .annotations.a]' <<<"$output")" = '["v8","1.2","b"]' ]
    [ "$(jq -r .annotations.index <<<"$output")" = yes ]
    ok skopeo copy -q --all --src-tls-verify=false "docker://$REGISTRY/list:1" "oci:$T/list:x"
    # and back: one platform, then all of it added to another list
    ok dhow pull -q --platform linux/arm64 "$REGISTRY/list:1"
    ok dhow manifest create other:1
    ok dhow manifest add --all other:1 "docker://$REGISTRY/list:1"
    ok dhow manifest push -q --rm other:1 "oci:$T/other:y"
    [ "$(skopeo inspect --raw "oci:$T/other:y" | jq '.manifests | length')" -eq 3 ]
    fails 1 dhow manifest exists other:1
}

@test "docker's format, removal of entries and lists, and what is refused" {
    ok dhow manifest create l2:1 here:amd here:arm
    ok dhow manifest ls
    says l2:1
    ok dhow manifest push -q --format v2s2 l2:1 "$REGISTRY/l2:1"
    ok dhow manifest inspect "$REGISTRY/l2:1"
    [ "$(jq -r .mediaType <<<"$output")" = application/vnd.docker.distribution.manifest.list.v2+json ]
    [ "$(jq -r '.manifests[0].mediaType' <<<"$output")" = application/vnd.docker.distribution.manifest.v2+json ]
    ok dhow manifest remove l2:1 here:arm
    [ "$(dhow manifest inspect l2:1 | jq '.manifests | length')" -eq 1 ]
    fails 125 dhow manifest remove l2:1 here:arm
    says "has no image"
    fails 125 dhow manifest create l2:1
    says "is there already"
    ok dhow manifest create --amend l2:1 here:arm
    fails 125 dhow manifest add l2:1 "docker://$REGISTRY/none:1"
    says "has no image"
    fails 125 dhow manifest annotate --annotation x l2:1 here:arm
    says "not KEY=VALUE"
    ok dhow manifest rm l2:1
    fails 125 dhow manifest push l2:1
    says "no such list"
}

@test "sync: a repository into a folder, and the folder to a registry" {
    ok dhow image sync -q --src docker --dest dir "$REGISTRY/team/app" "$T/sync"
    [ "$(ls "$T/sync")" = $'app:one\napp:two' ]
    ok dhow image sync -q --scoped --src docker --dest dir "$REGISTRY/team/other:one" "$T/sync"
    [ -e "$T/sync/$REGISTRY/team/other:one/manifest.json" ]
    ok dhow image sync -q --src dir --dest docker "$T/sync" "$REGISTRY/back"
    [ "$(look "docker://$REGISTRY/back/app:two" | jq -r .Digest)" = "$(look "docker://$REGISTRY/team/app:two" | jq -r .Digest)" ]
    look "docker://$REGISTRY/back/other:one" >/dev/null
    ok dhow image sync --dry-run --src docker --dest docker "$REGISTRY/team/app" "$REGISTRY/to"
    says "$REGISTRY/team/app:two -> $REGISTRY/to/app:two"
    fails 125 look "docker://$REGISTRY/to/app:two" || [ "$status" -eq 1 ]
}

@test "sync goes on with --keep-going, and refuses what it cannot do" {
    fails 125 dhow image sync --src yaml --dest dir x "$T/y"
    says "not supported"
    fails 125 dhow image sync --src dir --dest dir "$T/sync" "$T/y"
    fails 125 dhow image sync --src docker --dest dir "$REGISTRY/none" "$T/y"
    mkdir -p "$T/some/bad" "$T/some/good"
    echo '{}' >"$T/some/bad/manifest.json"
    cp -r "$T/sync/app:one/." "$T/some/good"
    fails 125 dhow image sync -q --keep-going --src dir --dest docker "$T/some" "$REGISTRY/some"
    says "$REGISTRY/some/good"
}
