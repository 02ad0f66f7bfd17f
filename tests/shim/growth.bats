#!/usr/bin/env bats
# Marks, and growth: a queue that grows beside a cache that does not, all of it in use.
load helpers

setup_file() { build_tools; }
setup() { plain; }
teardown() { [ -z "${program:-}" ] || kill -KILL "$program" 2>/dev/null || true; }

# begin LEVEL [NAME=VALUE...]: starts the program, which waits for lines.
begin() {
    local settings=(LD_PRELOAD="$WEIR_SHIM" WEIR_LEVEL="$1" WEIR_BOX_DIR="$PWD" WEIR_OUTPUT="$PWD/dumps/%n.dump" "${@:2}")
    rm -rf dumps lines out pid
    mkdir dumps
    mkfifo lines
    (
        plain_environment "$PWD"
        close_fds_of_bats
        echo $BASHPID >pid # exec leaves it what it is
        exec env "${settings[@]}" "$SHIM_TOOLS/backlog" asked <lines >out 2>err
    ) 3>&- &
    exec 8>lines
    said ready
    program=$(cat pid)
}
# said WORDS: waits until they are the last line of out.
said() {
    for _ in $(seq 500); do [ "$(tail -n 1 out 2>/dev/null | tr -d '\0')" = "$1" ] && return; sleep 0.02; done
    echo "no \"$1\":"; cat out err; return 1
}
asked() { echo "$*" >&8; said "did $*"; : >out; }
ends() { exec 8>&-; for _ in $(seq 500); do kill -0 "$program" 2>/dev/null || { program=; return 0; }; sleep 0.02; done; return 1; }
weir() { timeout 60 "$WEIR_REPORTER" "$@" 3>&- 8>&-; }
mark() { weir mark "$program" "$1"; }
dump() { weir dump "$program" >path; cp "$(cat path)" "$1"; }
status_of() { local status=0; "$@" >said 2>said.err || status=$?; echo "$status"; }
# since DUMP MARK: name=blocks of each site.
since() { weir report --json --since "$2" "$1" >.json; python3 -c 'import json, sys; d = json.load(open(".json")); print(" ".join(sorted("%s=%d" % (s["name"], s["blocks"]) for s in d["sites"])))'; }

