// What gcc_session and cmake_session compile, and tests/bench: a small interpreter and a sort, enough for the
// optimiser.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPS = 4096, STACK = 64 };
typedef enum { PUSH, ADD, MUL, XOR, DUP, SWAP, DROP, JUMP_IF_ODD } op_t;
typedef struct {
    op_t op;
    uint32_t arg;
} insn_t;

static uint32_t random_state = 2463534242u;
static uint32_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static uint64_t interpret(const insn_t *code, size_t n) {
    uint64_t stack[STACK] = {1, 2, 3};
    size_t top = 3, steps = 0;
    for (size_t pc = 0; pc < n && steps < 100000; pc++, steps++) {
        insn_t i = code[pc];
        switch (i.op) {
        case PUSH:
            if (top < STACK) stack[top++] = i.arg;
            break;
        case ADD:
            if (top > 2) {
                stack[top - 2] += stack[top - 1];
                top--;
            }
            break;
        case MUL:
            if (top > 2) {
                stack[top - 2] *= stack[top - 1];
                top--;
            }
            break;
        case XOR:
            stack[top - 1] ^= i.arg;
            break;
        case DUP:
            if (top < STACK) {
                stack[top] = stack[top - 1];
                top++;
            }
            break;
        case SWAP: {
            uint64_t t = stack[top - 1];
            stack[top - 1] = stack[top - 2];
            stack[top - 2] = t;
        } break;
        case DROP:
            if (top > 3) top--;
            break;
        case JUMP_IF_ODD:
            if (stack[top - 1] & 1) pc += i.arg % 7;
            break;
        }
    }
    return stack[top - 1];
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(void) {
    insn_t *code = malloc(OPS * sizeof *code);
    uint32_t *numbers = calloc(OPS, sizeof *numbers);
    char *text = NULL;
    size_t length = 0;
    if (!code || !numbers) abort();
    for (size_t i = 0; i < OPS; i++) code[i] = (insn_t){(op_t)(next_random() % 8), next_random()};
    for (size_t i = 0; i < OPS; i++) numbers[i] = next_random();
    qsort(numbers, OPS, sizeof *numbers, by_value);
    for (size_t i = 0; i < 200; i++) {
        char *grown = realloc(text, length + 16);
        if (!grown) abort();
        text = grown;
        length += (size_t)snprintf(text + length, 16, "%x,", numbers[i * 20]);
    }
    printf("%llx %zu %.20s\n", (unsigned long long)interpret(code, OPS), length, text);
    free(text);
    free(numbers);
    free(code);
}
