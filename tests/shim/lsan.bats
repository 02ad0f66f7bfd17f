#!/usr/bin/env bats
# LeakSanitizer's interface: what a program says of its blocks, and the checks that it makes in its midst.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# checks CASE WANTED [NAME=VALUE...]: what the case's checks came to.
checks() {
    local name=$1 wanted=$2
    shift 2
    expect 0 paranoid "$@" "$SHIM_TOOLS/${PROGRAM:-lsan}" "$name"
    same "$(cat out)" "$wanted"
}
leaks() { grep -oE '^weir: LEAK: [0-9]+ blocks?, [0-9]+' err | sed 's/.* //' | tr '\n' ' '; }

@test "a_check_tells_what_is_leaked_and_the_program_goes_on" {
    checks recoverable "0 1 1 "
    same "$(leaks)" "1337 1337 "
    has err "weir:   made at lsan+0x"
}
@test "the_last_check_ends_the_program_with_23" {
    expect 23 paranoid "$SHIM_TOOLS/lsan" final
    same "$(cat out) $(leaks)" " 1337 "
    same "$(json 'd["process"]["exit_status"]' "$(the_dump lsan)")" 23
}
@test "after_the_last_check_the_end_tells_nothing_and_is_judged_all_the_same" {
    checks clean "0 " WEIR_LEAKS=exit
    silent
    same "$(json 'd["verdicts"]["leaked"]["blocks"]' "$(the_dump lsan)")" 1
    checks recoverable "0 1 1 " WEIR_LEAKS=exit
    same "$(leaks)" "1337 1337 1337 "
}
@test "ignored_blocks_and_what_they_lead_to_are_no_leaks" {
    checks ignored "0 1 "
    same "$(leaks)" "1340 "
    json '[(s["smallest"], s["verdict"]) for s in d["sites"] if s["smallest"] in (1338, 1339, 1340)]' "$(the_dump lsan)" >/dev/null
    checks ignored "0 1 " WEIR_LEAKS=exit
    same "$(json 'sorted((s["smallest"], s["verdict"]) for s in d["sites"] if s["smallest"] in (1338, 1339, 1340))' "$(the_dump lsan)")" "[(1338, 'in_use'), (1339, 'in_use'), (1340, 'leaked')]"
}
@test "what_is_made_later_where_an_ignored_block_was_is_not_ignored" {
    checks reused "1 "
    same "$(leaks)" "1341000 "
}
@test "blocks_of_disabled_scopes_are_no_leaks_also_where_only_some_are_tracked" {
    local level
    for level in paranoid advanced simple; do
        expect 0 $level "$SHIM_TOOLS/lsan" scopes
        same "$(cat out)" "0 1 "
    done
    grep -qE '^weir: LEAK: 1 block, ' err
}
@test "a_scope_that_is_never_left_does_not_track_all" {
    checks endless "0 "
    expect 0 simple "$SHIM_TOOLS/lsan" endless
    # Then 40,000 blocks of which one in 128 is drawn, as ever.
    same "$(json '10050 < d["ever"]["samples"] < 11000 and 40000 < d["ever"]["allocations"] < 60000 or d["ever"]' "$(the_dump lsan)")" True
}
@test "a_scope_is_its_thread_s_alone" { checks beside "1 " && same "$(leaks)" "1345 "; }
@test "root_regions_are_roots_until_they_are_removed_as_often" {
    checks regions "1 1 1 1 "
    same "$(leaks)" "4096 4096 4096 1346 "
    has err "weir: __lsan_unregister_root_region: there is no such region"
    same "$(grep -c 'no such region' err)" 1
}
@test "what_only_a_register_of_the_caller_knows_is_in_use" { checks registers "0 " && silent; }
@test "a_child_of_fork_checks_its_own" {
    checks forked "1 0 "
    same "$(leaks)" "1350 "
}
@test "the_program_s_own_list_suppresses" {
    checks suppressed "1 1 "
    same "$(leaks)" "1347 1348 1347 "
    PROGRAM=lsan_suppresses checks suppressed "0 1 "
    same "$(leaks)" "1348 "
    has err "weir: suppressed by the program's own list: 1 block, 1347 bytes"
    PROGRAM=lsan_wishes checks suppressed "1 1 "
}
@test "the_reporter_knows_names_that_the_process_does_not" {
    local dump
    PROGRAM=lsan_suppresses checks suppressed "0 1 " WEIR_LEAKS=exit
    dump=$(the_dump lsan_suppresses)
    same "$(json 'sorted((s["smallest"], s["suppressed"]) for s in d["sites"] if s["verdict"] == "leaked")' "$dump")" "[(1347, True), (1348, False)]"
    timeout 60 "$WEIR_REPORTER" report "$dump" >text </dev/null 3>&-
    has text "s's own list:1)"
    lacks text no_such_function
    # Suppressed by the file that a function stands in: the dump's reader alone knows it.
    PROGRAM=lsan_files checks suppressed "1 1 " WEIR_LEAKS=exit
    same "$(json 'sorted((s["smallest"], s["suppressed"]) for s in d["sites"] if s["verdict"] == "leaked")' "$(the_dump lsan_files)")" "[(1347, True), (1348, True)]"
    timeout 60 "$WEIR_REPORTER" gate "$(the_dump lsan_files)" >text </dev/null 3>&-
    has text "weir gate: passed: 1 process, leaked nothing, suppressed 2.6 KiB in 2 blocks"
}
@test "its_functions_are_found_in_its_file_or_among_its_dynamic_symbols" {
    cat >known.cc <<'C'
#include <cstdio>
#include <cstring>
extern "C" int __lsan_do_recoverable_leak_check() __attribute__((weak));
extern "C" const char *__lsan_default_suppressions();
extern "C" const char *__lsan_default_suppressions() { return "leak:^app::cache::fi*l$\n"; }
namespace app {
struct cache {
    __attribute__((noinline)) static void fill(int n) { char *volatile p = new char[1001 + n]; p = nullptr; }
    __attribute__((noinline)) static void refill(int n) { char *volatile p = new char[1002 + n]; p = nullptr; }
};
}
static __attribute__((noinline)) void wipe() { char room[65536]; memset(room, 0, sizeof room); __asm__ volatile("" ::"r"(room) : "memory"); }
static int check() { wipe(); return __lsan_do_recoverable_leak_check(); }
int main(int argc, char **) {
    app::cache::fill(argc - 1);
    int first = check();
    app::cache::refill(argc - 1);
    printf("%d %d\n", first, check());
}
C
    g++ -g -O1 -o known known.cc
    expect 0 paranoid ./known
    same "$(cat out)" "0 1"
    strip -o stripped known
    expect 0 paranoid ./stripped # it has no list any more
    same "$(cat out)" "1 1"
    g++ -O1 -rdynamic -s -o exporting known.cc
    expect 0 paranoid ./exporting
    same "$(cat out)" "0 1"
    g++ -g -O1 -Wl,--build-id=none -o nameless known.cc
    expect 0 paranoid ./nameless
    same "$(cat out)" "0 1"
    # Another file lies in its place: its names are not believed.
    cp nameless replaced
    sed -i 's/first = check();/first = (rename("other", "replaced"), check());/' known.cc
    g++ -g -O1 -Wl,--build-id=none -o replaced known.cc
    sed 's/leak:^app/leak:^not/; s/cache::fill(argc - 1);/cache::refill(argc);/' known.cc >other.cc
    g++ -g -O1 -o other other.cc
    expect 0 paranoid ./replaced
    same "$(cat out)" "1 1"
}
@test "the_program_s_own_options_are_obeyed_where_there_is_a_counterpart_and_else_named" {
    expect 7 paranoid "$SHIM_TOOLS/lsan_wishes" final
    has err "weir: __lsan_default_options: use_stacks=1 is not obeyed"
    PROGRAM=lsan_off checks recoverable "0 0 0 "
    silent
    checks recoverable "0 1 1 " LSAN_OPTIONS=exitcode=9
    same "$(grep -c 'weir: LSAN_OPTIONS is not obeyed' err)" 1
}
@test "other_threads_are_held_meanwhile" {
    checks threads "1 1 "
}
@test "where_another_thread_cannot_be_held_nothing_is_certain" {
    checks blocking "0 1 "
    grep -qE '^weir: maybe leaked: [0-9]+ blocks?, [0-9]+ bytes; 1 other thread runs' err
    same "$(leaks)" "1352 "
}
@test "where_nothing_is_tracked_sums_are_told" {
    expect 0 disabled "$SHIM_TOOLS/lsan" recoverable
    same "$(cat out)" "0 1 1 "
    has err "weir: LEAK: 1 block, 2048 bytes was not freed before it became unreachable"
}
@test "without_weir_a_program_can_tell" {
    expect 3 without "$SHIM_TOOLS/lsan" final
}
