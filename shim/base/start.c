/* Reads the initial stack; see start.h. */
#include "shim/base/start.h"

extern void *__libc_stack_end; /* ld.so: where the kernel put argc */

int start_argc;
char **start_argv;
char **start_envp;
uintptr_t start_stack_top;
static uint64_t *auxiliary;

void start_read(void) {
    uintptr_t *stack = __libc_stack_end;
    start_stack_top = (uintptr_t)stack;
    start_argv = (char **)(stack + 1);
    /* Run as `ld.so program`, ld.so drops its own arguments and argc may be stale: the terminator is the truth. */
    while (start_argv[start_argc]) start_argc++;
    start_envp = start_argv + start_argc + 1;
    char **p = start_envp;
    while (*p) p++;
    auxiliary = (uint64_t *)(p + 1);
}

const char *start_variable(const char *name) {
    for (char **p = start_envp; p && *p; p++) {
        const char *rest = str_after(*p, name);
        if (rest && *rest == '=') return rest + 1;
    }
    return NULL;
}

uint64_t start_auxiliary(uint64_t type) {
    for (uint64_t *p = auxiliary; p && p[0]; p += 2)
        if (p[0] == type) return p[1];
    return 0;
}
