#!/usr/bin/env bats
# dhow registry serve: the distribution specification 1.1, request by request.
# shellcheck disable=SC2154 # headers, body and status_code are set by api
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    serve
    head -c 300000 /dev/urandom >"$T/blob"
    echo '{"architecture":"amd64","os":"linux"}' >"$T/config"
    : >"$T/empty"
    manifest "$T/config" "$T/blob" >"$T/manifest"
}

teardown_file() {
    unserve
    common_teardown_file
}

# The location of a new upload to a repository.
begin_upload() {
    answers 202 -X POST "$1/blobs/uploads/${2:-}" || return 1
    location=$(header Location)
    [[ $location =~ ^/v2/$1/blobs/uploads/[0-9a-f-]{36}$ ]]
}

patch() {
    answers "$1" -X PATCH -H 'Content-Type: application/octet-stream' "${@:2}"
}

code_is() {
    [ "$(jq -r '.errors[0].code' "$body")" = "$1" ] && return
    cat "$body"
    return 1
}

@test "the base address says what this is" {
    answers 200 ""
    [ "$(header Docker-Distribution-Api-Version)" = registry/2.0 ]
    answers 200 /v2
    answers 405 -X POST ""
    answers 404 /
    answers 404 /v1/
    answers 404 nothing
    answers 404 a/b/c
}

@test "a blob in one request, and with an algorithm of its own" {
    put_blob one "$T/blob"
    [ "$(header Docker-Content-Digest)" = "$(sha256 "$T/blob")" ]
    answers 200 "one/blobs/$(sha256 "$T/blob")"
    cmp "$body" "$T/blob"
    put_blob one "$T/empty"
    answers 200 "one/blobs/$(sha256 "$T/empty")"
    answers 201 -X POST --data-binary "@$T/blob" "one/blobs/uploads/?digest=$(sha512 "$T/blob")"
    answers 200 "one/blobs/$(sha512 "$T/blob")"
    cmp "$body" "$T/blob"
    answers 400 -X POST --data-binary "@$T/config" "one/blobs/uploads/?digest=$(sha256 "$T/blob")"
    code_is DIGEST_INVALID
    answers 400 -X POST "one/blobs/uploads/?digest=sha256:xyz"
    answers 400 -X POST "one/blobs/uploads/?digest-algorithm=md5"
}

@test "a blob by POST and PUT" {
    begin_upload two
    answers 400 -X PUT --data-binary "@$T/blob" "$location"
    answers 201 -X PUT --data-binary "@$T/blob" "$location?digest=$(sha256 "$T/blob")"
    [ "$(header Location)" = "/v2/two/blobs/$(sha256 "$T/blob")" ]
    answers 404 "$location"
    begin_upload two "?digest-algorithm=sha512"
    answers 201 -X PUT --data-binary "@$T/blob" "$location?digest=$(sha512 "$T/blob")"
    begin_upload two
    answers 400 -X PUT --data-binary "@$T/config" "$location?digest=$(sha256 "$T/blob")"
    code_is DIGEST_INVALID
}

@test "a blob in chunks, out of order and resumed" {
    begin_upload chunks
    head -c 100000 "$T/blob" >"$T/c1"
    tail -c +100001 "$T/blob" | head -c 150000 >"$T/c2"
    tail -c 50000 "$T/blob" >"$T/c3"
    patch 202 -H 'Content-Range: 0-99999' --data-binary "@$T/c1" "$location"
    [ "$(header Range)" = 0-99999 ]
    patch 416 -H 'Content-Range: 0-99999' --data-binary "@$T/c1" "$location"
    [ "$(header Range)" = 0-99999 ]
    patch 416 -H 'Content-Range: 150000-199999' --data-binary "@$T/c3" "$location"
    patch 400 -H 'Content-Range: what' --data-binary "@$T/c3" "$location"
    patch 400 -H 'Content-Range: 100000-100001' --data-binary "@$T/c3" "$location"
    answers 204 "$location"
    [ "$(header Range)" = 0-99999 ]
    patch 202 -H 'Content-Range: 100000-249999' --data-binary "@$T/c2" "$location"
    # only through its repository
    answers 404 "other/blobs/uploads/${location##*/}"
    code_is BLOB_UPLOAD_UNKNOWN
    answers 416 -X PUT -H 'Content-Range: 0-49999' --data-binary "@$T/c3" "$location?digest=$(sha256 "$T/blob")"
    answers 201 -X PUT -H 'Content-Range: 250000-299999' --data-binary "@$T/c3" "$location?digest=$(sha256 "$T/blob")"
    answers 200 "chunks/blobs/$(sha256 "$T/blob")"
    cmp "$body" "$T/blob"
}

