/* What the forms for code reviews and test reports list: an issue each for what is leaked, or may be, by identity
 * (gate/identity.h), so that several stacks of one function are one. The worst comes first, as the sites do. */
#ifndef WEIR_FORMS_ISSUE_H
#define WEIR_FORMS_ISSUE_H

#include "reporter/forms/forms.h"
#include "reporter/forms/place.h"
#include "reporter/gate/identity.h"

struct issue {
    struct identity identity;
    const struct merged_site *site; /* the worst of its sites */
    size_t sites;
    struct samples byte_samples, block_samples;
    enum dump_verdict verdict; /* DUMP_LEAKED (also for DUMP_INDIRECT) or DUMP_POSSIBLE */
    bool suppressed;
    struct place place;
    char *message;        /* "leaked 121 KiB in 250 blocks, made by order_new"; estimates with ~ */
    char fingerprint[33]; /* 32 hexadecimal digits, of verdict and identity: the same in the next build */
};

struct issues {
    const struct view *view;
    struct issue *list;
    size_t count, capacity;
    struct places *places;
};

struct issues *issues_new(const struct view *view); /* suppressed ones, too */
void issues_free(struct issues *issues);

/* Those that a form lists: `options.rows` at most. */
struct issue_walk {
    bool suppressed_too;
    size_t listed, left_out, at; /* 0 before the first; `left_out` is known at the end */
};
const struct issue *issues_next(const struct form_input *input, struct issue_walk *walk); /* NULL: there are no more */

/* Where a form that wants a place for each shows it: its line, else the first of its module. */
struct place issue_place(const struct issue *issue);

/* "order_new", or module+0xoffset. A new string. */
char *issue_name(const struct issue *issue);

/* The stack of its worst site, a line a frame: "    #0 order_new (src/order.c:12)". Inlined frames are ones, too. A new
 * string. */
char *issue_stack(const struct form_input *input, const struct issue *issue);

/* Why there may be more than is listed, or NULL: of dumps that were not searched, in part unreadable, or at level
 * disabled. A new string. */
char *issues_unseen(const struct form_input *input);

/* What has not been listed for want of room is said on stderr. */
void issues_tell_rest(const struct issue_walk *walk, const char *form);

#endif
