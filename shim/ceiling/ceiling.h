/* The ceiling: one counter of committed bytes that no thread ever sees above the limit, and the words of a refusal. */
#ifndef WEIR_CEILING_CEILING_H
#define WEIR_CEILING_CEILING_H

#include "shim/arena/layout.h"
#include "shim/base/base.h"

#include <stdatomic.h>

/* What a refused request was; the numbers are those of the dump format. */
enum ceiling_operation {
    CEILING_QUIET = 0, /* not to be reported: who asked will ask again */
    CEILING_MALLOC = 1,
    CEILING_CALLOC,
    CEILING_REALLOC,
    CEILING_ALIGNED,
    CEILING_NEW,
    CEILING_TABLE,
    CEILING_MMAP
};

/* Sets the limits, which are the options', and becomes who is told of every commit (base/charge.h). Once, before any
 * memory is committed. */
void ceiling_start(void);

/* The options have changed. What is in use may be above a ceiling that is lower now: then all is refused until it is
 * not. Any thread, also in a signal handler. */
void ceiling_set(void);

/* While a request for more than CEILING_SMALL bytes is served, what WEIR_RESERVE keeps is not there for it. */
#define CEILING_SMALL (32 * KIB)
ALWAYS_INLINE bool ceiling_serves(size_t n) {
    bool before = tls.large;
    tls.large = n > CEILING_SMALL;
    return before;
}
ALWAYS_INLINE void ceiling_served(bool before) {
    tls.large = before;
}

/* The watermarks: crossing the high one upwards and the low one downwards are events, each of which comes after the
 * other. They are counted when they happen, and what is to be done about them (WEIR_ON_WATERMARK) is done by whoever
 * comes here next, outside of any slow path. */
extern _Atomic uint32_t ceiling_crossed HIDDEN;
COLD void ceiling_tell_crossings(void);
ALWAYS_INLINE bool ceiling_is_crossed(void) {
    return atomic_load_explicit(&ceiling_crossed, memory_order_relaxed) != 0;
}
ALWAYS_INLINE void ceiling_look(void) {
    if (unlikely(ceiling_is_crossed())) ceiling_tell_crossings();
}

/* Moves the counter by compare-and-swap before the bytes are committed; false: it would pass the limit, nothing was
 * counted, and tls.refused_… say what was asked and what was in use. */
bool ceiling_charge(size_t bytes);
void ceiling_release(size_t bytes);

/* By how many bytes what was refused last on this thread would pass the limit now. */
size_t ceiling_missing(void);

/* Counts what is there already, whatever the limit: the kernel's word against ours. */
void ceiling_charge_anyway(size_t bytes);

/* A little of the ceiling is charged at start and kept for ld.so, which ends the process when it gets no memory for a
 * library's thread storage. While it is open for this thread, charges that the ceiling refuses come out of it. */
void ceiling_open_reserve(bool open);

struct ceiling_numbers {
    uint64_t used, peak, max; /* bytes; max is 0 where there is no ceiling */
    uint64_t peak_time;       /* when `used` was at its peak first, CLOCK_MONOTONIC, coarse, ns; 0: at the start */
    uint64_t heap;            /* of `used`, what is not the program's own mappings */
    uint64_t loader;          /* of that, what is still kept for ld.so */
    uint64_t refused, refused_bytes;
    uint64_t high_crossings, low_crossings; /* of the watermarks, upwards and downwards */
};
struct ceiling_numbers ceiling_numbers(void);

/* A request of n bytes by the program is refused: counts it, remembers it, and says so on standard error, at most ten
 * times a second. Only when the ceiling was why (tls.refused); the kernel's own refusals are between it and the
 * program. `frame`: of the entry that was called, NULL: it is not known. On the outermost slow path. */
void ceiling_refuse(enum ceiling_operation operation, size_t n, const void *frame);

/* The same in a signal handler that interrupted weir, where what is set aside for those may be used up, too. */
void ceiling_refuse_in_handler(enum ceiling_operation operation, size_t n, const void *frame);

/* Tells all of them to where they outlive the process (lock_page.live), which has just come about. */
void ceiling_tell(void);

/* The newest refusals, oldest first: up to `max` of them into out; their number. */
struct ceiling_refusal {
    uint64_t time, requested, used, max;
    uint64_t committed; /* bytes that were to be committed for it */
    uint32_t thread;
    uint32_t operation;
    const void *caller;
    uint64_t frame; /* what ceiling_frame_of_code said of it then */
    uint32_t stack; /* of the request; 0: none was taken */
};
size_t ceiling_refusals(struct ceiling_refusal *out, size_t max);
#define CEILING_REFUSALS ((size_t)64)

/* Where all that lies, for who finds it in a core (box/format_core.h). */
extern const struct ceiling_places {
    const _Atomic uint64_t *used, *peak, *peak_time, *max, *refused, *refused_bytes, *low_crossings, *high_crossings;
    const _Atomic uint64_t *loader;
    const struct ceiling_refusal *ring;
} ceiling_places;

/* Set by the room that knows modules: appends "name+0x1a2b3" for a code address; its frame, which outlives the module.
 */
struct text;
extern void (*ceiling_describe_code)(struct text *t, const void *code);
extern uint64_t (*ceiling_frame_of_code)(const void *code);

/* Set where stacks are kept: the id of that of who called the entry whose frame this is. On the outermost slow path. */
extern uint32_t (*ceiling_stack)(const void *frame);
extern void (*ceiling_describe_process)(struct text *t);

/* Set where refusals are to outlive the process: the number of one, from 0. */
extern void (*ceiling_note)(const struct ceiling_refusal *r, uint64_t number);

/* Set by the room that writes dumps: called at a refusal, at most once a minute. */
extern void (*ceiling_dump)(void);
#define CEILING_DUMP_PERIOD 60000000000u /* ns */

/* Set where leaks are looked for, with WEIR_ON_LIMIT=collect: called before a refusal, outside of the arena. True: it
 * is worth another try. */
extern bool (*ceiling_collect)(void);

#endif
