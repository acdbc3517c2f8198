#!/usr/bin/env bats
# Known holes of other engines in what cp, volumes, users and environments do.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root
    image busybox
    mkdir -p "$T/host"
    echo untouched >"$T/host/canary"
    chmod 600 "$T/host/canary"
}

setup() {
    cp -p "$T/host/canary" "$T/canary.before" 2>/dev/null || true
}

teardown() {
    # whatever a test did, the host's file is what it was
    [ "$(cat "$T/host/canary")" = untouched ]
    [ "$(stat -c %a "$T/host/canary")" = 600 ]
    [ "$(ls "$T/host")" = canary ]
}

box() {
    case " $* " in *" --network "*) dhow run --rm "$@" ;; *) dhow run --rm --network none "$@" ;; esac
}

@test "CVE-2018-15664: a directory exchanged for a link while cp writes" {
    dhow run -d --name race --network none busybox sh -c "
        mkdir -p /w/a; while :; do mv /w/a /w/b; ln -s $T/host /w/a; rm /w/a; mv /w/b /w/a; done"
    echo evil >"$T/evil"
    for i in $(seq 1 60); do
        dhow cp "$T/evil" race:/w/a/ >/dev/null 2>&1 || true
        # a link arrives as a link: gone before the next round, which would follow it as any path we name
        dhow cp race:/w/a "$T/copied" >/dev/null 2>&1 || true
        [ -L "$T/copied" ] || [ ! -e "$T/copied/canary" ]
        rm -rf "$T/copied"
    done
    dhow rm -f race
}

@test "CVE-2019-14271: nothing of the container is loaded or run by cp" {
    dhow run -d --name trap --network none busybox sh -c 'mkdir -p /lib /lib64; for l in libnss_files.so.2 libc.so.6; do cp /bin/busybox /lib/$l; done; sleep 100'
    sleep 0.3
    ok dhow cp trap:/etc/passwd "$T/passwd"
    ok dhow cp "$T/passwd" trap:/tmp/
    dhow rm -f trap
}

@test "CVE-2019-10152, CVE-2021-41089: links to the host in paths of cp" {
    dhow create --name links --network none busybox sh -c "ln -sfn $T/host /esc; ln -sfn /proc/1/root$T/host /esc2; ln -sfn ../../../../..$T/host /esc3"
    dhow start -a links
    echo evil >"$T/evil"
    for l in esc esc2 esc3; do
        dhow cp "$T/evil" "links:/$l/evil" >/dev/null 2>&1 || true
        dhow cp "links:/$l/canary" "$T/stolen" >/dev/null 2>&1 || true
        dhow cp "$T/evil" "links:/$l" >/dev/null 2>&1 || true
        [ ! -e "$T/stolen" ]
    done
    dhow rm links
}

@test "CVE-2026-41567: a compressed archive is unpacked by us, not by the container" {
    dhow run -d --name unpack --network none busybox sh -c 'for p in gzip unpigz pigz xz; do printf "#!/bin/sh\ntouch /hit\n" > /bin/$p; chmod 755 /bin/$p; done; sleep 100'
    sleep 0.3
    tar -C "$T/host" -czf "$T/a.tgz" canary
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" cp - unpack:/tmp <"$T/a.tgz"
    fails 1 dhow exec unpack ls /hit
    dhow rm -f unpack
}

@test "an archive from outside cannot leave the container" {
    python3 - "$T/evil.tar" "$T/host" <<-'END'
	import io, sys, tarfile
	t = tarfile.open(sys.argv[1], "w")
	def link(n, to):
	    i = tarfile.TarInfo(n); i.type = tarfile.SYMTYPE; i.linkname = to; t.addfile(i)
	def data(n):
	    i = tarfile.TarInfo(n); i.size = 4; t.addfile(i, io.BytesIO(b"evil"))
	link("d", sys.argv[2]); data("d/evil"); link("c", sys.argv[2] + "/canary"); data("c")
	END
    dhow create --name target --network none busybox true
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" cp - target:/tmp <"$T/evil.tar" || true
    dhow rm target
}

@test "CVE-2022-1227: top runs nothing of the image" {
    dhow run -d --name ps --network none busybox sh -c 'printf "#!/bin/sh\ntouch /hit\n" > /bin/myps; for p in ps nsenter; do rm -f /bin/$p; cp /bin/myps /bin/$p; done; sleep 100'
    sleep 0.3
    ok dhow top ps
    fails 1 dhow exec ps ls /hit
    dhow rm -f ps
}

