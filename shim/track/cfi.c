/* A reader of .eh_frame_hdr and .eh_frame; see cfi.h. The formats are those of the Linux Standard Base (Exception
 * Frames) and DWARF 5 section 6.4. Only the rows of rsp, rbp and the return address are of interest. */
#include "shim/track/cfi.h"

#define RBP            6
#define RSP            7
#define RETURN_ADDRESS 16
#define ROWS           16 /* DW_CFA_remember_state nests no deeper in what compilers emit */
#define OMITTED        0xff
#define READ_MAX       100000 /* entries of .eh_frame that are read one after the other */

struct cursor {
    const uint8_t *at, *end;
    bool bad;
};

static uint64_t fixed(struct cursor *c, unsigned bytes) {
    uint64_t v = 0;
    if ((size_t)(c->end - c->at) < bytes) {
        c->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++) v |= (uint64_t)c->at[i] << (8 * i);
    c->at += bytes;
    return v;
}

static uint64_t uleb(struct cursor *c) {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint64_t byte = fixed(c, 1);
        if (c->bad || shift > 63) return v;
        v |= (byte & 0x7f) << shift;
        if (!(byte & 0x80)) return v;
    }
}

static int64_t sleb(struct cursor *c) {
    uint64_t v = 0;
    for (unsigned shift = 0;;) {
        uint64_t byte = fixed(c, 1);
        if (c->bad || shift > 63) return (int64_t)v;
        v |= (byte & 0x7f) << shift;
        shift += 7;
        if (byte & 0x80) continue;
        if (shift < 64 && (byte & 0x40)) v |= ~0ull << shift;
        return (int64_t)v;
    }
}

/* A pointer in one of the DW_EH_PE encodings; only those that linkers emit on x86-64. */
static uint64_t encoded(struct cursor *c, uint8_t encoding, uintptr_t data_base) {
    if (encoding == 0xff) return 0;
    uintptr_t here = (uintptr_t)c->at;
    uint64_t v;
    switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
        v = fixed(c, 8);
        break;
    case 0x01:
        v = uleb(c);
        break;
    case 0x02:
        v = fixed(c, 2);
        break;
    case 0x03:
        v = fixed(c, 4);
        break;
    case 0x09:
        v = (uint64_t)sleb(c);
        break;
    case 0x0a:
        v = (uint64_t)(int16_t)fixed(c, 2);
        break;
    case 0x0b:
        v = (uint64_t)(int32_t)fixed(c, 4);
        break;
    default:
        c->bad = true;
        return 0;
    }
    switch (encoding & 0x70) {
    case 0x00:
        break;
    case 0x10:
        v += here;
        break;
    case 0x30:
        v += data_base;
        break;
    default:
        c->bad = true;
    }
    return v;
}

/* --- what a CIE and an FDE say --- */

struct entry {
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding;
    bool signal, augmented;
    struct cursor cie, fde; /* their instructions */
    uintptr_t begin, length;
};

static bool read_cie(struct entry *e, const uint8_t *cie) {
    struct cursor c = {cie, cie + 4, false};
    uint64_t length = fixed(&c, 4);
    if (length == 0 || length >= 0xfffffff0) return false; /* 64-bit DWARF is not used in .eh_frame */
    c.end = c.at + length;
    if (fixed(&c, 4) != 0) return false;
    uint8_t version = (uint8_t)fixed(&c, 1);
    const char *augmentation = (const char *)c.at;
    while (fixed(&c, 1) != 0 && !c.bad) continue;
    if (version >= 4) (void)fixed(&c, 2); /* address and segment sizes */
    e->code_align = uleb(&c);
    e->data_align = sleb(&c);
    uint64_t return_register = version == 1 ? fixed(&c, 1) : uleb(&c);
    if (return_register != RETURN_ADDRESS || c.bad) return false;
    if (augmentation[0] == 'z') {
        e->augmented = true;
        uint64_t n = uleb(&c);
        const uint8_t *instructions = c.at + n;
        for (const char *a = augmentation + 1; *a && !c.bad; a++) {
            if (*a == 'R')
                e->encoding = (uint8_t)fixed(&c, 1);
            else if (*a == 'L')
                (void)fixed(&c, 1);
            else if (*a == 'P')
                (void)encoded(&c, (uint8_t)fixed(&c, 1) & 0x7f, 0);
            else if (*a == 'S')
                e->signal = true;
            else
                break;
        }
        if (instructions > c.end) return false;
        c.at = instructions;
        c.bad = false;
    } else if (augmentation[0]) {
        return false;
    }
    e->cie = c;
    return true;
}

