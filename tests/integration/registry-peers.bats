#!/usr/bin/env bats
# Other people's clients against dhow registry serve, and its cache in front of another registry. crane, oras and
# regctl are Go programs that Debian does not have: their tests skip where nobody installed them.
# shellcheck disable=SC2154 # headers, body and status_code are set by api
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    require skopeo
    fixture busybox
    TAG=$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$DHOW_FIXTURES/busybox/index.json")
    export TAG
    serve
    skopeo copy -q --dest-tls-verify=false "oci:$DHOW_FIXTURES/busybox:$TAG" "docker://$REGISTRY/lib/busybox:1"
}

teardown_file() {
    [ ! -e "$T/dockerd.pid" ] || {
        kill "$(cat "$T/dockerd.pid")"
        wait_for 20 sh -c "! [ -e /proc/$(cat "$T/dockerd.pid") ]"
    }
    findmnt -rno TARGET | grep "^$T/" | sort -r | xargs -r umount -l
    unserve
    unserve_as cache
    common_teardown_file
}

# cgroup v1 alone where the machine is a hybrid: podman and dockerd want it so
v1_view() {
    unshare --mount bash -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' _ "$@"
}

digest_of() {
    api "$1/manifests/$2" && sha256 "$body"
}

@test "skopeo: copy between repositories, list, inspect, sync, delete" {
    ok skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/lib/busybox:1" "docker://$REGISTRY/copy/busybox:2"
    [ "$(digest_of lib/busybox 1)" = "$(digest_of copy/busybox 2)" ]
    # what was there was mounted, not sent again
    grep -q 'POST /v2/copy/busybox/blobs/uploads/?from=lib%2Fbusybox&mount=.* 201' "$T/served.log"
    ok skopeo list-tags --tls-verify=false "docker://$REGISTRY/copy/busybox"
    [ "$(jq -c .Tags <<<"$output")" = '["2"]' ]
    ok skopeo inspect --tls-verify=false "docker://$REGISTRY/copy/busybox:2"
    ok skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/copy/busybox:2" "oci:$T/layout:x"
    ok skopeo copy -q --dest-tls-verify=false --format v2s2 "oci:$T/layout:x" "docker://$REGISTRY/copy/docker:1"
    api copy/docker/manifests/1
    [ "$(header Content-Type)" = application/vnd.docker.distribution.manifest.v2+json ]
    mkdir -p "$T/sync"
    ok skopeo sync --src-tls-verify=false --src docker --dest dir "$REGISTRY/lib/busybox" "$T/sync"
    ok skopeo delete --tls-verify=false "docker://$REGISTRY/copy/busybox:2"
    answers 404 copy/busybox/manifests/2
    ok dhow pull -q "$REGISTRY/copy/docker:1"
}

@test "podman pulls and pushes" {
    require root podman conmon
    podman_() {
        v1_view podman --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs "$@"
    }
    ok podman_ pull -q --tls-verify=false "$REGISTRY/lib/busybox:1"
    ok podman_ push -q --tls-verify=false "$REGISTRY/lib/busybox:1" "docker://$REGISTRY/podman/busybox:2"
    ok dhow pull -q "$REGISTRY/podman/busybox:2"
    podman_ rmi -af >/dev/null
}

@test "docker pulls and pushes" {
    require root dockerd docker
    docker_() {
        docker -H "unix://$T/docker.sock" "$@"
    }
    v1_view dockerd -H "unix://$T/docker.sock" --data-root "$T/docker" --exec-root "$T/docker-exec" -p "$T/dockerd.pid" \
        --bridge none --iptables=false --storage-driver vfs >"$T/dockerd.log" 2>&1 3>&- &
    wait_for 30 docker_ version >"$T/out"
    ok docker_ pull -q "$REGISTRY/lib/busybox:1"
    ok docker_ tag "$REGISTRY/lib/busybox:1" "$REGISTRY/docker/busybox:2"
    ok docker_ push -q "$REGISTRY/docker/busybox:2"
    ok dhow pull -q "$REGISTRY/docker/busybox:2"
}

@test "crane copies, validates, deletes" {
    require crane
    ok crane copy "$REGISTRY/lib/busybox:1" "$REGISTRY/crane/busybox:1"
    ok crane validate --remote "$REGISTRY/crane/busybox:1"
    ok crane tag "$REGISTRY/crane/busybox:1" two
    ok crane ls "$REGISTRY/crane/busybox"
    [ "$output" = $'1\ntwo' ]
    ok crane delete "$REGISTRY/crane/busybox@$(digest_of crane/busybox 1)"
    ok crane ls "$REGISTRY/crane/busybox"
    [ -z "$output" ]
    ok crane catalog "$REGISTRY"
    says crane/busybox
}

@test "oras attaches artifacts and finds them" {
    require oras
    cd "$T"
    echo sbom >sbom.txt
    ok oras push --plain-http "$REGISTRY/oras/thing:1" sbom.txt:text/plain
    ok oras attach --plain-http --artifact-type a/sbom "$REGISTRY/oras/thing:1" sbom.txt:text/plain
    ok oras discover --plain-http --artifact-type a/sbom --format json "$REGISTRY/oras/thing:1"
    [ "$(jq -r '(.manifests // .referrers)[0].artifactType' <<<"$output")" = a/sbom ]
    # by the API: no fallback tag was made
    answers 200 oras/thing/tags/list
    [ "$(jq -c .tags "$body")" = '["1"]' ]
    mkdir -p pulled
    ok oras pull --plain-http -o pulled "$REGISTRY/oras/thing:1"
    cmp pulled/sbom.txt sbom.txt
    ok oras cp -r --from-plain-http --to-plain-http "$REGISTRY/oras/thing:1" "$REGISTRY/oras/copy:1"
    answers 200 "oras/copy/referrers/$(digest_of oras/copy 1)"
    [ "$(jq '.manifests | length' "$body")" = 1 ]
}

@test "regctl copies, with referrers, and deletes" {
    require regctl
    export REGCTL_CONFIG=$T/regctl.json
    ok regctl registry set --tls disabled "$REGISTRY"
    ok regctl image copy "$REGISTRY/lib/busybox:1" "$REGISTRY/regctl/busybox:1"
    echo note >"$T/note"
    ok regctl artifact put --subject "$REGISTRY/regctl/busybox:1" --artifact-type a/note -f "$T/note"
    ok regctl artifact list --format '{{len .Descriptors}}' "$REGISTRY/regctl/busybox:1"
    [ "$output" = 1 ]
    ok regctl image copy --referrers "$REGISTRY/regctl/busybox:1" "$REGISTRY/regctl/other:1"
    ok regctl tag ls "$REGISTRY/regctl/other"
    [ "$output" = 1 ]
    ok regctl tag delete "$REGISTRY/regctl/other:1"
    ok regctl repo ls "$REGISTRY"
    says regctl/other
    ok regctl blob head "$REGISTRY/regctl/busybox" "$(api regctl/busybox/manifests/1 && jq -r .config.digest "$body")"
}

@test "a cache in front of docker-registry" {
    local ours=$REGISTRY
    start_registry
    push team/app:v1 busybox
    LISTEN='' serve_as cache --proxy "http://$REGISTRY"
    CACHE=$(cat "$T/cache.url")
    ok skopeo copy -q --src-tls-verify=false "docker://${CACHE#*://}/team/app:v1" "oci:$T/cached:x"
    stop_registry
    ok skopeo copy -q --src-tls-verify=false "docker://${CACHE#*://}/team/app:v1" "oci:$T/cached2:x"
    ok dhow pull -q "${CACHE#*://}/team/app:v1"
    REGISTRY=$ours
}
