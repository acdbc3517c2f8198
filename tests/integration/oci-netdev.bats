#!/usr/bin/env bats
# dhow-oci: linux.netDevices.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    command -v ip >/dev/null || skip "iproute2 is not installed"
    ip link add dt0 type veth peer name dt0p || skip "this kernel has no veth interfaces"
    ip link del dt0
    oci_setup
}

teardown() {
    oci_cleanup
    ip link del dt0 2>/dev/null || true
    ip link del dt1 2>/dev/null || true
}

# An interface with addresses to keep and one that is not.
interface() {
    wait_for 5 is_gone "$1p"
    ip link add "$1" type veth peer name "$1p"
    ip addr add "10.93.$2.1/24" brd "10.93.$2.254" dev "$1"
    ip addr add "fd93:$2::1/64" nodad dev "$1"
    ip addr add "10.94.$2.1/24" scope link dev "$1"
    ip addr add "10.95.$2.1/24" valid_lft 600 preferred_lft 600 dev "$1"
}

is_gone() {
    ! ip link show "$1" >/dev/null 2>&1
}

@test "an interface moves with its permanent global addresses, and is up" {
    interface dt0 1
    bundle '.linux.netDevices = {"dt0":{}}'
    ok script 'ip addr show dt0'
    says 'UP'
    says 'inet 10.93.1.1/24 brd 10.93.1.254 scope global dt0'
    says 'inet6 fd93:1::1/64 scope global'
    [[ $output != *10.94.1.1* && $output != *10.95.1.1* ]]
    wait_for 5 is_gone dt0
}

@test "under another name, or the next free one" {
    interface dt0 1
    interface dt1 2
    bundle '.linux.netDevices = {"dt0":{"name":"eth%d"},"dt1":{"name":"eth%d"}}'
    ok script 'ip -o -4 addr show scope global'
    [[ $output == *eth0*10.93.1.1* && $output == *eth1*10.93.2.1* ]]
    interface dt0 1
    bundle '.linux.netDevices = {"dt0":{"name":"wan"}}'
    ok script 'ip -o -4 addr show wan'
    says 10.93.1.1
}

@test "into a joined namespace, and into one of a user namespace" {
    chmod 755 "$T"
    container d3
    pid=$(oci state d3 | jq .pid)
    interface dt0 1
    bundle '.linux.netDevices = {"dt0":{"name":"wan"}}' "(.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$pid/ns/net\""
    ok script 'ip -o -4 addr show wan'
    says 10.93.1.1
    # it is the namespace's, so it is still there
    ok oci exec d3 ip -o -4 addr show wan
    interface dt1 2
    bundle '.linux.netDevices = {"dt1":{"name":"wan"}}' "(.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$pid/ns/net\""
    fails 1 script true
    says "linux.netDevices['dt1']: its name is taken in the container"
    ip -o -4 addr show dt1 | grep -q 10.93.2.1
    bundle '.linux.netDevices = {"dt1":{}} | .linux.namespaces += [{"type":"user"}]
        | .linux.uidMappings = [{"containerID":0,"hostID":300000,"size":1000}] | .linux.gidMappings = .linux.uidMappings'
    ok script 'ip -o -4 addr show dt1'
    says 10.93.2.1
}

@test "a creation that fails gives them back as they were" {
    interface dt0 1
    interface dt1 2
    ip link set dt0 up
    bundle '.linux.netDevices = {"dt0":{"name":"wan"},"dt1":{}} | .process.args = ["/no/such/program"]'
    fails 127 oci run d4
    ip -o link show dt0 | grep -q ,UP
    ip -o -4 addr show dt0 | grep -q '10.93.1.1/24 brd 10.93.1.254'
    ip -o -6 addr show dt0 | grep -q fd93:1::1
    ip -o -4 addr show dt1 | grep -q 10.93.2.1
    ! ip -o link show dt1 | grep -q ,UP
    bundle '.linux.netDevices = {"dt0":{"name":"wan"},"dt9":{}}'
    fails 1 script true
    says "linux.netDevices['dt9']: look it up on the host: No such device"
    ip -o -4 addr show dt0 | grep -q 10.93.1.1
    nothing_left d4
}

@test "what cannot be is refused by name" {
    bundle '.linux.netDevices = {"lo":{"name":"lo2"}}'
    fails 1 script true
    says "linux.netDevices['lo']: move it into the network namespace"
    for name in '' . .. a/b 'a b' abcdefghijklmnop 'e%s' 'e%d%d'; do
        bundle ".linux.netDevices = {\"dt0\":{\"name\":\"$name\"}}"
        fails 1 script true
        says "linux.netDevices['dt0'].name: '$name' is not an interface name"
    done
    bundle '.linux.netDevices = {"a:b":{}}'
    fails 1 script true
    says "'a:b' is not an interface name"
    bundle '.linux.netDevices = {"dt0":{"name":"x"},"dt1":{"name":"x"}}'
    fails 1 script true
    says "'x' is given twice"
    bundle '.linux.netDevices = {"dt0":{}} | .linux.namespaces |= map(select(.type != "network"))'
    fails 1 script true
    says "linux.netDevices: needs a network namespace"
    nothing_left "c-$BATS_TEST_NUMBER"
    oci features | jq -e .linux.netDevices.enabled
}
