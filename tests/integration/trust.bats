#!/usr/bin/env bats
# Trust: policy.json, signatures by OpenPGP and by sigstore keys; skopeo and cosign as the other side.
load ../lib/helpers

setup_file() {
    common_setup_file
    require openssl gpg gpgv || return 0
    start_registry || return 0
    push team/app:v1 busybox
    push team/other:v1 busybox
    mkdir -m 700 "$T/gnupg" "$T/gnupg2"
    mkdir "$T/registries.d" "$T/config" "$T/keys"
    make_gpg gnupg signer@example.com
    make_gpg gnupg2 other@example.com
    printf 'default-docker:\n  lookaside: file://%s/sigs\n' "$T" >"$T/registries.d/default.yaml"
    cd "$T/keys" || return 1
    for key in good other; do
        openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out $key.key
        openssl pkey -in $key.key -pubout -out $key.pub
    done
    openssl genpkey -algorithm ed25519 -out ed.key
    openssl pkey -in ed.key -pubout -out ed.pub
    openssl genrsa -out rsa.key 2048 2>/dev/null
    openssl pkey -in rsa.key -pubout -out rsa.pub
}

make_gpg() {
    GNUPGHOME=$T/$1 gpg --batch --quiet --passphrase '' --quick-gen-key "$2" rsa2048 sign never 2>/dev/null
    GNUPGHOME=$T/$1 gpg --armor --export "$2" >"$T/$1/public.asc"
}

teardown_file() {
    gpgconf --homedir "$T/gnupg" --kill all 2>/dev/null || true
    gpgconf --homedir "$T/gnupg2" --kill all 2>/dev/null || true
    common_teardown_file
}

setup() {
    require openssl gpg gpgv skopeo docker-registry
    export XDG_CONFIG_HOME=$T/config CONTAINERS_REGISTRIES_D=$T/registries.d GNUPGHOME=$T/gnupg
    APP=$REGISTRY/team/app:v1
    rm -rf "$T/sigs"
}

teardown() {
    for name in $(dhow images -q | sort -u); do
        dhow rmi -f "$name" >/dev/null 2>&1 || true
    done
    rm -rf "$T/config"
    mkdir -p "$T/config"
}

# policy JSON: the requirements for docker images; everything else is rejected
policy() {
    printf '{"default":[{"type":"reject"}],"transports":{"docker":{"":[%s]}}}' "$1" >"$T/policy.json"
}

by_gpg() {
    policy '{"type":"signedBy","keyType":"GPGKeys","keyPath":"'"$T/$1/public.asc"'"}'
}

by_key() {
    policy '{"type":"sigstoreSigned","keyPath":"'"$T/keys/$1.pub"'"'"${2:-}"'}'
}

pull() {
    dhow pull -q --signature-policy "$T/policy.json" "$@"
}

# A tag of its own for a test, so that signatures of others are not seen: the manifest differs.
fresh() {
    mkdir -p "$T/made"
    rm -rf "$T/made/layout"
    cp -r "$DHOW_FIXTURES/busybox" "$T/made/layout"
    python3 - "$T/made/layout" "$1" <<'END'
import hashlib, json, os, sys
layout, note = sys.argv[1:]
index = json.load(open(layout + "/index.json"))
entry = index["manifests"][0]
manifest = json.load(open(layout + "/blobs/sha256/" + entry["digest"][7:]))
manifest["annotations"] = {"note": note}
data = json.dumps(manifest).encode()
entry["digest"] = "sha256:" + hashlib.sha256(data).hexdigest()
entry["size"] = len(data)
open(layout + "/blobs/sha256/" + entry["digest"][7:], "wb").write(data)
json.dump(index, open(layout + "/index.json", "w"))
END
    skopeo copy -q --dest-tls-verify=false "oci:$T/made/layout:busybox:latest" "docker://$REGISTRY/team/$1:v1"
    APP=$REGISTRY/team/$1:v1
}

# --- the policy itself ---

@test "the most specific scope decides, then the transport, then the default" {
    cat >"$T/policy.json" <<END
{"default": [{"type": "insecureAcceptAnything"}],
 "transports": {"docker": {"$REGISTRY/team": [{"type": "reject"}],
                           "$REGISTRY/team/other": [{"type": "insecureAcceptAnything"}]}}}
END
    fails 125 pull "$APP"
    says "rejected by the policy"
    says "policy.json"
    ok pull "$REGISTRY/team/other:v1"
    printf '{"default":[{"type":"reject"}],"transports":{"docker":{"*.0.1":[{"type":"insecureAcceptAnything"}]}}}' >"$T/policy.json"
    ok pull "$APP"
    printf '{"default":[{"type":"reject"}]}' >"$T/policy.json"
    fails 125 pull "$APP"
}

