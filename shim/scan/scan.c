/* See scan.h. Roots, then what is only possibly pointed to, then what leaked blocks lead to: each block is judged by
 * the first that gets to it. */
#include "shim/scan/scan.h"
#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/box/dump.h"
#include "shim/box/ignored.h"
#include "shim/box/probe.h"
#include "shim/box/verdicts.h"
#include "shim/scan/blocks.h"
#include "shim/scan/collect.h"
#include "shim/scan/looks.h"
#include "shim/scan/mark.h"
#include "shim/scan/park.h"
#include "shim/scan/parts.h"
#include "shim/scan/paths.h"
#include "shim/scan/roots.h"

static bool certain; /* nobody could have held a pointer where it was not seen */
static bool once;    /* one search is enough: the program does nothing any more, or asks for it by itself */
static uint32_t not_held;

static void see_possible(void *context, const struct block *b) {
    (void)context;
    if (blocks_bit_before(BLOCKS_INDIRECT, b->start) || !blocks_bit(BLOCKS_PAST, b->start)) return;
    (void)blocks_set(BLOCKS_POSSIBLE, b->start);
    mark_from(b, BLOCKS_POSSIBLE);
}

/* What the program has said is no leak, and what that leads to. */
static void see_ignored(void *context, const struct block *b) {
    (void)context;
    if (ignored_has(b->start) && !blocks_set(BLOCKS_REACHED, b->start)) mark_from(b, BLOCKS_REACHED);
}

/* A block that another leaked one leads to is leaked indirectly; of a cycle the first is named. */
static void see_leaked(void *context, const struct block *b) {
    (void)context;
    if (!blocks_bit_before(BLOCKS_PAST, b->start)) mark_from(b, BLOCKS_INDIRECT);
}

static enum dump_verdict verdict(const void *p) {
    if (!blocks_bit(BLOCKS_LIVE, p)) return DUMP_UNKNOWN; /* younger than the scan */
    if (blocks_bit(BLOCKS_REACHED, p)) return DUMP_IN_USE;
    if (!certain || blocks_bit_before(BLOCKS_INDIRECT, p)) return DUMP_POSSIBLE;
    if (!once && !blocks_bit(BLOCKS_AGAIN, p)) return DUMP_POSSIBLE;
    return blocks_bit(BLOCKS_INDIRECT, p) ? DUMP_INDIRECT : DUMP_LEAKED;
}

/* --- of a program that goes on --- */

static void compare(void *context, const struct block *b) {
    const struct verdicts *v = context;
    uintptr_t start = (uintptr_t)b->start;
    if (blocks_bit_before(BLOCKS_INDIRECT, b->start)) return;
    bool readable = mark_may_read(start, start + b->size);
    uint32_t sum = readable ? looks_sum(b->start, b->size) : 0;
    if (!looks_keep(start, sum) || !readable) return;
    (void)blocks_set(BLOCKS_AGAIN, b->start);
    if (v->apart >= COLLECT_APART) looks_lose(start, sum);
}

static bool hold(void *context) {
    probe_calls();
    if (looks_begin()) looks_set_pause(0);
    return park_others(context, &not_held);
}

static void let_go(void) {
    park_let_go();
    looks_set_pause(clock_now() - park_since());
}

/* --- all of it --- */

static void add_up(void *context, const struct block *b) {
    struct verdicts *v = context;
    enum dump_verdict is = verdict(b->start);
    v->blocks[is]++;
    v->bytes[is] += b->size;
}

static enum dump_verdict verdict_of_part(uintptr_t start) {
    return parts_verdict(start, certain && once);
}

/* Its bytes are the part's, not those of the block around it any more. What is in use is in the block's. */
static void add_up_part(void *context, const struct range *part) {
    struct verdicts *v = context;
    enum dump_verdict is = verdict_of_part(part->from);
    struct block block;
    char *past;
    size_t size = part->end - part->from;
    if (is == DUMP_IN_USE) return;
    v->blocks[is]++;
    v->bytes[is] += size;
    if (!blocks_find(part->from, &block, &past)) return;
    enum dump_verdict around = verdict(block.start);
    v->bytes[around] -= min_size(v->bytes[around], size); /* parts may overlap */
}

static bool is_wanted(enum dump_reason reason) {
    return (reason == DUMP_AT_EXIT && (options.leaks & LEAKS_AT_EXIT)) ||
           (reason == DUMP_AT_SIGNAL && (options.leaks & LEAKS_AT_SIGNAL));
}

static bool look(struct verdicts *v, uintptr_t stack) {
    if (!blocks_begin() || !parts_begin() || !mark_begin()) return false;
    paths_begin();
    v->root_bytes = roots_mark(stack, &certain);
    if (v->root_bytes == 0) return false;
    if (ignored_any()) blocks_each(see_ignored, NULL);
    mark_parts(BLOCKS_REACHED);
    blocks_each(see_possible, NULL);
    mark_parts(BLOCKS_POSSIBLE);
    blocks_each(see_leaked, NULL);
    mark_parts(BLOCKS_INDIRECT);
    v->block_bytes = mark_bytes();
    return true;
}

static void end_all(void) {
    paths_end();
    parts_end();
    blocks_end();
}

static void begin(struct verdicts *v, enum dump_reason reason, uintptr_t stack) {
    uint64_t start = clock_now();
    *v = (struct verdicts){0};
    v->wanted = true;
    once = reason != DUMP_AT_SIGNAL;
    if (reason == DUMP_AT_EXIT) {
        probe_calls();
        (void)park_others(NULL, &not_held);
    } else if (!park_holds()) {
        not_held = 1; /* in the process itself, beside threads that go on */
    }
    v->threads_not_held = not_held;
    certain = not_held == 0;
    v->known = look(v, stack);
    if (v->known && !once) {
        v->apart = looks_open(certain);
        blocks_each(compare, v);
        looks_close();
    }
    if (park_holds() && !once) v->pause = looks_pause();
    mark_end();
    if (v->known) {
        blocks_each(add_up, v);
        parts_each(add_up_part, v);
    } else {
        end_all();
    }
    v->time = clock_now() - start;
}

static void end(struct verdicts *v) {
    if (v->known) end_all();
}

void scan_start(void) {
    static const struct verdicts_by by = {is_wanted, hold, let_go, begin, verdict, verdict_of_part, paths_write, end};
    park_start();
    dump_verdicts = &by;
}
