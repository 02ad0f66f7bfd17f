/* The blocks that the end of a process was about: what its fault address, or else its registers, point into or just
 * behind, by the entries of live blocks and of freed ones; see making.h. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/core/near.h"
#include "reporter/load/memory.h"

#define NEARS_MOST  4
#define BEHIND_MOST ((uint64_t)64 << 10) /* bytes behind a block that it may be about */
#define STACK_WORDS 64

/* --- which block an address is of --- */

struct finder {
    struct making *m;
    const struct core_arena *t;
    uint64_t base, slices, descriptors, sides;
};

static bool descriptor(const struct finder *f, uint64_t slice, char *to) {
    return slice < f->slices && core_read(f->m->core, to, (size_t)f->t->stride, f->descriptors + slice * f->t->stride);
}

bool near_fill(struct making *m, const struct core_side *side, uint64_t start, uint64_t place, struct dump_near *near) {
    if (!CORE_LIVE(side) && !CORE_FREED(side)) return false;
    bool freed = CORE_FREED(side);
    near->address = start;
    near->size = CORE_SIZE(side);
    near->place = place;
    near->time = CORE_TIME(side);
    near->made = making_stack(m, side->stack);
    near->freed = freed ? making_stack(m, side->latest) : 0;
    near->maker = CORE_ELSEWHERE(side) ? 0 : CORE_THREAD(side);
    near->freer = freed ? CORE_THREAD(side) : 0;
    near->state = freed ? NEAR_FREED : NEAR_LIVE;
    return true;
}

/* A place that never held a block lies behind the one before. */
static bool find_in_slab(const struct finder *f, const char *d, uint64_t slice, struct dump_near *near) {
    uint64_t start = f->base + slice * f->t->slice, size = half_of(d, f->t->in_size);
    if (!size || !f->sides || !(word_of(d, f->t->in_owner) & f->t->owner_tracked)) return false;
    uint64_t place = (near->word - start) / size;
    for (uint64_t back = 0; back <= 1 && back <= place; back++) {
        struct core_side side;
        uint64_t at = f->sides + slice * f->t->side_a_slice + (place - back) * sizeof side;
        if ((place - back + 1) * sizeof side <= f->t->side_a_slice && core_read(f->m->core, &side, sizeof side, at) &&
            near_fill(f->m, &side, start + (place - back) * size, size, near))
            return true;
    }
    return false;
}

static bool find_run(const struct finder *f, const char *d, uint64_t slice, struct dump_near *near) {
    struct core_side side;
    uint64_t start = f->base + slice * f->t->slice, end = start + half_of(d, f->t->in_run_slices) * f->t->slice;
    memcpy(&side, d + f->t->in_run_side, sizeof side);
    return byte_of(d, f->t->in_run_tracked) == 1 && near->word < end + BEHIND_MOST &&
           near_fill(f->m, &side, start, word_of(d, f->t->in_run_bytes), near);
}

/* What is nobody's now may have been a run's: its descriptors are as they were. */
static bool find_at(const struct finder *f, uint64_t slice, struct dump_near *near) {
    char d[4096];
    if (!descriptor(f, slice, d)) return false;
    uint32_t back = half_of(d, f->t->in_head);
    uint8_t kind = byte_of(d, f->t->in_kind);
    bool is_slab = kind == f->t->kind_slab, is_run = kind == f->t->kind_run || kind == f->t->kind_kept;
    if (is_slab) return find_in_slab(f, d, slice, near);
    if (is_run || back == 0 || back > slice || !descriptor(f, slice - back, d)) return find_run(f, d, slice, near);
    kind = byte_of(d, f->t->in_kind);
    if (kind == f->t->kind_slab) return find_in_slab(f, d, slice - back, near);
    return half_of(d, f->t->in_run_slices) > back && find_run(f, d, slice - back, near);
}

static bool find(const struct finder *f, struct dump_near *near) {
    if (near->word < f->base || near->word - f->base >= f->slices * f->t->slice) return false;
    uint64_t slice = (near->word - f->base) / f->t->slice;
    return find_at(f, slice, near) || (slice > 0 && find_at(f, slice - 1, near));
}

/* --- what there is to look at --- */

static bool is_known(const struct making *m, uint64_t address) {
    for (size_t i = 0; i < m->near_count; i++)
        if (m->nears[i].address == address) return true;
    return false;
}

void near_add(struct making *m, const struct dump_near *near) {
    m->nears = memory_more(m->nears, &m->near_capacity, m->near_count + 1, sizeof *near);
    m->nears[m->near_count++] = *near;
}

static void look_at(const struct finder *f, uint64_t word, uint32_t what, bool freed_only) {
    struct dump_near near = {.word = word, .what = what};
    if (f->m->near_count < NEARS_MOST && find(f, &near) && (near.state == NEAR_FREED || !freed_only) &&
        !is_known(f->m, near.address))
        near_add(f->m, &near);
}

static void look_at_misuse(const struct finder *f) {
    struct core_misuse misuse;
    const struct core *core = f->m->core;
    if (!core->thread_count || core->threads[0].signal != SIGABRT ||
        !core_read(f->m->core, &misuse, sizeof misuse, f->m->t.process.misuse) || !misuse.address ||
        misuse.what < CORE_DOUBLE_FREE || misuse.what > CORE_AFTER_FREE || misuse.thread != core->threads[0].id)
        return;
    look_at(f, misuse.address, NEAR_MISUSE + misuse.what, false);
}

static void look_at_stack(const struct finder *f, uint64_t top) {
    for (uint64_t i = 0; i < STACK_WORDS; i++) look_at(f, core_word(f->m->core, top + i * 8), NEAR_STACK, true);
}

static bool is_fault(uint32_t signal) {
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
}

static bool has_fault_address(const struct core *core) {
    return core->signal.known && (core->signal.number == SIGSEGV || core->signal.number == SIGBUS) &&
           core->signal.code > 0 && core->signal.code < SI_KERNEL;
}

/* Live blocks that registers point to say something only where nothing else does. */
static void look_at_registers(const struct finder *f, const struct core_thread *thread) {
    for (uint32_t i = 0; i < CORE_RIP; i++)
        if (i != CORE_RSP) look_at(f, thread->registers[i], NEAR_REGISTER + i, true);
    if (f->m->near_count == 0) look_at_stack(f, thread->registers[CORE_RSP]);
    for (uint32_t i = 0; i < CORE_RIP && f->m->near_count == 0; i++)
        if (i != CORE_RSP) look_at(f, thread->registers[i], NEAR_REGISTER + i, false);
}

void making_find_near(struct making *m) {
    const struct core_arena *t = &m->t.arena;
    const struct core *core = m->core;
    struct finder f = {m,
                       t,
                       core_word(m->core, t->at_base),
                       core_word(m->core, t->at_slices),
                       core_word(m->core, t->at_descriptors),
                       m->process.level == DUMP_DISABLED ? 0 : core_word(m->core, t->at_sides)};
    if (!core->thread_count || f.slices > UINT32_MAX) return;
    look_at_misuse(&f);
    if (has_fault_address(core)) look_at(&f, core->signal.address, NEAR_FAULT, false);
    if (is_fault(core->threads[0].signal) && m->near_count == 0) look_at_registers(&f, &core->threads[0]);
}
