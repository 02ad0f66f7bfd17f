/* See filter.h. The kernel's rules: a filter is a program of classic BPF over struct seccomp_data; all filters run, and
 * of their answers the smallest one, as a signed number, counts. */
#include "shim/base/filter.h"
#include "shim/base/files.h"
#include "shim/base/lock.h"
#include "shim/base/sys.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>

#define INSTRUCTIONS_MAX 16384u /* of all filters together: four of the longest */
#define FILTERS_MAX      64u

struct filter {
    _Atomic uint32_t length; /* instructions; 0: it is not in force */
    uint32_t first;
    uintptr_t thread; /* the thread pointer of the one that it is for; 0: everybody's */
};

bool filter_any;
static struct sock_filter instructions[INSTRUCTIONS_MAX];
static struct filter filters[FILTERS_MAX];
static _Atomic uint32_t instructions_used, filters_used;
static _Atomic bool unknown;
static uint64_t seen_at_start;

/* Only what the kernel accepts is ever in force, so of each instruction only what it can be is looked at. */
static uint32_t alu(uint16_t code, uint32_t a, uint32_t b) {
    switch (BPF_OP(code)) {
    case BPF_ADD:
        return a + b;
    case BPF_SUB:
        return a - b;
    case BPF_MUL:
        return a * b;
    case BPF_DIV:
        return b ? a / b : 0;
    case BPF_OR:
        return a | b;
    case BPF_AND:
        return a & b;
    case BPF_LSH:
        return b < 32 ? a << b : 0;
    case BPF_RSH:
        return b < 32 ? a >> b : 0;
    case BPF_XOR:
        return a ^ b;
    default:
        return (uint32_t) - (int32_t)a; /* BPF_NEG */
    }
}

static bool jumps(uint16_t code, uint32_t a, uint32_t b) {
    switch (BPF_OP(code)) {
    case BPF_JEQ:
        return a == b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    default:
        return (a & b) != 0; /* BPF_JSET */
    }
}

static uint32_t load(const struct sock_filter *i, const struct seccomp_data *data, const uint32_t *memory) {
    uint32_t word = 0;
    switch (BPF_MODE(i->code)) {
    case BPF_ABS:
        if (i->k <= sizeof *data - sizeof word) mem_copy(&word, (const char *)data + i->k, sizeof word);
        return word;
    case BPF_MEM:
        return memory[i->k % BPF_MEMWORDS];
    case BPF_LEN:
        return sizeof *data;
    default:
        return i->k; /* BPF_IMM */
    }
}

