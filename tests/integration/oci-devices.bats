#!/usr/bin/env bats
# dhow-oci: linux.devices.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
    chmod 755 "$T"
}

teardown() {
    oci_cleanup
}

device() {
    echo ".linux.devices += [$1]"
}

@test "anywhere, with mode and owner, and in the place of nothing else" {
    bundle "$(device '{"path":"/opt/zero","type":"c","major":1,"minor":5,"fileMode":416,"uid":7,"gid":8}')" \
        "$(device '{"path":"/opt/slash/","type":"u","major":1,"minor":3}')" "$(device '{"path":"/opt/pipe","type":"p","fileMode":384}')"
    ok script 'stat -c "%F %a %u %g" /opt/zero /opt/slash /opt/pipe'
    [ "$output" = $'character special file 640 7 8\ncharacter special file 666 0 0\nfifo 600 0 0' ]
    # the same once more: it is there already
    ok script 'true'
    rm -r "$B/rootfs/opt"
    mkdir "$B/rootfs/opt"
    echo file >"$B/rootfs/opt/zero"
    bundle "$(device '{"path":"/opt/zero","type":"c","major":1,"minor":5}')"
    fails 1 script true
    says "linux.devices[0]: make '/opt/zero'"
    says "what is there is not this device"
    [ "$(cat "$B/rootfs/opt/zero")" = file ]
    rm -r "$B/rootfs/opt"
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "incomplete ones are refused" {
    bundle "$(device '{"path":"/dev/x","type":"c","major":1}')"
    fails 1 script true
    says "linux.devices[0]: major and minor are needed"
    bundle "$(device '{"path":"dev/x","type":"c","major":1,"minor":3}')"
    fails 1 script true
    says "is not absolute"
    bundle "$(device '{"path":"/dev/x","type":"z","major":1,"minor":3}')"
    fails 1 script true
    says "device type 'z'"
}

@test "in a user namespace the host's node is bound, also under another name" {
    bundle '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":1000}] | .linux.gidMappings = .linux.uidMappings' \
        "$(device '{"path":"/dev/nothing","type":"c","major":1,"minor":3}')"
    ok script 'echo x >/dev/nothing; stat -c "%t:%T" /dev/nothing'
    [ "$output" = 1:3 ]
    bundle '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":1000}] | .linux.gidMappings = .linux.uidMappings' \
        "$(device '{"path":"/dev/none","type":"c","major":1,"minor":99}')"
    fails 1 script true
    says "linux.devices[0]: make '/dev/none': No such device"
}
