/* What the fuzzers of files share that are made a piece at a time: some bytes of them become others, and all that reads
 * such files reads them. */
#ifndef WEIR_TESTS_FUZZING_H
#define WEIR_TESTS_FUZZING_H

#include <stdbool.h>
#include <stdio.h>

#include "reporter/load/merge.h"
#include "reporter/view/view.h"
#include "tests/lib/random.h"

struct piece {
    uint64_t at; /* where it lies, in the file or in memory */
    size_t length;
    unsigned char bytes[24576];
};

/* Fewer than `most` stretches of theirs. */
static inline void fuzz_change(struct piece *pieces, size_t count, uint64_t most) {
    for (uint64_t n = random_below(most); n > 0; n--) {
        struct piece *piece = &pieces[random_below(count)];
        size_t at = random_below(piece->length), length = 1 + random_below(8);
        for (size_t i = at; i < piece->length && i < at + length; i++)
            piece->bytes[i] = (unsigned char)(random_below(3) == 0 ? random_below(256) : random_below(2) * 255);
    }
}

/* True: it could be read. */
static inline bool fuzz_read(const char *path, FILE *out) {
    struct merged merged = {0};
    struct symbol_options symbols = {.sysroot = ""};
    merged_add(&merged, dump_open(path));
    bool usable = merged.part_count > 0;
    if (usable) {
        merged_build(&merged);
        merged_sort(&merged, BY_BYTES);
        struct view view = {.out = out, .merged = &merged, .symbols = symbols_new(&merged, &symbols)};
        view.options.rows = view.options.details = 10;
        view.options.full = true;
        view_text(&view);
        view_json(&view);
        symbols_free(view.symbols);
    }
    merged_free(&merged);
    return usable;
}

#endif
