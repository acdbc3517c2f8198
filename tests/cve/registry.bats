#!/usr/bin/env bats
# Attacks that worked on other registries, on dhow registry serve.
# shellcheck disable=SC2154 # headers, body and status_code are set by api
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    serve
    echo secret >"$T/secret"
    echo '{"architecture":"amd64","os":"linux"}' >"$T/config"
    put_blob private/app "$T/secret"
    put_blob private/app "$T/config"
    manifest "$T/config" "$T/secret" >"$T/manifest"
    put_manifest private/app v1 "$T/manifest"
}

# zot: a blob was read through any repository once it was in the cache of them all.
@test "CVE-2024-39897: a blob is had through a repository that has it, not by knowing its digest" {
    local digest
    digest=$(sha256 "$T/secret")
    answers 200 "private/app/blobs/$digest"
    answers 404 "public/app/blobs/$digest"
    answers 404 -I "public/app/blobs/$digest"
    answers 404 "public/app/manifests/$(sha256 "$T/manifest")"
    # not by a manifest that names it, either
    answers 404 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/manifest" public/app/manifests/v1
    answers 404 "public/app/blobs/$digest"
    # nor what only the image store has
    "$BUILD/dhow" --root "$T/served" --runroot "$T/served-run" pull -q "$REGISTRY/private/app:v1" >/dev/null 2>&1 || true
    answers 404 "public/app/blobs/$(sha256 "$T/config")"
}

# distribution: memory for as many repositories as the client asked for was taken before looking.
@test "CVE-2023-2253: the size of a page is not the client's to choose" {
    local before after
    before=$(awk '/VmHWM/ {print $2}' "/proc/$(cat "$T/served.pid")/status")
    for n in 1000000000 18446744073709551615; do
        answers 200 "_catalog?n=$n"
        answers 200 "private/app/tags/list?n=$n"
    done
    answers 400 "_catalog?n=99999999999999999999999999"
    answers 400 "_catalog?n=-1"
    after=$(awk '/VmHWM/ {print $2}' "/proc/$(cat "$T/served.pid")/status")
    [ $((after - before)) -lt 8192 ]
}

# containers/image: digests were joined to paths and URLs as the text they came as.
@test "CVE-2024-3727: a digest is bytes, whatever it looks like" {
    local digest
    for digest in sha256:../../dhow.db 'sha256:..%2f..%2fdhow.db' sha256: sha256 'sha256:%00' md5:d41d8cd98f00b204e9800998ecf8427e \
        "$(sha256 "$T/secret")x" "$(sha256 "$T/secret" | tr a-f A-F)" "sha512:$(sha256sum "$T/secret" | cut -d' ' -f1)"; do
        api "private/app/blobs/$digest"
        [[ $status_code =~ ^40[04]$ ]]
        api -X POST --data-binary x "private/app/blobs/uploads/?digest=$digest"
        [ "$status_code" = 400 ]
        jq -c --arg d "$digest" '.config.digest = $d' "$T/manifest" >"$T/m"
        answers 400 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/m" private/app/manifests/x
    done
    [ "$(find "$T/served/blobs" -type f | wc -l)" = 3 ]
}

# OCI specifications: one document that is an image to some clients and an index to others.
@test "CVE-2021-41190: what is an image and an index at once is neither" {
    jq -c '.manifests = []' "$T/manifest" >"$T/both"
    answers 400 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/both" private/app/manifests/x
    answers 400 -X PUT -H "$OCI_INDEX" --data-binary "@$T/both" private/app/manifests/x
    answers 400 -X PUT -H "$OCI_INDEX" --data-binary "@$T/manifest" private/app/manifests/x
    printf '{"config":{},%s' "$(tail -c +2 "$T/manifest")" >"$T/twice"
    answers 400 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/twice" private/app/manifests/x
    # Go's json takes any case
    jq -c '.MANIFESTS = [] | .Manifests = []' "$T/manifest" >"$T/case"
    answers 400 -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/case" private/app/manifests/case
}
