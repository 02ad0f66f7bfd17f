#!/usr/bin/env bats
# weir report: what the screen and the JSON say.
load helpers

setup_file() { build_tools "$BUILD/tests/reporter/mkdump"; }
setup() { plain; }

@test "the_first_screen_has_exact_numbers_and_never_says_leaked" {
    mkdump --blocks 42 --sites 3 --size 4096 --max 536870912 --refusals 2 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "gateway[4711]  level paranoid, up 2h 03m" "not freed 168 KiB at 3 sites" \
        "direct memory  used 168.0K of 512.0M max, peak 172.0K, refused 2; cached 3.1M" \
        "42 live blocks tracked; symbols for 0 of 1 modules" "NOT FREED" "BLOCKS   OLDEST  SITE" \
        "#1  NOT FREED: gateway+0x" "Created at:" "Refused requests, the newest 2 of 2" \
        "malloc of 16 MiB, used 496.0M of 512.0M, thread 4719" "Next: weir report -f html=a.html a.dump"
    lacks "$out" "~" ".." "SAMPLES" "leaked" "LEAK"
}

# 412 blocks of 4 KiB drawn with one in 10, 41 of 60,000 bytes, 3 of 64 bytes with one in 114, and one realloc has moved.
sampled_dump() {
    mkdump --level 1 --stat 48=65536 --stat 49=128 --stat 50=900 --stat 53=28000000 --stat 54=27000000 \
        --module /nowhere/gateway --blocks 412 --weight 14.737 --size 4096 --stack 0:0x1005 \
        --blocks 41 --weight 1.645 --size 60000 --stack 0:0x2005 --blocks 3 --weight 114.28 --size 64 --stack 0:0x3005 \
        --blocks 1 --weight 0 --size 200 --stack 0:0x4005 --stat 15=9000 --size 0 --blocks 457 "$@" a.dump
}

@test "the_first_screen_of_samples_has_estimates_ranges_and_sample_counts" {
    sampled_dump
    expect 0 "$WEIR" report a.dump
    same "$(head -n 17 .out)" 'gateway[4711]  level simple, up 2h 03m     not freed ~28 MiB [25..30] at 4 sites
direct memory  used 496.0M, no max, peak 496.0M, refused 0; cached 3.1M
sampled 457 live blocks; symbols for 0 of 1 modules
sampled stacks explain 96 % of 26.7M in 457 live blocks
may be unseen: sites of fewer than 384 blocks and 192 KiB

  #  NOT FREED  95% RANGE           BLOCKS  SAMPLES  OLDEST  SITE
  1     24 MiB  22 .. 26       ~     6,072      412      6m  gateway+0x1005
  2    3.9 MiB  3.2 .. 4.8     ~        67       41     41s  gateway+0x2005
  3     21 KiB  4.5 .. 62      ~       343        3      3s  gateway+0x3005
  4      200 B  200 .. 66.5K   ~         1        1      1s  gateway+0x4005

Next: weir report -f html=a.html a.dump

#1  NOT FREED: gateway+0x1005 (the file is gone), 4.0 KiB a block
    ~24 MiB [22 MiB..26 MiB] in ~6,072 blocks [5,519..6,667],
    412 samples of 4.0 KiB, made 6m to 1s ago'
    expect 0 "$WEIR" report --json a.dump
    same "$(json '[(s["bytes"], s["samples"], s["bytes_low"] < s["bytes"] < s["bytes_high"], s["blocks_low"] <= s["blocks"] <= s["blocks_high"]) for s in d["sites"]][0]' .out)" "(24869455, 412, True, True)"
    same "$(json '(d["totals"]["samples"], d["sampling"]["samples_ever"], d["sampling"]["thinned"])' .out)" "(457, 900, None)"
}

