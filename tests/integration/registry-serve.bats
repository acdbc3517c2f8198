#!/usr/bin/env bats
# dhow registry serve as a server: TLS, passwords, limits, signals, slow clients, crashes, and as a cache.
# shellcheck disable=SC2154 # headers, body and status_code are set by api
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    head -c 3000000 /dev/urandom >"$T/blob"
    echo '{"architecture":"amd64","os":"linux"}' >"$T/config"
    manifest "$T/config" "$T/blob" >"$T/manifest"
}

teardown() {
    unserve
    unserve_as upstream
    unserve_as cache
    unfake
}

# make_cert NAME: $T/NAME.pem and its key, of 127.0.0.1
make_cert() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$T/$1.key" -out "$T/$1.pem" 2>/dev/null
}

users() {
    htpasswd -nbB -C 4 "$1" "$2" | head -n 1
}

push_all() {
    put_blob "$1" "$T/blob" && put_blob "$1" "$T/config" && put_manifest "$1" v1 "$T/manifest"
}

@test "bad options are refused with one line" {
    serve_fails() {
        fails 125 timeout 10 "$BUILD/dhow" --root "$T/bad" --runroot "$T/bad-run" registry serve "$@"
        [ "${#lines[@]}" -eq 1 ]
    }
    serve_fails --listen nonsense
    serve_fails --listen 127.0.0.1:99999
    serve_fails --listen 192.0.2.1:5000
    says "listen on '192.0.2.1:5000'"
    serve_fails --listen 0.0.0.0:0
    says "anybody who reaches"
    serve_fails --listen 127.0.0.1:0 --tls-cert "$T/none.pem"
    says "belong together"
    serve_fails --listen 127.0.0.1:0 --tls-cert "$T/none.pem" --tls-key "$T/none.key"
    serve_fails --listen 127.0.0.1:0 --tls-cert "$T/manifest" --tls-key "$T/manifest"
    says "start the HTTP server"
    serve_fails --listen 127.0.0.1:0 --htpasswd "$T/none"
    echo 'a:$apr1$salt$hash' >"$T/users.bad"
    serve_fails --listen 127.0.0.1:0 --htpasswd "$T/users.bad"
    says "not a bcrypt hash"
    serve_fails --listen 127.0.0.1:0 --anonymous-pull
    serve_fails --listen 127.0.0.1:0 --proxy ftp://x
    serve_fails --listen 127.0.0.1:0 --proxy https://x/path
    serve_fails --listen 127.0.0.1:0 --timeout 0
    serve
    serve_fails --listen "$REGISTRY"
    says "Address already in use"
}

