#!/usr/bin/env bats
# images, history, inspect and friends: columns, filters, formats. No container runs.
load ../lib/helpers

setup_file() {
    common_setup_file
    image busybox
    dhow tag busybox registry.example:5000/team/tool:v2
    dhow import -q -c 'LABEL tier=base' -c 'CMD ["sh","-c","echo one  two"]' -m 'a note' \
        "$DHOW_FIXTURES/busybox.tar" labelled:1
}

@test "images: docker's columns, one line for each name" {
    ok dhow images
    [[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
    [ "${#lines[@]}" -eq 4 ]
    [[ $output =~ registry.example:5000/team/tool\ +v2\ +[0-9a-f]{12}\ +.*\ ago\ +[0-9.]+MB ]]
    ok dhow images --digests
    [[ ${lines[0]} =~ TAG\ +DIGEST\ +IMAGE\ ID ]]
    ok dhow images --noheading
    [ "${#lines[@]}" -eq 3 ]
    ok dhow image ls -q
    [ "${#lines[@]}" -eq 2 ]
    ok dhow images -q --no-trunc
    [[ ${lines[0]} =~ ^sha256:[0-9a-f]{64}$ ]]
}

@test "images: by repository, and filters" {
    ok dhow images -q busybox
    [ "${#lines[@]}" -eq 1 ]
    ok dhow images --format '{{.Repository}}' 'registry.example:5000/*/*'
    [ "$output" = registry.example:5000/team/tool ]
    ok dhow images --noheading nothing
    [ -z "$output" ]
    ok dhow images --filter label=tier=base --format '{{.Repository}}:{{.Tag}}'
    [ "$output" = labelled:1 ]
    ok dhow images --filter label=tier=other -q
    [ -z "$output" ]
    ok dhow images --filter dangling=true -q
    [ -z "$output" ]
    ok dhow images --filter dangling=false --format '{{.Tag}}' --filter reference=busybox
    [ "$output" = latest ]
    fails 125 dhow images --filter dangling=perhaps
    says "neither true nor false"
    fails 125 dhow images --filter before=nothing
    says "'nothing'"
}

@test "images: formats" {
    ok dhow images --format 'table {{.Tag}}\t{{.Size}}' labelled
    [[ ${lines[0]} =~ ^TAG\ +SIZE$ ]]
    [[ ${lines[1]} =~ ^1\ +[0-9.]+MB$ ]]
    ok dhow images --format json labelled
    [ "$(jq -r '.Repository + ":" + .Tag' <<<"$output")" = labelled:1 ]
    ok dhow images --format '{{json .Tag}}{{"\n"}}x' labelled
    [ "${lines[0]}" = '"1"' ]
    [ "${lines[1]}" = x ]
    ok dhow images --format '{{.Labels.tier}}' labelled
    [ "$output" = base ]
    ok dhow images --sort repository --format '{{.Repository}}'
    [ "${lines[*]}" = "busybox labelled registry.example:5000/team/tool" ]
    fails 125 dhow images --sort colour
    fails 125 dhow images --format '{{.Repo}}'
    says "can't evaluate field Repo"
    fails 125 dhow images --format '{{.Tag'
    says "unclosed action"
    fails 125 dhow images --format '{{frob .Tag}}'
    says "function 'frob' is not known"
}

@test "a template is checked before anything is printed" {
    fails 125 dhow images --format '{{if}}'
    [ "${#lines[@]}" -eq 1 ]
}

@test "history: docker's columns" {
    ok dhow history labelled:1
    [[ ${lines[0]} =~ ^IMAGE\ +CREATED\ +CREATED\ BY\ +SIZE\ +COMMENT$ ]]
    says "a note"
    ok dhow history -q --no-trunc labelled:1
    [[ ${lines[0]} =~ ^sha256:[0-9a-f]{64}$ ]]
    ok dhow history --human=false --format '{{.Size}}' labelled:1
    [[ ${lines[-1]} =~ ^[0-9]+$ || ${lines[0]} =~ ^[0-9]+$ ]]
}

@test "inspect of images: JSON, templates, several, missing ones" {
    ok dhow inspect busybox labelled:1
    [ "$(jq length <<<"$output")" -eq 2 ]
    [ "$(jq -r '.[1].Config.Labels.tier' <<<"$output")" = base ]
    ok dhow inspect -f '{{.Config.Labels.tier}} {{.Config.Labels.none}} {{index .Config.Labels "none"}}|' labelled:1
    [ "$output" = "base <no value> |" ]
    ok dhow inspect -f '{{join .Config.Cmd ","}}' labelled:1
    [ "$output" = "sh,-c,echo one  two" ]
    ok dhow image inspect -f '{{.ID}}' labelled:1
    [[ $output =~ ^sha256:[0-9a-f]{64}$ ]]
    ok dhow inspect --format json labelled:1
    [ "$(jq length <<<"$output")" -eq 1 ]
    fails 125 dhow inspect labelled:1 nothing
    [ "$(jq length <<<"${output%dhow:*}")" -eq 1 ]
    says "no such object: 'nothing'"
    fails 125 dhow inspect -t container busybox
    says "no such container 'busybox'"
}

@test "rmi: names first, then the image" {
    dhow tag busybox other:1
    ok dhow rmi other:1
    [ "$output" = "Untagged: other:1" ]
    fails 125 dhow rmi other:1
    says "'other:1'"
    ok dhow untag busybox registry.example:5000/team/tool:v2
    ok dhow image exists busybox
    fails 1 dhow image exists registry.example:5000/team/tool:v2
    dhow tag labelled:1 twice:1
    ok dhow untag labelled:1
    fails 1 dhow image exists twice:1
    ok dhow images --filter dangling=true -q
    [ "${#lines[@]}" -eq 1 ]
    ok dhow system df
    [[ ${lines[0]} =~ ^TYPE\ +TOTAL\ +ACTIVE\ +SIZE\ +RECLAIMABLE$ ]]
    ok dhow store check
    [ "$output" = "The store is sound." ]
}

@test "info and version as JSON and by template" {
    ok dhow info --format json
    [ "$(jq -r .Root <<<"$output")" = "$T/root" ]
    [ "$(jq -r '.CgroupControllers | length > 0' <<<"$output")" = true ]
    ok dhow info -f '{{.Driver}} {{.Images}} {{.NCPU}}'
    [[ $output =~ ^(erofs|erofs-loop|directory)\ [0-9]+\ [0-9]+$ ]]
    ok dhow info -f '{{.Host.OCIRuntime.Name}} {{.Store.GraphRoot}}'
    [ "$output" = "dhow-oci $T/root" ]
    ok dhow info
    says "Root:              $T/root"
    ok dhow version --format json
    [ "$(jq -r .Client.Os <<<"$output")" = linux ]
}
