/* See live.h. */
#include "shim/box/live.h"
#include "shim/arena/sample.h"
#include "shim/base/charge.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/region.h"
#include "shim/base/sys.h"
#include "shim/box/dump.h"
#include "shim/box/format_box.h"
#include "shim/box/live_blocks.h"
#include "shim/box/live_file.h"
#include "shim/box/modules.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/ceiling/ceiling.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define STEPS (BOX_SIZE_BLOCKS / BOX_STEP)

char *live_base;

static bool has_file;           /* this process, or one that it was forked from, has had one */
static size_t begin_at, end_at; /* what is reserved of it */

static _Atomic uint64_t reached[STEPS / 64]; /* a bit a step that can be used */
static uint64_t missed[STEPS / 64];          /* that is not in the file; under LOCK_BOX, as all that follows but one */
static _Atomic size_t charged;               /* bytes of these */
static size_t in_file;                       /* bytes that lie in the file */
static uint32_t strings_used, segments_used;
static uint64_t inherited;                    /* BOX_INHERITED */
static uint64_t noted[BOX_MODULES_MOST / 64]; /* modules that are in the box */

_Static_assert(BOX_ROOTS == STACK_ROOTS && STACK_EXACT == 1, "ids of frames begin where the format says");
_Static_assert(STEPS % 64 == 0, "steps fill words");
_Static_assert(BOX_USED == (int)LIVE_USED && BOX_SEEN == (int)LIVE_SEEN && BOX_MAX == (int)LIVE_MAX &&
                   BOX_REFUSED == (int)LIVE_REFUSED && BOX_HIGH_CROSSINGS == (int)LIVE_HIGH,
               "numbers are numbered as in the format");

static struct box_header *header(void) {
    return live_at(0);
}

/* --- memory, a step at a time --- */

static bool is_reached(size_t step) {
    return atomic_load_explicit(&reached[step / 64], memory_order_acquire) >> (step % 64) & 1;
}

bool live_is_filed(void) {
    return atomic_load_explicit(&lock_page.live, memory_order_relaxed) != NULL;
}

void live_lose_block(void) {
    (void)__atomic_fetch_add(&header()->blocks_lost, 1, __ATOMIC_RELAXED);
}

/* The header tells what the file does not have: a reader is not to take a hole for nothing. */
static void lose_step(size_t step) {
    uint64_t bit = 1ull << (step % 64);
    if (!live_is_filed() || step == 0 || missed[step / 64] & bit) return;
    missed[step / 64] |= bit;
    if (step * BOX_STEP < BOX_AT_BLOCKS)
        header()->lost++;
    else
        live_lose_block(); /* and those that would follow it */
    atomic_signal_fence(memory_order_seq_cst);
}

/* In the file where there is room, else private. */
static bool open_step(size_t step) {
    char *at = live_base + step * BOX_STEP;
    if (!live_is_filed()) return sys_open_reserved(at, BOX_STEP);
    if (in_file + BOX_STEP <= options.box_max && live_file_fill(at, step * BOX_STEP, BOX_STEP)) {
        in_file += BOX_STEP;
        return true;
    }
    if (step == 0) return false; /* without a header it is none */
    lose_step(step);
    live_file_say_full();
    return sys_mmap(at, BOX_STEP, PROT_READ | PROT_WRITE, MAP_FIXED) != NULL;
}

/* Of what all tables may take, blocks leave a quarter to sites. */
static bool take_step(size_t step) {
    size_t share = step * BOX_STEP < BOX_AT_BLOCKS ? region_share : region_share - region_share / 4;
    if (atomic_load_explicit(&region_total, memory_order_relaxed) >= share || !charge_take(BOX_STEP)) return false;
    if (open_step(step)) return true;
    charge_give(BOX_STEP);
    return false;
}

/* Under LOCK_BOX, or where there is no other thread. */
static bool make_step(size_t step) {
    if (is_reached(step)) return true;
    if (!take_step(step)) {
        lose_step(step);
        return false;
    }
    atomic_fetch_add_explicit(&charged, BOX_STEP, memory_order_relaxed);
    atomic_fetch_add_explicit(&region_total, BOX_STEP, memory_order_relaxed);
    atomic_fetch_or_explicit(&reached[step / 64], 1ull << (step % 64), memory_order_release);
    return true;
}

bool live_reach_locked(size_t offset, size_t n) {
    bool all = true;
    for (size_t step = offset / BOX_STEP; all && step <= (offset + n - 1) / BOX_STEP; step++)
        all = step * BOX_STEP >= begin_at && (step + 1) * BOX_STEP <= end_at && make_step(step);
    return all;
}

bool live_reach(size_t offset, size_t n) {
    size_t last = (offset + n - 1) / BOX_STEP;
    bool all = true;
    for (size_t step = offset / BOX_STEP; all && step <= last; step++) all = is_reached(step);
    if (likely(all) || !live_base || lock_held_here(LOCK_BOX)) return all;
    lock_take(LOCK_BOX);
    all = live_reach_locked(offset, n);
    lock_give(LOCK_BOX);
    return all;
}

