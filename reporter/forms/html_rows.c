/* See html_rows.h. */
#include "reporter/forms/html_rows.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/table.h"
#include "reporter/symbols/naming.h"
#include "reporter/view/escape.h"

struct numbered { /* a name by its text, or a function or line by its numbers */
    char *key;
    uint32_t number;
    UT_hash_handle hh;
};

struct making {
    struct html_rows *rows;
    struct numbered *names, *functions, *lines;
    size_t name_capacity, function_capacity, line_capacity, row_capacity, pool_used;
};

/* The number that stands for the key; `next` where it is new. */
static uint32_t number_of(struct numbered **table, const void *key, size_t length, size_t next) {
    struct numbered *entry = NULL;
    unsigned char first[64]; /* uthash reads keys by the byte */
    const void *bytes = key;
    if (length <= sizeof first) bytes = memcpy(first, key, length);
    HASH_FIND(hh, *table, bytes, length, entry);
    if (entry) return entry->number;
    entry = memory_get(1, sizeof *entry);
    entry->key = memory_text(key, length);
    entry->number = (uint32_t)next;
    HASH_ADD_KEYPTR(hh, *table, entry->key, length, entry);
    return entry->number;
}

static void forget(struct numbered **table) {
    struct numbered *next = NULL, *entry = *table;
    HASH_CLEAR(hh, *table);
    for (; entry; entry = next) {
        next = entry->hh.next;
        free(entry->key);
        free(entry);
    }
}

static uint32_t name_number(struct making *making, const char *name) {
    struct html_rows *rows = making->rows;
    uint32_t number = number_of(&making->names, name, strlen(name), rows->name_count);
    if (number < rows->name_count) return number;
    rows->names = memory_more(rows->names, &making->name_capacity, rows->name_count + 1, sizeof(void *));
    rows->names[rows->name_count++] = name;
    return number;
}

static uint32_t function_number(struct making *making, const struct profile_function *function) {
    struct html_rows *rows = making->rows;
    uint32_t key[2] = {name_number(making, function->name), name_number(making, function->file)};
    uint32_t number = number_of(&making->functions, key, sizeof key, rows->function_count);
    if (number < rows->function_count) return number;
    rows->functions =
        memory_more(rows->functions, &making->function_capacity, rows->function_count + 1, sizeof *rows->functions);
    rows->functions[rows->function_count++] = (struct html_function){key[0], key[1]};
    return number;
}

static uint32_t line_number(struct making *making, uint32_t function, const struct profile_line *line) {
    struct html_rows *rows = making->rows;
    uint32_t key[3] = {function, line->line, line->inlined};
    uint32_t number = number_of(&making->lines, key, sizeof key, rows->line_count);
    if (number < rows->line_count) return number;
    rows->lines = memory_more(rows->lines, &making->line_capacity, rows->line_count + 1, sizeof *rows->lines);
    rows->lines[rows->line_count++] = (struct html_line){function, line->line, line->inlined};
    return number;
}

/* By the profile's number of a line; freed by the caller. */
static uint32_t *translate(struct making *making, const struct profile *profile) {
    uint32_t *functions = memory_get(profile->function_count, sizeof *functions);
    uint32_t *lines = memory_get(profile->line_count, sizeof *lines);
    for (size_t i = 0; i < profile->function_count; i++) functions[i] = function_number(making, &profile->functions[i]);
    for (size_t i = 0; i < profile->line_count; i++)
        lines[i] = line_number(making, functions[profile->lines[i].function], &profile->lines[i]);
    free(functions);
    return lines;
}

static size_t lines_in(const struct profile *profile) {
    size_t sum = 0;
    for (size_t i = 0; i < profile->number_count; i++) sum += profile->locations[profile->numbers[i]].line_count;
    return sum;
}

