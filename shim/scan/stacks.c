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

#include <signal.h>

static struct parked self;

void stacks_begin(uintptr_t mine) {
    stack_t alternate = {0};
    bool known = !sys_failed(sys2(SYS_sigaltstack, 0, (long)&alternate));
    self = (struct parked){.thread = sys_gettid(), .stack = mine, .block = (uintptr_t)__builtin_thread_pointer()};
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
