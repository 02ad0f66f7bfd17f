#!/usr/bin/env bats
# What interrupts an allocator at the worst moments, random models of its promises, and programs that misuse memory.
load helpers
# What disabled does simple does, too, and builds with asserts do it.
[ "$LONG" ] || [[ ${WEIR_BUILD:-build} == *debug* ]] || LEVELS="simple paranoid"

setup_file() { build_tools; }
setup() { plain; }

survives() { # survives KIND ROUNDS
    local level
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/storm" "$@"
        same "$(cat out)" survived
        silent
    done
}
@test "children_of_fork_allocate_while_threads_do" { survives fork $(few 200); }
@test "threads_of_children_take_over_what_their_parents_threads_had" { survives threads $(few 100); }
@test "children_forked_at_any_instruction_find_usable_heaps" {
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/cuts" "$(few 300)"
        same "$(cat out)" "$(few 300) cuts"
        silent
    done
}
@test "children_of_a_raw_clone_allocate_while_threads_do" { survives clone $(few 200); }
@test "fork_and_streams_and_getline_do_not_lock_each_other_out" { survives stdio $(few 100); }
@test "children_of_vfork_allocate_in_their_parents_memory" { survives vfork $(few 500); }
@test "a_handler_at_1_khz_allocates_whatever_it_interrupts" { survives signal $(few 4000); }


# interrupted KIND: at random instructions, as many as some ten thousands of steps lead to.
interrupted() {
    local level
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/everywhere" "$1" "$(few 15000)"
        grep -qxE '[0-9]{3,} instructions, [0-9]+ signals' out || { seen; return 1; }
        silent
        echo "$level: $(cat out)"
    done
}
@test "a_handler_allocates_at_any_instruction_of_hits" { interrupted hits; }
@test "a_handler_allocates_at_any_instruction_where_lists_end" { interrupted lists; }
@test "a_handler_allocates_at_any_instruction_of_larger_places" { interrupted places; }
@test "a_handler_allocates_at_any_instruction_of_runs" { interrupted runs; }
@test "a_handler_allocates_at_any_instruction_where_sizes_change" { interrupted sizes_change; }
@test "a_handler_allocates_at_any_instruction_where_blocks_are_touched" { interrupted touches; }
@test "a_handler_allocates_at_any_instruction_of_frees_of_others_blocks" { interrupted from_others; }

@test "all_that_holds_in_the_small_arena_of_a_limited_address_space" {
    ulimit -v 4000000
    survives signal 500
    survives threads $(few 50)
    survives clone $(few 50)
}

no_wrong_byte() { # no_wrong_byte LEVEL SEED...
    local level=$1 seed
    shift
    for seed; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/model" 300000 4 "$seed"
        same "$(cat out)" "300000 operations, no wrong byte" || { echo "seed $seed"; return 1; }
        silent
    done
}
@test "random_operations_of_4_threads_keep_each_byte_disabled" { no_wrong_byte disabled 1 $RANDOM; }
@test "random_operations_of_4_threads_keep_each_byte_paranoid" { no_wrong_byte paranoid 1 $RANDOM; }
@test "random_operations_keep_each_byte_where_freed_memory_is_zeroed" {
    LIMIT=60 expect 0 disabled WEIR_DUMP_AT=none WEIR_ZERO_ON_FREE=1 "$SHIM_TOOLS/model" 100000 4
    same "$(cat out)" "100000 operations, no wrong byte"
}

@test "threads_that_come_and_go_leave_nothing" {
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/threads" "$(few 30000)" 64
        echo "$level: $(cat out)"
    done
}

# counted PROGRAM WORDS: the number behind these words in the full report of its dump.
counted() {
    timeout 60 "$WEIR_REPORTER" report --full "$(the_dump "$1")" >text </dev/null 3>&- || return 1
    sed -nE "s/^  $2 +([0-9]+)\$/\1/p" text
}
at_most() { [ "$1" -le "$2" ] || { echo "$1 $3, not $2 at most"; seen; return 1; }; }

