/* Start-up. Memory is needed before anything is ready: by constructors that run before ours, by resolvers that run
 * before relocation has ended. So the first slow path brings the rooms up, from the lowest on, with raw system calls
 * only; the constructor then arms what needs libc: the exit hook, the dump signal, the thread hook. */
#include "shim/entry/start.h"
#include "shim/base/clock.h"
#include "shim/base/fault.h"
#include "shim/base/options.h"
#include "shim/base/start.h"
#include "shim/base/symbols.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/dump.h"
#include "shim/box/crash.h"
#include "shim/box/modules.h"
#include "shim/box/output.h"
#include "shim/box/snapshot.h"
#include "shim/box/state.h"
#include "shim/box/totals.h"
#include "shim/ceiling/ceiling.h"
#include "shim/entry/hooks.h"
#include "shim/entry/new.h"
#include "shim/entry/settings.h"
#include "shim/scan/collect.h"
#include "shim/scan/scan.h"
#include "shim/box/storage.h"
#include "shim/track/foreign.h"
#include "shim/track/frame.h"
#include "shim/ceiling/mappings.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdlib.h>

static bool up;

static void describe_process(struct text *t) {
    text_add_bytes(t, output_program(), str_length(output_program()));
    text_add(t, "[");
    text_add_number(t, sys_getpid());
    text_add(t, "]");
}

static void say_that_space_is_dear(void) {
    if (arena_dear_size() == 0) return;
    struct text t = {0};
    text_add(&t, "weir: address space costs much here (an emulator?): the arena has ");
    text_add_number(&t, arena_dear_size() >> 20);
    text_add(&t, " MiB; WEIR_WINDOW=SIZE sets it");
    message_send(&t);
}

/* Whatever function it is of. */
static void release_lost(void *block, uint32_t family) {
    const struct release by = {.entry = "WEIR_ON_LIMIT=collect", .family = (enum family)family};
    track_free(block, &by, FRAME);
}

static void start_rooms(void) {
    start_read();
    options_read();
    clock_start();
    const char *file = (const char *)start_auxiliary(AT_EXECFN);
    /* Run as `ld.so PROGRAM`, the kernel's word is ld.so. */
    if (start_auxiliary(AT_BASE) == 0 && start_argc > 0) file = start_argv[0];
    output_start(file && *file ? file : start_argc > 0 ? start_argv[0] : "unknown");
    ceiling_describe_process = describe_process;
    ceiling_start();
    dump_start();
    state_start();
    bool tracking = track_start();
    struct arena_wishes wishes = {state_checked(), options.zero_on_free, options.guard,
                                  options.check,   options.harden,       {0}};
    if (state_tracking() && !options.harden)
        wishes.sample = (struct sample_wishes){options.sample_bytes, options.sample_blocks, options.sample_rate};
    if (!arena_start(&wishes)) {
        struct text t = {0};
        text_add(&t, "weir: no address space for the arena; every allocation will fail");
        message_send(&t);
    } else if (!tracking || ((state_tracking() || state_checked()) && !arena_can_track())) {
        state_of_process.tracking = false;
        state_of_process.checked = false;
        struct text t = {0};
        text_add(&t, "weir: no memory for the tables; nothing is tracked");
        message_send(&t);
    }
    say_that_space_is_dear();
    (void)mappings_start();
    if (state_checked()) new_tell_apart();
    whose_frame = frame_of_word;
    scan_start();
    collect_start(release_lost);
    fault_start();
}

/* A program may bring its own malloc, and any module another one that comes first. Then weir serves nobody, unless that
 * one asks weir in turn, as a profiler's does: the end will tell, since before its own constructor it cannot be asked.
 */
static const void *other_malloc;

static void note_whose_malloc(void) {
    struct dl_find_object found;
    struct symbols symbols;
    void *code = (void *)RESOLVED(malloc);
    if (likely(!REPLACED(malloc, entry_malloc)) || _dl_find_object(code, &found) != 0) return;
    /* A program at fixed addresses may know malloc by its own PLT entry, which leads here; its symbol is undefined. */
    if (!symbols_of(&symbols, found.dlfo_link_map->l_addr, (uintptr_t)found.dlfo_map_start,
                    (uintptr_t)found.dlfo_map_end, found.dlfo_link_map->l_ld) ||
        symbol_find(&symbols, "malloc") != code) {
        return;
    }
    module_has_malloc(code);
    other_malloc = code;
}

void start_say_whose_malloc(void) {
    const void *code = other_malloc;
    if (likely(code == NULL) || arena_is_used() || lock_process() != PROCESS_OWNER) return;
    other_malloc = NULL;
    struct text t = {0};
    text_add(&t, "weir: malloc was ");
    module_describe(&t, code);
    text_add(&t, ", not weir's: nothing of it was limited or tracked");
    message_send(&t);
}

static void wake_child(void) {
    if (!lock_adopt()) return;
    other_malloc = NULL; /* its parent says so */
    state_new_epoch();
    totals_forked();
    process_forked();
    lock_all_forked();
}

static void wake_up(void) {
    lock_take(LOCK_START);
    if (!up) {
        start_rooms();
        up = true;
        lock_start();
    }
    lock_give(LOCK_START);
}

COLD void start_wake(void) {
    arena_within();
    if (up)
        wake_child();
    else if (!lock_held_here(LOCK_START)) /* else a signal handler during start: its request fails */
        wake_up();
    arena_not_within();
}

static void start_check_now(void) {
    start_check();
}

__attribute__((constructor)) static void arm(void) {
    start_check();
    note_whose_malloc();
    foreign_start();
    storage_start();
    hook_exit();
    hook_threads();
    hook_leave();
    hook_loader();
    hook_seccomp();
    hook_io();
    hook_waits();
    hook_kept();
    hook_lsan();
    filter_start();
    crash_start();
    snapshot_change = settings_change;
    snapshot_start(start_check_now);
}
