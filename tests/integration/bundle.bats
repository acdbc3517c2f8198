#!/usr/bin/env bats
# pull --plan, and archives that carry only what the other side lacks.
load ../lib/helpers

setup_file() {
    common_setup_file
    image busybox
    dhow run --name c --network none busybox sh -c 'head -c 300000 /dev/urandom >/new'
    dhow commit c app:v1 >/dev/null
    dhow rm c
    dhow run --name c --network none app:v1 sh -c 'echo 2 >/newer'
    dhow commit c app:v2 >/dev/null
    dhow rm c
}

other() {
    "$BUILD/dhow" --root "$T/other" --runroot "$T/otherrun" "$@"
}

@test "a bundle has only the layers that the other side lacks, and loads there" {
    other import -q "$DHOW_FIXTURES/busybox.tar" busybox
    other image inventory >"$T/have.json"
    [ "$(jq -r '.layers | length' "$T/have.json")" -eq 1 ]
    for format in docker-archive oci-archive oci-dir; do
        rm -rf "$T/bundle" "$T/whole"
        dhow save -q --format $format -o "$T/whole" app:v2
        ok dhow save -q --format $format --for "$T/have.json" -o "$T/bundle" app:v2
        [ $(($(du -sb "$T/bundle" | cut -f1) + 500000)) -lt "$(du -sb "$T/whole" | cut -f1)" ]
        ok other load -i "$T/bundle"
        ok other run --rm --network none app:v2 cat /newer
        [ "$output" = 2 ]
        ok other store check
        other rmi app:v2
    done
}

@test "the second bundle is a delta to the first" {
    dhow save -q -o "$T/one" app:v1
    other load -q -i "$T/one"
    other image inventory app:v1 >"$T/have.json"
    ok dhow save -q --for "$T/have.json" -o "$T/two" app:v2
    [ "$(stat -c %s "$T/two")" -lt 40000 ]
    ok other load -q -i "$T/two"
    ok other run --rm --network none app:v2 sh -c 'cat /newer; stat -c %s /new'
    [ "$output" = $'2\n300000' ]
    # what was there goes; then the bundle says what it lacks, and nothing is half-loaded
    other rmi app:v1 app:v2
    other rmi busybox 2>/dev/null || true
    fails 125 other load -q -i "$T/two"
    says "2 layers of the image are neither in the archive nor here: sha256:"
    says "image inventory"
    [ -z "$(other images -q)" ]
}

@test "inventories are checked" {
    echo '{"version":2,"layers":[]}' >"$T/bad"
    fails 125 dhow save --for "$T/bad" -o "$T/x" app:v1
    says "version 1"
    echo '{"version":1,"layers":["sha256:xyz"]}' >"$T/bad"
    fails 125 dhow save --for "$T/bad" -o "$T/x" app:v1
    fails 125 dhow save --for "$T/absent" -o "$T/x" app:v1
    fails 125 dhow image inventory absent
    [ ! -e "$T/x" ]
}

@test "pull --plan says what would be fetched after what is here, and changes nothing" {
    start_registry
    dhow save -q --format oci-dir -o "$T/oci" app:v2
    skopeo copy -q --dest-tls-verify=false "oci:$T/oci" "docker://$REGISTRY/app:v2"
    other rmi -af
    ok other pull --plan "$REGISTRY/app:v2"
    says "To fetch: 3 of 3 layers"
    [ -z "$(other images -q)" ]
    ok other pull --plan --format json "$REGISTRY/app:v2"
    total=$(jq .TotalBytes <<<"$output")
    [ "$(jq .FetchBytes <<<"$output")" = "$total" ]
    # the base is here: it need not come
    other import -q "$DHOW_FIXTURES/busybox.tar" busybox >/dev/null
    ok other pull --plan --format '{{range .Layers}}{{.State}} {{end}}{{.Changed}}' "$REGISTRY/app:v2"
    [ "$output" = "here fetch fetch true" ]
    ok other pull -q "$REGISTRY/app:v2"
    ok other pull --plan "$REGISTRY/app:v2"
    says "Nothing to fetch"
    fails 125 other pull --format json "$REGISTRY/app:v2"
    says "needs --plan"
    fails 125 other pull --plan "$REGISTRY/absent:v1"
    stop_registry
}

teardown_file() {
    rm -rf "$T/other" "$T/otherrun"
    common_teardown_file
}