@test "policy.json of the user is taken without being asked for" {
    mkdir -p "$T/config/containers"
    printf '{"default":[{"type":"reject"}]}' >"$T/config/containers/policy.json"
    fails 125 dhow pull -q "$APP"
    says "$T/config/containers/policy.json"
    fails 125 dhow run --rm "$APP" true
    says "rejected"
}

@test "what a policy does not understand is refused, with its place" {
    local text
    for text in '{"default":[]}' '{}' '{"default":[{"type":"x"}]}' '{"default":[{"type":"reject","x":1}]}' \
        '{"default":[{"type":"reject"}],"transport":{}}' '{"default":[{"type":"reject"},null]}' \
        '{"default":[{"type":"signedBy","keyType":"GPGKeys"}]}' \
        '{"default":[{"type":"signedBy","keyType":"GPG","keyPath":"/x"}]}' \
        '{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/x","keyData":"AAAA"}]}' \
        '{"default":[{"type":"sigstoreSigned"}]}' \
        '{"default":[{"type":"sigstoreSigned","keyPath":"/x","fulcio":{"caPath":"/x","oidcIssuer":"x","subjectEmail":"x"}}]}' \
        '{"default":[{"type":"sigstoreSigned","fulcio":{"caPath":"/x","oidcIssuer":"x","subjectEmail":"x"}}]}' \
        '{"default":[{"type":"sigstoreSigned","keyPath":"/x","signedIdentity":{"type":"matchexact"}}]}' \
        '{"default":[{"type":"sigstoreSigned","keyPath":"/x","signedIdentity":{"type":"exactReference","dockerReference":"a.b/c"}}]}' \
        '{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}'; do
        printf '%s' "$text" >"$T/policy.json"
        fails 125 pull "$APP"
        says "policy.json"
    done
    fails 125 dhow pull -q --signature-policy "$T/nowhere" "$APP"
    says "no such policy"
}

# --- OpenPGP ---

@test "skopeo signs by OpenPGP, dhow accepts it, and nothing else" {
    fresh gpg1
    by_gpg gnupg
    fails 125 pull "$APP"
    says "is not signed as the policy demands"
    ok skopeo --registries.d "$T/registries.d" copy -q --src-tls-verify=false --dest-tls-verify=false \
        --sign-by signer@example.com "docker://$APP" "docker://$APP"
    ok pull "$APP"
    by_gpg gnupg2
    fails 125 pull "$APP"
    says "not by a trusted key"
    # the same signature for another name
    skopeo copy -q --src-tls-verify=false --dest-tls-verify=false --remove-signatures "docker://$APP" "docker://$REGISTRY/team/gpg1b:v1"
    by_gpg gnupg
    mv "$T/sigs/team/gpg1@"* "$T/sigs/team/$(basename "$T"/sigs/team/gpg1@* | sed s/gpg1/gpg1b/)"
    fails 125 pull "$REGISTRY/team/gpg1b:v1"
    says "it is for the name"
    policy '{"type":"signedBy","keyType":"GPGKeys","keyPath":"'"$T/gnupg/public.asc"'","signedIdentity":{"type":"exactReference","dockerReference":"'"$APP"'"}}'
    ok pull "$REGISTRY/team/gpg1b:v1"
    policy '{"type":"signedBy","keyType":"GPGKeys","keyPath":"'"$T/gnupg/public.asc"'","signedIdentity":{"type":"remapIdentity","prefix":"'"$REGISTRY/team/gpg1b"'","signedPrefix":"'"$REGISTRY/team/gpg1"'"}}'
    ok pull "$REGISTRY/team/gpg1b:v1"
}

@test "dhow signs by OpenPGP, skopeo accepts it" {
    fresh gpg2
    ok dhow image sign --sign-by signer@example.com "$APP"
    by_gpg gnupg
    ok skopeo --policy "$T/policy.json" --registries.d "$T/registries.d" copy -q --src-tls-verify=false \
        --remove-signatures "docker://$APP" "dir:$T/copied"
    ok dhow image verify --gpg-key "$T/gnupg/public.asc" "$APP"
    fails 125 dhow image verify --gpg-key "$T/gnupg2/public.asc" "$APP"
    by_gpg gnupg2
    fails 1 skopeo --policy "$T/policy.json" --registries.d "$T/registries.d" copy -q --src-tls-verify=false \
        --remove-signatures "docker://$APP" "dir:$T/copied2"
    fails 125 dhow image sign --sign-by nobody@example.com "$APP"
    says "nobody@example.com"
    rm -rf "$T/copied"
}

