#!/usr/bin/env bats
# login and logout against a registry that wants a user and a password.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    require htpasswd skopeo
    htpasswd -Bbn ci secret >"$T/htpasswd" 2>/dev/null
    serve --htpasswd "$T/htpasswd"
    fixture busybox
    skopeo copy -q --dest-tls-verify=false --dest-creds ci:secret \
        "oci:$DHOW_FIXTURES/busybox:$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' \
            "$DHOW_FIXTURES/busybox/index.json")" "docker://$REGISTRY/private:1"
    export REGISTRY_AUTH_FILE=$T/auth.json
}

@test "a login is proved before it is kept; the file is private" {
    fails 125 dhow login -u ci --password-stdin "$REGISTRY" <<<wrong
    says "registry '$REGISTRY' refuses this user and password (nothing was stored)"
    [ ! -e "$T/auth.json" ]
    ok dhow login -u ci --password-stdin "$REGISTRY" <<<secret
    [ "$output" = "Login Succeeded!" ]
    [ "$(stat -c %a "$T/auth.json")" = 600 ]
    [ "$(jq -r ".auths[\"$REGISTRY\"].auth" "$T/auth.json" | base64 -d)" = ci:secret ]
    ok dhow login --get-login "$REGISTRY"
    [ "$output" = ci ]
}

@test "pull uses what login kept, and skopeo reads it too" {
    ok dhow pull -q "$REGISTRY/private:1"
    dhow rmi "$REGISTRY/private:1"
    ok skopeo inspect --tls-verify=false --authfile "$T/auth.json" "docker://$REGISTRY/private:1"
}

@test "--creds without a login; none at all" {
    REGISTRY_AUTH_FILE=$T/none.json
    echo '{}' >"$T/none.json"
    fails 125 dhow pull "$REGISTRY/private:1"
    says "wants credentials"
    ok dhow pull -q --creds ci:secret "$REGISTRY/private:1"
    dhow rmi "$REGISTRY/private:1"
    fails 125 dhow pull --creds ci:wrong "$REGISTRY/private:1"
}

@test "what else is in the file is kept; a broken one is named" {
    echo '{"auths":{"other.example":{"auth":"YTpi"}},"credHelpers":{"x.example":"none"}}' >"$T/more.json"
    ok dhow login -u ci --password-stdin --authfile "$T/more.json" "$REGISTRY" <<<secret
    [ "$(jq -r '.auths["other.example"].auth' "$T/more.json")" = YTpi ]
    [ "$(jq -r '.credHelpers["x.example"]' "$T/more.json")" = none ]
    echo '{"auths":' >"$T/broken.json"
    fails 125 dhow login -u ci --password-stdin --authfile "$T/broken.json" "$REGISTRY" <<<secret
    says "$T/broken.json"
}

@test "a link to the file stays one; a device is not replaced" {
    ln -s "$T/more.json" "$T/link.json"
    ok dhow login -u ci --password-stdin --authfile "$T/link.json" "$REGISTRY" <<<secret
    [ -L "$T/link.json" ]
    mknod "$T/null" c 1 3 2>/dev/null || skip "cannot make a device"
    fails 125 dhow login -u ci --password-stdin --authfile "$T/null" "$REGISTRY" <<<secret
    [ -c "$T/null" ]
}

@test "logout forgets one, or all" {
    ok dhow logout "$REGISTRY"
    says "Removed login credentials for $REGISTRY"
    fails 125 dhow logout "$REGISTRY"
    says "not logged in to '$REGISTRY'"
    fails 125 dhow login --get-login "$REGISTRY"
    ok dhow logout --all --authfile "$T/more.json"
    [ "$(jq -r '.auths | length' "$T/more.json")" -eq 0 ]
    [ "$(jq -r '.credHelpers["x.example"]' "$T/more.json")" = none ]
}

@test "bad input" {
    fails 125 dhow login -u ci "$REGISTRY" </dev/null
    says "there is no terminal to ask on"
    fails 125 dhow login -u ci -p x --password-stdin "$REGISTRY" </dev/null
    says "exclude each other"
    fails 125 dhow login -u a:b --password-stdin "$REGISTRY" <<<x
    says "a user's name has no ':'"
    fails 125 dhow login -u ci --password-stdin "Bad_Name" <<<x
    says "'Bad_Name' is not the name of a registry"
    fails 125 dhow login -u ci --password-stdin "$REGISTRY" </dev/null
    says "standard input has no password"
}
