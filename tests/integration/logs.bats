#!/usr/bin/env bats
# dhow logs: selection, time stamps, following over rotation.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root
    image busybox
    dhow run --name lines --network none busybox sh -c 'for i in 1 2 3 4 5; do echo line $i; done; echo oops >&2' >/dev/null 2>&1
}

@test "all of it, on the stream it came from" {
    ok dhow logs lines
    [ "${#lines[@]}" -eq 6 ]
    [ "$(dhow logs lines 2>/dev/null | tail -n 1)" = "line 5" ]
    [ "$(dhow logs lines 2>&1 >/dev/null)" = oops ]
}

@test "--tail, --timestamps, --since, --until" {
    ok dhow logs --tail 2 lines
    [ "${#lines[@]}" -eq 2 ]
    ok dhow logs -n 0 lines
    [ -z "$output" ]
    ok dhow logs -t --tail 1 lines
    [[ ${lines[0]} =~ ^20[0-9][0-9]-[0-9-]+T[0-9:]+\.[0-9]+Z\ oops$ ]]
    ok dhow logs --since 1h lines
    [ "${#lines[@]}" -eq 6 ]
    ok dhow logs --until 1h lines
    [ -z "$output" ]
    ok dhow logs --since "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)" lines
    [ -z "$output" ]
    fails 125 dhow logs --since yesterday-ish lines
    fails 125 dhow logs nosuch
    says nosuch
}

@test "k8s-file, and none which keeps nothing" {
    dhow run --name k8s --log-driver k8s-file --network none busybox sh -c 'echo a; printf b' >/dev/null
    ok dhow logs k8s
    [ "${lines[0]}" = a ]
    [ "${lines[1]}" = b ]
    grep -q ' stdout F a$' "$T"/root/containers/*/ctr.log
    dhow run --name silent --log-driver none --network none busybox echo x
    fails 125 dhow logs silent
    says "none"
    dhow rm k8s silent
}

@test "following goes over rotations and ends with the container" {
    id=$(dhow run -d --network none --log-opt max-size=20k --log-opt max-file=4 busybox sh -c \
        'i=0; while [ $i -lt 600 ]; do echo "number $i of a line that is long enough to fill files"; i=$((i+1)); [ $((i % 60)) -ne 0 ] || sleep 0.1; done')
    timeout 60 "$BUILD/dhow" --root "$T/root" --runroot "$T/run" logs -f "$id" >"$T/followed"
    [ "$(grep -c '^number' "$T/followed")" -eq 600 ]
    awk '{ if ($2 != NR - 1) exit 1 }' "$T/followed"
    ls "$T/root/containers/$id/ctr.log.1"
    # what is kept is bounded, and read in order
    dhow logs "$id" >"$T/kept"
    tail -n 1 "$T/kept" | grep -q 'number 599'
    [ "$(du -cb "$T/root/containers/$id"/ctr.log* | tail -n 1 | cut -f 1)" -lt 90000 ]
    dhow rm "$id"
}

@test "bytes that are no text, and a last line without end" {
    dhow run --name odd --network none busybox printf 'tab\t"quote"\\ \303\251 end' >/dev/null
    [ "$(dhow logs odd)" = "$(printf 'tab\t"quote"\\ \303\251 end')" ]
    dhow rm odd
}