/* The filter's answer. A program jumps forwards only, so it ends. */
static uint32_t run(const struct sock_filter *i, const struct sock_filter *end, const struct seccomp_data *data) {
    uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {0};
    for (; i < end; i++) {
        uint32_t operand = BPF_SRC(i->code) == BPF_X ? x : i->k;
        switch (BPF_CLASS(i->code)) {
        case BPF_LD:
            a = load(i, data, memory);
            break;
        case BPF_LDX:
            x = load(i, data, memory);
            break;
        case BPF_ST:
            memory[i->k % BPF_MEMWORDS] = a;
            break;
        case BPF_STX:
            memory[i->k % BPF_MEMWORDS] = x;
            break;
        case BPF_ALU:
            a = alu(i->code, a, operand);
            break;
        case BPF_JMP:
            i += BPF_OP(i->code) == BPF_JA ? i->k : jumps(i->code, a, operand) ? i->jt : i->jf;
            break;
        case BPF_MISC:
            if (BPF_MISCOP(i->code) == BPF_TAX)
                x = a;
            else
                a = x;
            break;
        default:
            return BPF_RVAL(i->code) == BPF_A ? a : i->k; /* BPF_RET */
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static bool applies(const struct filter *f) {
    return atomic_load_explicit(&((struct filter *)(uintptr_t)f)->length, memory_order_acquire) > 0 &&
           (!f->thread || f->thread == thread_pointer());
}

static uint32_t answer(const struct seccomp_data *data) {
    int32_t smallest = (int32_t)SECCOMP_RET_ALLOW;
    uint32_t count = atomic_load_explicit(&filters_used, memory_order_acquire);
    for (uint32_t i = 0; i < min_size(count, FILTERS_MAX); i++) {
        if (!applies(&filters[i])) continue;
        const struct sock_filter *program = instructions + filters[i].first, *end = program + filters[i].length;
        int32_t action = (int32_t)(run(program, end, data) & SECCOMP_RET_ACTION_FULL);
        if (action < smallest) smallest = action;
    }
    return (uint32_t)smallest;
}

#define FORBIDDEN_MAX 8
static long forbidden[FORBIDDEN_MAX];
static _Atomic uint32_t forbidden_count;

void filter_forbid(long n) {
    uint32_t i = atomic_load_explicit(&forbidden_count, memory_order_relaxed);
    if (i == FORBIDDEN_MAX) return;
    forbidden[i] = n;
    atomic_store_explicit(&forbidden_count, i + 1, memory_order_release);
    filter_any = true;
}

bool filter_allows(long n, long a, long b, long c, long d, long e, long f) {
    if (atomic_load_explicit(&unknown, memory_order_relaxed)) return false;
    for (uint32_t i = 0; i < atomic_load_explicit(&forbidden_count, memory_order_acquire); i++)
        if (forbidden[i] == n) return false;
    const struct seccomp_data data = {
        .nr = (int)n,
        .arch = AUDIT_ARCH_X86_64,
        .instruction_pointer = (uintptr_t)filter_allows,
        .args = {(uint64_t)a, (uint64_t)b, (uint64_t)c, (uint64_t)d, (uint64_t)e, (uint64_t)f}};
    uint32_t action = answer(&data);
    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG || action == SECCOMP_RET_ERRNO;
}

long sys_filtered(long n, long a, long b, long c, long d, long e, long f) {
    return filter_allows(n, a, b, c, d, e, f) ? sys_unfiltered(n, a, b, c, d, e, f) : -1 /* EPERM */;
}

/* --- what is in force --- */

static const struct sock_filter strict_mode[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
};

/* A bad pointer is for the kernel to refuse, so the kernel reads through it. */
static bool read_memory(void *to, const void *from, size_t n) {
    struct {
        void *at;
        size_t length;
    } here = {to, n}, there = {(void *)(uintptr_t)from, n};
    return sys6(SYS_process_vm_readv, sys_getpid(), (long)&here, 1, (long)&there, 1, 0) == (long)n;
}

static bool copy_program(struct filter *f, const struct sock_fprog *program) {
    struct sock_fprog p = {ARRAY_LENGTH(strict_mode), (struct sock_filter *)(uintptr_t)strict_mode};
    if (program && (!read_memory(&p, program, sizeof p) || p.len == 0 || p.len > BPF_MAXINSNS)) return false;
    f->first = atomic_fetch_add_explicit(&instructions_used, p.len, memory_order_relaxed);
    if (f->first > INSTRUCTIONS_MAX - p.len) return false;
    if (!read_memory(instructions + f->first, p.filter, p.len * sizeof *p.filter)) return false;
    atomic_store_explicit(&f->length, p.len, memory_order_release);
    return true;
}

/* --- what the kernel knows --- */

/* The number behind a line's name; 0 where there is no such line. */
static uint64_t number_of(const char *status, const char *name) {
    uint64_t n = 0;
    const char *value = line_after(status, name);
    for (; value && (*value == '\t' || (*value >= '0' && *value <= '9')); value++)
        if (*value != '\t') n = n * 10 + (uint64_t)(*value - '0');
    return n;
}

struct status {
    uint64_t threads, filters; /* filters: of this thread; before Linux 5.9 whether there is any */
};

/* Line by line: this may be a signal's handler, on a stack of its own of 8 KiB, most of which its frame takes. */
static struct status read_status(void) {
    struct status s = {0, 0};
    uint64_t any = 0;
    char piece[256], line[48];
    size_t length = 0;
    long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/thread-self/status", O_RDONLY | O_CLOEXEC, 0), n;
    if (sys_failed(fd)) return s;
    while ((n = sys3(SYS_read, fd, (long)piece, sizeof piece)) > 0) {
        for (long i = 0; i < n; i++) {
            if (piece[i] != '\n') {
                if (length < sizeof line - 1) line[length++] = piece[i];
                continue;
            }
            line[length] = 0;
            length = 0;
            s.threads += number_of(line, "Threads:");
            s.filters += number_of(line, "Seccomp_filters:");
            any += number_of(line, "Seccomp:");
        }
    }
    (void)sys1(SYS_close, fd);
    if (s.filters == 0) s.filters = any != 0;
    return s;
}

/* --- for entry/seccomp.c, and the ends --- */

struct filter *filter_add(const struct sock_fprog *program, bool everybody) {
    everybody |= read_status().threads == 1;
    uint32_t i = atomic_fetch_add_explicit(&filters_used, 1, memory_order_acq_rel);
    if (i >= FILTERS_MAX) return NULL;
    filters[i].thread = everybody ? 0 : thread_pointer();
    if (!copy_program(&filters[i], program)) return NULL;
    filter_any = true;
    return &filters[i];
}

bool filter_is_everybodys(const struct filter *f) {
    return f->thread == 0;
}

void filter_remove(struct filter *f) {
    atomic_store_explicit(&f->length, 0, memory_order_release);
}

void filter_unknown(void) {
    filter_any = true;
    atomic_store_explicit(&unknown, true, memory_order_relaxed);
}

void filter_start(void) {
    seen_at_start = read_status().filters;
}

bool filter_is_inherited(void) {
    return seen_at_start > 0;
}

void filter_look(void) {
    if (atomic_load_explicit(&unknown, memory_order_relaxed)) return;
    uint64_t known = seen_at_start;
    uint32_t count = atomic_load_explicit(&filters_used, memory_order_acquire);
    for (uint32_t i = 0; i < min_size(count, FILTERS_MAX); i++) known += applies(&filters[i]);
    if (read_status().filters > known) filter_unknown();
}
