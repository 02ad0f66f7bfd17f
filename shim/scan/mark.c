/* See mark.h. A block is put on the stack once a plane at most, so that the stack has room for all. */
#include "shim/scan/mark.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/scan/parts.h"

#include <sys/uio.h>

#define LEFT_OUT_MAX 1024

static char **stack;
static size_t stack_size, waiting; /* blocks */
static struct range left_out[LEFT_OUT_MAX];
static size_t left_out_count;
static uint64_t bytes_seen;

/* How words are read, by WEIR_SCAN. */
static size_t step;            /* bytes from one to the next */
static uintptr_t address_bits; /* of one that count */
static size_t outside_size;    /* of where parts of no block lie; 0: there is none */
typedef uint64_t loose_word __attribute__((aligned(1), may_alias));

bool mark_begin(void) {
    left_out_count = waiting = bytes_seen = 0;
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

static void look(const char *bytes, size_t size, enum blocks_plane plane, const char *origin) {
    struct block block;
    char *past;
    for (size_t at = 0; at + sizeof(uint64_t) <= size; at += step) {
        uintptr_t word = *(const loose_word *)(bytes + at) & address_bits;
        if (word - arena.base >= arena.slices << SLICE_SHIFT) {
            if (unlikely(word - parts_outside.from < outside_size)) parts_put(word, plane);
            continue;
        }
        if (unlikely(parts_count > 0)) parts_put(word, plane);
        bool found = blocks_find(word, &block, &past);
        if (past && plane != BLOCKS_INDIRECT) (void)blocks_set(BLOCKS_PAST, past);
        if (!found || block.start == origin || blocks_bit_before(plane, block.start) || blocks_set(plane, block.start))
            continue;
        stack[waiting++] = block.start;
    }
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
        if (stop > at) look((const char *)at, stop - at, plane, origin);
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
        look(piece, done, plane, origin);
        if (done < n) /* on behind the page that cannot be read */
            at = round_down(at + done, PAGE) + PAGE;
        else
            at += n < sizeof piece ? n : n - sizeof(uint64_t); /* a pointer may lie across the two */
    }
}

static void look_into_part(const struct range *part, enum blocks_plane plane, const char *origin) {
    if (part->from - arena.base >= arena.slices << SLICE_SHIFT) {
        look_outside(part, plane, origin);
        return;
    }
    look_into(round_up(part->from, step), part->end, plane, origin, false);
}

static void look_at_all(enum blocks_plane plane, const char *origin) {
    struct block block;
    struct range part;
    char *past;
    for (;;) {
        if (waiting > 0) {
            if (blocks_find((uintptr_t)stack[--waiting], &block, &past)) look_into_block(&block, plane, origin);
        } else if (parts_take(&part)) {
            look_into_part(&part, plane, origin);
        } else {
            return;
        }
    }
}

void mark_words(const uint64_t *words, size_t count, enum blocks_plane plane) {
    look((const char *)words, count * sizeof *words, plane, NULL);
    look_at_all(plane, NULL);
}

void mark_from(const struct block *block, enum blocks_plane plane) {
    look_into_block(block, plane, block->start);
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
