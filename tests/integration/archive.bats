#!/usr/bin/env bats
# save, load, import: archives from and for docker, skopeo and umoci.
load ../lib/helpers
load ../lib/registry

setup_file() {
    common_setup_file
    fixture busybox
    mkdir "$T/add"
    echo two >"$T/add/two"
    tar -C "$T/add" --owner=0 --group=0 --mtime=@0 -cf "$T/two.tar" .
    echo '{"Cmd":["sh"],"Env":["PATH=/bin"],"Labels":{"a":"b"}}' >"$T/config.json"
    "$TOP/tests/lib/mkimage" layout "$T/layout" team/multi:1 "$T/config.json" "$DHOW_FIXTURES/busybox.tar" "$T/two.tar"
    dhow load -q -i "$T/layout"
    dhow inspect --type image -f '{{.Id}}' team/multi:1 >"$T/id"
}

id_of() {
    dhow inspect --type image -f '{{.Id}}' "$1"
}

# Remove it and load it again from the file or directory $1: the same image by the same name.
comes_back() {
    ok dhow rmi -f "$(cat "$T/id")" || return 1
    ok dhow load -i "$1" || return 1
    says "team/multi:1" || return 1
    [ "$(id_of team/multi:1)" = "$(cat "$T/id")" ]
}

@test "each format comes back as the same image with its name" {
    local format
    for format in docker-archive oci-archive; do
        ok dhow save --format $format -o "$T/$format.tar" team/multi:1
        comes_back "$T/$format.tar"
    done
    ok dhow save --format oci-dir -o "$T/dir" team/multi:1
    comes_back "$T/dir"
    fails 125 dhow save --format zip -o "$T/x" team/multi:1
    says "docker-archive, oci-archive or oci-dir"
    store_is_sound
}

@test "load takes gzip, zstd, a pipe, and a pipe of gzip" {
    require zstd
    ok dhow save -o "$T/a.tar" team/multi:1
    gzip -k "$T/a.tar"
    zstd -q "$T/a.tar"
    comes_back "$T/a.tar.gz"
    comes_back "$T/a.tar.zst"
    dhow rmi -f team/multi:1
    dhow load <"$T/a.tar"
    [ "$(id_of team/multi:1)" = "$(cat "$T/id")" ]
    dhow rmi -f team/multi:1
    # shellcheck disable=SC2002 # a pipe is the point
    cat "$T/a.tar.gz" | dhow load
    [ "$(id_of team/multi:1)" = "$(cat "$T/id")" ]
    [ -z "$(ls "$T/root/ingest")" ]
}

@test "save to a pipe; several images share their layers in one archive" {
    dhow tag team/multi:1 other:2
    dhow save team/multi:1 other:2 | cat >"$T/both.tar"
    [ "$(tar -tf "$T/both.tar" | grep -c 'blobs/sha256/.')" -eq 4 ] # config, 2 layers, manifest
    dhow rmi -f "$(cat "$T/id")"
    ok dhow load -i "$T/both.tar"
    says "team/multi:1"
    says "other:2"
    ok dhow rmi other:2
    fails 125 dhow save -o "$T/none.tar" team/multi:1 nothing
    says "no such image: 'nothing'"
    [ ! -e "$T/none.tar" ]
}

@test "skopeo and umoci read what save writes" {
    require skopeo umoci
    ok dhow save -o "$T/d.tar" team/multi:1
    ok dhow save --format oci-archive -o "$T/o.tar" team/multi:1
    ok dhow save --format oci-dir -o "$T/odir" team/multi:1
    ok skopeo inspect --config "docker-archive:$T/d.tar"
    [ "$(jq -c .config.Cmd <<<"$output")" = '["sh"]' ]
    ok skopeo inspect "oci-archive:$T/o.tar"
    [ "$(jq '.Layers | length' <<<"$output")" -eq 2 ]
    ok skopeo inspect "oci:$T/odir"
    ok skopeo copy -q "oci:$T/odir" "oci:$T/again:x"
    ok umoci unpack --rootless --image "$T/again:x" "$T/bundle"
    [ "$(cat "$T/bundle/rootfs/two")" = two ]
}

@test "load reads what skopeo writes: docker-archive, oci-archive, oci" {
    require skopeo
    local src="oci:$T/layout:team/multi:1"
    ok skopeo copy -q "$src" "docker-archive:$T/s.tar:team/multi:1"
    comes_back "$T/s.tar"
    ok skopeo copy -q "$src" "oci-archive:$T/s-oci.tar:team/multi:1"
    comes_back "$T/s-oci.tar"
}

@test "an image saved by its id has no name in the archive" {
    ok dhow save -o "$T/noname.tar" "$(cat "$T/id")"
    ok dhow rmi -f "$(cat "$T/id")"
    ok dhow load -i "$T/noname.tar"
    says "$(cat "$T/id")"
    ok dhow images -q --no-trunc
    says "$(cat "$T/id")"
    ok dhow tag "$(cat "$T/id")" team/multi:1
}