@test "the_first_25_lines_say_how_bad_it_is_where_and_what_now" {
    local verdict sites=()
    for verdict in 1 2 3 4; do # four tables with titles of their own
        sites+=(--verdict $verdict)
        for i in 1 2 3; do sites+=(--stack "0:$((verdict * 4096 + i * 16))"); done
    done
    mkdump --level 1 --stat 48=65536 --stat 49=128 --stat 51=3 --stat 52=4 --module /nowhere/gateway --blocks 3 --weight 2 "${sites[@]}" a.dump
    mkdump --pid 4712 --start 7 b.dump
    expect 0 "$WEIR" report a.dump b.dump
    has "$(head -n 1 .out)" "leaked"
    has "$(head -n 25 .out)" "LEAKED" "BY THOSE" "more sites (--top, --full)" "Next: weir report -f html=a.html a.dump ..."
    same "$(grep -c '^Next: ' .out)" 1
    has "$(sed -n '26,$p' .out)" "2 dumps, merged by site" "#1  LEAK: "
    expect 0 "$WEIR" report --top 12 a.dump # who asks for more has them
    same "$(grep -cE '^ +[0-9]+  ' .out)" 12
    same "$(tail -n 1 .out)" "Next: weir report -f html=a.html a.dump"
}

# on_terminal COMMAND...: its output where that is a terminal.
on_terminal() { script -qec "$(printf '%q ' "$@")" /dev/null </dev/null 3>&-; }

@test "colour_and_links_are_for_terminals_that_take_them" {
    command -v script >/dev/null || skip "script is not installed"
    printf '%s\n' '#include <stdlib.h>' 'char *f(void) { char *p = malloc(9); __asm__ volatile("" ::: "memory"); return p; }' 'int main(void) { return !f(); }' >'a b.c'
    gcc -g -O1 -o links 'a b.c'
    WEIR_QUIET=1 WEIR_OUTPUT=l.dump WEIR_LEVEL=paranoid LD_PRELOAD=$BUILD/libweir.so ./links
    local uri="file://$(hostname)$PWD/a%20b.c"
    on_terminal env -u NO_COLOR TERM=xterm-kitty "$WEIR" report l.dump >seen
    has "$(cat seen)" $'\e[1m' $'\e]8;;'"$uri"$'\e\\a b.c:2\e]8;;\e\\'
    on_terminal env -u NO_COLOR -u VTE_VERSION -u TERM_PROGRAM -u WT_SESSION -u KONSOLE_VERSION -u DOMTERM -u KITTY_WINDOW_ID TERM=xterm "$WEIR" report l.dump >seen
    has "$(cat seen)" $'\e[1m'
    lacks "$(cat seen)" $'\e]8'
    on_terminal env NO_COLOR=1 TERM=xterm-kitty "$WEIR" report l.dump >seen
    lacks "$(cat seen)" $'\e'
    on_terminal env -u NO_COLOR FORCE_HYPERLINK=0 TERM=xterm-kitty "$WEIR" report l.dump >seen
    lacks "$(cat seen)" $'\e]8'
    FORCE_HYPERLINK=1 TERM=xterm-kitty expect 0 "$WEIR" report l.dump
    lacks "$out" $'\e'
}

@test "sites_are_sorted_by_the_lower_end_of_their_ranges" {
    # One sample of 1,000 bytes that stands for 120 is less certain than 40 known blocks of that size.
    mkdump --level 1 --stat 48=65536 --stat 49=128 --module /nowhere/x --blocks 1 --weight 120 --size 1000 --stack 0:0x1005 \
        --blocks 40 --weight 0 --stack 0:0x2005 a.dump
    expect 0 "$WEIR" report --json a.dump
    same "$(json '[s["bytes"] for s in d["sites"]]' .out)" "[40000, 120000]"
    expect 0 "$WEIR" report --json --sort blocks a.dump
    same "$(json '[s["blocks"] for s in d["sites"]]' .out)" "[40, 120]"
}

@test "what_a_rate_may_not_have_seen_is_said" {
    sampled_dump --stat 52=3 --stat 51=2
    expect 0 "$WEIR" report a.dump
    has "$out" "sampled up to 8 times less at times (WEIR_SAMPLE_RATE); ranges know of it" \
        "2 samples found no memory; estimates are too low by so many"
    mkdump --level 1 --stat 48=65536 --stat 49=128 --sites 0 --blocks 0 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "every sampled block was freed" "may be unseen: sites of fewer than 384 blocks and 192 KiB"
}

