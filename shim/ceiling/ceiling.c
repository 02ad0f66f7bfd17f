/* The counter and the refusal; see ceiling.h. */
#include "shim/ceiling/ceiling.h"
#include "shim/arena/arena.h"
#include "shim/base/charge.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/region.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/ceiling/pages.h"
#include "shim/ceiling/reclaim.h"

#include <stdatomic.h>

#define MESSAGE_PERIOD 100000000u /* ns between two messages */

bool (*charge_take)(size_t bytes);
void (*charge_give)(size_t bytes);
void (*ceiling_describe_code)(struct text *t, const void *code);
uint64_t (*ceiling_frame_of_code)(const void *code);
uint32_t (*ceiling_stack)(const void *frame);
void (*ceiling_describe_process)(struct text *t);
void (*ceiling_note)(const struct ceiling_refusal *r, uint64_t number);
void (*ceiling_dump)(void);

static struct {
    _Atomic uint64_t used ALIGNED(64);
    _Atomic uint64_t peak, peak_time;
    _Atomic uint64_t max, max_large; /* for requests that may have what WEIR_RESERVE keeps, and for others */
    _Atomic uint64_t high, low;
    _Atomic bool above; /* of the watermarks, the one that was crossed last is the high one */
    _Atomic uint64_t refused ALIGNED(64);
    _Atomic uint64_t refused_bytes;
    _Atomic uint64_t next_message, unsaid, next_dump;
    _Atomic uint64_t crossings[2]; /* downwards, upwards */
} counter;

enum { CROSSED_DOWN = 1, CROSSED_UP = 2, CEILING_LOWERED = 4 /* below what is in use */ };
_Atomic uint32_t ceiling_crossed;

static struct ceiling_refusal ring[CEILING_REFUSALS];

/* One part in 256 of the ceiling, at most 256 KiB: a library's thread storage is a few KiB. */
static uint64_t reserve_for(uint64_t max) {
    return round_down(min_size(max / 256, 256 * KIB), PAGE);
}

static _Atomic uint64_t reserve_left;

const struct ceiling_places ceiling_places = {
    &counter.used,          &counter.peak,         &counter.peak_time,    &counter.max,  &counter.refused,
    &counter.refused_bytes, &counter.crossings[0], &counter.crossings[1], &reserve_left, ring};

static uint64_t relaxed(const _Atomic uint64_t *n) {
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)n, memory_order_relaxed);
}

/* --- what outlives the process: each is told after it has changed, until it is what it is --- */

static void put(_Atomic uint64_t *to, const _Atomic uint64_t *from) {
    uint64_t now;
    do {
        now = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)from, memory_order_seq_cst);
        atomic_store_explicit(to, now, memory_order_seq_cst);
    } while (unlikely(atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)from, memory_order_seq_cst) != now));
}

static void tell_used(void) {
    _Atomic uint64_t *to = atomic_load_explicit(&lock_page.live, memory_order_relaxed);
    if (unlikely(!to)) return;
    put(&to[LIVE_USED], &counter.used);
    atomic_store_explicit(&to[LIVE_SEEN], clock_coarse(), memory_order_relaxed);
}

static COLD void tell_others(void) {
    _Atomic uint64_t *to = atomic_load_explicit(&lock_page.live, memory_order_relaxed);
    if (!to) return;
    put(&to[LIVE_REFUSED], &counter.refused);
    put(&to[LIVE_REFUSED_BYTES], &counter.refused_bytes);
    put(&to[LIVE_HIGH], &counter.crossings[1]);
    put(&to[LIVE_LOW], &counter.crossings[0]);
    atomic_store_explicit(&to[LIVE_MAX], relaxed(&counter.max) == UINT64_MAX ? 0 : relaxed(&counter.max),
                          memory_order_relaxed);
}

static void tell_peak(void) {
    _Atomic uint64_t *to = atomic_load_explicit(&lock_page.live, memory_order_relaxed);
    if (unlikely(!to)) return;
    put(&to[LIVE_PEAK], &counter.peak);
    put(&to[LIVE_PEAK_TIME], &counter.peak_time);
}

void ceiling_tell(void) {
    tell_used();
    tell_peak();
    tell_others();
}

void ceiling_set(void) {
    static _Atomic bool reserved; /* what ld.so may need, of the first ceiling that there is */
    uint64_t max = options.max_direct, reserve = max == UINT64_MAX ? 0 : reserve_for(max);
    atomic_store_explicit(&counter.max, max, memory_order_relaxed);
    atomic_store_explicit(&region_share, max == UINT64_MAX ? SIZE_MAX : max / 2, memory_order_relaxed);
    atomic_store_explicit(&counter.max_large, max == UINT64_MAX ? max : max - options.reserve, memory_order_relaxed);
    atomic_store_explicit(&counter.high, options_watermark(&options.high), memory_order_relaxed);
    atomic_store_explicit(&counter.low, options_watermark(&options.low), memory_order_relaxed);
    if (reserve > 0 && !atomic_exchange_explicit(&reserved, true, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&reserve_left, reserve, memory_order_relaxed);
        ceiling_charge_anyway(reserve);
    }
    if (relaxed(&counter.used) > max) atomic_fetch_or_explicit(&ceiling_crossed, CEILING_LOWERED, memory_order_relaxed);
    tell_others();
}

