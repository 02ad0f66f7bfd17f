#!/usr/bin/env bats
# The verdicts of a core: memory is searched as a process searches its own.
load helpers
load cores

setup_file() { build_tools; }
setup() {
    plain
    command -v gdb >/dev/null || skip "there is no gdb"
}
WEIR=$WEIR_ROOT/${WEIR_BUILD:-build}/weir

# waits LEVEL [WHAT]: starts judged, and waits until all is made.
waits() {
    mkdir -p dumps
    rm -f out
    LD_PRELOAD=$WEIR_SHIM WEIR_LEVEL=$1 WEIR_SAMPLE_BYTES=2 WEIR_OUTPUT=$PWD/dumps/%e.%p.%n.dump \
        "$SHIM_TOOLS/judged" "${@:2}" >out 3>&- &
    pid=$!
    for ((i = 0; i < 100; i++)); do grep -qs ready out && return 0 || sleep 0.05; done
    return 1
}
takes_core() { gdb -batch -nx -p $pid "${@}" -ex 'generate-core-file core' >gdb.out 2>&1; }
ends() { kill -9 $pid; wait $pid 2>/dev/null || true; }
# verdicts FILE: each site, its verdict and its blocks, a line each.
verdicts() {
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
d = json.load(sys.stdin)
for line in sorted("{verdict} {indirect} {blocks} {bytes} ".format(**s) + " ".join("{module}+{offset}".format(**f) for f in s["frames"])
                   for s in d["sites"] if s["blocks"]): print(line)
print([d["verdicts"][k] for k in ("leaked", "leaked_indirectly", "possible", "in_use")])'
}
sizes() { # sizes FILE VERDICT
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
print(*sorted(s["smallest"] for s in json.load(sys.stdin)["sites"] if s["blocks"] and s["verdict"] == sys.argv[1]
              and s["smallest"] == s["largest"] and 900 <= s["smallest"] < 1200))' "$2"
}

