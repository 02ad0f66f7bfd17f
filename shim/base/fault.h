/* In builds with asserts: system calls of weir's own that fail, so that tests can see what comes of it. The
 * environment's FAIL_WEIRS=mprotect:3 fails every third mprotect with ENOMEM; also mmap, munmap, mremap, madvise,
 * openat, clone. */
#ifndef WEIR_BASE_FAULT_H
#define WEIR_BASE_FAULT_H

#include <stdbool.h>

#ifdef WEIR_DEBUG
void fault_start(void);
extern bool fault_any __attribute__((visibility("hidden")));
bool fault_is_next(long call) __attribute__((visibility("hidden"))); /* this one fails */
#else
#    define fault_start()       ((void)0)
#    define fault_any           false
#    define fault_is_next(call) false
#endif

#endif
