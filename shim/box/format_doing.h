/* The part of the format that only what is made of a core has: what its threads were doing, and the blocks that this
 * was about. format.h includes it, and nobody else does. */
#ifndef WEIR_BOX_FORMAT_DOING_H
#define WEIR_BOX_FORMAT_DOING_H

/* A thread as the core has it. The first one is that which the core is of. */
struct dump_doing {
    uint32_t thread; /* kernel thread id */
    uint32_t stack;
    uint32_t signal;  /* by which it ended, 0: none */
    int32_t code;     /* si_code of it */
    uint64_t address; /* that could not be accessed, with DOING_FAULT */
    uint32_t flags;   /* DOING_… */
    uint32_t reserved;
};
static_assert(sizeof(struct dump_doing) == 32, "dump_doing is 32 bytes");

#define DOING_FAULT 1u /* `address` is known */
#define DOING_OVERFLOW                                                                                                 \
    2u                 /* it lies below the thread's stack pointer or next to it, where no memory is: a stack that     \
                          has overflowed */
#define DOING_FREED 4u /* a register has what weir fills free places with: it was read from a block that was freed */

/* A block that something of the first thread points to, or that looking at all of them has found written over. */
struct dump_near {
    uint64_t address; /* where the block begins */
    uint64_t size;    /* asked for */
    uint64_t place;   /* bytes from there on that are nobody else's */
    uint64_t word;    /* what points into the block, or behind it; what is found there, by `what` */
    uint64_t time;    /* when the block was made; 0: not known */
    uint32_t made;    /* the stack of that */
    uint32_t freed;   /* of its being given back, where it was */
    uint32_t maker;   /* kernel thread id; 0: not known any more */
    uint32_t freer;   /* the same; 0: it is alive */
    uint32_t state;   /* enum dump_near_state */
    uint32_t what;    /* enum dump_near_what */
};
static_assert(sizeof(struct dump_near) == 64, "dump_near is 64 bytes");

enum dump_near_state {
    NEAR_LIVE = 1,
    NEAR_FREED = 2,
    NEAR_PLACE = 3 /* a place of which nothing else is known: `size` is the place's */
};
enum dump_near_what {
    NEAR_FAULT = 1,    /* `word` is the address that could not be accessed */
    NEAR_STACK = 2,    /* a word on top of its stack */
    NEAR_END = 3,      /* what is written over behind the block's end, found by looking at all of them */
    NEAR_LINK = 4,     /* the link to the next free place, at its start: where it leads, which is no free place */
    NEAR_FREE = 5,     /* the first byte of a freed block's that is not as it was left */
    NEAR_ENTRY = 6,    /* weir's entry of the place: what it has that it cannot have */
    NEAR_MISUSE = 8,   /* weir has ended the program for it; and so on by enum core_misuse_kind */
    NEAR_REGISTER = 32 /* and so on, by DWARF's numbers */
};

#endif