# jumps_out_of HOW PROGRAM...: at both levels the program goes on, and nothing is refused; a few heaps are given up.
jumps_out_of() {
    local level how=$1 program=$2
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" "$SHIM_TOOLS/$program" "$how"
        silent
        has out "${3:-0 failures}"
        at_most "$(counted "$program" "heaps ever made")" 20 heaps
        [ "$(counted "$program" "jumps out of malloc or free")" -gt 0 ] || { cat text; false; }
    done
}
@test "a_handler_may_leave_a_hit_by_siglongjmp" { jumps_out_of hits jumps; }
@test "a_handler_may_leave_a_slow_path_by_siglongjmp" { jumps_out_of slow jumps; }
@test "who_has_left_by_siglongjmp_may_wait_for_others" { jumps_out_of waits jumps; }
@test "exit_in_a_handler_may_wait_for_others" {
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/jumps" exits
        silent
        same "$(cat out)" "100 ended, 0 failures"
    done
}
@test "who_has_left_by_an_exception_may_wait_for_others" { jumps_out_of waits thrown "300 caught"; }

# thread_ends HOW WHEN THREADS LOST HEAPS: at both levels all come to their end, of runs of theirs so many are lost at
# most, heaps are few, and what is retained does not go on growing. (By a jump out of malloc a heap is given up with what it
# has: half a MiB and more here, which a later one uses again.)
thread_ends() {
    local level ended cleaned lost more jumps
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" "${by[@]}" "$SHIM_TOOLS/cancelled" "$1" "$2" "$3"
        silent
        read -r ended cleaned lost more < <(sed -nE 's/^([0-9]+) ended so, ([0-9]+) cleaned, ([0-9]+) runs lost, (-?[0-9]+) KiB more$/\1 \2 \3 \4/p' out)
        same "$ended $cleaned" "$3 $3"
        at_most "$lost" "$4" "runs"
        jumps=$(counted cancelled "jumps out of malloc or free")
        at_most "$more" $((16384 + 1024 * jumps)) "KiB retained"
        at_most "$(counted cancelled "heaps ever made")" "$5" heaps
    done
}
@test "threads_are_cancelled_at_any_moment_of_malloc_and_free" {
    thread_ends cancel sometime $(few 500) 50 4
    same "$(counted cancelled "jumps out of malloc or free")" 0
}
@test "threads_are_cancelled_at_any_instruction" { thread_ends cancel anywhere $(few 150) 15 4; }
# posix_spawn has the signal of cancellations ignored in who it starts.
@test "threads_are_cancelled_in_a_program_that_was_spawned" {
    by=(/usr/bin/python3 -S -c 'import os, sys
sys.exit(os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)[1]))')
    thread_ends cancel sometime $(few 500) 50 4
    same "$(counted cancelled "jumps out of malloc or free")" 0
}
@test "threads_exit_in_handlers_at_any_moment_of_malloc_and_free" { thread_ends exit sometime $(few 500) 150 16; }
@test "hardening_finds_nothing_wrong_with_what_threads_left" {
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none WEIR_HARDEN=1 "$SHIM_TOOLS/cancelled" exit sometime "$(few 500)"
        silent
    done
}
@test "threads_exit_in_handlers_at_any_instruction" { thread_ends exit anywhere $(few 150) 40 16; }
@test "what_a_handler_is_refused_is_told_and_counted" {
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=exit "$SHIM_TOOLS/jumps" nested
        has err "weir: failed to allocate 900 byte(s) in a signal handler that interrupted weir: what is set aside for those is used up"
        json 'd["direct"]["refused"] > 0' "$(the_dump jumps)" >refused
        same "$(cat refused)" True
    done
}

@test "hardening_keeps_each_byte_and_survives_storms" {
    local level
    for level in $LEVELS; do
        LIMIT=60 expect 0 "$level" WEIR_HARDEN=1 WEIR_DUMP_AT=none "$SHIM_TOOLS/model" 40000 4
        same "$(cat out)" "40000 operations, no wrong byte"
        silent
        for storm in "fork 8" "threads 4" "signal 100"; do
            LIMIT=60 expect 0 "$level" WEIR_HARDEN=1 WEIR_DUMP_AT=none "$SHIM_TOOLS/storm" $storm
            same "$(cat out)" survived
            silent
        done
        LIMIT=60 expect 0 "$level" WEIR_HARDEN=1 WEIR_MAX_DIRECT=64M WEIR_QUIET=1 WEIR_DUMP_AT=none "$SHIM_TOOLS/stress" 1
        lacks out " 0 operations"
    done
}

# --- misuse ---

