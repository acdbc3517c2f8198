# shellcheck shell=bash disable=SC2154 # status and output are set by bats' run
# Shared by the bats files: `load ../lib/helpers` as their first line.
#
# Every file gets a directory $T of its own with a dhow root in it, and is checked for leftovers
# (processes, mounts, links, nft tables) when it ends. A file that needs its own
# setup_file or teardown_file calls common_setup_file / common_teardown_file in it.
#
#   dhow ARGS...         the program under test on this file's root; udhow: the same as an ordinary user
#   ok CMD...            run it; it must exit 0; $output, $lines as bats' run
#   fails CODE CMD...    run it; it must exit with CODE
#   says TEXT            $output contains TEXT
#   require CAP...       skip, naming what is missing (fail instead when it is in $DHOW_TEST_REQUIRE)
#   fixture NAME...      make sure busybox, debian or big is in $DHOW_FIXTURES (skips when it cannot)
#   image NAME...        the same, loaded into this file's root
#   start_registry       docker-registry on a free loopback port: $REGISTRY; push NAME FIXTURE
#   wait_for SECONDS CMD...

bats_require_minimum_version 1.5.0

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=${DHOW_BUILD:-$TOP/build}
export DHOW_FIXTURES=${DHOW_FIXTURES:-/tmp/dhow-fixtures}
TEST_USER=dhowtest

dhow() {
    "$BUILD/dhow" --root "$T/root" --runroot "$T/run" "$@"
}

dhow_oci() {
    "$BUILD/dhow-oci" --root "$T/oci" "$@"
}

# Run a command as the ordinary user that `require rootless` made.
as_user() {
    (cd "$T/user" && setpriv --reuid "$TEST_USER" --regid "$TEST_USER" --init-groups --reset-env \
        env PATH="$PATH" HOME="$T/user" XDG_RUNTIME_DIR="$T/xdg" XDG_DATA_HOME="$T/user/data" \
        LC_ALL="${LC_ALL:-C.UTF-8}" "$@")
}

udhow() {
    as_user "$T/bin/dhow" "$@"
}

# --- set-up and the leak check ---

common_setup_file() {
    T=$(mktemp -d "${TMPDIR:-/tmp}/dhow-test.XXXXXX")
    export T
    chmod 755 "$T"
    leftovers >"$T/before"
}

common_teardown_file() {
    local id after
    stop_registry
    if [ -d "$T/root" ]; then
        for id in $(dhow ps -aq 2>/dev/null); do
            dhow rm -f "$id" >/dev/null 2>&1 || true
        done
    fi
    if [ -d "$T/user/data/dhow" ]; then
        for id in $(udhow ps -aq 2>/dev/null); do
            udhow rm -f "$id" >/dev/null 2>&1 || true
        done
    fi
    [ -n "${DHOW_TEST_KEEP:-}" ] && return
    remove_bridges
    after=$(new_leftovers)
    # what is being taken down by the kernel may need a moment, and the keeper of an ordinary user's
    # namespace stays for three seconds
    for _ in $(seq 30); do
        [ -n "$after" ] || break
        sleep 0.2
        after=$(new_leftovers)
    done
    rm -rf --one-file-system "$T"
    if [ -n "$after" ]; then
        printf '# left behind by %s:\n%s\n' "$BATS_TEST_FILENAME" "$after" | sed 's/^/# /' >&3
        return 1
    fi
}