@test "a_core_has_the_verdicts_of_a_dump_of_the_same_instant" {
    for level in paranoid simple; do
        waits $level
        "$WEIR" dump --leaks $pid >/dev/null
        takes_core
        ends
        verdicts core >from_core
        verdicts "$(last_dump judged)" >from_dump
        [ "$(wc -l <from_core)" -gt 12 ] || { cat from_core; false; }
        cmp from_core from_dump || { diff from_core from_dump; false; }
        rm -rf dumps core
    done
}
@test "registers_vectors_stacks_and_thread_storage_lead_to_blocks" {
    waits paranoid
    takes_core
    ends
    same "$(sizes core leaked)" "1001 1002 1003 1101 1102 1103"
    same "$(sizes core in_use)" "901 902 903 904 905 906"
    same "$(sizes core possible)" ""
    "$WEIR" report core >report
    has report "of all blocks  leaked 3 " "by those 3 " "maybe 0 "
    lacks report "the core lacks"
}
@test "at_a_level_that_tracks_nothing_sums_are_told" {
    waits disabled
    takes_core
    ends
    json '[d["verdicts"]["judged"], d["verdicts"]["leaked"]["blocks"] + d["verdicts"]["leaked_indirectly"]["blocks"] >= 6, d["verdicts"]["in_use"]["blocks"] >= 1006]' core
    same "$(json '[d["verdicts"]["judged"], d["verdicts"]["leaked"]["blocks"] + d["verdicts"]["leaked_indirectly"]["blocks"] >= 6, d["verdicts"]["in_use"]["blocks"] >= 1006]' core)" "[True, True, True]"
}
@test "what_a_core_lacks_makes_nothing_leaked" {
    local all=(shares polls "times 1" "polls 2" "signals 3" "awaits 1")
    [ -z "${LONG:-}" ] || all+=("polls 1" times "times 2" signals "signals 1" "signals 2" "signals 4" awaits)
    for what in "${all[@]}"; do
        case $what in "polls 2" | "times 2" | "signals 4") export WEIR_SCAN=tags=0xff00000000000000 ;; *) unset WEIR_SCAN ;; esac # marked
        waits paranoid $what
        takes_core
        ends
        same "$(sizes core leaked)" ""
        "$WEIR" report core >report
        has report "the core lacks" ": what seems leaked is called maybe"
        same "$(sizes core possible | tr ' ' '\n' | head -n 1)" "$([ "$what" = shares ] && echo 950 || echo 951)"
    done
    unset WEIR_SCAN
    for what in signals awaits; do # nor of these can a search of a program that runs know more
        waits paranoid $what
        "$WEIR" dump --leaks $pid >/dev/null
        ends
        same "$(sizes "$(last_dump judged)" leaked)" ""
        same "$(sizes "$(last_dump judged)" possible | tr ' ' '\n' | head -n 1)" 951
        rm -rf dumps
    done
    waits paranoid shares # with what is shared it is whole
    echo 0x7f >/proc/$pid/coredump_filter
    takes_core
    ends
    same "$(sizes core leaked)" "1001 1002 1003 1101 1102 1103"
    same "$(sizes core in_use)" "901 902 903 904 905 906 950"
}
@test "a_stack_that_signals_are_handled_on_is_in_use" {
    for how in 0 2 3 4 ${LONG:+1 5}; do # 2: a handler, 3: a child of vfork changes it for itself; 4: its thread has ended
        waits paranoid handles $how
        takes_core
        "$WEIR" dump --leaks $pid >/dev/null
        ends
        for file in core "$(last_dump judged)"; do
            case $file$how in *4) wanted=leaked ;; core[23]) wanted=possible ;; *) wanted=in_use ;; esac
            same "$(sizes $file leaked)" "1001 1002 1003 1101 1102 1103"
            same "$how $(json '[s["verdict"] for s in d["sites"] if s["largest"] == 65432]' $file)" "$how ['$wanted']"
        done
        rm -rf dumps core
    done
    waits paranoid handles
    takes_core
    ends
    main=$(json 'd["process"]["pid"]' core)
    "$WEIR" explain core "$(json '[s["id"] for s in d["sites"] if s["largest"] == 65432][0]' core)" >text
    has text "the stack for signals of thread $main"
}
@test "memory_that_nobody_has_written_to_lacks_nothing" {
    cat >untouched.c <<'C'
#include <stdlib.h>
static char big[1 << 22];
int main(int argc, char **argv) {
    (void)argv;
    for (int i = 0; i < 9; i++) { char *volatile p = malloc(1000 + i); p[0] = 1; p = NULL; }
    if (argc > 1) big[5000] = 1;
    abort();
}
C
    gcc -g -O1 -fno-builtin -o untouched untouched.c
    for argument in "" x; do
        (echo 0x7f >/proc/self/coredump_filter && core_of ./untouched 134 paranoid WEIR_SCAN= $argument)
        [ "$(json 'd["verdicts"]["leaked"]["blocks"]' core)" -ge 8 ] || { "$WEIR" report core; false; }
    done
    (echo 0x7e >/proc/self/coredump_filter && core_of ./untouched 134 paranoid WEIR_SCAN=)
    [ ! -s core ] || same "$({ "$WEIR" report --json core 2>/dev/null || true; } | grep -c '"verdict": "leaked"' || true)" 0
}
@test "the_ways_to_blocks_are_told" {
    core_at_exit "$SHIM_TOOLS/leaked" ways
    "$WEIR" explain --json core --top=100 '*' >explained.json
    "$WEIR" explain core --top=100 '*' >text
    /usr/bin/python3 -S - <<'END'
import json
sites = json.load(open("explained.json"))["sites"]
def way(n): return [s["path"] for s in sites if s["path"] and s["path"]["steps"][-1]["size"] == n][0]
def root(n): return way(n)["root"]
def by(n): return [(s["size"], s["leads_on_at"]) for s in way(n)["steps"]]
def same(a, b): assert a == b, (a, b)
same([(root(n)["kind"], root(n)["symbol"], root(n)["offset"]) for n in (930, 939)], [("global", "in_struct", 16), ("global", "here", 0)])
same([root(n)["kind"] for n in (933, 934, 935, 936, 937, 938, 941)], ["register", "stack", "thread_local", "private", "shared", "thread", "stack"])
same((root(933)["register"], root(935)["symbol"]), ("r12", "in_thread"))
same([root(n)["function"] for n in (941, 934, 933)], ["ways", "on_stack", None])
assert root(933)["thread"] != root(934)["thread"] and root(938)["thread"] == root(941)["thread"] == root(935)["thread"]
same([by(n) for n in (930, 931, 932)], [[(930, None)], [(930, 16), (931, None)], [(930, 16), (931, 40), (932, None)]])
same((len(way(939)["steps"]), way(939)["left_out"], by(939)[0], by(939)[14:]), (16, 299985, (24, 0), [(24, 0), (939, None)]))
same((by(24), root(24)["symbol"]), ([(24, None)], "here"))
same((by(942)[-2:], way(942)["left_out"], by(945)[-3:], way(945)["left_out"]), ([(40, 24), (942, None)], 8985, [(942, 0), (944, 16), (945, None)], 8987))
same((by(1102), root(1102)["kind"], by(1101)), ([(1003, 0), (1101, 24), (1102, None)], "leaked_block", [(1003, 0), (1101, None)]))
same((by(2048), way(2048)["past_the_end"], root(2048)["symbol"]), ([(2048, None)], True, "table"))
same((by(940), way(940)["past_the_end"], root(940)["kind"]), ([(2048, 24), (940, None)], False, "possible_block"))
END
    has text "-> ... 299,985 blocks in between" "register r12 of thread " ", in on_stack "
}
@test "code_that_the_program_made_has_pointers_at_any_byte" {
    core_at_exit "$SHIM_TOOLS/leaked" code
    same "$(sizes core leaked)" 1001
    same "$(sizes core in_use)" "950 951 952"
}
@test "a_core_that_is_cut_short_calls_nothing_leaked" {
    waits paranoid
    takes_core
    ends
    size=$(stat -c %s core)
    for part in 40 60 80 95 99; do
        head -c $((size / 100 * part)) core >cut
        "$WEIR" report --json cut >report.json 2>err || true
        [ ! -s report.json ] || same "$(/usr/bin/python3 -S -c 'import json
d = json.load(open("report.json"))
print([s for s in d["sites"] if s["verdict"] == "leaked"])')" "[]"
    done
}
