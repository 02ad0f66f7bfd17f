#!/usr/bin/env bats
# weir explain: what it makes of a dump's paths. That the paths are right is for tests/shim/verdicts.bats.
load helpers

setup_file() {
    build_tools "$BUILD/tests/reporter/mkdump"
    cd "$BATS_FILE_TMPDIR" || return 1
    cat >shop.cc <<'C'
#include <cstdlib>
namespace shop { struct queue { long n; void *first, *last; } orders; }
static void *volatile table[8];
extern "C" __thread void *mine;
__thread void *other, *mine;
extern "C" __attribute__((noinline)) void *open_session() { return table[0] = malloc(64); }
int main() { shop::orders.first = open_session(); mine = other = shop::orders.first; return 0; }
C
    g++ -g -O1 -o shop shop.cc
    strip -o bare shop
    address() { nm shop | sed -nE "s/^0*([0-9a-f]+) [a-zA-Z] $1\$/0x\1/p"; }
    {
        echo "table=$(address _ZL5table) orders=$(address _ZN4shop6ordersE) mine=$(address mine)"
        echo "here=$(($(address open_session) + 9))"
    } >places
}
setup() {
    plain
    . "$BATS_FILE_TMPDIR/places"
    MODULE=$BATS_FILE_TMPDIR/shop
}

# with VERDICT PATH...: a dump of one site, of one block of 64 bytes.
with() {
    local verdict=$1 path paths=()
    shift
    for path; do paths+=(--path "$path"); done
    mkdump --module "$MODULE" --blocks 1 --size 64 --stat 62=123456 --verdict "$verdict" --stack "0:$here" "${paths[@]}" a.dump
}

