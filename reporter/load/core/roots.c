/* See roots.h. Segments are what the kernel, or gdb, has written; what of the program's they do not have makes all
 * uncertain. Of a stack words are left out only where they cannot be anything else, as shim/scan/stacks.c does: below
 * the stack pointer of a thread that is on the stack that it was started with, in a mapping of the kernel's or libc's,
 * where no other thread's stack can lie below. */
#include "reporter/load/core/roots.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "reporter/load/core/own.h"
#include "reporter/load/memory.h"
#include "reporter/load/search.h"

#define RED_ZONE     128u
#define USER_CODE    0x33u /* the processor's segment of it */
#define STACK_FLAGS  (SS_ONSTACK | SS_DISABLE | (int)(1u << 31))
#define REGIONS_MOST 4096u
#define STACKS_MOST  16u

/* Of a segment: the thread whose stack pointer is the lowest in it, and the lowest control block. */
struct held {
    const struct core_thread *lowest;
    uint64_t block; /* 0: none */
};

struct roots {
    struct making *m;
    struct core *core;
    struct mark *mark;
    struct own own;
    struct held *held; /* by segment */
};

static void lacks(struct roots *r, uint32_t what) {
    r->m->places->sums->lacks |= what;
}

/* --- stacks --- */

static const struct core_segment *segment_at(const struct core *core, uint64_t address) {
    const struct core_segment *s = core_segment_before(core, address);
    return s && address - s->address < s->size ? s : NULL;
}

static void find_held(struct roots *r) {
    const struct core *core = r->core;
    r->held = memory_get(core->segment_count, sizeof *r->held);
    for (size_t i = 0; i < core->thread_count; i++) {
        const struct core_thread *t = &core->threads[i];
        const struct core_segment *on = segment_at(core, t->registers[CORE_RSP]), *own = segment_at(core, t->block);
        struct held *held = on ? &r->held[on - core->segments] : NULL;
        if (held && (!held->lowest || t->registers[CORE_RSP] < held->lowest->registers[CORE_RSP])) held->lowest = t;
        held = own ? &r->held[own - core->segments] : NULL;
        if (held && (!held->block || t->block < held->block)) held->block = t->block;
    }
}

/* A file's, or what lies behind one: a module's data, where arrays may be stacks. */
static bool is_of_file(const struct core *core, const struct core_segment *s) {
    size_t count = search_upto(core->files, core->file_count, sizeof *core->files, s->address + s->size - 1);
    return count && core->files[count - 1].end >= s->address;
}

/* What a signal has interrupted on this stack is in use from there on, wherever its handler runs: the kernel has put
 * the registers on the handler's stack. */
static uint64_t lowest_interrupted(struct roots *r, const struct core_segment *s, uint64_t from) {
    uint64_t there = 0, lowest = from;
    const char *bytes = mapped_at(&r->mark->memory, from, &there);
    size_t general = offsetof(ucontext_t, uc_mcontext.gregs);
    for (uint64_t at = 0; bytes && at + general + sizeof(gregset_t) <= there; at += 8) {
        uint64_t link, segments, pointer;
        int flags;
        memcpy(&segments, bytes + at + general + REG_CSGSFS * sizeof segments, sizeof segments);
        if ((segments & 0xffff) != USER_CODE) continue;
        memcpy(&link, bytes + at + offsetof(ucontext_t, uc_link), sizeof link);
        memcpy(&flags, bytes + at + offsetof(ucontext_t, uc_stack.ss_flags), sizeof flags);
        memcpy(&pointer, bytes + at + general + REG_RSP * sizeof pointer, sizeof pointer);
        if (link == 0 && !(flags & ~STACK_FLAGS) && pointer >= s->address && pointer < lowest) lowest = pointer;
    }
    return lowest;
}

