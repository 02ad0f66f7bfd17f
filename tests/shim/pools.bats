#!/usr/bin/env bats
# Pools of the program's own: buffers that they give out are blocks, inside of the chunk's.
load helpers

setup_file() { build_tools; }
setup() { plain; }

pooled() { # pooled CASE [LEVEL [NAME=VALUE...]]
    expect 0 "${2:-paranoid}" WEIR_LEAKS=exit "${@:3}" "$SHIM_TOOLS/pooled" "$1"
}
# parts WANTED [DUMP]: "verdict size*blocks" of all parts, sorted; * behind a verdict: by what is leaked.
parts() {
    json '" ".join(sorted("%s%s:%d*%d" % (s["verdict"], "*" if s["indirect"] else "", s["smallest"], s["blocks"]) for s in d["sites"] if s["pool"] and s["blocks"]))' "${2:-$(the_dump pooled)}" >parts
    same "$(cat parts)" "$1"
}

@test "lost_buffers_of_a_chunk_that_is_in_use_are_named_with_their_maker" {
    pooled leaked
    json '[(s["name"], s["frames"][2]["function"], s["verdict"], s["bytes"], len(s["threads"]), s["threads"][0]["thread"] == d["process"]["pid"]) for s in d["sites"] if s["pool"] and s["verdict"] == "leaked"][0]' "$(the_dump pooled)" >first
    same "$(cat first)" "('take', 'lose_buffer', 'leaked', 64, 1, True)"
    parts "in_use:100*5 in_use:200*1 leaked:64*1 leaked:64*1 leaked:64*1"
    same "$(grep -c '^weir: LEAK: 1 block, 64 bytes was not freed' err)" 3
    timeout 60 "$WEIR_REPORTER" report --full "$(the_dump pooled)" >text </dev/null 3>&-
    has text "LEAK: take " "Given out by a pool of the program's, inside of its blocks" "lose_buffer"
    timeout 60 "$WEIR_REPORTER" gate "$(the_dump pooled)" >text </dev/null 3>&- || true
    has text "weir gate: FAILED: leaked 192 B in 3 blocks"
}
@test "what_lies_in_a_large_block_without_marks_is_said_to_be_unknown" {
    pooled leaked
    timeout 60 "$WEIR_REPORTER" report --full "$(the_dump pooled)" >text </dev/null 3>&-
    lacks text "What lies inside is the program's own"
    pooled leaked simple WEIR_SAMPLE_BYTES=2
    timeout 60 "$WEIR_REPORTER" report --full "$(the_dump pooled)" >text </dev/null 3>&-
    has text "What lies inside is the program's own (weir_pool_alloc tells: libweir(7))"
}
@test "they_are_counted_once_the_chunk_has_their_bytes" {
    pooled leaked
    same "$(json '[s["bytes"] for s in d["sites"] if s["blocks"] and not s["pool"]], d["verdicts"]["leaked"], d["verdicts"]["in_use"]["bytes"], d["direct"]["total_capacity"], d["direct"]["count"]' "$(the_dump pooled)")" "([1048576], {'blocks': 3, 'bytes': 192}, 1048384, 1048576, 1)"
}
@test "pointers_lead_from_buffer_to_buffer_and_to_blocks" {
    pooled chains
    parts "in_use:101*1 in_use:102*1 in_use:104*1 in_use:105*1 leaked*:103*1 leaked*:66*1 leaked:64*1 leaked:65*1"
    same "$(json 'sorted((s["smallest"], s["verdict"], s["indirect"]) for s in d["sites"] if s["blocks"] and not s["pool"] and s["smallest"] < 2000)' "$(the_dump pooled)")" "[(1001, 'in_use', False), (1002, 'in_use', False), (1003, 'in_use', False), (1101, 'leaked', True)]"
}
@test "what_was_given_out_ends_with_its_chunk" {
    pooled chunks
    parts "in_use:106*1 leaked:64*1"
    pooled lost
    parts "leaked*:64*1"
    same "$(json '[(s["smallest"], s["verdict"]) for s in d["sites"] if s["blocks"] and not s["pool"]]' "$(the_dump pooled)")" "[(65536, 'leaked')]"
}
@test "chunks_may_lie_in_mappings_and_in_data" {
    local scan
    for scan in roots=all roots=lsan unaligned; do
        pooled mapped paranoid WEIR_SCAN=$scan
        parts "in_use:110*1 in_use:111*1 in_use:12288*1 leaked:64*1 leaked:64*1"
        # LeakSanitizer takes a mapping for no root, but a buffer is no more one than any other.
        local first=in_use
        [ $scan != roots=lsan ] || first=leaked
        same "$(json 'sorted((s["smallest"], s["verdict"], s["indirect"]) for s in d["sites"] if s["blocks"] and not s["pool"] and 1000 < s["smallest"] < 2000)' "$(the_dump pooled)")" "[(1005, '$first', False), (1006, 'in_use', False), (1007, 'leaked', False), (1009, 'in_use', False), (1102, 'leaked', True)]"
    done
    pooled region
    parts "leaked:64*1"
    same "$(json '[s["verdict"] for s in d["sites"] if s["smallest"] == 1008]' "$(the_dump pooled)")" "['in_use']"
}
@test "odd_calls_do_no_harm" {
    pooled fronts # a pointer to the chunk is one to the buffer at its front
    parts "in_use:1*1 in_use:64*1"
    silent
    pooled past
    parts "leaked:64*1 possible:64*1"
    expect 0 without "$SHIM_TOOLS/pooled" leaked
    silent
}
@test "a_child_lists_its_own" {
    pooled forked
    local dump
    for dump in dumps/pooled.*; do parts "" "$dump" >/dev/null || true; cat parts; done | sort >all
    same "$(cat all)" $'in_use:109*1 leaked:64*1\nleaked:64*1 leaked:64*1'
}
@test "threads_and_forks_lose_none" {
    pooled threads
    same "$(for dump in dumps/pooled.*; do parts "" "$dump" >/dev/null || true; cat parts; done | sort | uniq -c | sed 's/^ *//')" $'20 \n1 leaked:80*80'
    for dump in dumps/pooled.*; do same "$(json 'd["partial"]' "$dump")" False; done
}
@test "signal_handlers_do_no_harm" {
    local level
    for level in paranoid simple disabled; do pooled signals $level; done
    pooled signals
    # What a handler gave back while weir was interrupted may be left, as is said then.
    parts "" || true
    grep -qE '(^| )leaked:64\*' parts
}
@test "ignored_buffers_are_no_leaks" {
    pooled ignored
    same "$(cat out)" "0 1 "
    parts "in_use:64*1 leaked:64*1"
}
@test "what_finds_no_room_is_counted" {
    pooled many
    parts "leaked:100*1048575"
    same "$(json 'd["partial"], d["reasons"]' "$(the_dump pooled)")" "(True, ['pools: 51425 parts of blocks are missing or should have gone: there was no memory, or a signal handler had interrupted malloc or free'])"
}
@test "at_other_levels_chunks_alone_are_judged" {
    local level
    for level in disabled simple advanced; do
        pooled leaked $level
        parts ""
        same "$(json 'd["partial"]' "$(the_dump pooled)")" False
    done
}
@test "from_c_plus_plus_and_at_fixed_addresses" {
    for program in touched_cc touched_fixed; do
        expect 0 paranoid "$SHIM_TOOLS/$program"
        same "$(json '[(s["blocks"], s["bytes"], s["verdict"]) for s in d["sites"] if s["pool"]]' "$(the_dump $program)")" "[(1, 16, 'unknown')]"
    done
}
