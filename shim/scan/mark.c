/* See mark.h. The stack of what is to be looked at has the blocks that wait, and below each of them the one that led
 * to it, which is open: it has been looked into, and stays until all that it led to has been. So the open ones are at
 * any time a path from a root to what is looked into, and a block is on the stack once a plane at most.
 *
 *     root, A leads to B, C and D; D leads to E:      A B C D E      open: A D, and E as soon as it is looked into
 *
 * A path that is told has its outermost steps and its innermost ones. Of a long row of open blocks among which nothing
 * waits any more, those in between are taken off the stack, so that a list needs no room for each of its nodes. */
#include "shim/scan/mark.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/scan/parts.h"
#include "shim/scan/paths.h"

#include <sys/uio.h>

#define LEFT_OUT_MAX 1024
#define NONE         SIZE_MAX
#define ROW_MAX      4096                /* open blocks in a row, before most of them are taken off */
#define GONE_MAX     ((uint64_t)1 << 28) /* that one entry can stand for */

struct entry {
    uint64_t place : 36; /* where the block begins, in 16 bytes of the arena */
    uint64_t word : 28;  /* where, in what led to it, the word lies; see PATHS_FAR */
    uint64_t open : 36;  /* of an open one: the next open one below; INDEX_NONE */
    uint64_t gone : 28;  /* of an open one: so many below it were taken off */
};
_Static_assert(sizeof(struct entry) == 16, "a block that waits takes 16 bytes");
#define INDEX_NONE (((uint64_t)1 << 36) - 1)

static struct entry *stack;
static size_t stack_size, waiting; /* entries */
static size_t innermost;           /* the open one; NONE */
static uint64_t depth;             /* open ones, with those that were taken off */
static size_t row;                 /* so many on top are open, at least */
static struct entry outermost[PATHS_HALF];
static struct root root_now;
static struct block last; /* that was put on the stack: most often the next one, too */
static struct range left_out[LEFT_OUT_MAX];
static size_t left_out_count;
static uint64_t bytes_seen;

/* How words are read, by WEIR_SCAN. */
static size_t step;            /* bytes from one to the next */
static uintptr_t address_bits; /* of one that count */
static size_t outside_size;    /* of where parts of no block lie; 0: there is none */
typedef uint64_t loose_word __attribute__((aligned(1), may_alias));