@test "a dir: layout is signed and verified, and skopeo reads it" {
    fresh dir1
    rm -rf "$T/layout"
    skopeo copy -q --src-tls-verify=false "docker://$APP" "dir:$T/layout"
    ok dhow image sign --sign-by signer@example.com --sign-identity "$APP" "dir:$T/layout"
    ok skopeo standalone-verify "$T/layout/manifest.json" "$APP" \
        "$(gpg --with-colons --fingerprint signer@example.com | sed -n 's/^fpr:*\([0-9A-F]*\):.*/\1/p' | head -1)" "$T/layout/signature-1"
    by_gpg gnupg
    ok dhow image verify --signature-policy "$T/policy.json" --identity "$APP" "dir:$T/layout"
    fails 125 dhow image verify --signature-policy "$T/policy.json" --identity "$REGISTRY/team/dir1:v2" "dir:$T/layout"
    echo ' ' >>"$T/layout/manifest.json"
    fails 125 dhow image verify --signature-policy "$T/policy.json" --identity "$APP" "dir:$T/layout"
    says "another image"
}

@test "an expired and a revoked key do not count" {
    fresh exp1
    mkdir -m 700 "$T/gnupg3"
    export GNUPGHOME=$T/gnupg3
    gpg --batch --quiet --faked-system-time 20200101T000000 --passphrase '' --quick-gen-key old@example.com rsa2048 sign 1y 2>/dev/null
    gpg --armor --export old@example.com >"$T/gnupg3/public.asc"
    skopeo copy -q --src-tls-verify=false "docker://$APP" "dir:$T/layout3"
    digest=sha256:$(sha256sum "$T/layout3/manifest.json" | cut -d' ' -f1)
    printf '{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"atomic container signature"},"optional":{}}' "$APP" "$digest" |
        gpg --batch --quiet --faked-system-time 20200201T000000 --sign >"$T/layout3/signature-1" 2>/dev/null
    gpgconf --homedir "$T/gnupg3" --kill all
    by_gpg gnupg3
    fails 125 dhow image verify --signature-policy "$T/policy.json" --identity "$APP" "dir:$T/layout3"
    says "expired or revoked"
}

# --- sigstore keys ---

@test "dhow signs with keys of every kind, and the policy accepts the right one" {
    local kind
    for kind in good ed rsa; do
        fresh "key-$kind"
        by_key "$kind"
        fails 125 pull "$APP"
        says "is not signed as the policy demands"
        ok dhow image sign --key "$T/keys/$kind.key" "$APP"
        ok pull "$APP"
        ok dhow image verify --key "$T/keys/$kind.pub" "$APP"
        by_key other
        fails 125 pull "$APP"
        says "it is not by a trusted key"
    done
    fails 125 dhow image verify --key "$T/keys/other.pub" "$APP"
    fails 125 dhow image sign --key "$T/keys/good.pub" "$APP"
    says "no private key"
}

@test "two signers: both must have signed when both are required, one of them when either is" {
    fresh two
    ok dhow image sign --key "$T/keys/good.key" "$APP"
    policy '{"type":"sigstoreSigned","keyPath":"'"$T/keys/good.pub"'"},{"type":"sigstoreSigned","keyPath":"'"$T/keys/other.pub"'"}'
    fails 125 pull "$APP"
    policy '{"type":"sigstoreSigned","keyPaths":["'"$T/keys/other.pub"'","'"$T/keys/good.pub"'"]}'
    ok pull "$APP"
    policy '{"type":"sigstoreSigned","keyPath":"'"$T/keys/good.pub"'"},{"type":"sigstoreSigned","keyPath":"'"$T/keys/other.pub"'"}'
    ok dhow image sign --key "$T/keys/other.key" "$APP"
    ok pull "$APP"
    policy '{"type":"sigstoreSigned","keyData":"'"$(base64 -w0 "$T/keys/good.pub")"'"}'
    ok pull "$APP"
}

