#!/usr/bin/env bats
# dhow-oci: hooks; what they are given, what they see, and what follows from their failure.
load ../lib/helpers
load ../lib/oci

setup_file() {
    common_setup_file
    require root jq busybox || return 1
    oci_setup
}

teardown() {
    oci_cleanup
}

# sh_hook POINT SCRIPT [MORE-KEYS]: a filter for bundle that adds a hook
sh_hook() {
    jq -nr --arg p "$1" --arg s "$2" '".hooks.\($p) += [{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\($s|tojson)]'"${3:+,$(printf %s "$3" | sed 's/"/\\"/g')}"'}]"'
}

@test "the environment is the configuration's, to the letter" {
    cat >"$T/show" <<END
#!/bin/busybox sh
END
    bundle "$(sh_hook prestart "env >$T/env1")" "$(sh_hook createContainer "env >$T/env2" '"env":["A=1","B=x y"]')"
    export LEAKED=yes
    ok script true
    ! grep -q LEAKED "$T/env1" "$T/env2"
    [ "$(grep -vE '^(PWD|SHLVL|_|OLDPWD)=' "$T/env1")" = "" ]
    [ "$(grep -vE '^(PWD|SHLVL|_|OLDPWD)=' "$T/env2" | sort)" = $'A=1\nB=x y' ]
}

@test "they start in the bundle, and createContainer sees the mounts at root.path" {
    bundle "$(sh_hook prestart "pwd >$T/pwd1")" "$(sh_hook createRuntime "pwd >$T/pwd2; test -e rootfs/proc/self && echo yes >>$T/pwd2; true")" \
        "$(sh_hook createContainer "pwd >$T/pwd3; test -e rootfs/proc/self && echo mounted >>$T/pwd3; mkdir -p rootfs/tmp/m; mount -t tmpfs tmpfs rootfs/tmp/m; echo by-hook >rootfs/tmp/m/file" '"env":["PATH=/usr/bin:/bin:/usr/sbin:/sbin"]')" \
        "$(sh_hook poststart "pwd >$T/pwd5")" "$(sh_hook poststop "pwd >$T/pwd6")"
    ok script 'cat /tmp/m/file; awk "\$5 == \"/tmp/m\" || \$5 == \"/\"" /proc/self/mountinfo | wc -l'
    [ "$output" = $'by-hook\n2' ]
    [ "$(cat "$T/pwd1" "$T/pwd2" "$T/pwd5" "$T/pwd6" | sort -u)" = "$B" ]
    [ "$(cat "$T/pwd3")" = "$B"$'\nmounted' ]
    ! grep -F " $B" /proc/self/mountinfo
}

@test "the state on standard input names the container" {
    bundle '.annotations = {"k":"v"}' "$(sh_hook createRuntime "cat >$T/state")" "$(sh_hook poststop "cat >$T/state6")"
    ok script true
    jq -e ".id == \"c-$BATS_TEST_NUMBER\" and .status == \"created\" and .pid > 1 and .bundle == \"$B\" and .annotations.k == \"v\" and (.ociVersion|startswith(\"1.\"))" "$T/state"
    jq -e '.status == "stopped"' "$T/state6"
}

