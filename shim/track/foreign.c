/* Handing libc its own; see foreign.h. */
#include "shim/track/foreign.h"
#include "shim/base/sys.h"

#include <dlfcn.h>

static void (*libc_free)(void *);
static size_t (*libc_usable_size)(void *);
static uintptr_t break_start;

/* 0: a filter refuses even the question. */
static uintptr_t break_now(void) {
    long now = sys1(SYS_brk, 0);
    return sys_failed(now) ? 0 : (uintptr_t)now;
}

void foreign_start(void) {
    *(void **)&libc_free = dlsym(RTLD_NEXT, "free");
    *(void **)&libc_usable_size = dlsym(RTLD_NEXT, "malloc_usable_size");
    break_start = break_now();
}

bool foreign_is_libcs(const void *p) {
    if (!libc_free || !libc_usable_size || (uintptr_t)p < break_start || ((uintptr_t)p & 15)) return false;
    return (uintptr_t)p < break_now();
}

void foreign_free(void *p) {
    libc_free(p);
}
size_t foreign_usable_size(const void *p) {
    return libc_usable_size((void *)(uintptr_t)p);
}