# is_told HOW LEVELS WORDS: at these levels one message names the pointer and the kind; the program ends by SIGABRT, or
# goes on where it was asked to.
is_told() {
    local how=$1 levels=$2 words=$3 level
    for level in $levels; do
        expect 134 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/misuse" "$how"
        told_once
        same "$(cat out)" ""
        expect 0 "$level" WEIR_DUMP_AT=none WEIR_ON_ERROR=report "$SHIM_TOOLS/misuse" "$how"
        told_once
        same "$(cat out)" "went on"
    done
}
told_once() {
    same "$(grep -cE '^weir: (free|realloc|malloc)\(0x[0-9a-f]+\): ' err)" 1 || { seen; return 1; }
    grep -qE "^weir: (free|realloc|malloc)\(0x[0-9a-f]+\): $words" err || { echo "no '$words' at $level"; seen; return 1; }
    same "$(grep -cvE '^weir:  ' err)" 1 || { seen; return 1; } # the others belong to it
}
not_told() { # not_told HOW LEVEL
    expect 0 "$2" WEIR_DUMP_AT=none "$SHIM_TOOLS/misuse" "$1"
    same "$(cat out)" "went on"
    silent
}

@test "a_block_freed_twice_is_told" { is_told double "$LEVELS" 'double free of the (block of 100|place of 128) bytes at 0x'; }
@test "a_block_freed_twice_later_is_told" { is_told double_later "$LEVELS" 'double free of the (block of 100|place of 128) bytes at 0x'; }
@test "a_block_freed_twice_is_told_though_its_slab_was_empty" {
    is_told double_first "$LEVELS" 'double free of the (block of 3000|place of 3072) bytes at 0x'
}
@test "a_block_freed_twice_is_told_after_many_others" {
    is_told double_far "$LEVELS" 'double free of the (block of 100|place of 128) bytes at 0x'
}
@test "a_block_freed_twice_by_another_thread_is_told" {
    is_told double_elsewhere "$LEVELS" 'double free of the (block of 100|place of 128) bytes at 0x'
    is_told double_elsewhere_later "$LEVELS" 'double free of the (block of 100|place of 128) bytes at 0x'
}
@test "without_the_check_a_block_freed_twice_later_passes" {
    expect 0 disabled WEIR_CHECK=0 WEIR_DUMP_AT=none "$SHIM_TOOLS/misuse" double_later
    silent
}
@test "a_pointer_into_a_block_is_told" { is_told interior_then_many "$LEVELS" 'not the start of a block: 16 byte\(s\) into the (block of 100|place of 128) bytes'; }
@test "what_is_freed_into_a_slab_that_rests_is_looked_at" {
    is_told double_among_many "$LEVELS" 'double free of the (block of 100|place of 112) bytes at 0x'
    is_told interior_among_many "$LEVELS" 'not the start of a block: 16 byte\(s\) into the (block of 100|place of 112) bytes'
}
@test "a_large_block_freed_twice_is_told" {
    is_told double_large disabled "in weir's arena, but there is no block \(any more\)"
    is_told double_large paranoid 'double free of the block of 1000000 bytes at 0x'
    has err "weir:   made at misuse+0x" "weir:   freed at misuse+0x"
}
@test "a_pointer_into_a_large_block_is_told" { is_told interior_large "$LEVELS" 'not the start of a block: 65536 byte\(s\) into the (block of 1000000|place of 1003520) bytes'; }
@test "a_pointer_beyond_the_end_of_a_block_is_told_as_such" {
    is_told beyond paranoid "not the start of a block, but beyond one's end: 110 byte\(s\) from the start of the block of 100 bytes"
    is_told beyond_large paranoid "not the start of a block, but beyond one's end: 131064 byte\(s\) from the start of the block of 73000 bytes"
    is_told beyond_large disabled "not the start of a block, but beyond one's end: 131064 byte\(s\) from the start of the place of 73728 bytes"
}
@test "a_pointer_to_the_stack_is_told" {
    is_told stack disabled 'not a block'
    is_told stack paranoid "not a block, but on this thread's stack"
}
@test "a_pointer_to_data_is_told" { is_told data "$LEVELS" 'not a block, but static data at misuse\+0x'; }
@test "realloc_of_a_freed_block_is_told" { is_told realloc_freed "$LEVELS" 'double free of the (block of 100|place of 128) bytes'; }
@test "realloc_of_the_stack_is_told" { is_told realloc_stack "$LEVELS" 'not a block'; }
@test "a_write_to_a_freed_block_is_told" { is_told write_after_free "$LEVELS" 'a free block was written to'; }