@test "a bundle refers to the image; it names nobody, so it is for verify and not for a policy" {
    fresh bundle
    ok dhow image sign --bundle --key "$T/keys/good.key" "$APP"
    ok dhow image verify --key "$T/keys/good.pub" "$APP"
    fails 125 dhow image verify --key "$T/keys/other.pub" "$APP"
    by_key good
    fails 125 pull "$APP"
    fails 125 dhow image verify --key "$T/keys/good.pub" --rekor-key "$T/keys/other.pub" "$APP"
    says "transparency log"
}

@test "push signs what it pushed; image copy obeys the policy" {
    image busybox
    ok dhow push -q --sign-by signer@example.com --sign-by-sigstore-private-key "$T/keys/good.key" busybox "docker://$REGISTRY/team/pushed:v1"
    APP=$REGISTRY/team/pushed:v1
    by_gpg gnupg
    ok pull "$APP"
    by_key good
    ok pull "$APP"
    ok dhow image copy -q --signature-policy "$T/policy.json" "docker://$APP" "dir:$T/copy1"
    by_key other
    fails 125 dhow image copy -q --signature-policy "$T/policy.json" "docker://$APP" "dir:$T/copy2"
    says "not by a trusted key"
    [ ! -e "$T/copy2" ]
    fails 125 dhow image copy -q --signature-policy "$T/policy.json" "dir:$T/copy1" "dir:$T/copy2"
    says "rejected by the policy"
    fails 125 dhow push -q --sign-by signer@example.com busybox "dir:$T/copy3"
    says "signing is for registries"
}

# --- at run ---

@test "what was accepted once is judged anew: policy, key and scope changed after the pull" {
    fresh again
    mkdir -p "$T/config/containers"
    ok dhow image sign --key "$T/keys/good.key" "$APP"
    cp "$T/keys/good.pub" "$T/keys/current.pub"
    by_key current
    cp "$T/policy.json" "$T/config/containers/policy.json"
    ok dhow pull -q "$APP"
    ok dhow create --name c1 "$APP" true
    cp "$T/keys/other.pub" "$T/keys/current.pub"
    fails 125 dhow create --name c2 "$APP" true
    says "not by a trusted key"
    rm "$T/keys/current.pub"
    fails 125 dhow create --name c2 "$APP" true
    says "current.pub"
    cp "$T/keys/good.pub" "$T/keys/current.pub"
    ok dhow create --name c2 "$APP" true
    id=$(dhow images -q)
    ok dhow create --name c3 "$id" true
    dhow tag "$APP" localhost/mine:1
    ok dhow create --name c4 localhost/mine:1 true
    ok dhow rm c1 c2 c3 c4
}

@test "an image pulled without signatures cannot be run under a policy that wants them, until it is pulled again" {
    fresh later
    ok dhow pull -q --signature-policy /dev/null "$APP" || true
    printf '{"default":[{"type":"insecureAcceptAnything"}]}' >"$T/policy.json"
    ok pull "$APP"
    by_key good
    fails 125 dhow run --rm --signature-policy "$T/policy.json" "$APP" true
    says "not signed as the policy demands"
    ok dhow image sign --key "$T/keys/good.key" "$APP"
    ok pull "$APP"
    ok dhow create --name c --signature-policy "$T/policy.json" "$APP" true
    ok dhow rm c
}

@test "archives: their transport's scope, and no way around a name that must be signed" {
    fresh archive
    ok dhow pull -q "$APP"
    dhow save -o "$T/a.tar" "$APP"
    ok dhow rmi "$APP"
    printf '{"default":[{"type":"reject"}]}' >"$T/policy.json"
    fails 125 dhow load -q --signature-policy "$T/policy.json" -i "$T/a.tar"
    says "docker-archive"
    printf '{"default":[{"type":"reject"}],"transports":{"docker-archive":{"":[{"type":"insecureAcceptAnything"}]}}}' >"$T/policy.json"
    ok dhow load -q --signature-policy "$T/policy.json" -i "$T/a.tar"
    ok dhow create --name c --signature-policy "$T/policy.json" "$APP" true
    ok dhow rm c
    printf '{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"%s":[{"type":"sigstoreSigned","keyPath":"%s"}]}}}' "$REGISTRY/team" "$T/keys/good.pub" >"$T/policy.json"
    fails 125 dhow load -q --signature-policy "$T/policy.json" -i "$T/a.tar"
    says "an archive brings no signatures"
    fails 125 dhow create --signature-policy "$T/policy.json" "$APP" true
}

