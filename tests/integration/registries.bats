#!/usr/bin/env bats
# Configuration that people already have: registries.conf, hosts.toml, certs.d, proxies.
load ../lib/helpers
load ../lib/registry

setup() {
    require python3
    mkdir -p "$T/conf.d" "$T/config" "$T/hosts"
    rm -f "$T"/conf.d/*
    : >"$T/registries.conf"
    export CONTAINERS_REGISTRIES_CONF=$T/registries.conf CONTAINERS_REGISTRIES_CONF_DIR=$T/conf.d
    export XDG_CONFIG_HOME=$T/config DHOW_HOSTS_DIR=$T/hosts
    unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
}

teardown() {
    dhow rmi -af >/dev/null 2>&1 || dhow rmi -f $(dhow images -q) >/dev/null 2>&1 || true
    stop_proxy
    unfake
    rm -rf "$T/hosts" "$T/config"
}

conf() {
    cat >"$T/registries.conf"
}

start_proxy() {
    rm -f "$T/proxy.port" "$T/proxy.log"
    python3 "$TOP/tests/lib/proxy.py" --port-file "$T/proxy.port" --log "$T/proxy.log" "$@" >"$T/proxy.out" 2>&1 3>&- &
    echo $! >"$T/proxy.pid"
    wait_for 10 test -e "$T/proxy.port"
    PROXY=127.0.0.1:$(cat "$T/proxy.port")
}

stop_proxy() {
    [ -e "$T/proxy.pid" ] || return 0
    kill "$(cat "$T/proxy.pid")" 2>/dev/null || true
    wait "$(cat "$T/proxy.pid")" 2>/dev/null || true
    rm -f "$T/proxy.pid"
}

# --- registries.conf ---

@test "a mirror serves, the name stays the one that was asked for" {
    fake
    conf <<END
[[registry]]
prefix = "registry.test/team"
location = "registry.test/team"
[[registry.mirror]]
location = "$FAKE/copy"
END
    ok dhow pull registry.test/team/app:latest
    grep -q 'GET /v2/copy/app/manifests/latest' "$T/fake.log"
    ok dhow images --format '{{.Repository}}:{{.Tag}}'
    says "registry.test/team/app:latest"
}

@test "mirrors are tried in order, and what failed is told" {
    fake
    second --fail-manifest 404
    conf <<END
[[registry]]
location = "registry.test"
[[registry.mirror]]
location = "127.0.0.1:1/none"
[[registry.mirror]]
location = "$SECOND"
[[registry.mirror]]
location = "$FAKE"
END
    ok dhow pull registry.test/app
    says "127.0.0.1:1"
    says "cannot be reached"
    says "has no image"
    grep -q manifests "$T/second.log"
}

@test "when no mirror and no registry serves, the error names all of them" {
    fake --fail-manifest 404
    second --fail-manifest 404
    conf <<END
[[registry]]
location = "$SECOND"
[[registry.mirror]]
location = "$FAKE"
END
    fails 125 dhow pull "$SECOND/app"
    says "registry '$SECOND' has no image"
    says "mirrors: registry '$FAKE' has no image"
}

@test "a mirror with bad bytes does not spoil the pull" {
    fake --corrupt
    second
    conf <<END
[[registry]]
location = "$SECOND"
[[registry.mirror]]
location = "$FAKE"
END
    ok dhow pull "$SECOND/app"
    ok dhow system check
}

@test "mirrors for digests only are not asked for tags, and the other way round" {
    fake
    second
    digest=$(curl -sI "http://$FAKE/v2/app/manifests/latest" | tr -d '\r' | sed -n 's/^Docker-Content-Digest: //pi')
    conf <<END
[[registry]]
location = "$SECOND"
[[registry.mirror]]
location = "$FAKE"
pull-from-mirror = "digest-only"
END
    : >"$T/before.log"
    cp "$T/fake.log" "$T/before.log"
    ok dhow pull "$SECOND/app"
    cmp "$T/fake.log" "$T/before.log"
    ok dhow rmi "$SECOND/app"
    conf <<END
[[registry]]
location = "$SECOND"
mirror-by-digest-only = true
[[registry.mirror]]
location = "$FAKE"
END
    ok dhow pull "$SECOND/app@$digest"
    [ "$(wc -l <"$T/second.log")" -gt 0 ]
    grep -q "manifests/sha256" "$T/second.log" && return 1
    true
}

@test "a blocked registry is refused by pull, run and login, the longest prefix decides" {
    fake
    conf <<END
[[registry]]
prefix = "$FAKE"
location = "$FAKE"
blocked = true
[[registry]]
prefix = "$FAKE/good"
location = "localhost:${FAKE#*:}/good"
END
    fails 125 dhow pull "$FAKE/app"
    says "registry '$FAKE' is blocked in '$T/registries.conf'"
    fails 125 dhow run --rm "$FAKE/app"
    says "is blocked"
    fails 125 dhow login -u u -p p "$FAKE"
    says "is blocked"
    [ ! -s "$T/fake.log" ]
    ok dhow pull "$FAKE/good/app"
}

@test "drop-in files override, in the order of their names" {
    fake
    conf <<END
[[registry]]
location = "$FAKE"
blocked = true
END
    printf '[[registry]]\nlocation = "%s"\nblocked = true\n' "$FAKE" >"$T/conf.d/1.conf"
    printf '[[registry]]\nlocation = "%s"\n' "$FAKE" >"$T/conf.d/2.conf"
    printf '[[registry]]\nlocation = "%s"\nblocked = true\n' "$FAKE" >"$T/conf.d/3.txt"
    ok dhow pull -q "$FAKE/app"
}

@test "a wildcard prefix stands for every host below a domain" {
    fake
    conf <<END
[[registry]]
prefix = "*.corp.test"
location = "$FAKE/mirror"
END
    ok dhow pull -q a.b.corp.test/app
    grep -q 'GET /v2/mirror/app/manifests/latest' "$T/fake.log"
    conf <<END
[[registry]]
prefix = "*.corp.test"
blocked = true
END
    fails 125 dhow pull -q a.b.corp.test/app:2
    says "blocked"
}

@test "an alias, and the registries to search, say what a short name means" {
    fake
    second --fail-manifest 404
    conf <<END
unqualified-search-registries = ["$SECOND", "$FAKE"]
short-name-mode = "permissive"
[aliases]
"tool" = "$FAKE/team/tool"
END
    ok dhow pull -q tool:latest
    grep -q 'GET /v2/team/tool/manifests/latest' "$T/fake.log"
    ok dhow image exists tool
    ok dhow pull -q other
    grep -q 'GET /v2/other/manifests/latest' "$T/second.log"
    ok dhow images --format '{{.Repository}}'
    says "$FAKE/other"
    ok dhow create --name short tool /data
    ok dhow rm short
    conf <<END
unqualified-search-registries = ["$SECOND", "$FAKE"]
short-name-mode = "enforcing"
END
    fails 125 dhow pull third
    says "short-name-mode is enforcing"
    conf <<END
unqualified-search-registries = []
END
    fails 125 dhow pull third
    says "names no registry"
}

@test "at a terminal one is asked which registry is meant, and that is remembered" {
    require rootless
    fake
    second
    conf <<END
unqualified-search-registries = ["$SECOND", "$FAKE"]
END
    chmod 644 "$T/registries.conf"
    cat >"$T/ask" <<END
export CONTAINERS_REGISTRIES_CONF=$T/registries.conf CONTAINERS_REGISTRIES_CONF_DIR=$T/conf.d
exec "$T/bin/dhow" pull -q tool
END
    ok as_user python3 - "$T/ask" <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", sys.argv[1]])
os.write(fd, b"2\n")
out = b""
try:
    while part := os.read(fd, 4096):
        out += part
except OSError:
    pass
print(out.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
    says "Which image is meant?"
    grep -q 'GET /v2/tool/manifests/latest' "$T/fake.log"
    grep -q "\"tool\" = \"$FAKE/tool\"" "$T/user/.cache/containers/short-name-aliases.conf"
    ok as_user sh "$T/ask"
    [ "$(wc -l <"$T/second.log")" -eq 0 ] || ! grep -q manifests "$T/second.log"
    udhow rmi -f "$FAKE/tool"
}

@test "what is wrong in registries.conf is told with its place" {
    conf <<<'unqualified-search-registries = ["a.test"'
    fails 125 dhow pull x.test/y
    says "registries.conf:2:1: expected ',' or ']'"
    conf <<<'[[registry]]'
    fails 125 dhow pull x.test/y
    says "neither location nor prefix is set"
    printf '[registries.search]\nregistries = ["a.test"]\n' | conf
    fails 125 dhow pull x.test/y
    says "version 1"
    printf '[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "b.test"\npull-from-mirror = "often"\n' | conf
    fails 125 dhow pull x.test/y
    says "often"
}

@test "insecure allows http to that registry only" {
    fake --bind ::1
    port=${FAKE#*:}
    ok dhow pull -q "[::1]:$port/app"
    ok dhow images --format '{{.Repository}}'
    says "[::1]:$port/app"
}

# --- hosts.toml ---

@test "hosts.toml: hosts in order, capabilities, headers, ?ns=, override_path" {
    fake
    second --fail-manifest 404
    mkdir -p "$T/hosts/registry.test"
    cat >"$T/hosts/registry.test/hosts.toml" <<END
server = "http://$FAKE"
[host."http://$SECOND"]
  capabilities = ["pull", "resolve"]
  [host."http://$SECOND".header]
    x-team = "blue"
[host."http://127.0.0.1:1"]
  capabilities = ["push"]
END
    ok dhow pull registry.test/app
    grep -q 'GET /v2/app/manifests/latest?ns=registry.test' "$T/second.log"
    grep -q 'GET /v2/app/manifests/latest status=200' "$T/fake.log"
    [[ $output != *"127.0.0.1:1 "* ]]
    printf 'server = "http://%s/v2/deep"\noverride_path = true\n' "$FAKE" >"$T/hosts/registry.test/hosts.toml"
    ok dhow pull -q registry.test/app:latest
    grep -q 'GET /v2/deep/app/manifests/latest' "$T/fake.log"
    printf 'server = "ftp://x"\n' >"$T/hosts/registry.test/hosts.toml"
    fails 125 dhow pull -q registry.test/app:latest
    says "http or https is expected"
}

@test "hosts.toml: ca and skip_verify" {
    require openssl
    fake --tls "$T/tls"
    port=${FAKE#*:}
    mkdir -p "$T/hosts/registry.test"
    printf 'server = "https://localhost:%s"\n' "$port" >"$T/hosts/registry.test/hosts.toml"
    fails 125 dhow pull registry.test/app
    says "not trusted"
    printf 'server = "https://localhost:%s"\nca = "ca.crt"\n' "$port" >"$T/hosts/registry.test/hosts.toml"
    cp "$T/tls/ca.crt" "$T/hosts/registry.test/"
    ok dhow pull -q registry.test/app
    printf 'server = "https://localhost:%s"\nskip_verify = true\n' "$port" >"$T/hosts/registry.test/hosts.toml"
    ok dhow pull -q registry.test/other
}

# --- proxies ---

@test "http_proxy and https_proxy lead to registries, no_proxy and loopback do not" {
    fake
    start_proxy --to "$FAKE"
    http_proxy=http://$PROXY ok dhow pull -q --tls-verify=false registry.test:80/app
    grep -q 'http GET http://registry.test:80/v2/app/manifests/latest\|http GET http://registry.test/v2/app/manifests/latest' "$T/proxy.log"
    rm "$T/proxy.log"
    http_proxy=http://$PROXY ok dhow pull -q "$FAKE/app"
    [ ! -e "$T/proxy.log" ]
    no_proxy=registry.test http_proxy=http://$PROXY fails 125 dhow pull -q --tls-verify=false registry.test:80/app2
    [ ! -e "$T/proxy.log" ]
}

@test "a registry with TLS behind an http proxy with a password" {
    require openssl
    fake --tls "$T/tls"
    start_proxy --to "$FAKE" --user bob:secret
    port=${FAKE#*:}
    mkdir -p "$T/config/containers/certs.d/localhost.test:$port"
    HTTPS_PROXY=http://bob:secret@$PROXY ok dhow pull -q --tls-verify=false "registry.test:$port/app"
    grep -q "connect registry.test:$port" "$T/proxy.log"
    HTTPS_PROXY=http://bob:wrong@$PROXY fails 125 dhow pull -q --tls-verify=true "registry.test:$port/app2"
    says "407"
    [[ $output != *wrong* ]]
}

@test "SOCKS5, by all_proxy and for one registry by proxies.toml" {
    fake
    start_proxy --to "$FAKE"
    ALL_PROXY=socks5h://$PROXY ok dhow pull -q --tls-verify=false registry.test:80/app
    grep -q 'socks registry.test:80' "$T/proxy.log"
    rm "$T/proxy.log"
    mkdir -p "$T/config/dhow"
    cat >"$T/config/dhow/proxies.toml" <<END
[[proxy]]
registry = "*.corp.test"
url = "socks5h://$PROXY"
[[proxy]]
registry = "near.corp.test"
url = "direct"
END
    ok dhow pull -q --tls-verify=false far.corp.test:80/app
    grep -q 'socks far.corp.test:80' "$T/proxy.log"
    rm "$T/proxy.log"
    fails 125 dhow pull -q --tls-verify=false near.corp.test:80/app
    [ ! -e "$T/proxy.log" ]
    printf '[[proxy]]\nregistry = "x"\nurl = "gopher://secret"\n' >"$T/config/dhow/proxies.toml"
    fails 125 dhow pull x.test/y
    says "proxies.toml"
    [[ $output != *secret* ]]
}
