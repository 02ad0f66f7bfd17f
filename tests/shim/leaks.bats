#!/usr/bin/env bats
# What a dump says of programs that leak a known number of blocks: exactly that, at places that have names.
load helpers

setup_file() { build_tools; }
setup() { plain; }

# COUNT(k) and BYTES(k) of leaks.h, which thread k leaks: 100 of 24, 200 of 1024, 300 of 2024 bytes.
the_numbers_are_exact() { # PROGRAM [OPTION...]
    local program=$1 dump
    shift
    expect 0 paranoid "$program"
    silent
    dump=$(the_dump "$(basename "$program")")
    json '' "$dump" "$@"
    cat >check.py <<'END'
import json
d = json.load(open("report.json"))
ours = [s for s in d["sites"] if any(f["function"] and "serve" in f["function"] for f in s["frames"])]
def says(what, seen, wanted):
    if seen != wanted:
        print("%s: %r, not %r" % (what, seen, wanted))
        for s in d["sites"]: print({k: s[k] for k in ("bytes", "blocks", "threads")}, [(f["function"], f["file"], f["line"], f["inlined"]) for f in s["frames"]])
        raise SystemExit(1)
says("blocks a thread", sorted(t["blocks"] for s in ours for t in s["threads"]), [100, 200, 300])
says("threads", len({t["thread"] for s in ours for t in s["threads"]}), 3)
says("blocks", sum(s["blocks"] for s in ours), 600)
says("bytes", sum(s["bytes"] for s in ours), 100 * 24 + 200 * 1024 + 300 * 2024)
says("partial", (d["partial"], d["reasons"]), (False, []))
END
    /usr/bin/python3 check.py 3>&-
}

# names_are_complete FUNCTION...: the leak's frames begin with these (a star: inlined), each of the program's has a line.
names_are_complete() {
    cat >check.py <<'END'
import json, os, sys
d = json.load(open("report.json"))
wanted = sys.argv[1:]
ours = [s for s in d["sites"] if any(f["function"] and "serve" in f["function"] for f in s["frames"])]
for s in ours:
    seen = [str(f["function"]) + ("*" if f["inlined"] else "") for f in s["frames"]][:len(wanted)]
    bare = [f for f in s["frames"] if "/tests/shim/" in f["module"] and f["function"] != "_start" and not (f["file"] and f["line"])]
    other = [f for f in s["frames"] if f["function"] and "serve" in f["function"] and os.path.basename(f["file"] or "").split(".")[0] != "leaks"]
    if seen != wanted or bare or other:
        print("frames:", seen, "wanted:", wanted, "without a line:", bare, "of another file:", other)
        sys.exit(1)
sys.exit(not ours)
END
    /usr/bin/python3 check.py "$@" 3>&-
}

@test "a_stripped_c_program_is_told_exactly_with_its_debug_file" {
    the_numbers_are_exact "$SHIM_TOOLS/leaks_c" --debug-dir "$SHIM_TOOLS/debug"
    names_are_complete 'buffer_new*' 'connection_open*' serve work
}
@test "a_stripped_cxx_program_is_told_exactly_with_its_debug_file" {
    the_numbers_are_exact "$SHIM_TOOLS/leaks_cc" --debug-dir "$SHIM_TOOLS/debug"
    names_are_complete 'pool::Holder<char>::open(unsigned long)*' 'serve(long)'
}
@test "a_c_program_with_its_debug_information_is_told_exactly" {
    the_numbers_are_exact "$SHIM_TOOLS/leaks_c.whole"
    names_are_complete 'buffer_new*' 'connection_open*' serve work
}
@test "a_cxx_program_with_its_debug_information_is_told_exactly" {
    the_numbers_are_exact "$SHIM_TOOLS/leaks_cc.whole"
    names_are_complete 'pool::Holder<char>::open(unsigned long)*' 'serve(long)'
}

@test "level_disabled_tracks_nothing_and_counts_everything" {
    expect 0 disabled "$SHIM_TOOLS/leaks_c"
    same "$(json '(d["process"]["level"], len(d["sites"]), d["direct"]["count"] >= 600)' "$(the_dump leaks_c)")" "('disabled', 0, True)"
}

@test "the_report_in_README_is_what_the_demo_prints" {
    # Without what differs from run to run, and libc's own lines.
    comparable() { sed -n '/^demo-server\[/,/^```$/p' "$1" | grep -vE '^```|^direct memory|^ +_|^$' | sed -E 's/\[[0-9]+\]|thread [0-9]+|\b[0-9]+s\b/N/g; s/ +/ /g'; }
    local root=$WEIR_ROOT
    (plain_environment "$PWD"; close_fds_of_bats; exec timeout -k 5 60 "$root/scripts/demo") >out 2>err </dev/null || { cat err; return 1; }
    comparable "$root/README.md" >wanted
    comparable out >printed
    [ "$(wc -l <wanted)" -gt 15 ]
    run grep -vxFf printed wanted
    [ -z "$output" ] || { echo "README has what the demo does not print:"; echo "$output"; return 1; }
}

@test "a_block_that_grew_is_shown_where_it_was_made_and_where_it_grew" {
    expect 0 paranoid "$SHIM_TOOLS/grown"
    silent
    dump=$(the_dump grown)
    same "$(json 'sorted((s["bytes"], s["frames"][0]["function"], [(g["blocks"], g["bytes"], g["frames"][0]["function"]) for g in s["grown"]]) for s in d["sites"])' "$dump")" \
        "[(150, 'make', []), (2000, 'make', [(1, 2000, 'grow')]), (3000000, 'make', [(1, 3000000, 'grow')])]"
    same "$(json 'all(s["oldest_seconds"] >= g["oldest_seconds"] - 0.1 for s in d["sites"] for g in s["grown"])' "$dump")" True
    timeout 60 "$WEIR_REPORTER" report "$dump" >text </dev/null 3>&-
    has text "Grown, 2.9 MiB in 1 block, " "Grown, 2.0 KiB in 1 block, "
}
