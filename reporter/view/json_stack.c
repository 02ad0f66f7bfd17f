/* Stacks in JSON; see json_stack.h. */
#include "reporter/view/json_stack.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/frame_set.h"
#include "reporter/load/memory.h"

/* The same frames are in many stacks, and are written once. */
struct json_frames {
    struct frame_set known;
    char *bytes;                    /* of all, one after the other */
    size_t length, capacity, *ends; /* by number: where a frame's own end */
    size_t end_count, end_capacity;
};

static void put_frame(struct json *json, const struct view *view, const struct symbol_frame *symbol,
                      const struct merged_frame *frame) {
    const struct merged_module *module = view->merged->modules[frame->module];
    json_open(json, NULL, '{');
    json_word(json, "function", symbol->function);
    json_word(json, "file", symbol->file);
    json_known(json, "line", symbol->line, symbol->line);
    json_bool(json, "inlined", symbol->inlined);
    if (module->path.length)
        json_text(json, "module", module->path);
    else
        json_word(json, "module", NULL);
    char offset[24];
    (void)snprintf(offset, sizeof offset, "0x%llx", (unsigned long long)frame->offset);
    json_word(json, "offset", offset);
    if (module->jit) json_bool(json, "jit", true);
    if (!symbol->function || !symbol->file || !symbol->line) {
        const char *missing = symbol->missing ? symbol->missing : symbols_why(view->symbols, frame->module);
        json_word(json, "missing", missing ? missing : "nothing is known");
    }
    json_close(json, '}');
}

static void write_chain(const struct view *view, struct json_frames *frames, const struct merged_frame *frame) {
    struct symbol_chain chain = symbols_at(view->symbols, *frame);
    struct symbol_frame unknown = {0};
    char *bytes = NULL;
    size_t length = 0;
    struct json json = {.out = memory_stream(&bytes, &length)};
    if (!chain.count) put_frame(&json, view, &unknown, frame);
    for (size_t i = 0; i < chain.count; i++) put_frame(&json, view, &chain.frames[i], frame);
    (void)fclose(json.out);
    frames->bytes = memory_more(frames->bytes, &frames->capacity, frames->length + length, 1);
    memcpy(frames->bytes + frames->length, bytes, length);
    frames->length += length;
    free(bytes);
    frames->ends = memory_more(frames->ends, &frames->end_capacity, frames->end_count + 1, sizeof *frames->ends);
    frames->ends[frames->end_count++] = frames->length;
}

static void put_chain(struct json *json, const struct view *view, const struct merged_frame *frame) {
    struct json_frames *frames = json->frames;
    uint32_t number = frame_set_add(&frames->known, *frame);
    if (number == frames->end_count) write_chain(view, frames, frame);
    size_t start = number ? frames->ends[number - 1] : 0;
    json_ready(json, frames->bytes + start, frames->ends[number] - start);
}

struct json_frames *json_frames_new(void) {
    return memory_get(1, sizeof(struct json_frames));
}

void json_frames_free(struct json_frames *frames) {
    frame_set_free(&frames->known);
    free(frames->bytes);
    free(frames->ends);
    free(frames);
}

static void put_stack_notes(struct json *json, uint32_t flags) {
    json_open(json, "stack_notes", '[');
    if (flags & DUMP_STACK_CUT) json_word(json, NULL, "cut");
    if (flags & DUMP_STACK_LOST) json_word(json, NULL, "lost");
    if (flags & DUMP_STACK_NONE) json_word(json, NULL, "none");
    if (flags & DUMP_STACK_GUESS) json_word(json, NULL, "guess");
    json_close(json, ']');
}

void json_stack(struct json *json, const struct view *view, const struct merged_frame *frames, uint32_t count,
                uint32_t flags) {
    json_open(json, "frames", '[');
    for (uint32_t i = 0; i < count; i++) put_chain(json, view, &frames[i]);
    json_close(json, ']');
    put_stack_notes(json, flags);
}
