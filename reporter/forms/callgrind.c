/* The format of Valgrind's Callgrind, version 1 ("Callgrind Format Specification" in Valgrind's manual), which
 * callgrind_annotate and KCachegrind read: the values are its events, what is made in a function is its own cost, and
 * a call has what is made below it. Inlined functions are called ones. In a recursion a call counts once a stack.
 */
#include <stdlib.h>
#include <string.h>

#include "reporter/forms/forms.h"
#include "reporter/load/table.h"

#define NO_CALLEE UINT32_MAX

struct cost {
    struct {
        uint32_t function, line, callee; /* NO_CALLEE: it is the function's own */
    } key;
    size_t last_stack; /* which it has, number plus one */
    uint64_t values[PROFILE_VALUES], calls;
    UT_hash_handle hh;
};

struct costs {
    const struct profile *profile;
    struct cost *table;
    size_t count;
    enum profile_value events[PROFILE_VALUES]; /* in the order of columns */
    size_t event_count;
    bool *named_functions; /* whose name was written: from there on its number stands for it */
};

/* The first is what tools show by themselves. What is 0 everywhere is left out, but not all. */
static void choose_events(struct costs *costs, enum profile_value first) {
    costs->events[costs->event_count++] = first;
    for (enum profile_value value = 0; value < PROFILE_VALUES; value++)
        if (value != first && costs->profile->totals[value]) costs->events[costs->event_count++] = value;
}

static void add(struct costs *costs, const struct profile_stack *stack, size_t number, uint32_t function, uint32_t line,
                uint32_t callee) {
    struct cost *cost = NULL, wanted = {.key = {function, line, callee}};
    unsigned char key[sizeof wanted.key]; /* uthash reads keys by the byte */
    memcpy(key, &wanted.key, sizeof key);
    HASH_FIND(hh, costs->table, key, sizeof key, cost);
    if (!cost) {
        cost = memory_get(1, sizeof *cost);
        cost->key = wanted.key;
        HASH_ADD(hh, costs->table, key, sizeof cost->key, cost);
        costs->count++;
    }
    if (cost->last_stack == number + 1) return;
    cost->last_stack = number + 1;
    for (size_t i = 0; i < PROFILE_VALUES; i++) cost->values[i] += stack->values[i];
    uint64_t blocks = stack->values[VALUE_ALLOCATED_BLOCKS], live = stack->values[VALUE_LIVE_BLOCKS];
    cost->calls += blocks > live ? blocks : live;
}

static void add_stack(struct costs *costs, size_t number) {
    const struct profile *profile = costs->profile;
    const struct profile_stack *stack = &profile->stacks[number];
    uint32_t callee = NO_CALLEE;
    for (uint32_t i = 0; i < stack->count; i++) {
        const struct profile_location *location = &profile->locations[profile->numbers[stack->first + i]];
        for (uint32_t j = 0; j < location->line_count; j++) {
            const struct profile_line *line = &profile->lines[location->first_line + j];
            add(costs, stack, number, line->function, line->line, callee);
            callee = line->function;
        }
    }
}

static int compare(const void *left, const void *right) {
    const struct cost *a = *(struct cost *const *)left, *b = *(struct cost *const *)right;
    if (a->key.function != b->key.function) return a->key.function < b->key.function ? -1 : 1;
    if ((a->key.callee == NO_CALLEE) != (b->key.callee == NO_CALLEE)) return a->key.callee == NO_CALLEE ? -1 : 1;
    if (a->key.line != b->key.line) return a->key.line < b->key.line ? -1 : 1;
    return a->key.callee < b->key.callee ? -1 : a->key.callee > b->key.callee;
}

/* "fl=(1) FILE" and "fn=(1) NAME"; of a name that was written its number alone. */
static void put_function(FILE *out, struct costs *costs, uint32_t number, const char *file_key, const char *name_key) {
    const struct profile_function *function = &costs->profile->functions[number];
    bool named = costs->named_functions[number];
    const char *file = named ? "" : *function->file ? function->file : "???", *name = named ? "" : function->name;
    const char *space = named ? "" : " ";
    (void)fprintf(out, "%s=(%u)%s%s\n", file_key, number + 1, space, file);
    (void)fprintf(out, "%s=(%u)%s%s\n", name_key, number + 1, space, name);
    costs->named_functions[number] = true;
}

static void put_values(FILE *out, const struct costs *costs, const uint64_t *values) {
    for (size_t i = 0; i < costs->event_count; i++)
        (void)fprintf(out, " %llu", (unsigned long long)values[costs->events[i]]);
    (void)fputc('\n', out);
}

static void put_cost(FILE *out, struct costs *costs, const struct cost *cost, bool new_function) {
    if (new_function) {
        (void)fputc('\n', out);
        put_function(out, costs, cost->key.function, "fl", "fn");
    }
    if (cost->key.callee != NO_CALLEE) {
        put_function(out, costs, cost->key.callee, "cfl", "cfn");
        (void)fprintf(out, "calls=%llu 0\n", (unsigned long long)cost->calls);
    }
    (void)fprintf(out, "%u", cost->key.line);
    put_values(out, costs, cost->values);
}

static void put_header(FILE *out, const struct costs *costs) {
    const struct profile *profile = costs->profile;
    const struct dump *dump = view_first(profile->view->merged)->dump;
    (void)fprintf(out, "# callgrind format\nversion: 1\ncreator: weir %s\npid: %u\ncmd: ", WEIR_VERSION,
                  dump->process.pid);
    char *name = view_process_name(dump);
    (void)fprintf(out, "%s\n", name);
    free(name);
    if (profile->view->merged->sampled) (void)fputs("desc: Values: estimates from samples\n", out);
    (void)fputs("positions: line\nevents:", out);
    for (size_t i = 0; i < costs->event_count; i++) (void)fprintf(out, " %s", profile_value_name(costs->events[i]));
    (void)fputs("\nsummary:", out);
    put_values(out, costs, profile->totals);
}

void form_callgrind(const struct form_input *input) {
    struct costs costs = {.profile = input->profile};
    FILE *out = input->view->out;
    size_t count = 0;
    choose_events(&costs, input->list->value);
    for (size_t i = 0; i < input->profile->stack_count; i++) add_stack(&costs, i);
    costs.named_functions = memory_get(input->profile->function_count, sizeof *costs.named_functions);
    struct cost **sorted = memory_get(costs.count, sizeof(void *)), *next = NULL;
    for (struct cost *cost = costs.table; cost; cost = cost->hh.next) sorted[count++] = cost;
    if (count) qsort(sorted, count, sizeof(void *), compare);
    put_header(out, &costs);
    for (size_t i = 0; i < count; i++)
        put_cost(out, &costs, sorted[i], !i || sorted[i]->key.function != sorted[i - 1]->key.function);
    struct cost *cost = costs.table;
    HASH_CLEAR(hh, costs.table);
    for (; cost; cost = next) {
        next = cost->hh.next;
        free(cost);
    }
    free(sorted);
    free(costs.named_functions);
}
