#!/usr/bin/env bats
# dhow-oci: options of mounts, one by one.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
    chmod 755 "$T"
}

teardown() {
    local m
    oci_cleanup
    for m in "$T/src/sub" "$T/src"; do
        mountpoint -q "$m" && umount "$m"
    done
    rm -rf --one-file-system "${T:?}/src"
}

# mounted DESTINATION OPTIONS-AS-JSON [TYPE [SOURCE [MORE-KEYS]]]: one mount, as a filter for bundle
mounted() {
    local type=${3:-bind} source=${4:-$T/src}
    echo ".mounts += [{\"destination\":\"$1\",\"type\":\"$type\",\"source\":\"$source\",\"options\":$2${5:+,$5}}]"
}

source_dir() {
    mkdir -p "$T/src/sub"
    echo data >"$T/src/file"
}

USER_NS='.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":65536}] | .linux.gidMappings = .linux.uidMappings'

@test "every option that mount(8) knows does what it says, and features lists it" {
    local word
    source_dir
    bundle "$(mounted /m '["bind","ro","nosuid","nodev","noexec","noatime","nodiratime","nosymfollow"]')"
    ok script 'grep " /m " /proc/self/mountinfo'
    says 'ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow'
    bundle "$(mounted /m '["rw","suid","dev","exec","relatime","diratime","symfollow","bind","ro","nosuid","rw","suid"]')"
    ok script 'grep " /m " /proc/self/mountinfo'
    says ' /m rw,relatime '
    for word in sync dirsync lazytime; do
        bundle "$(mounted /m "[\"$word\",\"strictatime\"]" tmpfs tmpfs)"
        ok script 'grep " /m " /proc/self/mountinfo'
        [[ $output =~ "/m rw - tmpfs tmpfs".*$word ]]
    done
    bundle "$(mounted /m '["silent","loud","iversion","async","nolazytime","nomand","noiversion","defaults","ro","nodev","size=8k"]' tmpfs tmpfs)"
    ok script 'grep " /m " /proc/self/mountinfo'
    says 'ro,nodev,'
    bundle "$(mounted /m '["rro","rnoexec","rstrictatime"]' tmpfs tmpfs)"
    ok script 'grep " /m " /proc/self/mountinfo'
    says ' /m ro,noexec - tmpfs'
    bundle "$(mounted /m '["size=8k"]' tmpfs tmpfs)"
    ok script 'grep " /m " /proc/self/mountinfo'
    says 'size=8k'
    oci features | jq -e '.mountOptions | contains(["bind","rbind","ro","rro","rnosymfollow","remount","idmap","ridmap","tmpcopyup",
        "copy-symlink","src-nofollow","dest-nofollow","sync","dirsync","lazytime","iversion","silent","rprivate","runbindable","strictatime"])'
    oci features | jq -e '.linux.mountExtensions.idmap.enabled'
}

@test "the recursive forms reach what is mounted below, the others do not" {
    source_dir
    mount -t tmpfs tmpfs "$T/src/sub"
    bundle "$(mounted /m '["rbind","rnosuid","rnodev","rnoexec","rnoatime","rro","rnosymfollow"]')"
    ok script 'grep " /m" /proc/self/mountinfo'
    [ "${#lines[@]}" = 2 ]
    for line in "${lines[@]}"; do
        [[ $line == *' ro,nosuid,nodev,noexec,noatime,nosymfollow '* ]]
    done
    bundle "$(mounted /m '["rbind","ro","noexec"]')"
    ok script 'grep " /m/sub " /proc/self/mountinfo'
    [[ $output != *noexec* && $output == *' rw,'* ]]
    mount -o remount,bind,ro,nosuid "$T/src/sub"
    bundle "$(mounted /m '["rbind","rrw","rsuid"]')"
    ok script 'grep " /m/sub " /proc/self/mountinfo; touch /m/sub/x'
    [[ $output == *' /m/sub rw,relatime '* ]]
    bundle "$(mounted /m '["bind"]')"
    ok script 'grep -c " /m" /proc/self/mountinfo'
    [ "$output" = 1 ]
}

