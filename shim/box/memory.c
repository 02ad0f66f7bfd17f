/* See memory.h. A mapping is taken apart where its pages are of different kinds: the kernel joins neighbours, whoever
 * made them. */
#include "shim/box/memory.h"
#include "shim/base/files.h"
#include "shim/base/mapping.h"
#include "shim/base/reserve.h"
#include "shim/base/resident.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/ceiling/pages.h"

#include <dlfcn.h>

#define UNSURE_MIN (64 * KIB) /* less is not worth a question */
#define STACKS_MAX 4096       /* threads whose stacks are known as such */

static struct resident_reader pages;
static struct mapping_reader mappings;
static uintptr_t stacks[STACKS_MAX]; /* an address in each, sorted */
static size_t stack_count;
static uint32_t stacks_of; /* the process whose they are */
static bool stacks_known;

static void path_of(struct text *t, uint32_t pid, const char *name) {
    *t = (struct text){0};
    text_add(t, "/proc/");
    if (pid == sys_getpid())
        text_add(t, "self");
    else
        text_add_number(t, pid);
    text_add(t, name);
}

/* Of pages that may be none. */
static size_t resident_of(struct memory *m, enum dump_memory_kind kind, uintptr_t from, size_t n) {
    size_t before = pages.unsure, resident = m->known ? resident_bytes(&pages, from, n) : 0;
    m->unsure[kind] += pages.unsure - before;
    return resident;
}

static struct dump_memory *add(struct memory *m, enum dump_memory_kind kind, uint64_t resident, uint64_t charged) {
    struct dump_memory *row = &m->rows[kind];
    row->resident += resident;
    row->charged += charged;
    return row;
}

/* --- stacks of threads: the kernel knows an address in each, of the list of locks that libc keeps at its top --- */

static void sift_down(size_t at, size_t count) {
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && stacks[child + 1] > stacks[child]) child++;
        if (stacks[child] <= stacks[at]) return;
        uintptr_t swap = stacks[at];
        stacks[at] = stacks[child], stacks[child] = swap;
    }
}

static void sort_stacks(void) {
    for (size_t i = stack_count / 2; i-- > 0;) sift_down(i, stack_count);
    for (size_t n = stack_count; n-- > 1;) {
        uintptr_t swap = stacks[0];
        stacks[0] = stacks[n], stacks[n] = swap;
        sift_down(0, n);
    }
}

static void note_stack_of(uint32_t thread) {
    uintptr_t head = 0;
    size_t length = 0;
    long r = sys3(SYS_get_robust_list, thread, (long)&head, (long)&length);
    if (r == 0 && head && stack_count < STACKS_MAX) stacks[stack_count++] = head;
}

static void see_thread(void *context, const char *name) {
    uint64_t thread;
    (void)context;
    if (text_number(name, &thread)) note_stack_of((uint32_t)thread);
}

static void find_stacks(uint32_t pid) {
    struct text path;
    stack_count = 0;
    path_of(&path, pid, "/task");
    (void)folder_each(text_string(&path), see_thread, NULL);
    sort_stacks();
}

void memory_of_process(uint32_t pid) {
    stacks_of = pid;
    stacks_known = false;
}

uint32_t memory_process(void) {
    return stacks_of ? stacks_of : sys_getpid();
}

