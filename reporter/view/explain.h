/* Why a site's blocks are in use, or are called leaked: the verdict's reason, and a path from a root to one of them. */
#ifndef WEIR_VIEW_EXPLAIN_H
#define WEIR_VIEW_EXPLAIN_H

#include "reporter/view/view.h"

struct explained {
    const struct merged_site *site;
    const struct dump *dump;        /* which has the block or the path; NULL: no path is known */
    const struct dump_block *block; /* that was asked for; NULL: any of the site */
    const struct dump_path *path;   /* NULL: none is known */
    uint32_t steps;                 /* of the path, so many lead to the block */
};

/* What is to be told of a site; of one block, where it is not NULL: of that of the dump. */
struct explained explain_make(const struct merged_site *site, const struct dump *dump, const struct dump_block *block);

/* Whether the path leads to the block that was asked for, not to another one of its site. */
bool explain_is_own(const struct explained *e);

/* The path that may lead to the first block of one that has no root; NULL: there is none. */
const struct dump_path *explain_before(const struct dump *dump, const struct dump_path *path);

/* New texts: a sentence; what the root is; where a block on the way was made, `place` may be empty. */
char *explain_reason(const struct view *view, const struct explained *e);
char *explain_root(const struct view *view, const struct dump *dump, const struct dump_path *path);
char *explain_step(const struct view *view, const struct dump *dump, const struct dump_step *step, char **place);

/* The variable at the root; `function` NULL: it has no name, or the root is none. */
struct symbol_frame explain_variable(const struct view *view, const struct dump *dump, const struct dump_path *path);
/* The function whose frame on a stack it is, NULL: it is none, or it is not known; `place` may be empty. New texts. */
char *explain_function(const struct view *view, const struct dump *dump, const struct dump_path *path, char **place);
const char *explain_register(const struct dump_path *path); /* NULL: it is none, or it is not known which */

void view_explain(const struct view *view, const struct explained *list, size_t count, size_t more);
void view_explain_json(const struct view *view, const struct explained *list, size_t count); /* explain_json.c */

#endif
