/* pprof's profile.proto, gzipped (github.com/google/pprof, proto/profile.proto): a sample a stack, with all values and
 * the labels "verdict" and, where one thread made all of it, "thread". Addresses are those in the module's file; each
 * module is a mapping from 0 on. Values that were sampled are scaled: comments say so, and the period is the mean
 * distance of samples. */
#include <stdlib.h>
#include <string.h>

#include "reporter/forms/forms.h"
#include "reporter/forms/protobuf.h"
#include "reporter/forms/zip.h"
#include "reporter/load/table.h"
#include "reporter/view/escape.h"

/* Field numbers, by message. */
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING = 6,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DURATION_NANOS = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    PROFILE_COMMENT = 13,
    PROFILE_DEFAULT_SAMPLE_TYPE = 14
};
enum { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum { LABEL_KEY = 1, LABEL_STR = 2 };
enum { MAPPING_ID = 1, MAPPING_LIMIT = 3, MAPPING_FILENAME = 5, MAPPING_BUILD_ID = 6, MAPPING_HAS_FUNCTIONS = 7 };
enum { MAPPING_HAS_FILENAMES = 8, MAPPING_HAS_LINE_NUMBERS = 9, MAPPING_HAS_INLINE_FRAMES = 10 };
enum { LOCATION_ID = 1, LOCATION_MAPPING_ID = 2, LOCATION_ADDRESS = 3, LOCATION_LINE = 4 };
enum { LINE_FUNCTION_ID = 1, LINE_LINE = 2 };
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3, FUNCTION_FILENAME = 4 };

struct string {
    char *text;
    uint64_t number;
    UT_hash_handle hh;
};

struct writing {
    const struct profile *profile;
    struct zip zip;
    struct protobuf message, inner, innermost; /* used again and again */
    struct string *strings;
    uint64_t string_count;
};

static void flush(struct writing *w) {
    zip_write(&w->zip, w->message.bytes, w->message.length);
    protobuf_clear(&w->message);
}

/* A string is written when it is first named, which the format allows: only their order is a promise. */
static uint64_t string_of(struct writing *w, const char *text) {
    struct string *string = NULL;
    size_t length = strlen(text);
    HASH_FIND(hh, w->strings, text, length, string);
    if (string) return string->number;
    string = memory_get(1, sizeof *string);
    string->text = memory_text(text, length);
    string->number = w->string_count++;
    HASH_ADD_KEYPTR(hh, w->strings, string->text, length, string);
    protobuf_text(&w->message, PROFILE_STRING, text);
    return string->number;
}

/* What is in `inner` is a field of the profile. */
static void put(struct writing *w, unsigned field) {
    protobuf_message(&w->message, field, &w->inner);
    protobuf_clear(&w->inner);
    flush(w);
}

static void put_value_type(struct writing *w, unsigned field, const char *type, const char *unit) {
    protobuf_number(&w->inner, VALUE_TYPE_TYPE, string_of(w, type));
    protobuf_number(&w->inner, VALUE_TYPE_UNIT, string_of(w, unit));
    put(w, field);
}

static void put_label(struct writing *w, const char *key, const char *value) {
    protobuf_number(&w->innermost, LABEL_KEY, string_of(w, key));
    protobuf_number(&w->innermost, LABEL_STR, string_of(w, value));
    protobuf_message(&w->inner, SAMPLE_LABEL, &w->innermost);
    protobuf_clear(&w->innermost);
}

static void put_thread(struct writing *w, const struct merged_site *site) {
    if (site->thread_count != 1 || site->more_thread_blocks) return;
    const struct site_thread *thread = &site->threads[0];
    char *name = escape_text(dump_thread_name(thread->dump, thread->thread));
    char *text = memory_format("%u%s%s", thread->thread, *name ? " " : "", name);
    put_label(w, "thread", text);
    free(text);
    free(name);
}

static void put_sample(struct writing *w, const struct profile_stack *stack) {
    for (uint32_t i = 0; i < stack->count; i++)
        protobuf_raw(&w->innermost, w->profile->numbers[stack->first + i] + (uint64_t)1);
    protobuf_message(&w->inner, SAMPLE_LOCATION_ID, &w->innermost);
    protobuf_clear(&w->innermost);
    for (size_t i = 0; i < PROFILE_VALUES; i++) {
        uint64_t value = stack->values[i];
        protobuf_raw(&w->innermost, value > INT64_MAX ? INT64_MAX : value);
    }
    protobuf_message(&w->inner, SAMPLE_VALUE, &w->innermost);
    protobuf_clear(&w->innermost);
    if (stack->site && stack->site->blocks) {
        put_label(w, "verdict", stack->site->suppressed ? "suppressed" : view_verdict(stack->site->verdict));
        put_thread(w, stack->site);
    }
    put(w, PROFILE_SAMPLE);
}

static void put_location(struct writing *w, size_t number) {
    const struct profile_location *location = &w->profile->locations[number];
    protobuf_number(&w->inner, LOCATION_ID, number + 1);
    if (location->module) protobuf_number(&w->inner, LOCATION_MAPPING_ID, location->module->number + 1);
    protobuf_number(&w->inner, LOCATION_ADDRESS, location->offset);
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct profile_line *line = &w->profile->lines[location->first_line + i];
        protobuf_number(&w->innermost, LINE_FUNCTION_ID, line->function + (uint64_t)1);
        protobuf_number(&w->innermost, LINE_LINE, line->line);
        protobuf_message(&w->inner, LOCATION_LINE, &w->innermost);
        protobuf_clear(&w->innermost);
    }
    put(w, PROFILE_LOCATION);
}

