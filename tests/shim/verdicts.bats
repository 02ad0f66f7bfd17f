#!/usr/bin/env bats
# Verdicts: leaked, leaked by those, possible, in use, for blocks of known fates.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# fates CASE WANTED: sizes by verdict; blocks of the C library's own are left out.
fates() {
    expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" "$1"
    grep -vE "^weir: LEAK: |^weir:   made at " err >others || true
    same "$(cat others)" ""
    fates_of "$(the_dump leaked)" "$2"
}
fates_of() {
    json '" ".join("%s%s:%s" % (v, "*" if i else "", ",".join(str(s) for s in sorted(s["smallest"] for s in d["sites"] if s["verdict"] == v and s["indirect"] == i and s["smallest"] == s["largest"] and (900 <= s["smallest"] < 1300 or s["smallest"] == 2048)))) for v, i in (("leaked", False), ("leaked", True), ("possible", False)))' "$1" >fates
    same "$(cat fates)" "$2"
}

@test "what_nothing_leads_to_is_leaked" { fates plain "leaked:1001,1002,1003 leaked*:1101,1102 possible:"; }
@test "of_a_cycle_one_is_leaked_directly" { fates cycles "leaked:1004 leaked*:1103 possible:"; }
@test "a_pointer_behind_the_end_makes_it_possible" { fates past "leaked:1002 leaked*: possible:2048"; }
@test "globals_mappings_and_thread_storage_are_roots" { fates globals "leaked:1005 leaked*: possible:"; }
@test "what_the_kernel_keeps_is_a_root" { fates kernels "leaked: leaked*: possible:"; }
@test "stacks_and_registers_of_threads_are_roots" { fates threads "leaked:1006 leaked*: possible:"; }
@test "coroutines_stacks_are_roots" { fates coroutines "leaked:1007 leaked*: possible:"; }
@test "code_that_the_program_makes_has_pointers_at_any_byte" {
    fates code "leaked:1001 leaked*: possible:"
    same "$(json 'sorted(s["smallest"] for s in d["sites"] if s["verdict"] == "in_use" and 950 <= s["smallest"] < 960)' "$(the_dump leaked)")" "[950, 951, 952]"
}
@test "pages_that_cannot_be_read_are_left_out" { fates guarded "leaked:1008 leaked*: possible:"; }
@test "what_the_world_hides_is_found_and_holes_are_not_filled" {
    fates worlds "leaked:1001 leaked*: possible:"
    same "$(json 'd["memory"]["resident"] < 64 << 20, [s["blocks"] for s in d["sites"] if s["smallest"] == 920 and s["verdict"] == "in_use"]' "$(the_dump leaked)")" "(True, [500])"
}
@test "stacks_for_signals_hide_nothing_around_them" {
    fates on_static "leaked:1001 leaked*: possible:"
    plain
    fates on_local "leaked:1001 leaked*: possible:"
}
@test "a_thread_that_takes_all_signals_is_not_sent_any" {
    cat >waits.c <<'C'
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void *wait_for_all(void *set) { int got; sigwait(set, &got); printf("got %d\n", got); _exit(42); }
int main(void) {
    sigset_t set;
    pthread_t t;
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_create(&t, NULL, wait_for_all, &set);
    usleep(50000);
    return 0;
}
C
    gcc -pthread -o waits waits.c
    expect 0 paranoid WEIR_LEAKS=exit ./waits
    silent
    same "$(json 'd["verdicts"]["threads_not_held"]' "$(the_dump waits)")" 1
}
@test "lists_of_any_length_are_followed" {
    fates many "leaked:1001 leaked*: possible:"
    same "$(json '[(s["verdict"], s["blocks"]) for s in d["sites"] if s["blocks"] > 1000], d["verdicts"]["in_use"]["blocks"] >= 300000' "$(the_dump leaked)")" "([('in_use', 300000)], True)"
}
@test "threads_that_cannot_be_held_make_it_possible_only" {
    fates blocked "leaked: leaked*: possible:1006"
    same "$(json 'd["verdicts"]["threads_not_held"]' "$(the_dump leaked)")" 2
    timeout 60 "$WEIR_REPORTER" report "$(the_dump leaked)" >text </dev/null 3>&-
    has text "maybe leaked " "2 threads could not be held: what seems leaked is called maybe"
}
@test "a_child_has_its_own_verdicts" {
    expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" forked
    for dump in dumps/leaked*; do json '[s["smallest"] for s in d["sites"] if s["verdict"] == "leaked"]' "$dump"; done | sort >leaked
    same "$(cat leaked)" $'[1009]\n[]'
}
@test "at_levels_that_do_not_track_totals_are_told" {
    expect 0 disabled WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" plain
    # What lists of free places leave in blocks may lead from one to another; what is reached is not.
    same "$(json '[d["verdicts"]["judged"], 3 <= d["verdicts"]["leaked"]["blocks"] + d["verdicts"]["leaked_indirectly"]["blocks"] <= 5]' "$(the_dump leaked)")" "[True, True]"
    expect 0 disabled "$SHIM_TOOLS/leaked" plain
    same "$(json 'd["verdicts"]["judged"], d["verdicts"]["leaked"]["blocks"]' "$(the_dump leaked)")" "(False, None)"
}
@test "sampled_leaks_are_estimated" {
    expect 0 simple WEIR_LEAKS=exit python3 -c '
import ctypes
c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
for i in range(20000): p = c.malloc(1000)'
    same "$(json '[(s["verdict"], 0.8 * s["bytes_low"] <= 20000000 <= 1.25 * s["bytes_high"]) for s in d["sites"] if s["verdict"] == "leaked" and s["samples"] > 100], 19990 <= d["verdicts"]["leaked"]["blocks"] + d["verdicts"]["leaked_indirectly"]["blocks"] <= 20010' "$(last_dump python3)")" "([('leaked', True)], True)"
}
@test "a_running_programs_leaks_are_possible" {
    expect 0 paranoid WEIR_LEAKS=signal WEIR_DUMP_AT=signal WEIR_SIGNAL=SIGUSR2 perl -e 'my @kept = map { [$_] } 1 .. 1000; kill USR2, $$; select undef, undef, undef, 0.01 until glob "dumps/perl.*.dump"; print scalar @kept'
    same "$(json '[d["verdicts"]["judged"], d["verdicts"]["leaked"]["blocks"], d["verdicts"]["in_use"]["blocks"] > 2000]' "$(the_dump perl)")" "[True, 0, True]"
}
@test "weir_run_tells_leaks" {
    local reporter=$WEIR_REPORTER
    plain_environment "$PWD"
    "$reporter" run --level=paranoid -- "$SHIM_TOOLS/leaked" plain >out 2>err </dev/null 3>&-
    has err "leaked 5.1 KiB at 5 sites"
    "$reporter" run --level=paranoid --leaks=off -- "$SHIM_TOOLS/leaked" plain >out 2>err </dev/null 3>&-
    has err "not freed"
}
@test "guards_and_late_reuse_change_no_verdict" {
    for how in WEIR_GUARD WEIR_HARDEN; do
        for case in "plain leaked:1001,1002,1003 leaked*:1101,1102 possible:" "many leaked:1001 leaked*: possible:" "guarded leaked:1008 leaked*: possible:"; do
            LIMIT=60 expect 0 paranoid $how=1 WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" "${case%% *}"
            fates_of "$(the_dump leaked)" "${case#* }"
        done
    done
}

