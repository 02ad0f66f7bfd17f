/* Blocks, sites, stacks, modules; see contents.h. */
#include "shim/box/contents.h"
#include "shim/base/clock.h"
#include "shim/base/files.h"
#include "shim/base/random.h"
#include "shim/base/region.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/jit.h"
#include "shim/box/modules.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/box/suppressed.h"
#include "shim/box/totals.h"
#include "shim/ceiling/ceiling.h"
#include "shim/ceiling/owners.h"

#include <fcntl.h>
#include <stdatomic.h>

_Static_assert(ARENA_OCCUPANCIES == DUMP_OCCUPANCIES, "slabs are told apart as in the format");

#define STRINGS_MIN  (32 * KIB) /* in the library itself; enough for a hundred modules */
#define SITE_THREADS 16
#define THREADS_MAX  4096u

struct site_sum {
    uint64_t blocks, bytes, oldest, newest, pinned;
    uint64_t leaked_blocks, leaked_bytes;
    uint32_t threads;
    uint32_t thread[SITE_THREADS];
};

static uint32_t threads_seen[THREADS_MAX];

static void *map(size_t n) {
    return sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_NORESERVE);
}
static size_t sites_size(const struct contents *c) {
    return round_up(c->named.stacks * sizeof(struct site_sum), PAGE);
}

static char strings_here[STRINGS_MIN];

void contents_start(struct contents *c, int fd, char *buffer, uint32_t pid) {
    *c = (struct contents){.now = clock_now(), .strings = strings_here, .strings_size = STRINGS_MIN, .pid = pid};
    memory_begin(&c->memory, pid); /* before anything is mapped for the dump */
    named_start(&c->named, state_tracking() ? stack_count() : 0);
    if (c->named.stacks) c->sites = map(sites_size(c));
    writer_start(&c->w, fd, buffer);
}

void contents_end(struct contents *c) {
    if (c->strings != strings_here) sys_munmap(c->strings, c->strings_size);
    if (c->sites) sys_munmap(c->sites, sites_size(c));
    named_end(&c->named);
}

/* Room for n bytes more; false: strings end here. */
static bool more_strings(struct contents *c, size_t n) {
    if (c->strings_length + n <= c->strings_size) return true;
    size_t size = round_up(2 * (c->strings_length + n), PAGE);
    char *larger = size < UINT32_MAX ? map(size) : NULL;
    if (!larger) return false;
    mem_copy(larger, c->strings, c->strings_length);
    if (c->strings != strings_here) sys_munmap(c->strings, c->strings_size);
    c->strings = larger;
    c->strings_size = size;
    return true;
}

struct dump_string contents_string(struct contents *c, const char *s, size_t n) {
    if (!more_strings(c, n)) n = c->strings_size - c->strings_length;
    struct dump_string string = {(uint32_t)c->strings_length, (uint32_t)n};
    mem_copy(c->strings + c->strings_length, s, string.length);
    c->strings_length += string.length;
    return string;
}

uint64_t contents_stack_count(void) {
    return state_tracking() ? stack_count() : 0;
}
uint64_t contents_stacks_lost(void) {
    return state_tracking() ? stacks_lost() : 0;
}

/* --- blocks and sites --- */

void contents_note_thread(struct contents *c, uint32_t thread) {
    for (uint32_t i = 0; i < c->threads; i++)
        if (threads_seen[i] == thread) return;
    if (c->threads < THREADS_MAX) threads_seen[c->threads++] = thread;
}

static void note_thread_of(struct contents *c, struct site_sum *site, uint32_t thread) {
    for (uint32_t i = 0; i < site->threads; i++)
        if (site->thread[i] == thread) return;
    if (site->threads == SITE_THREADS) return;
    site->thread[site->threads++] = thread;
    contents_note_thread(c, thread);
}

static void add_to_site(struct contents *c, const struct dump_block *b, uint64_t pinned) {
    struct site_sum *site = &c->sites[b->stack];
    if (site->blocks == 0 || b->time < site->oldest) site->oldest = b->time;
    if (b->time > site->newest) site->newest = b->time;
    site->blocks++;
    site->bytes += b->size;
    site->pinned += pinned;
    if (b->verdict == DUMP_LEAKED) site->leaked_blocks++, site->leaked_bytes += b->size;
    note_thread_of(c, site, b->thread);
}

void contents_note_leak(struct contents *c, uint32_t stack, uint64_t bytes) {
    if (!c->sites) return;
    c->sites[stack].leaked_blocks++;
    c->sites[stack].leaked_bytes += bytes;
}

uint32_t contents_stack(struct contents *c, uint32_t stack) {
    return named_number(&c->named, stack);
}

