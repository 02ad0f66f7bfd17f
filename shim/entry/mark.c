/* Marks that a program sets, and checks of what was made since: see weir.h. */
#include "shim/arena/held.h"
#include "shim/base/lock.h"
#include "shim/base/text.h"
#include "shim/box/check.h"
#include "shim/box/marks.h"
#include "shim/box/state.h"
#include "shim/entry/registers.h"
#include "shim/entry/start.h"

#include <errno.h>
#include <limits.h>

EXPORT void weir_mark(const char *name) {
    int before = errno;
    start_check();
    (void)mark_set(name ? name : "", name ? str_length(name) : 0);
    errno = before;
}

static NOINLINE int check(const struct registers *r) {
    int before = errno;
    uint64_t blocks = 0;
    enum check found = CHECK_UNSURE;
    start_check();
    if (state_tracking() && lock_process() == PROCESS_OWNER) {
        arena_within();
        found = check_since_mark((uintptr_t)r, &blocks);
        arena_not_within();
    }
    errno = before;
    if (found == CHECK_UNSURE) return -1;
    return found == CHECK_LEAKED ? (int)min_size(blocks, INT_MAX) : 0;
}

EXPORT int weir_check(void) {
    struct registers r;
    TAKE_REGISTERS(r);
    return check(&r);
}