@test "a blob as a stream, without lengths" {
    begin_upload stream
    patch 202 -H 'Transfer-Encoding: chunked' --data-binary "@$T/blob" "$location"
    [ "$(header Range)" = 0-299999 ]
    answers 201 -X PUT "$location?digest=$(sha256 "$T/blob")"
    # another algorithm than the one the upload was begun with
    begin_upload stream
    patch 202 -H 'Transfer-Encoding: chunked' --data-binary "@$T/blob" "$location"
    answers 201 -X PUT "$location?digest=$(sha512 "$T/blob")"
}

@test "an upload is cancelled" {
    begin_upload cancel
    patch 202 --data-binary "@$T/blob" "$location"
    answers 204 -X DELETE "$location"
    answers 404 "$location"
    patch 404 --data-binary "@$T/blob" "$location"
    code_is BLOB_UPLOAD_UNKNOWN
    answers 404 -X DELETE "$location"
    answers 404 "cancel/blobs/uploads/..%2f..%2fdhow.db"
    answers 404 cancel/blobs/uploads/not-an-upload
}

@test "an upload outlives the server, however that ends" {
    begin_upload outlive
    head -c 100000 "$T/blob" >"$T/c1"
    tail -c +100001 "$T/blob" >"$T/c2"
    patch 202 -H 'Content-Range: 0-99999' --data-binary "@$T/c1" "$location"
    unserve KILL
    serve
    answers 204 "$location"
    [ "$(header Range)" = 0-99999 ]
    patch 202 -H 'Content-Range: 100000-299999' --data-binary "@$T/c2" "$location"
    unserve TERM
    serve
    answers 201 -X PUT "$location?digest=$(sha256 "$T/blob")"
    answers 200 "outlive/blobs/$(sha256 "$T/blob")"
    cmp "$body" "$T/blob"
}

@test "parts of a blob" {
    put_blob ranges "$T/blob"
    local at
    at=ranges/blobs/$(sha256 "$T/blob")
    answers 206 -H 'Range: bytes=1000-1999' "$at"
    [ "$(header Content-Range)" = "bytes 1000-1999/300000" ]
    cmp "$body" <(tail -c +1001 "$T/blob" | head -c 1000)
    answers 206 -H 'Range: bytes=299000-' "$at"
    cmp "$body" <(tail -c 1000 "$T/blob")
    answers 206 -H 'Range: bytes=-500' "$at"
    cmp "$body" <(tail -c 500 "$T/blob")
    answers 206 -H 'Range: bytes=299999-999999999999' "$at"
    answers 416 -H 'Range: bytes=300000-' "$at"
    [ "$(header Content-Range)" = "bytes */300000" ]
    answers 416 -H 'Range: bytes=9-1' "$at"
    answers 200 -H 'Range: bytes=0-1,5-6' "$at"
    answers 200 -H 'Range: lines=1-2' "$at"
    answers 200 -H 'Range: bytes=0-1' -H 'If-Range: "other"' "$at"
    answers 304 -H "If-None-Match: \"$(sha256 "$T/blob")\"" "$at"
    answers 200 -I "$at"
    [ "$(header Content-Length)" = 300000 ]
    [ "$(header Docker-Content-Digest)" = "$(sha256 "$T/blob")" ]
}

