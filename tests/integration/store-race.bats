#!/usr/bin/env bats
# pull, push, load, commit, run, rmi, tag, prune and check against each other, in 16 processes: nothing that is held is lost, nothing
# is left behind. 10 s; minutes with DHOW_TEST_FULL=1.
load ../lib/helpers
load ../lib/registry

SECONDS_OF_WORK=10
[ -z "${DHOW_TEST_FULL:-}" ] || SECONDS_OF_WORK=180

setup_file() {
    common_setup_file
    image busybox
    serve # of ours: docker-registry answers 400 when two push the same layer to one repository at once
    push race/base:v1 busybox
    mkdir -p "$T/src"
    head -c 200000 /dev/urandom >"$T/src/blob"
    tar -C "$T/src" -cf "$T/src.tar" .
    dhow import -q "$T/src.tar" data >/dev/null
    dhow save -q -o "$T/data.tar" data
    # held throughout: by a container, by a mounted image, by a name
    dhow create --name keeper --network none --mount type=image,source=data,target=/data busybox cat /data/blob >/dev/null
    dhow tag busybox kept:always
}

# One worker: until the time is over, one thing after the other. What it may be told is known; anything else is a failure.
worker() {
    local i=$1 end=$((SECONDS + SECONDS_OF_WORK)) what
    RANDOM=$((i * 7919))
    while [ $SECONDS -lt $end ]; do
        case $(((RANDOM + i) % 11)) in
        0 | 1) what="pull -q --tls-verify=false $REGISTRY/race/base:v1" ;;
        2) what="rmi -f $REGISTRY/race/base:v1" ;;
        3) what="load -q -i $T/data.tar" ;;
        4) what="image prune -f" ;;
        5) what="run --rm --network none busybox true" ;;
        6) what="tag busybox mine:$i" ;;
        7) what="rmi mine:$i" ;;
        8) what="commit keeper made:$i" ;;
        9) what="rmi made:$i" ;;
        10) what="push -q --tls-verify=false kept:always $REGISTRY/race/out:$i" ;;
        esac
        # shellcheck disable=SC2086
        dhow $what >"$T/w$i.out" 2>&1 && continue
        # somebody else was quicker
        grep -qE 'no such image|has the name|is used by|removed meanwhile|was used meanwhile|is not in the store' "$T/w$i.out" ||
            echo "dhow $what: $(cat "$T/w$i.out")"
    done
}

@test "sixteen processes at once: nothing lost, nothing leaked" {
    export SECONDS_OF_WORK REGISTRY
    pids=
    for i in $(seq 16); do
        worker "$i" >"$T/failed.$i" 2>&1 3>&- &
        pids+=" $!"
    done
    # shellcheck disable=SC2086
    wait $pids
    cat "$T"/failed.* >"$T/failed"
    [ ! -s "$T/failed" ] || { sort "$T/failed" | uniq -c | sort -rn | head -n 10; false; }
    # what was held is there
    ok dhow image exists kept:always
    dhow start -a keeper | cmp - "$T/src/blob"
    ok dhow store check
    [ "$output" = "The store is sound." ]
    # and what was not is gone, with everything that belonged to it
    dhow rm keeper
    dhow image prune -a -f >/dev/null
    wait_for 10 bash -c "[ -z \"\$(ls '$T/root/layers' | grep -v probe.json)\" ]"
    [ -z "$(ls -A "$T/root/blobs/sha256" "$T/root/ingest" "$T/root/leases" "$T/root/containers" | grep -v :$ | grep .)" ]
    [ -z "$(dhow ps -aq)" ]
    ok dhow store check
    [ "$output" = "The store is sound." ]
    # the registry has what was pushed last
    for tag in $(skopeo list-tags --tls-verify=false "docker://$REGISTRY/race/out" 2>/dev/null | jq -r '.Tags[]'); do
        ok dhow pull -q --tls-verify=false "$REGISTRY/race/out:$tag"
    done
    stop_registry
}
