#!/usr/bin/env bats
# Attacks by registries and archives that worked on other programs.
load ../lib/helpers
load ../lib/registry

teardown() {
    unfake
    dhow image prune -a -f >/dev/null 2>&1 || true
}

nothing_stored() {
    ok dhow images -q
    [ -z "$output" ]
    ok dhow system check
}

@test "CVE-2020-15157: credentials do not follow a redirect or a foreign layer's URL" {
    second --seed 1
    fake --auth basic --redirect "http://$SECOND"
    ok dhow pull --creds alice:secret "$FAKE/a"
    [ "$(grep -c 'auth=Basic' "$T/fake.log")" -gt 0 ]
    grep -q elsewhere "$T/second.log"
    [ "$(grep -c 'auth=[^-]' "$T/second.log")" -eq 0 ]
    unfake
    second --seed 2
    fake --seed 2 --auth basic --foreign-url "http://$SECOND/evil"
    ok dhow pull --creds alice:secret "$FAKE/b"
    [ ! -s "$T/second.log" ]
}

@test "CVE-2019-10214: no credentials to a token server over http when the registry is on https" {
    second
    fake --tls "$T/tls" --auth bearer --private --realm "http://$SECOND/token"
    fails 125 dhow pull --cert-dir "$T/tls" --creds alice:secret "$FAKE/a"
    says "refused, no https"
    [ ! -s "$T/second.log" ]
}

@test "a redirect from https to http is refused" {
    second
    fake --tls "$T/tls" --redirect "http://$SECOND"
    fails 125 dhow pull --cert-dir "$T/tls" "$FAKE/a"
    says "from https to http"
    [ ! -s "$T/second.log" ]
}

@test "CVE-2021-41092: a broken file of credentials is an error, not an anonymous pull" {
    fake
    echo '{"auths": {' >"$T/broken.json"
    fails 125 dhow pull --authfile "$T/broken.json" "$FAKE/a"
    says "broken.json"
    echo "{\"auths\":{\"$FAKE\":{\"auth\":\"not base64!\"}}}" >"$T/broken.json"
    fails 125 dhow pull --authfile "$T/broken.json" "$FAKE/a"
    says "base64"
    [ "$(requests .)" -eq 0 ]
}

@test "CVE-2021-41190: a manifest that is also a list, or not of the type it is served as, is refused" {
    fake --confused
    fails 125 dhow pull "$FAKE/a"
    says "at once"
    unfake
    fake --content-type application/vnd.oci.image.index.v1+json
    fails 125 dhow pull "$FAKE/a"
    says "served as"
    unfake
    fake --content-type application/vnd.docker.distribution.manifest.v2+json
    fails 125 dhow pull "$FAKE/a"
    says "served as"
    unfake
    fake --duplicate-key
    fails 125 dhow pull "$FAKE/a"
    says "layers"
    nothing_stored
}

@test "CVE-2024-3727: a digest that is a path is refused before it is used" {
    fake --traversal
    fails 125 dhow pull "$FAKE/a"
    says "digest"
    [ "$(requests passwd)" -eq 0 ]
    fails 125 dhow pull "$FAKE/a@sha256:../../../etc/passwd"
    nothing_stored
}

@test "CVE-2021-21285 and unbounded JSON: malformed, deep or huge documents are one error line" {
    local kind
    for kind in bad-json deep-manifest big-manifest schema1 artifact config-mismatch extra-diffid; do
        fake --$kind
        fails 125 dhow pull -q "$FAKE/a"
        [ "${#lines[@]}" -eq 1 ]
        unfake
    done
    fake --auth bearer --big-token
    fails 125 dhow pull -q "$FAKE/a"
    [ "${#lines[@]}" -eq 1 ]
    says "larger than"
    nothing_stored
}

@test "a manifest whose digest is not what the registry says is refused" {
    fake --wrong-digest-header
    fails 125 dhow pull "$FAKE/a"
    says "the registry says its digest is"
    nothing_stored
}

@test "a gzip bomb ends at the limit, and nothing of it stays" {
    require root
    # 400 MiB in 400 kB, and a store of 100 MB
    fake --bomb 400
    mkdir -p "$T/small"
    mount -t tmpfs -o size=100m,mode=700 small "$T/small"
    run "$BUILD/dhow" --root "$T/small" --runroot "$T/small-run" pull "$FAKE/a"
    local left
    left=$(find "$T/small/ingest" "$T/small/layers" -name 'tmp-*' -o -name 'sha256-*')
    umount "$T/small"
    [ "$status" -eq 125 ]
    says "after decompression"
    says "the disk has"
    [ -z "$left" ]
}

