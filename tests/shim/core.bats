#!/usr/bin/env bats
# A core is a dump: weir report reads the one of a program that ran under weir.
load helpers
load cores

setup_file() { build_tools; }
setup() { plain; }
WEIR=$WEIR_ROOT/${WEIR_BUILD:-build}/weir
SEGV=139 ABRT=134
thread() { sed -n "s/^$1 //p" out; }
report() { "$WEIR" report "$@" core >report; }
# what_lives FILE: each site that has blocks, with its frames, a line each.
what_lives() {
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
for line in sorted("{blocks} {bytes} ".format(**s) + " ".join("{module}+{offset}".format(**f) for f in s["frames"])
                   for s in json.load(sys.stdin)["sites"] if s["blocks"]): print(line)'
}
same_lives() { # same_lives CORE DUMP
    what_lives "$1" >from_core
    what_lives "$2" >from_dump
    [ "$(wc -l <from_core)" -gt 4 ] || { cat from_core; false; }
    cmp from_core from_dump || { diff from_core from_dump; false; }
}
# ever FILE: what was ever made at each site that has blocks, a line each; nothing, where that is not known.
ever() {
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
for line in sorted("{allocations} {bytes} {frees} {temporary} {peak_blocks} {lifetimes} ".format(**s["ever"]) + " ".join("{module}+{offset}".format(**f) for f in s["frames"])
                   for s in json.load(sys.stdin)["sites"] if s["blocks"] and s["ever"]): print(line)'
}