/* --- stacks and refusals --- */

static struct dump_string add_string(void *context, const char *bytes, size_t n) {
    uint32_t at = strings_used;
    (void)context;
    if (n == 0 || n > BOX_STRINGS_MOST - at || !live_reach_locked(BOX_AT_STRINGS + at, n))
        return (struct dump_string){0, 0};
    mem_copy(live_at(BOX_AT_STRINGS + at), bytes, n);
    strings_used += (uint32_t)n;
    return (struct dump_string){at, (uint32_t)n};
}

static void note_module(uint32_t id) {
    if (id >= BOX_MODULES_MOST || (noted[id / 64] >> (id % 64) & 1) || id >= module_count()) return;
    const struct module *m = module_at(id);
    struct dump_module *to = live_at(BOX_AT_MODULES + id * sizeof *to);
    struct dump_segment *segments = live_at(BOX_AT_SEGMENTS + segments_used * sizeof *segments);
    if (!live_reach_locked(BOX_AT_MODULES + id * sizeof *to, sizeof *to)) return;
    struct dump_module d = {.bias = m->bias,
                            .start = m->start,
                            .path = add_string(NULL, m->path, str_length(m->path)),
                            .first_segment = segments_used,
                            .flags = m->flags & ~DUMP_MODULE_MALLOC,
                            .build_id_length = m->build_id_length,
                            .fingerprint = m->fingerprint};
    mem_copy(d.build_id, m->build_id, sizeof d.build_id);
    if (m->segments > 0 && m->segments <= BOX_SEGMENTS_MOST - segments_used &&
        live_reach_locked(BOX_AT_SEGMENTS + segments_used * sizeof *segments, m->segments * sizeof *segments)) {
        mem_copy(segments, module_segments() + m->first_segment, m->segments * sizeof *segments);
        d.segments = m->segments;
        segments_used += m->segments;
    }
    *to = d;
    __atomic_store_n(&to->end, m->end, __ATOMIC_RELEASE);
    noted[id / 64] |= 1ull << (id % 64);
}

void live_seen(void) {
    _Atomic uint64_t *to = atomic_load_explicit(&lock_page.live, memory_order_relaxed);
    if (!to) return;
    uint32_t most = atomic_load_explicit(&sample_most_thinned, memory_order_relaxed),
             now = atomic_load_explicit(&sample_thinned, memory_order_relaxed);
    if (unlikely(most)) {
        atomic_store_explicit(&to[BOX_THINNED], most, memory_order_relaxed);
        atomic_store_explicit(&to[BOX_THINNED_NOW], now, memory_order_relaxed);
    }
    atomic_store_explicit(&to[LIVE_SEEN], clock_coarse(), memory_order_relaxed);
}

void live_note_stack(uint32_t id) {
    if (!live_is_filed() || !stack_is_one(id) || lock_held_here(LOCK_BOX)) return;
    lock_take(LOCK_BOX);
    for (; stack_is_one(id) && id < BOX_FRAMES_MOST; id = stack_at(id)->outer) {
        const struct stack *s = stack_at(id);
        struct box_frame *to = live_at(BOX_AT_FRAMES + id * sizeof *to);
        if (!live_reach_locked(BOX_AT_FRAMES + id * sizeof *to, sizeof *to)) break;
        if (to->outer != 0) continue;
        note_module(DUMP_FRAME_MODULE(s->frame));
        to->frame = s->frame;
        to->flags = s->flags;
        to->how = s->how;
        __atomic_store_n(&to->outer, s->outer, __ATOMIC_RELEASE);
    }
    lock_give(LOCK_BOX);
}

