/* Strings, modules and stacks of a core, from weir's tables; see making.h. */
#include <string.h>

#include "reporter/load/core/making.h"
#include "reporter/load/memory.h"

#define MODULES_MOST  0xfff0u
#define SEGMENTS_MOST (MODULES_MOST * 16ul)
#define STACKS_MOST   (1u << 26)
#define PATH_MOST     4096u
#define THREADS_MOST  4096u

struct dump_string making_string(struct making *m, const char *bytes, size_t n) {
    if (n > UINT32_MAX - m->string_bytes) n = 0;
    struct dump_string string = {(uint32_t)m->string_bytes, (uint32_t)n};
    m->strings = memory_more(m->strings, &m->string_capacity, m->string_bytes + n, 1);
    if (n) memcpy(m->strings + m->string_bytes, bytes, n);
    m->string_bytes += n;
    return string;
}

void making_note_thread(struct making *m, uint32_t thread) {
    for (size_t i = 0; i < m->thread_count; i++)
        if (m->threads[i].thread == thread) return;
    if (m->thread_count == THREADS_MOST) return;
    m->threads = memory_more(m->threads, &m->thread_capacity, m->thread_count + 1, sizeof *m->threads);
    m->threads[m->thread_count++].thread = thread;
}

/* --- modules --- */

static void read_segments(struct making *m) {
    const struct core_modules *t = &m->t.modules;
    uint64_t at = core_word(m->core, t->at_segments), count = core_word(m->core, t->at_segments_used);
    if (count > SEGMENTS_MOST) count = 0;
    m->segments = memory_more(NULL, &m->segment_capacity, (size_t)count + 1, sizeof *m->segments);
    if (count && !core_read(m->core, m->segments, (size_t)count * sizeof *m->segments, at)) count = 0;
    m->segment_count = (size_t)count;
}

static void read_module(struct making *m, const char *record, struct dump_module *to) {
    const struct core_modules *t = &m->t.modules;
    char path[PATH_MOST];
    *to = (struct dump_module){.bias = word_of(record, t->in_bias),
                               .start = word_of(record, t->in_start),
                               .end = word_of(record, t->in_end),
                               .first_segment = half_of(record, t->in_first),
                               .segments = half_of(record, t->in_segments),
                               .flags = half_of(record, t->in_flags) & ~DUMP_MODULE_MALLOC,
                               .build_id_length = half_of(record, t->in_build_id_length),
                               .fingerprint = word_of(record, t->in_fingerprint)};
    memcpy(to->build_id, record + t->in_build_id, sizeof to->build_id);
    if (to->end < to->start) to->end = to->start;
    if (to->build_id_length > DUMP_BUILD_ID_MAX) to->build_id_length = 0;
    if (to->first_segment > m->segment_count || to->segments > m->segment_count - to->first_segment)
        to->first_segment = to->segments = 0;
    size_t n = core_text(m->core, word_of(record, t->in_path), path, sizeof path);
    to->path = making_string(m, path, n);
}

void making_read_modules(struct making *m) {
    const struct core_modules *t = &m->t.modules;
    uint64_t table = core_word(m->core, t->at_table);
    uint32_t count = core_half(m->core, t->at_count);
    char record[4096];
    read_segments(m);
    for (uint32_t i = 0; i < count && i < MODULES_MOST; i++) {
        if (!core_read(m->core, record, (size_t)t->stride, table + i * t->stride)) break;
        m->modules = memory_more(m->modules, &m->module_capacity, m->module_count + 1, sizeof *m->modules);
        read_module(m, record, &m->modules[m->module_count++]);
    }
    for (size_t i = 0; i < m->segment_count; i++)
        if (m->segments[i].module >= m->module_count) m->segments[i].module = 0;
    if (!m->module_count) m->segment_count = 0;
}

/* --- stacks --- */

void making_read_stacks(struct making *m) {
    const struct core_stacks *t = &m->t.stacks;
    uint64_t used = core_word(m->core, t->at_used), there = core_word(m->core, t->at_committed) / t->stride;
    if (used > there) used = there;
    if (used > STACKS_MOST || used > m->core->size) used = 0;
    uint32_t depth = core_half(m->core, m->t.process.at_depth);
    stack_list_start(&m->stacks, (uint32_t)used, depth > 0 && depth < STACK_DEPTH_MOST ? depth : STACK_DEPTH_MOST);
}

static bool read_frame(void *context, uint32_t id, struct box_frame *frame) {
    struct making *m = context;
    const struct core_stacks *t = &m->t.stacks;
    if (!core_read(m->core, frame, sizeof *frame, core_word(m->core, t->at_table) + id * t->stride)) return false;
    frame->frame = stack_list_sound(frame->frame, m->module_count);
    return true;
}

uint32_t making_stack(struct making *m, uint32_t id) {
    return stack_list_number(&m->stacks, id, read_frame, m);
}