@test "an_impossible_weight_drops_the_blocks" {
    for weight in 0.5 -2 nan inf 1e30; do
        mkdump --level 1 --stat 48=65536 --stat 49=128 --blocks 6 --weight $weight a.dump
        expect 3 "$WEIR" report a.dump
        has "$out" "record 0 names an impossible weight"
    done
}

@test "without_a_ceiling_it_says_no_max" {
    mkdump a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" ", no max, peak "
}

@test "no_line_of_the_first_screen_is_wider_than_80_columns" {
    mkdump --sites 20 --depth 40 --blocks 2000000 --size 100000000 --refusals 9 --max 99999999999 \
        --name "a-program-with-a-name-that-nobody-wants-to-read-on-a-terminal" \
        --thread "a-thread-with-a-name-that-nobody-wants-to-read" a.dump
    expect 0 "$WEIR" report a.dump
    run awk 'length($0) > 80' .out
    [ -z "$output" ] || { echo "$output"; return 1; }
}

@test "sites_are_sorted_by_bytes_blocks_or_age" {
    mkdump --blocks 30 --sites 1 --size 10 a.dump
    mkdump --blocks 3 --sites 1 --size 1000 --pid 5 --stack 0:0x42 --module /x b.dump
    expect 0 "$WEIR" report --json a.dump b.dump
    [ "$(json '[s["bytes"] for s in d["sites"]]' .out)" = "[3000, 300]" ]
    expect 0 "$WEIR" report --json --sort blocks a.dump b.dump
    [ "$(json '[s["blocks"] for s in d["sites"]]' .out)" = "[30, 3]" ]
    expect 0 "$WEIR" report --json --sort=age a.dump b.dump
    [ "$(json '[s["oldest_seconds"] for s in d["sites"]]' .out)" = "[30.0, 3.0]" ]
}

@test "top_limits_the_sites_and_says_how_many_are_left" {
    mkdump --sites 20 --blocks 40 a.dump
    expect 0 "$WEIR" report --top 2 a.dump
    has "$out" "... and 18 more sites" "#2  NOT FREED"
    lacks "$out" "#3  NOT FREED"
    expect 0 "$WEIR" report --json --top=4 a.dump
    [ "$(json 'len(d["sites"])' .out)" = 4 ]
}

@test "full_leaves_nothing_out" {
    mkdump --sites 20 --blocks 40 --depth 40 --option WEIR_LEVEL=paranoid a.dump
    expect 0 "$WEIR" report --full a.dump
    has "$out" "#20  NOT FREED" "WEIR_LEVEL" "SLABS BY PLACES" "where the memory is" "/nowhere/gateway: the file is gone" "direct: bytes charged"
    lacks "$out" "more frames" "more sites"
}

@test "json_keeps_its_promised_names" {
    mkdump --blocks 6 --sites 2 --max 1048576 --refusals 1 --exit 3 --thread worker a.dump
    expect 0 "$WEIR" report -f json a.dump
    json 'sorted(set("name pid level uptime_seconds exit_status".split()) - set(d["process"]))' .out | grep -qx '\[\]'
    for pool in direct mapped; do
        json "sorted(set('count total_capacity memory_used peak max refused'.split()) - set(d['$pool']))" .out | grep -qx '\[\]'
    done
    json 'sorted(set("id verdict bytes blocks oldest_seconds threads frames records".split()) - set(d["sites"][0]))' .out | grep -qx '\[\]'
    json 'sorted(set("function file line inlined module offset".split()) - set(d["sites"][0]["frames"][0]))' .out | grep -qx '\[\]'
    [ "$(json 'd["sites"][0]["verdict"], d["process"]["exit_status"], d["direct"]["max"], d["partial"], d["reasons"]' .out)" = "('unknown', 3, 1048576, False, [])" ]
    [ "$(json 'd["direct"]["refused"], d["mapped"]["count"], d["sites"][0]["threads"][0]["name"]' .out)" = "(1, None, 'worker')" ]
}