@test "idmap: by mappings of its own, with and without a user namespace" {
    source_dir
    chown 1000:1001 "$T/src/file"
    map='"uidMappings":[{"containerID":1000,"hostID":5,"size":1}],"gidMappings":[{"containerID":1000,"hostID":7,"size":10}]'
    bundle "$(mounted /m '["bind","idmap"]' bind "$T/src" "$map")"
    run script 'stat -c "%u %g" /m/file'
    [ "$status" -eq 0 ] || skip "idmapped mounts are not possible here: $output"
    [ "$output" = "5 8" ]
    # the mappings alone ask for it
    bundle "$(mounted /m '["bind"]' bind "$T/src" "$map")"
    ok script 'stat -c "%u %g" /m/file'
    [ "$output" = "5 8" ]
    bundle "$USER_NS" "$(mounted /m '["bind","idmap"]' bind "$T/src" "${map//\"hostID\":/\"hostID\":30000}")"
    ok script 'stat -c "%u %g" /m/file'
    [ "$output" = "5 8" ]
    bundle "$(mounted /m '["bind","idmap=uids=1000-5-1;gids=1000-7-10"]')"
    ok script 'stat -c "%u %g" /m/file'
    [ "$output" = "5 8" ]
    bundle "$USER_NS" "$(mounted /m '["bind","idmap=uids=@1000-5-1;gids=@1000-7-10"]')"
    ok script 'stat -c "%u %g" /m/file'
    [ "$output" = "5 8" ]
}

@test "idmap: without mappings as in the container's user namespace, made or joined" {
    source_dir
    chown 1000:1001 "$T/src/file"
    bundle "$USER_NS" "$(mounted /m '["bind","idmap"]')"
    run script 'stat -c "%u %g" /m/file; touch /m/new'
    [ "$status" -eq 0 ] || skip "idmapped mounts are not possible here: $output"
    [ "$output" = "1000 1001" ]
    [ "$(stat -c %u "$T/src/new")" = 0 ]
    container i4 "$USER_NS"
    pid=$(oci state i4 | jq .pid)
    bundle ".linux.namespaces += [{\"type\":\"user\",\"path\":\"/proc/$pid/ns/user\"}]" "$(mounted /m '["bind","idmap"]')"
    ok script 'stat -c "%u %g" /m/file'
    [ "$output" = "1000 1001" ]
}

@test "ridmap maps what is mounted below, too; idmap does not" {
    source_dir
    mount -t tmpfs tmpfs "$T/src/sub"
    touch "$T/src/sub/below"
    bundle "$USER_NS" "$(mounted /m '["rbind","ridmap"]')"
    run script 'stat -c %u /m/file /m/sub/below'
    [ "$status" -eq 0 ] || skip "idmapped tmpfs is not possible here: $output"
    [ "$output" = $'0\n0' ]
    bundle "$USER_NS" "$(mounted /m '["rbind","idmap"]')"
    ok script 'stat -c %u /m/file /m/sub/below'
    [ "$output" = $'0\n65534' ]
}

@test "idmap that cannot be is refused with a reason" {
    source_dir
    bundle "$(mounted /m '["bind","idmap"]')"
    fails 1 script true
    says "mounts[7] ('/m'): idmap: there are neither mappings for this mount nor a user namespace"
    bundle "$(mounted /m '["idmap"]' tmpfs tmpfs)" "$USER_NS"
    fails 1 script true
    says "only a bind mount can be idmapped"
    bundle "$(mounted /m '["bind","idmap"]' bind "$T/src" '"uidMappings":[{"containerID":0,"hostID":1,"size":1}]')"
    fails 1 script true
    says "both are needed"
    bundle "$(mounted /m '["bind","idmap=uids=1-2"]')"
    fails 1 script true
    says "uids=1-2"
    bundle "$(mounted /m '["bind","idmap"]' bind /proc '"uidMappings":[{"containerID":0,"hostID":1,"size":1}],"gidMappings":[{"containerID":0,"hostID":1,"size":1}]')"
    fails 1 script true
    says "idmap '/proc' on '/m'"
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "remount changes what the configuration mounted before" {
    bundle "$(mounted /m '["nosuid","size=8k"]' tmpfs tmpfs)" "$(mounted /m '["remount","ro","size=16k"]' tmpfs tmpfs)"
    ok script 'grep " /m " /proc/self/mountinfo'
    [ "${#lines[@]}" = 1 ]
    says ' ro,nosuid,'
    says size=16k
    source_dir
    bundle "$(mounted /m '["bind"]')" "$(mounted /m '["remount","bind","ro","noexec"]')"
    ok script 'grep " /m " /proc/self/mountinfo'
    says ' ro,noexec'
    bundle "$(mounted /m '["remount","ro"]')"
    fails 1 script true
    says "remount '/m'"
    mkdir -p "$B/rootfs/m"
    fails 1 script true
    says "nothing is mounted there"
}

@test "links: followed, mounted on, mounted, copied" {
    source_dir
    ln -s file "$T/src/link"
    ln -s nowhere "$T/src/dangling"
    rm -f "$B/rootfs/l"
    ln -s /tmp/target "$B/rootfs/l"
    touch "$B/rootfs/tmp/target"
    bundle "$(mounted /l '["bind"]' bind "$T/src/link")"
    ok script 'readlink /l; cat /tmp/target'
    [ "$output" = $'/tmp/target\ndata' ]
    bundle "$(mounted /l '["bind","dest-nofollow"]' bind "$T/src/link")"
    ok script 'readlink /l; cat /l; cat /tmp/target'
    [ "$output" = data ]
    bundle "$(mounted /l '["bind","dest-nofollow","src-nofollow"]' bind "$T/src/dangling")"
    ok script 'readlink /l'
    [ "$output" = nowhere ]
    bundle "$(mounted /new/copied '["bind","copy-symlink"]' bind "$T/src/dangling")"
    ok script 'readlink /new/copied; grep -c " /new" /proc/self/mountinfo || true'
    [ "$output" = $'nowhere\n0' ]
    ok script 'readlink /new/copied'
    bundle "$(mounted /l '["bind","copy-symlink"]' bind "$T/src/dangling")"
    fails 1 script true
    says "make the link '/l'"
    bundle "$(mounted /new/plain '["bind","copy-symlink"]' bind "$T/src/file")"
    ok script 'cat /new/plain'
    [ "$output" = data ]
    rm -r "$B/rootfs/l" "$B/rootfs/new" "$B/rootfs/tmp/target"
}

@test "/proc takes no impostor, under no spelling" {
    source_dir
    for d in /proc/sys proc/sys //proc/sys /x/../proc/self /./proc/1; do
        bundle "$(mounted "$d" '["bind"]')"
        fails 1 script true
        says "mounting inside /proc is not allowed"
    done
    bundle '.mounts |= map(select(.destination != "/proc"))' "$(mounted proc/ '["bind"]')"
    fails 1 script true
    says "'$T/src' on '/proc' is no procfs"
    bundle '.mounts |= map(select(.destination != "/proc"))' "$(mounted /proc '["rbind"]' bind /proc)"
    ok script 'readlink /proc/self/ns/mnt'
}

@test "a tmpfs has the mode of the directory it covers, or the one it is told" {
    mkdir -p "$B/rootfs/covered"
    chmod 0712 "$B/rootfs/covered"
    bundle "$(mounted /covered '["ro"]' tmpfs tmpfs)"
    ok script 'stat -c %a /covered'
    [ "$output" = 712 ]
    bundle "$(mounted /covered '["mode=1777"]' tmpfs tmpfs)"
    ok script 'stat -c %a /covered'
    [ "$output" = 1777 ]
    rmdir "$B/rootfs/covered"
}

@test "what is mounted on / is the root" {
    mkdir -p "$T/src"
    cp -a "$B/rootfs/." "$T/src/"
    touch "$T/src/this-one"
    bundle ".mounts = [{\"destination\":\"/\",\"type\":\"bind\",\"source\":\"$T/src\",\"options\":[\"bind\"]}] + .mounts"
    ok script 'ls /this-one /dev/null; ls -d /proc/self'
}

@test "relative destinations, files on missing targets, and trailing slashes" {
    source_dir
    bundle "$(mounted rel/dir '["bind"]')" "$(mounted rel/a/b '["bind"]' bind "$T/src/file")" "$(mounted //rel//t/ '[]' tmpfs tmpfs)"
    ok script 'cat /rel/dir/file /rel/a/b; stat -f -c %T /rel/t'
    [ "$output" = $'data\ndata\ntmpfs' ]
    rm -r "$B/rootfs/rel"
}

@test "a /dev of the host is taken as it is" {
    bundle '.mounts |= map(select(.destination | startswith("/dev") | not))' "$(mounted /dev '["rbind","ro"]' bind /dev)"
    ok script '[ -c /dev/null ] && echo null; grep -c " /dev " /proc/self/mountinfo'
    [ "$output" = $'null\n1' ]
    [ -L /dev/ptmx ] || [ -c /dev/ptmx ]
}

@test "options of a file system that are long or hold commas" {
    local long
    long=$T/src/$(printf 'x%.0s' {1..200})
    mkdir -p "$long/$(printf 'l%.0s' {1..90})" "$long/u" "$long/w"
    echo lower >"$long/$(printf 'l%.0s' {1..90})/f"
    bundle "$(mounted /ov "[\"lowerdir=$long/$(printf 'l%.0s' {1..90})\",\"upperdir=$long/u\",\"workdir=$long/w\",\"nosuid\"]" overlay overlay)"
    run script 'cat /ov/f; echo up >/ov/g; grep -c "nosuid.* - overlay" /proc/self/mountinfo'
    [ "$status" -eq 0 ] || skip "overlayfs cannot be mounted here: $output"
    [ "$output" = $'lower\n1' ]
    [ "$(cat "$long/u/g")" = up ]
    bundle "$(mounted /t '["size=8k,mode=0700"]' tmpfs tmpfs)"
    ok script 'stat -c %a /t'
    [ "$output" = 700 ]
}

@test "rootfsPropagation and --no-pivot" {
    for p in shared slave private unbindable rshared rslave rprivate; do
        bundle ".linux.rootfsPropagation = \"$p\""
        ok script 'grep " / / " /proc/self/mountinfo || grep " / " /proc/self/mountinfo'
        case $p in
        *shared) says shared: ;;
        unbindable) says unbindable ;;
        esac
    done
    bundle
    cmd sh -c 'ls -d /bin/busybox; grep -c " / " /proc/self/mountinfo; cat /proc/self/mountinfo | grep -v " /" | wc -l'
    ok oci run --no-pivot np
    [ "${lines[0]}" = /bin/busybox ]
}

