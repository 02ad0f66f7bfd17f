/* By what a site is known from one build to the next: the function that names it (symbols/naming.h) and the base name
 * of its file, as in "order_new shop.c". Not its line, nor who called it: a line shifts with each change above it, and
 * callers are inlined, jump in place of a call, or are the test that found the leak.
 *
 * A function goes without its parameters, without what a compiler adds to copies that it makes of it (.constprop.0,
 * .isra.0, .part.0, .cold, [clone ...], .lto_priv.0, .llvm.123), and without Rust's hash. C++'s inline namespaces
 * __cxx11 and __1 are left out, ABI tags too, and lambdas are {lambda} whatever their number. Where no file is known,
 * the module stands in its place, without the numbers of its version.
 *
 * Where the naming frame has no name, there are only modules up to the first frame that has one: "libz.so < pack
 * zip.c". Where none has a name, the site goes by its address and the build: "shop+0x1a2b [5f3a01c277e0b419]", which
 * the next build does not have. */
#ifndef WEIR_GATE_IDENTITY_H
#define WEIR_GATE_IDENTITY_H

#include "reporter/symbols/naming.h"

/* The texts are harmless: control characters and invalid UTF-8 are escaped. Freed by the caller. */
struct identity {
    char *text;
    char *function, *place; /* of its first part that has a name; or NULL, and the module */
    bool known;             /* it will be the same in the next build, if nobody renames anything */
};

struct identity identity_of(struct symbols *symbols, const struct merged *merged, const struct merged_site *site);
void identity_free(struct identity *identity);

/* For tests: in place. */
void identity_normalise(char *function);

#endif
