#!/usr/bin/env bats
# What memory costs beyond the blocks, and whether it comes back: figures of tests/shim/memory.c, each with its limit.
load helpers

setup_file() { build_tools; }
setup() { plain; }

costs_little() { # costs_little WHAT [LEVELS [NAME=VALUE...]]
    local level
    for level in ${2:-$LEVELS}; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "${@:3}" "$SHIM_TOOLS/memory" "$1"
        silent
        echo "$level: $(cat out)"
    done
}
@test "each_of_64_idle_threads_with_three_sizes_costs_less_than_16_kib" { costs_little idle_threads disabled; }
@test "heaps_of_threads_that_a_child_does_not_have_serve_its_own" { costs_little threads_of_a_child disabled; }
@test "memory_of_threads_that_ended_serves_the_next_ones" { costs_little generations; }
@test "threads_that_only_free_leave_no_heap" { costs_little threads_that_only_free; }
@test "threads_whose_destructors_free_leave_no_heap" { costs_little threads_whose_destructors_free; }
@test "heaps_do_not_multiply_while_requests_are_refused" {
    costs_little threads_beside_refusals "$LEVELS" WEIR_MAX_DIRECT=100M WEIR_QUIET=1
}
@test "runs_that_shrink_and_grow_keep_their_spans" {
    costs_little runs_that_shrink_and_grow
    costs_little runs_that_shrink_and_grow "$LEVELS" WEIR_GUARD=1
}
@test "the_end_of_a_run_that_shrinks_is_zeroed_where_asked_for" {
    costs_little ends_of_runs_are_zeroed "$LEVELS" WEIR_ZERO_ON_FREE=1
}
@test "memory_falls_after_a_burst" { costs_little burst; }
@test "memory_falls_though_all_later_allocations_are_fast_ones" { costs_little burst_before_small_blocks; }
@test "memory_falls_though_all_later_allocations_are_large" { costs_little burst_before_runs; }
@test "blocks_that_cannot_be_moved_are_copied_on_kernels_before_6_17" {
    for level in $LEVELS; do
        LIMIT=60 expect 0 without "$SHIM_TOOLS/oldkernel" env WEIR_DUMP_AT=none WEIR_LEVEL="$level" LD_PRELOAD="$WEIR_SHIM" "$SHIM_TOOLS/memory" growth
        grep -qxE '[1-9][0-9]* moves failed' err || { seen; return 1; }
    done
}
@test "blocks_that_cannot_be_moved_are_copied_where_address_space_was_taken_away" { costs_little growth_under_a_lowered_limit; }
@test "little_waits_on_a_thread_that_sleeps" { costs_little sleeping_owner; }
@test "little_waits_on_a_thread_that_freed_some_and_sleeps" { costs_little sleeping_owner_that_freed; }
@test "little_waits_on_a_thread_that_freed_the_last_and_sleeps" { costs_little owner_that_freed_and_sleeps; }
@test "what_waits_on_sleeping_threads_is_there_at_the_ceiling" {
    costs_little sleepers_at_the_ceiling "$LEVELS" WEIR_MAX_DIRECT=100M WEIR_ON_WATERMARK=none
    costs_little untold_sleepers_at_the_ceiling "$LEVELS" WEIR_MAX_DIRECT=100M WEIR_ON_WATERMARK=none
}
@test "small_blocks_lie_in_no_huge_page" { costs_little no_huge_pages; }
@test "large_blocks_grow_without_being_copied" { costs_little growth_without_copying; }
@test "alternating_large_sizes_fault_seldom" { costs_little alternating_sizes; }
@test "calloc_clears_what_was_used_and_nothing_else" { costs_little calloc_of_what_the_kernel_cleared; }

