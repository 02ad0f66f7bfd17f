/* See whose.h. */
#include "reporter/load/core/whose.h"

#include <stddef.h>
#include <sys/procfs.h>

#include "reporter/load/core/places.h"

#define CONTROL_BLOCK 2304u /* bytes of libc's struct pthread, as shim/scan/whose.c has it */

/* Numbers as ucontext_t has them, of a struct user_regs_struct's fields. */
static uint64_t register_number(uint64_t field) {
    enum { NONE = UINT8_MAX }; /* orig_rax, cs, eflags */
    static const uint8_t numbers[] = {7, 6, 5, 4, 10, 11, 3, 2, 1, 0, 13, 14, 12, 9, 8, NONE, 16, NONE, NONE, 15};
    return field < sizeof numbers && numbers[field] != NONE ? numbers[field] : DUMP_PLACE_UNKNOWN;
}

static struct whose of_register(const struct core *core, uint64_t from) {
    struct whose w = {.kind = ROOT_REGISTERS, .place = DUMP_PLACE_UNKNOWN};
    uint64_t note = FROM_NUMBER(from), offset = FROM_OFFSET(from), first = offsetof(struct elf_prstatus, pr_reg);
    if (note >= core->register_count) return w;
    w.thread = core->registers[note].thread;
    if (core->registers[note].general && offset >= first) w.place = register_number((offset - first) / 8);
    return w;
}

static struct whose of_signals(const struct core *core, uint64_t from) {
    uint64_t thread = FROM_NUMBER(from);
    return (struct whose){.kind = ROOT_SIGNALS, .thread = thread < core->thread_count ? core->threads[thread].id : 0};
}

static uint64_t place_in(const struct making *m, uint64_t address) {
    size_t i = making_module_at(m, address, 0);
    return i == SIZE_MAX ? DUMP_PLACE_UNKNOWN : (uint64_t)i << 48 | DUMP_FRAME_OFFSET(address - m->modules[i].bias);
}

/* Its storage begins nearest below. */
static bool is_thread_local(struct making *m, const struct core_thread *t, uint64_t at, struct whose *w) {
    uint64_t below = t->block - at, nearest = UINT64_MAX, module = 0;
    uint64_t count = core_word(m->core, m->t.search.at_storage_count);
    for (uint64_t i = 0; i < count && i < CORE_STORAGE_MOST; i++) {
        struct core_storage s;
        if (!core_read(m->core, &s, sizeof s, m->t.search.at_storage + i * sizeof s)) break;
        if (s.below < below || s.below >= nearest) continue;
        nearest = s.below;
        module = s.module;
    }
    if (nearest == UINT64_MAX) return false;
    uint64_t place = place_in(m, module);
    if (place != DUMP_PLACE_UNKNOWN) place = (place >> 48 << 48) | DUMP_FRAME_OFFSET(nearest - below);
    *w = (struct whose){.kind = ROOT_THREAD_LOCAL, .thread = t->id, .place = place};
    return true;
}

/* The frame whose stack pointer is the next below; the outermost one's extent nobody knows. */
static void find_frame(const struct making *m, uint64_t at, struct whose *w) {
    w->place = DUMP_PLACE_UNKNOWN;
    for (size_t i = 0; i + 1 < m->frame_count; i++) {
        const struct stack_frame *f = &m->frames[i];
        if (f->thread != w->thread || f[1].thread != w->thread || !f->pointer || at < f->pointer || at >= f[1].pointer)
            continue;
        if (DUMP_FRAME_MODULE(f->frame) == DUMP_NO_MODULE) return;
        w->place = f->frame;
        w->exact = f->exact;
        return;
    }
}

/* libc has the control block at the top of a stack; the kernel's own stack is the first thread's. */
static bool is_of_stack(const struct making *m, const struct core_thread *t, uint64_t at, struct whose *w) {
    const struct core_segment *s = core_segment_before(m->core, at);
    uint64_t pointer = t->registers[CORE_RSP];
    if (!s || at - s->address >= s->size || at < pointer || pointer < s->address) return false;
    bool kernels = m->core->stack - s->address < s->size;
    if (!kernels && (t->block - s->address >= s->size || at >= t->block || pointer >= t->block)) return false;
    *w = (struct whose){.kind = ROOT_STACK, .thread = t->id};
    find_frame(m, at, w);
    return true;
}

static bool is_of_thread(struct making *m, const struct core_thread *t, uint64_t at, struct whose *w) {
    if (at < t->block && is_thread_local(m, t, at, w)) return true;
    if (at - t->block < CONTROL_BLOCK) {
        *w = (struct whose){.kind = ROOT_THREAD, .thread = t->id};
        return true;
    }
    return is_of_stack(m, t, at, w);
}

static bool is_emergency(const struct places *p, uint64_t at) {
    for (size_t i = 0; i < p->emergencies; i++)
        if (at - p->emergency[i] < 2 * p->slice) return true;
    return false;
}

struct whose whose_is(struct making *m, uint64_t from) {
    struct whose w = {0};
    if (from & FROM_REGISTERS) return of_register(m->core, from);
    if (from & FROM_SIGNALS) return of_signals(m->core, from);
    if (is_emergency(m->places, from)) return (struct whose){.kind = ROOT_EMERGENCY};
    for (size_t i = 0; i < m->core->thread_count; i++)
        if (is_of_thread(m, &m->core->threads[i], from, &w)) return w;
    const struct core_file *file = core_file_at(m->core, from);
    uint64_t place = place_in(m, from);
    if (place == DUMP_PLACE_UNKNOWN && file) {
        uint64_t frame = making_frame(m, from); /* a module that no frame was in so far */
        struct dump_module unused = {0};
        uint64_t bias;
        if (DUMP_FRAME_MODULE(frame) != DUMP_NO_MODULE &&
            making_image(m->core, m->modules[DUMP_FRAME_MODULE(frame)].start, &bias, &unused))
            place = frame;
    }
    if (place != DUMP_PLACE_UNKNOWN) return (struct whose){.kind = ROOT_MODULE, .place = place};
    bool shared = file && core_is_shared(file);
    return (struct whose){.kind = shared ? ROOT_SHARED : ROOT_PRIVATE, .name = file ? file->path : NULL};
}