@test "a blob is read only through a repository that has it" {
    put_blob mine "$T/blob"
    local digest
    digest=$(sha256 "$T/blob")
    answers 404 "theirs/blobs/$digest"
    code_is BLOB_UNKNOWN
    answers 404 -I "theirs/blobs/$digest"
    answers 404 -X DELETE "theirs/blobs/$digest"
    answers 202 -X POST "theirs/blobs/uploads/?mount=$digest&from=nobody"
    answers 404 "theirs/blobs/$digest"
    answers 201 -X POST "theirs/blobs/uploads/?mount=$digest&from=mine"
    [ "$(header Location)" = "/v2/theirs/blobs/$digest" ]
    answers 200 "theirs/blobs/$digest"
    answers 201 -X POST "anybody/blobs/uploads/?mount=$digest"
    answers 200 "anybody/blobs/$digest"
    answers 202 -X POST "theirs/blobs/uploads/?mount=$(sha256 "$T/manifest")"
    # one file, until the last repository lets go of it
    head -c 1000 /dev/urandom >"$T/once"
    put_blob mine "$T/once"
    digest=$(sha256 "$T/once")
    answers 201 -X POST "theirs/blobs/uploads/?mount=$digest&from=mine"
    answers 202 -X DELETE "mine/blobs/$digest"
    answers 404 "mine/blobs/$digest"
    answers 200 "theirs/blobs/$digest"
    answers 202 -X DELETE "theirs/blobs/$digest"
    [ ! -e "$T/served/blobs/sha256/${digest#sha256:}" ]
}

@test "manifests by tag and by digest" {
    local digest
    digest=$(sha256 "$T/manifest")
    answers 404 app/manifests/v1
    code_is MANIFEST_UNKNOWN
    answers 404 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/manifest" app/manifests/v1
    code_is MANIFEST_BLOB_UNKNOWN
    put_blob app "$T/blob"
    put_blob app "$T/config"
    put_manifest app v1 "$T/manifest"
    [ "$(header Docker-Content-Digest)" = "$digest" ]
    [ "$(header Location)" = "/v2/app/manifests/$digest" ]
    put_manifest app "$digest" "$T/manifest"
    answers 201 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/manifest" "app/manifests/$digest?tag=v2&tag=v3"
    [ "$(header OCI-Tag | tr '\n' ' ')" = "v2 v3 " ]
    for reference in v1 v3 "$digest" "${digest/:/%3A}"; do
        answers 200 "app/manifests/$reference"
        cmp "$body" "$T/manifest"
        [ "$(header Content-Type)" = application/vnd.oci.image.manifest.v1+json ]
        [ "$(header Docker-Content-Digest)" = "$digest" ]
        answers 200 -I "app/manifests/$reference"
        [ "$(header Content-Length)" = "$(stat -c %s "$T/manifest")" ]
    done
    answers 304 -H "If-None-Match: \"$digest\"" app/manifests/v1
    answers 400 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/manifest" "app/manifests/$(sha256 "$T/blob")"
    code_is DIGEST_INVALID
    answers 400 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/manifest" app/manifests/.bad
    # a tag goes alone, a manifest with its tags
    answers 202 -X DELETE app/manifests/v1
    answers 404 app/manifests/v1
    answers 404 -X DELETE app/manifests/v1
    answers 200 app/manifests/v2
    answers 202 -X DELETE "app/manifests/$digest"
    answers 404 app/manifests/v2
    answers 404 "app/manifests/$digest"
    answers 404 -X DELETE "app/manifests/$digest"
    answers 200 app/tags/list
    [ "$(jq -c .tags "$body")" = "[]" ]
}

@test "what is no manifest is refused" {
    put_blob bad "$T/blob"
    put_blob bad "$T/config"
    local filter
    try() {
        manifest "$T/config" "$T/blob" -- "$1" >"$T/m"
        answers "${2:-400}" -X PUT -H "${3:-$OCI_MANIFEST}" --data-binary "@$T/m" bad/manifests/x
    }
    try '.manifests = []'
    code_is MANIFEST_INVALID
    try '.schemaVersion = 1'
    try '.mediaType = "application/vnd.oci.image.index.v1+json"'
    try 'del(.config)'
    try '.config.digest = "sha256:../../etc/passwd"'
    try '.layers[0].digest = 5'
    try '.layers = {}'
    try '.layers[0].size = -1'
    try '.layers[0].size = 1'
    code_is SIZE_INVALID
    try '.subject = {"digest": "md5:1"}'
    try . 400 'Content-Type: application/vnd.docker.distribution.manifest.v1+json'
    try . 400 'Content-Type: text/html'
    for filter in '[]' '"a"' '{' '{"schemaVersion":2}' '{"schemaVersion":2,"schemaVersion":2,"config":{}}' ''; do
        printf '%s' "$filter" >"$T/m"
        answers 400 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/m" bad/manifests/x
    done
    # what is not known is kept as it is; the config's and the layers' types are free
    try '.x = {"y": [1, 2.50]} | .annotations = {"a": "b"} | .config.mediaType = "a/b" | .layers[0].mediaType = "c/d"' 201
    answers 200 bad/manifests/x
    cmp "$body" "$T/m"
    try '.layers = []' 201
    try '.layers[0].data = "aGk="' 201
    # layers that are kept elsewhere
    try '.layers += [{"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", "size": 9,
        "digest": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}]' 201
    # too large, said and unsaid
    jq -nc '{schemaVersion: 2, x: ("a" * 4200000)}' >"$T/m"
    answers 413 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/m" bad/manifests/x
    answers 413 -X PUT -H "$OCI_MANIFEST" -H 'Transfer-Encoding: chunked' --data-binary "@$T/m" bad/manifests/x
}

