/* Making a report from files: what `weir report` does, and `weir run` at its end. */
#ifndef WEIR_REPORT_H
#define WEIR_REPORT_H

#include "reporter/forms/forms.h"
#include "reporter/view/view.h"

struct report_request {
    char **paths; /* files and folders */
    size_t path_count;
    enum merged_order order;
    struct form_list forms; /* none: text, to standard output */
    bool rows_given;        /* view.rows is what the user said */
    struct view_options view;
    struct symbol_options symbols;
    struct suppressions suppressions;
    enum suppression_form generate; /* in place of a report */
};

/* Reads all of the paths. False: a folder has none; that was said. */
bool report_load(struct merged *merged, const struct report_request *request);

/* Reads a list of suppressions. False: it is wrong; that was said. */
bool report_suppress(struct suppressions *suppressions, const char *path);

/* Adds the lists that programs have brought along in built dumps. What is wrong with them is said. */
void report_add_programs(struct suppressions *suppressions, const struct merged *merged);

/* EXIT_FINE, or EXIT_UNREADABLE where something could not be read or the report not be written; that was said then. */
int report_produce(struct report_request *request, FILE *out);

#endif