# The bridge and the table of a root stay when its last container ends (src/net/net.h says why), so
# this file's are removed by hand; the bridge's alias is the root's path.
remove_bridges() {
    local bridge
    [ "$(id -u)" -eq 0 ] || return 0
    for bridge in $(ip -o link show type bridge 2>/dev/null | grep -F "alias $T/" | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
        ip link del "$bridge"
        nft delete table inet "$bridge"
    done
}

setup_file() {
    common_setup_file
}

teardown_file() {
    common_teardown_file
}

new_leftovers() {
    leftovers >"$T/after"
    comm -13 "$T/before" "$T/after"
}

# One sorted line per thing that must not outlive the file. What other programs may make at the same
# time (links, tables) counts only in the network namespace that ./check gives a file; it counts cgroups itself.
leftovers() {
    local pid
    {
        grep -F " $T" /proc/self/mountinfo | sed 's/^/mount: /'
        grep -lsF "$T/" /proc/[0-9]*/mountinfo /proc/[0-9]*/cmdline | cut -d/ -f3 | sort -u |
            while read -r pid; do
                case $(readlink "/proc/$pid/exe") in
                */bash | */grep | */cut | */bats* | */sort | */env | '') ;;
                *) echo "process: $(tr '\0' ' ' <"/proc/$pid/cmdline")" ;;
                esac
            done
        if [ -n "${DHOW_TEST_EXCLUSIVE:-}" ]; then
            ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link: \1/' | grep -v '^link: dhow0$'
            nft list tables 2>/dev/null | grep -v 'table inet dhow$' | sed 's/^/nft: /'
        fi
    } | sort
}

# --- what a test needs ---

missing() {
    case " ${DHOW_TEST_REQUIRE:-} " in
    *" $1 "*)
        echo "$1 is required here but missing: $2"
        return 1
        ;;
    esac
    skip "needs $1: $2"
}

require() {
    local cap
    for cap; do
        case $cap in
        root) [ "$(id -u)" -eq 0 ] || missing root "not uid 0" ;;
        rootless) require_rootless ;;
        net) [ "$(id -u)" -eq 0 ] && ip link show lo >/dev/null || missing net "cannot make links" ;;
        internet) apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | sed -n 's|^https*://\([^/:]*\).*|\1|p;q' |
            xargs -r getent hosts | grep -q . || missing internet "the package mirror's name is not found" ;;
        sys_resource) setpriv -d | grep -q 'Capability bounding set:.*sys_resource' ||
            missing sys_resource "not in the bounding set" ;;
        cgroup-memory) [ -d /sys/fs/cgroup/memory ] ||
            grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
            missing cgroup-memory "no memory controller" ;;
        cgroup-v2) [ -e /sys/fs/cgroup/cgroup.controllers ] ||
            missing cgroup-v2 "this machine has cgroup v1 or a hybrid" ;;
        systemd) [ -d /run/systemd/system ] || missing systemd "it is not what runs this machine" ;;
        cgroup-v1) [ -d /sys/fs/cgroup/memory ] || missing cgroup-v1 "this machine has cgroup v2 only" ;;
        *) command -v "$cap" >/dev/null || missing "$cap" "program not installed" ;;
        esac || return 1
    done
}

require_rootless() {
    local program
    [ "$(id -u)" -eq 0 ] || missing rootless "only root can make the test user" || return 1
    command -v newuidmap >/dev/null || missing rootless "uidmap is not installed" || return 1
    [ "$(cat /proc/sys/user/max_user_namespaces)" -gt 0 ] ||
        missing rootless "user namespaces are switched off" || return 1
    id "$TEST_USER" >/dev/null 2>&1 || useradd -m "$TEST_USER"
    grep -q "^$TEST_USER:" /etc/subuid || missing rootless "no subuids for $TEST_USER" || return 1
    [ ! -c /dev/net/tun ] || chmod 0666 /dev/net/tun
    [ -d "$T/user" ] && return
    # copies: the build tree may be closed to other users
    mkdir -p "$T/bin" "$T/user" "$T/xdg"
    for program in dhow dhow-oci dhow-monitor dhow-init; do
        [ ! -x "$BUILD/$program" ] || cp "$BUILD/$program" "$T/bin/"
    done
    chown "$TEST_USER:" "$T/user" "$T/xdg"
    chmod 700 "$T/xdg"
}

fixture() {
    "$TOP/tests/lib/fixtures" "$@" >"$T/fixtures.log" 2>&1 ||
        missing "fixture $*" "$(tail -n 1 "$T/fixtures.log")"
}

