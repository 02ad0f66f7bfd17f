/* Running line number programs (DWARF 5 section 6.2, and what versions 2 to 4 have otherwise); see lines.h. The bytes
 * are hostile: each read is held against the end, and each opcode makes one row at most. */
#include "reporter/symbols/lines.h"

#include <dwarf.h>
#include <stdlib.h>

#include "reporter/load/memory.h"
#include "reporter/load/search.h"
#include "reporter/symbols/cursor.h"

struct program {
    struct cursor code, tables;
    unsigned version, width; /* width: of offsets */
    uint64_t min_length;
    unsigned range, opcode_base;
    int base;
    unsigned char operands[256]; /* of the standard opcodes */
};

/* The header, up to the tables of folders and files. */
static bool read_header(struct program *p, struct bytes section, uint64_t offset) {
    struct cursor c = cursor_at(section.at, section.size, offset);
    uint64_t length = cursor_fixed(&c, 4);
    p->width = length == 0xffffffff ? 8 : 4;
    if (p->width == 8) length = cursor_fixed(&c, 8);
    if (c.bad || length > (uint64_t)(c.end - c.at)) return false;
    c.end = c.at + length;
    uint64_t version = cursor_fixed(&c, 2);
    if (version < 2 || version > 5) return false;
    if (version >= 5) (void)cursor_fixed(&c, 2); /* sizes of addresses and segment selectors */
    uint64_t header = cursor_fixed(&c, p->width);
    if (c.bad || header > (uint64_t)(c.end - c.at)) return false;
    p->code = (struct cursor){c.at + header, c.end, false};
    p->min_length = cursor_fixed(&c, 1);
    if (version >= 4) (void)cursor_fixed(&c, 1); /* operations an instruction: one */
    (void)cursor_fixed(&c, 1);                   /* whether rows begin statements */
    p->base = (int)cursor_fixed(&c, 1);
    if (p->base > INT8_MAX) p->base -= 256;
    p->range = (unsigned)cursor_fixed(&c, 1);
    p->opcode_base = (unsigned)cursor_fixed(&c, 1);
    for (unsigned i = 1; i < p->opcode_base; i++) p->operands[i] = (unsigned char)cursor_fixed(&c, 1);
    p->version = (unsigned)version;
    p->tables = (struct cursor){c.at, p->code.at, false};
    if (c.bad || c.at > p->code.at) p->tables = (struct cursor){.bad = true};
    return !c.bad && p->range > 0 && p->opcode_base > 0;
}

struct state {
    struct line_row row;
    size_t first; /* row of the sequence */
};

static void begin(struct state *s, const struct lines *lines) {
    *s = (struct state){.row = {.file = 1, .line = 1}, .first = lines->row_count};
}

static void add_row(struct lines *lines, const struct state *s) {
    lines->rows = memory_more(lines->rows, &lines->row_capacity, lines->row_count + 1, sizeof *lines->rows);
    lines->rows[lines->row_count++] = s->row;
}

static int compare_rows(const void *left, const void *right) {
    const struct line_row *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* Rows of one sequence ascend; in a file where they do not, they are left out. */
static bool ascends(const struct line_row *rows, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (compare_rows(&rows[i - 1], &rows[i]) > 0) return false;
    return true;
}

static void end_sequence(struct lines *lines, const struct code *code, struct state *s) {
    size_t count = lines->row_count - s->first;
    const struct line_row *rows = count ? lines->rows + s->first : NULL;
    bool is_code = count && rows[0].address < s->row.address && code_begins(code, rows[0].address);
    if (!is_code || !ascends(rows, count) || rows[count - 1].address > s->row.address) {
        lines->row_count = s->first;
    } else {
        lines->sequences = memory_more(lines->sequences, &lines->sequence_capacity, lines->sequence_count + 1,
                                       sizeof *lines->sequences);
        lines->sequences[lines->sequence_count++] =
            (struct line_sequence){rows[0].address, s->row.address, s->first, count};
    }
    begin(s, lines);
}

static void run_extended(struct program *p, struct lines *lines, const struct code *code, struct state *s) {
    uint64_t length = cursor_uleb(&p->code);
    if (p->code.bad || length == 0 || length > (uint64_t)(p->code.end - p->code.at)) {
        p->code.bad = true;
        return;
    }
    struct cursor c = {p->code.at, p->code.at + length, false};
    p->code.at += length;
    switch (cursor_fixed(&c, 1)) {
    case DW_LNE_end_sequence:
        end_sequence(lines, code, s);
        break;
    case DW_LNE_set_address:
        s->row.address = cursor_fixed(&c, length - 1);
        p->code.bad = c.bad;
        break;
    default:
        break; /* discriminators, and what vendors have */
    }
}

static void run_standard(struct program *p, struct lines *lines, struct state *s, unsigned opcode) {
    struct cursor *c = &p->code;
    switch (opcode) {
    case DW_LNS_copy:
        add_row(lines, s);
        break;
    case DW_LNS_advance_pc:
        s->row.address += cursor_uleb(c) * p->min_length;
        break;
    case DW_LNS_advance_line:
        s->row.line += (uint32_t)cursor_sleb(c);
        break;
    case DW_LNS_set_file:
        s->row.file = (uint32_t)cursor_uleb(c);
        break;
    case DW_LNS_const_add_pc:
        s->row.address += (255 - p->opcode_base) / p->range * p->min_length;
        break;
    case DW_LNS_fixed_advance_pc:
        s->row.address += cursor_fixed(c, 2);
        break;
    default:
        for (unsigned i = 0; i < p->operands[opcode]; i++) (void)cursor_uleb(c);
    }
}

static int compare_sequences(const void *left, const void *right) {
    const struct line_sequence *a = left, *b = right;
    if (a->low != b->low) return a->low < b->low ? -1 : 1;
    return a->high < b->high ? -1 : a->high > b->high;
}

void lines_read(struct lines *lines, const struct code *code, const struct line_sections *sections, uint64_t offset,
                const char *base) {
    struct program p = {0};
    struct state s;
    *lines = (struct lines){0};
    if (!read_header(&p, sections->line, offset)) return;
    line_files_read(&lines->files, p.tables, p.version, p.width, sections, base);
    begin(&s, lines);
    while (p.code.at < p.code.end && !p.code.bad) {
        unsigned opcode = *p.code.at++;
        if (opcode >= p.opcode_base) {
            unsigned step = opcode - p.opcode_base;
            s.row.address += step / p.range * p.min_length;
            s.row.line += (uint32_t)(p.base + (int)(step % p.range));
            add_row(lines, &s);
        } else if (opcode == 0) {
            run_extended(&p, lines, code, &s);
        } else {
            run_standard(&p, lines, &s, opcode);
        }
    }
    if (lines->sequence_count)
        qsort(lines->sequences, lines->sequence_count, sizeof *lines->sequences, compare_sequences);
}

void lines_free(struct lines *lines) {
    free(lines->rows);
    free(lines->sequences);
    line_files_free(&lines->files);
    *lines = (struct lines){0};
}

const struct line_row *lines_at(const struct lines *lines, uint64_t address) {
    size_t upto = search_upto(lines->sequences, lines->sequence_count, sizeof *lines->sequences, address);
    if (!upto || address >= lines->sequences[upto - 1].high) return NULL;
    const struct line_sequence *sequence = &lines->sequences[upto - 1];
    const struct line_row *rows = lines->rows + sequence->first;
    return &rows[search_upto(rows, sequence->count, sizeof *rows, address) - 1];
}
