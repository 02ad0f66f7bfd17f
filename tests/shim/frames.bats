#!/usr/bin/env bats
# weir's own unwinder against libunwind: a program that leaks through frames of every kind prints for each block what
# libunwind makes of its stack; the dump must say the same.
load helpers

setup_file() { build_tools; }
setup() { plain; }

@test "stacks_are_what_libunwind_sees" {
    expect 0 paranoid "$SHIM_TOOLS/frames"
    silent
    [ "$(wc -l <out)" = 9 ]
    json '' "$(the_dump frames)"
    cat >check.py <<'END'
import json
d = json.load(open("report.json"))
wrong = 0
for line in open("out"):
    size, *wanted = line.split()
    sites = [s for s in d["sites"] if s["bytes"] == int(size)]
    if len(sites) != 1:
        print(size, "is at", len(sites), "sites")
        wrong += 1
        continue
    # An inlined function shows as a frame of its own at the same offset.
    offsets = [int(f["offset"], 16) for f in sites[0]["frames"] if f["module"].endswith("/frames") and not f["inlined"]]
    seen = ["%x" % o for o in offsets[1:]] # without the leaking function itself, as the program leaves it out
    if seen != wanted or not wanted:
        print(size, "weir:", " ".join(seen), "libunwind:", " ".join(wanted), sites[0]["stack_notes"])
        wrong += 1
raise SystemExit(wrong > 0)
END
    /usr/bin/python3 check.py 3>&-
}

@test "stacks_end_in_start_or_clone_and_none_is_a_guess" {
    expect 0 paranoid "$SHIM_TOOLS/frames"
    json '' "$(the_dump frames)"
    cat >check.py <<'END'
import json
d = json.load(open("report.json"))
bad = 0
for s in d["sites"]:
    if 1001 <= s["bytes"] <= 1008:
        last = s["frames"][-1]
        if last["function"] not in ("_start", "__GI___clone3", "clone3", "__clone3") or s["stack_notes"]:
            print(s["bytes"], "ends in", last, s["stack_notes"])
            bad += 1
raise SystemExit(bad > 0)
END
    /usr/bin/python3 check.py 3>&-
}

@test "weir_depth_cuts_stacks_and_says_so" {
    expect 0 paranoid WEIR_DEPTH=4 "$SHIM_TOOLS/frames"
    same "$(json '[(len([f for f in s["frames"] if not f["inlined"]]), s["stack_notes"]) for s in d["sites"] if s["bytes"] == 1002]' "$(the_dump frames)")" "[(4, ['cut'])]"
}

# --- walks never read what is not there ---

lives() { # lives WHAT [NAME=VALUE...]
    local level
    expect 0 without "$SHIM_TOOLS/stacks" "$1"
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=none "${@:2}" "$SHIM_TOOLS/stacks" "$1"
        silent
    done
}
@test "frame_pointers_into_a_neighbouring_stack_that_is_gone_are_not_followed" { lives neighbours; }
@test "a_stack_that_comes_back_shorter_is_not_taken_for_the_old_one" { lives shorter; }
@test "a_walk_past_the_end_of_a_coroutine_reads_no_neighbour_that_is_gone" { lives overshooting; }
@test "a_refused_look_is_no_answer" {
    lives mask_refused
    lives all_looks_refused
}
@test "no_pointer_is_libcs_where_the_break_is_not_told" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/stacks" break_refused
        has err "it is ignored"
    done
}
@test "a_coroutine_ends_where_its_return_address_is_0" {
    expect 0 paranoid "$SHIM_TOOLS/coroutines" zero
    silent
    same "$(json '{tuple(f["function"] for f in s["frames"]) for s in d["sites"] if 1001 <= s["smallest"] < 1007}, sum(s["blocks"] for s in d["sites"] if 1001 <= s["smallest"] < 1007)' "$(the_dump coroutines)")" "({('deeper', 'body')}, 6)"
}
@test "a_stack_that_comes_back_in_the_middle_of_the_old_one_is_another" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_SAMPLE_BLOCKS=1 WEIR_DUMP_AT=none "$SHIM_TOOLS/coroutines" smaller
        silent
    done
}
