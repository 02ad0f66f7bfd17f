/* See fault.h. */
#include "shim/base/fault.h"
#include "shim/base/base.h"
#include "shim/base/start.h"
#include "shim/base/text.h"

#ifdef WEIR_DEBUG
#    include <stdatomic.h>
#    include <sys/syscall.h>

bool fault_any;
static long failing;
static uint64_t every;
static _Atomic uint64_t calls;

void fault_start(void) {
    static const struct {
        const char *name;
        long number;
    } known[] = {{"mmap:", SYS_mmap},     {"munmap:", SYS_munmap},   {"mprotect:", SYS_mprotect},
                 {"mremap:", SYS_mremap}, {"madvise:", SYS_madvise}, {"openat:", SYS_openat},
                 {"clone:", SYS_clone}};
    const char *wish = start_variable("FAIL_WEIRS"), *digits = NULL;
    for (size_t i = 0; wish && i < ARRAY_LENGTH(known); i++) {
        if (!(digits = str_after(wish, known[i].name))) continue;
        failing = known[i].number;
        fault_any = text_number(digits, &every) && every > 0;
        return;
    }
}

bool fault_is_next(long call) {
    return call == failing && atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) % every == every - 1;
}
#endif
