#!/usr/bin/env bats
# The default bridge: containers, the host and the world reach each other as they should, and
# nothing stays behind. A second network namespace plays the world outside.
load ../lib/helpers

WORLD_HOST=198.51.100.1 # the host as the world sees it
WORLD=198.51.100.2      # somebody out there

setup_file() {
    common_setup_file
    require root || return 1
    image busybox
    unshare --net sleep 3600 3>&- &
    echo $! >"$T/world"
    wait_for 5 sh -c "! [ /proc/$!/ns/net -ef /proc/self/ns/net ]"
    ip link add "dtw$$" type veth peer name world0 netns $!
    echo "dtw$$" >"$T/world-link"
    ip addr add $WORLD_HOST/30 dev "dtw$$"
    ip link set "dtw$$" up
    world ip addr add $WORLD/30 dev world0
    world ip link set world0 up
    world ip link set lo up
}

teardown_file() {
    kill "$(cat "$T/world")" || true
    ip link del "$(cat "$T/world-link")" 2>/dev/null || true
    common_teardown_file
}

teardown() {
    local id
    for id in $(dhow ps -aq); do
        dhow rm -f -t 0 "$id" >/dev/null
    done
}

world() {
    nsenter -t "$(cat "$T/world")" -n "$@"
}

address() {
    dhow inspect -f '{{.NetworkSettings.IPAddress}}' "$1"
}

gateway() {
    dhow inspect -f '{{.NetworkSettings.Gateway}}' "$1"
}

# inside CTR CMD...: a program of the host in the container's network
inside() {
    nsenter -t "$(dhow inspect -f '{{.State.Pid}}' "$1")" -n "${@:2}"
}

# web NAME [OPTION...]: a container whose port 80 answers with the address of who asks
web() {
    dhow run -d --name "$1" "${@:2}" busybox sh -c '
        mkdir -p /www/cgi-bin
        printf "#!/bin/sh\necho; echo from \$REMOTE_ADDR\n" >/www/cgi-bin/who
        chmod +x /www/cgi-bin/who
        exec httpd -f -p 80 -h /www' >/dev/null
    wait_for 10 curl -sf -o /dev/null "http://$(address "$1")/cgi-bin/who"
}

# who ADDRESS [CMD...]: whom the container sees when CMD's side asks (httpd writes IPv4 as IPv6)
who() {
    "${@:2}" curl -s --max-time 2 "http://$1/cgi-bin/who" | sed 's/\[::ffff:\(.*\)\]/\1/'
}

# udp_echo_in CTR PORT: answer one datagram with the sender's address
udp_echo_in() {
    inside "$1" python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', $2)); s.settimeout(20)
d, a = s.recvfrom(100); s.sendto(a[0].encode(), a)" 3>&- &
    wait_for 5 sh -c "nsenter -t $(dhow inspect -f '{{.State.Pid}}' "$1") -n ss -uln | grep -q ':$2 '"
}

udp_ask() {
    python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
s.sendto(b'?', ('$1', $2)); print(s.recvfrom(100)[0].decode())"
}

bridge() {
    ip -o link show type bridge | grep -F "alias $T/root" | sed 's/^[0-9]*: \([^:@]*\).*/\1/'
}

@test "a container has an address, a gateway and a name for itself" {
    ok dhow run --rm --hostname box --name c1 busybox sh -c \
        'ip -4 -o addr show eth0; ip route; cat /etc/hosts; cat /sys/class/net/lo/operstate; hostname -i'
    says "default via 10."
    says "host.containers.internal"
    says "box c1"
    says "$(tail -n 1 <<<"$output")	box c1"
}

@test "containers reach each other by address" {
    web a
    dhow run -d --name b busybox sleep 100 >/dev/null
    [ "$(who "$(address a)" inside b)" = "from $(address b)" ]
}

@test "the world sees the host's address, not the container's" {
    world python3 -c "
import http.server, socketserver
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
    def log_message(self, *a): pass
http.server.HTTPServer(('', 80), H).serve_forever()" 3>&- &
    server=$!
    wait_for 10 curl -sf -o /dev/null "http://$WORLD/"
    dhow run -d --name a busybox sleep 100 >/dev/null
    run inside a curl -s --max-time 2 "http://$WORLD/"
    kill $(pgrep -P $server) # world is a function: $! is its shell
    [ "$output" = "$WORLD_HOST" ]
}

