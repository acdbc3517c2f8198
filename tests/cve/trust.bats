#!/usr/bin/env bats
# Attacks on the verification of signatures that worked on other programs. Nothing here is in a
# registry: dir: layouts hold the manifest and what claims to be its signatures.
load ../lib/helpers

setup() {
    require openssl python3
    L=$T/layout
    rm -rf "$L"
    mkdir -p "$L" "$T/config"
    export XDG_CONFIG_HOME=$T/config
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}' >"$L/manifest.json"
    DIGEST=$(sha256sum "$L/manifest.json" | cut -d' ' -f1)
    NAME=registry.test/app:1
    for key in good evil; do
        [ -e "$T/$key.key" ] || {
            openssl ecparam -name prime256v1 -genkey -noout -out "$T/$key.key"
            openssl pkey -in "$T/$key.key" -pubout -out "$T/$key.pub"
        }
    done
    policy '"keyPath":"'"$T/good.pub"'"'
}

policy() {
    printf '{"default":[{"type":"reject"}],"transports":{"docker":{"":[{"type":"sigstoreSigned",%s}]}}}' "$1" >"$T/policy.json"
}

verify() {
    dhow image verify --signature-policy "$T/policy.json" --identity "$NAME" "dir:$L"
}

payload() {
    printf '{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"sha256:%s"},"type":"%s"},"optional":null}' \
        "${1:-$NAME}" "${2:-$DIGEST}" "${3:-cosign container image signature}"
}

# sigstore N KEY PAYLOAD [ANNOTATIONS-AS-JSON] [MIME]
sigstore() {
    printf '%s' "$3" >"$T/payload"
    openssl dgst -sha256 -sign "$T/$2.key" -out "$T/sig" "$T/payload"
    python3 - "$L/signature-$1" "$T/payload" "$T/sig" "${4:-{\}}" "${5:-application/vnd.dev.cosign.simplesigning.v1+json}" <<'END'
import base64, json, sys
out, payload, sig, more, mime = sys.argv[1:]
notes = {"dev.cosignproject.cosign/signature": base64.b64encode(open(sig, "rb").read()).decode(), **json.loads(more)}
doc = {"mimeType": mime, "payload": base64.b64encode(open(payload, "rb").read()).decode(), "annotations": notes}
open(out, "wb").write(b"\0sigstore-json\n" + json.dumps(doc).encode())
END
}

# rekor BODY-FILE KEY TIME: a signed entry timestamp by KEY, as cosign's annotation
rekor() {
    python3 - "$1" "$T/$2.key" "$3" <<'END'
import base64, json, subprocess, sys
body = base64.b64encode(open(sys.argv[1], "rb").read()).decode()
entry = {"body": body, "integratedTime": int(sys.argv[3]), "logID": "ab" * 32, "logIndex": 7}
text = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", sys.argv[2]], input=text, capture_output=True, check=True).stdout
print(json.dumps({"dev.sigstore.cosign/bundle": json.dumps({"SignedEntryTimestamp": base64.b64encode(sig).decode(), "Payload": entry})}))
END
}

# hashedrekord KEY PAYLOAD SIGNATURE-FILE >BODY
hashedrekord() {
    python3 - "$T/$1.pub" "$2" "$3" <<'END'
import base64, hashlib, json, sys
key, payload, sig = (open(f, "rb").read() for f in sys.argv[1:])
print(json.dumps({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
    "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}},
    "signature": {"content": base64.b64encode(sig).decode(), "publicKey": {"content": base64.b64encode(key).decode()}}}}), end="")
END
}

@test "the good case, so that the others fail for their own reason" {
    sigstore 1 good "$(payload)"
    ok verify
    says "sha256:$DIGEST"
}

@test "CVE-2022-35929: no signature of the right kind at all is a failure" {
    fails 125 verify
    says "not signed as the policy demands"
    sigstore 1 good "$(payload)" '{}' application/vnd.in-toto+json
    fails 125 verify
    says "not signed as the policy demands"
    fails 125 dhow image verify --key "$T/good.pub" "dir:$L"
}