void ceiling_start(void) {
    ceiling_set();
    charge_take = ceiling_charge;
    charge_give = ceiling_release;
}

/* What comes out of the reserve is counted as used already; given back later, it is free for everybody. */
static bool take_from_reserve(size_t bytes) {
    uint64_t left = atomic_load_explicit(&reserve_left, memory_order_relaxed);
    do {
        if (left < bytes) return false;
    } while (!atomic_compare_exchange_weak_explicit(&reserve_left, &left, left - bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void ceiling_open_reserve(bool open) {
    tls.reserve_open = open;
}

/* Said later, outside of locks. */
static COLD void note_crossing(bool upwards) {
    bool other = !upwards;
    if (atomic_compare_exchange_strong_explicit(&counter.above, &other, upwards, memory_order_relaxed,
                                                memory_order_relaxed)) {
        atomic_fetch_add_explicit(&counter.crossings[upwards], 1, memory_order_relaxed);
        atomic_fetch_or_explicit(&ceiling_crossed, upwards ? CROSSED_UP : CROSSED_DOWN, memory_order_relaxed);
        tell_others();
    }
}

/* So much is in use now, and was not before. */
static void note_used(uint64_t used) {
    uint64_t peak = atomic_load_explicit(&counter.peak, memory_order_relaxed);
    while (used > peak) {
        if (!atomic_compare_exchange_weak_explicit(&counter.peak, &peak, used, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;
        atomic_store_explicit(&counter.peak_time, clock_coarse(), memory_order_relaxed);
        tell_peak();
        break;
    }
    tell_used();
    if (unlikely(used > relaxed(&counter.high))) note_crossing(true);
}

bool ceiling_charge(size_t bytes) {
    uint64_t used = atomic_load_explicit(&counter.used, memory_order_relaxed), next;
    uint64_t max = relaxed(unlikely(tls.large) ? &counter.max_large : &counter.max);
    do {
        if (__builtin_add_overflow(used, bytes, &next) || next > max) {
            if (tls.reserve_open && take_from_reserve(bytes)) return true;
            tls.refused = 1;
            tls.refused_bytes = bytes;
            tls.refused_used = used;
            return false;
        }
    } while (
        !atomic_compare_exchange_weak_explicit(&counter.used, &used, next, memory_order_relaxed, memory_order_relaxed));
    note_used(next);
    return true;
}

size_t ceiling_missing(void) {
    uint64_t used = atomic_load_explicit(&counter.used, memory_order_relaxed), wanted = used + tls.refused_bytes;
    uint64_t max = relaxed(tls.large ? &counter.max_large : &counter.max);
    return wanted > max ? wanted - max : 0;
}

void ceiling_charge_anyway(size_t bytes) {
    note_used(atomic_fetch_add_explicit(&counter.used, bytes, memory_order_relaxed) + bytes);
}

void ceiling_release(size_t bytes) {
    uint64_t before = atomic_fetch_sub_explicit(&counter.used, bytes, memory_order_relaxed);
    ASSERT(before >= bytes);
    tell_used();
    if (unlikely(atomic_load_explicit(&counter.above, memory_order_relaxed)) && before - bytes < relaxed(&counter.low))
        note_crossing(false);
}

struct ceiling_numbers ceiling_numbers(void) {
    uint64_t used = atomic_load_explicit(&counter.used, memory_order_relaxed);
    return (struct ceiling_numbers){
        .used = used,
        .heap = used - min_size(used, pages_total(PAGES_CHARGED)),
        .loader = atomic_load_explicit(&reserve_left, memory_order_relaxed),
        .peak = atomic_load_explicit(&counter.peak, memory_order_relaxed),
        .peak_time = atomic_load_explicit(&counter.peak_time, memory_order_relaxed),
        .max = relaxed(&counter.max) == UINT64_MAX ? 0 : relaxed(&counter.max),
        .refused = atomic_load_explicit(&counter.refused, memory_order_relaxed),
        .refused_bytes = atomic_load_explicit(&counter.refused_bytes, memory_order_relaxed),
        .high_crossings = atomic_load_explicit(&counter.crossings[1], memory_order_relaxed),
        .low_crossings = atomic_load_explicit(&counter.crossings[0], memory_order_relaxed),
    };
}

static const char *operation_name(enum ceiling_operation operation) {
    switch (operation) {
    case CEILING_MALLOC:
        return "malloc";
    case CEILING_CALLOC:
        return "calloc";
    case CEILING_REALLOC:
        return "realloc";
    case CEILING_ALIGNED:
        return "aligned_alloc";
    case CEILING_NEW:
        return "operator new";
    case CEILING_MMAP:
        return "mmap";
    default:
        return "weir's own tables";
    }
}

/* The words are Netty's, N being what was asked for or to be committed, whatever is more: used + N is above max. */
static void say(const struct ceiling_refusal *r, bool by_ceiling, uint64_t unsaid) {
    struct text t = {0};
    text_add(&t, "weir: failed to allocate ");
    text_add_number(&t, max_size(r->requested, r->committed));
    if (by_ceiling) {
        text_add(&t, " byte(s) of direct memory (used: ");
        text_add_number(&t, r->used);
        text_add(&t, ", max: ");
        text_add_number(&t, r->max);
        text_add(&t, ")\nweir:   ");
    } else {
        text_add(
            &t, " byte(s) in a signal handler that interrupted weir: what is set aside for those is used up\nweir:   ");
    }
    text_add(&t, operation_name(r->operation));
    text_add(&t, " in ");
    ceiling_describe_process(&t);
    text_add(&t, " thread ");
    text_add_number(&t, r->thread);
    text_add(&t, ", at ");
    ceiling_describe_code(&t, r->caller);
    if (unsaid > 0) {
        text_add(&t, "; ");
        text_add_number(&t, unsaid);
        text_add(&t, " more were refused since the last message");
    }
    message_send(&t);
}

/* True for one caller in a period. */
static bool is_due(_Atomic uint64_t *next, uint64_t now, uint64_t period) {
    uint64_t due = atomic_load_explicit(next, memory_order_relaxed);
    return now >= due && atomic_compare_exchange_strong_explicit(next, &due, now + period, memory_order_relaxed,
                                                                 memory_order_relaxed);
}

static const void *caller_of(const void *frame) {
    return frame ? ((const void *const *)frame)[1] : NULL;
}

/* `stack`: of the request, where one can be taken. */
static void refuse(enum ceiling_operation operation, size_t n, const void *frame, bool by_ceiling, uint32_t stack) {
    const void *caller = caller_of(frame);
    uint64_t now = clock_now();
    struct ceiling_refusal r = {.time = now,
                                .requested = n,
                                .committed = by_ceiling ? tls.refused_bytes : n,
                                .used = by_ceiling ? tls.refused_used : ceiling_numbers().used,
                                .max = relaxed(tls.large ? &counter.max_large : &counter.max),
                                .thread = sys_gettid(),
                                .operation = (uint32_t)operation,
                                .caller = caller,
                                .frame = ceiling_frame_of_code(caller),
                                .stack = stack};
    uint64_t number = atomic_fetch_add_explicit(&counter.refused, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counter.refused_bytes, r.requested, memory_order_relaxed);
    ring[number % CEILING_REFUSALS] = r;
    tell_others();
    if (ceiling_note) ceiling_note(&r, number);
    if (is_due(&counter.next_message, now, MESSAGE_PERIOD)) {
        say(&r, by_ceiling, atomic_exchange_explicit(&counter.unsaid, 0, memory_order_relaxed));
    } else {
        atomic_fetch_add_explicit(&counter.unsaid, 1, memory_order_relaxed);
    }
    if (ceiling_dump && is_due(&counter.next_dump, now, CEILING_DUMP_PERIOD)) ceiling_dump();
}

void ceiling_refuse(enum ceiling_operation operation, size_t n, const void *frame) {
    if (tls.refused && operation != CEILING_QUIET)
        refuse(operation, n, frame, true, ceiling_stack && frame ? ceiling_stack(frame) : 0);
}

void ceiling_refuse_in_handler(enum ceiling_operation operation, size_t n, const void *frame) {
    if (operation != CEILING_QUIET) refuse(operation, n, frame, tls.refused != 0, 0);
}

static void say_crossing(const char *words) {
    struct ceiling_numbers n = ceiling_numbers();
    struct text t = {0};
    text_add(&t, "weir: direct memory ");
    text_add(&t, words);
    text_add(&t, " watermark (used: ");
    text_add_number(&t, n.used);
    text_add(&t, ", max: ");
    text_add_number(&t, n.max);
    text_add(&t, ") in ");
    ceiling_describe_process(&t);
    message_send(&t);
}

void ceiling_tell_crossings(void) {
    uint32_t crossed = atomic_exchange_explicit(&ceiling_crossed, 0, memory_order_relaxed);
    if (options.on_watermark & WATERMARK_LOG) {
        if (crossed & CROSSED_UP) say_crossing("is above the high");
        if (crossed & CROSSED_DOWN) say_crossing("is below the low");
    }
    if ((crossed & CROSSED_UP) && (options.on_watermark & WATERMARK_DUMP) && ceiling_dump &&
        is_due(&counter.next_dump, clock_now(), CEILING_DUMP_PERIOD)) {
        ceiling_dump();
    }
    bool reclaims = (crossed & CROSSED_UP) && (options.on_watermark & WATERMARK_RECLAIM);
    if (reclaims || (crossed & CEILING_LOWERED)) reclaim_what_is_retained();
}

size_t ceiling_refusals(struct ceiling_refusal *out, size_t max) {
    uint64_t all = atomic_load_explicit(&counter.refused, memory_order_relaxed);
    size_t n = min_size(min_size((size_t)all, CEILING_REFUSALS), max);
    for (size_t i = 0; i < n; i++) out[i] = ring[(all - n + i) % CEILING_REFUSALS];
    return n;
}