@test "access_records_are_those_of_the_block_that_was_accessed_last" {
    mkdump --records 3 --hint 'parsed \x1b]0;x' --blocks 2 --sites 1 --depth 2 --option WEIR_TARGET_RECORDS=4 a.dump
    expect 0 "$WEIR" report a.dump
    same "$(sed -nE '/^    Recent/,/^    : /p' <<<"$out" | sed -E 's/ +\(the .*//')" "    Recent access records of the block at 0x100000, the last accessed of 2:
    #1: Hint: parsed \\x1b]0;x    1s ago, thread 4711
        gateway+0x1005
        gateway+0x1045
    #2: write(fd 12)             2s ago, thread 4711
        as #1
    #3: realloc                  3s ago, thread 4711
        as #1
    Created at:
        gateway+0x1005
        gateway+0x1045
    : 4 records were discarded (WEIR_TARGET_RECORDS=4)"
    expect 0 "$WEIR" report --full a.dump
    lacks "$out" "as #1"
    expect 0 "$WEIR" report --json a.dump
    same "$(json '[(r["what"], r["age_seconds"], r["thread"], r["call"], r["fd"], len(r["frames"])) for r in d["sites"][0]["records"]]' .out)" \
        "[('parsed \\\\x1b]0;x', 1.0, 4711, 'weir_touch', None, 2), ('write(fd 12)', 2.0, 4711, 'write', 12, 2), ('realloc', 3.0, 4711, 'realloc', None, 2)]"
    same "$(json '[d["sites"][0][k] for k in ("records_block", "records_discarded", "records_blocks")]' .out)" "['0x100000', 4, 2]"
}

@test "accesses_that_could_not_be_recorded_are_told" {
    mkdump --stat 56=1234 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "records: 1234 accesses of blocks are missing"
    expect 0 "$WEIR" report --json a.dump
    same "$(json 'd["partial"]' .out)" True
}

@test "several_threads_and_sizes_are_told_with_their_counts" {
    mkdump --blocks 5 --sites 1 --thread worker a.dump # 16 to 20 bytes, by two threads in turn
    expect 0 "$WEIR" report a.dump
    has "$out" ", 18 B a block on average" "    5 blocks of 16 B to 20 B in 5 sizes, made " "    By threads 4711 (worker, 3 blocks), 4712 (2)"
    mkdump --blocks 5 --sites 1 --size 90 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" ", 90 B a block"$'\n' "    5 blocks of 90 B, made "
    lacks "$out" average
    mkdump --blocks 400 --sites 1 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "in over 16 sizes"
    expect 0 "$WEIR" report --json a.dump
    [ "$(json '[d["sites"][0][m] for m in ("smallest", "largest", "sizes")]' .out)" = "[16, 415, None]" ] || { json 'd["sites"][0]' .out; false; }
    mkdump --blocks 1 --sites 1 --thread worker a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "    1 block of 16 B, made " "    By thread 4711 (worker)"
}

@test "rows_of_the_same_name_show_what_tells_them_apart" {
    mkdump --module /x/gate --stack 0:0x42,0:0x100 --stack 0:0x42,0:0x200 --stack 0:0x50,0:0x100 --blocks 2 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "  gate+0x42 < gate+0x100"$'\n' "  gate+0x42 < gate+0x200"$'\n' "  gate+0x50"$'\n'
    mkdump --module /x/gate --stack 0:0x42,0:0x7,0:0x100 --stack 0:0x42,0:0x7,0:0x200,0:0x8 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "  gate+0x42 <.. gate+0x100"$'\n' "  gate+0x42 <.. gate+0x200"$'\n'
    mkdump --module /x/gate --module /lib/libc.so.6 --stack 1:0x1,1:0x9,0:0x42 --stack 1:0x2,1:0x9,0:0x42 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "  gate+0x42 ..> libc.so.6+0x1"$'\n' "  gate+0x42 ..> libc.so.6+0x2"$'\n'
    expect 0 "$WEIR" report --json a.dump
    [ "$(json '{s["name"] for s in d["sites"]}' .out)" = "{'gate+0x42'}" ]
}

