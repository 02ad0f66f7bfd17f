/* See perfmap.h. */
#include "shim/box/perfmap.h"
#include "shim/box/format.h"

/* --- order: by heaps, since no bad input makes them slow, and they need no memory --- */

static bool is_before(const struct perfmap_address *a, const struct perfmap_address *b, bool by_line) {
    return by_line && a->line != b->line ? a->line < b->line : a->address < b->address;
}

static void sink(struct perfmap_address *all, size_t at, size_t count, bool by_line) {
    struct perfmap_address moved = all[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_before(&all[child], &all[child + 1], by_line)) child++;
        if (!is_before(&moved, &all[child], by_line)) break;
        all[at] = all[child];
    }
    all[at] = moved;
}

static void sort(struct perfmap *m, bool by_line) {
    struct perfmap_address *all = m->addresses;
    for (size_t i = m->count / 2; i-- > 0;) sink(all, i, m->count, by_line);
    for (size_t left = m->count; left > 1;) {
        struct perfmap_address last = all[--left];
        all[left] = all[0];
        all[0] = last;
        sink(all, 0, left, by_line);
    }
}

void perfmap_begin(struct perfmap *m) {
    size_t unique = 0;
    sort(m, false);
    for (size_t i = 0; i < m->count; i++)
        if (i == 0 || m->addresses[i].address != m->addresses[unique - 1].address)
            m->addresses[unique++] = m->addresses[i];
    m->count = unique;
}

void perfmap_by_line(struct perfmap *m) {
    sort(m, true);
}

/* --- lines --- */

size_t perfmap_name_length(const char *name, const char *end) {
    while (end > name && (end[-1] == '\r' || end[-1] == ' ')) end--;
    return min_size((size_t)(end - name), DUMP_JIT_NAME_MOST);
}

/* The first address that is not below it. */
static size_t first_from(const struct perfmap *m, uint64_t address) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->addresses[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void take_line(struct perfmap *m, const char *line, const char *end, uint64_t offset) {
    uint64_t start, size, hash = 0;
    const char *name;
    if (!dump_jit_line(line, end, &start, &size, &name) || perfmap_name_length(name, end) == 0) return;
    for (size_t i = first_from(m, start); i < m->count && m->addresses[i].address - start < size; i++) {
        struct perfmap_address *a = &m->addresses[i];
        if (++m->work > PERFMAP_WORK_MOST) return;
        if (hash == 0) hash = mem_hash(name, perfmap_name_length(name, end));
        if (a->line && a->hash != hash) a->reused = true;
        a->line = offset + 1;
        a->hash = hash;
    }
}

size_t perfmap_take(struct perfmap *m, const char *bytes, size_t n, uint64_t offset) {
    const char *line = bytes, *end = bytes + n;
    for (const char *at = bytes; at < end && !perfmap_is_exhausted(m); at++) {
        if (*at != '\n') continue;
        if (!m->skipping) take_line(m, line, at, offset + (uint64_t)(line - bytes));
        m->skipping = false;
        line = at + 1;
    }
    if (!m->skipping && (size_t)(end - line) < PERFMAP_LINE_MOST) return (size_t)(line - bytes);
    m->skipping = true;
    return n;
}

bool perfmap_is_exhausted(const struct perfmap *m) {
    return m->work > PERFMAP_WORK_MOST;
}
