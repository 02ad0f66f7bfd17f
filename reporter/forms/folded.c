/* Folded stacks, as flamegraph.pl (github.com/brendangregg/FlameGraph), inferno and speedscope read them: a line a
 * stack, "outermost;...;innermost COUNT", in which the count is one of the values. The format has no escapes; what ends
 * a frame, `;`, becomes a colon in a name, as its own collapsers have it. */
#include <string.h>

#include "reporter/forms/forms.h"

static void put_name(FILE *out, const char *name) {
    for (; *name; name++) (void)putc_unlocked(*name == ';' ? ':' : *name, out);
}

static void put_location(FILE *out, const struct profile *profile, uint32_t number, bool first) {
    const struct profile_location *location = &profile->locations[number];
    for (uint32_t i = location->line_count; i-- > 0;) {
        if (!first) (void)putc_unlocked(';', out);
        first = false;
        put_name(out, profile->functions[profile->lines[location->first_line + i].function].name);
    }
}

void form_folded(const struct form_input *input) {
    const struct profile *profile = input->profile;
    FILE *out = input->view->out;
    for (size_t i = 0; i < profile->stack_count; i++) {
        const struct profile_stack *stack = &profile->stacks[i];
        uint64_t value = stack->values[input->list->value];
        if (!value) continue;
        for (uint32_t j = stack->count; j-- > 0;)
            put_location(out, profile, profile->numbers[stack->first + j], j + 1 == stack->count);
        (void)fprintf(out, " %llu\n", (unsigned long long)value);
    }
}