/* Where what is in use begins in the segment; its start, where nothing is known to be out of use. */
static uint64_t lowest_in_use(struct roots *r, const struct core_segment *s) {
    const struct core *core = r->core;
    const struct held *held = &r->held[s - core->segments];
    uint64_t top = held->lowest ? held->lowest->registers[CORE_RSP] & ~(uint64_t)7 : 0;
    if (!held->lowest || is_of_file(core, s) || !r->own.pages.node_count ||
        own_page(&r->own, &r->mark->memory, top, CORE_PAGES_OURS))
        return s->address;
    bool kernels = core->stack - s->address < s->size;
    bool first = kernels && held->lowest->id == core->process;
    bool libcs = !kernels && held->lowest->block == held->block && top < held->block;
    if (!first && !libcs) return s->address;
    top = lowest_interrupted(r, s, top) & ~(uint64_t)7;
    return top - s->address > RED_ZONE ? top - RED_ZONE : s->address;
}

/* --- segments --- */

static bool has_file(const struct core *core, const struct core_segment *s) {
    const struct core_file *file = core_file_at(core, s->address);
    return (file && !core_is_shared(file)) || s->address == core->vdso;
}

/* Code that nobody has written to. */
static bool is_code(const struct core *core, const struct core_segment *s) {
    return has_file(core, s) && (s->flags & (PF_W | PF_X)) == PF_X;
}

/* Of anonymous memory the kernel leaves out what nobody has ever written to, where it writes such memory at all: it has
 * written the stack. */
static bool is_untouched(struct roots *r, const struct core_segment *s) {
    if (s->length > 0 || core_file_at(r->core, s->address)) return false;
    const struct core_segment *stack = segment_at(r->core, r->core->stack);
    return stack && stack->length == stack->size && !r->core->cut && !core_byte(r->core, r->m->t.search.at_undumped);
}

static void mark_segment(struct roots *r, const struct core_segment *s) {
    uint64_t there = s->address + s->length, end = s->address + s->size;
    bool weirs;
    if (end < there) end = there;                                  /* impossible */
    r->mark->is_code = (s->flags & PF_X) && !has_file(r->core, s); /* that the program has made itself */
    for (uint64_t at = is_code(r->core, s) ? there : lowest_in_use(r, s), next; at < there; at = next) {
        next = own_part(&r->own, at, there, &weirs);
        if (!weirs) (void)mapped_each(&r->mark->memory, at, next, mark_root, r->mark);
    }
    r->mark->is_code = false;
    if (is_untouched(r, s)) return;
    for (uint64_t at = there, next; (s->flags & PF_W) && at < end; at = next) {
        next = own_part(&r->own, at, end, &weirs);
        if (!weirs) lacks(r, SCAN_LACKS_MEMORY);
    }
}

/* gdb does not name what it leaves out: of shared memory, and of what is not to be dumped. */
static void look_at_pages(struct roots *r, uint64_t from, uint64_t end) {
    for (uint64_t at = from; at < end;) {
        const struct core_segment *s = segment_at(r->core, at);
        if (!s) lacks(r, SCAN_LACKS_MEMORY);
        if (!s) return;
        at = s->address + s->size;
    }
}

static void see_charged(void *context, uint64_t from, uint64_t end) {
    struct roots *r = context;
    r->m->places->sums->charged_spans++;
    look_at_pages(r, from, end);
}

static void see_mapped(void *context, uint64_t from, uint64_t end) {
    struct roots *r = context;
    r->m->places->sums->mapped_spans++;
    look_at_pages(r, from, end);
}

/* --- the rest --- */

/* What a thread handles signals on; and what it did before, which it may be again. */
static void mark_signals_stacks(struct roots *r, size_t thread) {
    const struct core_search *t = &r->m->t.search;
    struct places *p = r->m->places;
    uint64_t first = r->core->threads[thread].block - core_word(r->core, t->at_stacks_below);
    for (uint64_t i = 0; i < t->stacks && i < STACKS_MOST; i++) {
        uint64_t word = ~core_word(r->core, first + i * sizeof word), number;
        if (word == UINT64_MAX) continue;
        if (i == 0)
            mark_root(r->mark, (const char *)&word, sizeof word, FROM_OF(FROM_SIGNALS, thread));
        else if ((number = places_block(p, word)) != PLACE_NONE)
            p->bytes[number] |= PLACE_PAST;
    }
}