@test "CVE-2022-36056: a log's entry that is about another signature, key or payload proves nothing" {
    openssl ecparam -name prime256v1 -genkey -noout -out "$T/log.key"
    openssl pkey -in "$T/log.key" -pubout -out "$T/log.pub"
    policy '"keyPath":"'"$T/good.pub"'","rekorPublicKeyPath":"'"$T/log.pub"'"'
    sigstore 1 good "$(payload)"
    fails 125 verify
    says "no proof of a transparency log"
    # ECDSA is not deterministic: this one is kept and used again
    again() {
        python3 - "$L/signature-1" "$1" <<'END'
import json, sys
head, text = open(sys.argv[1], "rb").read().split(b"\n", 1)
doc = json.loads(text)
doc["annotations"].update(json.loads(sys.argv[2]))
open(sys.argv[1], "wb").write(head + b"\n" + json.dumps(doc).encode())
END
    }
    hashedrekord good "$T/payload" "$T/sig" >"$T/body"
    again "$(rekor "$T/body" log 1700000000)"
    ok verify
    # not by the log
    again "$(rekor "$T/body" evil 1700000000)"
    fails 125 verify
    says "not signed by the log"
    # about another payload, another key, another signature
    echo other >"$T/other"
    hashedrekord good "$T/other" "$T/sig" >"$T/body"
    again "$(rekor "$T/body" log 1700000000)"
    fails 125 verify
    says "about other data"
    hashedrekord evil "$T/payload" "$T/sig" >"$T/body"
    again "$(rekor "$T/body" log 1700000000)"
    fails 125 verify
    says "another key"
    hashedrekord good "$T/payload" "$T/other" >"$T/body"
    again "$(rekor "$T/body" log 1700000000)"
    fails 125 verify
    says "another signature"
}

@test "CVE-2023-46737: endless signatures and endless files are not read to their end" {
    local i
    sigstore 1 evil "$(payload)"
    for i in $(seq 2 200); do
        ln "$L/signature-1" "$L/signature-$i"
    done
    fails 125 verify
    says "more than 128 signatures"
    rm "$L"/signature-*
    truncate -s 5M "$L/signature-1"
    fails 125 verify
    says "signature-1"
    python3 -c 'print("[" * 100000)' >"$T/deep"
    { printf '\0sigstore-json\n'; cat "$T/deep"; } >"$L/signature-1"
    fails 125 verify
    says "nested too deeply"
}

@test "a signature for another digest, another name or of another type does not count" {
    sigstore 1 good "$(payload "$NAME" "$(printf x | sha256sum | cut -d' ' -f1)")"
    fails 125 verify
    says "it is for another image"
    sigstore 1 good "$(payload registry.test/other:1)"
    fails 125 verify
    says "registry.test/other:1"
    sigstore 1 good "$(payload registry.test/app)"
    fails 125 verify
    sigstore 1 good "$(payload "$NAME" "$DIGEST" "atomic container signature")"
    fails 125 verify
    says "atomic container signature"
}

@test "readers that differ: double keys, other case, keys that do not belong" {
    local text
    text=$(payload)
    sigstore 1 good "${text/\"image\"/\"image\":{\"docker-manifest-digest\":\"sha256:${DIGEST//?/0\}\"},\"image\"}"
    fails 125 verify
    sigstore 1 good "${text/critical/Critical}"
    fails 125 verify
    sigstore 1 good "${text/\"type\"/\"x\":1,\"type\"}"
    fails 125 verify
    says "do not belong"
}

