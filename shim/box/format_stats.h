/* The part of the format that has the counters (DUMP_STATS); format.h includes it, and nobody else does. */
#ifndef WEIR_BOX_FORMAT_STATS_H
#define WEIR_BOX_FORMAT_STATS_H

/* Counters by number. "direct" is the arena, runs and huge blocks; "mapped" is file and shared mappings. */
enum dump_stat_id {
    STAT_DIRECT_COUNT = 1,        /* live blocks, tracked or not */
    STAT_DIRECT_CAPACITY = 2,     /* their bytes: asked for where tracked, else the place's size */
    STAT_DIRECT_USED = 3,         /* bytes charged */
    STAT_DIRECT_PEAK = 4,         /* the highest that STAT_DIRECT_USED ever was */
    STAT_DIRECT_MAX = 5,          /* the ceiling, 0: none */
    STAT_DIRECT_REFUSED = 6,      /* requests refused */
    STAT_CACHED = 7,              /* bytes charged but in no live block: free and retained */
    STAT_TABLES = 8,              /* bytes charged for weir's own tables */
    STAT_SLABS = 9,               /* slabs in use */
    STAT_RUNS = 10,               /* runs and huge blocks live */
    STAT_HEAPS = 11,              /* heaps ever made */
    STAT_HEAPS_PARKED = 12,       /* of those, without a thread now */
    STAT_TRACKED_MADE = 13,       /* tracked blocks ever made */
    STAT_TRACKED_LIVE = 14,       /* tracked blocks live */
    STAT_UNTRACKED_LIVE = 15,     /* live blocks without a record (made before or while tracking was impossible) */
    STAT_STACKS = 16,             /* frames of unique stacks, what they have in common further out counted once */
    STAT_STACKS_FULL = 17,        /* times a stack could not be stored */
    STAT_FOREIGN_FREES = 18,      /* frees of pointers that weir did not make */
    STAT_BAD_FREES = 19,          /* double, interior and wild frees seen */
    STAT_PURGED = 20,             /* bytes ever given back to the kernel */
    STAT_REFUSED_BYTES = 21,      /* bytes asked for by the refused requests */
    STAT_MAPPED_COUNT = 22,       /* spans of pages of files and shared memory that the program has mapped */
    STAT_MAPPED_CAPACITY = 23,    /* their bytes */
    STAT_MAPPED_USED = 24,        /* the same */
    STAT_RESERVED = 25,           /* address space reserved by weir, not memory */
    STAT_MISMATCHES = 26,         /* blocks given back by other functions than they were made for */
    STAT_MODULES_LOST = 27,       /* times that a module found no room in the table */
    STAT_JUMPS = 28,              /* times that a signal handler left weir by a jump: what it interrupted is given up */
    STAT_MAPPED_PEAK = 29,        /* the most bytes that STAT_MAPPED_USED ever was */
    STAT_ANONYMOUS_COUNT = 30,    /* spans of the program's private, anonymous, writable pages, all charged */
    STAT_ANONYMOUS_USED = 31,     /* their bytes, part of STAT_DIRECT_USED */
    STAT_ANONYMOUS_RESERVED = 32, /* bytes of its private, anonymous pages that are not writable, and not charged */
    STAT_HIGH_CROSSINGS = 33,     /* STAT_DIRECT_USED passed the high watermark, first or after the low one */
    STAT_LOW_CROSSINGS = 34,      /* and fell below the low one after that */
    STAT_INHERITED = 35,          /* live blocks made before this process was forked, not those of DUMP_SITES */
    STAT_INHERITED_BYTES = 36,    /* of their places; of a box, asked for, as the fork found them */
    STAT_RSS_ANON = 37,           /* what the kernel says is resident, RssAnon, RssFile and RssShmem of */
    STAT_RSS_FILE = 38,           /* /proc/PID/status, in bytes; all 0: it does not say */
    STAT_RSS_SHMEM = 39,
    STAT_DIRECT_PEAK_TIME = 40,   /* when STAT_DIRECT_PEAK was first reached, some ms late; 0: at the start */
    STAT_SAMPLE_BYTES = 48,       /* R: a block in a place of s bytes was drawn with p = 1 - exp(-(s + R / N) / R) */
    STAT_SAMPLE_BLOCKS = 49,      /* N */
    STAT_SAMPLES = 50,            /* blocks ever drawn */
    STAT_SAMPLES_LOST = 51,       /* that were drawn, and found no memory among tracked blocks */
    STAT_SAMPLE_THINNED = 52,     /* R was 2 to this power times what it is, at most: so WEIR_SAMPLE_RATE wanted it */
    STAT_SAMPLE_THINNED_NOW = 55, /* the same, as of the dump */
    STAT_RECORDS_LOST = 56,       /* accesses of tracked blocks of which no record could be made */
    STAT_PLACES = 53,             /* bytes of the places of STAT_DIRECT_COUNT */
    STAT_SAMPLED_PLACES = 54,     /* of those, an estimate from the blocks that were drawn */
    STAT_ALLOCATIONS = 41,        /* blocks ever made, cache hits included: places and runs that were handed out */
    STAT_FREES = 42,              /* and given back: the former less STAT_DIRECT_COUNT, if nobody allocates meanwhile */
    STAT_SCANNED = 60,        /* 1: live blocks were judged, 0: that was wanted, and could not be done; else absent */
    STAT_SCAN_TIME = 61,      /* ns */
    STAT_SCAN_ROOTS = 62,     /* bytes of roots that were read */
    STAT_SCAN_BLOCKS = 63,    /* bytes of blocks */
    STAT_SCAN_NOT_HELD = 64,  /* threads that could not be held: what they point to is not all known */
    STAT_LEAKED_COUNT = 65,   /* live blocks, and parts in DUMP_POOLS, that nothing leads to; what those have their
                                 blocks have not */
    STAT_LEAKED_BYTES = 66,   /* of those: asked for where they are tracked, else of their places; likewise below */
    STAT_INDIRECT_COUNT = 67, /* that only leaked ones lead to */
    STAT_INDIRECT_BYTES = 68,
    STAT_POSSIBLE_COUNT = 69, /* that something leads to which may be no pointer; all, where it is not certain */
    STAT_POSSIBLE_BYTES = 70,
    STAT_REACHED_COUNT = 71, /* that the program can reach */
    STAT_REACHED_BYTES = 72,
    STAT_SCAN_PAUSE = 73, /* ns for which a program that goes on stood still; 0: it has ended */
    STAT_SCAN_APART = 74, /* ns since the search that this one is compared with: leaked is what both found; 0: none */
    STAT_COLLECTED = 75,  /* blocks freed at the ceiling, since nothing led to them (WEIR_ON_LIMIT=collect) */
    STAT_COLLECTED_BYTES = 76,
    STAT_BOX_LOST = 77,   /* of a process that left no dump: parts of its box that found no room, see format_box.h */
    STAT_BOX_BLOCKS = 78, /* likewise: 1: its blocks are there, 2: some of them are not */
    STAT_SCAN_LACKS = 79, /* of a core: what it does not have, SCAN_LACKS_…: nothing is called leaked then */
    STAT_POOL_LOST = 100  /* parts of blocks that could not be noted */
};

#define SCAN_LACKS_MEMORY    1u /* writable memory of the program, or of a block */
#define SCAN_LACKS_REGISTERS 2u /* of some thread */
#define SCAN_LACKS_KERNEL    4u /* what the kernel keeps for the program, see entry/kept.c; no core has it */

struct dump_stat {
    uint32_t id; /* enum dump_stat_id; unknown ones are ignored */
    uint32_t reserved;
    uint64_t value;
};
static_assert(sizeof(struct dump_stat) == 16, "dump_stat is 16 bytes");

#endif