@test "CVE-2026-57231: the image's environment reads nothing of the host" {
    export SECRET_OF_HOST=leaked
    # an image whose Env holds names without values, and patterns
    python3 - "$DHOW_FIXTURES/busybox" "$T/envimage" <<-'END'
	import hashlib, json, os, shutil, sys
	src, dst = sys.argv[1:]
	shutil.copytree(src, dst)
	def read(d): return json.load(open(f"{dst}/blobs/sha256/{d[7:]}"))
	def put(obj, desc):
	    data = json.dumps(obj).encode()
	    desc["digest"] = "sha256:" + hashlib.sha256(data).hexdigest()
	    desc["size"] = len(data)
	    open(f"{dst}/blobs/sha256/{desc['digest'][7:]}", "wb").write(data)
	index = json.load(open(f"{dst}/index.json"))
	m = index["manifests"][0]
	manifest = read(m["digest"]); config = read(manifest["config"]["digest"])
	config.setdefault("config", {})["Env"] = ["SECRET_OF_HOST", "SECRET_*", "*", "=x", "OK=1"]
	put(config, manifest["config"]); put(manifest, m)
	m["annotations"] = {"org.opencontainers.image.ref.name": "envimage:latest"}
	json.dump(index, open(f"{dst}/index.json", "w"))
	END
    fails 125 dhow load -i "$T/envimage"
    says "Env[0] is not NAME=VALUE"
    ok box -e 'SECRET_OF_*' busybox env
    [[ $output != *leaked* ]]
}

@test "CVE-2024-9676: /etc/passwd that is a FIFO or a link to the host" {
    dhow create --name fifo --network none busybox sh -c 'rm /etc/passwd; mkfifo /etc/passwd'
    dhow start -a fifo
    run timeout 10 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" start -a fifo
    [ "$status" -eq 125 ]
    says "not a regular file"
    dhow rm fifo
    dhow create --name pwlink -u root2 --network none busybox true
    dhow cp "$T/host" pwlink:/x
    printf 'root2:x:0:0::/:\n' >"$T/fakepasswd"
    ln -s "$T/fakepasswd" "$T/pwl"
    dhow cp "$T/pwl" pwlink:/etc/passwd
    fails 125 dhow start -a pwlink
    says "root2"
    dhow rm pwlink
    rm -f "$T/pwl"
}

@test "CVE-2026-55686: a working directory behind a link" {
    dhow create --name wd -w /esc/made --network none busybox true
    ln -s "$T/host" "$T/esc"
    dhow cp "$T/esc" wd:/esc
    dhow start -a wd || true
    dhow rm wd
    rm -f "$T/esc"
}

@test "CVE-2021-30465: a volume's target exchanged for a link" {
    dhow create --name vt -v evil:/esc/sub --network none busybox true
    ln -s "$T/host" "$T/esc"
    dhow cp "$T/esc" vt:/esc >/dev/null 2>&1 || true
    dhow start -a vt >/dev/null 2>&1 || true
    dhow rm vt
    dhow volume rm evil
    rm -f "$T/esc"
}

@test "a fresh volume is filled from the image, never from the host's directory of that name" {
    ok box -v "fromhost:$T/host" busybox ls -A "$T/host"
    [ -z "$output" ]
    dhow volume rm fromhost
}

@test "CVE-2020-1726, CVE-2023-0778: a volume is filled once, and links in it are only links" {
    ok box -v once:/etc busybox sh -c 'rm -rf /etc/*; ln -s /host /etc/l'
    ok box -v once:/etc busybox ls /etc
    [[ $output != *passwd* ]]
    dhow volume rm once
}

@test "CVE-2022-24769, CVE-2022-36109: no inheritable capabilities, the primary group is listed" {
    ok box -u 1000:1000 busybox sh -c 'grep -E "CapInh|CapAmb|CapEff|Groups" /proc/self/status'
    says "CapInh:	0000000000000000"
    says "CapEff:	0000000000000000"
    says "Groups:	1000"
}

@test "CVE-2022-0811: a sysctl value carries no second parameter" {
    before=$(cat /proc/sys/kernel/core_pattern)
    box --sysctl 'net.ipv4.ip_local_port_range=32768 60999+kernel.core_pattern=evil' busybox true || true
    [ "$(cat /proc/sys/kernel/core_pattern)" = "$before" ]
}

@test "strict ids: nothing that only begins like a number is one" {
    for u in 1abc 0x0 -1 4294967296 ' 0' ':' '0:' '1:2:3'; do
        fails 125 box -u "$u" busybox id
    done
}
