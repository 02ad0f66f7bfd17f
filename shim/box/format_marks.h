/* The part of the format that tells of marks; format.h includes it, and nobody else does. */
#ifndef WEIR_BOX_FORMAT_MARKS_H
#define WEIR_BOX_FORMAT_MARKS_H

/* A moment that somebody has named, by `weir mark` or weir_mark. The time is a block's, of a clock in steps
 * of 2^18 ns that is some ms behind, and moved on by each mark: what was made after the mark has its time or a later
 * one, what was made before an earlier one. A child of fork has its parent's marks. */
struct dump_mark {
    uint64_t time;
    struct dump_string name; /* any bytes */
    uint32_t number;         /* of this process image's marks, from 1; a section has them in order, the latest last */
    uint32_t reserved;
};
static_assert(sizeof(struct dump_mark) == 24, "dump_mark is 24 bytes");

#define DUMP_MARKS_MOST     1024u        /* the latest: a mark a test, say */
#define DUMP_MARK_NAME_MOST 63u          /* bytes; what is longer is cut */
#define DUMP_MARK_SETTING   "WEIR_MARK=" /* a set file (see above) of this line alone, with the name behind it */

#endif
