/* Where the user's own code is: what a form for a code review points at. A path is one of the source tree where the
 * file is found below its root; the root is $GITHUB_WORKSPACE or $CI_PROJECT_DIR, else the working folder. What was
 * compiled elsewhere (/build/src/a.c) is found by the longest end of its path that is there (src/a.c). */
#ifndef WEIR_FORMS_PLACE_H
#define WEIR_FORMS_PLACE_H

#include "reporter/view/view.h"

struct places;

struct place {
    const char *path; /* below the root where `own`, else as the compiler had it; NULL: no line is known */
    uint32_t line;
    bool own;
};

struct places *places_new(void);
void places_free(struct places *places);
const char *places_root(const struct places *places); /* "" where there is none; no slash at its end */

/* Of a symbol; its path lives as long as the places. Harmless. */
struct place places_of(struct places *places, const struct symbol_frame *symbol);

/* The user's own frames of a site, from the one that names it on, three at most: "order_new src/order.c:12 < main
 * src/main.c:8". Its name and place as frames_site has them where there are none. A new string. */
char *places_trail(const struct view *view, const struct merged_site *site);

/* Of a site: the innermost of its frames that is the user's own, from the one on that names it; if there is none, that
 * one. */
struct place places_of_site(struct places *places, const struct view *view, const struct merged_site *site);

#endif
