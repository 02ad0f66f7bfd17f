#!/usr/bin/env bats
# malloc(3)'s corners, as glibc has them: a program prints what it sees, and must see the same under weir.
load helpers

setup_file() { build_tools; }
setup() { plain; }

api_prints_the_same() {
    local lines
    expect 0 without "$SHIM_TOOLS/api"
    mv out plain
    expect 0 "$1" "$SHIM_TOOLS/api"
    lines=$(diff plain out) || { echo "< glibc, > weir:"; echo "$lines"; return 1; }
    [ "$(wc -l <plain)" -gt 25 ]
    silent
}

@test "every_corner_of_malloc_is_glibcs_disabled" { api_prints_the_same disabled; }
@test "every_corner_of_malloc_is_glibcs_paranoid" { api_prints_the_same paranoid; }

says() { # says TEXT: api's line, under weir at both levels
    local level
    for level in $LEVELS; do
        expect 0 "$level" "$SHIM_TOOLS/api"
        has out "$1" || { echo "at $level"; return 1; }
    done
}

@test "free_keeps_errno" { says "errno after free: 9"; }
@test "a_failed_realloc_keeps_the_block" { says "the old block is as it was"; }
@test "two_blocks_of_no_bytes_are_two" { says "malloc(0) twice: two blocks"; }
@test "a_size_that_overflows_is_refused_with_enomem" {
    says "calloc overflow: NULL, errno 12"
    says "reallocarray overflow: NULL, errno 12"
    says "malloc(SIZE_MAX): NULL, errno 12"
}

@test "every_operator_new_and_delete_pairs_up" {
    for level in $LEVELS; do
        expect 0 "$level" "$SHIM_TOOLS/operators"
        same "$(cat out)" "48 pairs"
        silent
        [ "$level" != paranoid ] || same "$(json 'd["totals"]["blocks"] - sum(s["blocks"] for s in d["sites"] if not any("operators" in f["module"] for f in s["frames"]))' "$(the_dump operators)")" 0 || { cat report.json; return 1; }
    done
}

@test "blocks_are_aligned_as_asked_up_to_a_gigabyte" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/align"
        same "$(cat out)" aligned
    done
}

@test "blocks_are_aligned_in_a_small_address_space_too" {
    for level in $LEVELS; do
        for kilobytes in 4000000 4100000 4200000; do
            expect 0 "$level" WEIR_DUMP_AT=none bash -c "ulimit -v $kilobytes; exec $SHIM_TOOLS/align"
            same "$(cat out)" aligned
        done
    done
}