/* Where realloc made the block larger; STACK_UNKNOWN: it did not, or not in this process. */
static uint32_t grown_at(const struct contents *c, const struct side *side) {
    uint32_t stack = side->latest_stack;
    uint32_t state = atomic_load_explicit(&((struct side *)(uintptr_t)side)->state, memory_order_relaxed);
    return stack < c->named.stacks && SIDE_IS_LIVE(state) && !state_is_inherited(side) ? stack : STACK_UNKNOWN;
}

static void add_grown(void *context, const void *p, const struct side *side, uint64_t pinned) {
    (void)pinned;
    struct contents *c = context;
    uint32_t grown = named_before(&c->named, grown_at(c, side)), made = named_before(&c->named, side->stack);
    struct dump_grown g = {(uintptr_t)p, side->size, side_grown(side), grown, made};
    if (grown != 0) writer_add(&c->w, &g, sizeof g);
}

/* After the blocks, by a walk of its own: few programs have any. */
static void write_grown(struct contents *c) {
    struct arena_class classes[CLASSES + 1] = {{0}};
    struct arena_stats stats = {0};
    writer_begin(&c->w, DUMP_GROWN, sizeof(struct dump_grown));
    struct arena_look look = {.epoch = state_own_epoch(), .tracked = add_grown, .context = c};
    if (c->grown > 0) arena_walk(&look, &stats, classes);
    writer_end(&c->w);
}

/* By its place, as most of them are: those in slabs where this process has made none are not even looked at. */
static void count_inherited(struct contents *c, const void *p) {
    size_t size = arena_find(p).size;
    c->inherited++;
    c->inherited_bytes += size;
    c->capacity += size;
}

void contents_weigh(struct dump_block *b, struct draw draw) {
    uint64_t probability = sample_probability(draw);
    uint32_t bits = float_of_inverse(probability);
    if (probability < PROBABILITY_ONE) mem_copy(&b->weight, &bits, sizeof bits);
}

/* How many blocks it stands for, and so many places. */
static void weigh(struct contents *c, struct dump_block *b, const void *p, const struct side *side) {
    const struct draw draw = side_draw(side);
    uint64_t size = draw.class < CLASSES ? class_size(draw.class) : arena_find(p).size;
    contents_weigh(b, draw);
    c->places += probability_divide(size, sample_probability(draw));
}

/* Inherited blocks are their maker's to list; here they count only. */
static void add_block(void *context, const void *p, const struct side *side, uint64_t pinned) {
    struct contents *c = context;
    c->tracked++;
    if (state_is_inherited(side)) {
        count_inherited(c, p);
        return;
    }
    /* The epoch knows; the clocks of a fork and of a block next to it may not. */
    uint64_t time = max_size(side_time(side), state_fork_time());
    uint32_t stack = contents_stack(c, side->stack);
    struct dump_block b = {(uintptr_t)p, side->size, time, stack, side->thread, DUMP_UNKNOWN, 0};
    if (c->verdicts.known) b.verdict = dump_verdicts->of(p);
    weigh(c, &b, p, side);
    writer_add(&c->w, &b, sizeof b);
    c->grown += contents_stack(c, grown_at(c, side)) != 0;
    c->capacity += b.size;
    if (c->sites)
        add_to_site(c, &b, pinned);
    else
        contents_note_thread(c, b.thread);
}

/* Tracked blocks count with what was asked for; of the others only the place's size is known. */
static void add_up_capacity(struct contents *c) {
    c->capacity += c->stats.bytes - min_size(c->stats.bytes, c->stats.told_bytes);
}

static void write_sites(struct contents *c) {
    writer_begin(&c->w, DUMP_SITES, sizeof(struct dump_site));
    for (uint32_t i = 0; c->sites && i < c->named.count; i++) {
        const struct site_sum *s = &c->sites[i];
        if (c->verdicts.known) leaks_add(&c->leaks, named_id(&c->named, i), s->leaked_blocks, s->leaked_bytes);
        if (s->blocks == 0) continue;
        struct dump_site d = {i, s->threads, s->blocks, s->bytes, s->oldest, s->newest, 0, 0, s->pinned, 0};
        writer_add(&c->w, &d, sizeof d);
    }
    writer_end(&c->w);
    suppressed_end();
}

static void add_span(void *context, const struct arena_span *span) {
    memory_add_span(&((struct contents *)context)->memory, span);
}

/* Slabs that were passed over. */
static void count_older(struct contents *c) {
    c->tracked += c->stats.older;
    c->inherited += c->stats.older;
    c->inherited_bytes += c->stats.older_bytes;
}