@test "skopeo signs with a sigstore key, dhow accepts it; dhow signs, skopeo accepts it" {
    require cosign
    printf 'default-docker:\n  use-sigstore-attachments: true\n' >"$T/registries.d/default.yaml"
    export COSIGN_PASSWORD=secret
    [ -e "$T/keys/cosign.key" ] || (cd "$T/keys" && cosign_ generate-key-pair >/dev/null 2>&1)
    printf secret >"$T/secret"
    fresh skopeo1
    run skopeo --registries.d "$T/registries.d" copy -q --src-tls-verify=false --dest-tls-verify=false \
        --sign-by-sigstore-private-key "$T/keys/cosign.key" --sign-passphrase-file "$T/secret" "docker://$APP" "docker://$APP"
    [[ $output != *"sigstore disabled"* ]] || skip "needs a skopeo with sigstore: Debian's has it switched off"
    [ "$status" -eq 0 ]
    by_key cosign
    ok pull "$APP"
    fresh skopeo2
    ok dhow image sign --key "$T/keys/cosign.key" "$APP"
    ok skopeo --policy "$T/policy.json" --registries.d "$T/registries.d" copy -q --src-tls-verify=false "docker://$APP" "dir:$T/copied3"
    by_key other
    fails 1 skopeo --policy "$T/policy.json" --registries.d "$T/registries.d" copy -q --src-tls-verify=false "docker://$APP" "dir:$T/copied4"
    # what skopeo copied is a dir: layout with the signature beside the manifest
    by_key cosign
    ok dhow image verify --signature-policy "$T/policy.json" --identity "$APP" "dir:$T/copied3"
    printf 'default-docker:\n  use-sigstore-attachments: false\n' >"$T/registries.d/default.yaml"
    fails 125 pull "$APP"
    printf 'default-docker:\n  lookaside: file://%s/sigs\n' "$T" >"$T/registries.d/default.yaml"
}

# --- cosign ---

cosign_() {
    COSIGN_PASSWORD=${COSIGN_PASSWORD-} HOME=$T cosign "$@"
}

@test "cosign signs, dhow verifies; dhow signs, cosign verifies" {
    require cosign
    export COSIGN_PASSWORD=secret
    fresh cosign1
    (cd "$T/keys" && rm -f cosign.*; cosign_ generate-key-pair >/dev/null 2>&1)
    digest=$(skopeo inspect --tls-verify=false "docker://$APP" | jq -r .Digest)
    ok cosign_ sign --key "$T/keys/cosign.key" --new-bundle-format=false --use-signing-config=false --tlog-upload=false --allow-http-registry -y "${APP%:*}@$digest"
    ok dhow image verify --key "$T/keys/cosign.pub" "$APP"
    # cosign signs the repository's name only
    by_key cosign
    fails 125 pull "$APP"
    by_key cosign ',"signedIdentity":{"type":"matchRepository"}'
    ok pull "$APP"
    fresh cosign2
    ok dhow image sign --key "$T/keys/cosign.key" "$APP"
    ok cosign_ verify --key "$T/keys/cosign.pub" --new-bundle-format=false --insecure-ignore-tlog --allow-http-registry "$APP"
    fails 125 env COSIGN_PASSWORD=wrong "$BUILD/dhow" --root "$T/root" --runroot "$T/run" image sign --key "$T/keys/cosign.key" "$APP"
    says "passphrase is wrong"
}

@test "bundles: cosign signs, dhow verifies; dhow signs, cosign verifies" {
    require cosign
    export COSIGN_PASSWORD=secret
    [ -e "$T/keys/cosign.key" ] || (cd "$T/keys" && cosign_ generate-key-pair >/dev/null 2>&1)
    fresh cosign3
    digest=$(skopeo inspect --tls-verify=false "docker://$APP" | jq -r .Digest)
    ok cosign_ sign --key "$T/keys/cosign.key" --new-bundle-format --use-signing-config=false --tlog-upload=false --allow-http-registry -y "${APP%:*}@$digest"
    ok dhow image verify --key "$T/keys/cosign.pub" "$APP"
    fresh cosign4
    ok dhow image sign --bundle --key "$T/keys/cosign.key" "$APP"
    # nothing of the public instance is needed, but cosign insists on a file
    printf '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}' >"$T/root.json"
    ok cosign_ verify --key "$T/keys/cosign.pub" --new-bundle-format --trusted-root "$T/root.json" --insecure-ignore-tlog --allow-http-registry "$APP"
}
