/* speedscope's own file format (github.com/jlfwong/speedscope, file-format-schema.json): a sampled profile a value, of
 * frames that they share. */
#include <stdlib.h>

#include "reporter/forms/forms.h"
#include "reporter/load/memory.h"
#include "reporter/view/json_writer.h"

#define SCHEMA "https://www.speedscope.app/file-format-schema.json"

static void put_frames(struct json *json, const struct profile *profile) {
    json_open(json, "shared", '{');
    json_open(json, "frames", '[');
    for (size_t i = 0; i < profile->line_count; i++) {
        const struct profile_function *function = &profile->functions[profile->lines[i].function];
        json_open(json, NULL, '{');
        json_word(json, "name", function->name);
        if (*function->file) json_word(json, "file", function->file);
        if (profile->lines[i].line) json_number(json, "line", profile->lines[i].line);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

/* Outermost first, as lines by number. */
static void put_sample(struct json *json, const struct profile *profile, const struct profile_stack *stack) {
    json_open(json, NULL, '[');
    for (uint32_t i = stack->count; i-- > 0;) {
        const struct profile_location *location = &profile->locations[profile->numbers[stack->first + i]];
        for (uint32_t j = location->line_count; j-- > 0;) json_number(json, NULL, location->first_line + j);
    }
    json_close(json, ']');
}

static void put_profile(struct json *json, const struct profile *profile, enum profile_value value) {
    json_open(json, NULL, '{');
    json_word(json, "type", "sampled");
    json_word(json, "name", profile_value_title(profile, value));
    json_word(json, "unit", profile_value_is_bytes(value) ? "bytes" : "none");
    json_number(json, "startValue", 0);
    json_number(json, "endValue", profile->totals[value]);
    json_open(json, "samples", '[');
    for (size_t i = 0; i < profile->stack_count; i++)
        if (profile->stacks[i].values[value]) put_sample(json, profile, &profile->stacks[i]);
    json_close(json, ']');
    json_open(json, "weights", '[');
    for (size_t i = 0; i < profile->stack_count; i++)
        if (profile->stacks[i].values[value]) json_number(json, NULL, profile->stacks[i].values[value]);
    json_close(json, ']');
    json_close(json, '}');
}

/* The first profile is the one that is shown. What is 0 everywhere has none. */
static void put_profiles(struct json *json, const struct profile *profile, enum profile_value first) {
    json_open(json, "profiles", '[');
    put_profile(json, profile, first);
    for (enum profile_value value = 0; value < PROFILE_VALUES; value++)
        if (value != first && profile->totals[value]) put_profile(json, profile, value);
    json_close(json, ']');
}

void form_speedscope(const struct form_input *input) {
    struct json json = {.out = input->view->out};
    const struct dump *dump = view_first(input->view->merged)->dump;
    char *name = view_process_name(dump), *title = memory_format("%s[%u]", name, dump->process.pid);
    json_open(&json, NULL, '{');
    json_word(&json, "$schema", SCHEMA);
    json_word(&json, "exporter", "weir " WEIR_VERSION);
    json_word(&json, "name", title);
    json_number(&json, "activeProfileIndex", 0);
    put_frames(&json, input->profile);
    put_profiles(&json, input->profile, input->list->value);
    json_close(&json, '}');
    (void)fputc('\n', input->view->out);
    free(title);
    free(name);
}
