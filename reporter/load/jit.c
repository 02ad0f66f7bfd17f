/* See jit.h. */
#include "reporter/load/jit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/file.h"
#include "reporter/load/memory.h"
#include "reporter/load/perfmap.h"
#include "reporter/load/search.h"

#define HITS_MOST (16u << 20) /* a hostile map names everything in each line */

/* --- addresses --- */

static int compare_addresses(const void *left, const void *right) {
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

#define FRAMES_MOST (16u << 20) /* that are looked at: a hostile dump may have nothing else */

struct found {
    uint64_t *addresses;
    size_t count, capacity;
};

static void add(struct found *found, uint64_t frame, bool exact) {
    if (DUMP_FRAME_MODULE(frame) != DUMP_NO_MODULE || !DUMP_FRAME_OFFSET(frame) || found->count == FRAMES_MOST) return;
    found->addresses = memory_more(found->addresses, &found->capacity, found->count + 1, sizeof *found->addresses);
    found->addresses[found->count++] = DUMP_FRAME_OFFSET(frame) - !exact;
}

/* All as return addresses, and those that are none as they are: the stacks of a hostile dump may be all frames of it.
 */
static struct found find_frames(const struct dump *dump) {
    uint64_t frames = dump_count(dump, DUMP_FRAMES), exact = 0;
    struct found found = {0};
    for (uint64_t i = 0; i < frames; i++) add(&found, dump_frames(dump)[i], false);
    for (uint64_t i = 0; frames && found.count && i < dump_count(dump, DUMP_STACKS); i++) {
        const struct dump_stack *stack = &dump_stacks(dump)[i];
        for (uint32_t j = 0; stack->exact && j < stack->frames && j < 64 && exact < frames; j++) {
            if (!(stack->exact >> j & 1)) continue;
            add(&found, dump_frames(dump)[stack->first_frame + j], true);
            exact++;
        }
    }
    return found;
}

static void find_addresses(struct jit *jit, const struct dump *dump) {
    struct found found = find_frames(dump);
    size_t unique = 0;
    if (found.count) qsort(found.addresses, found.count, sizeof *found.addresses, compare_addresses);
    for (size_t i = 0; i < found.count; i++)
        if (!i || found.addresses[i] != found.addresses[unique - 1]) found.addresses[unique++] = found.addresses[i];
    jit->codes = memory_get(unique, sizeof *jit->codes);
    jit->count = unique;
    for (size_t i = 0; i < unique; i++) jit->codes[i].address = found.addresses[i];
    free(found.addresses);
}

/* The first that is not below it. */
static size_t first_from(const struct jit *jit, uint64_t address) {
    return search_below(jit->codes, jit->count, sizeof *jit->codes, address);
}

static bool same(struct text a, struct text b) {
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

static void cover(struct jit *jit, uint64_t start, uint64_t size, struct text name, bool reused) {
    for (size_t i = first_from(jit, start); i < jit->count && jit->codes[i].address - start < size; i++) {
        struct jit_code *code = &jit->codes[i];
        if (++jit->hits > HITS_MOST) return;
        code->reused = reused || code->reused || (code->name.length && !same(code->name, name));
        code->name = name;
    }
}

static void give_up(struct jit *jit, enum dump_jit_map state) {
    for (size_t i = 0; i < jit->count; i++) jit->codes[i].name.length = 0;
    jit->state = state;
}

/* --- from the dump --- */

static void take_records(struct jit *jit, const struct dump *dump) {
    const struct dump_jit *records = dump_jit_records(dump);
    uint64_t count = dump_count(dump, DUMP_JIT);
    if (!count) return;
    struct text path = dump_text(dump, records[0].name);
    jit->state = records[0].flags >= JIT_MAP_READ && records[0].flags <= JIT_MAP_LARGE
                     ? (enum dump_jit_map)records[0].flags
                     : JIT_MAP_FAILED;
    jit->time = records[0].start;
    free(jit->path);
    jit->path = memory_text(path.bytes, path.length);
    for (uint64_t i = 1; i < count; i++) {
        struct text name = dump_text(dump, records[i].name);
        if (name.length > DUMP_JIT_NAME_MOST) name.length = DUMP_JIT_NAME_MOST;
        if (name.length) cover(jit, records[i].start, records[i].size, name, records[i].flags & DUMP_JIT_REUSED);
    }
    if (jit->hits > HITS_MOST) give_up(jit, JIT_MAP_LARGE);
}

/* --- from the process --- */

static void take_line(struct jit *jit, const char *line, const char *end) {
    uint64_t start = 0, size = 0;
    const char *name = NULL;
    while (end > line && (end[-1] == '\r' || end[-1] == ' ')) end--;
    if (!dump_jit_line(line, end, &start, &size, &name) || name >= end) return;
    size_t length = (size_t)(end - name);
    cover(jit, start, size, (struct text){name, length < DUMP_JIT_NAME_MOST ? length : DUMP_JIT_NAME_MOST}, false);
}

/* What has no newline at its end may be half written. */
static void take_map(struct jit *jit, const struct perfmap *map) {
    jit->bytes = memory_get((size_t)map->size + 1, 1);
    if (!file_read(map->fd, jit->bytes, (size_t)map->size, 0)) {
        jit->state = JIT_MAP_FAILED;
        return;
    }
    const char *end = jit->bytes + map->size, *line = jit->bytes;
    for (const char *next; line < end && jit->hits <= HITS_MOST; line = next + 1) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (!next) break;
        take_line(jit, line, next);
    }
    if (jit->hits > HITS_MOST) give_up(jit, JIT_MAP_LARGE);
}

/* Whether the process of that number is the one that wrote the dump, and still runs what it ran then: it had the number
 * before the dump was made, it has kept it since, and it has the same program and weir in it. */
static bool is_its_process(const struct dump *dump, const struct proc *proc) {
    char link[64], path[4096];
    struct text exe = dump_text(dump, dump->process.exe);
    uint64_t started = proc_started(proc->pid);
    (void)snprintf(link, sizeof link, "/proc/%d/exe", (int)proc->pid);
    ssize_t length = readlink(link, path, sizeof path);
    return started && started <= dump->header.time_realtime && proc->has_weir && proc->state != 'Z' &&
           proc->inner_pid == dump->process.pid && dump->process.reason != DUMP_AT_EXEC &&
           length == (ssize_t)exe.length && memcmp(path, exe.bytes, exe.length) == 0;
}

static void ask_process(struct jit *jit, const struct dump *dump) {
    const char *why = NULL;
    struct proc proc;
    struct perfmap map = {.fd = -1};
    if (dump->process.pid - 1 >= INT32_MAX || access("/proc/self/stat", R_OK) != 0) return;
    if (proc_look(&proc, (pid_t)dump->process.pid, &why) && is_its_process(dump, &proc)) perfmap_open(&map, &proc);
    if (map.fd >= 0) {
        jit->state = JIT_MAP_READ;
        jit->late = true;
        jit->time = map.time;
        free(jit->path);
        jit->path = memory_text(map.path, strlen(map.path));
        take_map(jit, &map);
        (void)close(map.fd);
    }
    proc_free(&proc);
}

struct jit *jit_of(struct dump *dump) {
    if (dump->jit) return dump->jit;
    struct jit *jit = dump->jit = memory_get(1, sizeof *jit);
    find_addresses(jit, dump);
    if (!jit->count) return jit;
    take_records(jit, dump);
    if (jit->state != JIT_MAP_READ) ask_process(jit, dump);
    return jit;
}

/* Texts of a dump stay with it, and so must that one stay. */
void jit_lend(struct dump *to, struct dump *from) {
    if (!dump_same_image(to, from) || !jit_of(from)->count || !jit_of(to)->count) return;
    struct jit other = {.count = to->jit->count, .codes = memory_get(to->jit->count, sizeof *other.codes)};
    for (size_t i = 0; i < other.count; i++) other.codes[i].address = to->jit->codes[i].address;
    take_records(&other, from);
    for (size_t i = 0; i < other.count && other.state == JIT_MAP_READ; i++)
        if (!to->jit->codes[i].name.length) to->jit->codes[i] = other.codes[i];
    if (other.state == JIT_MAP_READ && to->jit->state != JIT_MAP_READ) {
        to->jit->state = JIT_MAP_READ;
        to->jit->late = true;
        to->jit->time = other.time;
    }
    free(other.codes);
    free(other.path);
}

const struct jit_code *jit_at(const struct dump *dump, uint64_t address) {
    if (!dump->jit) return NULL;
    size_t i = first_from(dump->jit, address);
    bool found = i < dump->jit->count && dump->jit->codes[i].address == address && dump->jit->codes[i].name.length;
    return found ? &dump->jit->codes[i] : NULL;
}

void jit_free(struct jit *jit) {
    if (!jit) return;
    free(jit->codes);
    free(jit->path);
    free(jit->bytes);
    free(jit);
}

/* --- of one name --- */

struct jit_name {
    const char *name; /* not terminated */
    struct merged_frame frame;
    UT_hash_handle hh;
};

void jit_settle(struct merged *merged, const struct dump *dump, struct merged_frame *frame) {
    (void)jit_of((struct dump *)(uintptr_t)dump);
    const struct jit_code *code = jit_at(dump, frame->offset - !frame->exact);
    struct jit_name *known = NULL;
    if (!code) return;
    HASH_FIND(hh, merged->jit_names, code->name.bytes, code->name.length, known);
    if (!known) {
        known = memory_get(1, sizeof *known);
        known->name = code->name.bytes;
        known->frame = (struct merged_frame){code->address, frame->module, 1};
        HASH_ADD_KEYPTR(hh, merged->jit_names, known->name, code->name.length, known);
    }
    *frame = known->frame;
}

void jit_forget(struct merged *merged) {
    struct jit_name *name = merged->jit_names;
    HASH_CLEAR(hh, merged->jit_names);
    while (name) {
        struct jit_name *next = name->hh.next;
        free(name);
        name = next;
    }
}
