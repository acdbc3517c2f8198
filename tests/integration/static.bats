#!/usr/bin/env bats
# The static programs: no library, no loader, and small (docs/adr/0014).
load ../lib/helpers

setup_file() {
    common_setup_file
    readelf -p .comment "$BUILD/dhow-oci" >/dev/null 2>&1 || skip "readelf is missing"
    readelf -d "$BUILD/dhow-oci" | grep -q "no dynamic section" || skip "a sanitizer build is not static"
}

# stripped_size PROGRAM: in bytes
stripped_size() {
    strip -o "$T/stripped" "$BUILD/$1"
    stat -c %s "$T/stripped"
}

@test "dhow-oci, dhow-monitor and dhow-init load nothing" {
    for p in dhow-oci dhow-monitor dhow-init; do
        [ -z "$(readelf -l "$BUILD/$p" | grep INTERP)" ]
        [ -z "$(readelf -d "$BUILD/$p" | grep NEEDED)" ]
    done
}

@test "dhow-oci is at most 900 KB, dhow-monitor 550, dhow-init 500" {
    [ "$(stripped_size dhow-oci)" -le $((900 * 1024)) ]
    [ "$(stripped_size dhow-monitor)" -le $((550 * 1024)) ]
    [ "$(stripped_size dhow-init)" -le $((500 * 1024)) ]
}
