/* Strings, modules and stacks of a core, from weir's tables; see making.h. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/core/making.h"
#include "reporter/load/memory.h"

#define MODULES_MOST  0xfff0u
#define SEGMENTS_MOST (MODULES_MOST * 16ul)
#define STACKS_MOST   (1u << 26)
#define PATH_MOST     4096u
#define THREADS_MOST  4096u
#define FRAMES_MOST   (1u << 26) /* of all stacks together */

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

static uint64_t word_of(const char *record, uint64_t at) {
    uint64_t word;
    memcpy(&word, record + at, sizeof word);
    return word;
}
static uint32_t half_of(const char *record, uint64_t at) {
    uint32_t half;
    memcpy(&half, record + at, sizeof half);
    return half;
}

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
    m->stack_ids = (uint32_t)used;
    m->number = memory_get((size_t)used, sizeof *m->number);
    m->stacks = memory_more(NULL, &m->stack_capacity, 1, sizeof *m->stacks);
    m->stacks[0].flags = DUMP_STACK_NONE;
    m->stack_count = 1;
}

uint64_t making_sound_frame(const struct making *m, uint64_t frame) {
    if (DUMP_FRAME_MODULE(frame) < m->module_count) return frame;
    return (uint64_t)DUMP_NO_MODULE << 48 | DUMP_FRAME_OFFSET(frame);
}

static bool read_frame(struct making *m, uint32_t id, struct box_frame *frame) {
    const struct core_stacks *t = &m->t.stacks;
    if (id < BOX_ROOTS || id >= m->stack_ids) return false;
    return core_read(m->core, frame, sizeof *frame, core_word(m->core, t->at_table) + id * t->stride) && frame->outer;
}

uint32_t making_stack(struct making *m, uint32_t id) {
    struct box_frame frame;
    if (id >= m->stack_ids || m->number[id]) return id < m->stack_ids ? m->number[id] : 0;
    if (m->frame_count >= FRAMES_MOST || !read_frame(m, id, &frame)) return 0;
    struct dump_stack stack = {.first_frame = (uint32_t)m->frame_count, .flags = frame.flags};
    for (uint32_t at = id; at >= BOX_ROOTS; at = frame.outer) {
        bool there = read_frame(m, at, &frame);
        if (!there || stack.frames == m->depth) {
            stack.flags |= there ? DUMP_STACK_CUT : DUMP_STACK_LOST;
            break;
        }
        m->frames = memory_more(m->frames, &m->frame_capacity, m->frame_count + 1, sizeof *m->frames);
        m->frames[m->frame_count++] = making_sound_frame(m, frame.frame);
        if ((frame.how & 1) && stack.frames < 64) stack.exact |= 1ull << stack.frames;
        stack.frames++;
    }
    m->stacks = memory_more(m->stacks, &m->stack_capacity, m->stack_count + 1, sizeof *m->stacks);
    m->stacks[m->stack_count] = stack;
    return m->number[id] = (uint32_t)m->stack_count++;
}
