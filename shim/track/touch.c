/* See touch.h. What a call was given is looked at when the kernel has taken it; by then another thread may have
 * unmapped it, so that what nobody vouches for is read by process_vm_readv. That takes 1.5 µs: what lies in the arena,
 * which stays mapped, or on this thread's stack is read as it is. */
#include "shim/track/touch.h"
#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/box/stacks.h"
#include "shim/track/request.h"
#include "shim/track/step.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PIECE      16u   /* parts of a vector that are read at a time: they lie on the program's stack */
#define VECTOR_MAX 1024u /* the kernel takes no more; nor messages */

/* One call of the program's, which may touch several blocks. */
struct access {
    const void *frame;
    const char *hint;     /* NULL: none */
    struct record record; /* the stack and what follows once it is seen */
    bool seen;
};

static struct access begin(enum dump_record_kind kind, uint32_t detail, const void *frame) {
    return (struct access){.frame = frame, .record = {.kind = kind, .detail = detail}};
}

static void see_at(struct access *a, uint32_t stack) {
    a->record.stack = stack;
    a->record.thread = track_thread();
    a->record.time = clock_coarse();
    a->seen = true;
}

/* Between arena_enter and track_leave. */
static void see(struct access *a) {
    tls.refused = 0;
    if (a->seen) return;
    see_at(a, track_take_stack(a->frame));
    if (a->hint) a->record.detail = hint_id(a->hint);
    if (a->record.detail == HINT_LOST && a->hint && track_may_find_room()) a->record.detail = hint_id(a->hint);
}

static bool is_live_block(const struct place *place, const void *p) {
    if (!place->tracked || !place->exists) return false;
    return SIDE_IS_LIVE(atomic_load_explicit(&place->side->state, memory_order_acquire)) &&
           (size_t)((const char *)p - place->start) <= place->side->size;
}

static void touch(struct access *a, const void *p) {
    struct place place = arena_find(p);
    if (!is_live_block(&place, p)) return;
    bool outermost = arena_enter();
    if (likely(outermost)) {
        see(a);
        if (unlikely(!records_add(&place, &a->record)) && !(track_may_find_room() && records_add(&place, &a->record)))
            records_count_lost();
    } else {
        records_count_lost();
    }
    track_leave(outermost);
}

void touch_block(const void *p, enum dump_record_kind kind, uint32_t detail, const void *frame) {
    struct access a = begin(kind, detail, frame);
    touch(&a, p);
}

void touch_resized(const void *p, const struct side *grown, const void *frame) {
    struct access a = begin(RECORD_REALLOC, 0, frame);
    if (grown && grown->latest_stack != STACK_UNKNOWN) see_at(&a, grown->latest_stack);
    touch(&a, p);
}

void touch_with_hint(const void *p, const char *hint, const void *frame) {
    struct access a = begin(RECORD_TOUCH, 0, frame);
    a.hint = hint;
    touch(&a, p);
}

/* --- reading what may be gone --- */

static bool is_in_arena(const char *p, size_t n) {
    if (options.guard) return false; /* not all of it can be touched */
    struct place place = arena_find(p);
    return (place.kind == PLACE_SLOT || place.kind == PLACE_RUN) && place.exists &&
           (size_t)(p - place.start) <= place.size && n <= place.size - (size_t)(p - place.start);
}

static uintptr_t stack_end(struct access *a) {
    uintptr_t frame = (uintptr_t)a->frame, end = step_end_of_first_stack(frame);
    if (end != 0) return end;
    bool outermost = arena_enter();
    if (outermost) {
        a->seen = false; /* the walk is to be the last one */
        see(a);
        end = track_stack_end(a->frame);
    }
    track_leave(outermost);
    return end;
}

static bool is_on_stack(struct access *a, uintptr_t p, size_t n) {
    uintptr_t frame = (uintptr_t)a->frame;
    if (p < frame || p - frame > 64 * MIB) return false;
    return p + n <= round_up(frame + 1, PAGE) || p + n <= stack_end(a);
}

/* False: not all of it could be read. */
static bool read_safely(struct access *a, void *to, const void *from, size_t n) {
    if (is_in_arena(from, n) || is_on_stack(a, (uintptr_t)from, n)) {
        mem_copy(to, from, n);
        return true;
    }
    struct iovec here = {to, n}, there = {(void *)(uintptr_t)from, n};
    return sys6(SYS_process_vm_readv, sys_getpid(), (long)&here, 1, (long)&there, 1, 0) == (long)n;
}

static void touch_parts(struct access *a, const struct iovec *vector, size_t count, size_t bytes) {
    struct iovec piece[PIECE];
    mem_zero(piece, sizeof piece); /* what the kernel writes no analyzer sees */
    count = min_size(count, VECTOR_MAX);
    for (size_t at = 0; at < count && bytes > 0; at += PIECE) {
        size_t n = min_size(count - at, PIECE);
        if (!read_safely(a, piece, vector + at, n * sizeof piece[0])) {
            records_count_lost();
            return;
        }
        for (size_t i = 0; i < n && bytes > 0; i++) {
            if (piece[i].iov_len == 0) continue;
            touch(a, piece[i].iov_base);
            bytes -= min_size(bytes, piece[i].iov_len);
        }
    }
}

static void touch_parts_of(struct access *a, const struct msghdr *message, size_t bytes) {
    struct msghdr m;
    if (!read_safely(a, &m, message, sizeof m))
        records_count_lost();
    else
        touch_parts(a, m.msg_iov, m.msg_iovlen, bytes);
}

void touch_vector(const struct iovec *vector, size_t count, size_t bytes, enum dump_record_kind kind, int fd,
                  const void *frame) {
    struct access a = begin(kind, (uint32_t)fd, frame);
    touch_parts(&a, vector, count, bytes);
}

void touch_message(const struct msghdr *message, size_t bytes, enum dump_record_kind kind, int fd, const void *frame) {
    struct access a = begin(kind, (uint32_t)fd, frame);
    touch_parts_of(&a, message, bytes);
}

void touch_messages(const struct mmsghdr *messages, size_t count, enum dump_record_kind kind, int fd,
                    const void *frame) {
    struct access a = begin(kind, (uint32_t)fd, frame);
    for (size_t i = 0; i < min_size(count, VECTOR_MAX); i++) {
        unsigned bytes;
        if (!read_safely(&a, &bytes, &messages[i].msg_len, sizeof bytes)) {
            records_count_lost();
            return;
        }
        touch_parts_of(&a, &messages[i].msg_hdr, bytes);
    }
}