@test "what_was_made_since_a_mark_and_is_still_there_is_shown_by_site" {
    begin paranoid
    asked 1000
    mark "the first"
    asked 500
    mark second
    asked 20
    dump a.dump
    same "$(since a.dump "#2" | grep -o 'queue_put=.*')" "queue_put=40"
    same "$(since a.dump second | grep -o 'queue_put=.*')" "queue_put=40"
    same "$(since a.dump 'the first' | grep -o 'queue_put=.*')" "queue_put=1040"
    lacks .json table_make
    same "$(json '[m["name"] for m in d["marks"]], [(m["number"], m["name"]) for m in d["since"]]' a.dump)" "(['the first', 'second'], [])"
    weir report a.dump >text
    has text "marks          #1 the first " ", #2 second 0s ago" table_make
    weir report --since second a.dump >text
    has text "only what was made since #2 second 0s ago" queue_put
    lacks text table_make
    ends
    silent
}
@test "of_marks_of_one_name_the_latest_counts_and_1024_are_kept" {
    begin paranoid
    mark again
    asked 100
    mark again
    asked 10
    dump a.dump
    same "$(since a.dump again | grep -o 'queue_put=.*')" "queue_put=20"
    same "$(since a.dump '#1' | grep -o 'queue_put=.*')" "queue_put=110"
    asked many
    dump b.dump
    same "$(json '[(m["number"], m["name"]) for m in d["marks"]] == [(n, "even" if n % 2 else "odd") for n in range(19, 1043)]' b.dump)" True
    same "$(status_of weir report --since again b.dump)" 3
    has said.err "no mark is called again; there are: even, odd"
    [ ! -s said ]
}
@test "the_program_may_set_marks_itself_in_a_signal_handler_too" {
    begin simple
    asked mark by itself
    asked handler
    asked nameless
    dump a.dump
    same "$(json '[m["name"] for m in d["marks"]]' a.dump)" "['by itself', 'from a handler', '']"
    ends
    "$SHIM_TOOLS/backlog" asked <<<"mark without weir" >plain
    has plain "did mark without weir"
}
@test "a_name_may_hold_anything_and_is_shown_harmless" {
    begin paranoid
    asked "mark $(printf 'a\033[2Jb')"
    asked "mark $(printf '%0100d' 7)"
    dump a.dump
    same "$(json '[len(m["name"]) for m in d["marks"]][1]' a.dump)" 63
    weir report --full a.dump >text
    has text '#1 a\x1b[2Jb '
    lacks text $'\033[2J'
}
@test "a_child_of_fork_has_its_parents_marks" {
    cat >forks.py <<'P'
import ctypes, os, sys, time
weir = ctypes.CDLL(None)
weir.weir_mark(b"before")
time.sleep(0.05)
if os.fork() == 0:
    weir.weir_mark(b"in the child")
    sys.exit(0)
os.wait()
P
    expect 0 paranoid python3 forks.py
    for dump in dumps/*; do json '(d["process"]["forked_from"] is not None, [m["name"] for m in d["marks"]])' "$dump"; done | sort >marks
    same "$(cat marks)" "$(printf '%s\n' "(False, ['before'])" "(True, ['before', 'in the child'])")"
}
@test "marks_of_many_threads_are_whole_in_each_child_that_is_forked_meanwhile" {
    cat >threads.py <<'P'
import ctypes, os, threading
weir, done = ctypes.CDLL(None), threading.Event()
def work(letter):
    while not done.is_set(): weir.weir_mark(letter * 60)
threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
for thread in threads: thread.start()
for _ in range(20):
    if os.fork() == 0:
        weir.weir_mark(b"child")
        os._exit(0)
    os.wait()
done.set()
for thread in threads: thread.join()
P
    expect 0 paranoid python3 threads.py
    silent
    local dump
    for dump in dumps/*; do json '(len(d["marks"]) > 20, all(len(set(m["name"])) == 1 and len(m["name"]) == 60 for m in d["marks"] if m["name"] != "child"), [m["number"] for m in d["marks"]] == sorted(set(m["number"] for m in d["marks"])), d["marks"][-1]["name"] == "child")' "$dump"; done | sort | uniq -c | sed 's/^ *//' >seen
    same "$(cat seen)" "$(printf '%s\n' "1 (True, True, True, False)" "20 (True, True, True, True)")"
}
@test "of_two_dumps_the_queue_has_grown_and_the_cache_has_not" {
    local level
    for level in simple paranoid; do
        begin $level WEIR_SAMPLE_RATE=1000000
        asked 20000
        dump old.dump
        asked 20000
        dump new.dump
        same "$level $(status_of weir diff --json old.dump new.dump)" "$level 1"
        cp said .json
        python3 - $level <<'P' >seen
import json, sys
d = json.load(open(".json"))
exact = sys.argv[1] == "paranoid"
grown = [s for s in d["sites"] if s["bytes"]["grew"]]
q = grown[0]
minutes = d["seconds_apart"] / 60
# Some of the cache was made at start, by another stack; and where there are only samples it may have grown by chance, one
# time in 40. Not by as much.
print(q["name"], all(s["at_least"]["by"] * 4 < q["at_least"]["by"] for s in grown[1:]), d["same_process"])
truth = 20000 * 256
print(q["bytes"]["by"] == truth if exact else q["at_least"]["by"] < 1.5 * truth and q["at_most"]["by"] > 0.6 * truth)
print(abs(q["bytes_a_minute"]["by"] * minutes / q["bytes"]["by"] - 1) < 0.1, abs(sum(q["ages"]) / q["bytes_now"] - 1) < 0.001)
P
        same "$level $(cat seen)" "$level $(printf '%s\n' "queue_put True True" True "True True")"
        same "$(status_of weir diff old.dump new.dump)" 1
        has said "GREW: queue_put" "    Aged "
        same "$(status_of weir diff new.dump new.dump)" 0
        ends
    done
}
@test "one_dump_tells_a_queue_that_nobody_drains_by_the_ages_of_its_blocks" {
    expect 0 paranoid "$SHIM_TOOLS/backlog" paced 6
    local dump=dumps/*
    json 'sorted((s["name"], s["growing"] is not None) for s in d["sites"] if s["name"] in ("queue_put", "cache_replace", "table_make"))' $dump >growing
    same "$(cat growing)" "[('cache_replace', False), ('queue_put', True), ('table_make', False)]"
    # It never drains: what is there by the time that it ran is the rate.
    same "$(json '[s["growing"]["low"] < s["growing"]["bytes_a_minute"] < s["growing"]["high"] and abs(s["growing"]["bytes_a_minute"] / (s["bytes"] * 60 / d["process"]["uptime_seconds"]) - 1) < 0.02 for s in d["sites"] if s["growing"]]' $dump)" "[True]"
    weir report $dump >text
    has text ", growing "
    same "$(grep -c 'growing' text)" 1
}
@test "a_mark_that_cannot_be_and_a_program_that_has_none" {
    begin paranoid
    same "$(status_of weir mark)" 2
    same "$(status_of weir mark "$program")" 2
    same "$(status_of weir mark x name)" 2
    same "$(status_of weir mark "$program" a b)" 2
    same "$(status_of weir mark "$program" "")" 2
    same "$(status_of weir mark "$program" "#1")" 2
    same "$(status_of weir mark "$program" $'a\nWEIR_LEVEL=0')" 2
    same "$(status_of weir mark "$program" "$(printf '%064d' 0)")" 2
    same "$(status_of weir mark --timeout=x "$program" a)" 2
    same "$(status_of weir mark $$ a)" 3
    has said.err "it does not run under weir"
    same "$(status_of weir set "$program" mark=a)" 2
    dump a.dump
    same "$(status_of weir report --since=x a.dump)" 3
    has said.err "a.dump: no mark is called x; there is none"
    same "$(status_of weir report --since= a.dump)" 2
    mark x
    dump b.dump
    same "$(status_of weir report --since=x --memory b.dump)" 2
    same "$(status_of weir report --since=x --sort=total b.dump)" 2
    same "$(status_of weir report --since=x a.dump b.dump)" 0 # the older one needs none
    same "$(status_of weir report '--since=#2' b.dump)" 3
    same "$(json 'd["process"]["level"]' b.dump)" paranoid
    weir mark --help >help
    same "$(awk 'length > 80' help)" ""
}
