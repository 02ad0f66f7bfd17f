/* Coming up: in a process image, and in every fork child. */
#ifndef WEIR_ENTRY_START_H
#define WEIR_ENTRY_START_H

#include "shim/arena/fast.h"
#include "shim/base/lock.h"
#include "shim/track/track.h"

#include <stdatomic.h>

void start_wake(void);

/* First thing in every slow path. The word is 0 before weir is up and, because forks wipe its page, in a new child. */
ALWAYS_INLINE void start_check(void) {
    if (unlikely(atomic_load_explicit(&lock_page.owner, memory_order_acquire) == 0)) start_wake();
}

/* At the end: a line where another malloc than weir's has served the program. */
void start_say_whose_malloc(void);

/* What the loader resolves an exported symbol of weir's to. Compilers take two names for two functions, or one for the
 * other's alias, and would know the answer to a comparison. */
#define RESOLVED(symbol)                                                                                               \
    ({                                                                                                                 \
        uintptr_t resolved = (uintptr_t) & (symbol);                                                                   \
        __asm__("" : "+r"(resolved));                                                                                  \
        resolved;                                                                                                      \
    })
#define REPLACED(symbol, own) (RESOLVED(symbol) != (uintptr_t) & (own))

/* weir's own malloc, whatever the loader resolves. malloc.c */
extern void *entry_malloc(size_t n) HIDDEN;

/* The whole of free(), for every entry that is one under another name. */
void entry_free_slow(void *p);
void entry_free_counted_down(struct slab *s);

/* The same for an operator delete, which has a slow path of its own: there it is known which one was called. */
ALWAYS_INLINE void entry_free_by(void *p, void (*slow)(void *)) {
    struct slab *s;
    enum arena_pushed pushed = arena_push(p, &s);
    if (likely(pushed == ARENA_PUSHED)) return;
    if (pushed == ARENA_COUNTED_DOWN)
        entry_free_counted_down(s);
    else
        slow(p);
}
ALWAYS_INLINE void entry_free(void *p) {
    entry_free_by(p, entry_free_slow);
}

#endif
