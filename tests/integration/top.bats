#!/usr/bin/env bats
# dhow top.
load ../lib/helpers

setup_file() {
    common_setup_file
    require root
    image busybox
    dhow run -d --name up --network none busybox sh -c 'sleep 1000 & sleep 2000; true'
    sleep 0.3
}

@test "docker's columns, every process of the container and no other" {
    ok dhow top up
    [[ ${lines[0]} =~ ^UID\ +PID\ +PPID\ +C\ +STIME\ +TTY\ +TIME\ +CMD ]]
    [ "${#lines[@]}" -eq 4 ]
    says "sleep 1000"
    says "sleep 2000"
}

@test "columns can be chosen" {
    ok dhow top up -o pid,comm
    [[ ${lines[0]} =~ ^PID\ +COMMAND ]]
    ok dhow top up pid hpid args
    [[ ${lines[1]} =~ ^1\  ]]
    ok dhow top up aux
    [[ ${lines[0]} =~ ^USER ]]
    fails 125 dhow top up -o nonsense
    says nonsense
}

@test "one that does not run has no processes" {
    dhow create --name down --network none busybox true
    fails 125 dhow top down
    says "down"
    fails 125 dhow top nosuch
    dhow rm down
}

@test "a container with the host's pid namespace shows its own only" {
    dhow run -d --name hostpid --pid host --network none busybox sleep 3000
    ok dhow top hostpid
    [ "${#lines[@]}" -eq 2 ]
    says "sleep 3000"
    dhow rm -f hostpid
}