@test "a_write_past_the_end_of_a_block_is_told" {
    is_told past_end paranoid 'the block of 100 bytes at 0x[0-9a-f]+ was written to past its end, at byte 103; called from misuse\+0x'
    has err "weir:   made at misuse+0x"
    is_told past_end_of_nothing paranoid 'the block of 0 bytes at 0x[0-9a-f]+ was written to past its end, at byte 0'
    is_told past_end_large paranoid 'the block of 73000 bytes at 0x[0-9a-f]+ was written to past its end, at byte 73000'
    is_told past_end_aligned paranoid 'the block of 100 bytes at 0x[0-9a-f]+ was written to past its end, at byte 100'
    is_told past_end_realloc paranoid 'the block of 100 bytes at 0x[0-9a-f]+ was written to past its end, at byte 100'
}
@test "a_link_that_leads_to_a_live_block_is_told" {
    is_told linked_to_live paranoid 'a free block was written to \(use after free\), found at the next allocation of 64 bytes'
    expect 0 paranoid WEIR_DUMP_AT=none WEIR_ON_ERROR=report "$SHIM_TOOLS/misuse" linked_to_live
    lacks out "handed out twice"
}
@test "a_write_into_a_freed_block_is_told_wherever_it_hits" {
    is_told write_after_free_inside paranoid 'a free block was written to \(use after free\): byte 50 of what was the block of 100 bytes at 0x[0-9a-f]+, found when its place was to be used again; called from misuse\+0x'
    has err "weir:   made at misuse+0x" "weir:   freed at misuse+0x"
    is_told write_after_free_calloc paranoid 'a free block was written to \(use after free\): byte 5000 of what was the block of 6000 bytes at 0x'
    WEIR_ZERO_ON_FREE=1 is_told write_after_free_inside paranoid 'a free block was written to \(use after free\): byte 50 of'
}
@test "without_a_pattern_writes_are_not_looked_for" {
    for how in past_end write_after_free_inside; do
        expect 0 paranoid WEIR_DUMP_AT=none WEIR_PATTERN=0 "$SHIM_TOOLS/misuse" $how
        silent
    done
}
@test "what_malloc_usable_size_says_may_be_written" {
    for level in $LEVELS; do
        for pattern in 0 1; do
            expect 0 "$level" WEIR_DUMP_AT=none WEIR_PATTERN=$pattern "$SHIM_TOOLS/misuse" usable
            silent
        done
    done
}

@test "a_misuse_names_the_caller" {
    for how in double stack realloc_freed interior_large data; do
        expect 0 paranoid WEIR_DUMP_AT=none WEIR_ON_ERROR=report "$SHIM_TOOLS/misuse" $how
        has err "called from misuse+0x" || { echo "of $how"; false; }
        [[ $how == stack || $how == data ]] || has err "made at misuse+0x"
    done
}

@test "misuse_is_counted_in_the_dump" {
    expect 0 paranoid WEIR_ON_ERROR=report "$SHIM_TOOLS/misuse" double
    timeout 60 "$WEIR_REPORTER" report --full "$(the_dump misuse)" >text </dev/null 3>&-
    grep -iE 'double, interior and wild frees +1$' text || { cat text; false; }
}

# --- 116 small programs of one fault each ---

# faults_stopped LEVEL LEAST [NAME=VALUE...]
faults_stopped() {
    LIMIT=120 expect 0 "$1" WEIR_DUMP_AT=none "${@:3}" "$SHIM_TOOLS/faults" all
    local count
    count=$(sed -nE 's/^([0-9]+) of 116: .*/\1/p' out)
    [ "$count" -ge "$2" ] || { grep harm out; tail -n 1 out; false; }
}
@test "hardening_stops_all_of_116_small_programs" {
    faults_stopped disabled 116 WEIR_HARDEN=1
    [ -z "${LONG:-}" ] || faults_stopped paranoid 116 WEIR_HARDEN=1
}
@test "paranoid_stops_80_of_116_small_programs" { faults_stopped paranoid 80; }
@test "hardening_looks_at_the_end_too" {
    for level in $LEVELS; do
        for fault in over_1:"was written to past its end, at byte 8" write_all_after:"a free block was written to"; do
            expect 134 "$level" WEIR_HARDEN=1 WEIR_DUMP_AT=none "$SHIM_TOOLS/faults" "${fault%%:*}" 8 only
            has err "weir: " "${fault#*:}"
        done
    done
}
