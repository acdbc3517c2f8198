#!/usr/bin/env bats
# The command line itself: help, bad input, exit codes. Nothing here needs an image.
load ../lib/helpers

@test "help, version and the list of commands" {
    ok dhow --help
    says "Usage: dhow [OPTIONS] COMMAND"
    says "Everyday:"
    ok dhow help
    says "Usage: dhow"
    ok dhow -v
    [[ $output =~ ^dhow\ version\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    ok dhow version --format '{{.Client.Version}} {{.Server.OsArch}}'
    [[ $output =~ ^[0-9.]+\ linux/[a-z0-9]+$ ]]
    fails 125 dhow
    says "Usage: dhow"
}

@test "every command has help with its usage, and exits with 0" {
    local command sub
    for command in $("$BUILD/dhow" __man --list); do
        ok dhow "$command" --help
        says "Usage: dhow $command"
        ok dhow help "$command"
        says "Usage: dhow $command"
        [[ ${lines[0]} == *COMMAND && ${lines[0]} != *"["* ]] || continue
        for sub in $(dhow __complete "$command" "" | grep -v '^:' | cut -f1); do
            ok dhow "$command" "$sub" --help
            says "Usage: dhow $command $sub"
        done
    done
}

@test "an unknown command is refused, the nearest one suggested" {
    fails 125 dhow pss
    [ "$output" = "dhow: 'pss' is not a command of dhow (did you mean 'dhow ps'?)" ]
    fails 125 dhow frobnicate
    [ "$output" = "dhow: 'frobnicate' is not a command of dhow (see 'dhow --help')" ]
    fails 125 dhow volume lss
    [ "$output" = "dhow: 'lss' is not a command of dhow volume (did you mean 'dhow volume ls'?)" ]
    fails 125 dhow volume
    says "Usage: dhow volume COMMAND"
}

@test "unknown options name the command and say where help is" {
    local command
    for command in $("$BUILD/dhow" __man --list); do
        ok dhow "$command" --help
        [[ ${lines[0]} == *COMMAND && ${lines[0]} != *"["* ]] && continue
        fails 125 dhow "$command" --no-such-option
        [ "$output" = "dhow: $command: unknown option '--no-such-option' (see 'dhow $command --help')" ]
    done
    fails 125 dhow --no-such-option ps
    [ "$output" = "dhow: unknown option '--no-such-option' (see 'dhow --help')" ]
    fails 125 dhow run -Z x
    says "unknown option '-Z'"
}

@test "missing and surplus arguments" {
    fails 125 dhow run
    [ "$output" = "dhow: run: needs at least 1 argument, got 0 (usage: dhow run IMAGE [COMMAND [ARG...]])" ]
    fails 125 dhow exec x
    says "exec: needs at least 2 arguments, got 1"
    fails 125 dhow rename a
    says "rename: needs 2 arguments, got 1"
    fails 125 dhow rename a b c
    says "got 3 ('c')"
    fails 125 dhow ps x
    says "takes 0 arguments"
    fails 125 dhow stop
    says "stop: needs the name of a container"
    fails 125 dhow stop --all x
    says "--all takes no container's name"
    fails 125 dhow rmi
    says "needs the name of an image"
}

@test "values that do not fit are refused by option, value and what would fit" {
    fails 125 dhow run --memory lots busybox
    [ "$output" = "dhow: run: option --memory: 'lots' is not a size such as 512m or 2g" ]
    fails 125 dhow run --rm=maybe busybox
    says "option --rm: 'maybe' is not true or false"
    fails 125 dhow run --memory
    says "option --memory needs a size"
    fails 125 dhow stop -t soon x
    says "option --time: 'soon' is not a whole number"
    fails 125 dhow kill -s NOPE x
    says "option --signal: 'NOPE' is not a signal"
    fails 125 dhow ps --filter name
    says "'name' is not of the form KEY=VALUE"
    fails 125 dhow ps --filter colour=red
    says "'colour' is not a filter (known: name,id,"
    fails 125 dhow logs --since yesterday x
    says "option --since: 'yesterday' is not a time"
    fails 125 dhow logs --tail some x
    says "option --tail: 'some' is neither a number nor all"
    fails 125 dhow wait --condition done x
    says "'done' is not a condition (use not-running"
    fails 125 dhow run -a in busybox
    says "option --attach: 'in' is not stdin, stdout or stderr"
    fails 125 dhow run -d -a stdout busybox
    says "--detach and --attach exclude each other"
    fails 125 dhow inspect --type net x
    says "'net' is not a type (use container, image, volume or all)"
    fails 125 dhow pull --policy often x
    says "bad pull policy 'often'"
    fails 125 dhow --log-level loud ps
    says "option --log-level: 'loud' is not a level"
    fails 125 dhow --log-format xml ps
    says "neither text nor json"
    fails 125 dhow volume create --driver nfs v
    says "no volume driver 'nfs'"
    fails 125 dhow completion tcsh
    says "'tcsh' is not bash, fish or zsh"
}

@test "what does not exist is said so, once for each name" {
    local command
    for command in start stop restart kill rm pause unpause logs top wait attach port; do
        fails 125 dhow $command nobody
        [ "$output" = "dhow: no such container 'nobody'" ] || { echo "$command: $output"; return 1; }
    done
    fails 125 dhow exec nobody true
    says "no such container 'nobody'"
    fails 125 dhow rename nobody somebody
    says "no such container 'nobody'"
    fails 125 dhow rm a b
    [ "${lines[0]}" = "dhow: no such container 'a'" ]
    [ "${lines[1]}" = "dhow: no such container 'b'" ]
    fails 125 dhow volume rm nothing
    says "no such volume 'nothing'"
    fails 125 dhow rmi nothing
    says "'nothing'"
    fails 125 dhow history nothing
    says "'nothing'"
    fails 125 dhow tag nothing new
    says "'nothing'"
    fails 125 dhow inspect nothing
    [ "${lines[0]}" = "[]" ]
    [ "${lines[1]}" = "dhow: no such object: 'nothing'" ]
    fails 1 dhow container exists nobody
    [ -z "$output" ]
    fails 1 dhow image exists nothing
    [ -z "$output" ]
}

@test "with --force or --ignore a missing object is no error" {
    ok dhow rm -f nobody
    [ -z "$output" ]
    ok dhow rm --ignore nobody
    ok dhow stop --ignore nobody
    ok dhow rmi -i nothing
    ok dhow volume rm -f nothing
}

@test "errors as JSON lines for programs" {
    fails 125 dhow --log-format json rm nobody
    [ "$(jq -r .msg <<<"$output")" = "no such container 'nobody'" ]
    [ "$(jq -r .level <<<"$output")" = error ]
}

@test "output that cannot be written is an error" {
    run bash -c "'$BUILD/dhow' --help >/dev/full"
    [ "$status" -eq 125 ]
    says "write standard output"
}

@test "a root that cannot be made is named" {
    touch "$T/file"
    fails 125 "$BUILD/dhow" --root "$T/file/x" --runroot "$T/run" ps
    says "$T/file"
}

@test "completion: commands, options, values, nothing" {
    ok dhow __complete st
    [ "${lines[0]%%$'\t'*}" = stop ]
    says "start"
    [ "${lines[-1]}" = ":4" ]
    ok dhow __complete volume ""
    says $'prune\t'
    ok dhow __complete run --cap
    says $'--cap-add\tgive a capability'
    says "--cap-drop"
    ok dhow __complete run --network=h
    [ "${lines[0]}" = $'--network=host\tthe host\'s network' ]
    ok dhow __complete run --env-file ""
    [ "$output" = ":0" ]
    ok dhow __complete --root ""
    [ "$output" = ":16" ]
    ok dhow __complete kill -s TE
    [ "${lines[0]}" = TERM ]
    ok dhow __complete rename a b ""
    [ "$output" = ":4" ]
    ok dhow __complete --no-such ""
    ok dhow __complete nope ""
    ok dhow __complete
}

@test "completion scripts load in their shells" {
    ok dhow completion bash
    bash -n <<<"$output"
    ok dhow completion zsh
    ok dhow completion fish
    # the bash script, driven as the shell does
    run bash -c "
        dhow() { '$BUILD/dhow' --root '$T/root' --runroot '$T/run' \"\$@\"; }
        source <(dhow completion bash)
        COMP_WORDS=(dhow imag) COMP_CWORD=1
        _dhow
        printf '%s\n' \"\${COMPREPLY[@]}\""
    says "images"
    says "image"
}
