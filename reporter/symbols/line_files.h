/* The files that a line table speaks of, by number. Read here as the rows are: libdw finds the table of a unit, and
 * takes some skeletons of split units for something else, so that it would give the files of another unit.
 */
#ifndef WEIR_SYMBOLS_LINE_FILES_H
#define WEIR_SYMBOLS_LINE_FILES_H

#include "reporter/symbols/cursor.h"
#include "reporter/symbols/object.h"

struct line_sections { /* whole, decompressed */
    struct bytes line, line_str, str;
};

struct line_file {
    const char *name; /* belongs to the sections */
    uint64_t folder;  /* its number */
    char *path;       /* on first use */
};

struct line_files {
    const char **folders; /* number 0 is the compiler's; NULL: unknown */
    struct line_file *files;
    size_t folder_count, folder_capacity, file_count, file_capacity;
};

/* `tables` begins where the header's list of folders does; `width` is that of offsets. What cannot be read is left out.
 */
void line_files_read(struct line_files *files, struct cursor tables, unsigned version, size_t width,
                     const struct line_sections *sections, const char *base);
void line_files_free(struct line_files *files);

/* Its path, as its folder is written; NULL: there is no such file. */
const char *line_files_path(struct line_files *files, uint64_t number);

#endif
