/* See stack.h. */
#include "shim/base/stack.h"

#define SIZE (128 * KIB)

void stack_call(void (*f)(void *), void *argument) {
    static char stack[SIZE] ALIGNED(16);
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (here - (uintptr_t)stack < SIZE) {
        f(argument);
        return;
    }
    void *top = stack + SIZE; /* 16-aligned, as a call wants it */
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %[top], %%rsp\n\t"
                     "callq *%[f]\n\t"
                     "movq %%rbx, %%rsp"
                     : "+D"(argument), [top] "+r"(top), [f] "+r"(f)
                     :
                     : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3",
                       "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15", "memory", "cc");
}