# locks FLAGS BLOCKS [MEGABYTES]: mlockall answers as without weir, what it locks there is locked, and nothing is resident
# that is not used. What is made after a lock of what there was (MCL_CURRENT alone) may lie where there was nothing.
locks() {
    local level word
    expect 0 without "$SHIM_TOOLS/locked" "$@"
    mv out plain
    for level in $LEVELS; do
        expect 0 "$level" WEIR_DUMP_AT=none WEIR_SAMPLE_BLOCKS="${drawn:-128}" "$SHIM_TOOLS/locked" "$@"
        same "$(sed 's/,.*//' out)" "$(sed 's/,.*//' plain)"
        for word in "made before" "made after" "resident: what is used" "unlocked: 0 0"; do
            [ "$word" != "made after" ] || (($1 & 2)) || continue
            ! grep -q "$word" plain || has out "$word"
        done
        silent
    done
}
can_lock() { [ "$(id -u)" = 0 ] && expect 0 without "$SHIM_TOOLS/locked" 3 20000 && ! grep -q '^12' out; }
@test "all_memory_can_be_locked_and_none_becomes_resident_that_is_not_used" {
    can_lock || skip "locking much memory needs root"
    for flags in 1 2 3 5 6 7; do locks $flags 20000; done
}
@test "an_ordinary_user_can_lock_what_he_could_without_weir" {
    [ "$(id -u)" = 0 ] || skip "only root can become another user"
    for drawn in 128 1; do # all of them
        locks 1 10 8
        locks 3 10 8
        locks 3 2200 8 # most of it
    done
    locks 1 20000 8 # too much
}
@test "what_a_user_has_mapped_himself_counts_once" {
    [ "$(id -u)" = 0 ] || skip "only root can become another user"
    for level in without $LEVELS; do
        expect 0 "$level" env WEIR_DUMP_AT=none "$SHIM_TOOLS/locked" 1 10 8 3
        same "$(sed 's/,.*//' out)" 0
    done
}
@test "flags_of_mlockall_that_do_not_exist_are_refused" { for flags in 0 4 8; do locks $flags 10; done; }
@test "a_child_of_a_program_that_locks_all_has_nothing_locked" {
    can_lock || skip "locking much memory needs root"
    expect 0 paranoid WEIR_DUMP_AT=none /usr/bin/python3 -S -c 'import ctypes, os
libc = ctypes.CDLL(None); assert libc.mlockall(3) == 0
def locked(): return [int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmLck")][0]
if os.fork() == 0:
    kept = ["x" * n for n in range(100000, 400000, 1000)]; print(locked(), flush=True); os._exit(0)
os.wait(); print(locked() > 0)'
    same "$(cat out)" $'0\nTrue'
}

# reserved LEVEL [NAME=VALUE...]: GiB of address space of a program.
reserved() {
    expect 0 "$1" WEIR_DUMP_AT=none "${@:2}" awk '/^VmSize/ { print int($2 / 1048576) }' /proc/self/status
    cat out
}
@test "the_arena_is_as_small_as_the_window_says_and_serves_all_the_same" {
    [ "$(reserved disabled)" -ge 1024 ]
    for level in $LEVELS; do
        seen=$(reserved "$level" WEIR_WINDOW=4G)
        ((seen >= 4 && seen < 16)) || { echo "$seen GiB at $level"; false; }
        expect 0 "$level" WEIR_WINDOW=4G WEIR_DUMP_AT=none "$SHIM_TOOLS/model" 20000 2
        expect 0 "$level" WEIR_WINDOW=1 WEIR_DUMP_AT=none "$SHIM_TOOLS/ends" # the least there is
        silent
    done
}
@test "under_an_emulator_programs_start_and_weir_says_what_it_costs" {
    command -v qemu-x86_64 >/dev/null || skip "qemu-user is not installed"
    for level in $LEVELS; do
        LIMIT=60 expect 3 without qemu-x86_64 -E LD_PRELOAD="$WEIR_SHIM" -E WEIR_LEVEL="$level" -E WEIR_OUTPUT="$PWD/dumps/%e.%p.%n.dump" "$SHIM_TOOLS/ends" threads
        has err "weir: address space costs much here (an emulator?): the arena has "
        json '' "$(the_dump ends)"
        LIMIT=60 expect 0 without qemu-x86_64 -E LD_PRELOAD="$WEIR_SHIM" -E WEIR_LEVEL="$level" -E WEIR_WINDOW=2G -E WEIR_DUMP_AT=none "$SHIM_TOOLS/model" 5000 2
        silent
    done
}