# image NAME...: in this file's root, as NAME:latest.
image() {
    local name
    for name; do
        fixture "$name" || return 1
        dhow inspect --type image "$name" >/dev/null 2>&1 || {
            if [ "$name" = big ]; then
                dhow load -q -i "$DHOW_FIXTURES/big" && dhow tag big:latest big
            else
                dhow import "$DHOW_FIXTURES/$name.tar" "$name"
            fi
        } >"$T/image.log" 2>&1 || {
            cat "$T/image.log"
            return 1
        }
    done
}

# uimage NAME...: the same for the ordinary user.
uimage() {
    local name
    for name; do
        fixture "$name" || return 1
        udhow inspect --type image "$name" >/dev/null 2>&1 ||
            udhow import "$DHOW_FIXTURES/$name.tar" "$name" >/dev/null
    done
}

# --- a registry ---

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_registry() {
    local port
    require docker-registry skopeo || return 1
    port=$(free_port)
    mkdir -p "$T/registry"
    cat >"$T/registry.yml" <<-END
	version: 0.1
	log: { level: error }
	storage:
	  filesystem: { rootdirectory: $T/registry }
	  delete: { enabled: true }
	http: { addr: "127.0.0.1:$port" }
	END
    docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 3>&- &
    echo $! >"$T/registry.pid"
    export REGISTRY=127.0.0.1:$port
    wait_for 10 curl -sf "http://$REGISTRY/v2/" -o /dev/null
}

# Also the one of ../lib/registry's `serve`.
stop_registry() {
    if [ -e "$T/served.pid" ]; then
        kill "$(cat "$T/served.pid")" 2>/dev/null || true
        rm -f "$T/served.pid"
    fi
    [ -e "$T/registry.pid" ] || return 0
    kill "$(cat "$T/registry.pid")" 2>/dev/null || true
    rm -rf "$T/registry.pid" "$T/registry"
}

# push NAME FIXTURE: e.g. push team/app:v1 busybox; then $REGISTRY/team/app:v1 can be pulled.
push() {
    local tag
    fixture "$2" || return 1
    tag=$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$DHOW_FIXTURES/$2/index.json")
    skopeo copy -q --dest-tls-verify=false "oci:$DHOW_FIXTURES/$2:$tag" "docker://$REGISTRY/$1"
}

# --- assertions ---

ok() {
    run "$@"
    [ "$status" -eq 0 ] && return
    printf 'exit %s from: %s\n%s\n' "$status" "$*" "$output"
    return 1
}

fails() {
    local want=$1
    shift
    if [ "$want" -eq 127 ]; then
        run -127 "$@" # bats warns of an unexpected "command not found"
    else
        run "$@"
    fi
    [ "$status" -eq "$want" ] && return
    printf 'exit %s (wanted %s) from: %s\n%s\n' "$status" "$want" "$*" "$output"
    return 1
}

says() {
    [[ $output == *"$1"* ]] && return
    printf "'%s' is not in:\n%s\n" "$1" "$output"
    return 1
}

# Poll until the command succeeds.
wait_for() {
    local seconds=$1 end
    shift
    end=$((SECONDS + seconds))
    until "$@"; do
        if [ $SECONDS -ge $end ]; then
            echo "still failing after $seconds s: $*"
            return 1
        fi
        sleep 0.05
    done
}

# --- about one container, for wait_for ---

logged() {
    dhow logs "$1" 2>&1 | grep -q "$2"
}

logged_lines() {
    [ "$(dhow logs "$1" | wc -l)" -ge "$2" ]
}

in_state() {
    [ "$(dhow inspect -f '{{.State.Status}}' "$1" 2>/dev/null)" = "$2" ]
}

restarted() {
    [ "$(dhow inspect -f '{{.RestartCount}}' "$1")" -ge "$2" ]
}

gone() {
    ! dhow inspect "$1" >/dev/null 2>&1
}