@test "an attestation in a bundle is no signature" {
    local statement
    for predicate in https://sigstore.dev/cosign/sign/v1 https://slsa.dev/provenance/v1; do
        statement='{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"'$DIGEST'"}}],"predicateType":"'$predicate'"}'
        printf 'DSSEv1 28 application/vnd.in-toto+json %d %s' ${#statement} "$statement" >"$T/pae"
        openssl dgst -sha256 -sign "$T/good.key" -out "$T/sig" "$T/pae"
        printf '\0sigstore-bundle\n{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"%s","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"%s"}]}}' \
            "$(printf %s "$statement" | base64 -w0)" "$(base64 -w0 "$T/sig")" >"$L/signature-1"
        if [[ $predicate == *cosign* ]]; then
            ok dhow image verify --key "$T/good.pub" "dir:$L"
        else
            fails 125 dhow image verify --key "$T/good.pub" "dir:$L"
            says "an attestation"
        fi
    done
}

@test "a certificate that is expired, for something else, or of another CA does not count" {
    cd "$T"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 20 -subj /CN=ca -keyout ca.key -out ca.pem 2>/dev/null
    leaf() {
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=leaf -keyout leaf.key -out leaf.csr 2>/dev/null
        printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$1" "$2" >leaf.ext
        openssl x509 -req -in leaf.csr -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days "$4" -extfile leaf.ext -out leaf.pem 2>/dev/null
        sigstore 1 leaf "$(payload)" "$(python3 -c 'import json; print(json.dumps({"dev.sigstore.cosign/certificate": open("leaf.pem").read()}))')"
    }
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 20 -subj /CN=ca -keyout fake.key -out fake.pem 2>/dev/null
    policy '"pki":{"caRootsPath":"'"$T/ca.pem"'","subjectEmail":"a@example.com"}'
    leaf email:a@example.com codeSigning ca 5
    ok verify
    leaf email:b@example.com codeSigning ca 5
    fails 125 verify
    says "not one of 'a@example.com'"
    leaf email:a@example.com serverAuth ca 5
    fails 125 verify
    says "code signing"
    leaf email:a@example.com codeSigning fake 5
    fails 125 verify
    says "trusted CA"
    leaf email:a@example.com codeSigning ca -1 || leaf email:a@example.com codeSigning ca 0
    sleep 1
    fails 125 verify
    leaf email:a@example.com codeSigning ca 5
    sed -i 's/"dev.sigstore.cosign\/certificate"/"dev.sigstore.cosign\/chain"/' "$L/signature-1"
    fails 125 verify
    says "no certificate"
}

@test "gpg: two signatures in one message, a detached one, and a message that imitates gpgv's words" {
    require gpg gpgv
    mkdir -m 700 "$T/gnupg"
    export GNUPGHOME=$T/gnupg
    for who in good evil; do
        gpg --batch --quiet --passphrase '' --quick-gen-key "$who@example.com" rsa2048 sign never 2>/dev/null
    done
    gpg --armor --export good@example.com >"$T/good.asc"
    printf '{"default":[{"type":"reject"}],"transports":{"docker":{"":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"%s"}]}}}' "$T/good.asc" >"$T/policy.json"
    payload "$NAME" "$DIGEST" "atomic container signature" | sed 's/null/{}/' >"$T/payload"
    gpg --batch --quiet -u good@example.com --sign <"$T/payload" >"$L/signature-1"
    ok verify
    gpg --batch --quiet -u good@example.com -u evil@example.com --sign <"$T/payload" >"$L/signature-1"
    fails 125 verify
    gpg --batch --quiet -u good@example.com --detach-sign <"$T/payload" >"$L/signature-1"
    fails 125 verify
    printf '[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 1 x\n[GNUPG:] VALIDSIG 1 1\n[GNUPG:] PLAINTEXT 1\n' >"$T/words"
    gpg --batch --quiet -u evil@example.com --set-filename "$(cat "$T/words")" --sign <"$T/payload" >"$L/signature-1"
    fails 125 verify
    says "not by a trusted key"
}

teardown() {
    [ ! -d "$T/gnupg" ] || gpgconf --homedir "$T/gnupg" --kill all
}
