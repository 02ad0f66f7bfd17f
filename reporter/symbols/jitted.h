/* What a runtime calls the code that it made, as a function and a place. Perf maps have one text a piece of code, which
 * each runtime writes in its own way:
 *
 *   int Shop.order(java.lang.String, int)       JVM           Shop.order
 *   instance void [App] Shop::Order(int32)[T1]  .NET          Shop::Order
 *   JS:*order /srv/shop.js:10:5                 V8            order     /srv/shop.js:10
 *   py::Shop.order:/srv/shop.py                 CPython       Shop.order  /srv/shop.py
 *   _ZN4shop5orderEv                            LLVM's JITs   shop::order
 *
 * What is none of these stands for itself: Interpreter, StubRoutines (1).
 */
#ifndef WEIR_SYMBOLS_JITTED_H
#define WEIR_SYMBOLS_JITTED_H

#include "reporter/load/jit.h"
#include "reporter/symbols/symbols.h"

struct jitted {
    struct symbol_frame frame; /* its texts are these: */
    const char *why;           /* code that has no name has none */
    char *texts[3];
};

void jitted_look(struct jitted *jitted, const struct dump *dump, uint64_t address);
void jitted_read(struct jitted *jitted, const char *name, size_t length); /* a name alone */
/* It stands for any code, of which the map does not tell. */
bool jitted_is_unknown(const char *brief);
void jitted_free(struct jitted *jitted);

#endif