@test "inherited_blocks_are_one_line_and_not_in_the_table" {
    mkdump --blocks 10 --sites 1 --size 100 --fork a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "7 blocks inherited from before a fork are not listed (700 B)" "not freed 300 B at 1 site"
    expect 0 "$WEIR" report --json a.dump
    [ "$(json 'd["totals"]["inherited_bytes"], d["totals"]["bytes"]' .out)" = "(700, 300)" ]
    # Only their number is known, of one process and of two.
    mkdump --blocks 1 --sites 1 --size 100 --inherited 1 --forked-from 12 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "1 block inherited from process 12 is not listed (16 B)"
    mkdump --blocks 1 --sites 1 --size 100 --pid 4 --inherited 2000000 --forked-from 13 b.dump
    expect 0 "$WEIR" report a.dump b.dump
    has "$out" "2,000,001 blocks inherited from before a fork are not listed (31 MiB)"
    expect 0 "$WEIR" report --json a.dump b.dump
    [ "$(json 'd["totals"]["inherited_blocks"], [p["process"]["forked_from"] for p in d["parts"]]' .out)" = "(2000001, [12, 13])" ]
}

@test "nothing_not_freed_is_said_so" {
    mkdump --sites 0 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "every tracked block was freed"
    mkdump --sites 0 --level 0 a.dump
    expect 0 "$WEIR" report a.dump
    has "$out" "level disabled" "what was not freed is not known"
    lacks "$out" "modules"
}

@test "dumps_of_several_processes_are_merged_by_site" {
    mkdir dumps
    mkdump --pid 10 --blocks 4 --sites 2 --size 100 dumps/a.dump
    mkdump --pid 11 --blocks 6 --sites 2 --size 100 dumps/b.dump
    echo other >dumps/readme.txt
    expect 0 "$WEIR" report dumps
    has "$out" "2 processes of gateway" "not freed 1000 B at 2 sites" "gateway[10] at exit" "gateway[11] at exit" "dumps/b.dump" "In 2 of 2 processes"
    expect 0 "$WEIR" report --json dumps/a.dump dumps/b.dump
    [ "$(json '[s["blocks"] for s in d["sites"]], [p["process"]["pid"] for p in d["parts"]]' .out)" = "([5, 5], [10, 11])" ]
}

@test "of_one_process_only_the_newest_dump_counts" {
    mkdump --number 1 --reason 2 --blocks 5 --size 100 --sites 1 a.dump
    mkdump --number 2 --blocks 7 --size 100 --sites 1 b.dump
    mkdump --number 1 --blocks 9 --size 100 --sites 1 --start 5 c.dump
    expect 0 "$WEIR" report b.dump a.dump
    has "$out" "not freed 700 B at 1 site" "only the newest counts" "at signal, older, not counted"
    expect 0 "$WEIR" report --json a.dump b.dump c.dump # the last has the number of another process
    [ "$(json 'd["totals"]["bytes"], [p["older"] for p in d["parts"]], d["processes"]' .out)" = "(1600, [True, False, False], 2)" ]
}

@test "a_million_blocks_are_reported_in_seconds_and_little_memory" {
    mkdump --blocks 1000000 --sites 10000 --depth 20 big.dump
    python3 - "$WEIR" <<'P'
import resource, subprocess, sys, time
start = time.time()
done = subprocess.run([sys.argv[1], "report", "big.dump"], capture_output=True, text=True)
seconds, kib = time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"{seconds:.2f} s, {kib} KiB", file=sys.stderr)
assert done.returncode == 0 and "1,000,000 live blocks tracked" in done.stdout, done
assert seconds < 10, seconds
assert kib < 200 * 1024, kib
P
}

@test "names_from_a_dump_cannot_act_on_a_terminal" {
    mkdump --name '\x1b]0;x\x07\x0aevil\xc2\x9b\xe2\x80\xae\xff' --thread '\x1b[2J' --module '/no\x1b[31m/lib\x0a.so' a.dump
    for options in "" --full --json; do
        expect 0 "$WEIR" report $options a.dump
        ! LC_ALL=C grep -nP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xff' .out
    done
    [ "$(json 'd["process"]["name"]' .out)" = '\x1b]0;x\x07\x0aevil\xc2\x9b\xe2\x80\xae\xff' ]
}

