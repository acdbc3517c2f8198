# shellcheck shell=bash
# Registries of ours, for bats files: load it after helpers. Some misbehave (tests/lib/fake-registry.py), and
# one is `dhow registry serve`.
#
#   serve ARGS...     `dhow registry serve ARGS` on a root of its own, $T/served; $REGISTRY is its
#                     host:port, $T/served.log its requests. Again: a new one, same root and port.
#   unserve [SIGNAL]  end it; call it in teardown_file(), or let stop_registry do it
#   api [ARGS] PATH   curl of $REGISTRY/v2/PATH: $status_code, $headers (a file), $body (a file)
#   fake ARGS...      start one; $FAKE is its host:port, $T/fake.log its requests
#   fake_push ARGS... one that can be pushed to (fake-push.py), in the same place
#   unfake            stop it; call it in teardown()
#   second ARGS...    another beside it: $SECOND, $T/second.log
#   requests PATTERN  how many requests match (extended regular expression)
#   store_is_sound    `dhow` can verify everything, and nothing is left half done

start_fake() {
    local name=$1 program=${FAKE_PROGRAM:-fake-registry.py}
    shift
    rm -f "$T/$name.port" "$T/$name.log"
    python3 "$TOP/tests/lib/$program" --port-file "$T/$name.port" --log "$T/$name.log" "$@" \
        >"$T/$name.out" 2>&1 3>&- &
    echo $! >"$T/$name.pid"
    wait_for 20 test -e "$T/$name.port" || {
        cat "$T/$name.out"
        return 1
    }
}

fake() {
    start_fake fake "$@" || return 1
    FAKE=127.0.0.1:$(cat "$T/fake.port")
    export FAKE
}

fake_push() {
    FAKE_PROGRAM=fake-push.py fake "$@"
}

second() {
    start_fake second "$@" || return 1
    SECOND=127.0.0.1:$(cat "$T/second.port")
    export SECOND
}

unfake() {
    local name pid
    for name in fake second; do
        [ -e "$T/$name.pid" ] || continue
        pid=$(cat "$T/$name.pid")
        kill "$pid" 2>/dev/null || true
        rm -f "$T/$name.pid"
        wait "$pid" 2>/dev/null || true
    done
}

requests() {
    grep -cE "$1" "$T/fake.log" || true
}

# Nothing but whole things: no lease, no temporary file; ingest may hold what can be resumed.
store_is_sound() {
    ok dhow system check || return 1
    wait_for 5 is_swept
}

is_swept() {
    local left
    left=$(find "$T/root/leases" -type f; find "$T/root/layers" "$T/root/blobs" -name '*tmp-*')
    [ -z "$left" ] || { echo "left: $left"; return 1; }
}

# --- dhow registry serve ---

serve_as() {
    local name=$1
    shift
    rm -f "$T/$name.url"
    "$BUILD/dhow" --root "$T/$name" --runroot "$T/$name-run" registry serve --listen "${LISTEN:-127.0.0.1:0}" "$@" \
        >"$T/$name.url" 2>>"$T/$name.log" 3>&- &
    echo $! >"$T/$name.pid"
    wait_for 20 test -s "$T/$name.url" || {
        cat "$T/$name.log"
        return 1
    }
}

serve() {
    unserve
    LISTEN=${REGISTRY:-} serve_as served "$@" || return 1
    REGISTRY_URL=$(cat "$T/served.url")
    REGISTRY=${REGISTRY_URL#*://}
    export REGISTRY REGISTRY_URL
}

unserve_as() {
    local pid
    [ -e "$T/$1.pid" ] || return 0
    pid=$(cat "$T/$1.pid")
    rm -f "$T/$1.pid"
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    wait_for 20 ended "$pid"
}

ended() {
    [ ! -e "/proc/$1/exe" ] || [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" = Z ]
}

unserve() {
    unserve_as served "$@"
}

api() {
    local path=${*: -1}
    headers=$T/api.headers
    body=$T/api.body
    : >"$body"
    [[ $path == /* ]] || path=/v2/$path
    status_code=$(curl -sk --path-as-is -D "$headers" -o "$body" -w '%{http_code}' "${@:1:$#-1}" "$REGISTRY_URL$path")
}

# answers CODE [ARGS] PATH: the request is answered so.
answers() {
    local want=$1
    shift
    api "$@"
    [ "$status_code" = "$want" ] && return
    echo "status $status_code (wanted $want) for: $*"
    cat "$headers" "$body"
    return 1
}

# The value of a header of the last answer.
header() {
    sed -n "s/^$1: //Ip" "$headers" | tr -d '\r'
}

sha256() {
    printf 'sha256:%s' "$(sha256sum "$1" | cut -d' ' -f1)"
}

sha512() {
    printf 'sha512:%s' "$(sha512sum "$1" | cut -d' ' -f1)"
}

# put_blob REPO FILE: pushed in one request.
put_blob() {
    answers 201 -X POST -H 'Content-Type: application/octet-stream' --data-binary "@$2" \
        "$1/blobs/uploads/?digest=$(sha256 "$2")"
}

# manifest CONFIG LAYER... [-- JQ]: an image manifest of files on standard output.
manifest() {
    local config=$1 layers=() filter=.
    shift
    while [ $# -gt 0 ]; do
        [ "$1" = -- ] && { filter=$2; break; }
        layers+=("$(jq -nc --arg d "$(sha256 "$1")" --argjson s "$(stat -c %s "$1")" \
            '{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $d, size: $s}')")
        shift
    done
    printf '%s\n' "${layers[@]}" | jq -sc --arg d "$(sha256 "$config")" --argjson s "$(stat -c %s "$config")" \
        '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
          config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $d, size: $s}, layers: .}' |
        jq -c "$filter"
}

OCI_MANIFEST='Content-Type: application/vnd.oci.image.manifest.v1+json'
OCI_INDEX='Content-Type: application/vnd.oci.image.index.v1+json'

# put_manifest REPO REFERENCE FILE
put_manifest() {
    answers 201 -X PUT -H "$OCI_MANIFEST" --data-binary "@$3" "$1/manifests/$2"
}