static bool read_fde(struct entry *e, const uint8_t *fde) {
    struct cursor c = {fde, fde + 4, false};
    uint64_t length = fixed(&c, 4);
    if (length == 0 || length >= 0xfffffff0) return false;
    c.end = c.at + length;
    const uint8_t *pointer = c.at;
    uint64_t distance = fixed(&c, 4);
    if (distance == 0 || !read_cie(e, pointer - distance)) return false;
    e->begin = encoded(&c, e->encoding, 0);
    e->length = encoded(&c, e->encoding & 0x0f, 0);
    if (e->augmented) {
        uint64_t n = uleb(&c);
        if (n > (uint64_t)(c.end - c.at)) return false;
        c.at += n;
    }
    e->fde = c;
    return !c.bad;
}

/* --- from code to its FDE --- */

/* The sorted table of .eh_frame_hdr: where each FDE's code begins, and the FDE, as signed offsets from the header. */
static const uint8_t *find_in_table(const uint8_t *header, const int32_t *table, uint64_t count, uintptr_t code) {
    int64_t offset = (int64_t)(code - (uintptr_t)header);
    size_t low = 0, high = count;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (table[middle * 2] <= offset)
            low = middle;
        else
            high = middle;
    }
    return table[low * 2] <= offset ? header + table[low * 2 + 1] : NULL;
}

static bool holds(struct entry *e, uintptr_t code) {
    return code - e->begin < e->length;
}

/* Without a table that is understood: all of .eh_frame from its start on, up to the length 0 that ends it. */
static bool find_by_reading(struct entry *e, const uint8_t *frame, uintptr_t code) {
    for (unsigned i = 0; frame && i < READ_MAX; i++) {
        struct cursor c = {frame, frame + 8, false};
        uint64_t length = fixed(&c, 4), id = fixed(&c, 4);
        if (length == 0 || length >= 0xfffffff0) return false;
        *e = (struct entry){.code_align = 1};
        if (id != 0 && read_fde(e, frame) && holds(e, code)) return true;
        frame += 4 + length;
    }
    return false;
}

static bool find_fde(struct entry *e, const uint8_t *header, uintptr_t code) {
    if (header[0] != 1) return false;
    struct cursor c = {header + 4, header + 28, false};
    const uint8_t *frame = (const void *)encoded(&c, header[1], (uintptr_t)header);
    uint64_t count = encoded(&c, header[2], (uintptr_t)header);
    if (c.bad) return false;
    if (header[2] == OMITTED || header[3] != 0x3b) return find_by_reading(e, header[1] == OMITTED ? NULL : frame, code);
    const uint8_t *fde = count > 0 ? find_in_table(header, (const void *)c.at, count, code) : NULL;
    return fde && read_fde(e, fde) && holds(e, code);
}

/* --- the instructions: a row of rules, changed until it is the one for `code` --- */

enum where { SAME, AT_CFA, AT_BP, UNDEFINED, ODD };

struct row {
    uint64_t cfa_register;
    int64_t cfa_offset;
    bool cfa_load, cfa_odd;
    enum where bp, ra;
    int64_t bp_offset, ra_offset;
};

static void set_register(struct row *r, uint64_t reg, enum where where, int64_t offset) {
    if (reg == RBP) r->bp = where, r->bp_offset = offset;
    if (reg == RETURN_ADDRESS) r->ra = where, r->ra_offset = offset;
}

static void restore_register(struct row *r, uint64_t reg, const struct row *initial) {
    if (reg == RBP) r->bp = initial->bp, r->bp_offset = initial->bp_offset;
    if (reg == RETURN_ADDRESS) r->ra = initial->ra, r->ra_offset = initial->ra_offset;
}

/* DW_OP_breg6 offset [DW_OP_deref]: what functions that realign their stack use. */
static bool bp_expression(struct cursor *c, int64_t *offset, bool *load) {
    uint64_t n = uleb(c);
    if (c->bad || n > (uint64_t)(c->end - c->at)) {
        c->bad = true;
        return false;
    }
    struct cursor e = {c->at, c->at + n, false};
    c->at += n;
    if (fixed(&e, 1) != 0x70 + RBP) return false;
    *offset = sleb(&e);
    *load = e.at < e.end && fixed(&e, 1) == 0x06;
    return !e.bad && e.at == e.end;
}