@test "colour_only_on_a_terminal_and_never_with_NO_COLOR" {
    mkdump a.dump
    expect 0 "$WEIR" report a.dump
    lacks "$out" $'\e'
    run script -qec "'$WEIR' report a.dump" /dev/null
    has "$output" $'\e[1m'
    NO_COLOR=1 run script -qec "'$WEIR' report a.dump" /dev/null
    lacks "$output" $'\e[1m'
}

@test "a_reader_that_goes_away_a_full_disk_and_a_closed_output_are_one_line" {
    mkdump --sites 3000 --blocks 3000 a.dump
    for to in '>/dev/full' '>&-' '| true'; do
        expect 3 bash -o pipefail -c "'$WEIR' report --full a.dump $to"
        one_line
        has "$err" "weir: the report cannot be written: "
    done
}

@test "usage_errors_end_with_2" {
    mkdump a.dump
    for arguments in "report" "report --top 0 a.dump" "report --sort size a.dump" "report -f pdf a.dump" "report --nope a.dump" "nope" ""; do
        expect 2 "$WEIR" $arguments
        [ -n "$err" ]
    done
    for arguments in "--help" "report --help" "run --help" "dump --help" "--version"; do
        expect 0 "$WEIR" $arguments
        [ -n "$out" ] && [ -z "$err" ]
        [ -z "$(awk 'length > 80' <<<"$out")" ] || { echo "wider than 80 columns: $out"; return 1; }
    done
}

@test "dumps_of_the_first_version_are_read" {
    mkdump --module /bin/true --stack 0:0x1000 a.dump
    python3 "$ROOT/tests/reporter/older.py" a.dump older.dump
    expect 0 "$WEIR" report --json a.dump
    json '{k: v for k, v in d.items() if k != "parts"}' .out >new.txt
    expect 0 "$WEIR" report --json older.dump
    json '{k: v for k, v in d.items() if k != "parts"}' .out >old.txt
    diff new.txt old.txt
    ! cmp -s a.dump older.dump
}

@test "parts_that_pools_give_out_are_sites_of_their_own_and_in_no_sum" {
    mkdump --module /bin/a --blocks 2 --size 100 --stack 0:4096,0:8192 --stat 60=1 --stat 65=1 --stat 66=40 --pool 1 --pool 1 --pool 4 a.dump
    expect 0 "$WEIR" report --json a.dump
    same "$(json 'sorted((s["pool"], s["verdict"], s["blocks"], s["bytes"], s["oldest_seconds"], s["smallest"]) for s in d["sites"]), d["live"]["blocks"] if "live" in d else 2' .out)" \
        "([(False, 'unknown', 2, 200, 2.0, 100), (True, 'in_use', 1, 40, 5.0, 40), (True, 'leaked', 2, 80, 5.0, 40)], 2)"
    expect 0 "$WEIR" report a.dump
    has "$out" "Given out by a pool of the program's, inside of its blocks" "2 live blocks tracked"
}

@test "a_program_s_own_list_covers_stacks_that_it_is_on" {
    list='# known\x0a\x0aleak:/bin/a\x0aleak:no_such\x0a'
    mkdump --module /bin/a --module /lib/b.so --stack 0:4096 --pool 1 --stack 1:4096 --pool 1 --own-list "$list" --stat 60=1 a.dump
    expect 0 "$WEIR" report --json a.dump
    same "$(json 'sorted((s["frames"][0]["module"], s["suppressed"]) for s in d["sites"] if s["pool"])' .out)" "[('/bin/a', True), ('/lib/b.so', False)]"
    mkdump --module /bin/a --stack 0:4096 --pool 1 --own-list 'race:x\x0aleak:/bin/a' --stat 60=1 b.dump
    expect 0 "$WEIR" report b.dump
    has "$err" "weir: gateway's own list:1: neither \"leak:PATTERN\""
}