@test "docker's old archives with links between layers are read" {
    python3 - "$T/old.tar" <<-'END'
	import hashlib, io, json, sys, tarfile
	def add(tar, name, data=None, link=None):
	    info = tarfile.TarInfo(name)
	    if link:
	        info.type, info.linkname = tarfile.SYMTYPE, link
	        tar.addfile(info)
	    else:
	        info.size = len(data)
	        tar.addfile(info, io.BytesIO(data))
	inner = io.BytesIO()
	with tarfile.open(fileobj=inner, mode="w") as t:
	    add(t, "file", b"x")
	layer = inner.getvalue()
	diff = "sha256:" + hashlib.sha256(layer).hexdigest()
	config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
	                     "rootfs": {"type": "layers", "diff_ids": [diff, diff]}}).encode()
	name = hashlib.sha256(config).hexdigest() + ".json"
	with tarfile.open(sys.argv[1], "w") as t:
	    add(t, "aaa/layer.tar", layer)
	    add(t, "bbb/layer.tar", link="../aaa/layer.tar")
	    add(t, name, config)
	    add(t, "manifest.json", json.dumps([{"Config": name, "RepoTags": ["old:1"],
	        "Layers": ["aaa/layer.tar", "bbb/layer.tar"]}]).encode())
	END
    ok dhow load -i "$T/old.tar"
    says "old:1"
    ok dhow inspect --type image -f '{{len .RootFS.Layers}}' old:1
    [ "$output" = 2 ]
}

@test "import: a plain or packed tar, a name, changes to the config" {
    ok dhow import -m "my root" -c 'CMD ["/bin/sh", "-c", "echo hi"]' -c 'ENV A=1' -c 'WORKDIR /tmp' \
        -c 'EXPOSE 80' -c 'LABEL x=y' "$DHOW_FIXTURES/busybox.tar" bb:imported
    ok dhow inspect --type image bb:imported
    [ "$(jq -c '.[0].Config | [.Cmd[2], .Env[0], .WorkingDir, .Labels.x]' <<<"$output")" = '["echo hi","A=1","/tmp","y"]' ]
    [ "$(jq -c '.[0].Config.ExposedPorts' <<<"$output")" = '{"80/tcp":{}}' ]
    [ "$(jq -r '.[0].Comment' <<<"$output")" = "my root" ]
    gzip -c "$DHOW_FIXTURES/busybox.tar" | dhow import - bb:piped
    [ "$(dhow inspect --type image -f '{{json .RootFS.Layers}}' bb:piped)" = "$(dhow inspect --type image -f '{{json .RootFS.Layers}}' bb:imported)" ]
    fails 125 dhow import -c 'RUN x' "$DHOW_FIXTURES/busybox.tar"
    says "change 'RUN x'"
    fails 125 dhow import "$DHOW_FIXTURES/busybox.tar" BAD
    says "lower case"
    fails 125 dhow import "$T/no-such.tar"
    says "no-such.tar"
    echo "this is no tar" >"$T/no.tar"
    fails 125 dhow import "$T/no.tar"
    store_is_sound
}

@test "archives that are none, or broken, leave nothing behind" {
    echo "no archive" >"$T/text"
    fails 125 dhow load -i "$T/text"
    tar -C "$T/add" -cf "$T/other.tar" two
    fails 125 dhow load -i "$T/other.tar"
    says "dhow import"
    ok dhow save -o "$T/whole.tar" team/multi:1
    ok dhow rmi -f team/multi:1
    head -c 1000000 "$T/whole.tar" >"$T/cut.tar"
    fails 125 dhow load -i "$T/cut.tar"
    fails 125 dhow load -i "$T/none.tar"
    mkdir "$T/emptydir"
    fails 125 dhow load -i "$T/emptydir"
    ok dhow image prune -f
    store_is_sound
    ok dhow load -i "$T/whole.tar"
}

@test "save -o writes to a device, a FIFO or through a link; it never replaces one" {
    image busybox
    ln -s "$T/real.tar" "$T/link.tar"
    touch "$T/real.tar"
    ok dhow save -q -o "$T/link.tar" busybox
    [ -L "$T/link.tar" ]
    tar -tf "$T/real.tar" >/dev/null
    mknod "$T/full" c 1 7 2>/dev/null || skip "cannot make a device"
    fails 125 dhow save -q -o "$T/full" busybox
    says "No space left on device"
    [ -c "$T/full" ]
    mkfifo "$T/fifo"
    cat "$T/fifo" >"$T/through.tar" &
    ok dhow save -q -o "$T/fifo" busybox
    wait $!
    [ -p "$T/fifo" ]
    cmp "$T/through.tar" "$T/real.tar"
}
