#!/usr/bin/env bats
# diff, export, commit of containers; tree, files, diff and squash of images.
load ../lib/helpers

setup_file() {
    common_setup_file
    image busybox
    # what every test looks at: things added, changed, removed, replaced
    dhow run --name work --network none -e MODE=test --label stage=one --workdir /srv --entrypoint '["/bin/sh","-c"]' \
        busybox 'mkdir -p /new/deep && echo hello >/new/deep/file && ln /new/deep/file /new/hard && ln -s deep/file /new/soft &&
            chmod 4755 /new/hard && mkfifo /new/pipe && echo changed >>/etc/passwd && rm /etc/group && rm -r /var/tmp &&
            rm -rf /home && mkdir /home && echo over >/home/opaque && chown 5:6 /new/deep'
}

@test "diff lists what was added, changed and deleted" {
    ok dhow diff work
    for line in "A /new" "A /new/deep/file" "A /new/soft" "A /new/pipe" "C /etc" "C /etc/passwd" "D /etc/group" "D /var/tmp" "A /home/opaque"; do
        grep -qx "$line" <<<"$output" || { echo "missing: $line"; echo "$output"; false; }
    done
    ! grep -qx "C /bin" <<<"$output"
    ok dhow diff --format json work
    says '"Kind"'
    fails 125 dhow diff nobody
}

@test "export: all of the root, without what is mounted in it, of running ones too" {
    ok dhow export -o "$T/work.tar" work
    mkdir "$T/x" && tar -C "$T/x" -xpf "$T/work.tar"
    [ "$(cat "$T/x/new/deep/file")" = hello ]
    [ "$(stat -c '%a %u %g' "$T/x/new/deep")" = "755 5 6" ]
    [ "$T/x/new/hard" -ef "$T/x/new/deep/file" ]
    [ ! -e "$T/x/etc/group" ]
    [ -x "$T/x/bin/busybox" ]
    tar -tf "$T/work.tar" | LC_ALL=C sort -c 2>/dev/null || true
    ok dhow export work
    dhow export work | cmp - "$T/work.tar" # the same each time
    rm -rf "$T/x"
    dhow run -d --name live --network none -v "$T:/vol:ro" busybox sh -c 'echo 1 >/one; sleep 1000'
    wait_for 5 dhow exec live test -e /one
    dhow export live >"$T/live.tar"
    tar -tf "$T/live.tar" | grep -qx one
    ! tar -tf "$T/live.tar" | grep -q '^vol/root\|^proc/1'
    fails 125 dhow export nobody
    dhow rm -f live
}

@test "commit: files, config and history; podman, skopeo and umoci read it" {
    ok dhow commit -a 'Ann <a@b>' -m 'a message' -c 'ENV EXTRA=1' -c 'CMD ["cat /new/deep/file; id -u; cat /etc/passwd | tail -n1"]' work made:v1
    id=${output#sha256:}
    ok dhow run --rm --network none made:v1
    [ "$output" = $'hello\n0\nchanged' ]
    ok dhow run --rm --network none --entrypoint ls made:v1 /home
    [ "$output" = opaque ]
    ok dhow run --rm --network none --entrypoint sh made:v1 -c 'ls /etc/group /var/tmp 2>&1 | grep -c "No such"; echo $MODE $EXTRA; pwd; stat -c %h /new/hard'
    [ "$output" = $'2\ntest 1\n/srv\n2' ]
    ok dhow inspect --type image -f '{{.Author}}|{{.Config.Labels.stage}}|{{len .RootFS.Layers}}|{{.Comment}}' made:v1
    [ "$output" = "Ann <a@b>|one|2|a message" ]
    ok dhow history --format '{{.Comment}}' made:v1
    [ "${lines[0]}" = "a message" ]
    # the same files again: the same layer
    before=$(dhow inspect --type image -f '{{index .RootFS.Layers 1}}' made:v1)
    ok dhow commit work other
    [ "$(dhow inspect --type image -f '{{index .RootFS.Layers 1}}' other)" = "$before" ]
    dhow rmi other
    # other programs understand the layer
    dhow save --format oci-dir -o "$T/oci" made:v1
    if command -v umoci >/dev/null; then
        umoci unpack --image "$T/oci:$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$T/oci/index.json")" "$T/bundle" >/dev/null 2>&1 ||
            { jq '.manifests[0].annotations["org.opencontainers.image.ref.name"]="t"' "$T/oci/index.json" >"$T/i" && cp "$T/i" "$T/oci/index.json" && umoci unpack --image "$T/oci:t" "$T/bundle"; }
        [ "$(cat "$T/bundle/rootfs/new/deep/file")" = hello ]
        [ ! -e "$T/bundle/rootfs/etc/group" ]
        [ "$(ls "$T/bundle/rootfs/home")" = opaque ]
        rm -rf "$T/bundle"
    fi
    if command -v podman >/dev/null; then
        dhow save -o "$T/made.tar" made:v1
        podman --root "$T/pod" --runroot "$T/podrun" --storage-driver vfs load -q -i "$T/made.tar" >/dev/null
        dir=$(podman --root "$T/pod" --runroot "$T/podrun" --storage-driver vfs image mount made:v1)
        [ "$(cat "$dir/new/deep/file")" = hello ]
        [ ! -e "$dir/etc/group" ]
        [ "$(ls "$dir/home")" = opaque ]
        podman --root "$T/pod" --runroot "$T/podrun" --storage-driver vfs image unmount made:v1 >/dev/null
        podman --root "$T/pod" --runroot "$T/podrun" --storage-driver vfs rmi -af >/dev/null
        rm -rf "$T/pod" "$T/podrun"
    fi
    dhow rmi made:v1
}