@test "layers with too few bytes, bad gzip or something behind their end leave nothing" {
    fake --size-lie 5
    fails 125 dhow pull --retry 1 "$FAKE/a"
    says "fewer bytes"
    unfake
    fake --bad-gzip
    fails 125 dhow pull "$FAKE/b"
    unfake
    fake --trailing
    fails 125 dhow pull "$FAKE/c"
    [ -z "$(ls "$T/root/ingest")" ]
    nothing_stored
}

@test "CVE-2021-41091: nobody else may walk into the store" {
    require root
    image busybox
    run setpriv --reuid 65534 --regid 65534 --clear-groups ls "$T/root/layers"
    [ "$status" -ne 0 ]
    run setpriv --reuid 65534 --regid 65534 --clear-groups cat "$T/root/dhow.db"
    [ "$status" -ne 0 ]
}

@test "what a registry says cannot drive the terminal" {
    fake --fail-manifest 404
    fails 125 dhow pull "$FAKE/a"
    [[ $output != *$'\e'* ]]
}

@test "CVE-2025-11395: a crafted archive cannot write outside the store" {
    mkdir "$T/outside"
    python3 - "$T" <<-'END'
	import hashlib, io, json, sys, tarfile
	top = sys.argv[1]
	def pack(members):
	    out = io.BytesIO()
	    with tarfile.open(fileobj=out, mode="w") as t:
	        for name, kind, value in members:
	            info = tarfile.TarInfo(name)
	            if kind == "file":
	                info.size = len(value)
	                t.addfile(info, io.BytesIO(value))
	            else:
	                info.type = tarfile.SYMTYPE if kind == "link" else tarfile.LNKTYPE
	                info.linkname = value
	                t.addfile(info)
	    return out.getvalue()
	def image(layer, layer_name="layer.tar", extra=(), config_name="config.json"):
	    diff = "sha256:" + hashlib.sha256(layer).hexdigest()
	    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
	                         "rootfs": {"type": "layers", "diff_ids": [diff]}}).encode()
	    manifest = json.dumps([{"Config": config_name, "RepoTags": ["evil:1"], "Layers": [layer_name]}]).encode()
	    return list(extra) + [("config.json", "file", config), ("layer.tar", "file", layer),
	                          ("manifest.json", "file", manifest)]
	good = pack([("f", "file", b"x")])
	cases = {
	    # the layer writes through a link it made
	    "through-link": image(pack([("d", "link", top + "/outside"), ("d/f", "file", b"x")])),
	    "dotdot": image(pack([("../../outside/f", "file", b"x")])),
	    # the archive's own members
	    "config-link": image(good, extra=[("c2", "link", "/etc/passwd")], config_name="c2"),
	    "config-dotdot": image(good, config_name="../../../../etc/passwd"),
	    "layer-link": image(good, "l2", [("l2", "link", "/etc/passwd")]),
	    "layer-loop": image(good, "l2", [("l2", "link", "l3"), ("l3", "link", "l2")]),
	    "layer-hard": image(good, "l2", [("l2", "hard", "/etc/passwd")]),
	}
	for name, members in cases.items():
	    open(f"{top}/evil-{name}.tar", "wb").write(pack(members))
	END
    local file
    for file in "$T"/evil-*.tar; do
        run dhow load -i "$file"
        case $file in
        # EROFS resolves nothing on the host, so the layer may be stored; it is only data
        *through-link*) ;;
        *) [ "$status" -eq 125 ] || { echo "$file: $status $output"; return 1; } ;;
        esac
        [ -z "$(ls "$T/outside")" ]
    done
    dhow image prune -a -f
    nothing_stored
}

@test "an OCI layout's blobs are not read through links out of it" {
    mkdir -p "$T/lay/blobs/sha256"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$T/lay/oci-layout"
    local hex
    hex=$(sha256sum /etc/passwd | cut -d' ' -f1)
    ln -s /etc/passwd "$T/lay/blobs/sha256/$hex"
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s}]}' \
        "$hex" "$(stat -c %s /etc/passwd)" >"$T/lay/index.json"
    fails 125 dhow load -i "$T/lay"
    [[ $output != *root:* ]]
    nothing_stored
}
