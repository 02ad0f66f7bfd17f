/* What a program's own pools tell of the parts that they give out: see weir.h. */
#include "shim/entry/start.h"
#include "shim/track/pool.h"

#include <errno.h>

EXPORT void weir_pool_alloc(const void *p, size_t n) {
    if (likely(!pools_on)) return;
    int before = errno;
    start_check();
    pool_give_out(p, n, FRAME);
    errno = before;
}

EXPORT void weir_pool_free(const void *p) {
    if (likely(!pools_any())) return;
    int before = errno;
    start_check();
    pool_take_back(p);
    errno = before;
}
