/* Loading and unloading libraries. What was remembered by address is void once a library goes. RTLD_DEEPBIND is taken
 * out of dlopen's flags: a library bound past weir frees weir's blocks with libc's free, which aborts; WEIR_DEEPBIND=1
 * leaves it in. */
#include "shim/base/options.h"
#include "shim/box/modules.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"

#include <dlfcn.h>

static int (*next_dlclose)(void *);
void *(*loader_next_dlopen)(const char *, int)HIDDEN;
int loader_flags_kept HIDDEN = ~RTLD_DEEPBIND;

void hook_loader(void) {
    *(void **)&next_dlclose = dlsym(RTLD_NEXT, "dlclose");
    *(void **)&loader_next_dlopen = dlsym(RTLD_NEXT, "dlopen");
    if (options.deepbind) loader_flags_kept = ~0;
}

/* A jump, not a call: dlopen looks at its return address for the caller's RUNPATH and namespace. Called before the
 * constructor, it has the addresses looked up first. */
__asm__(".pushsection .text\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        "    .cfi_startproc\n"
        "    cmpq $0, loader_next_dlopen(%rip)\n"
        "    jne 1f\n"
        "    pushq %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rsi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call hook_loader\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "1:  andl loader_flags_kept(%rip), %esi\n"
        "    jmpq *loader_next_dlopen(%rip)\n"
        "    .cfi_endproc\n"
        ".size dlopen, . - dlopen\n"
        ".popsection\n");

EXPORT int dlclose(void *handle) {
    if (!next_dlclose) hook_loader();
    int result = next_dlclose(handle);
    modules_unloaded();
    return result;
}