static void add_mapping(void *context, const struct owner *o) {
    struct contents *c = context;
    uint64_t pages = atomic_load_explicit(&((struct owner *)(uintptr_t)o)->pages, memory_order_relaxed);
    if (o->time <= state_fork_time() || pages == 0) return; /* its parent's to list */
    uint32_t stack = contents_stack(c, o->stack);
    struct dump_mapping m = {o->start, o->size, pages * PAGE, o->time, stack, o->thread};
    writer_add(&c->w, &m, sizeof m);
    contents_note_thread(c, o->thread);
}

static void add_total(struct dump_total *sum, const struct dump_total *row) {
    sum->samples += row->samples;
    sum->allocations += row->allocations;
    sum->bytes += row->bytes;
    sum->frees += row->frees;
    sum->freed_bytes += row->freed_bytes;
    sum->temporary += row->temporary;
    sum->peak_blocks += row->peak_blocks;
    sum->peak_bytes += row->peak_bytes;
    for (unsigned i = 0; i < DUMP_LIFETIMES; i++) sum->lifetimes[i] += row->lifetimes[i];
}

/* A row of which each number is less than one part in TOTALS_SHARE of all is none of its own, unless blocks of its
 * stack are live. */
#define TOTALS_SHARE 1024u
static bool matters(const struct contents *c, const struct dump_total *row, const struct dump_total *all) {
    if (row->stack == STACK_UNKNOWN || row->stack >= c->named.stacks) return false;
    if (named_before(&c->named, row->stack) != 0) return true;
    int64_t peak = (int64_t)row->peak_bytes; /* another thread's row may have more */
    return row->bytes >= all->bytes / TOTALS_SHARE || row->allocations >= all->allocations / TOTALS_SHARE ||
           (row->temporary > 0 && row->temporary >= all->temporary / TOTALS_SHARE) ||
           (peak > 0 && (uint64_t)peak >= all->peak_bytes / TOTALS_SHARE);
}

/* As it stands; what is live now is what was at the peak, where that is now. */
static bool take_total(uint32_t i, bool at_peak, struct dump_total *row) {
    const struct dump_total *at = totals_at(i);
    if (!at) return false;
    *row = *at;
    if (at_peak) {
        row->peak_blocks = row->allocations - row->frees;
        row->peak_bytes = row->bytes - row->freed_bytes;
    }
    return true;
}

static void write_totals(struct contents *c) {
    struct dump_total all = {0}, others = {0}, row;
    uint32_t n = c->named.stacks ? totals_count() : 0;
    bool at_peak = totals_are_at_peak();
    for (uint32_t i = 0; i < n; i++)
        if (take_total(i, at_peak, &row)) add_total(&all, &row);
    writer_begin(&c->w, DUMP_TOTALS, sizeof row);
    for (uint32_t i = 0; i < n; i++) {
        if (!take_total(i, at_peak, &row)) continue;
        if (!matters(c, &row, &all)) {
            add_total(&others, &row);
            continue;
        }
        row.stack = contents_stack(c, row.stack);
        writer_add(&c->w, &row, sizeof row);
    }
    if (others.allocations) writer_add(&c->w, &others, sizeof others);
    writer_end(&c->w);
}

static void write_mappings(struct contents *c) {
    writer_begin(&c->w, DUMP_MAPPINGS, sizeof(struct dump_mapping));
    owners_each(add_mapping, c);
    writer_end(&c->w);
}

static void end_memory(struct contents *c) {
    struct ceiling_numbers n = ceiling_numbers();
    struct memory_sums sums = {.asked = c->capacity,
                               .places = c->stats.bytes,
                               .tables = atomic_load_explicit(&region_total, memory_order_relaxed) + c->stats.sides,
                               .loader = n.loader,
                               .mappings = n.used - n.heap};
    memory_end(&c->memory, &sums);
}

/* Searching memory for pointers makes pages resident that are not: so this comes first then, by a walk of its own. */
void contents_see_memory(struct contents *c) {
    struct arena_class classes[CLASSES + 1] = {{0}};
    struct arena_stats stats = {0};
    struct arena_look look = {.epoch = state_own_epoch(), .span = add_span, .context = c};
    arena_walk(&look, &stats, classes);
    memory_seen(&c->memory);
    c->memory_seen = true;
}