@test "a published port answers on the loopback, the host's addresses and to the world" {
    port=$(free_port)
    web a -p "$port:80"
    [ "$(who "127.0.0.1:$port")" = "from $(gateway a)" ]
    [ "$(who "$WORLD_HOST:$port")" = "from $WORLD_HOST" ]
    [ "$(who "$(gateway a):$port")" = "from $(gateway a)" ]
    # the world keeps its address
    [ "$(who "$WORLD_HOST:$port" world)" = "from $WORLD" ]
    # a second container and the container itself by the published port
    dhow run -d --name b busybox sleep 100 >/dev/null
    [ "$(who "$WORLD_HOST:$port" inside b)" = "from $(gateway a)" ]
    [ "$(who "$WORLD_HOST:$port" inside a)" = "from $(gateway a)" ]
}

@test "a port published on one address does not answer on others" {
    port=$(free_port)
    web a -p "127.0.0.1:$port:80"
    [ "$(who "127.0.0.1:$port")" = "from $(gateway a)" ]
    fails 7 curl -s --max-time 2 "http://$WORLD_HOST:$port/"
    run world curl -s --max-time 2 "http://$WORLD_HOST:$port/"
    [ "$status" -ne 0 ]
}

@test "UDP is published too" {
    port=$(free_port)
    dhow run -d --name a -p "$port:5000/udp" busybox sleep 100 >/dev/null
    udp_echo_in a 5000
    ok udp_ask 127.0.0.1 "$port"
    [ "$output" = "$(gateway a)" ]
    udp_echo_in a 5000
    ok udp_ask "$WORLD_HOST" "$port"
    [ "$output" = "$WORLD_HOST" ]
}

@test "ranges, free ports, and how ps shows them" {
    dhow run -d --name a -p 127.0.0.1:20080-20082:80-82 -p 127.0.0.1::90 busybox sleep 100 >/dev/null
    ok dhow ps --format '{{.Ports}}'
    says "127.0.0.1:20080-20082->80-82/tcp"
    [[ $output =~ 127\.0\.0\.1:([0-9]+)-\>90/tcp ]]
    [ "${BASH_REMATCH[1]}" -gt 1023 ]
    # the first free one of a range
    dhow run -d --name b -p 127.0.0.1:20080-20090:80 busybox sleep 100 >/dev/null
    ok dhow ps --filter name=b --format '{{.Ports}}'
    [ "$output" = "127.0.0.1:20083->80/tcp" ]
}

@test "a port that is taken: one clear line, nothing left" {
    dhow run -d --name a -p 20100:80 busybox sleep 100 >/dev/null
    fails 125 dhow run --rm --name b -p 20100:81 busybox true
    says "port 20100/tcp is already published by container 'a'"
    [ "${#lines[@]}" -eq 1 ]
    [ -z "$(dhow ps -aq --filter name=b)" ]
    python3 -m http.server 20101 >/dev/null 2>&1 3>&- &
    server=$!
    wait_for 5 curl -s -o /dev/null http://127.0.0.1:20101/
    run dhow run --rm --name b -p 20101:81 busybox true
    kill $server
    [ "$status" -eq 125 ]
    says "port 0.0.0.0:20101/tcp is in use by another program"
    fails 125 dhow run --rm -p 203.0.113.1:20102:81 busybox true
    says "the host has no such address"
}

@test "while a container runs nobody else gets its port; after it everybody" {
    dhow run -d --name a -p 20110:80 busybox sleep 100 >/dev/null
    bind="import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('', 20110)); s.listen()"
    fails 1 python3 -c "$bind"
    says "Address already in use"
    dhow stop -t 0 a
    ok python3 -c "$bind"
}

@test "a stopped container's port works again when it is started" {
    web a -p 20120:80
    dhow stop -t 0 a
    fails 7 curl -s --max-time 2 http://127.0.0.1:20120/
    dhow start a
    wait_for 10 curl -sf -o /dev/null http://127.0.0.1:20120/cgi-bin/who
    dhow restart -t 0 a
    wait_for 10 curl -sf -o /dev/null http://127.0.0.1:20120/cgi-bin/who
}

@test "the restart policy brings the port back" {
    web a -p 20130:80 --restart always
    kill -9 "$(dhow inspect -f '{{.State.Pid}}' a)"
    # a connection made while it was going down is lost, as with any server
    wait_for 10 curl -sf --max-time 1 -o /dev/null http://127.0.0.1:20130/cgi-bin/who
}

@test "a killed monitor's port and address are free again" {
    dhow run -d --name a -p 20140:80 busybox sleep 100 >/dev/null
    pid=$(dhow inspect -f '{{.State.Pid}}' a)
    kill -9 "$(awk '/^PPid/ { print $2 }' "/proc/$pid/status")"
    kill -9 "$pid" 2>/dev/null || true
    wait_for 5 sh -c "! kill -0 $pid 2>/dev/null"
    ok dhow run --rm -p 20140:80 busybox true
}

