#!/usr/bin/env bats
# Network attacks that worked on other container programs.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root || return 1
    image busybox
}

teardown() {
    local id
    for id in $(dhow ps -aq); do
        dhow rm -f -t 0 "$id" >/dev/null
    done
}

inside() {
    nsenter -t "$(dhow inspect -f '{{.State.Pid}}' "$1")" -n "${@:2}"
}

address() {
    dhow inspect -f '{{.NetworkSettings.IPAddress}}' "$1"
}

gateway() {
    dhow inspect -f '{{.NetworkSettings.Gateway}}' "$1"
}

# listen ADDRESS PORT: answer every connection with the peer's address
listen() {
    python3 -c "
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('$1', $2)); s.listen()
while True:
    c, a = s.accept(); c.sendall(a[0].encode()); c.close()" 3>&- &
}

connect="import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2); print(s.recv(100).decode())"

@test "CVE-2020-8558: route_localnet does not open the host's loopback to a container" {
    dhow run -d --name a --cap-add NET_ADMIN busybox sleep 100 >/dev/null
    listen 127.0.0.1 21000
    server=$!
    wait_for 5 python3 -c "$connect" 127.0.0.1 21000
    # in the container 127.0.0.1 is sent to the bridge instead of lo
    inside a sh -c "
        echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet
        ip addr del 127.0.0.1/8 dev lo
        ip route add 127.0.0.1/32 via $(gateway a) dev eth0"
    run inside a python3 -c "$connect" 127.0.0.1 21000
    kill $server
    [ "$status" -ne 0 ]
    says "timed out"
}

@test "CVE-2021-20199: what comes by a published port is not from 127.0.0.1" {
    dhow run -d --name a -p 21010:80 busybox sleep 100 >/dev/null
    inside a python3 -c "
import socket
s = socket.socket(); s.bind(('', 80)); s.listen()
c, a = s.accept(); c.sendall(a[0].encode())" 3>&- &
    wait_for 5 sh -c "nsenter -t $(dhow inspect -f '{{.State.Pid}}' a) -n ss -tln | grep -q ':80 '"
    ok python3 -c "$connect" 127.0.0.1 21010
    [ "$output" = "$(gateway a)" ]
}

@test "CVE-2025-67499: a published port takes only what is sent to the host" {
    dhow run -d --name a -p 21020:80 busybox sh -c 'while true; do echo wrong | nc -l -p 80; done' >/dev/null
    dhow run -d --name b busybox sleep 100 >/dev/null
    # b listens on 21020 itself; the host's connection to b must reach b
    inside b python3 -c "
import socket
s = socket.socket(); s.bind(('', 21020)); s.listen()
c, a = s.accept(); c.sendall(b'right')" 3>&- &
    wait_for 5 sh -c "nsenter -t $(dhow inspect -f '{{.State.Pid}}' b) -n ss -tln | grep -q ':21020 '"
    ok python3 -c "$connect" "$(address b)" 21020
    [ "$output" = right ]
}

@test "CVE-2020-13401, CVE-2024-32473: no IPv6, so no router advertisements, on either side" {
    dhow run -d --name a busybox sleep 100 >/dev/null
    ok inside a cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6
    [ "$output" = 1 ]
    ok inside a ip -6 addr show dev eth0
    [ -z "$output" ]
    bridge=$(ip -o link show type bridge | grep -F "alias $T/root" | sed 's/^[0-9]*: \([^:@]*\).*/\1/')
    ok cat "/proc/sys/net/ipv6/conf/$bridge/disable_ipv6"
    [ "$output" = 1 ]
}

@test "moby 28: a neighbour of the host cannot reach a container by routing to it" {
    web_port=80
    dhow run -d --name a -p 127.0.0.1:21040:80 busybox sh -c 'while true; do echo reached | nc -l -p 80; done' >/dev/null
    unshare --net sleep 60 3>&- &
    neighbour=$!
    wait_for 5 sh -c "! [ /proc/$neighbour/ns/net -ef /proc/self/ns/net ]"
    ip link add "dtn$$" type veth peer name n0 netns $neighbour
    ip addr add 198.51.100.5/30 dev "dtn$$"
    ip link set "dtn$$" up
    nsenter -t $neighbour -n sh -c "ip addr add 198.51.100.6/30 dev n0; ip link set n0 up; ip link set lo up
        ip route add $(address a)/32 via 198.51.100.5
        ip addr del 127.0.0.1/8 dev lo
        echo 1 >/proc/sys/net/ipv4/conf/n0/route_localnet; ip route add 127.0.0.1/32 via 198.51.100.5 dev n0"
    run nsenter -t $neighbour -n python3 -c "$connect" "$(address a)" $web_port
    by_address=$status
    # CVE-2025-54388's kind: a port published on the host's loopback, addressed from outside
    echo 1 >"/proc/sys/net/ipv4/conf/dtn$$/route_localnet"
    run nsenter -t $neighbour -n python3 -c "$connect" 127.0.0.1 21040
    by_loopback=$status
    ip link del "dtn$$"
    kill $neighbour
    [ "$by_address" -ne 0 ]
    [ "$by_loopback" -ne 0 ]
}

@test "a value with a newline cannot write lines into resolv.conf or hosts" {
    fails 125 dhow run --rm --dns $'192.0.2.1\nnameserver 6.6.6.6' busybox true
    fails 125 dhow run --rm --dns-search $'a\nnameserver 6.6.6.6' busybox true
    fails 125 dhow run --rm --dns-option $'a\nnameserver 6.6.6.6' busybox true
    fails 125 dhow run --rm --add-host $'a:192.0.2.1\n6.6.6.6 bank.example' busybox true
    fails 125 dhow run --rm --hostname $'a\n6.6.6.6 bank.example' busybox true
}
