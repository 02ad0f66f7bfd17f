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