@test "commit of a running container pauses it; of one without changes adds no layer" {
    dhow run -d --name live --network none busybox sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/a; echo $i >/b; done'
    wait_for 5 dhow exec live test -e /b
    ok dhow commit live snap
    in_state live running
    ok dhow run --rm --network none snap sh -c 'a=$(cat /a); b=$(cat /b); [ -n "$b" ] && [ $((a - b)) -le 1 ] && echo near'
    [ "$output" = near ]
    ok dhow commit --pause=false live snap
    dhow rm -f live
    dhow rmi snap
    dhow create --name still --network none busybox true
    ok dhow commit still still
    ok dhow inspect --type image -f '{{len .RootFS.Layers}}' still
    [ "$output" = 1 ]
    dhow rm still
    dhow rmi still
}

@test "commit --squash and image squash: one layer, the same files" {
    dhow image prune -f >/dev/null
    dhow commit work made >/dev/null
    ok dhow commit --squash work flat
    ok dhow inspect --type image -f '{{len .RootFS.Layers}} {{len .Config.Env}}' flat
    [[ $output == 1\ * ]]
    ok dhow image diff --times made flat
    [ -z "$output" ]
    ok dhow image squash -t flat2 made
    [ "$(dhow inspect --type image -f '{{.RootFS.Layers}}' flat)" = "$(dhow inspect --type image -f '{{.RootFS.Layers}}' flat2)" ]
    # a hard link within a layer is one still
    ok dhow run --rm --network none --entrypoint stat flat -c '%h %a' /new/hard
    [ "$output" = "2 4755" ]
    ok dhow store check
    [ "$(dhow images -q --filter dangling=true)" = "" ]
    dhow rmi flat flat2 made
}

@test "image diff, tree and files see what is in the layers" {
    dhow commit work made >/dev/null
    ok dhow image diff busybox made
    for line in "A /new/deep/file" "C /etc/passwd" "D /etc/group" "D /var/tmp" "A /home/opaque"; do
        grep -qx "$line" <<<"$output" || { echo "missing: $line"; echo "$output"; false; }
    done
    ok dhow image diff made made
    [ -z "$output" ]
    ok dhow image tree made
    says "├── ID: "
    says "Top Layer of: [made:latest]"
    ok dhow image tree --whatrequires busybox
    says "made:latest"
    ok dhow image files made /new
    [ "$output" = $'/new\n/new/deep\n/new/deep/file\n/new/hard\n/new/pipe\n/new/soft' ]
    ok dhow image files -l made /new/soft
    says "lrwxrwxrwx"
    says "/new/soft -> deep/file"
    ok dhow image files --layer 2 --format '{{.Type}} {{.Path}}' made
    grep -qx "whiteout /etc/group" <<<"$output"
    ! grep -q "/bin/busybox" <<<"$output"
    ok dhow image files --layer 1 busybox /bin/busybox
    [ "$output" = /bin/busybox ]
    fails 125 dhow image files --layer 9 made
    fails 125 dhow image files made /nothing
    # all files, as a container sees them
    dhow image files made | LC_ALL=C sort >"$T/listed"
    dhow run --rm --network none --entrypoint find made / -xdev | LC_ALL=C sort | grep -vxE '/(proc|sys|dev|dev/.*|etc/(hosts|hostname|resolv.conf|mtab)|run|run/.*|\.dockerenv)' >"$T/seen"
    [ -z "$(comm -13 "$T/listed" "$T/seen" | head)" ] || { comm -13 "$T/listed" "$T/seen"; false; }
    dhow rmi made
}

@test "what cannot be is refused by name, and leaves nothing" {
    n=$(dhow images -aq | wc -l)
    fails 125 dhow commit nobody x
    fails 125 dhow commit --format docker work x
    says "not supported"
    fails 125 dhow commit -c 'RUN true' work x
    fails 125 dhow commit work 'x@sha256:0000000000000000000000000000000000000000000000000000000000000000'
    fails 125 dhow image squash absent
    [ "$(dhow images -aq | wc -l)" -eq "$n" ]
    ok dhow store check
}

@test "an ordinary user commits, with whiteouts and opaque directories of his kind" {
    require rootless
    uimage busybox
    udhow run --name work --network none busybox sh -c 'rm /etc/group; rm -rf /home; mkdir /home; echo x >/home/y; chown 5:6 /home/y'
    ok udhow diff work
    says "D /etc/group"
    ok udhow commit work made
    ok udhow run --rm --network none made sh -c 'ls /home; ls /etc/group 2>&1; stat -c %u:%g /home/y'
    [[ $output == y$'\n'*"No such file"*$'\n'5:6 ]]
    udhow export work | tar -tf - | grep -qx home/y
    udhow rm work
}