static void add_stack(struct making *making, const struct profile *profile, const uint32_t *lines,
                      const struct profile_stack *stack, bool before) {
    struct html_rows *rows = making->rows;
    struct html_row *row = &rows->rows[rows->row_count++];
    uint32_t *to = rows->line_pool + making->pool_used;
    *row = (struct html_row){.lines = to, .now = before ? NULL : stack, .before = before ? stack : NULL};
    for (uint32_t i = stack->count; i-- > 0;) {
        const struct profile_location *location = &profile->locations[profile->numbers[stack->first + i]];
        for (uint32_t j = location->line_count; j-- > 0;) to[row->count++] = lines[location->first_line + j];
    }
    making->pool_used += row->count;
    if (before) memcpy(row->before_values, stack->values, sizeof row->before_values);
}

static void add_profile(struct making *making, const struct profile *profile, bool before) {
    if (!profile) return;
    uint32_t *lines = translate(making, profile);
    for (size_t i = 0; i < profile->stack_count; i++) add_stack(making, profile, lines, &profile->stacks[i], before);
    free(lines);
}

static int compare_lines(const struct html_row *a, const struct html_row *b) {
    uint32_t least = a->count < b->count ? a->count : b->count;
    for (uint32_t i = 0; i < least; i++)
        if (a->lines[i] != b->lines[i]) return a->lines[i] < b->lines[i] ? -1 : 1;
    return a->count < b->count ? -1 : a->count > b->count;
}

static int compare(const void *left, const void *right) {
    const struct html_row *a = left, *b = right;
    int result = compare_lines(a, b);
    if (result) return result;
    if (!a->now != !b->now) return a->now ? -1 : 1; /* what is there now comes first, and takes what was before */
    const struct profile_stack *x = a->now ? a->now : a->before, *y = b->now ? b->now : b->before;
    return x < y ? -1 : x > y;
}

/* What was before at the same lines goes to the first row that has them. */
static void join(struct html_rows *rows) {
    size_t kept = 0, head = 0;
    for (size_t i = 0; i < rows->row_count; i++) {
        const struct html_row row = rows->rows[i];
        bool same = kept && compare_lines(&rows->rows[head], &row) == 0;
        if (!same) head = kept;
        if (same && !row.now) {
            for (size_t j = 0; j < PROFILE_VALUES; j++) rows->rows[head].before_values[j] += row.before_values[j];
            rows->rows[head].before = row.before;
            continue;
        }
        rows->rows[kept++] = row;
    }
    rows->row_count = kept;
}

void html_rows_make(struct html_rows *rows, const struct profile *now, const struct profile *before) {
    struct making making = {.rows = rows};
    *rows = (struct html_rows){.now = now};
    rows->rows = memory_get(now->stack_count + (before ? before->stack_count : 0), sizeof *rows->rows);
    rows->line_pool = memory_get(lines_in(now) + (before ? lines_in(before) : 0), sizeof *rows->line_pool);
    add_profile(&making, now, false);
    add_profile(&making, before, true);
    if (rows->row_count) qsort(rows->rows, rows->row_count, sizeof *rows->rows, compare);
    join(rows);
    forget(&making.names);
    forget(&making.functions);
    forget(&making.lines);
}

void html_rows_free(struct html_rows *rows) {
    free(rows->names);
    free(rows->functions);
    free(rows->lines);
    free(rows->rows);
    free(rows->line_pool);
}

/* Lines of the row before that of the frame: its locations have the frames' order. */
uint32_t html_rows_name(const struct html_rows *rows, const struct html_row *row) {
    const struct profile *profile = rows->now;
    uint32_t innermost = row->lines[row->count - 1];
    if (!row->now || !row->now->site || !row->now->site->frame_count) return innermost;
    struct site_name name = naming_of(profile->view->symbols, profile->view->merged, row->now->site);
    if (!name.frame) return innermost;
    uint32_t frame = (uint32_t)(name.frame - row->now->site->frames), passed = 0, inner = 0;
    for (uint32_t i = 0; i < frame; i++) passed += profile->locations[profile->numbers[row->now->first + i]].line_count;
    struct symbol_chain chain = symbols_at(profile->view->symbols, *name.frame);
    while (inner + 1 < chain.count &&
           (chain.frames[inner].brief != name.symbol.brief || chain.frames[inner].line != name.symbol.line))
        inner++;
    return row->lines[row->count - 1 - passed - inner];
}