@test "mountinfo lists mounts in the order of the configuration, also shared ones" {
    source_dir
    mount --bind "$T/src" "$T/src"
    mount --make-shared "$T/src"
    bundle "$(mounted /m1 '["bind","private"]')" "$(mounted /m2 '["bind","shared"]')" "$(mounted /m3 '[]' tmpfs tmpfs)"
    ok script 'grep -o " /m[123] " /proc/self/mountinfo | tr -d "\n"; grep -c "/m2 .*shared" /proc/self/mountinfo'
    says "/m2"
    [ "${lines[0]##* }" = 1 ]
    [ "$(uname -r | cut -d. -f1)" -lt 7 ] && ! [[ $(uname -r) =~ ^6\.(1[5-9]|[2-9]) ]] || says ' /m1  /m2  /m3 1'
}

@test "the container's cgroups, and nothing above them" {
    bundle '.mounts += [{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","relatime","ro"]}]'
    ok script 'grep " /sys/fs/cgroup" /proc/self/mountinfo | head -1; ls /sys/fs/cgroup | head -20; find /sys/fs/cgroup -name release_agent | wc -l'
    [[ ${lines[0]} == *' ro,'* ]]
    [ "${lines[-1]}" = 0 ]
}

@test "a target that is a link to nowhere is made where it leads, inside the root" {
    source_dir
    rm -rf "$B/rootfs/made"
    ln -sfn ../../../made/by/link "$B/rootfs/etc/broken"
    ln -sfn broken "$B/rootfs/etc/twice"
    ln -sfn /etc/round "$B/rootfs/etc/round"
    bundle "$(mounted /etc/twice '["bind"]' bind "$T/src/file")"
    ok script 'cat /made/by/link'
    [ "$output" = data ]
    rm -r "$B/rootfs/made"
    bundle "$(mounted /etc/broken/sub '["bind"]')"
    ok script 'cat /made/by/link/sub/file'
    bundle "$(mounted /etc/round '["bind"]')"
    fails 1 script true
    says "Too many levels of symbolic links"
    rm -r "$B/rootfs/made" "$B"/rootfs/etc/{broken,twice,round}
}
