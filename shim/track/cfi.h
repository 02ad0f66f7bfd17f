/* Call frame information: how to get from a frame to its caller, as the compiler wrote it down (DWARF, .eh_frame).
 * Reads mapped memory of loaded modules only; takes no lock, allocates nothing. */
#ifndef WEIR_TRACK_CFI_H
#define WEIR_TRACK_CFI_H

#include "shim/base/base.h"

enum cfi_kind {
    CFI_LOST,    /* no information that this reader understands */
    CFI_END,     /* the outermost frame */
    CFI_SP,      /* CFA = rsp + offset */
    CFI_BP,      /* CFA = rbp + offset */
    CFI_BP_LOAD, /* CFA = *(rbp + offset): functions that realign their stack */
    CFI_SIGNAL   /* the kernel's signal frame: the registers lie in a ucontext at rsp */
};
enum cfi_bp {
    CFI_BP_SAME,
    CFI_BP_AT_CFA, /* rbp lies at CFA + bp_offset */
    CFI_BP_AT_BP,  /* at rbp + bp_offset */
    CFI_BP_ODD     /* nobody knows */
};

/* One step outwards. The return address is always at CFA - 8. */
struct cfi_rule {
    uint8_t kind; /* enum cfi_kind */
    uint8_t bp;   /* enum cfi_bp */
    int16_t bp_offset;
    int32_t offset;
};
_Static_assert(sizeof(struct cfi_rule) == 8, "a rule is one word");

/* The rule at `code`, whose module has this .eh_frame_hdr. For a return address pass the byte before it. */
struct cfi_rule cfi_find(const void *unwind_header, uintptr_t code);

#endif