@test "the_way_from_a_global_is_told" {
    with 4 "1:$table:3:0"
    expect 0 "$WEIR" explain a.dump 1
    same "$out" "#1  IN USE: open_session shop.cc:6
    1 block, 64 B
    The program can reach it.
        global \`table\` in shop
        -> block of 48 B at 0x200000+0 (not tracked)
        -> block of 48 B at 0x200040+8 (not tracked)
        -> this: block of 64 B at 0x100000
           made in open_session shop.cc:6"
    [ -z "$err" ]
}
@test "sites_are_asked_for_by_number_name_pattern_and_address" {
    with 4 "1:$table:1:0"
    "$WEIR" explain a.dump 1 >wanted
    for asked in '#1' 01 open_session 'open_*' '*'; do
        expect 0 "$WEIR" explain a.dump "$asked"
        same "$out" "$(cat wanted)"
    done
    block=$((0x100000))
    for asked in $block $((block + 63)); do
        expect 0 "$WEIR" explain a.dump "$(printf 0x%X "$asked")"
        has "$out" "The block of 64 B at $(printf 0x%x $block), made 1s ago by thread 4711." "global \`table\`"
    done
    for asked in $((block - 1)) $((block + 64)) 18446744073709551615; do
        expect 2 "$WEIR" explain a.dump "$(printf 0x%x "$asked")"
        one_line
        has "$err" "no live tracked block is there"
        [ -z "$out" ]
    done
}
@test "each_kind_of_root_has_its_words" {
    while read -r root kind place words; do
        with 4 "$root:$place:1:0"
        expect 0 "$WEIR" explain a.dump 1
        has "$out" $'\n        '"$words"$'\n        -> this: block of 64 B at'
        expect 0 "$WEIR" explain --json a.dump 1
        same "$(json 'd["sites"][0]["path"]["root"]["kind"]' .out)" "$kind"
    done <<C
1 global $((orders + 16)) global \`shop::orders\` in shop, 16 bytes in
1 global 0x99999 global data of shop+0x99999 (no symbol covers it)
2 stack -1 the stack of thread 4711
2 stack $here the stack of thread 4711, in open_session shop.cc:6
3 register 4 register r12 of thread 4711
3 register 16 register rip of thread 4711
3 register -1 a register of thread 4711
4 thread_local $mine thread-local \`mine\` in shop of thread 4711
4 thread_local -1 thread-local storage of thread 4711
5 thread 0 what libc keeps (pthread_setspecific, results) of thread 4711
6 private 0 private memory at 0x7f0000001000
7 shared 0 shared memory at 0x7f0000001000
8 epoll 0 what epoll gives back (descriptor 7)
9 timer 0 what a timer gives back
10 emergency 0 memory that is set aside for signal handlers
13 pool 0 a part of a pool, at 0x7f0000001000
14 signal_stack 0 the stack for signals of thread 4711
99 unknown 0 a root of a kind that this weir does not know
C
}
@test "without_symbols_the_module_and_the_reason_are_told" {
    MODULE=$BATS_FILE_TMPDIR/bare
    with 4 "1:$table:1:0"
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "global data of bare+$table (" "IN USE: bare+0x"
    expect 0 "$WEIR" explain --debug-dir /nowhere --sysroot /nowhere a.dump 1
    has "$out" "global data of bare+$table ("
}
@test "of_long_ways_it_is_told_how_many_are_left_out" {
    with 4 "1:$table:16:1234567"
    expect 0 "$WEIR" explain a.dump 1
    has "$out" $'0x2001c0+56 (not tracked)\n        -> ... 1,234,567 blocks in between\n        -> block of 48 B at 0x200200+64 (not tracked)'
    same "$(grep -c -- '->' .out)" 17
    expect 0 "$WEIR" explain --json a.dump 1
    same "$(json '[(len(s["path"]["steps"]), s["path"]["left_out"]) for s in d["sites"]]' .out)" "[(16, 1234567)]"
}
@test "a_block_on_anothers_way_has_that_way" {
    second=$((0x100000 + 64 * 1000003))
    mkdump --module "$MODULE" --blocks 1 --size 64 --verdict 4 --stack "0:$here" --path "1:$table:16:5" --stack "0:$((here - 1))" \
        --set "29:9:0:8=$second" a.dump
    expect 0 "$WEIR" explain --json a.dump "$(printf 0x%x $second)"
    same "$(json '[(len(s["path"]["steps"]), s["path"]["left_out"], s["path"]["to_another_block"], s["path"]["root"]["symbol"]) for s in d["sites"]]' .out)" "[(10, 5, False, 'table')]"
    expect 0 "$WEIR" explain --json a.dump 0x100000
    same "$(json '[(len(s["path"]["steps"]), s["path"]["left_out"]) for s in d["sites"]]' .out)" "[(16, 5)]"
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "The program can reach it; by which way was not noted."
}
@test "of_several_dumps_each_explains_its_own_blocks" {
    mkdir all
    for pid in 5 6; do
        mkdump --pid $pid --module "$MODULE" --blocks 2 --size 64 --verdict 4 --stack "0:$here" --path "1:$([ $pid = 5 ] && echo "$table" || echo "$orders"):1:0" \
            --set "9:0:0:8=$((pid << 20))" all/$pid.dump
    done
    for pid in 5 6; do
        expect 0 "$WEIR" explain --json all "$(printf 0x%x $((pid << 20)))"
        same "$(json '[(s["blocks"], s["path"]["to_another_block"], s["path"]["root"]["symbol"]) for s in d["sites"]]' .out)" "[(4, True, '$([ $pid = 5 ] && echo table || echo shop::orders)')]"
    done
    # Each has a block there.
    expect 0 "$WEIR" explain all 0x100040
    same "$(grep -c 'The block of 64 B at 0x100040' .out)" 2
}
@test "what_is_not_in_use_has_its_reason" {
    with 1
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "#1  LEAK: open_session" "Nothing in 123,456 bytes of roots leads to it, nor to what might lead to it."
    lacks "$out" "->"
    with 2 12:0:2:0
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "LEAK (of what leaked blocks led to): open_session" $'Only leaked blocks lead to it.\n    From one of them:\n           block of 48 B at 0x200000+0 (not tracked)\n        -> this: block of 64 B'
    with 3 11:0:2:0
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "POSSIBLE LEAK: open_session" "What leads to it may not be in use itself."
    mkdump --module "$MODULE" --blocks 1 --size 64 --verdict 3 --stack "0:$here" --path "1:$table:1:0" --set 28:0:20:4=1 a.dump
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "What leads to it points just behind its end: it may be no pointer to it." "global \`table\` in shop"
    expect 0 "$WEIR" explain --json a.dump 1
    same "$(json '[(s["verdict"], s["path"]["past_the_end"]) for s in d["sites"]]' .out)" "[('possible', True)]"
    with 3
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "Nothing was seen that leads to it, but not all memory could be read"
    mkdump --module "$MODULE" --blocks 1 --verdict 3 --reason 2 --stack "0:$here" a.dump
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "Nothing was seen that leads to it, but the program went on meanwhile"
    mkdump --module "$MODULE" --blocks 1 --verdict 3 --stat 64=3 --stack "0:$here" a.dump
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "3 threads could not be held"
    with 4
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "The program can reach it; by which way was not noted."
}
@test "a_dump_that_was_not_searched_says_how_to_search" {
    mkdump --module "$MODULE" --stack "0:$here" a.dump
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "NOT FREED: open_session" "Memory was not searched when this dump was written" "WEIR_LEAKS=exit" "WEIR_LEAKS=signal"
    mkdump --module "$MODULE" --stat 60=0 --stack "0:$here" a.dump
    expect 0 "$WEIR" explain a.dump 1
    has "$out" "Memory was to be searched when this dump was written, and could not be."
    expect 0 "$WEIR" explain --json a.dump 1
    same "$(json 'd["searched"], [(s["path"], s["verdict"]) for s in d["sites"]]' .out)" "(False, [(None, 'unknown')])"
}
@test "a_name_of_many_sites_is_explained_as_far_as_is_wanted" {
    mkdump --module "$MODULE" --blocks 2 --verdict 4 $(for i in 1 2 3; do echo "--stack 0:$here,0:$((0x1000 + i))"; done) a.dump
    expect 0 "$WEIR" explain --top 2 a.dump 'open*'
    same "$(grep -c '^#' .out)" 2
    has "$out" "... 1 more site of that name (--top)"
    expect 0 "$WEIR" explain a.dump 'open*'
    same "$(grep -c '^#' .out)" 3
    mkdir all
    mkdump --pid 5 --module "$MODULE" --blocks 1 --verdict 4 --stack "0:$here" --path "1:$table:1:0" all/a.dump
    mkdump --pid 6 --module "$MODULE" --blocks 1 --verdict 4 --stack "0:$((here + 1))" --path "1:$orders:1:0" all/b.dump
    expect 0 "$WEIR" explain all '*'
    has "$out" "global \`table\` in shop" "global \`shop::orders\` in shop"
}
@test "what_is_asked_in_a_wrong_way_is_usage" {
    with 4 "1:$table:1:0"
    while read -r words; do
        expect 2 eval "\"$WEIR\" explain $words"
        one_line
        [ -z "$out" ]
        has "$err" weir
    done <<'C'

a.dump
a.dump 1 2
a.dump ''
a.dump '#'
a.dump '#x'
a.dump 0x
a.dump 0xfg
a.dump 0x11111111111111111
a.dump 99999999999999999999
a.dump 0
a.dump 2
a.dump close_session
--top 0 a.dump 1
--top x a.dump 1
--unknown a.dump 1
C
    expect 0 "$WEIR" explain --help
    has "$out" "weir explain [options] DUMP SITE|ADDRESS" "Exit status:"
}
@test "what_cannot_be_read_is_named_and_what_is_whole_is_told" {
    expect 3 "$WEIR" explain missing 1
    one_line
    has "$err" "weir: missing: No such file"
    mkdir empty
    expect 3 "$WEIR" explain empty 1
    with 4 "1:$table:3:0"
    head -c $(($(stat -c %s a.dump) - 24)) a.dump >cut.dump
    expect 3 "$WEIR" explain cut.dump 1
    has "$out" "global \`table\` in shop" "(not tracked)"
    expect 3 sh -c '"$0" explain a.dump 1 >/dev/full' "$WEIR"
    has "$err" "cannot be written"
}
@test "paths_that_name_what_is_not_there_are_dropped_and_the_rest_is_told" {
    while read -r set section words; do
        mkdump --module "$MODULE" --blocks 1 --verdict 4 --stack "0:$here" --path "1:$table:2:0" --set "$set" a.dump
        expect 3 "$WEIR" explain a.dump 1
        one_line
        has "$err" "at byte " "(section $section)" "record 0 names $words"
        has "$out" "#1  IN USE: open_session"
        lacks "$out" "->"
    done <<'C'
28:0:8:4=77 paths a stack that does not exist
28:0:12:4=9 paths an unknown verdict
28:0:32:8=0x9000000000000 paths a module that does not exist
28:0:40:8=1 paths an impossible number of steps
28:0:52:4=1 paths steps out of range
28:0:52:4=0xffffffff paths steps out of range
28:0:56:4=0 paths an impossible number of steps
28:0:56:4=17 paths an impossible number of steps
28:0:56:4=3 paths steps out of range
28:0:60:4=0x7fffffff paths a name out of range
C
    mkdump --module "$MODULE" --blocks 1 --verdict 4 --stack "0:$here" --path "1:$table:2:0" --set 29:1:16:4=77 a.dump
    expect 3 "$WEIR" explain a.dump 1
    has "$err" "(section steps): record 1 names a stack that does not exist"
    lacks "$out" "->"
    mkdump --module "$MODULE" --blocks 1 --verdict 4 --stack "0:$here" --path "1:$table:2:0" --omit 29 a.dump
    expect 3 "$WEIR" explain a.dump 1
    has "$err" "steps out of range"
}
@test "nothing_in_a_dump_acts_on_the_terminal" {
    mkdump --module "$MODULE" --thread 'w\x1b[31m' --blocks 1 --verdict 4 --stack "0:$here" --path 2:-1:1:0 a.dump
    expect 0 "$WEIR" explain a.dump 1
    has "$out" 'the stack of thread 4711 (w\x1b[31m)'
}
