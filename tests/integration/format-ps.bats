#!/usr/bin/env bats
# ps and inspect of containers: columns, filters, formats.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root
    image busybox
    dhow run -d --name web --network none -l team=blue -l app=a busybox sh -c 'echo started; exec sleep 1000'
    dhow run --name job --network none -l team=red busybox sh -c 'exit 3' || true
    dhow create --name made --network none busybox true
}

@test "ps: docker's columns; running ones only, all with -a" {
    ok dhow ps
    [[ ${lines[0]} =~ ^CONTAINER\ ID\ +IMAGE\ +COMMAND\ +CREATED\ +STATUS\ +PORTS\ +NAMES$ ]]
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[1]} =~ ^[0-9a-f]{12}\ +busybox\ +\"sh\ -c\ echo\ start.*…\"\ .*\ ago\ +Up\ .*\ web$ ]]
    ok dhow ps -a --format '{{.Names}}'
    [ "${lines[*]}" = "made job web" ]
    ok dhow ps -l --format '{{.Names}}'
    [ "$output" = made ]
    ok dhow ps -n 2 --format '{{.Names}}'
    [ "${lines[*]}" = "made job" ]
    ok dhow ps --noheading
    [ "${#lines[@]}" -eq 1 ]
    ok dhow container ls -aq
    [ "${#lines[@]}" -eq 3 ]
    [[ ${lines[0]} =~ ^[0-9a-f]{12}$ ]]
    ok dhow ps -aq --no-trunc
    [[ ${lines[0]} =~ ^[0-9a-f]{64}$ ]]
    ok dhow ps --no-trunc
    says '"sh -c echo started; exec sleep 1000"'
    ok dhow ps -as
    [[ ${lines[0]} == *SIZE ]]
    says "(virtual "
}

@test "ps: states and exit codes" {
    ok dhow ps -a --format '{{.Names}} {{.State}} {{.Status}}'
    [[ $output =~ made\ created\ Created ]]
    [[ $output =~ job\ exited\ Exited\ \(3\)\ .*\ ago ]]
    [[ $output =~ web\ running\ Up\  ]]
}

@test "ps: filters" {
    local filter want
    while read -r want filter; do
        # shellcheck disable=SC2086 # several filters in a line
        ok dhow ps -a --format '{{.Names}}' $filter
        [ "${lines[*]}" = "${want//,/ }" ] || { echo "$filter: ${lines[*]}"; return 1; }
    done <<-END
	web --filter name=we
	job --filter status=exited
	job --filter status=stopped
	made --filter status=created
	made,web --filter status=created --filter status=running
	job --filter exited=3
	web --filter label=team=blue
	job,web --filter label=team
	web --filter label=team --filter label=app=a
	made,job,web --filter ancestor=busybox
	job,web --filter before=made
	made --filter since=job
	web --filter id=$(dhow ps -q)
	made,job,web --filter network=none
	END
    ok dhow ps -aq --filter name=nobody
    [ -z "$output" ]
    fails 125 dhow ps --filter status=sleeping
    says sleeping
}

@test "ps: order" {
    ok dhow ps -a --sort names --format '{{.Names}}'
    [ "${lines[*]}" = "job made web" ]
    fails 125 dhow ps --sort colour
    says "there is no order 'colour'"
}

@test "ps: formats" {
    ok dhow ps --format 'table {{.Names}}\t{{.Label "team"}}\t{{.State}}'
    [[ ${lines[0]} =~ ^NAMES\ +team\ +STATE$ ]]
    [[ ${lines[1]} =~ ^web\ +blue\ +running$ ]]
    ok dhow ps --format 'table {{.Names}} {{.State}}'
    [[ ${lines[1]} = "web     running" ]]
    ok dhow ps --format json
    [ "$(jq -r '.Names + " " + .State + " " + .Labels' <<<"$output")" = "web running team=blue,app=a" ] ||
        [ "$(jq -r '.Names + " " + .State + " " + .Labels' <<<"$output")" = "web running app=a,team=blue" ]
    ok dhow ps -a --format '{{if eq .State "exited"}}{{.Names}}={{.ExitCode}}{{end}}'
    says job=3
    ok dhow ps --format '{{.Pid}}'
    [ -d "/proc/$output" ]
    ok dhow ps --format '{{upper .Names}} {{len .ID}} {{printf "%-6s|" .Image}}'
    [ "$output" = "WEB 12 busybox|" ]
    fails 125 dhow ps --format '{{.Name}}'
    says "did you mean .Names?"
}

@test "inspect: the fields scripts ask for" {
    ok dhow inspect -f '{{.State.Running}} {{.State.ExitCode}} {{.Name}} {{.Config.Image}}' job
    [[ $output =~ ^false\ 3\ /?job\ busybox$ ]]
    ok dhow inspect -f '{{index .Config.Labels "team"}} {{.Config.Labels.app}} {{.Config.Labels.none}}' web
    [ "$output" = "blue a <no value>" ]
    ok dhow inspect -f '{{range .Config.Cmd}}[{{.}}]{{end}}' web
    [ "$output" = "[sh][-c][echo started; exec sleep 1000]" ]
    ok dhow inspect -f '{{json .State.Status}}' web job
    [ "${lines[*]}" = '"running" "exited"' ]
    ok dhow inspect web
    [ "$(jq -r '.[0].State.Status' <<<"$output")" = running ]
    [ "$(jq -r '.[0].Id' <<<"$output")" = "$(dhow ps -q --no-trunc)" ]
    ok dhow inspect -s -f '{{.SizeRw}}' web
    [[ $output =~ ^[0-9]+$ ]]
    ok dhow inspect --type container -f '{{.Id}}' "$(dhow ps -q)"
    [[ $output =~ ^[0-9a-f]{64}$ ]]
}

@test "events: what happened, by filter and format" {
    ok dhow events --since 1h --stream=false --filter container=job
    [[ ${lines[0]} == *" container create "* ]]
    says "exitCode=3"
    ok dhow events --since 1h --until 0s --filter event=die --format '{{.Actor.Attributes.name}}={{.Actor.Attributes.exitCode}}'
    [ "$output" = job=3 ]
    ok dhow events --since 1h --stream=false --filter event=start --format json
    [ "$(jq -r .Type <<<"${lines[0]}")" = container ]
}

@test "completion knows the containers" {
    ok dhow __complete stop ""
    [ "${lines[0]}" = $'web\tbusybox' ]
    ok dhow __complete logs j
    [ "${lines[0]}" = $'job\tbusybox' ]
}

@test "commands on all containers" {
    ok dhow kill --all
    [[ $output =~ ^[0-9a-f]{64}$ ]]
    ok dhow wait web
    [ "$output" = 137 ]
    ok dhow start --all
    [ "${#lines[@]}" -eq 3 ]
    ok dhow kill --all
    ok dhow rm --all
    [ "${#lines[@]}" -eq 3 ]
    ok dhow ps -aq
    [ -z "$output" ]
    fails 125 dhow container prune </dev/null
    says "--force does not ask"
    ok dhow container prune -f
    ok bash -c "yes n | '$BUILD/dhow' --root '$T/root' --runroot '$T/run' container prune"
}