@test "what_lives_is_what_a_dump_of_the_same_crash_has" {
    for what in uses_freed aborts; do # one that crashes, one that aborts
        for level in simple paranoid; do
            cored "$([ $what = aborts ] && echo $ABRT || echo $SEGV)" $level WEIR_ON_CRASH=dump WEIR_SAMPLE_BYTES=2000 $what
            same_lives core "$(the_dump cored)"
        done
    done
}
# arena_of FILE: its counters, the arena by class and where memory is charged, a line each.
arena_of() {
    "$WEIR" report --json "$1" | /usr/bin/python3 -S -c 'import json, sys
def lines(at, of):
    for name, value in of.items() if isinstance(of, dict) else enumerate(of):
        if isinstance(value, (dict, list)): lines(f"{at}.{name}", value)
        elif name != "peak_age_seconds": print(f"{at}.{name} {value}")
report = json.load(sys.stdin)
lines("", {part: report[part] for part in ("direct", "mapped")})
lines(".totals", {name: of for name, of in report["totals"].items() if name in ("sites", "blocks", "bytes", "untracked_blocks")})
lines(".sampling", {name: of for name, of in (report["sampling"] or {}).items() if name != "sampled_places"})
lines(".ever", {"ever": report["ever"]})
lines(".mappings", sorted(str({name: of for name, of in m.items() if "seconds" not in name}) for m in report["mappings"]))
lines(".classes", report["parts"][0]["classes"])
lines(".memory", {row["kind"]: row["charged"] for row in report["memory"]["rows"]})'
}
@test "the_arena_by_class_and_where_memory_is_are_what_a_dump_of_the_same_crash_has" {
    local level what
    for level in disabled simple paranoid; do for what in uses_freed holds_much; do
        cored "$([ $what = uses_freed ] && echo $SEGV || echo $ABRT)" $level WEIR_BOX=off WEIR_ON_CRASH=dump WEIR_SAMPLE_BYTES=2000 \
            WEIR_SAMPLE_RATE=100 "$([ "$level $what" = "disabled holds_much" ] && echo WEIR_HARDEN=1 || echo WEIR_GUARD=0)" $what
        arena_of core >from_core
        arena_of "$(the_dump cored)" >from_dump
        [ "$(grep -cE '^.classes.[0-9]+.live [1-9]' from_core)" -gt 3 ] || { cat from_core; false; }
        cmp from_core from_dump || { diff from_core from_dump; false; }
        "$WEIR" report --memory core >report
        has report "cached: free and retained" "what is resident no core tells"
        lacks report "of an older version" "the counter's is"
    done; done
}
@test "what_was_ever_made_is_there_with_the_core_or_with_the_box" {
    for level in simple paranoid; do
        # Without a file the rows are in the core.
        cored $SEGV $level WEIR_BOX=off WEIR_ON_CRASH=dump WEIR_SAMPLE_BYTES=2 uses_freed
        ever core >from_core
        ever "$(the_dump cored)" >from_dump
        [ "$(wc -l <from_core)" -gt 4 ] || { cat from_core; false; }
        cmp from_core from_dump || { diff from_core from_dump; false; }
        mkdir boxes
        cored $SEGV $level WEIR_BOX_DIR="$PWD/boxes" WEIR_SAMPLE_BYTES=2 uses_freed
        ever core >from_core
        ever boxes/*/*.box | cut -d' ' -f2- >from_box
        [ "$(wc -l <from_core)" -gt 4 ] || { cat from_core; false; }
        cut -d' ' -f2- from_core | cmp - from_box || { diff from_core from_box; false; }
        mv boxes elsewhere
        same "$(ever core)" ""
        rm -r elsewhere
    done
}
@test "what_the_box_of_a_program_that_goes_on_says_is_not_of_the_core" {
    command -v gcore >/dev/null || skip "there is no gcore"
    local shim=$WEIR_SHIM
    mkdir boxes
    mkfifo input
    (plain_environment "$PWD"; close_fds_of_bats; exec env LD_PRELOAD="$shim" WEIR_LEVEL=paranoid WEIR_DUMP_AT=none WEIR_BOX_DIR="$PWD/boxes" \
        /usr/bin/perl -e '$| = 1; print "up\n"; <STDIN>; my @a = map { "x" x 100 } 1 .. 10 for 1 .. 1000; print "more\n"; <STDIN>') <input >up 2>err &
    local pid=$!
    exec 7>input
    wait_for 10 grep -q up up
    gcore -o core "$pid" >/dev/null 2>&1 || { kill -9 $pid; skip "gcore does not work here"; }
    echo >&7
    wait_for 10 grep -q more up
    kill -9 $pid
    exec 7>&-
    same "$(json 'd["ever"]' "core.$pid")" None
}
@test "a_use_after_free_names_the_block_its_maker_and_who_freed_it" {
    cored $SEGV paranoid uses_freed
    report
    has report "Killed by SIGSEGV at 0x8, where no memory is" "the start of the freed block of 512 B" "make_item" \
        "Freed by thread $(thread frees) at:" "free_item"
    same "$(grep -A 2 "^Killed" report | tail -n 2 | awk '{ print $1, $2 }')" "Thread $(thread uses):
use_item tests/shim/cored.c:$(grep -n 'item->next->rest' "$WEIR_ROOT/tests/shim/cored.c" | cut -d: -f1)"
    has report "Thread $(thread main):" "Thread $(thread waits):" "large <.. waits"
}
@test "a_pointer_that_was_read_from_a_freed_block_is_known_by_its_pattern" {
    cored $SEGV paranoid follows_freed
    report
    has report "Killed by SIGSEGV: an address that cannot be one" \
        "a register has what freed blocks are filled with: it was read from one" "of the freed block of 512 B" make_item
}
@test "a_double_free_names_its_block_as_the_message_does" {
    cored $ABRT paranoid frees_twice
    report
    has report "Killed by SIGABRT" "Freed by thread $(thread frees) at:" make_item free_item
    has report "weir has ended it: double free of the block of 512 B at $(sed -n 's/.*free(\(0x[0-9a-f]*\)).*/\1/p' err)"
}
@test "a_stack_overflow_is_called_one" {
    for level in disabled paranoid; do
        cored $SEGV $level overflows
        report
        has report "the stack has overflowed" dives "more frames (--full)"
    done
}
@test "a_read_behind_a_block_says_how_far" {
    cored $SEGV paranoid WEIR_GUARD=1 reads_behind
    report
    has report "the address is 24 bytes behind the block of 256 KiB at 0x" "reads_behind" "by thread $(thread main), at:"
}
@test "a_block_that_was_written_behind_is_found_by_looking_at_all" {
    cored $ABRT paranoid writes_behind
    report
    has report "the block of 100 B at 0x" "was written to behind its end, at byte 100"
    cored $ABRT paranoid aborts
    report
    lacks report "was written to"
    has report "Killed by SIGABRT"
}
# item N: where it was.
item() { sed -n "s/^item$1 //p" out; }
@test "what_was_written_over_while_it_was_free_is_found_by_looking_at_all" {
    for whose in "" remote; do
        for level in disabled simple paranoid; do # without entries, with some, with all
            cored $ABRT $level WEIR_SAMPLE_BYTES=2 smashes_link $whose
            report
            [ $level = disabled ] && block="a place" || block="the freed block"
            has report "$block of 512 B at $(item 1) was written to while it was free, at its start: it leads to 0x4141414141414141, which"
            [ $level = disabled ] || has report "make_item" "Freed by thread" "free_item"
            "$WEIR" report --json core >report.json
            ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || /usr/bin/python3 "$WEIR_ROOT/tests/lib/valid.py" report report.json
            cored $ABRT $level WEIR_SAMPLE_BYTES=2 smashes_circle $whose
            report
            has report "$block of 512 B at $(item 1) was written to while it was free, at its start: it leads to $(item 2), which"
        done
        cored $ABRT paranoid smashes_middle $whose
        report
        has report "the freed block of 512 B at $(item 1) was written to after it was freed, at byte 100" "make_item" "free_item"
        cored $ABRT paranoid WEIR_ZERO_ON_FREE=1 smashes_middle $whose
        report
        has report "the freed block of 512 B at $(item 1) was written to after it was freed, at byte 100"
        cored $ABRT paranoid WEIR_PATTERN=0 smashes_middle $whose
        report
        lacks report "written"
        cored $ABRT paranoid smashes_nothing $whose
        report
        lacks report "written"
    done
}
# Nothing writes where it may not; CORES of them.
@test "at_any_instant_nothing_half_done_is_called_damage" {
    [[ $(cat /proc/sys/kernel/core_pattern) != [\|/]* ]] && ulimit -c unlimited 2>/dev/null || skip "the kernel writes no core here"
    for ((i = 0; i < ${CORES:-4}; i++)); do
        settings=(WEIR_LEVEL="$([ $((i % 4)) = 3 ] && echo simple || echo paranoid)" WEIR_HARDEN=$((i % 3 == 1)) WEIR_ZERO_ON_FREE=$((i % 5 == 2)))
        rm -f core*
        env WEIR_MAX_DIRECT=96M WEIR_PATTERN=1 WEIR_QUIET=1 WEIR_DUMP_AT=none "${settings[@]}" LD_PRELOAD="$WEIR_SHIM" \
            "$SHIM_TOOLS/stress" 5 >/dev/null 2>&1 3>&- &
        sleep 0.$((RANDOM % 900 + 100))
        kill -ABRT $!
        wait $! || true
        for core in core*; do
            "$WEIR" report --json "$core" >report.json || true
            same "$(/usr/bin/python3 -S -c 'import json
print([b for c in json.load(open("report.json"))["cores"] for b in c["blocks"]])')" "[]"
        done
    done
}
@test "a_call_of_what_is_no_code_shows_who_called_it" {
    cored $SEGV simple calls_nothing
    report
    has report "Killed by SIGSEGV at 0x0"
    grep -A 3 "^Killed" report | tail -n 2 | awk '{ print $1 }' >frames
    same "$(cat frames)" "0x0
main"
}
@test "a_forked_childs_core_lists_what_it_made" {
    cored 0 paranoid forks
    report
    has report "inherited from process $(thread main) are not listed" "Killed by SIGABRT"
    lacks report "few <.."
}
@test "a_process_that_goes_on_can_be_looked_at_by_gcore" {
    command -v gdb >/dev/null || skip "there is no gdb"
    mkdir -p dumps
    LD_PRELOAD=$WEIR_SHIM WEIR_LEVEL=paranoid WEIR_OUTPUT=$PWD/dumps/%e.%p.%n.dump "$SHIM_TOOLS/cored" waits >out 3>&- &
    local pid=$!
    for ((i = 0; i < 100; i++)); do [ "$(wc -l <out)" -ge 2 ] && sleep 0.1 && break || sleep 0.05; done
    "$WEIR" dump $pid >/dev/null
    gdb -batch -nx -p $pid -ex 'generate-core-file core' >/dev/null 2>&1
    kill -9 $pid
    report
    has report "Taken while it ran" "Thread $pid:" "Thread $(thread waits):" 
    same_lives core "$(last_dump cored)"
}
@test "what_is_no_core_of_weirs_is_one_line" {
    cored $ABRT without aborts
    ! report 2>err || false
    same "$(cat err)" "weir: core: a core without weir's tables: not of a program that ran under libweir.so"
    "$WEIR" report core >/dev/null 2>&1 || same $? 3
}
@test "a_core_that_is_cut_short_tells_what_it_has" {
    cored $SEGV paranoid uses_freed
    size=$(stat -c %s core)
    for part in 1 2 10 50 90 99; do
        head -c $((size / 100 * part)) core >cut
        status=0
        "$WEIR" report cut >report 2>err || status=$?
        same $status 3
        grep -qE "cut short|ends inside|missing" err report || { cat err report; false; }
    done
}
@test "a_core_without_weirs_memory_says_so" {
    [[ $(cat /proc/sys/kernel/core_pattern) != [\|/]* ]] && ulimit -c unlimited || skip "the kernel writes no core here"
    for filter in 0x10 0x4; do
        LIMIT=30 under paranoid sh -c "echo $filter >/proc/self/coredump_filter; exec '$SHIM_TOOLS/cored' uses_freed"
        for found in core core.*; do [ ! -f "$found" ] || mv -n "$found" core 2>/dev/null || true; done
        ! "$WEIR" report core 2>err || false
        has err "a core without the memory of libweir.so"
        rm core
    done
}
@test "what_zstd_or_lz4_has_packed_is_read" {
    local pack packed=0
    cored $SEGV paranoid uses_freed
    report
    for pack in zstd lz4; do
        command -v $pack >/dev/null || continue
        packed=$((packed + 1))
        $pack -q -c core >core.$pack
        touch -r core core.$pack
        "$WEIR" report core.$pack >from_packed
        cmp <(sed "s/core\.$pack/core/g" from_packed) report
        head -c 2000 core.$pack >cut
        ! "$WEIR" report cut 2>err || false
        has err "packed by $pack, and cut short"
        # What there is of it is shown.
        (cat core.$pack; head -c 100000 /dev/urandom) >more
        ! "$WEIR" report more >partial 2>err || false
        has partial "packed by $pack, and damaged" "make_item"
        head -c $(($(stat -c %s core.$pack) - 4)) core.$pack >cut
        ! "$WEIR" report cut >partial 2>err || false
        has partial "packed by $pack, and cut short"
        (printf '\x50\x2a\x4d\x18\x04\0\0\0abcd'; cat core.$pack) >skipped
        touch -r core skipped
        "$WEIR" report skipped >from_packed
        cmp <(sed "s/skipped/core/g" from_packed) report
        ! (ulimit -f 100; "$WEIR" report core.$pack >refused 2>err) || false
        has err "there is no room to unpack it"
        $pack -q -c "$WEIR" >other
        ! "$WEIR" report other 2>err || false
        has err "packed by $pack, but no core"
        (head -c 4 core.$pack; head -c 1000 /dev/urandom) >begins
        ! "$WEIR" report begins 2>err || false
    done
    [ $packed -gt 0 ] || skip "there is neither zstd nor lz4"
}
@test "without_the_files_on_disk_there_is_what_the_core_has" {
    cp "$SHIM_TOOLS/cored" cored
    cp "$WEIR_SHIM" libmoved.so
    SHIM_TOOLS=$PWD WEIR_SHIM=$PWD/libmoved.so cored $SEGV paranoid uses_freed
    rm cored libmoved.so
    report || true
    has report "155 live blocks tracked" "Thread $(thread uses):" "Freed by thread $(thread frees)" "cored+0x"
}
@test "several_cores_and_dumps_are_merged_and_compared" {
    cored $SEGV paranoid WEIR_ON_CRASH=dump uses_freed
    mv core first
    cp "$(the_dump cored)" dump
    "$WEIR" report first dump >report
    has report "of one process only the newest counts" "at core" "at crash"
    cored $ABRT paranoid aborts
    "$WEIR" report first core >report
    has report "2 dumps, merged by site" "Killed by SIGSEGV" "Killed by SIGABRT"
    "$WEIR" diff first core >report
    has report "nothing grew"
}