void contents_write_blocks(struct contents *c) {
    bool listed = state_tracking(); /* entries without stacks are for checks alone (WEIR_HARDEN) */
    writer_begin(&c->w, DUMP_BLOCKS, sizeof(struct dump_block));
    struct arena_look look = {state_own_epoch(), listed ? add_block : NULL, c->memory_seen ? NULL : add_span, c};
    arena_walk(&look, &c->stats, c->classes);
    writer_end(&c->w);
    if (!c->memory_seen) memory_seen(&c->memory);
    write_grown(c);
    contents_write_records(c);
    contents_write_pools(c);
    write_mappings(c);
    if (listed) count_older(c);
    if (c->tracked > c->stats.blocks) c->tracked = c->stats.blocks;
    add_up_capacity(c);
    if (c->sites || !c->named.stacks) write_sites(c);
    if (c->sites) sys_munmap(c->sites, sites_size(c)); /* it would count in what is resident */
    c->sites = NULL;
    end_memory(c);
}

/* --- the rest --- */

static void write_modules(struct contents *c) {
    uint32_t count = module_count(), segments = 0;
    writer_begin(&c->w, DUMP_MODULES, sizeof(struct dump_module));
    for (uint32_t i = 0; i < count; i++) {
        const struct module *m = module_at(i);
        struct dump_module d = {.bias = m->bias,
                                .start = m->start,
                                .end = m->end,
                                .path = contents_string(c, m->path, str_length(m->path)),
                                .first_segment = m->first_segment,
                                .segments = m->segments,
                                .flags = arena_is_used() ? m->flags & ~DUMP_MODULE_MALLOC : m->flags,
                                .build_id_length = m->build_id_length};
        mem_copy(d.build_id, m->build_id, sizeof d.build_id);
        d.fingerprint = m->fingerprint;
        writer_add(&c->w, &d, sizeof d);
        if (m->first_segment + m->segments > segments) segments = m->first_segment + m->segments;
    }
    writer_end(&c->w);
    writer_begin(&c->w, DUMP_SEGMENTS, sizeof(struct dump_segment));
    if (segments) writer_add(&c->w, module_segments(), segments * sizeof(struct dump_segment));
    writer_end(&c->w);
}

static void write_classes(struct contents *c) {
    writer_begin(&c->w, DUMP_CLASSES, sizeof(struct dump_class));
    for (unsigned i = 0; i <= CLASSES; i++) {
        const struct arena_class *k = &c->classes[i];
        if (k->slabs == 0 && k->live == 0 && k->made == 0) continue;
        struct dump_class d = {
            i < CLASSES ? class_size(i) : 0, k->slabs, k->live, k->capacity, k->committed, {0}, k->made};
        mem_copy(d.occupancy, k->occupancy, sizeof d.occupancy);
        writer_add(&c->w, &d, sizeof d);
    }
    writer_end(&c->w);
}

/* A thread that still runs has a name; of one that ended only its number is left. */
static struct dump_string thread_name(struct contents *c, uint32_t thread) {
    struct text path = {0};
    char name[64];
    text_add(&path, "/proc/");
    text_add_number(&path, c->pid);
    text_add(&path, "/task/");
    text_add_number(&path, thread);
    text_add(&path, "/comm");
    long n = file_read(text_string(&path), name, sizeof name);
    return n > 1 ? contents_string(c, name, (size_t)n - 1) : (struct dump_string){0, 0};
}

static void write_threads(struct contents *c) {
    writer_begin(&c->w, DUMP_THREADS, sizeof(struct dump_thread));
    for (uint32_t i = 0; i < c->threads; i++) {
        struct dump_thread d = {threads_seen[i], 0, thread_name(c, threads_seen[i])};
        writer_add(&c->w, &d, sizeof d);
    }
    writer_end(&c->w);
}

static void write_memory(struct contents *c) {
    const struct memory *m = &c->memory;
    writer_begin(&c->w, DUMP_MEMORY, sizeof(struct dump_memory));
    writer_add(&c->w, m->rows + 1, sizeof m->rows - sizeof m->rows[0]);
    writer_end(&c->w);
    writer_begin(&c->w, DUMP_UNACCOUNTED, sizeof(struct dump_unaccounted));
    if (m->range_count) writer_add(&c->w, m->ranges, m->range_count * sizeof m->ranges[0]);
    writer_end(&c->w);
}

static void write_suppressions(struct contents *c) {
    size_t length;
    const char *list = suppressed_list(&length);
    if (length == 0) return;
    writer_begin(&c->w, DUMP_SUPPRESSIONS, 1);
    writer_add(&c->w, list, length);
    writer_end(&c->w);
}

void contents_write_rest(struct contents *c) {
    struct jit jit = {0};
    write_totals(c);
    named_write(&c->named, &c->w, &jit);
    jit_write(&jit, c, c->since);
    write_modules(c);
    write_classes(c);
    write_memory(c);
    write_threads(c);
    write_suppressions(c);
    contents_write_marks(c);
    writer_begin(&c->w, DUMP_STRINGS, 1);
    writer_add(&c->w, c->strings, c->strings_length);
    writer_end(&c->w);
}