@test "indexes, of indexes, and with manifests that are not here" {
    put_blob index "$T/blob"
    put_blob index "$T/config"
    put_manifest index "$(sha256 "$T/manifest")" "$T/manifest"
    jq -nc --arg d "$(sha256 "$T/manifest")" --argjson s "$(stat -c %s "$T/manifest")" '{schemaVersion: 2,
        mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s},
            {mediaType: "application/vnd.oci.image.manifest.v1+json", size: 3,
             digest: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}' >"$T/index"
    answers 201 -X PUT -H "$OCI_INDEX" --data-binary "@$T/index" index/manifests/all
    answers 200 index/manifests/all
    cmp "$body" "$T/index"
    jq -c --arg d "$(sha256 "$T/index")" '.manifests = [{digest: $d, size: 1, mediaType: .mediaType}]' \
        "$T/index" >"$T/outer"
    answers 201 -X PUT -H "$OCI_INDEX" --data-binary "@$T/outer" index/manifests/outer
    answers 400 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/index" index/manifests/all
}

@test "referrers" {
    put_blob refs "$T/blob"
    put_blob refs "$T/config"
    local subject first second
    subject=$(sha256 "$T/manifest")
    local part="{\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"size\": 1, \"digest\": \"$subject\"}"
    answers 200 "refs/referrers/$subject"
    [ "$(jq -c '[.mediaType, .manifests]' "$body")" = '["application/vnd.oci.image.index.v1+json",[]]' ]
    answers 200 "nowhere/referrers/$subject"
    answers 400 refs/referrers/sha256:xyz
    # the subject may come later, or never
    manifest "$T/config" -- ".subject = $part | .artifactType = \"a/sbom\" | .annotations = {\"k\": \"v\"}" >"$T/r1"
    manifest "$T/config" -- ".subject = $part | .config.mediaType = \"a/signature\"" >"$T/r2"
    put_manifest refs "$(sha256 "$T/r1")" "$T/r1"
    [ "$(header OCI-Subject)" = "$subject" ]
    put_manifest refs r2 "$T/r2"
    first=$(sha256 "$T/r1") second=$(sha256 "$T/r2")
    answers 200 "refs/referrers/$subject"
    [ "$(header Content-Type)" = application/vnd.oci.image.index.v1+json ]
    [ "$(jq '.manifests | length' "$body")" = 2 ]
    [ "$(jq -r --arg d "$first" '.manifests[] | select(.digest == $d) | .artifactType + .annotations.k' "$body")" = a/sbomv ]
    [ "$(jq -r --arg d "$second" '.manifests[] | select(.digest == $d) | .artifactType' "$body")" = a/signature ]
    [ "$(jq --arg d "$first" '.manifests[] | select(.digest == $d) | .size' "$body")" = "$(stat -c %s "$T/r1")" ]
    answers 200 "refs/referrers/$subject?artifactType=a/sbom"
    [ "$(header OCI-Filters-Applied)" = artifactType ]
    [ "$(jq -r '.manifests[].digest' "$body")" = "$first" ]
    answers 200 "refs/referrers/$subject?artifactType=a%2Fother"
    [ "$(jq -c .manifests "$body")" = "[]" ]
    answers 202 -X DELETE "refs/manifests/$first"
    answers 200 "refs/referrers/$subject"
    [ "$(jq -r '.manifests[].digest' "$body")" = "$second" ]
}

