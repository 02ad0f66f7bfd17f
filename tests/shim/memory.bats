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
    costs_little sleepers_at_the_ceiling "$LEVELS" WEIR_MAX_DIRECT=100M
    costs_little untold_sleepers_at_the_ceiling "$LEVELS" WEIR_MAX_DIRECT=100M
}
@test "small_blocks_lie_in_no_huge_page" { costs_little no_huge_pages; }
@test "large_blocks_grow_without_being_copied" { costs_little growth_without_copying; }
@test "alternating_large_sizes_fault_seldom" { costs_little alternating_sizes; }
@test "calloc_clears_what_was_used_and_nothing_else" { costs_little calloc_of_what_the_kernel_cleared; }