bool memory_has_stack(uintptr_t from, uintptr_t end) {
    if (!stacks_known) find_stacks(stacks_of);
    stacks_known = true;
    size_t low = 0, high = stack_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (stacks[middle] < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < stack_count && stacks[low] < end;
}

/* --- the kernel's words --- */

/* Lines are "RssAnon:\t    1234 kB". */
static uint64_t number_after(const char *text, const char *name) {
    const char *found = line_after(text, name);
    uint64_t n = 0;
    for (; found && (*found == ' ' || *found == '\t');) found++;
    for (; found && *found >= '0' && *found <= '9'; found++) n = 10 * n + (uint64_t)(*found - '0');
    return n * KIB;
}

static const char *read_file(uint32_t pid, const char *name) {
    static char text[4096];
    struct text path;
    path_of(&path, pid, name);
    (void)file_read(text_string(&path), text, sizeof text);
    return text;
}

static void ask_kernel(struct memory *m, uint32_t pid) {
    const char *status = read_file(pid, "/status");
    m->rss_anon = number_after(status, "RssAnon:");
    m->rss_file = number_after(status, "RssFile:");
    m->rss_shmem = number_after(status, "RssShmem:");
}

/* --- the address space --- */

static void add_unaccounted(struct memory *m, const struct mapping *of, uintptr_t from, uintptr_t end,
                            size_t resident) {
    struct dump_unaccounted range = {from, end - from, resident,
                                     (of->readable ? 4u : 0) | (of->writable ? 2u : 0) | (of->executable ? 1u : 0), 0};
    add(m, MEMORY_UNACCOUNTED, resident, 0)->count++;
    if (resident == 0) return;
    uint32_t at = m->range_count < MEMORY_RANGES ? m->range_count++ : MEMORY_RANGES - 1;
    if (at == MEMORY_RANGES - 1 && m->ranges[at].resident >= resident) return;
    for (; at > 0 && m->ranges[at - 1].resident < resident; at--) m->ranges[at] = m->ranges[at - 1];
    m->ranges[at] = range;
}

bool memory_is_of_module(uintptr_t address) {
    struct dl_find_object found;
    return _dl_find_object((void *)address, &found) == 0;
}

/* Whose all of [from, end) is that is neither weir's nor what the program mapped itself. */
static enum dump_memory_kind kind_of_others(const struct mapping *of, uintptr_t from, uintptr_t end, const char *path) {
    if (of->shared) return MEMORY_SHARED;
    if (of->of_file || memory_is_of_module(from)) return MEMORY_FILES;
    if (str_equal(path, "[heap]")) return MEMORY_BREAK;
    return str_equal(path, "[stack]") || memory_has_stack(from, end) ? MEMORY_STACKS : MEMORY_UNACCOUNTED;
}

static bool is_arena(uintptr_t address) {
    return address - arena.base < arena.slices << SLICE_SHIFT;
}

/* The end of the first part of [from, end) that is of one kind. */
static uintptr_t part_of(const struct mapping *of, uintptr_t from, const char *path, enum dump_memory_kind *kind) {
    bool reserved;
    uintptr_t end = reserve_part_end(from, of->end, &reserved);
    if (reserved) {
        *kind = is_arena(from) ? MEMORY_KINDS : MEMORY_TABLES;
        return end;
    }
    enum pages_plane plane = pages_count(PAGES_CHARGED, from, PAGE) > 0 ? PAGES_CHARGED : PAGES_OURS;
    if (of->of_file || of->shared || pages_count(plane, from, PAGE) == 0) {
        *kind = kind_of_others(of, from, end, path);
        return of->of_file || of->shared ? end : pages_find(PAGES_OURS, true, from, end);
    }
    *kind = plane == PAGES_CHARGED ? MEMORY_MAPPINGS : MEMORY_RESERVED;
    return min_size(pages_find(plane, false, from, end),
                    plane == PAGES_OURS ? pages_find(PAGES_CHARGED, true, from, end) : end);
}

/* The arena's are added by span. The kernel's own pages and those of hugetlbfs count for nobody. */
static void add_mapping(struct memory *m, const struct mapping *of, const char *path) {
    if (of->start >= PAGES_END || str_equal(path, "[vvar]") || str_equal(path, "[vdso]")) return;
    bool counts = !str_after(path, "/anon_hugepage") &&
                  (of->readable || of->writable || of->executable || of->end - of->start <= MEMORY_UNTOUCHABLE);
    for (uintptr_t at = of->start, end; at < of->end; at = end) {
        enum dump_memory_kind kind;
        end = part_of(of, at, path, &kind);
        if (kind == MEMORY_KINDS || (kind == MEMORY_TABLES && !of->writable)) continue; /* 2 GiB that are zeros */
        size_t resident = counts ? resident_of(m, kind, at, end - at) : 0;
        if (kind == MEMORY_UNACCOUNTED)
            add_unaccounted(m, of, at, end, resident);
        else
            add(m, kind, resident, 0)->count++;
    }
}

/* False: it was another process's; a number may mean another one where /proc was mounted. */
static bool read_mappings(struct memory *m, uint32_t pid) {
    static char name[32];
    struct mapping of;
    struct text path;
    bool seen = false;
    path_of(&path, pid, "/maps");
    if (!mapping_open_of(&mappings, text_string(&path))) return false;
    while (mapping_next(&mappings, &of, name, sizeof name)) {
        seen |= (uintptr_t)memory_begin >= of.start && (uintptr_t)memory_begin < of.end;
        add_mapping(m, &of, name);
    }
    mapping_close(&mappings);
    return seen;
}

static bool try_to_read(struct memory *m, uint32_t pid) {
    struct text path;
    *m = (struct memory){0};
    path_of(&path, pid, "/pagemap");
    if (!resident_open(&pages, text_string(&path))) return false;
    m->known = true;
    m->pid = pid;
    memory_of_process(pid);
    if (read_mappings(m, pid)) {
        ask_kernel(m, pid);
        return true;
    }
    resident_close(&pages);
    return false;
}

/* A copy has the page tables of the process's own memory, but not of its files. */
void memory_begin(struct memory *m, uint32_t pid) {
    if (try_to_read(m, pid) || (pid != sys_getpid() && try_to_read(m, sys_getpid()))) return;
    *m = (struct memory){0};
}

/* Of pages that are not resident it is said that they are free ones, as far as there are any. */
void memory_add_span(struct memory *m, const struct arena_span *span) {
    size_t resident = resident_of(m, MEMORY_LIVE, (uintptr_t)span->start, span->size);
    uint64_t live = min_size(span->live, span->committed), idle = span->committed - live;
    uint64_t live_resident = min_size(resident, live);
    add(m, MEMORY_LIVE, live_resident, live);
    add(m, span->live == 0 || span->run ? MEMORY_CACHED : MEMORY_PINNED, resident - live_resident, idle);
}

/* Of what is only read, the kernel says how much there is in all; each row loses its share of what may be that. */
static void leave_zeros_out(struct memory *m) {
    uint64_t all = 0, unsure = 0;
    for (uint32_t i = 0; i < MEMORY_KINDS; i++) {
        all += m->rows[i].resident;
        unsure += m->unsure[i];
    }
    if (unsure < UNSURE_MIN) return;
    uint64_t truth = number_after(read_file(m->pid, "/smaps_rollup"), "Rss:");
    if (truth == 0 || all <= truth) return;
    double share = (double)min_size(all - truth, unsure) / (double)unsure;
    for (uint32_t i = 0; i < MEMORY_KINDS; i++)
        m->rows[i].resident -= min_size((uint64_t)((double)m->unsure[i] * share), m->rows[i].resident);
}

void memory_seen(struct memory *m) {
    leave_zeros_out(m);
    if (m->known) resident_close(&pages);
}

void memory_end(struct memory *m, const struct memory_sums *sums) {
    struct dump_memory *live = &m->rows[MEMORY_LIVE];
    uint64_t rounding = sums->places - min_size(sums->places, sums->asked);
    uint64_t charged = min_size(rounding, live->charged);
    /* Its share of what is resident. */
    uint64_t resident = sums->places ? (uint64_t)((double)live->resident * (double)rounding / (double)sums->places) : 0;
    live->charged -= charged;
    live->resident -= min_size(resident, live->resident);
    add(m, MEMORY_ROUNDING, resident, charged);
    add(m, MEMORY_TABLES, 0, sums->tables);
    add(m, MEMORY_LOADER, 0, sums->loader);
    add(m, MEMORY_MAPPINGS, 0, sums->mappings);
    for (uint32_t i = 0; i < MEMORY_KINDS; i++) m->rows[i].kind = i;
}
