/* What the forms for profilers are made of: stacks as numbers of locations, locations as lines, lines as functions, and
 * several values a stack. Names in it are harmless (view/escape.h): valid UTF-8 without control characters, so that a
 * form has to escape only what is special in itself.
 *
 * Stacks are whole: inlined functions are lines of their location, innermost first. Where a stack is known to be short
 * its outermost location says so; where there is none its only one does. Parts of blocks that a pool gave out
 * (merged_site.pool) are left out: their bytes are in their blocks' sites.
 */
#ifndef WEIR_FORMS_PROFILE_H
#define WEIR_FORMS_PROFILE_H

#include "reporter/load/frame_set.h"
#include "reporter/view/view.h"

/* Blocks and bytes; estimates where blocks were sampled, rounded. */
enum profile_value {
    VALUE_LIVE_BYTES,
    VALUE_LIVE_BLOCKS,
    VALUE_LEAKED_BYTES, /* of live ones that leaked, directly or not, and are not suppressed */
    VALUE_LEAKED_BLOCKS,
    VALUE_ALLOCATED_BYTES, /* ever */
    VALUE_ALLOCATED_BLOCKS,
    VALUE_PEAK_BYTES, /* live when the process had most; 0 where that was not counted */
    VALUE_PEAK_BLOCKS,
    PROFILE_VALUES
};

struct profile_function {
    const char *name;   /* without parameters; module+0xoffset where nothing is known; never empty */
    const char *linked; /* as the linker knows it; `name` where that is not known */
    const char *file;   /* "" where it is not known */
};

struct profile_line {
    uint32_t function;
    uint32_t line; /* 0: not known */
    bool inlined;  /* into the next line of the location */
};

struct profile_location {
    const struct merged_module *module; /* NULL: no code, but words about what is not known */
    uint64_t offset;                    /* in it; of code of no module an address */
    uint32_t first_line, line_count;    /* one at least */
};

struct profile_stack {
    const struct merged_site *site; /* NULL: all that has no stack of its own */
    size_t first;                   /* into `numbers` */
    uint32_t count;                 /* locations, innermost first; one at least */
    uint64_t values[PROFILE_VALUES];
};

struct profile {
    const struct view *view;
    struct profile_function *functions;
    struct profile_line *lines;
    struct profile_location *locations;
    struct profile_stack *stacks;
    uint32_t *numbers; /* of locations, of all stacks */
    size_t function_count, line_count, location_count, stack_count, number_count;
    uint64_t totals[PROFILE_VALUES];
};

struct profile *profile_new(const struct view *view); /* of built and sorted dumps */
void profile_free(struct profile *profile);

/* What programs call a value, such as "live_bytes"; whether it is one of bytes, and what people call it: "live bytes
 * (estimates)". */
const char *profile_value_name(enum profile_value value);
bool profile_value_is_bytes(enum profile_value value);
const char *profile_value_title(const struct profile *profile, enum profile_value value);

/* By name; PROFILE_VALUES: there is none of that name. */
enum profile_value profile_value_of(const char *name);

/* How many bytes of memory lie between two samples in the mean, 1 where every block was tracked. */
uint64_t profile_period(const struct merged *merged);

#endif