@test "TLS, and a new certificate at SIGHUP" {
    make_cert one
    make_cert two
    cp "$T/one.pem" "$T/cert.pem"
    cp "$T/one.key" "$T/cert.key"
    serve --tls-cert "$T/cert.pem" --tls-key "$T/cert.key"
    [[ $REGISTRY_URL == https://* ]]
    push_all tls
    answers 200 --cacert "$T/one.pem" "tls/blobs/$(sha256 "$T/blob")"
    cmp "$body" "$T/blob"
    answers 206 -H 'Range: bytes=100-199999' "tls/blobs/$(sha256 "$T/blob")"
    cmp "$body" <(tail -c +101 "$T/blob" | head -c 199900)
    # http and old TLS get nothing
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$REGISTRY/v2/")" != 200 ]
    run ! curl -sk --tls-max 1.1 "$REGISTRY_URL/v2/"
    # a connection from before goes on
    exec 7<>"/dev/tcp/${REGISTRY/:/\/}"
    cp "$T/two.pem" "$T/cert.pem"
    cp "$T/two.key" "$T/cert.key"
    kill -HUP "$(cat "$T/served.pid")"
    wait_for 10 curl -sf --cacert "$T/two.pem" -o /dev/null "$REGISTRY_URL/v2/"
    run ! curl -sf --cacert "$T/one.pem" -o /dev/null "$REGISTRY_URL/v2/"
    exec 7>&-
    # a bad one changes nothing
    : >"$T/cert.pem"
    sleep 6
    kill -HUP "$(cat "$T/served.pid")"
    wait_for 5 grep -q 'not reloaded' "$T/served.log"
    curl -sf --cacert "$T/two.pem" -o /dev/null "$REGISTRY_URL/v2/"
    mkdir -p "$T/certs"
    cp "$T/two.pem" "$T/certs/two.crt"
    ok skopeo inspect --cert-dir "$T/certs" --raw "docker://$REGISTRY/tls:v1"
}

@test "passwords: who has none is asked, who has a wrong one refused" {
    users alice secret >"$T/users"
    serve --htpasswd "$T/users" --realm 'my registry'
    answers 401 ""
    [ "$(header WWW-Authenticate)" = 'Basic realm="my registry", charset="UTF-8"' ]
    [ "$(jq -r '.errors[0].code' "$body")" = UNAUTHORIZED ]
    answers 401 -u alice:wrong ""
    answers 401 -u bob:secret ""
    answers 401 -H 'Authorization: Basic !!' ""
    answers 401 -H 'Authorization: Bearer x' ""
    answers 401 _catalog
    answers 401 -X POST a/blobs/uploads/
    answers 401 -X PUT --data-binary "@$T/blob" a/manifests/v1
    answers 200 -u alice:secret ""
    answers 202 -u alice:secret -X POST a/blobs/uploads/
    grep -q ' alice "POST' "$T/served.log"
    # read again: the old password ends, the new one counts
    users alice changed >"$T/users"
    kill -HUP "$(cat "$T/served.pid")"
    wait_for 5 answers 200 -u alice:changed ""
    answers 401 -u alice:secret ""
    ok dhow login -u alice -p changed --authfile "$T/auth.json" "$REGISTRY"
    fails 125 dhow login -u alice -p secret --authfile "$T/auth.json" "$REGISTRY"
}

@test "pulling without a password, pushing with one" {
    users alice secret >"$T/users"
    serve --htpasswd "$T/users" --anonymous-pull
    answers 401 ""
    ok skopeo copy -q --dest-tls-verify=false --dest-creds alice:secret "docker-archive:$(archive)" "docker://$REGISTRY/anon:v1"
    answers 200 anon/manifests/v1
    answers 401 -u alice:wrong anon/manifests/v1
    answers 401 -X DELETE anon/manifests/v1
    answers 401 -X POST anon/blobs/uploads/
    ok dhow pull -q "$REGISTRY/anon:v1"
    ok skopeo inspect --tls-verify=false --no-creds "docker://$REGISTRY/anon:v1"
}

# A docker archive of a small image; prints its path.
archive() {
    [ -e "$T/archive.tar" ] || {
        mkdir -p "$T/tree"
        echo hello >"$T/tree/file"
        tar -cf "$T/layer.tar" -C "$T/tree" file
        dhow import "$T/layer.tar" small:v1 >/dev/null
        dhow save -o "$T/archive.tar" small:v1 >/dev/null
    }
    echo "$T/archive.tar"
}

@test "read-only, no deleting, and blobs of a size" {
    serve
    push_all some
    unserve
    serve --read-only
    answers 200 some/manifests/v1
    answers 405 -X POST some/blobs/uploads/
    answers 405 -X DELETE some/manifests/v1
    unserve
    serve --no-delete --max-blob-size 1000
    answers 405 -X DELETE some/manifests/v1
    answers 413 -X POST --data-binary "@$T/blob" "some/blobs/uploads/?digest=$(sha256 "$T/blob")"
    [ "$(jq -r '.errors[0].code' "$body")" = SIZE_INVALID ]
    answers 202 -X POST some/blobs/uploads/
    local location
    location=$(header Location)
    head -c 600 "$T/blob" >"$T/part"
    answers 202 -X PATCH -H 'Transfer-Encoding: chunked' --data-binary "@$T/part" "$location"
    answers 413 -X PATCH -H 'Transfer-Encoding: chunked' --data-binary "@$T/part" "$location"
    answers 204 -X DELETE "$location"
}

@test "a client that asks too often is told to wait" {
    serve --rate-limit 1
    local i many=0
    for i in $(seq 12); do
        api ""
        [ "$status_code" != 429 ] || many=$((many + 1))
    done
    [ "$many" -ge 2 ]
    wait_for 5 answers 200 ""
    wait_for 5 answers 429 ""
    [ "$(header Retry-After)" = 1 ]
}

@test "a slow client ends, others do not notice" {
    serve --timeout 1s
    exec 7<>"/dev/tcp/${REGISTRY/:/\/}"
    printf 'GET /v2/ HTTP/1.1\r\nHost: x\r\n' >&7
    answers 200 ""
    # end of file, although it drips
    (for _ in $(seq 40); do
        printf 'X-A: b\r\n' >&7 || exit 0
        sleep 0.5
    done) 2>/dev/null &
    local drip=$!
    run timeout 15 cat <&7
    [ "$status" -ne 124 ]
    exec 7>&-
    kill "$drip" 2>/dev/null || true
    answers 200 ""
}

@test "SIGTERM lets a request under way end" {
    serve
    head -c 3000000 "$T/blob" >"$T/piped"
    mkfifo "$T/fifo"
    curl -s -o "$T/drained" -w '%{http_code}' -X POST -T - -H 'Expect:' -H 'Content-Type: application/octet-stream' \
        "$REGISTRY_URL/v2/drain/blobs/uploads/?digest=$(sha256 "$T/piped")" <"$T/fifo" >"$T/drained.code" &
    local client=$! server
    server=$(cat "$T/served.pid")
    exec 8>"$T/fifo"
    head -c 1000000 "$T/piped" >&8
    wait_for 5 test -n "$(ls "$T/served/uploads")"
    kill -TERM "$server"
    sleep 0.3
    [ -e "/proc/$server" ]
    run ! curl -sf --max-time 2 "$REGISTRY_URL/v2/"
    tail -c +1000001 "$T/piped" >&8
    exec 8>&-
    wait "$client"
    [ "$(cat "$T/drained.code")" = 201 ]
    wait_for 10 ended "$server"
    rm -f "$T/fifo"
    serve
    answers 200 "drain/blobs/$(sha256 "$T/piped")"
}

@test "kill -9 at any moment leaves nothing half made" {
    serve
    local i location kills=8
    [ -z "${DHOW_TEST_FULL:-}" ] || kills=100
    for i in $(seq "$kills"); do
        head -c 400000 /dev/urandom >"$T/part"
        api -X POST killed/blobs/uploads/ || true
        location=$(header Location)
        (curl -s --limit-rate 20M -X PUT --data-binary "@$T/part" "$REGISTRY_URL$location?digest=$(sha256 "$T/part")" >/dev/null 2>&1 || true) &
        sleep "0.0$((RANDOM % 4))"
        unserve KILL
        wait $! || true
        serve
        # it is there and whole, or it is not there
        api "killed/blobs/$(sha256 "$T/part")"
        [ "$status_code" = 404 ] || cmp "$body" "$T/part"
    done
    unserve
    run "$BUILD/dhow" --root "$T/served" --runroot "$T/served-run" store check
    [ "$status" -eq 0 ] || { echo "$output"; false; }
}

# The n-th call of a kind ends the server, for n until a push gets through: nothing half made is seen, and what
# was answered with success is there.
@test "kill -9 at each step that makes a push durable" {
    require strace
    local call n pid most=3 calls='fsync renameat'
    [ -z "${DHOW_TEST_FULL:-}" ] || most=20 calls='fsync renameat fdatasync fchmodat unlinkat'
    for call in $calls; do
        for n in $(seq "$most"); do
            head -c 1000 /dev/urandom >"$T/layer"
            manifest "$T/config" "$T/layer" >"$T/m"
            serve
            pid=$(cat "$T/served.pid")
            strace -f -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=SIGKILL:when=$n" -p "$pid" 2>"$T/strace.err" 3>&- &
            wait_for 10 traced "$pid"
            pushed=no
            if put_blob step "$T/layer" && put_blob step "$T/config" && put_manifest step "v$n" "$T/m"; then
                pushed=yes
            fi >"$T/step.log" 2>&1
            unserve
            wait_for 10 ended "$!"
            serve
            api "step/blobs/$(sha256 "$T/layer")"
            [ "$status_code" = 404 ] || cmp "$body" "$T/layer"
            api "step/manifests/$(sha256 "$T/m")"
            [ "$status_code" = 404 ] || cmp "$body" "$T/m"
            [ "$pushed" = no ] || [ "$status_code" = 200 ]
            # the same again gets through
            put_blob step "$T/layer"
            put_blob step "$T/config"
            put_manifest step "v$n" "$T/m"
            [ "$pushed" = no ] || break
        done
    done
    unserve
    ok "$BUILD/dhow" --root "$T/served" --runroot "$T/served-run" store check --repair
    ok "$BUILD/dhow" --root "$T/served" --runroot "$T/served-run" store check
}

traced() {
    [ "$(awk '/TracerPid/ {print $2}' "/proc/$1/status")" != 0 ]
}

@test "memory stays bounded with many connections" {
    serve --max-connections 128 --quiet
    push_all many
    python3 - "$REGISTRY" "$(sha256 "$T/blob")" <<'END'
import socket, sys
host, port = sys.argv[1].split(":")
clients = []
for i in range(120):
    s = socket.create_connection((host, int(port)), 10)
    # half ask for a blob and do not read it, half upload without an end
    if i % 2:
        s.sendall(b"GET /v2/many/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n" % sys.argv[2].encode())
    else:
        s.sendall(b"PUT /v2/many/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n"
                  b"Content-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n" + b"[" * 200000)
    clients.append(s)
import time
time.sleep(1)
END
    local kb
    kb=$(awk '/VmHWM/ {print $2}' "/proc/$(cat "$T/served.pid")/status")
    echo "high water: $kb kB"
    [ "$kb" -le 65536 ]
    answers 200 ""
}

@test "an inherited socket" {
    require python3
    python3 - "$BUILD/dhow" "$T" >"$T/activated.out" 2>&1 3>&- <<'END' &
import os, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid())
open(sys.argv[2] + "/activated", "w").write("127.0.0.1:%d" % s.getsockname()[1])
os.execv(sys.argv[1], [sys.argv[1], "--root", sys.argv[2] + "/act", "--runroot", sys.argv[2] + "/act-run",
                       "registry", "serve", "--listen", "127.0.0.1:1"])
END
    local pid=$!
    echo "$pid" >"$T/cache.pid"
    wait_for 10 test -s "$T/activated"
    wait_for 10 curl -sf -o /dev/null "http://$(cat "$T/activated")/v2/"
}

