#!/usr/bin/env bats
# artifact: files at registries and what refers to an image: at Debian's docker-registry, which keeps no referrers,
# and at ours, which does.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    require skopeo || return 1
    start_registry
    push app:1 busybox
    head -c 3000000 /dev/urandom >"$T/big.bin"
    echo '{"x":1}' >"$T/sbom.json"
}

teardown() {
    unserve_as ours
}

look() {
    skopeo inspect --tls-verify=false "$@"
}

# A life at the registry $1, whose app:1 is an image.
whole_life() {
    local at=$1 first second
    ok dhow artifact push -q --artifact-type application/vnd.example --annotation a=b "$at/files:1" "$T/big.bin" "$T/sbom.json:application/json" || return 1
    [ "$output" = "sha256:$(look --raw "docker://$at/files:1" | sha256sum | cut -d' ' -f1)" ]
    ok dhow artifact inspect "$at/files:1"
    [ "$(jq -c '[.artifactType, .annotations.a, .layers[1].mediaType]' <<<"$output")" = '["application/vnd.example","b","application/json"]' ]
    mkdir -p "$T/out"
    ok dhow artifact pull -q -o "$T/out" "$at/files:1"
    cmp "$T/big.bin" "$T/out/big.bin"
    cmp "$T/sbom.json" "$T/out/sbom.json"
    [ "$(ls -A "$T/out")" = $'big.bin\nsbom.json' ]
    rm -r "$T/out"
    # two things that refer to the image
    first=$(dhow artifact push -q --artifact-type application/vnd.sbom --subject 1 "$at/app" "$T/sbom.json")
    second=$(dhow artifact push -q --artifact-type application/vnd.note --annotation note=yes --subject "$at/app:1" "$at/app")
    ok dhow artifact ls "$at/app:1"
    says "$first"
    says "$second"
    ok dhow artifact ls --artifact-type application/vnd.note --format '{{.Digest}} {{.Annotations.note}}' "$at/app:1"
    [ "$output" = "$second yes" ]
    ok dhow artifact rm "$at/app@$first"
    ok dhow artifact ls --format '{{.Digest}}' "$at/app:1"
    [ "$output" = "$second" ]
    fails 125 dhow artifact pull "$at/app@$first"
}

@test "files come back; referrers by the tag of the fallback" {
    whole_life "$REGISTRY"
    local subject
    subject=$(look "docker://$REGISTRY/app:1" | jq -r .Digest)
    ok look --raw "docker://$REGISTRY/app:${subject/:/-}"
    [ "$(jq '.manifests | length' <<<"$output")" -eq 1 ]
}

@test "files come back; referrers by the registry's API" {
    local ours
    serve_as ours
    ours=$(sed 's|.*://||' "$T/ours.url")
    dhow image copy -q "docker://$REGISTRY/app:1" "docker://$ours/app:1"
    whole_life "$ours"
    ok skopeo list-tags --tls-verify=false "docker://$ours/app"
    [ "$(jq -c .Tags <<<"$output")" = '["1"]' ]
}

@test "an artifact is copied as it is, but is no image" {
    ok dhow artifact push -q "$REGISTRY/copied:1" "$T/sbom.json"
    local want=$output
    ok dhow image copy -q "docker://$REGISTRY/copied:1" "oci:$T/layout:x"
    [ "$output" = "$want" ]
    ok dhow image copy -q "oci:$T/layout:x" "docker://$REGISTRY/copied-back:1"
    [ "$output" = "$want" ]
    fails 125 dhow image copy -q "oci:$T/layout:x" no:1
    says "artifact"
    fails 125 dhow image copy -q "oci:$T/layout:x" "docker-archive:$T/x.tar"
    says "no image"
}

@test "what is refused" {
    fails 125 dhow artifact push "$REGISTRY/x:1" "$T/none"
    says "No such file"
    fails 125 dhow artifact push "$REGISTRY/x" "$T/sbom.json"
    says "needs a tag"
    fails 125 dhow artifact push --subject nothing "$REGISTRY/app" "$T/sbom.json"
    says "subject"
    fails 125 dhow artifact push --subject "$REGISTRY/other:1" "$REGISTRY/app" "$T/sbom.json"
    says "in the repository of what it refers to"
    fails 125 dhow artifact inspect "oci:$T/layout:x"
    says "not at a registry"
    # names from the registry are not paths
    ok dhow artifact push -q "$REGISTRY/evil:1" "$T/sbom.json"
    look --raw "docker://$REGISTRY/evil:1" | sed 's|sbom.json|../evil|' >"$T/evil.json"
    curl -sSf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$T/evil.json" "http://$REGISTRY/v2/evil/manifests/2"
    mkdir -p "$T/in"
    fails 125 dhow artifact pull -o "$T/in" "$REGISTRY/evil:2"
    says "not a mere name"
    [ ! -e "$T/evil" ]
}
