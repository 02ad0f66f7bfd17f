/* The parts of a dump that come from the tables: blocks, sites, stacks, modules, threads, strings. */
#ifndef WEIR_BOX_CONTENTS_H
#define WEIR_BOX_CONTENTS_H

#include "shim/arena/arena.h"
#include "shim/box/leaks.h"
#include "shim/box/memory.h"
#include "shim/box/named.h"
#include "shim/box/verdicts.h"
#include "shim/box/writer.h"

struct site_sum;
struct contents {
    struct writer w;
    uint64_t now;
    uint64_t since; /* when this process began, realtime */
    struct arena_stats stats;
    struct arena_class classes[CLASSES + 1];
    uint64_t tracked;         /* live tracked blocks */
    uint64_t grown;           /* of those, made larger by realloc */
    uint64_t inherited;       /* of those, made before the process was forked */
    uint64_t inherited_bytes; /* of their places */
    uint64_t places;          /* bytes of the places that tracked blocks stand for, inherited ones excepted */
    uint64_t capacity;        /* bytes of live blocks: asked for where they are listed, else the place's */
    struct named named;       /* what of the stack table it is about */
    struct site_sum *sites;   /* by number; NULL: no address space, and the reader adds the blocks up itself */
    char *strings;
    size_t strings_length, strings_size;
    struct memory memory;
    bool memory_seen;
    struct verdicts verdicts;
    struct leaks leaks; /* where the largest were made, as long as there was memory to add them up by site */
    uint32_t threads;   /* distinct makers seen */
    uint32_t pid;
};

/* Address space is asked for as it is needed, and done without where there is none. */
void contents_start(struct contents *c, int fd, char *buffer, uint32_t pid);
void contents_end(struct contents *c);
struct dump_string contents_string(struct contents *c, const char *s, size_t n);
void contents_see_memory(struct contents *c); /* before blocks are judged */
void contents_write_blocks(struct contents *c);
void contents_write_rest(struct contents *c);
/* The number in the dump of the stack with this id; 0 for one that it cannot have. Before contents_write_rest. */
uint32_t contents_stack(struct contents *c, uint32_t stack);
void contents_weigh(struct dump_block *b, struct draw draw);                 /* how many it stands for */
void contents_note_thread(struct contents *c, uint32_t thread);              /* whose name is to be told */
void contents_write_records(struct contents *c);                             /* contents_records.c */
void contents_write_pools(struct contents *c);                               /* contents_pools.c */
void contents_write_marks(struct contents *c);                               /* marks.c */
void contents_note_leak(struct contents *c, uint32_t stack, uint64_t bytes); /* of a stack's number; beside blocks */
uint64_t contents_stack_count(void);
uint64_t contents_stacks_lost(void);

#endif
