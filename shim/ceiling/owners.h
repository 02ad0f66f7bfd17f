/* Who mapped what is charged of the program's own mappings: a record a call, which lives as long as any of its pages
 * does. Where blocks are tracked, mappings are. Nothing is locked: a fork, or a jump out of a handler, loses a record
 * at worst. */
#ifndef WEIR_CEILING_OWNERS_H
#define WEIR_CEILING_OWNERS_H

#include "shim/base/base.h"
#include "shim/base/region.h"

#include <stdatomic.h>

struct owner {
    _Atomic uint64_t pages; /* that are its, and 1 more while somebody holds it; 0: the record is free */
    uint64_t time;          /* of the call; CLOCK_MONOTONIC, coarse, ns */
    uint64_t size;          /* bytes asked for */
    uintptr_t start;        /* where they began */
    uint32_t stack;         /* of the call */
    uint32_t thread;        /* kernel thread id */
    _Atomic uint32_t next;  /* of the free ones */
};

/* All records, and how many were ever made; the first is nobody's. */
extern struct region owners_table HIDDEN;
extern _Atomic uint32_t owners_used HIDDEN;

/* Set, before the start, by the room that takes backtraces: the stack's id of who called the entry whose frame this is.
 */
extern uint32_t (*owners_stack)(const void *frame);

/* Once. False: mappings are not tracked. */
bool owners_start(void);

/* A record of a call from here, held; 0: there is none. */
uint32_t owners_take(size_t size, const void *frame);

/* Holds the record that the page has; 0: it has none. */
uint32_t owners_hold(uintptr_t page);

/* Ends the hold; 0 is held by nobody. */
void owners_let_go(uint32_t owner);

/* The pages are its from now on, 0: nobody's. */
void owners_give(uintptr_t from, size_t n, uint32_t owner);

/* The mapping has another size now, and another start. */
void owners_resized(uint32_t owner, uintptr_t start, size_t size);

/* Each record with pages. */
void owners_each(void (*see)(void *context, const struct owner *owner), void *context);

#endif