@test "rules that somebody flushed come back with the next container" {
    web a -p 20150:80
    nft delete table inet "$(bridge)"
    fails 7 curl -s --max-time 2 "http://$WORLD_HOST:20150/"
    dhow run --rm busybox true
    [ "$(who "$WORLD_HOST:20150")" = "from $WORLD_HOST" ]
}

@test "teardown: no link, no element, no row" {
    dhow run --rm -p 20160:80 -p 127.0.0.1:20161:81/udp busybox true
    [ -z "$(dhow ps -aq)" ]
    no_links() { [ -z "$(ip -o link show master "$(bridge)")" ]; }
    wait_for 5 no_links
    ok nft list table inet "$(bridge)"
    [[ $output != *elements* ]]
}

@test "fifty at once have fifty addresses" {
    for i in $(seq 50); do
        dhow run -d --name "many$i" busybox sleep 100 >/dev/null 3>&- &
    done
    wait
    ok dhow ps -q
    [ "${#lines[@]}" -eq 50 ]
    for i in $(seq 50); do address "many$i"; done | sort -u >"$T/addresses"
    [ "$(grep -c '^10\.' "$T/addresses")" -eq 50 ]
    ok dhow exec many1 ping -c 1 -W 2 "$(address many50)"
}

@test "--ip and --mac-address" {
    net=$(dhow run --rm busybox ip -4 -o addr show eth0 | sed 's/.*inet \([0-9.]*\)\.[0-9]*\/.*/\1/')
    ok dhow run --rm --ip "$net.77" --mac-address 02:11:22:33:44:55 busybox ip addr show eth0
    says "inet $net.77/"
    says "02:11:22:33:44:55"
    fails 125 dhow run --rm --ip 203.0.113.9 busybox true
    says "is not in the network"
    dhow run -d --name a --ip "$net.77" busybox sleep 100 >/dev/null
    fails 125 dhow run --rm --ip "$net.77" busybox true
    says "address $net.77 is in use by container 'a'"
}

@test "resolv.conf and hosts follow the options" {
    ok dhow run --rm --dns 192.0.2.53 --dns-search x.example --dns-option ndots:3 busybox cat /etc/resolv.conf
    [ "$output" = "search x.example
nameserver 192.0.2.53
options ndots:3" ]
    ok dhow run --rm --add-host db:192.0.2.7 --add-host up:host-gateway busybox cat /etc/hosts
    says "192.0.2.7	db"
    [[ $output =~ 10\.[0-9.]+\.1$'\t'up ]]
    fails 125 dhow run --rm --dns nonsense busybox true
    says "'nonsense'"
    fails 125 dhow run --rm --add-host db busybox true
    says "'db'"
}

@test "none has a loopback and nothing else; host and container share" {
    ok dhow run --rm --network none busybox sh -c 'ip -o link; ip route; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo lo works'
    says "lo works"
    [[ $output != *eth0* ]]
    ok dhow run --rm --network host busybox ip -o link
    says "$(cat "$T/world-link")"
    web a
    ok dhow run --rm --network container:a busybox sh -c 'ip -4 -o addr show eth0; cat /etc/hosts'
    says "inet $(address a)/"
    says "$(address a)	"
}

@test "what -p refuses, it names" {
    fails 125 dhow run --rm -p 80:99999 busybox true
    says "container port '99999'"
    fails 125 dhow run --rm -p '[::1]:80:80' busybox true
    says "IPv6"
    fails 125 dhow run --rm -p 1-3:1-2 busybox true
    says "3 host ports for 2 container ports"
    fails 125 dhow run --rm -p 20170:80 -p 20170:81 busybox true
    says "host port 20170/tcp is published twice"
    [ -z "$(dhow ps -aq)" ]
}

@test "dhow port and dhow network" {
    web a -p 127.0.0.1:20180:80
    ok dhow port a
    [ "$output" = "80/tcp -> 127.0.0.1:20180" ]
    ok dhow port a 80
    [ "$output" = "127.0.0.1:20180" ]
    nft delete table inet "$(bridge)"
    ok dhow network reload
    [ "$(who 127.0.0.1:20180)" = "from $(gateway a)" ]
    fails 125 dhow network down
    says "is in use"
    dhow rm -f -t 0 a
    name=$(bridge)
    ok dhow network down
    fails 1 ip link show "$name"
    fails 1 nft list table inet "$name"
    ok dhow run --rm busybox true
}

@test "an ordinary user is told what is not there" {
    require rootless
    uimage busybox
    fails 125 udhow run --rm --network bridge busybox true
    says bridge
    [ "${#lines[@]}" -eq 1 ]
    fails 125 udhow run --rm -p 20190:80 busybox true
    [ "${#lines[@]}" -eq 1 ]
    fails 125 udhow network reload
    says "ordinary users have no bridge network"
}
