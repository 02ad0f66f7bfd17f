/* See stacks.h. A mapping may hold more than one stack, or a stack and other things: coroutines' and signals' stacks
 * lie in arrays of the program's, in blocks, or in the frames of another stack, and libc's stacks without guard pages
 * are one mapping. So words are left out only below the stack pointer of a thread that is on the stack that it was
 * started with, in a mapping of the kernel's or libc's, and where no other thread's stack can lie below. libc has a
 * thread's control block at the top of its stack. */
#include "shim/scan/stacks.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/memory.h"
#include "shim/ceiling/pages.h"
#include "shim/scan/park.h"

#include <dlfcn.h>
#include <signal.h>

static struct parked self;

void stacks_begin(uintptr_t mine) {
    stack_t alternate = {0};
    bool known = !sys_failed(sys2(SYS_sigaltstack, 0, (long)&alternate));
    self = (struct parked){.thread = sys_gettid(), .stack = mine, .block = (uintptr_t)__builtin_thread_pointer()};
    self.signals_stack = known ? (uintptr_t)alternate.ss_sp : 0;
    self.elsewhere = !known || mine - (uintptr_t)alternate.ss_sp < alternate.ss_size; /* weir itself is on its own */
}

const struct parked *stacks_own(void) {
    return &self;
}

static bool is_in(const struct mapping *m, uintptr_t at) {
    return at >= m->start && at < m->end;
}

uintptr_t stacks_lowest(const struct mapping *m, const char *name) {
    uint32_t count;
    const struct parked *others = park_list(&count), *lowest = NULL;
    bool kernels = str_equal(name, "[stack]");
    uintptr_t lowest_block = UINTPTR_MAX;
    if (m->of_file || m->shared) return m->start;
    for (uint32_t i = 0; i <= count; i++) {
        const struct parked *t = i < count ? &others[i] : &self;
        if (is_in(m, t->stack) && (!lowest || t->stack < lowest->stack)) lowest = t;
        if (is_in(m, t->block) && t->block < lowest_block) lowest_block = t->block;
    }
    if (!lowest || lowest->elsewhere || pages_count(PAGES_OURS, round_down(lowest->stack, PAGE), PAGE) > 0)
        return m->start;
    bool first = kernels && lowest->thread == sys_getpid();
    bool libcs = !kernels && lowest->block == lowest_block && lowest->stack < lowest_block &&
                 !memory_is_of_module(lowest->stack);
    return first || libcs ? round_down(lowest->stack, 8) : m->start;
}

static bool has_thread(uintptr_t from, uintptr_t end) {
    uint32_t count;
    const struct parked *others = park_list(&count);
    for (uint32_t i = 0; i <= count; i++) {
        const struct parked *t = i < count ? &others[i] : &self;
        if (t->stack - from < end - from || t->block - from < end - from) return true;
    }
    return memory_has_stack(from, end);
}

/* The kernel joins neighbours: so what the program has mapped itself is told from the rest, page by page. */
uintptr_t stacks_and_data_end(const struct mapping *m, const char *name, uintptr_t from, uintptr_t end, bool *is) {
    struct dl_find_object found;
    bool ours = !m->of_file && pages_count(PAGES_OURS, round_down(from, PAGE), PAGE) > 0;
    *is = false;
    if (m->shared) return end;
    if (_dl_find_object((void *)from, &found) == 0 && (uintptr_t)found.dlfo_map_end > from) {
        *is = true;
        return min_size(end, round_up((uintptr_t)found.dlfo_map_end, PAGE));
    }
    if (m->of_file) return end;
    end = min_size(end, pages_find(PAGES_OURS, !ours, round_down(from, PAGE), round_up(end, PAGE)));
    *is = str_equal(name, "[stack]") || (!str_equal(name, "[heap]") && has_thread(from, end));
    return end;
}
