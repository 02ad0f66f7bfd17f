#!/usr/bin/env bats
# What memory costs beyond the blocks, and whether it comes back: figures of tests/shim/memory.c, each with its limit.
load helpers

setup_file() { build_tools; }
setup() { plain; }

costs_little() { # costs_little WHAT [LEVELS]
    local level
    for level in ${2:-$LEVELS}; do
        LIMIT=60 expect 0 "$level" WEIR_DUMP_AT=none "$SHIM_TOOLS/memory" "$1"
        silent
        echo "$level: $(cat out)"
    done
}
@test "each_of_64_idle_threads_with_three_sizes_costs_less_than_16_kib" { costs_little idle_threads disabled; }
@test "heaps_of_threads_that_a_child_does_not_have_serve_its_own" { costs_little threads_of_a_child disabled; }
@test "memory_of_threads_that_ended_serves_the_next_ones" { costs_little generations; }
@test "memory_falls_after_a_burst" { costs_little burst; }
@test "memory_falls_though_all_later_allocations_are_fast_ones" { costs_little burst_before_small_blocks; }
@test "little_waits_on_a_thread_that_sleeps" { costs_little sleeping_owner; }
@test "small_blocks_lie_in_no_huge_page" { costs_little no_huge_pages; }
@test "large_blocks_grow_without_being_copied" { costs_little growth_without_copying; }
@test "alternating_large_sizes_fault_seldom" { costs_little alternating_sizes; }
@test "calloc_clears_what_was_used_and_nothing_else" { costs_little calloc_of_what_the_kernel_cleared; }