@test "hooks of one kind run in their order; the first that fails ends it" {
    rm -f "$T/order"
    bundle "$(sh_hook prestart "echo 1 >>$T/order")" "$(sh_hook prestart "echo 2 >>$T/order; exit 5")" "$(sh_hook prestart "echo 3 >>$T/order")" "$(sh_hook poststop "echo stop >>$T/order")"
    fails 1 script true
    says "hooks.prestart[1]: '/bin/sh' failed with status 5"
    [ "$(tr '\n' ' ' <"$T/order")" = "1 2 stop " ]
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "a failing startContainer hook keeps the program from running" {
    printf '#!/bin/sh\nexit 3\n' >"$B/rootfs/bin/bad"
    chmod +x "$B/rootfs/bin/bad"
    bundle '.hooks.startContainer = [{"path":"/bin/bad"}]'
    fails 1 script 'echo ran'
    says "hooks.startContainer[0]: '/bin/bad' failed with status 3"
    [[ $output != *ran* ]]
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "a startContainer hook, a program of the root, is held by what holds the container" {
    printf '#!/bin/sh\ngrep -E "^(CapPrm|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status >/tmp/hook.status\nmkdir /tmp/made\n' >"$B/rootfs/bin/hook"
    chmod +x "$B/rootfs/bin/hook"
    for new in true false; do
        rm -f "$B/rootfs/tmp/hook.status"
        bundle '.hooks.startContainer = [{"path":"/bin/hook"}] | .linux.seccomp = {"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' ".process.noNewPrivileges = $new"
        fails 1 script 'echo ran'
        says "hooks.startContainer[0]: '/bin/hook' failed with status 1: mkdir: can't create directory '/tmp/made': Operation not permitted"
        [[ $output != *ran* ]]
        cp "$B/rootfs/tmp/hook.status" "$T/hook.status"
        bundle 'del(.linux.seccomp)' ".process.noNewPrivileges = $new"
        ok script 'grep -E "^(CapPrm|CapBnd|NoNewPrivs):" /proc/self/status'
        diff <(grep -v ^Seccomp "$T/hook.status") - <<<"$output"
        grep -q $'^Seccomp:\t2' "$T/hook.status"
    done
}

@test "a failing poststart hook takes the container down, as delete would" {
    rm -f "$T/order"
    bundle "$(sh_hook poststart 'exit 1')" "$(sh_hook poststop "echo stop >>$T/order")"
    cmd sleep 1000
    oci create p6 </dev/null >/dev/null 2>&1
    fails 1 oci start p6
    says "hooks.poststart[0]"
    fails 1 oci state p6
    says "does not exist"
    [ "$(cat "$T/order")" = stop ]
    nothing_left p6
}

@test "a failing poststop hook is a warning, and the others run" {
    rm -f "$T/order"
    bundle "$(sh_hook poststop 'echo reason >&2; exit 4')" "$(sh_hook poststop "echo second >>$T/order")"
    ok script 'exit 0'
    says "hooks.poststop[0]: '/bin/sh' failed with status 4: reason"
    [ "$(cat "$T/order")" = second ]
    nothing_left "c-$BATS_TEST_NUMBER"
}

@test "a hook that does not read its input, ignores signals or leaves a child is no trap" {
    bundle "$(sh_hook prestart 'trap "" TERM INT; sleep 50' '"timeout":1')"
    fails 1 script true
    says "did not end within 1 s"
    bundle "$(sh_hook prestart 'exec 0<&-; exit 0')" "$(sh_hook createRuntime 'sleep 3 >/dev/null 2>&1 & exit 0')"
    ok script 'echo fine'
    [ "$output" = fine ]
}

@test "their output goes where crun's annotations say" {
    rm -f "$T/out" "$T/err"
    bundle "$(sh_hook prestart 'echo to-out; echo to-err >&2')" ".annotations = {\"run.oci.hooks.stdout\":\"$T/out\",\"run.oci.hooks.stderr\":\"$T/err\"}"
    ok script true
    [ "$(cat "$T/out")" = to-out ]
    [ "$(cat "$T/err")" = to-err ]
}

@test "a hook that cannot be run, or is not absolute, is named" {
    bundle '.hooks.createRuntime = [{"path":"/no/such/hook"}]'
    fails 1 script true
    says "hooks.createRuntime[0]: '/no/such/hook' failed"
    bundle '.hooks.prestart = [{"path":"relative"}]'
    fails 1 script true
    says "hooks.prestart[0].path: 'relative' is not an absolute path"
    bundle '.hooks.poststop = [{"path":"/bin/true","timeout":0}]'
    fails 1 script true
    says "timeout must be above 0"
    nothing_left "c-$BATS_TEST_NUMBER"
}
