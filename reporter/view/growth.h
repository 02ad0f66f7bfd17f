/* Ages and marks, as text and JSON have them. */
#ifndef WEIR_VIEW_GROWTH_H
#define WEIR_VIEW_GROWTH_H

#include "reporter/view/json_writer.h"
#include "reporter/view/view.h"

/* ", growing 1.7 MiB/min", or nothing; a new string. */
char *growth_text(const struct merged_site *site);
void growth_json(struct json *json, const struct merged_site *site);

/* "    Made after test 3 (12 blocks), test 4 (3 blocks)": marks, where there are any. */
void growth_made_after(const struct view *view, const struct merged_site *site);

/* 88 % under 1 ms, 9 % under 4 ms, ...: shares of all rows. Nothing where there is nothing. */
void growth_lifetimes(const struct view *view, const char *word, const double *rows);
void growth_ages_json(struct json *json, const struct ages *ages);

/* The marks of the dumps that count, in the head of a report; and since which one it tells. */
void growth_marks(const struct view *view);
void growth_marks_json(struct json *json, const struct merged *merged);

#endif
