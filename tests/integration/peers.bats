#!/usr/bin/env bats
# Other people's programs as judges: podman, docker and containerd drive dhow-oci; skopeo, podman
# and docker read what `dhow save` writes, and dhow loads what they write. Each is skipped, by name, where it
# is not installed (tools/deps bench).
load ../lib/helpers

setup_file() {
    common_setup_file
    image busybox
    cat >"$T/containers.conf" <<-END
	[containers]
	default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
	[engine]
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	END
}

teardown_file() {
    [ ! -e "$T/dockerd.pid" ] || { kill "$(cat "$T/dockerd.pid")" && wait_for 20 sh -c "! [ -e /proc/$(cat "$T/dockerd.pid") ]"; }
    [ ! -e "$T/containerd.pid" ] || { kill "$(cat "$T/containerd.pid")" && wait_for 20 sh -c "! [ -e /proc/$(cat "$T/containerd.pid") ]"; }
    findmnt -rno TARGET | grep "^$T/" | sort -r | xargs -r umount -l
    common_teardown_file
}

# The machine as podman and dockerd want it: cgroup v1 alone where it is a hybrid.
V1_VIEW=(unshare --mount bash -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' _)

v1_view() {
    "${V1_VIEW[@]}" "$@"
}

podman_() {
    CONTAINERS_CONF=$T/containers.conf v1_view podman --root "$T/podman" --runroot "$T/podman-run" \
        --storage-driver overlay --runtime "$BUILD/dhow-oci" "$@"
}

need_podman() {
    require root podman conmon skopeo
    fixture busybox
    [ -e "$T/podman-loaded" ] && return
    skopeo copy -q "oci:$DHOW_FIXTURES/busybox:busybox:latest" "docker-archive:$T/peer.tar:busybox:latest"
    podman_ load -q -i "$T/peer.tar"
    touch "$T/podman-loaded"
}

need_docker() {
    require root dockerd docker skopeo
    if [ ! -e "$T/dockerd.pid" ]; then
        skopeo copy -q "oci:$DHOW_FIXTURES/busybox:busybox:latest" "docker-archive:$T/docker-peer.tar:busybox:latest"
        v1_view dockerd -H "unix://$T/docker.sock" --data-root "$T/docker" --exec-root "$T/docker-exec" -p "$T/dockerd.pid" \
            --default-ulimit nofile=1024:1024 --add-runtime "dhow=$BUILD/dhow-oci" --default-runtime dhow \
            --bridge none --iptables=false >"$T/dockerd.log" 2>&1 3>&- &
        wait_for 30 docker_ version >"$T/out"
        docker_ load -q -i "$T/docker-peer.tar"
    fi
}

docker_() {
    docker -H "unix://$T/docker.sock" "$@"
}

# --- dhow-oci under podman ---

@test "podman runs containers with dhow-oci: output, exit code, environment, user" {
    need_podman
    ok podman_ run --rm --network none -e A=b --user 1000 --workdir /tmp busybox sh -c 'echo $A $(id -u) $(pwd)'
    says "b 1000 /tmp"
    fails 7 podman_ run --rm --network none busybox sh -c 'exit 7'
    fails 127 podman_ run --rm --network none busybox /no/such/program
    fails 126 podman_ run --rm --network none busybox /etc/passwd
}

@test "podman: detached, exec, pause, stats of processes, stop, rm" {
    need_podman
    podman_ run -d --name p --network none busybox sleep 1000
    ok podman_ exec p sh -c 'echo in; exit 3' || [ "$status" -eq 3 ]
    says in
    ok podman_ pause p
    ok podman_ ps --filter status=paused -q
    [ -n "$output" ]
    ok podman_ unpause p
    ok podman_ top p
    says sleep
    ok podman_ stop -t 1 p
    ok podman_ rm p
}

@test "podman: limits, read-only root, capabilities and seccomp arrive" {
    need_podman
    ok podman_ run --rm --network none -m 64m --pids-limit 30 --read-only --cap-drop all busybox sh -c \
        'grep CapEff /proc/self/status; touch /x 2>&1; grep Seccomp: /proc/self/status; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true'
    says "0000000000000000"
    says "Read-only file system"
    says "67108864"
    [[ $output == *"Seccomp:"*2* ]]
}

@test "podman: a terminal through the console socket" {
    need_podman
    "$TOP/tests/lib/pty" bash -c "$(declare -f podman_ v1_view; declare -p V1_VIEW); T=$T BUILD=$BUILD podman_ run --rm -it --network none busybox sh" <<-'END'
	expect #
	line stty size
	expect 24 80
	line exit 9
	exit 9
	END
}

@test "podman: a pod shares namespaces" {
    need_podman
    podman_ run -d --name first --network none --ipc shareable busybox sleep 1000
    ok podman_ run --rm --network container:first --pid container:first --ipc container:first busybox ps
    says "sleep 1000"
    podman_ rm -f -t 0 first
}

# --- dhow-oci under docker and containerd ---

@test "docker runs containers with dhow-oci, and restarts, execs and stops them" {
    need_docker
    ok docker_ run --rm --network none busybox echo by-docker
    says by-docker
    fails 5 docker_ run --rm --network none busybox sh -c 'exit 5'
    docker_ run -d --name dd --network none --restart on-failure:1 -m 64m busybox sleep 1000
    ok docker_ exec dd cat /proc/1/comm
    says sleep
    ok docker_ top dd
    says "sleep 1000"
    ok docker_ pause dd
    ok docker_ unpause dd
    ok docker_ update --memory 128m --memory-swap 256m dd
    ok docker_ restart -t 0 dd
    ok docker_ rm -f dd
}

@test "containerd runs a container with dhow-oci in its runc shim" {
    require root containerd ctr skopeo
    cat >"$T/containerd.toml" <<-END
	version = 2
	root = "$T/containerd"
	state = "$T/containerd-run"
	disabled_plugins = ["io.containerd.grpc.v1.cri"]
	[grpc]
	address = "$T/containerd.sock"
	END
    "${V1_VIEW[@]}" containerd -c "$T/containerd.toml" >"$T/containerd.log" 2>&1 3>&- &
    echo $! >"$T/containerd.pid"
    ctr_() { ctr -a "$T/containerd.sock" "$@"; }
    wait_for 20 ctr_ version >"$T/out"
    skopeo copy -q "oci:$DHOW_FIXTURES/busybox:busybox:latest" "docker-archive:$T/ctr.tar:busybox:latest"
    ok ctr_ image import "$T/ctr.tar"
    name=docker.io/library/busybox:latest
    ok ctr_ run --rm --runc-binary "$BUILD/dhow-oci" "$name" one echo by-containerd
    says by-containerd
    fails 6 ctr_ run --rm --runc-binary "$BUILD/dhow-oci" "$name" two sh -c 'exit 6'
    ctr_ run -d --runc-binary "$BUILD/dhow-oci" "$name" three sleep 1000
    # by its exit code: ctr itself now and then loses the output of a task this short
    fails 9 ctr_ task exec --exec-id e three sh -c 'exit 9'
    ok ctr_ task ps three
    ctr_ task kill -s 9 three
    wait_for 10 sh -c "ctr -a '$T/containerd.sock' task ls | grep -q 'three.*STOPPED'"
    ctr_ task rm three
    ctr_ container rm three
}

# --- archives, both ways ---

@test "skopeo reads every format that dhow saves" {
    require skopeo
    dhow save -o "$T/saved-docker.tar" busybox
    dhow save --format oci-archive -o "$T/saved-oci.tar" busybox
    dhow save --format oci-dir -o "$T/saved-dir" busybox
    ok skopeo inspect "docker-archive:$T/saved-docker.tar"
    ok skopeo inspect "oci-archive:$T/saved-oci.tar"
    ok skopeo inspect "oci:$T/saved-dir"
    # and every byte of the layers
    mkdir "$T/copied"
    ok skopeo copy -q "docker-archive:$T/saved-docker.tar" "dir:$T/copied"
    ok skopeo copy -q "oci-archive:$T/saved-oci.tar" "dir:$T/copied"
    ok skopeo copy -q "oci:$T/saved-dir" "dir:$T/copied"
}

@test "podman and docker load what dhow saves, and run it" {
    need_podman
    dhow save -o "$T/for-podman.tar" busybox
    ok podman_ load -q -i "$T/for-podman.tar"
    ok podman_ run --rm --network none localhost/busybox:latest echo loaded || ok podman_ run --rm --network none busybox echo loaded
    says loaded
    need_docker
    ok docker_ load -i "$T/for-podman.tar"
    says "Loaded image"
}

@test "dhow loads what skopeo, podman and docker save" {
    require skopeo
    fixture debian
    for kind in docker-archive oci-archive; do
        skopeo copy -q "oci:$DHOW_FIXTURES/debian:debian:12" "$kind:$T/from-skopeo.tar:from-$kind:1"
        ok dhow load -i "$T/from-skopeo.tar"
        ok dhow run --rm --network none "from-$kind:1" cat /etc/debian_version
        [[ $output == 12.* ]]
        rm "$T/from-skopeo.tar"
    done
    need_podman
    podman_ tag busybox from-podman:1
    for format in docker-archive oci-archive; do
        podman_ save -q --format $format -o "$T/from-podman.tar" from-podman:1
        ok dhow load -i "$T/from-podman.tar"
        ok dhow run --rm --network none localhost/from-podman:1 echo loaded
        dhow rmi localhost/from-podman:1
        rm "$T/from-podman.tar"
    done
    need_docker
    docker_ tag busybox from-docker:1
    docker_ save -o "$T/from-docker.tar" from-docker:1
    ok dhow load -i "$T/from-docker.tar"
    ok dhow run --rm --network none from-docker:1 echo loaded
}

@test "an image that docker and skopeo pushed is pulled by digest" {
    start_registry
    push team/app:v1 busybox
    digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/team/app:v1")
    ok dhow pull --tls-verify=false "$REGISTRY/team/app@$digest"
    ok dhow run --rm --network none "$REGISTRY/team/app@$digest" echo by-digest
    says by-digest
    stop_registry
}
