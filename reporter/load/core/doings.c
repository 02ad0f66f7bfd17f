/* What each thread was doing, the one first that the core is of; see making.h. */
#include "reporter/load/core/follow.h"

#include <elf.h>
#include <signal.h>

#include "reporter/load/core/making.h"
#include "reporter/load/memory.h"

#define PAST_PATTERN 4096u                                       /* a field's place in what a pointer leads to */
#define STACK_NEXT   ((uint64_t)1 << 20)                         /* bytes that one frame may have */
#define FREED_WORD   (CORE_FREE * (uint64_t)0x0101010101010101u) /* what a pointer is that lay in a freed block */

static uint32_t add_stack(struct making *m, const struct followed *f) {
    struct dump_stack stack = stack_list_begin(&m->stacks, f->cut ? DUMP_STACK_CUT : 0);
    for (uint32_t i = 0; i < f->count; i++)
        stack_list_add(&m->stacks, &stack, making_frame(m, f->code[i]), f->exact[i]);
    return stack_list_keep(&m->stacks, &stack);
}

/* Where each frame lies, for who asks whose a word of the stack is. */
static void note_frames(struct making *m, size_t thread, const struct followed *f) {
    m->frames = memory_more(m->frames, &m->frame_capacity, m->frame_count + f->count, sizeof *m->frames);
    for (uint32_t i = 0; i < f->count; i++)
        m->frames[m->frame_count++] =
            (struct stack_frame){m->doings[thread].thread, f->exact[i], f->pointer[i], making_frame(m, f->code[i])};
}

static void see(void *context, size_t thread, const struct followed *f) {
    struct making *m = context;
    m->doings[thread].stack = add_stack(m, f);
    note_frames(m, thread, f);
}

/* What is not there lies near the top of the stack, which goes on not far above. */
static bool is_overflow(struct making *m, const struct core_thread *thread, uint64_t address) {
    uint64_t top = thread->registers[CORE_RSP], next = core_next(m->core, address);
    if (address + STACK_NEXT <= top || address >= top + CORE_PAGE) return false;
    for (int guards = 0; guards < 4 && next - address < STACK_NEXT && !(core_flags(m->core, next) & PF_W); guards++)
        next = core_next(m->core, next + core_length(m->core, next));
    return next > address && next - address < STACK_NEXT;
}

static bool has_pattern(const struct core_thread *thread) {
    for (size_t i = 0; i < CORE_RIP; i++)
        if (thread->registers[i] - FREED_WORD + PAST_PATTERN < 2 * (uint64_t)PAST_PATTERN) return true;
    return false;
}

static void describe_end(struct making *m) {
    const struct core_thread *thread = &m->core->threads[0];
    struct dump_doing *doing = &m->doings[0];
    uint32_t number = m->core->signal.number;
    doing->signal = m->core->signal.known ? number : thread->signal;
    if (!m->core->signal.known) return;
    doing->code = m->core->signal.code;
    bool is_fault = number == SIGSEGV || number == SIGBUS;
    if (is_fault && doing->code > 0 && doing->code < SI_KERNEL) {
        doing->address = m->core->signal.address;
        doing->flags |= DOING_FAULT;
        if (is_overflow(m, thread, doing->address)) doing->flags |= DOING_OVERFLOW;
    }
    if (is_fault && m->pattern && has_pattern(thread)) doing->flags |= DOING_FREED;
}

void making_unwind(struct making *m) {
    size_t count = m->core->thread_count < DOING_THREADS ? m->core->thread_count : DOING_THREADS;
    if (!count) return;
    m->doings = memory_more(NULL, &m->doing_capacity, count, sizeof *m->doings);
    m->doing_count = count;
    for (size_t i = 0; i < count; i++) m->doings[i].thread = m->core->threads[i].id;
    describe_end(m);
    core_follow(m->core, count, see, m);
}
