#!/usr/bin/env bats
# Tables grow as long as there is memory, and what finds none is told, and uses nothing up.
load helpers

setup_file() { build_tools; }
setup() { plain; }

full_report() { timeout 100 "$WEIR_REPORTER" report --full "$(the_dump tables)" >text </dev/null 3>&-; }

@test "more_than_a_million_stacks_are_kept" {
    LIMIT=100 expect 0 paranoid WEIR_DUMP_AT=exit "$SHIM_TOOLS/tables" many_stacks
    silent
    full_report
    grep -qE '^  frames of unique stacks +1,0[6-9][0-9],' text
    grep -qE '^  stacks that could not be stored +0$' text
    same "$(json '[s["frames"][0]["function"] for s in d["sites"] if s["bytes"] == 4321]' "$(the_dump tables)")" "['leave_one']"
}
@test "stacks_that_find_no_memory_use_nothing_up" {
    LIMIT=100 expect 0 paranoid WEIR_DUMP_AT=exit WEIR_QUIET=1 WEIR_MAX_DIRECT=32M "$SHIM_TOOLS/tables" refused_stacks
    full_report
    grep -qE '^  stacks that could not be stored +[1-9][0-9,]*,[0-9]{3}$' text
    same "$(json '[s["frames"][0]["function"] for s in d["sites"] if s["bytes"] == 4321]' "$(the_dump tables)")" "['leave_one']"
}
@test "stacks_that_are_ever_new_leave_the_program_its_memory" {
    for depth in 1 5 64; do
        expect 0 paranoid WEIR_DUMP_AT=none WEIR_QUIET=1 WEIR_MAX_DIRECT=16M WEIR_DEPTH=$depth "$SHIM_TOOLS/tables" ever_new_stacks
        same "$(cat out)" "0 failed"
    done
}
@test "weir_depth_bounds_the_table_of_stacks" {
    for depth in 1 3; do
        expect 0 paranoid WEIR_DUMP_AT=exit WEIR_DEPTH=$depth "$SHIM_TOOLS/tables" ever_new_stacks
        full_report
        [ "$(sed -nE 's/^  frames of unique stacks +([0-9]+)$/\1/p' text)" -lt 300 ]
    done
}
@test "more_than_4096_modules_are_kept" {
    LIMIT=60 expect 0 paranoid WEIR_DUMP_AT=exit "$SHIM_TOOLS/tables" many_modules "$SHIM_TOOLS/plugin_one.so"
    silent
    same "$(json '[(s["blocks"], s["frames"][0]["function"]) for s in d["sites"] if s["bytes"] == 2001 * s["blocks"]]' "$(the_dump tables)")" "[(4500, 'make_one')]"
}
