/* Coroutines on stacks of their own, with entries in assembly as small libraries have them. Blocks of 1001 bytes and
 * more, one a coroutine and depth.
 *   coroutines zero     the outermost return address is 0
 *   coroutines smaller  a stack comes back smaller, in the middle of the old one; the walk goes past its end: the
 *                       outermost return address is a function whose neighbour before it pops a word more than there is
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NOINLINE __attribute__((noinline, noclone))

__attribute__((used, visibility("hidden"))) void *main_sp;
static void *volatile held[64];
static size_t made;

void enter(void *top, void (*body)(void));
void leave_it(void);
void outermost(void);
__asm__(".pushsection .text\n"
        "enter:\n"
        "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    mov %rsp, main_sp(%rip)\n"
        "    mov %rdi, %rsp\n"
        "    xor %ebp, %ebp\n"
        "    jmp *%rsi\n"
        "leave_it:\n"
        "    mov main_sp(%rip), %rsp\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
        "    ret\n"
        "before_it:\n"
        "    .cfi_startproc\n"
        "    sub $40, %rsp\n"
        "    .cfi_adjust_cfa_offset 40\n"
        "    nop\n"
        "    call abort\n"
        "    .cfi_endproc\n"
        "outermost:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    nop\n"
        "    jmp leave_it\n"
        "    .cfi_endproc\n"
        ".popsection\n");

NOINLINE static void deeper(void) {
    made++;
    held[made] = malloc(1000 + made);
    __asm__ volatile("");
}
NOINLINE static void body(void) {
    for (int i = 0; i < 3; i++) deeper();
    leave_it();
}
NOINLINE static void body_with_room(void) {
    char room[700 << 10];
    __asm__ volatile("" : : "r"(room) : "memory");
    deeper();
    __asm__ volatile("" : : "r"(room) : "memory");
    leave_it();
}

static char *stack_of(size_t size) {
    char *s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) abort();
    return s;
}
/* Where a coroutine begins that returns to `to`, on a stack that ends here. */
static void *top_of(char *end, void (*to)(void), size_t words) {
    uint64_t *top = (uint64_t *)(void *)end - words;
    memset(top, 0, words * sizeof *top);
    *top = (uintptr_t)to;
    return top;
}

static int zero(void) {
    char *s = stack_of(64 << 10);
    enter(top_of(s + (64 << 10), NULL, 3), body);
    enter(top_of(s + (64 << 10), NULL, 11), body); /* by rules that are known */
    return 0;
}

static int smaller(void) {
    enum { SIZE = 1 << 20 };
    char *s = stack_of(SIZE);
    enter(top_of(s + SIZE, outermost, 1), body);
    enter(top_of(s + SIZE, outermost, 1), body_with_room);
    if (munmap(s + SIZE / 2, SIZE / 2) != 0) return 1;
    enter(top_of(s + SIZE / 2, outermost, 1), body);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "zero")) return zero();
    if (argc > 1 && !strcmp(argv[1], "smaller")) return smaller();
    return 2;
}
