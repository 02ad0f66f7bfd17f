#!/usr/bin/env bats
# Access records: what is kept of a block's accesses, by which calls, and that the program does not see it.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# What is known of the only block of the function's site: its records, the newest first.
records() { # records SITE DUMP [PYTHON EXPRESSION of s]
    json "(lambda s: ${3:-[r['what'] for r in s['records']]})([s for s in d['sites'] if s['frames'][0]['function'] == '$1'][0])" "$2"
}
touched() { # touched LEVEL WHAT [NAME=VALUE...]
    local level=$1 what=$2
    shift 2
    expect 0 "$level" "$@" "$SHIM_TOOLS/touched" "$what"
    silent
}

@test "fifty_reallocs_and_twenty_writes_leave_the_newest_and_a_count_of_the_rest" {
    for settings in WEIR_LEVEL=paranoid "WEIR_LEVEL=advanced WEIR_SAMPLE_BLOCKS=1"; do
        # shellcheck disable=SC2086
        touched paranoid many $settings WEIR_SAMPLE_BYTES=2
        local dump
        dump=$(the_dump touched)
        # The block's last growth by realloc made it the site's of that, where blocks are sampled.
        same "$(json '[(s["records"][0]["what"], s["records"][0]["frames"][0]["function"], s["records"][0]["number"]) for s in d["sites"] if s["records"]]' "$dump")" "[('write(fd 3)', 'flush', 70)]"
        same "$(json '[len(s["records"]) + s["records_discarded"] for s in d["sites"] if s["records"]]' "$dump")" "[70]"
        same "$(json '[4 <= len(s["records"]) <= 40 and s["records"][-1]["number"] == 1 for s in d["sites"] if s["records"]]' "$dump")" "[True]"
        same "$(json '(d["partial"], d["reasons"])' "$dump")" "(False, [])"
    done
}
@test "the_report_shows_them_in_netty_s_words" {
    touched paranoid many WEIR_TARGET_RECORDS=1
    "$WEIR_REPORTER" report "$(the_dump touched)" >text
    sed -nE '/^    Recent/,/^    : /p' text | sed -E 's/[0-9]+s ago, thread [0-9]+/AGE/; s/ +tests.*//; s/ : .*//' >seen
    has seen "    Recent access records:" "    #1: write(fd 3)              AGE" "        flush" "    Created at:"
    grep -qE '^    #2: (realloc|write\(fd 3\)) +AGE$' seen
    grep -qE '^    : 6[0-9] records were discarded \(WEIR_TARGET_RECORDS=1\)$' text || { cat text; false; }
}
@test "each_call_that_touches_a_block_leaves_a_record_also_of_an_address_inside" {
    touched paranoid calls
    local dump call
    dump=$(the_dump touched)
    for call in read write pread pwrite recv send recvfrom sendto preadv pwritev recvmsg sendmsg; do
        records "of_$call" "$dump" | grep -qE "^\['$call\(fd [0-9]+\)'\]$" || { records "of_$call" "$dump"; false; }
    done
    for call in readv writev recvmmsg sendmmsg; do
        for part in 1 2; do records "of_${call}_$part" "$dump" | grep -qE "^\['$call\(fd [0-9]+\)'\]$"; done
    done
    for call in preadv2 pwritev2 read_chk pread_chk recv_chk recvfrom_chk; do
        name=${call%_chk}
        records "of_$call" "$dump" | grep -qE "^\['${name%2}\(fd [0-9]+\)'\]$" || { records "of_$call" "$dump"; false; }
    done
    same "$(records of_touch "$dump")" "['a hint']"
    same "$(records of_silence "$dump")" "['weir_touch']"
    # What the call came to, and no more.
    same "$(records of_partial_1 "$dump" 'len(s["records"])') $(records of_partial_2 "$dump") $(records of_failure "$dump") $(records of_nothing "$dump")" "1 [] [] []"
    same "$(records of_many_parts "$dump" 'len(s["records"])')" 1
    same "$(json 'd["partial"]' "$dump")" False
}
@test "what_goes_wrong_with_a_call_goes_wrong_as_without" {
    expect 0 without "$SHIM_TOOLS/touched" faults
    mv out wanted
    for level in disabled simple advanced paranoid; do
        touched $level faults
        diff wanted out
    done
}
@test "vectors_are_seen_wherever_they_lie_and_may_go_meanwhile" {
    for settings in WEIR_GUARD=0 WEIR_GUARD=1 "WEIR_LEVEL=advanced WEIR_SAMPLE_BLOCKS=1"; do
        # shellcheck disable=SC2086
        expect 0 paranoid $settings WEIR_SAMPLE_BYTES=2 "$SHIM_TOOLS/vectors"
        silent
        for place in stack arena mapping; do same "$(records of_$place "$(the_dump vectors)")" "['writev(fd 3)']"; done
        same "$(records of_message "$(the_dump vectors)")" "['sendmsg(fd 4)']"
    done
}
@test "calls_stay_cancellation_points" {
    for level in simple paranoid; do touched $level cancelled; done
}
@test "simple_keeps_no_records_nor_does_a_target_of_none" {
    touched simple many WEIR_SAMPLE_BLOCKS=1 WEIR_SAMPLE_BYTES=2
    same "$(json '[s["records"] for s in d["sites"] if s["records"]]' "$(the_dump touched)")" "[]"
    touched paranoid many WEIR_TARGET_RECORDS=0
    same "$(json '[s["records"] for s in d["sites"] if s["records"]]' "$(the_dump touched)")" "[]"
}
@test "a_larger_target_keeps_more" {
    touched paranoid many WEIR_TARGET_RECORDS=1000
    same "$(json '[(len(s["records"]), s["records_discarded"]) for s in d["sites"] if s["records"]]' "$(the_dump touched)")" "[(70, 0)]"
    same "$(json '[[r["number"] for r in s["records"]] == list(range(70, 0, -1)) for s in d["sites"] if s["records"]]' "$(the_dump touched)")" "[True]"
}
@test "records_follow_a_block_that_realloc_moves_and_end_with_it" {
    for settings in WEIR_HARDEN=0 WEIR_HARDEN=1; do
        touched paranoid moved $settings
        local dump
        dump=$(the_dump touched)
        same "$(records moved_site "$dump")" "['large', 'realloc', 'small']"
        same "$(records large_site "$dump")" "['realloc', 'before']"
        same "$(records again_site "$dump" '(s["blocks"], s["records"])')" "(2000, [])"
    done
}
@test "a_free_by_another_thread_is_told_where_it_is_freed_again" {
    expect 134 paranoid WEIR_DUMP_AT=none "$SHIM_TOOLS/touched" twice
    grep -qxE 'weir:   freed by another thread than made it, [0-9]+' err || { seen; false; }
}
@test "hints_are_copied_and_bounded" {
    touched paranoid hints
    local dump
    dump=$(the_dump touched)
    same "$(json '[s["records_blocks"] for s in d["sites"] if s["records"]]' "$dump")" "[3000]"
    same "$(json '[r["what"] for s in d["sites"] for r in s["records"]][0] == "h" * 200' "$dump")" True
}
@test "a_program_that_includes_weir_h_runs_with_and_without_weir" {
    for program in touched_cc touched_fixed; do
        expect 0 without "$SHIM_TOOLS/$program"
        expect 0 paranoid "$SHIM_TOOLS/$program"
        silent
        same "$(json '[[r["what"] for r in s["records"]] for s in d["sites"] if s["records"]]' "$(the_dump $program)")" "[['weir_touch', 'from C++']]"
    done
}
@test "threads_forks_and_handlers_record_in_a_storm" {
    for level in advanced paranoid; do
        LIMIT=60 expect 0 $level WEIR_SAMPLE_BLOCKS=2 WEIR_SAMPLE_RATE=1000000 "$SHIM_TOOLS/touched" storm 1500
        silent
        for dump in $(find dumps -name '*.dump' -printf '%s %p\n' | sort -rn | head -n 3 | cut -d' ' -f2); do
            same "$(json 'all(r["number"] >= 1 and r["thread"] and r["age_seconds"] < 60 for s in d["sites"] for r in s["records"])' "$dump")" True
        done
    done
}
@test "tables_that_the_ceiling_refuses_are_told_and_nothing_else_happens" {
    expect 0 paranoid WEIR_DUMP_AT=exit WEIR_MAX_DIRECT=8M WEIR_ON_WATERMARK=none "$SHIM_TOOLS/touched" full
    has err "failed to allocate"
    same "$(json '(d["partial"], d["direct"]["peak"] <= 8 << 20, [r["what"] for s in d["sites"] for r in s["records"]][:1])' "$(the_dump touched)")" "(True, True, ['some room'])"
    json 'd["reasons"]' "$(the_dump touched)" | grep -qE "records: [0-9]+ accesses of blocks are missing: there was no memory" || { json 'd["reasons"]' "$(the_dump touched)"; false; }
}