@test "a cache of another registry" {
    require skopeo
    local one cached
    users u p >"$T/users"
    LISTEN='' serve_as upstream --htpasswd "$T/users"
    REGISTRY_URL=$(cat "$T/upstream.url")
    local upstream=${REGISTRY_URL#*://}
    skopeo copy -q --dest-tls-verify=false --dest-creds u:p "docker-archive:$(archive)" "docker://$upstream/lib/app:v1"
    LISTEN='' serve_as cache --proxy "http://$upstream" --proxy-creds u:p
    REGISTRY_URL=$(cat "$T/cache.url")
    cached=${REGISTRY_URL#*://}
    # several at once: one download
    answers 200 lib/app/manifests/v1
    one=$(jq -r '.layers[0].digest' "$body")
    answers 200 -I "lib/app/blobs/$one"
    : >"$T/upstream.log"
    for i in 1 2 3 4 5; do
        curl -s -o "$T/got.$i" "$REGISTRY_URL/v2/lib/app/blobs/$one" &
    done
    wait $(jobs -p | grep -vx "$(cat "$T/upstream.pid")" | grep -vx "$(cat "$T/cache.pid")")
    for i in 1 2 3 4 5; do
        [ "$(sha256 "$T/got.$i")" = "$one" ]
    done
    [ "$(grep -c "GET /v2/lib/app/blobs/$one\" 200" "$T/upstream.log")" = 1 ]
    ok dhow pull -q "$cached/lib/app:v1"
    # only what a manifest names, only reading, nobody's credentials
    answers 404 "lib/app/blobs/sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    answers 404 lib/app/manifests/v2
    answers 404 lib/nothing/manifests/v1
    answers 405 -X POST lib/app/blobs/uploads/
    answers 405 -X DELETE lib/app/manifests/v1
    answers 200 -u other:secret lib/app/manifests/v1
    ! grep -q other "$T/upstream.log"
    # a tag that moves is followed
    manifest "$T/config" >"$T/m"
    REGISTRY_URL=$(cat "$T/upstream.url")
    answers 201 -u u:p -X POST --data-binary "@$T/config" "lib/app/blobs/uploads/?digest=$(sha256 "$T/config")"
    answers 201 -u u:p -X PUT -H "$OCI_MANIFEST" --data-binary "@$T/m" lib/app/manifests/moving
    REGISTRY_URL=$(cat "$T/cache.url")
    answers 200 lib/app/manifests/moving
    [ "$(header Docker-Content-Digest)" = "$(sha256 "$T/m")" ]
    # without the upstream: what is here goes on, what is not is said
    unserve_as upstream
    answers 200 lib/app/manifests/v1
    answers 200 "lib/app/blobs/$one"
    answers 502 lib/app/manifests/other
    ok dhow rmi "$cached/lib/app:v1"
    ok dhow pull -q "$cached/lib/app:v1"
}

@test "a cache does not hand out what an upstream corrupts" {
    local big config
    fake --corrupt
    LISTEN='' serve_as cache --proxy "http://$FAKE"
    REGISTRY_URL=$(cat "$T/cache.url")
    answers 200 any/repo/manifests/latest
    big=$(jq -r '.layers | max_by(.size) | .digest' "$body")
    config=$(jq -r .config.digest "$body")
    # it comes as it comes, but never to its end
    run ! curl -sf -o "$T/corrupt" "$REGISTRY_URL/v2/any/repo/blobs/$big"
    run ! curl -sf -o "$T/corrupt" "$REGISTRY_URL/v2/any/repo/blobs/$big"
    [ -z "$(find "$T/cache/blobs" -name "${big#sha256:}")" ]
    [ -z "$(ls "$T/cache/uploads")" ]
    answers 200 "any/repo/blobs/$config"
    unfake
    unserve_as cache
    # a line that breaks is taken up again
    fake --cut 100000:2 --seed 7
    LISTEN='' serve_as cache --proxy "http://$FAKE"
    REGISTRY_URL=$(cat "$T/cache.url")
    answers 200 any/cut/manifests/latest
    big=$(jq -r '.layers | max_by(.size) | .digest' "$body")
    answers 200 "any/cut/blobs/$big"
    [ "$(sha256 "$body")" = "$big" ]
    unfake
}
