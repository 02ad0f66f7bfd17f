/* Kinds of values that options have. */
#ifndef WEIR_BASE_VALUES_H
#define WEIR_BASE_VALUES_H

#include "shim/base/base.h"

/* 1 to 100, and a percent sign. */
bool value_percent(const char *s, uint64_t *out);

/* Bytes, with K, M, G or T of 1024, from 1 to 2^63 - 1; or a percentage of the memory that the process may have. */
bool value_size(const char *s, uint64_t *out);

/* How a search for leaks reads memory: a list of
 *
 *   unaligned     pointers may lie at any address, not just at multiples of 8
 *   tags=0xMASK   bits that pointers may have as marks: they are taken out of a word before it is looked up
 *   roots=all     all memory outside of blocks that the program can write; the default
 *   roots=lsan    as LeakSanitizer has it: modules' data, threads' stacks, registers and storage, and what the program
 *                 has registered
 *
 * in any order; the last one counts. Anything else is wrong, a mask too that has bits which tell addresses apart. */
struct scan_wishes {
    bool unaligned, lsan_roots;
    uint64_t tags;
};
#define SCAN_TAGS (~0ull << 47 | 15) /* that a mask may have: blocks begin at multiples of 16, below 2^47 */
bool value_scan(const char *s, struct scan_wishes *out);
struct text;
void value_scan_print(struct text *t, const struct scan_wishes *scan);

#endif