static void put_function(struct writing *w, size_t number) {
    const struct profile_function *function = &w->profile->functions[number];
    protobuf_number(&w->inner, FUNCTION_ID, number + 1);
    protobuf_number(&w->inner, FUNCTION_NAME, string_of(w, function->name));
    protobuf_number(&w->inner, FUNCTION_SYSTEM_NAME, string_of(w, function->linked));
    protobuf_number(&w->inner, FUNCTION_FILENAME, string_of(w, function->file));
    put(w, PROFILE_FUNCTION);
}

/* The names are there, or nobody has them: a tool need not look for them again. */
static void put_mapping(struct writing *w, const struct merged_module *module, uint64_t limit) {
    char *path = escape_text(module->path), build_id[2 * DUMP_BUILD_ID_MAX + 1] = "";
    for (uint32_t i = 0; i < module->build_id_length; i++)
        (void)snprintf(build_id + (size_t)i * 2, 3, "%02x", module->build_id[i]);
    protobuf_number(&w->inner, MAPPING_ID, module->number + 1);
    protobuf_number(&w->inner, MAPPING_LIMIT, limit);
    protobuf_number(&w->inner, MAPPING_FILENAME, string_of(w, *path ? path : module->jit ? "[jit]" : "[unknown]"));
    protobuf_number(&w->inner, MAPPING_BUILD_ID, string_of(w, build_id));
    for (unsigned field = MAPPING_HAS_FUNCTIONS; field <= MAPPING_HAS_INLINE_FRAMES; field++)
        protobuf_number(&w->inner, field, 1);
    put(w, PROFILE_MAPPING);
    free(path);
}

static void put_mappings(struct writing *w) {
    const struct merged *merged = w->profile->view->merged;
    uint64_t *limits = memory_get(merged->module_count, sizeof *limits);
    for (size_t i = 0; i < w->profile->location_count; i++) {
        const struct profile_location *location = &w->profile->locations[i];
        if (location->module && location->offset >= limits[location->module->number])
            limits[location->module->number] = location->offset + 1;
    }
    for (size_t i = 0; i < merged->module_count; i++)
        if (limits[i]) put_mapping(w, merged->modules[i], limits[i]);
    free(limits);
}

static void put_comment(struct writing *w, const char *text) {
    protobuf_number(&w->message, PROFILE_COMMENT, string_of(w, text));
    flush(w);
}

static void put_head(struct writing *w, enum profile_value first) {
    const struct merged *merged = w->profile->view->merged;
    const struct dump *dump = view_first(merged)->dump;
    (void)string_of(w, ""); /* number 0 */
    for (enum profile_value value = 0; value < PROFILE_VALUES; value++)
        put_value_type(w, PROFILE_SAMPLE_TYPE, profile_value_name(value),
                       profile_value_is_bytes(value) ? "bytes" : "count");
    put_value_type(w, PROFILE_PERIOD_TYPE, "space", "bytes");
    protobuf_number(&w->message, PROFILE_PERIOD, profile_period(merged));
    protobuf_number(&w->message, PROFILE_TIME_NANOS, dump->process.start_realtime);
    protobuf_number(&w->message, PROFILE_DURATION_NANOS, view_uptime(dump));
    protobuf_number(&w->message, PROFILE_DEFAULT_SAMPLE_TYPE, string_of(w, profile_value_name(first)));
    flush(w);
    char *name = view_process_name(dump),
         *comment = memory_format("weir %s: %s[%u]", WEIR_VERSION, name, dump->process.pid);
    put_comment(w, comment);
    if (merged->sampled) put_comment(w, "values are estimates: what was sampled, scaled to all blocks");
    for (size_t i = 0; i < merged->reason_count; i++) {
        char *reason = escape_string(merged->reasons[i]);
        put_comment(w, reason);
        free(reason);
    }
    free(comment);
    free(name);
}

static void put_all(struct writing *w, enum profile_value first) {
    const struct profile *profile = w->profile;
    put_head(w, first);
    put_mappings(w);
    for (size_t i = 0; i < profile->stack_count; i++) put_sample(w, &profile->stacks[i]);
    for (size_t i = 0; i < profile->location_count; i++) put_location(w, i);
    for (size_t i = 0; i < profile->function_count; i++) put_function(w, i);
}

static void put_bytes(void *out, const unsigned char *bytes, size_t length) {
    (void)fwrite(bytes, 1, length, out);
}

void form_pprof(const struct form_input *input) {
    struct writing w = {.profile = input->profile};
    zip_begin(&w.zip, ZIP_GZIP, put_bytes, input->view->out);
    put_all(&w, input->list->value);
    zip_end(&w.zip);
    struct string *next = NULL, *string = w.strings;
    HASH_CLEAR(hh, w.strings);
    for (; string; string = next) {
        next = string->hh.next;
        free(string->text);
        free(string);
    }
    protobuf_free(&w.message);
    protobuf_free(&w.inner);
    protobuf_free(&w.innermost);
}
