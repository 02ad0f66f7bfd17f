/* The part of the format that tells why blocks are in use, or may be; format.h includes it, and nobody else does. */
#ifndef WEIR_BOX_FORMAT_PATHS_H
#define WEIR_BOX_FORMAT_PATHS_H

/* Where a path begins. An unknown kind is a place of which no more is known. */
enum dump_root {
    ROOT_MODULE = 1,       /* writable data of a module: `place` is as a frame in DUMP_FRAMES */
    ROOT_STACK = 2,        /* of `thread`: `place` is a frame of the function whose it is */
    ROOT_REGISTERS = 3,    /* of `thread`: `place` is its number as in ucontext_t's gregs */
    ROOT_THREAD_LOCAL = 4, /* of `thread`: `place` is a module and an offset into its PT_TLS segment */
    ROOT_THREAD = 5,       /* what libc keeps of `thread`: its values of pthread_setspecific, and more */
    ROOT_PRIVATE = 6,      /* other private memory; `name` is the kernel's word for it, or its file */
    ROOT_SHARED = 7,       /* shared memory, or a file that is mapped shared; `name` likewise */
    ROOT_EPOLL = 8,        /* what epoll gives back: `word` is its descriptor */
    ROOT_TIMER = 9,        /* what a timer gives back */
    ROOT_EMERGENCY = 10,   /* memory that is set aside for signal handlers */
    ROOT_POSSIBLE = 11,    /* none: the first block may be in use itself */
    ROOT_LEAKED = 12,      /* none: nothing leads to the first block */
    ROOT_POOL = 13,        /* a part that a pool of the program's has given out (DUMP_POOLS) */
    ROOT_SIGNALS = 14      /* what `thread` handles signals on (sigaltstack) */
};

#define DUMP_PLACE_UNKNOWN UINT64_MAX /* of any of these */

#define DUMP_PATHS_MOST    65536u /* of a dump; sites whose blocks were reached later have none */
#define DUMP_STEPS_MOST    16u    /* of a path: of a longer one the outermost and the innermost 8 */

/* How memory leads to a block. Its steps are the blocks on the way, outermost first; the last one is the block itself.
 * A site that has blocks of several verdicts has a path of each. */
struct dump_path {
    uint64_t address;        /* of the block */
    uint32_t stack;          /* of its creation: its site */
    uint32_t verdict;        /* the block's, enum dump_verdict */
    uint32_t root;           /* enum dump_root */
    uint32_t flags;          /* DUMP_PATH_… */
    uint64_t word;           /* address of the word of the root that leads to the first block; 0: it has none */
    uint64_t place;          /* see enum dump_root, else 0 */
    uint64_t left_out;       /* blocks between the 8th and the 9th step */
    uint32_t thread;         /* kernel thread id; 0: not known, or of no thread */
    uint32_t first_step;     /* index into DUMP_STEPS */
    uint32_t steps;          /* 1 to DUMP_STEPS_MOST */
    struct dump_string name; /* empty: none */
    uint32_t reserved;
};
static_assert(sizeof(struct dump_path) == 72, "dump_path is 72 bytes");

#define DUMP_PATH_EXACT 2u /* of a stack: `place` is where the function was interrupted, no return address */
#define DUMP_PATH_PAST  1u /* the last word points just behind the block's end: it may be no pointer to it */

struct dump_step {
    uint64_t address; /* of the block */
    uint64_t size;    /* asked for; of its place, where it is not tracked */
    uint32_t stack;   /* of its creation; DUMP_STEP_UNTRACKED */
    uint32_t
        offset; /* bytes from its start to the word that leads on; DUMP_STEP_FAR: 2 GiB or more; of the last step 0 */
};
static_assert(sizeof(struct dump_step) == 24, "dump_step is 24 bytes");

#define DUMP_STEP_UNTRACKED UINT32_MAX
#define DUMP_STEP_FAR       UINT32_MAX

#endif
