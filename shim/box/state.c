/* See state.h. */
#include "shim/box/state.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/sys.h"
#include "shim/box/beacon.h"

#include <stdatomic.h>

struct state state_of_process;
static _Atomic uint64_t fork_time;
static _Atomic uint32_t process, forked_from;
static _Atomic uint64_t foreign_frees, bad_frees, mismatches, jumps, collected, collected_bytes;

const struct core_state core_state = {.at_pid = CORE_ADDRESS(process),
                                      .at_forked_from = CORE_ADDRESS(forked_from),
                                      .at_epoch = CORE_ADDRESS(state_of_process.epoch),
                                      .at_owner = CORE_ADDRESS(lock_page.owner),
                                      .at_tracking = CORE_ADDRESS(state_of_process.tracking),
                                      .at_checked = CORE_ADDRESS(state_of_process.checked),
                                      .at_sampled = CORE_ADDRESS(state_of_process.sampled),
                                      .at_fork_time = CORE_ADDRESS(fork_time),
                                      .at_foreign_frees = CORE_ADDRESS(foreign_frees),
                                      .at_bad_frees = CORE_ADDRESS(bad_frees),
                                      .at_mismatches = CORE_ADDRESS(mismatches),
                                      .at_jumps = CORE_ADDRESS(jumps),
                                      .at_collected = CORE_ADDRESS(collected),
                                      .at_collected_bytes = CORE_ADDRESS(collected_bytes)};

void state_start(void) {
    atomic_store_explicit(&process, sys_getpid(), memory_order_relaxed);
}

void state_new_epoch(void) {
    uint32_t before = atomic_exchange_explicit(&process, sys_getpid(), memory_order_relaxed);
    atomic_store_explicit(&forked_from, before, memory_order_relaxed);
    atomic_store_explicit(&fork_time, clock_now(), memory_order_relaxed);
    atomic_fetch_add_explicit(&state_of_process.epoch, 1, memory_order_relaxed);
}
uint64_t state_fork_time(void) {
    return atomic_load_explicit(&fork_time, memory_order_relaxed);
}
uint32_t state_forked_from(void) {
    return atomic_load_explicit(&forked_from, memory_order_relaxed);
}
uint32_t state_own_epoch(void) {
    return state_fork_time() ? state_epoch() : ARENA_ALL_EPOCHS;
}

struct state_numbers state_numbers(void) {
    return (struct state_numbers){atomic_load_explicit(&foreign_frees, memory_order_relaxed),
                                  atomic_load_explicit(&bad_frees, memory_order_relaxed),
                                  atomic_load_explicit(&mismatches, memory_order_relaxed),
                                  atomic_load_explicit(&jumps, memory_order_relaxed),
                                  atomic_load_explicit(&collected, memory_order_relaxed),
                                  atomic_load_explicit(&collected_bytes, memory_order_relaxed)};
}
void state_count_collected(uint64_t blocks, uint64_t bytes) {
    atomic_fetch_add_explicit(&collected, blocks, memory_order_relaxed);
    atomic_fetch_add_explicit(&collected_bytes, bytes, memory_order_relaxed);
}
void state_count_foreign_free(void) {
    atomic_fetch_add_explicit(&foreign_frees, 1, memory_order_relaxed);
}
void state_count_bad_free(void) {
    atomic_fetch_add_explicit(&bad_frees, 1, memory_order_relaxed);
}
void state_count_jump(void) {
    atomic_fetch_add_explicit(&jumps, 1, memory_order_relaxed);
}
void state_count_mismatch(void) {
    atomic_fetch_add_explicit(&mismatches, 1, memory_order_relaxed);
}
