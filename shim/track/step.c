/* Reading the stack and stepping; see step.h. */
#include "shim/track/step.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"

#include <sys/resource.h>

#define FRAME_MAX  (16 * MIB) /* a frame that is guessed to be larger is a mistake */
#define WINDOW_MAX (64 * MIB)
#define EFAULT_    (-14)
#define EINVAL_    (-22)
#define EAGAIN_    (-11)

/* --- the first thread's stack --- */

uintptr_t step_first_low, step_first_top;

/* The kernel places nothing else so close below the top of the stack that it made. */
void step_start(void) {
    struct rlimit64 limit;
    if (sys4(SYS_prlimit64, 0, RLIMIT_STACK, 0, (long)&limit) != 0) return;
    step_first_low = start_stack_top - min_size(limit.rlim_cur, min_size(WINDOW_MAX, start_stack_top));
    step_first_top = start_stack_top;
}

bool step_is_outermost(uintptr_t sp) {
    return sp <= start_stack_top && start_stack_top - sp <= 16;
}

/* --- whether an address can be read --- */

enum look { LOOK_READABLE, LOOK_UNREADABLE, LOOK_REFUSED };

/* The kernel compares a word at p with 0, and wakes or moves no waiter in either case. */
static enum look look_by_futex(uintptr_t p) {
    static uint32_t nowhere;
    long r = sys6(SYS_futex, (long)p, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, (long)&nowhere, 0);
    return r == 0 || r == EAGAIN_ ? LOOK_READABLE : r == EFAULT_ ? LOOK_UNREADABLE : LOOK_REFUSED;
}

/* The kernel copies a signal set from p before it looks at the bad first argument. */
static enum look look_by_mask(uintptr_t p) {
    long r = sys4(SYS_rt_sigprocmask, 0x7fffffff, (long)p, 0, 8);
    return r == EINVAL_ ? LOOK_READABLE : r == EFAULT_ ? LOOK_UNREADABLE : LOOK_REFUSED;
}

/* A filter may refuse either call, with any error; what nobody vouches for is not read. */
static bool can_be_read(uintptr_t p) {
    enum look look = look_by_futex(p);
    if (unlikely(look == LOOK_REFUSED)) look = look_by_mask(p);
    return look == LOOK_READABLE;
}

bool step_may_read(struct walk *w, uintptr_t p) {
    if ((p & 7) || p < PAGE) return false;
    if (round_down(p, PAGE) == w->seen) return true;
    if (!can_be_read(p)) return false;
    w->seen = round_down(p, PAGE);
    return true;
}

static bool load(struct walk *w, uintptr_t p, uintptr_t *value) {
    return step_load(w, p, w->sure, value);
}

/* --- stepping --- */

static bool step_by_frame_pointer(struct walk *w) {
    uintptr_t code, bp;
    w->sure = false; /* whatever the register holds */
    if (w->bp < w->sp || w->bp - w->sp > FRAME_MAX || (w->bp & 7)) return false;
    if (!load(w, w->bp, &bp) || !load(w, w->bp + 8, &code)) return false;
    if (code < PAGE || (bp != 0 && bp <= w->bp)) return false;
    w->sp = w->bp + 16;
    w->bp = bp;
    w->code = code;
    w->exact = false;
    w->guessed = true;
    w->code_slot = w->sp - 8;
    w->bp_slot = w->sp - 16;
    w->bp_odd = false;
    return true;
}

/* Offsets of the x86-64 kernel's struct ucontext (uapi asm/sigcontext.h): rbp, rsp, rip in uc_mcontext. */
static bool step_over_signal(struct walk *w) {
    uintptr_t context = w->sp;
    w->sure = false; /* the code that it interrupted may have kept anything in its registers */
    if (!load(w, context + 120, &w->bp) || !load(w, context + 160, &w->sp) || !load(w, context + 168, &w->code))
        return false;
    w->exact = true;
    w->code_slot = 0;
    return w->code != 0;
}

/* The register is believed although nobody says what is in it. */
static void guess_bp(struct walk *w) {
    if (!w->bp_odd) return;
    w->sure = false;
    w->guessed = true;
}

bool step_outwards(struct walk *w, struct cfi_rule rule) {
    uintptr_t cfa;
    if (rule.kind == CFI_BP || rule.kind == CFI_BP_LOAD || rule.bp == CFI_BP_AT_BP) guess_bp(w);
    switch (rule.kind) {
    case CFI_SP:
        cfa = w->sp + (uintptr_t)(intptr_t)rule.offset;
        break;
    case CFI_BP:
        cfa = w->bp + (uintptr_t)(intptr_t)rule.offset;
        break;
    case CFI_BP_LOAD:
        if (!load(w, w->bp + (uintptr_t)(intptr_t)rule.offset, &cfa)) return false;
        break;
    case CFI_SIGNAL:
        return step_over_signal(w);
    default:
        return step_by_frame_pointer(w);
    }
    if (cfa <= w->sp || (cfa - w->sp > FRAME_MAX && !w->sure) || (cfa & 7) || !load(w, cfa - 8, &w->code)) return false;
    uintptr_t bp = w->bp;
    if (rule.bp == CFI_BP_AT_CFA && !load(w, cfa + (uintptr_t)(intptr_t)rule.bp_offset, &bp)) return false;
    if (rule.bp == CFI_BP_AT_BP && !load(w, w->bp + (uintptr_t)(intptr_t)rule.bp_offset, &bp)) return false;
    w->code_slot = rule.kind == CFI_BP_LOAD ? 0 : cfa - 8;
    w->bp_slot = rule.bp == CFI_BP_AT_CFA  ? cfa + (uintptr_t)(intptr_t)rule.bp_offset
                 : rule.bp == CFI_BP_AT_BP ? w->bp + (uintptr_t)(intptr_t)rule.bp_offset
                                           : 0;
    if (rule.bp != CFI_BP_SAME) w->bp_odd = rule.bp == CFI_BP_ODD;
    w->bp = bp;
    w->sp = cfa;
    w->exact = false;
    return w->code != 0;
}