@test "lists, a page at a time" {
    put_blob list/a "$T/config"
    put_blob list/b "$T/config"
    manifest "$T/config" >"$T/m"
    for tag in v1 V2 v10 _x; do
        put_manifest list/a "$tag" "$T/m"
    done
    answers 404 list/c/tags/list
    code_is NAME_UNKNOWN
    answers 200 list/a/tags/list
    [ "$(jq -c . "$body")" = '{"name":"list/a","tags":["V2","_x","v1","v10"]}' ]
    answers 200 'list/a/tags/list?n=3'
    [ "$(jq -c .tags "$body")" = '["V2","_x","v1"]' ]
    [ "$(header Link)" = '</v2/list/a/tags/list?n=3&last=v1>; rel="next"' ]
    answers 200 'list/a/tags/list?n=3&last=v1'
    [ "$(jq -c .tags "$body")" = '["v10"]' ]
    [ -z "$(header Link)" ]
    answers 200 'list/a/tags/list?last=_x'
    [ "$(jq -c .tags "$body")" = '["v1","v10"]' ]
    answers 200 'list/a/tags/list?n=0'
    [ "$(jq -c .tags "$body")" = '[]' ]
    [ -z "$(header Link)" ]
    for n in -1 x 99999999999999999999999 1.5; do
        answers 400 "list/a/tags/list?n=$n"
    done
    answers 200 '_catalog?last=list/9&n=1'
    [ "$(jq -c . "$body")" = '{"repositories":["list/a"]}' ]
    [ "$(header Link)" = '</v2/_catalog?n=1&last=list%2Fa>; rel="next"' ]
    answers 200 '_catalog?n=18446744073709551615'
}

@test "bad addresses get one clear answer" {
    answers 404 'UPPER/tags/list'
    code_is NAME_INVALID
    answers 404 'a..b/tags/list'
    answers 404 '../../etc/passwd'
    answers 404 '%2e%2e/%2e%2e/manifests/x'
    answers 404 'a%2fb/manifests/x'
    answers 404 'a%00b/manifests/x'
    answers 404 'a%zz/manifests/x'
    answers 400 -X POST 'A/blobs/uploads/'
    answers 404 'a/blobs/sha256:../../../../etc/passwd'
    answers 400 'a/blobs/sha256:..'
    answers 400 'a/blobs/sha256:ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD'
    answers 400 "a/blobs/$(sha256 "$T/blob")?digest=%"
    answers 405 -X PATCH a/tags/list
    answers 405 -X PUT "a/blobs/$(sha256 "$T/blob")"
    [ "$(header Allow)" = "GET, HEAD, DELETE" ]
    answers 405 -X EVERYTHING a/tags/list
    answers 404 "$(printf 'a/%.0s' {1..200})manifests/x"
    # headers larger than a connection may hold
    local long
    long=$(head -c 100000 /dev/zero | tr '\0' x)
    api -H "X-1: $long" -H "X-2: $long" "" || true
    [[ $status_code =~ ^(431|413|400|000)$ ]]
    answers 200 ""
}

@test "dhow's own images and repositories share blobs, and removals know of both" {
    fixture busybox
    local tag config
    tag=$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$DHOW_FIXTURES/busybox/index.json")
    require skopeo
    skopeo copy -q --dest-tls-verify=false "oci:$DHOW_FIXTURES/busybox:$tag" "docker://$REGISTRY/team/busybox:1"
    served() { "$BUILD/dhow" --root "$T/served" --runroot "$T/served-run" "$@"; }
    ok served pull -q "$REGISTRY/team/busybox:1"
    config=$(api team/busybox/manifests/1 && jq -r .config.digest "$body")
    [ "$(find "$T/served/blobs" -name "${config#sha256:}" | wc -l)" = 1 ]
    ok served rmi "$REGISTRY/team/busybox:1"
    ok served image prune -af
    ok served store check
    answers 200 "team/busybox/blobs/$config"
    ok dhow pull -q "$REGISTRY/team/busybox:1"
    run "$BUILD/dhow" --root "$T/served" --runroot "$T/served-run" registry ls
    says team/busybox
    run "$BUILD/dhow" --root "$T/served" --runroot "$T/served-run" registry ls team/busybox
    [ "$output" = team/busybox:1 ]
    ok served registry rm team/busybox:1
    answers 404 team/busybox/manifests/1
    ok served registry gc --untagged --older-than 0s
    [ -z "$(find "$T/served/blobs" -name "${config#sha256:}")" ]
    fails 125 served registry rm team/nothing
}