static void note_refusal(const struct ceiling_refusal *r, uint64_t number) {
    if (r->stack) live_need(); /* else it may be in a handler that interrupted weir */
    if (!live_is_filed()) return;
    struct dump_refusal *to = live_at(BOX_AT_REFUSALS + number % BOX_REFUSALS_MOST * sizeof *to);
    live_note_stack(r->stack);
    __atomic_store_n(&to->time, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    to->requested = r->requested;
    to->used = r->used;
    to->max = r->max;
    to->thread = r->thread;
    to->operation = r->operation;
    to->frame = r->frame;
    to->committed = r->committed;
    to->stack = r->stack;
    __atomic_store_n(&to->time, r->time, __ATOMIC_RELEASE);
}

/* --- the header, and the file as a whole --- */

/* Their text as a whole, of which each one's name and value are parts. */
static uint32_t add_options(void) {
    size_t length;
    const char *text = dump_options(&length);
    struct dump_option *to = live_at(BOX_AT_OPTIONS);
    struct dump_string copy = add_string(NULL, text, length);
    uint32_t n = 0;
    for (uint32_t at = 0; at < copy.length && n < BOX_OPTIONS_MOST; n++) {
        uint32_t all = (uint32_t)str_length(text + at), name = 0;
        while (name < all && text[at + name] != '=') name++;
        if (name == all) break; /* just being changed, by another thread */
        uint32_t start = copy.offset + at;
        to[n] = (struct dump_option){{start, name}, {start + name + 1, all - name - 1}};
        at += all + 1;
    }
    return n;
}

static uint64_t namespace_of_processes(void) {
    struct stat s;
    return sys4(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/ns/pid", (long)&s, 0) == 0 ? s.st_ino : 0;
}

static void begin(uint32_t pid) {
    struct box_header *h = header();
    bool sampled = state_of_process.sampled;
    h->version = BOX_VERSION;
    h->header_size = sizeof *h;
    h->process = dump_describe(DUMP_LEFT, DUMP_STATUS_UNKNOWN, pid, add_string, NULL);
    h->options = add_options();
    h->sample_bytes = sampled ? options.sample_bytes : 0;
    h->sample_blocks = sampled ? options.sample_blocks : 0;
    h->inode = live_file_inode();
    h->namespace = namespace_of_processes();
    h->blocks = live_blocks_on;
    h->number[BOX_INHERITED] = inherited;
    ceiling_tell();
    __atomic_thread_fence(__ATOMIC_RELEASE);
    mem_copy(h->magic, BOX_MAGIC, sizeof h->magic);
}

/* Forgets all that was reached: something empty lies there now. */
static void start_empty(void) {
    size_t bytes = atomic_exchange_explicit(&charged, 0, memory_order_relaxed);
    for (size_t i = 0; i < STEPS / 64; i++) atomic_store_explicit(&reached[i], 0, memory_order_relaxed);
    mem_zero(missed, sizeof missed);
    in_file = 0;
    strings_used = segments_used = 0;
    mem_zero(noted, sizeof noted);
    live_blocks_forget();
    if (bytes == 0) return;
    charge_give(bytes);
    atomic_fetch_sub_explicit(&region_total, bytes, memory_order_relaxed);
}

/* A file is mapped there, of zeros. The header's step holds what readers look at first. */
static bool make_file(void) {
    if (options.box == BOX_OFF || !live_file_make(live_base, end_at, sys_getpid())) return false;
    start_empty();
    has_file = true;
    atomic_store_explicit(&lock_page.live, (_Atomic uint64_t *)header()->number, memory_order_release);
    if (live_reach_locked(0, BOX_STEP)) return true;
    live_file_say_none();
    atomic_store_explicit(&lock_page.live, NULL, memory_order_relaxed);
    live_file_remove();
    start_empty();
    (void)sys_mmap(live_base, end_at, PROT_NONE, MAP_FIXED | MAP_NORESERVE);
    return false;
}

/* Where address space is limited there is room for rows alone, and no file. */
#define SHARE 64 /* of it, a box may take one part in so many */
#define LEAST (256 * KIB)

bool live_start(void) {
    size_t limit = region_address_limit();
    end_at = options.box == BOX_BLOCKS ? BOX_SIZE_BLOCKS : BOX_SIZE;
    if (limit / SHARE < end_at) {
        begin_at = BOX_AT_TOTALS;
        end_at =
            begin_at + min_size(round_down(max_size(limit / SHARE / 4, LEAST), BOX_STEP), BOX_AT_FRAMES - begin_at);
        options.box = BOX_OFF;
    }
    char *at = sys_reserve(end_at - begin_at, MAP_NORESERVE);
    if (!at) return false;
    live_base = (char *)((uintptr_t)at - begin_at);
    (void)make_file();
    return true;
}

void live_begin(void) {
    atomic_store_explicit(&lock_page.live_tried, 1, memory_order_relaxed);
    if (!live_is_filed()) return;
    begin(sys_getpid());
    ceiling_note = note_refusal;
}

void live_need(void) {
    if (likely(atomic_load_explicit(&lock_page.live_tried, memory_order_relaxed)) || !live_base ||
        lock_held_here(LOCK_BOX))
        return;
    lock_take(LOCK_BOX);
    if (!atomic_load_explicit(&lock_page.live_tried, memory_order_relaxed) && make_file()) begin(sys_getpid());
    atomic_store_explicit(&lock_page.live_tried, 1, memory_order_relaxed);
    lock_give(LOCK_BOX);
}

/* What a thread that was interrupted in its parent still writes goes to memory that is there. Where the kernel refuses
 * (RLIMIT_AS, too many mappings, a filter), what lies there is the parent's, and is left alone from here on. */
bool live_forked(uint64_t bytes) {
    inherited = bytes;
    if (!live_base || atomic_load_explicit(&charged, memory_order_relaxed) == 0) return true;
    char *at = live_base + begin_at;
    bool there = sys_mmap(at, end_at - begin_at, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE) != NULL;
    start_empty();
    if (!there) live_base = NULL;
    return there;
}

void live_end(void) {
    if (!live_is_filed()) return;
    header()->ended = BOX_ENDED; /* where the program has no right to take it away any more */
    live_file_remove();
}

void live_mark(bool ended) {
    if (live_is_filed()) header()->ended = ended ? BOX_ENDED : BOX_RUNS;
}

size_t live_size(void) {
    return end_at;
}

bool live_contains(const void *p) {
    return has_file && live_base && (const char *)p >= live_base && (const char *)p < live_base + end_at;
}