bool mark_begin(void) {
    left_out_count = waiting = bytes_seen = depth = row = 0;
    innermost = NONE;
    last = (struct block){0};
    step = options.scan.unaligned ? 1 : sizeof(uint64_t);
    address_bits = ~options.scan.tags;
    outside_size = parts_outside.end > parts_outside.from ? parts_outside.end - parts_outside.from : 0;
    stack_size = blocks_count() + 1;
    stack = sys_mmap(NULL, stack_size * sizeof *stack, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    return stack != NULL;
}

void mark_end(void) {
    if (stack) sys_munmap(stack, stack_size * sizeof *stack);
    stack = NULL;
}

bool mark_is_at(uintptr_t address) {
    return stack && address - (uintptr_t)stack < stack_size * sizeof *stack;
}

uint64_t mark_bytes(void) {
    return bytes_seen;
}

bool mark_leave_out(uintptr_t from, uintptr_t end) {
    while (blocks_next_span(&from, end)) {
        uintptr_t upto = min_size(round_down(from, SLICE) + SLICE, end);
        if (left_out_count > 0 && left_out[left_out_count - 1].end == from) {
            left_out[left_out_count - 1].end = upto;
        } else {
            if (left_out_count == LEFT_OUT_MAX) return false;
            left_out[left_out_count++] = (struct range){from, upto};
        }
        from = upto;
    }
    return true;
}

/* The first address of the range that cannot be read; its end: there is none. */
static const struct range *first_left_out(uintptr_t from, uintptr_t end) {
    size_t low = 0, high = left_out_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (left_out[middle].end <= from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < left_out_count && left_out[low].from < end ? &left_out[low] : NULL;
}

bool mark_may_read(uintptr_t from, uintptr_t end) {
    return first_left_out(from, end) == NULL;
}

/* --- the path --- */

static void *start_of(const struct entry *e) {
    return (void *)(arena.base + ((uintptr_t)e->place << 4));
}

static void push(const struct block *block, size_t word) {
    uint64_t place = ((uintptr_t)block->start - arena.base) >> 4;
    stack[waiting++] = (struct entry){.place = place & INDEX_NONE, .word = min_size(word, PATHS_FAR) & PATHS_FAR};
    last = *block;
}

static uint64_t gone_of(size_t from, size_t count) {
    uint64_t gone = 0;
    for (size_t i = from; i < from + count; i++) gone += stack[i].gone;
    return gone;
}

/* Of the row on top, all but the innermost ones that a path tells. */
static void shorten_row(void) {
    size_t first = waiting - row, drop = row - PATHS_HALF;
    uint64_t gone = drop + gone_of(first, drop + 1);
    struct entry *kept = &stack[first];
    row = 0; /* to be counted anew in any case */
    if (gone >= GONE_MAX) return;
    uint64_t below = kept->open;
    for (size_t i = 0; i < PATHS_HALF; i++) {
        kept[i] = kept[i + drop];
        kept[i].open = (i == 0 ? below : first + i - 1) & INDEX_NONE;
    }
    kept[0].gone = gone & (GONE_MAX - 1);
    waiting -= drop;
    innermost = waiting - 1;
    row = PATHS_HALF;
}

/* The one on top. */
static void open_top(void) {
    struct entry *e = &stack[waiting - 1];
    row = innermost == waiting - 2 ? row + 1 : 1;
    e->open = innermost == NONE ? INDEX_NONE : innermost & INDEX_NONE;
    e->gone = 0;
    innermost = waiting - 1;
    if (depth < PATHS_HALF) outermost[depth] = *e;
    depth++;
    if (row == ROW_MAX) shorten_row();
}

static void close_top(void) {
    const struct entry *e = &stack[--waiting];
    innermost = e->open == INDEX_NONE ? NONE : e->open;
    depth -= 1 + e->gone;
    row = row > 0 ? row - 1 : 0;
}

#ifdef WEIR_DEBUG
/* A law that debug builds check: the word of a block leads to the next one. */
static bool leads_on(const struct paths_step *from, const struct paths_step *to, enum blocks_plane how) {
    struct block block;
    char *past;
    if (step != sizeof(uint64_t) || ~address_bits) return true; /* a path tells of whole words */
    bool found = blocks_find(((const uint64_t *)(const void *)from->start)[to->word], &block, &past);
    return how == BLOCKS_PAST ? past == to->start : found && block.start == to->start;
}
#endif

/* Where memory leads to a block of a site of which no such path is known yet: the open ones, then the block. */
static COLD void tell_path(const struct block *block, size_t word, enum blocks_plane how) {
    struct paths_step steps[2 * PATHS_HALF];
    size_t outer = min_size(depth, PATHS_HALF), inner = min_size(depth - outer, PATHS_HALF - 1), at = innermost;
    for (size_t i = 0; i < outer; i++) steps[i] = (struct paths_step){start_of(&outermost[i]), outermost[i].word};
    for (size_t i = 0; i < inner; i++, at = stack[at].open)
        steps[outer + inner - 1 - i] = (struct paths_step){start_of(&stack[at]), stack[at].word};
    steps[outer + inner] = (struct paths_step){block->start, min_size(word, PATHS_FAR)};
    for (size_t i = 0; i < outer + inner; i++)
        ASSERT(steps[i + 1].word >= PATHS_FAR || (i + 1 == outer && depth > outer + inner) ||
               leads_on(&steps[i], &steps[i + 1], i + 1 == outer + inner ? how : BLOCKS_REACHED));
    paths_add(how, block, &root_now, steps, outer + inner + 1, depth - outer - inner);
}

/* --- looking --- */

/* `first`: bytes from the start of what is looked into to these; of what is longer than a path can tell, so much. */
ALWAYS_INLINE void look_by(size_t by, const char *bytes, size_t size, size_t first, enum blocks_plane plane,
                           const char *origin) {
    struct block block;
    char *past;
    for (size_t at = 0; at + sizeof(uint64_t) <= size; at += by) {
        uintptr_t word = *(const loose_word *)(bytes + at) & address_bits;
        if (word - arena.base >= arena.slices << SLICE_SHIFT) {
            if (unlikely(word - parts_outside.from < outside_size)) parts_put(word, plane);
            continue;
        }
        if (unlikely(parts_count > 0)) parts_put(word, plane);
        bool found = blocks_find(word, &block, &past);
        if (unlikely(past) && plane != BLOCKS_INDIRECT && !blocks_set(BLOCKS_PAST, past) &&
            !blocks_bit_before(BLOCKS_INDIRECT, past)) {
            struct block meant;
            char *none;
            if (blocks_find((uintptr_t)past, &meant, &none) && paths_are_wanted(BLOCKS_PAST, &meant))
                tell_path(&meant, (first + at) / 8, BLOCKS_PAST);
        }
        if (!found || block.start == origin || blocks_bit_before(plane, block.start) || blocks_set(plane, block.start))
            continue;
        if (unlikely(paths_are_wanted(plane, &block))) tell_path(&block, (first + at) / 8, plane);
        push(&block, (first + at) / 8);
    }
}

static void look(const char *bytes, size_t size, size_t first, enum blocks_plane plane, const char *origin) {
    look_by(step, bytes, size, first, plane, origin);
}

/* Of a block: what cannot be read, and what is a part of it that is looked at by itself. */
static const struct range *first_hole(uintptr_t from, uintptr_t end, bool of_block) {
    const struct range *hole = left_out_count ? first_left_out(from, end) : NULL;
    const struct range *part = of_block && parts_count > 0 ? parts_first(from, end) : NULL;
    return !hole || (part && part->from < hole->from) ? part : hole;
}

static void look_into(uintptr_t from, uintptr_t end, enum blocks_plane plane, const char *origin, bool is_block) {
    for (uintptr_t at = from; at < end;) {
        const struct range *hole = first_hole(at, end, is_block);
        uintptr_t stop = hole && hole->from > at ? hole->from : hole ? at : end;
        if (stop > at) look((const char *)at, stop - at, at - from, plane, origin);
        at = hole ? round_up(hole->end, step) : end;
    }
}

/* Where nothing leads to a block itself, its parts are no better off. */
static void look_into_block(const struct block *block, enum blocks_plane plane, const char *origin) {
    uintptr_t from = (uintptr_t)block->start, end = from + block->size;
    bytes_seen += block->size;
    if (unlikely(parts_count > 0) && plane != BLOCKS_REACHED) parts_put_all(from, end, plane);
    look_into(from, end, plane, origin, true);
}

/* It may be gone meanwhile, or have holes: a piece at a time. */
static void look_outside(const struct range *part, enum blocks_plane plane, const char *origin) {
    static char piece[4 * KIB];
    for (uintptr_t at = round_up(part->from, step); at + sizeof(uint64_t) <= part->end;) {
        size_t n = min_size(sizeof piece, part->end - at);
        struct iovec local = {piece, n}, remote = {(void *)at, n};
        long got = sys6(SYS_process_vm_readv, sys_getpid(), (long)&local, 1, (long)&remote, 1, 0);
        size_t done = got > 0 ? (size_t)got : 0;
        look(piece, done, at - part->from, plane, origin);
        if (done < n) /* on behind the page that cannot be read */
            at = round_down(at + done, PAGE) + PAGE;
        else
            at += n < sizeof piece ? n : n - sizeof(uint64_t); /* a pointer may lie across the two */
    }
}

/* A path begins with it, since no block leads to what it leads to. */
static void look_into_part(const struct range *part, enum blocks_plane plane, const char *origin) {
    root_now = (struct root){ROOT_POOL, part->from};
    if (part->from - arena.base >= arena.slices << SLICE_SHIFT) {
        look_outside(part, plane, origin);
        return;
    }
    look_into(round_up(part->from, step), part->end, plane, origin, false);
}

static void look_at_all(enum blocks_plane plane, const char *origin) {
    struct range part;
    for (;;) {
        if (waiting == 0) {
            ASSERT(depth == 0 && innermost == NONE);
            if (!parts_take(&part)) return;
            look_into_part(&part, plane, origin);
            continue;
        }
        if (innermost == waiting - 1) {
            close_top();
            continue;
        }
        const char *start = start_of(&stack[waiting - 1]);
        struct block block = last;
        char *past;
        open_top();
        if (block.start == start || blocks_find((uintptr_t)start, &block, &past))
            look_into_block(&block, plane, origin);
    }
}

void mark_words(const uint64_t *words, size_t count, struct root root) {
    root_now = root;
    look((const char *)words, count * sizeof *words, 0, BLOCKS_REACHED, NULL);
    look_at_all(BLOCKS_REACHED, NULL);
}

void mark_code(const char *bytes, size_t size, struct root root) {
    root_now = root;
    look_by(1, bytes, size, 0, BLOCKS_REACHED, NULL);
    look_at_all(BLOCKS_REACHED, NULL);
}

void mark_from(const struct block *block, enum blocks_plane plane) {
    root_now = (struct root){plane == BLOCKS_POSSIBLE ? ROOT_POSSIBLE : ROOT_LEAKED, 0};
    push(block, 0);
    look_at_all(plane, block->start);
}

static void look_from_part(const struct range *part) {
    look_into_part(part, BLOCKS_INDIRECT, NULL);
    look_at_all(BLOCKS_INDIRECT, NULL);
}

void mark_parts(enum blocks_plane plane) {
    parts_begin_plane(plane, look_from_part);
    look_at_all(plane, NULL);
}
