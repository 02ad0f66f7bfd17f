#!/usr/bin/env bats
# weir doctor without a program; what it says of running ones is in tests/shim/where.bats.
load helpers

setup() { plain; }

@test "doctor_shows_where_a_ceiling_stands" {
    expect 0 "$WEIR" doctor
    has "$out" "ceiling                      none  WEIR_MAX_DIRECT is not set" "the machine " "RLIMIT_AS " "warning: no ceiling is set"
    expect 0 "$WEIR" doctor --max-direct=64M
    has "$out" "ceiling                     64.0M  --max-direct"
    WEIR_MAX_DIRECT=32M expect 0 "$WEIR" doctor
    has "$out" "ceiling                     32.0M  WEIR_MAX_DIRECT"
    lacks "$out" "no ceiling is set"
}
@test "doctor_warns_where_the_kernel_comes_first" {
    expect 0 "$WEIR" doctor --max-direct=500T
    has "$out" "warning: the ceiling of 500.0T is above the machine's memory of"
    expect 0 bash -c 'ulimit -v 4000000; exec "$0" doctor --max-direct=3G' "$WEIR"
    has "$out" "RLIMIT_AS                    3.8G  address space" "the ceiling of 3.0G may not be reached"
    expect 0 bash -c 'ulimit -d 100000; exec "$0" doctor --max-direct=3G' "$WEIR"
    has "$out" "the kernel refuses at 97.7M (RLIMIT_DATA), before the ceiling of 3.0G"
    [ -z "$(awk 'length > 80' <<<"$out")" ] || { echo "$out"; false; }
}
@test "doctor_takes_a_percentage_of_the_least_limit" {
    expect 0 "$WEIR" doctor --max-direct=50%
    lacks "$out" "no ceiling is set"
    has "$out" "--max-direct"
}
@test "doctor_usage" {
    expect 2 "$WEIR" doctor --max-direct=12Q
    has "$err" "weir: --max-direct=12Q: not a size (try 512M)"
    expect 2 "$WEIR" doctor 1 2
    expect 2 "$WEIR" doctor x
    expect 2 "$WEIR" doctor --nonsense
    expect 2 "$WEIR" doctor --timeout=x
    expect 3 "$WEIR" doctor $$
    has "$err" "it does not run under weir"
    expect 0 "$WEIR" doctor --help
    [ -z "$(awk 'length > 80' <<<"$out")" ] || { echo "$out"; false; }
}
