/* See named.h. */
#include "shim/box/named.h"
#include "shim/base/sys.h"
#include "shim/box/jit.h"
#include "shim/box/stacks.h"

#define FEW 2048 /* ids that need no memory but the library's */

static uint32_t number_here[FEW], id_here[FEW];

static size_t size_of(const struct named *n) {
    return round_up(n->stacks * sizeof(uint32_t), PAGE);
}

void named_start(struct named *n, uint32_t stacks) {
    *n = (struct named){.stacks = stacks, .count = 1, .number = number_here, .id = id_here};
    if (stacks > FEW) {
        n->number = sys_mmap(NULL, 2 * size_of(n), PROT_READ | PROT_WRITE, MAP_NORESERVE);
        n->id = n->number + size_of(n) / sizeof(uint32_t);
    } else {
        mem_zero(number_here, sizeof number_here);
    }
    if (!n->number) n->count = max_size(stacks, 1) & UINT32_MAX;
}

void named_end(struct named *n) {
    if (n->number && n->number != number_here) sys_munmap(n->number, 2 * size_of(n));
}

uint32_t named_before(const struct named *n, uint32_t id) {
    return id >= n->stacks ? 0 : n->number ? n->number[id] : id;
}

uint32_t named_number(struct named *n, uint32_t id) {
    uint32_t number = named_before(n, id);
    if (number != 0 || id < STACK_ROOTS || id >= n->stacks) return number;
    n->id[n->count] = id;
    return n->number[id] = n->count++;
}

/* The frames of a stack that are shown, innermost first. */
static uint32_t frames_of(uint32_t id, uint64_t frames[OPTION_DEPTH_MAX], struct dump_stack *d) {
    uint32_t n = 0;
    const struct stack *s = stack_at(id);
    d->flags = s->flags;
    for (; id >= STACK_ROOTS && n < options.depth; id = s->outer, n++) {
        s = stack_at(id);
        frames[n] = s->frame;
        if (n < 64 && (s->how & STACK_EXACT)) d->exact |= 1ull << n;
    }
    if (id >= STACK_ROOTS) d->flags |= DUMP_STACK_CUT;
    return n;
}

uint32_t named_id(const struct named *n, uint32_t number) {
    return n->number ? n->id[number] : number;
}

void named_write(const struct named *n, struct writer *w, struct jit *jit) {
    static uint64_t frames[OPTION_DEPTH_MAX];
    uint32_t written = 0;
    writer_begin(w, DUMP_FRAMES, sizeof(uint64_t));
    for (uint32_t i = 1; i < n->count; i++) {
        struct dump_stack d = {0};
        uint32_t count = frames_of(named_id(n, i), frames, &d);
        writer_add(w, frames, count * sizeof frames[0]);
        jit_note(jit, frames, count, d.exact);
    }
    writer_end(w);
    writer_begin(w, DUMP_STACKS, sizeof(struct dump_stack));
    for (uint32_t i = 0; i < n->count; i++) {
        struct dump_stack d = {.flags = DUMP_STACK_NONE};
        uint32_t id = i == 0 ? STACK_UNKNOWN : named_id(n, i);
        if (id >= STACK_ROOTS) {
            d = (struct dump_stack){.first_frame = written};
            d.frames = (uint16_t)frames_of(id, frames, &d);
        }
        written += d.frames;
        writer_add(w, &d, sizeof d);
    }
    writer_end(w);
}
