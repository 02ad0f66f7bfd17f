/* The stacks of a profile, and of the one that it is compared with, as one sorted list: what the page's tree and table
 * are made of. A line is a function, its file and a line of it; the same in both profiles. */
#ifndef WEIR_FORMS_HTML_ROWS_H
#define WEIR_FORMS_HTML_ROWS_H

#include "reporter/forms/profile.h"

struct html_function {
    uint32_t name, file; /* into names */
};

struct html_line {
    uint32_t function, line;
    bool inlined;
};

struct html_row {
    const uint32_t *lines; /* outermost first; of `line_pool` */
    uint32_t count;
    const struct profile_stack *now, *before; /* NULL: that profile has none; one of them it is */
    uint64_t before_values[PROFILE_VALUES];   /* of all stacks before that have these lines */
};

struct html_rows {
    const char **names; /* the profiles' */
    struct html_function *functions;
    struct html_line *lines;
    struct html_row *rows;
    uint32_t *line_pool;
    size_t name_count, function_count, line_count, row_count;
    const struct profile *now;
};

/* `before` may be NULL. Both profiles outlive the rows. */
void html_rows_make(struct html_rows *rows, const struct profile *now, const struct profile *before);
void html_rows_free(struct html_rows *rows);

/* The line that names the row's site (symbols/naming.h). */
uint32_t html_rows_name(const struct html_rows *rows, const struct html_row *row);

#endif
