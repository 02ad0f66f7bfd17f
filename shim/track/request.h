/* What track.c and realloc.c share: what is asked for, and the steps of giving it. */
#ifndef WEIR_TRACK_REQUEST_H
#define WEIR_TRACK_REQUEST_H

#include "shim/track/report.h"
#include "shim/track/track.h"

/* What is asked for, and by whom. */
struct request {
    size_t n, alignment;
    bool zero;
    enum family family;
    enum ceiling_operation operation;
    const struct side *origin; /* of a block that moves: it stays what it was, made where and when it was made */
    struct draw draw;          /* with an origin: what it is drawn by from here on */
    const void *caller, *frame;
};

/* NULL with errno ENOMEM. */
void *track_allocate_or_refuse(const struct request *r);

/* --- between arena_enter and track_leave --- */

uint32_t track_take_stack(const void *frame);

/* The block was made just now, and drawn. */
void track_begin(const struct place *place, const struct request *r, struct draw draw);

/* Bytes more than were asked for, so that there is a pattern behind every block that has no guard there. */
size_t track_end_room(size_t n);

void track_leave(bool outermost);

/* --- pointers that are given back --- */

/* True when p is the start of a place that may hold a live block; else it was reported, or was another allocator's. */
bool track_check(const char *entry, const void *p, const struct place *place, const void *caller);

/* A tracked block was written to past its end: that is reported. */
void track_check_end(const char *entry, const struct place *place, const void *caller);

void track_misuse(enum misuse what, const char *entry, const void *p, const struct place *place, const void *caller);

#endif
