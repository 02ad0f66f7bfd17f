/* How processes ended that left cores, or boxes. */
#ifndef WEIR_VIEW_ENDS_H
#define WEIR_VIEW_ENDS_H

#include "reporter/view/json_stack.h"
#include "reporter/view/json_writer.h"
#include "reporter/view/view.h"

void view_ends(const struct view *view);                    /* the first thread's, and the blocks that it was about */
void view_left(const struct view *view);                    /* what is known of one that left no dump */
void view_threads(const struct view *view);                 /* the others */
void ends_json(struct json *json, const struct view *view); /* a member "cores" */
const char *ends_what(const struct dump_near *near);        /* what points to the block, or its misuse */

#endif