static void mark_registers(struct roots *r) {
    const struct core *core = r->core;
    if (!core->thread_count || core->vector_count < core->thread_count) lacks(r, SCAN_LACKS_REGISTERS);
    for (size_t i = 0; i < core->register_count; i++) {
        const struct core_registers *note = &core->registers[i];
        uint64_t there = note->offset < core->size ? core->size - note->offset : 0;
        if (there < note->length) lacks(r, SCAN_LACKS_REGISTERS);
        mark_root(r->mark, r->mark->memory.file + note->offset, there < note->length ? there : note->length,
                  FROM_OF(FROM_REGISTERS, i));
    }
    for (size_t i = 0; i < core->thread_count; i++) mark_signals_stacks(r, i);
    if (core_byte(r->core, r->m->t.search.at_kernel_keeps)) lacks(r, SCAN_LACKS_KERNEL);
}

/* What the program has named as roots, wherever that is. */
static void mark_regions(struct roots *r) {
    struct core_ignored t;
    if (!core_read(r->core, &t, sizeof t, r->m->t.search.at_ignored)) return;
    for (uint64_t i = 0; i < t.region_count && i < REGIONS_MOST; i++) {
        uint64_t at = t.regions + i * t.stride;
        if (core_half(r->core, at + t.in_state) != t.set) continue;
        uint64_t start = core_word(r->core, at + t.in_start), size = core_word(r->core, at + t.in_size);
        if (size > r->core->size || start > UINT64_MAX - size) continue;
        r->mark->with_parts = true;
        (void)mapped_each(&r->mark->memory, start, start + size, mark_root, r->mark);
        r->mark->with_parts = false;
    }
}

/* What is unmapped has no parts any more, whoever has mapped something there since. */
static void find_outside(struct roots *r) {
    struct parts *parts = &r->m->places->parts;
    for (size_t i = 0; i < parts->count; i++) {
        struct part *part = &parts->all[i];
        const struct core_segment *s = segment_at(r->core, part->start);
        bool is_module = core_file_at(r->core, part->start) || (s && is_of_file(r->core, s));
        if (!part->outside) continue;
        if (is_module || !r->own.pages.node_count ||
            own_page(&r->own, &r->mark->memory, part->start, CORE_PAGES_OURS) ||
            own_page(&r->own, &r->mark->memory, part->start, CORE_PAGES_MAPPED))
            parts->bytes[i] |= PLACE_LIVE;
        else
            part->end = part->start; /* of the search's own list */
    }
}

static void mark_emergency(struct roots *r) {
    const struct places *p = r->m->places;
    for (size_t i = 0; i < p->emergencies; i++)
        (void)mapped_each(&r->mark->memory, p->emergency[i], p->emergency[i] + 2 * p->slice, mark_root, r->mark);
}

void roots_mark(struct making *m, struct mark *mark) {
    struct roots r = {.m = m, .core = m->core, .mark = mark};
    own_read(m, &r.own);
    find_held(&r);
    find_outside(&r);
    if (m->core->cut || m->core->spent || m->core->overlaps) lacks(&r, SCAN_LACKS_MEMORY);
    for (size_t i = 0; i < m->core->segment_count; i++) mark_segment(&r, &m->core->segments[i]);
    own_pages(&r.own, &mark->memory, CORE_PAGES_CHARGED, see_charged, &r);
    own_pages(&r.own, &mark->memory, CORE_PAGES_MAPPED, see_mapped, &r);
    mark_registers(&r);
    mark_regions(&r);
    mark_emergency(&r);
    free(r.held);
}