# --- weir explain ---

# explain DUMP ARGUMENTS...: into the files text, and explained.json.
explain() {
    local dump=$1
    shift
    timeout -k 5 60 "$WEIR_REPORTER" explain "$dump" "$@" >text 2>text.err </dev/null 3>&- || { echo "explain: $?"; cat text.err; return 1; }
    timeout -k 5 60 "$WEIR_REPORTER" explain --json "$dump" "$@" >explained.json </dev/null 3>&-
}
# explained EXPRESSION: way(n) is the path to a site's block of n bytes, root(n) what it begins with, by(n) its steps' sizes.
explained() {
    /usr/bin/python3 -c '
import json, sys
d = json.load(open("explained.json"))
def way(n): return [s["path"] for s in d["sites"] if s["path"] and s["path"]["steps"][-1]["size"] == n][0]
def root(n): return way(n)["root"]
def by(n): return [(s["size"], s["leads_on_at"]) for s in way(n)["steps"]]
print(eval(sys.argv[1]))' "$1" 3>&-
}

@test "each_kind_of_root_is_told_with_its_name" {
    LIMIT=60 expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" ways
    fates_of "$(the_dump leaked)" "leaked:1001,1003 leaked*:1101,1102 possible:940,2048"
    explain "$(the_dump leaked)" --top=100 '*'
    same "$(explained '[(k, root(k)["kind"], root(k)["symbol"], root(k)["offset"]) for k in (930, 939)]')" "[(930, 'global', 'in_struct', 16), (939, 'global', 'here', 0)]"
    same "$(explained '[root(k)["kind"] for k in (933, 934, 935, 936, 937, 938, 910, 941)]')" "['register', 'stack', 'thread_local', 'private', 'shared', 'thread', 'epoll', 'stack']"
    same "$(explained 'root(933)["register"], root(935)["symbol"], root(910)["descriptor"] >= 3')" "('r12', 'in_thread', True)"
    main=$(json 'd["process"]["pid"]' "$(the_dump leaked)")
    same "$(explained "[root(k)['thread'] == $main for k in (933, 934, 935, 938, 941)]")" "[False, False, True, True, True]"
    same "$(explained '[root(k)["function"] for k in (941, 934, 933)]')" "['ways', 'on_stack', None]"
    same "$(explained 'root(933)["thread"] != root(934)["thread"], root(910)["thread"], root(930)["thread"]')" "(True, None, None)"
    has text "global \`in_struct\` in leaked, 16 bytes in" "register r12 of thread " "thread-local \`in_thread\` in leaked of thread $main (leaked)" \
        "what epoll gives back (descriptor " ", mapped in make_ways" "the stack of thread $main (leaked), in ways " "what libc keeps "
}
@test "the_blocks_on_the_way_are_told_and_of_a_long_way_both_ends" {
    LIMIT=60 expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" ways
    explain "$(the_dump leaked)" --top=100 '*'
    same "$(explained 'by(930), by(931), by(932)')" "([(930, None)], [(930, 16), (931, None)], [(930, 16), (931, 40), (932, None)])"
    same "$(explained 'len(way(939)["steps"]), way(939)["left_out"], by(939)[0], by(939)[14:]')" "(16, 299985, (24, 0), [(24, 0), (939, None)])"
    same "$(explained 'len({s["address"] for s in way(939)["steps"]}), root(24)["symbol"], by(24)')" "(16, 'here', [(24, None)])"
    same "$(explained 'by(942)[-2:], way(942)["left_out"], by(944)[-2:], way(944)["left_out"]')" "([(40, 24), (942, None)], 8985, [(942, 0), (944, None)], 8986)"
    # What is found when the second row has been followed to its end, and left again.
    same "$(explained 'by(945)[-3:], way(945)["left_out"], by(943)[-2:], way(943)["left_out"]')" "([(942, 0), (944, 16), (945, None)], 8987, [(40, 24), (943, None)], 13082)"
    has text "-> ... 299,985 blocks in between" "-> this: block of 939 B at 0x" "made in make_ways"
}
@test "why_blocks_are_not_in_use_is_told" {
    LIMIT=60 expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" ways
    explain "$(the_dump leaked)" --top=100 '*'
    same "$(explained 'by(1102), root(1102)["kind"], by(1101), root(1101)["kind"]')" "([(1003, 0), (1101, 24), (1102, None)], 'leaked_block', [(1003, 0), (1101, None)], 'leaked_block')"
    same "$(explained 'by(2048), way(2048)["past_the_end"], root(2048)["symbol"], by(940), way(940)["past_the_end"], root(940)["kind"]')" "([(2048, None)], True, 'table', [(2048, 24), (940, None)], False, 'possible_block')"
    same "$(explained '[(s["path"], s["reason"].split(" bytes ")[1]) for s in d["sites"] if s["verdict"] == "leaked" and not s["indirect"]]')" \
        "[(None, 'of roots leads to it, nor to what might lead to it.'), (None, 'of roots leads to it, nor to what might lead to it.')]"
    has text "Only leaked blocks lead to it." "points just behind its end: it may be no pointer to it." "-> just behind the block of 2.0 KiB at 0x" "may not be in use itself."
}
@test "an_address_is_explained_by_its_own_way_where_that_is_known" {
    LIMIT=60 expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" ways
    explain "$(the_dump leaked)" --top=100 '*'
    second=$(explained 'hex(int(way(939)["steps"][1]["address"], 16) + 5)') other=$(explained 'hex(int(way(939)["steps"][7]["address"], 16) - 32 * 1000)')
    explain "$(the_dump leaked)" "$second"
    same "$(explained '[(s["block"]["size"], s["block"]["verdict"], s["path"]["to_another_block"], len(s["path"]["steps"]), s["path"]["left_out"], s["blocks"]) for s in d["sites"]]')" "[(24, 'in_use', False, 2, 0, 300000)]"
    has text "The block of 24 B at 0x" ", made 0s ago by thread $(json 'd["process"]["pid"]' "$(the_dump leaked)") (leaked)." "300,000 blocks, 6.9 MiB"
    lacks text "another block"
    explain "$(the_dump leaked)" "$other"
    same "$(explained '[(s["block"]["size"], s["path"]["to_another_block"], len(s["path"]["steps"])) for s in d["sites"]]')" "[(24, True, 1)]"
    has text "The way to another block of this site:" "-> that: block of 24 B"
    timeout 60 "$WEIR_REPORTER" explain "$(the_dump leaked)" 0x10 >text 2>err </dev/null 3>&- && false || same "$?" 2
    has err "0x10: no live tracked block is there"
}
@test "what_a_fork_inherited_is_its_makers_to_explain" {
    expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" forked
    for dump in dumps/leaked*; do
        explain "$dump" --top=100 '*'
        explained 'sorted((s["verdict"], (s["path"] or {"steps": [{"size": 0}]})["steps"][-1]["size"]) for s in d["sites"])'
    done | sort >both
    same "$(cat both)" $'[(\'in_use\', 917)]\n[(\'leaked\', 0)]'
}
@test "where_not_all_could_be_seen_the_reason_is_told" {
    expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaked" blocked
    explain "$(the_dump leaked)" --top=100 '*'
    has text "Nothing was seen that leads to it, but 2 threads could not be held, which may lead to it."
    expect 0 paranoid "$SHIM_TOOLS/leaked" plain
    explain "$(the_dump leaked)" 1
    has text "Memory was not searched when this dump was written" "WEIR_LEAKS=exit" "WEIR_LEAKS=signal"
    same "$(explained 'd["searched"], [s["path"] for s in d["sites"]]')" "(False, [None])"
}
@test "a_running_programs_blocks_are_explained" {
    expect 0 paranoid WEIR_LEAKS=signal WEIR_DUMP_AT=signal WEIR_SIGNAL=SIGUSR2 perl -e 'my @kept = map { [$_] } 1 .. 1000; kill USR2, $$; select undef, undef, undef, 0.01 until glob "dumps/perl.*.dump"; print scalar @kept'
    explain "$(the_dump perl)" --top=1000 '*'
    same "$(explained 'all(s["path"] for s in d["sites"] if s["verdict"] == "in_use"), len([s for s in d["sites"] if s["verdict"] == "in_use"]) > 20, {s["path"]["root"]["kind"] for s in d["sites"] if s["path"]} >= {"global"}')" "(True, True, True)"
}