static void step(struct row *r, const struct row *initial, struct row saved[ROWS], unsigned *depth, struct cursor *c,
                 uint8_t op, int64_t data_align) {
    uint64_t reg;
    bool load = false;
    int64_t offset = 0;
    switch (op) {
    case 0x00:
        break; /* nop */
    case 0x05:
        reg = uleb(c);
        set_register(r, reg, AT_CFA, (int64_t)uleb(c) * data_align);
        break; /* offset_extended */
    case 0x06:
        restore_register(r, uleb(c), initial);
        break; /* restore_extended */
    case 0x07:
        set_register(r, uleb(c), UNDEFINED, 0);
        break;
    case 0x08:
        set_register(r, uleb(c), SAME, 0);
        break;
    case 0x09:
        reg = uleb(c);
        (void)uleb(c);
        set_register(r, reg, ODD, 0);
        break; /* register */
    case 0x0a:
        if (*depth < ROWS)
            saved[(*depth)++] = *r;
        else
            c->bad = true;
        break; /* remember_state */
    case 0x0b:
        if (*depth > 0)
            *r = saved[--*depth];
        else
            c->bad = true;
        break; /* restore_state */
    case 0x0c:
        r->cfa_register = uleb(c);
        r->cfa_offset = (int64_t)uleb(c);
        r->cfa_load = r->cfa_odd = false;
        break;
    case 0x0d:
        r->cfa_register = uleb(c);
        r->cfa_load = r->cfa_odd = false;
        break;
    case 0x0e:
        r->cfa_offset = (int64_t)uleb(c);
        break;
    case 0x0f: /* def_cfa_expression */
        r->cfa_odd = !bp_expression(c, &offset, &load) || !load;
        r->cfa_register = RBP, r->cfa_offset = offset, r->cfa_load = true;
        break;
    case 0x10: /* expression */
        reg = uleb(c);
        if (bp_expression(c, &offset, &load) && !load)
            set_register(r, reg, AT_BP, offset);
        else
            set_register(r, reg, ODD, 0);
        break;
    case 0x11:
        reg = uleb(c);
        set_register(r, reg, AT_CFA, sleb(c) * data_align);
        break; /* offset_extended_sf */
    case 0x12:
        r->cfa_register = uleb(c);
        r->cfa_offset = sleb(c) * data_align;
        r->cfa_load = r->cfa_odd = false;
        break;
    case 0x13:
        r->cfa_offset = sleb(c) * data_align;
        break;
    case 0x14:
    case 0x15:
        reg = uleb(c);
        (void)sleb(c);
        set_register(r, reg, ODD, 0);
        break; /* val_offset */
    case 0x16:
        reg = uleb(c);
        (void)bp_expression(c, &offset, &load);
        set_register(r, reg, ODD, 0);
        break;
    case 0x2e:
        (void)uleb(c);
        break; /* GNU_args_size */
    default:
        c->bad = true;
    }
}

/* Runs instructions until the row is the one that holds at `code`. */
static void run(struct row *r, const struct row *initial, struct cursor c, const struct entry *e, uintptr_t code) {
    struct row saved[ROWS];
    unsigned depth = 0;
    uintptr_t at = e->begin;
    while (c.at < c.end) {
        uint8_t op = (uint8_t)fixed(&c, 1), low = op & 0x3f;
        uint64_t advance = 0;
        switch (op & 0xc0) {
        case 0x40:
            advance = low;
            break;
        case 0x80:
            set_register(r, low, AT_CFA, (int64_t)uleb(&c) * e->data_align);
            continue;
        case 0xc0:
            restore_register(r, low, initial);
            continue;
        default:
            if (op == 0x01)
                at = encoded(&c, e->encoding, 0);
            else if (op >= 0x02 && op <= 0x04)
                advance = fixed(&c, 1u << (op - 2));
            else
                step(r, initial, saved, &depth, &c, op, e->data_align);
        }
        at += advance * e->code_align;
        if (c.bad) r->cfa_odd = true;
        if (at > code || c.bad) return;
    }
}

static struct cfi_rule rule_of(const struct row *r) {
    struct cfi_rule rule = {.kind = CFI_LOST};
    if (r->ra == UNDEFINED) rule.kind = CFI_END;
    if (r->cfa_odd || r->ra != AT_CFA || r->ra_offset != -8) return rule;
    if (r->cfa_offset != (int32_t)r->cfa_offset) return rule;
    rule.offset = (int32_t)r->cfa_offset;
    rule.bp = r->bp == AT_CFA ? CFI_BP_AT_CFA : r->bp == AT_BP ? CFI_BP_AT_BP : r->bp == ODD ? CFI_BP_ODD : CFI_BP_SAME;
    rule.bp_offset = (int16_t)r->bp_offset;
    if (r->bp_offset != rule.bp_offset) rule.bp = CFI_BP_ODD;
    if (r->cfa_load)
        rule.kind = CFI_BP_LOAD;
    else if (r->cfa_register == RSP)
        rule.kind = CFI_SP;
    else if (r->cfa_register == RBP)
        rule.kind = CFI_BP;
    return rule;
}

struct cfi_rule cfi_find(const void *unwind_header, uintptr_t code) {
    struct cfi_rule lost = {.kind = CFI_LOST};
    struct entry e = {.code_align = 1};
    if (!unwind_header) return lost;
    if (!find_fde(&e, unwind_header, code)) return lost;
    if (e.signal) return (struct cfi_rule){.kind = CFI_SIGNAL};
    struct row initial = {.cfa_odd = true}, row;
    run(&initial, &initial, e.cie, &e, UINTPTR_MAX);
    row = initial;
    run(&row, &initial, e.fde, &e, code);
    return rule_of(&row);
}
