#!/usr/bin/env bats
# The golden test of the fast paths: how many instructions a hit executes, and that none of them is a slow one. What
# changes these numbers changes the speed of every program.
load helpers

setup_file() { build_tools; }
setup() { plain; }

LIMIT_OF_A_HIT=20 # instructions, from entry to return

hits() { # hits LEVEL: a line a call, NAME COUNT SLOW...
    (
        plain_environment "$PWD"
        timeout 60 gdb -nx -q -batch -ex 'set startup-with-shell off' -ex "set environment LD_PRELOAD $2" \
            -ex "set environment WEIR_LEVEL $1" -ex 'set environment WEIR_DUMP_AT none' \
            -x "$BATS_TEST_DIRNAME/count_instructions.py" "$SHIM_TOOLS/hits" </dev/null 3>&-
    ) >log 2>&1
    sed -n 's/^HIT //p' log >hits
    [ "$(wc -l <hits)" = 6 ] || { tail -n 20 log; return 1; }
}
setup_hits() {
    command -v gdb >/dev/null || skip "gdb is not installed"
    ! grep -q 'assertion failed' "$WEIR_SHIM" || skip "built with asserts"
    hits disabled "$WEIR_SHIM"
}

@test "a_hit_of_malloc_and_of_free_is_at_most_20_instructions" {
    setup_hits
    cat hits
    awk -v most=$LIMIT_OF_A_HIT '$2 > most { bad = 1; print "too long: " $0 } END { exit bad }' hits
}
@test "a_hit_has_no_atomic_division_string_or_system_call" {
    setup_hits
    awk 'NF > 2 { bad = 1; print } END { exit bad }' hits
}
