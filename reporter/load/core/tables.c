/* See tables.h. */
#include "reporter/load/core/tables.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/file.h"
#include "reporter/load/memory.h"

#define PIECE        (64u << 10)
#define SEARCH_MOST  (1u << 30)                        /* bytes of memory that are searched for it */
#define SIDES_LEAST  (4096 * sizeof(struct core_side)) /* bytes of a slab's entries */
#define STRIDE_MOST  4096u
#define STRIDE_ZONES (64u << 10)

/* --- the beacon --- */

static bool is_beacon(const char *at, uint64_t address, struct core_beacon *beacon) {
    if (memcmp(at, CORE_MAGIC, sizeof beacon->magic) != 0) return false;
    memcpy(beacon, at, sizeof *beacon);
    return beacon->self == address;
}

/* In what the core has of [from, end); pieces overlap by one beacon. */
static bool search(struct core *core, uint64_t from, uint64_t end, uint64_t *left, struct core_beacon *beacon) {
    char *piece = memory_get(PIECE, 1);
    bool found = false;
    from = (from + 7) & ~(uint64_t)7;
    while (!found && (from = core_next(core, from)) < end && *left > 0) {
        uint64_t there = core_length(core, from);
        if (there > end - from) there = end - from;
        size_t n = there < PIECE ? (size_t)there : PIECE;
        if (!core_read(core, piece, n, from)) break;
        for (size_t i = 0; !found && n - i >= sizeof *beacon && i < n; i += 8)
            found = is_beacon(piece + i, from + i, beacon);
        *left = *left > n ? *left - n : 0;
        from += n == PIECE ? n - sizeof *beacon : n;
        from = (from + 7) & ~(uint64_t)7;
    }
    free(piece);
    return found;
}

/* Libraries that are called so first; a copy may have any name. */
static bool find_beacon(struct core *core, struct core_beacon *beacon) {
    uint64_t left = SEARCH_MOST;
    for (int named = 1; named >= 0; named--)
        for (size_t i = 0; i < core->file_count; i++) {
            const struct core_file *file = &core->files[i];
            if ((strstr(file_base(file->path), "weir") != NULL) == (named != 0) &&
                search(core, file->start, file->end, &left, beacon))
                return true;
        }
    return !core->file_count && search(core, 0, UINT64_MAX, &left, beacon);
}

static bool has_library(const struct core *core) {
    for (size_t i = 0; i < core->file_count; i++)
        if (strstr(file_base(core->files[i].path), "weir")) return true;
    return false;
}

/* --- its parts --- */

/* A field of so many bytes lies in a record of that stride. */
static bool fits(uint64_t field, uint64_t bytes, uint64_t stride) {
    return field <= stride && bytes <= stride - field;
}

static bool arena_is_sound(const struct core_arena *a) {
    const uint64_t words[] = {a->in_free, a->in_local_free, a->in_owner, a->in_remote, a->in_run_bytes},
                   halves[] = {a->in_used,     a->in_asleep, a->in_size,       a->in_reserved,
                               a->in_capacity, a->in_head,   a->in_run_slices, a->in_committed},
                   bytes[] = {a->in_kind, a->in_class, a->in_slices, a->in_run_tracked, a->in_side_pages};
    bool sound = a->stride > 0 && a->stride <= STRIDE_MOST && a->zone_stride <= STRIDE_ZONES &&
                 fits(a->in_first, 8, a->zone_stride) && fits(a->in_writable, 8, a->zone_stride) &&
                 fits(a->in_run_side, sizeof(struct core_side), a->stride) && a->slice >= CORE_PAGE &&
                 a->slice <= (1u << 24) && a->classes <= CORE_CLASSES_MOST && a->counts_a_row > a->classes &&
                 a->counts_a_row <= STRIDE_MOST && a->side_a_slice >= SIDES_LEAST && a->side_a_slice <= (1u << 24);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) sound = sound && fits(words[i], 8, a->stride);
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) sound = sound && fits(halves[i], 4, a->stride);
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) sound = sound && fits(bytes[i], 1, a->stride);
    return sound;
}

static bool modules_are_sound(const struct core_modules *m) {
    const uint64_t words[] = {m->in_bias, m->in_start, m->in_end, m->in_path, m->in_fingerprint},
                   halves[] = {m->in_flags, m->in_build_id_length, m->in_first, m->in_segments};
    bool sound = m->stride <= STRIDE_MOST && fits(m->in_build_id, DUMP_BUILD_ID_MAX, m->stride);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) sound = sound && fits(words[i], 8, m->stride);
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) sound = sound && fits(halves[i], 4, m->stride);
    return sound;
}

static bool ceiling_is_sound(const struct core_ceiling *c) {
    const uint64_t words[] = {c->in_time, c->in_requested, c->in_used, c->in_max, c->in_committed, c->in_frame},
                   halves[] = {c->in_thread, c->in_operation, c->in_stack};
    bool sound = c->stride <= STRIDE_MOST && c->refusals > 0 && c->refusals <= 4096;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) sound = sound && fits(words[i], 8, c->stride);
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) sound = sound && fits(halves[i], 4, c->stride);
    return sound;
}

static bool stacks_are_sound(const struct core_stacks *s) {
    return s->stride >= sizeof(struct box_frame) && s->stride <= STRIDE_MOST;
}

const char *core_find_tables(struct core *core, struct core_tables *t) {
    if (!find_beacon(core, &t->beacon))
        return core->cut ? "a core that is cut short; what is there of it has no tables of weir's"
               : has_library(core)
                   ? "a core without the memory of libweir.so (coredump_filter, core(5)): its tables are missing"
                   : "a core without weir's tables: not of a program that ran under libweir.so";
    if (t->beacon.version != CORE_VERSION || t->beacon.size < sizeof t->beacon)
        return "a core of a program that ran under another version of weir";
    if (!core_read(core, &t->arena, sizeof t->arena, t->beacon.at_arena) ||
        !core_read(core, &t->stacks, sizeof t->stacks, t->beacon.at_stacks) ||
        !core_read(core, &t->modules, sizeof t->modules, t->beacon.at_modules) ||
        !core_read(core, &t->state, sizeof t->state, t->beacon.at_state) ||
        !core_read(core, &t->process, sizeof t->process, t->beacon.at_process) ||
        !core_read(core, &t->ceiling, sizeof t->ceiling, t->beacon.at_ceiling) ||
        !core_read(core, &t->counters, sizeof t->counters, t->ceiling.at_counters) ||
        !core_read(core, &t->search, sizeof t->search, t->beacon.at_search) ||
        !core_read(core, &t->records, sizeof t->records, t->beacon.at_records) ||
        !core_read(core, &t->hints, sizeof t->hints, t->beacon.at_hints) ||
        !core_read(core, &t->pools, sizeof t->pools, t->beacon.at_pools) ||
        !core_read(core, &t->totals, sizeof t->totals, t->beacon.at_totals))
        return "a core in which weir's tables are missing";
    bool sound = arena_is_sound(&t->arena) && modules_are_sound(&t->modules) && ceiling_is_sound(&t->ceiling) &&
                 stacks_are_sound(&t->stacks);
    if (!sound) return "a core with impossible tables of weir's";
    if (core_word(core, t->process.at_start_time)) return NULL;
    if (!core->cut && !core_length(core, t->process.at_start_time))
        return "a core without the memory of libweir.so (coredump_filter, core(5)): its tables are missing";
    return core->cut ? "a core that is cut short: weir's tables are missing"
                     : "a core of a program that had not come to weir yet";
}