# --- messages at the end ---

@test "a_program_that_is_preloaded_alone_says_what_it_leaked" {
    LIMIT=60 expect 0 paranoid WEIR_LEAKS=exit "$SHIM_TOOLS/leaks_c" 3 100
    cp err said
    same "$(grep -c '^weir: LEAK: .* not freed before ' said)" "$(json 'min(10, sum(s["verdict"] == "leaked" for s in d["sites"]))' "$(the_dump leaks_c)")"
    grep -qE '^weir: LEAK: [0-9]+ blocks?, [0-9]+ bytes? (was|were) not freed before (it|they) became unreachable$' said
    grep -qE '^weir:   made at leaks_c\+0x[0-9a-f]+' said
    grep -qF "weir: LEAK: weir report $PWD/dumps/" said || grep -qE '^weir: LEAK: [0-9]+ more places?; weir report ' said
    [ "$(wc -l <said)" -le 24 ]
    for quiet in WEIR_LEAKS=off WEIR_QUIET=1 WEIR_RUN=gate; do
        LIMIT=60 expect 0 paranoid WEIR_LEAKS=exit $quiet "$SHIM_TOOLS/leaks_c" 3 100
        lacks err LEAK
    done
}
@test "where_blocks_are_sampled_the_sum_is_exact_all_the_same" {
    LIMIT=60 expect 0 simple WEIR_LEAKS=exit WEIR_SAMPLE_BLOCKS=2 "$SHIM_TOOLS/leaks_c" 3 100
    same "$(sed -nE 's/^weir: LEAK: ([0-9]+) blocks, ([0-9]+) bytes were not freed .*/\1 \2/p' err)" \
        "$(json '"%d %d" % (d["verdicts"]["leaked"]["blocks"], d["verdicts"]["leaked"]["bytes"])' "$(the_dump leaks_c)")"
    grep -qE '^weir:   of [0-9]+ samples?$' err
}
@test "what_cxx_holds_and_loses" {
    expect 0 paranoid WEIR_LEAKS=exit WEIR_QUIET=1 "$SHIM_TOOLS/owners"
    local dump
    dump=$(the_dump owners)
    same "$(json '{v + ("*" if i else ""): sorted((s["smallest"], s["blocks"]) for s in d["sites"] if s["verdict"] == v and s["indirect"] == i and 1200 <= s["smallest"] < 1216) for v, i in (("leaked", False), ("leaked", True), ("possible", False))}' "$dump")" "{'leaked': [(1200, 1), (1202, 1), (1203, 1)], 'leaked*': [(1200, 1)], 'possible': []}"
    same "$(json 'sorted((s["smallest"], s["blocks"]) for s in d["sites"] if s["verdict"] == "in_use" and 1200 <= s["smallest"] < 1400)' "$dump")" "[(1211, 3), (1212, 1), (1213, 1), (1214, 1), (1343, 1)]"
}
