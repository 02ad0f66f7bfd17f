/* Which addresses of a file are code. What a linker drops (--gc-sections, a template's second copy) keeps its debug
 * information, at an address where no code is: 0, 1 or the last ones there are. */
#ifndef WEIR_SYMBOLS_CODE_H
#define WEIR_SYMBOLS_CODE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code_range {
    uint64_t low, high;
};
struct code {
    struct code_range *ranges; /* sorted by low; none: the file does not tell, and all may be code */
    size_t count, capacity;
};

void code_read(struct code *code, Elf *elf);
void code_free(struct code *code);
bool code_begins(const struct code *code, uint64_t address); /* whether a function may begin there */

#endif
