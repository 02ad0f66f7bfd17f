/* The line table of one unit, by address.
 *
 * Read from .debug_line itself: libdw sorts the rows of all sequences into one list, in which those of functions that
 * the linker dropped stand between those of code that is there.
 */
#ifndef WEIR_SYMBOLS_LINES_H
#define WEIR_SYMBOLS_LINES_H

#include "reporter/symbols/code.h"
#include "reporter/symbols/line_files.h"

struct line_row {
    uint64_t address;
    uint32_t file, line; /* file: its number */
};
struct line_sequence { /* rows of code that lies in one piece */
    uint64_t low, high;
    size_t first, count;
};
struct lines {
    struct line_files files;
    struct line_row *rows;
    struct line_sequence *sequences; /* sorted by low */
    size_t row_count, row_capacity, sequence_count, sequence_capacity;
};

/* The table at `offset` of .debug_line; `base` is the compiler's folder, or NULL. Sequences that do not begin where
 * code is are left out; from where it cannot be understood on, so is the rest. */
void lines_read(struct lines *lines, const struct code *code, const struct line_sections *sections, uint64_t offset,
                const char *base);
void lines_free(struct lines *lines);

/* The row that covers the address, NULL: none. */
const struct line_row *lines_at(const struct lines *lines, uint64_t address);

#endif
