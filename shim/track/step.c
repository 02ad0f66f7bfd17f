/* Reading the stack and stepping; see step.h. */
#include "shim/track/step.h"
#include "shim/arena/layout.h"
#include "shim/base/lock.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"

#define STACK_PAGES_MAX 16384      /* 64 MiB of stack are looked at before a pointer is taken to be on none of ours */
#define FRAME_MAX       (16 * MIB) /* a frame that claims to be larger is a mistake */

/* Whether 8 bytes at p can be read: the kernel copies a signal set from there before it looks at the bad first
 * argument. Needs no permission, works under any seccomp filter that lets signal masks be set. */
static bool probe(uintptr_t p) {
    return sys4(SYS_rt_sigprocmask, 0x7fffffff, (long)p, 0, 8) != -14 /* EFAULT */;
}

/* The thread's stack is mapped from wherever it has been seen down to, up to its top. Looks at new pages once. */
bool stack_extend_known(uintptr_t p) {
    if (tls.stack_high == 0) {
        uintptr_t tp = thread_pointer();
        bool first = p < start_stack_top && start_stack_top - p < STACK_PAGES_MAX * PAGE;
        tls.stack_high = first ? start_stack_top : tp;
        tls.stack_low = round_down(tls.stack_high, PAGE);
    }
    if (p >= tls.stack_high || tls.stack_low - round_down(p, PAGE) > STACK_PAGES_MAX * PAGE) return false;
    while (tls.stack_low > p) {
        if (!probe(tls.stack_low - PAGE)) return false;
        tls.stack_low -= PAGE;
    }
    return true;
}

static bool readable(struct walk *w, uintptr_t p) {
    if (likely(p >= tls.stack_low && p <= tls.stack_high - 8 && tls.stack_high)) return true;
    if (p & 7) return false;
    if (round_down(p, PAGE) == w->probed) return true;
    if (p < PAGE || !probe(p)) return false;
    w->probed = round_down(p, PAGE);
    return true;
}

static bool load(struct walk *w, uintptr_t p, uintptr_t *value) {
    if (!readable(w, p)) return false;
    *value = *(const uintptr_t *)p;
    return true;
}

/* --- stepping --- */

static bool step_by_frame_pointer(struct walk *w) {
    uintptr_t code, bp;
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
    return true;
}

/* Offsets of the x86-64 kernel's struct ucontext (uapi asm/sigcontext.h): rbp, rsp, rip in uc_mcontext. */
static bool step_over_signal(struct walk *w) {
    uintptr_t context = w->sp;
    if (!load(w, context + 120, &w->bp) || !load(w, context + 160, &w->sp) || !load(w, context + 168, &w->code))
        return false;
    w->exact = true;
    w->code_slot = 0;
    return w->code != 0;
}

bool step_outwards(struct walk *w, struct cfi_rule rule) {
    uintptr_t cfa;
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
    if (cfa <= w->sp || cfa - w->sp > FRAME_MAX || (cfa & 7) || !load(w, cfa - 8, &w->code)) return false;
    uintptr_t bp = w->bp;
    if (rule.bp == CFI_BP_AT_CFA && !load(w, cfa + (uintptr_t)(intptr_t)rule.bp_offset, &bp)) return false;
    if (rule.bp == CFI_BP_AT_BP && !load(w, w->bp + (uintptr_t)(intptr_t)rule.bp_offset, &bp)) return false;
    w->code_slot = rule.kind == CFI_BP_LOAD ? 0 : cfa - 8;
    w->bp_slot = rule.bp == CFI_BP_AT_CFA  ? cfa + (uintptr_t)(intptr_t)rule.bp_offset
                 : rule.bp == CFI_BP_AT_BP ? w->bp + (uintptr_t)(intptr_t)rule.bp_offset
                                           : 0;
    w->bp = bp;
    w->sp = cfa;
    w->exact = false;
    return w->code != 0;
}
