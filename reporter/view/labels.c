/* See labels.h. A row is its stack as a list of steps, inlined functions included, and which of them are shown: first
 * the one that names the site. Rows whose labels are the same show more each round, until they differ or there is
 * nothing left to show: what a reader knows best comes first. */
#include "reporter/view/labels.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/jitted.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/units.h"

#define ROUNDS      4 /* more would not fit into a column */
#define PIECES_MOST (ROUNDS + 1)
#define NAME_LEAST  14 /* what tells apart is cut after the name, which the rows have in common */
#define PIECE_LEAST 6

enum shown { HIDDEN, FUNCTION, WITH_LINE, WITH_ADDRESS };

struct step {
    struct symbol_frame symbol; /* its texts are interned: the same function has the same pointer */
    const struct merged_frame *frame;
    enum shown shown, before;
};

struct row {
    struct step *steps; /* innermost first */
    size_t count, name; /* the index of the step that names the site */
    const struct sizes *sizes;
    bool with_size, size_before;
    char *label;
};

static void add_step(struct row *row, size_t *capacity, const struct merged_frame *frame,
                     const struct symbol_frame *symbol) {
    row->steps = memory_more(row->steps, capacity, row->count + 1, sizeof *row->steps);
    row->steps[row->count++] = (struct step){.symbol = *symbol, .frame = frame};
}

static void fill_row(struct row *row, const struct view *view, const struct merged_site *site) {
    static const struct symbol_frame unknown;
    struct site_name name = naming_of(view->symbols, view->merged, site);
    size_t capacity = 0;
    bool found = false;
    for (uint32_t i = 0; i < site->frame_count; i++) {
        struct symbol_chain chain = symbols_at(view->symbols, site->frames[i]);
        for (size_t j = 0; j < (chain.count ? chain.count : 1); j++) {
            add_step(row, &capacity, &site->frames[i], chain.count ? &chain.frames[j] : &unknown);
            bool is_name =
                name.frame == &site->frames[i] && (!chain.count || chain.frames[j].brief == name.symbol.brief);
            if (found || !is_name) continue;
            found = true;
            row->name = row->count - 1;
        }
    }
    row->sizes = &site->sizes;
    if (!row->count) return;
    row->steps[row->name].shown = FUNCTION;
}

/* --- what a label says --- */

struct piece {
    const char *between; /* it and the piece before */
    char *text;
    char suffix[16]; /* the line, which is never cut */
    size_t width;
    bool is_name;  /* of the site */
    bool keep_end; /* of an address: its offset */
};

static struct piece make_piece(const struct view *view, const struct step *step, const char *between, size_t width) {
    struct piece piece = {.between = between, .keep_end = !step->symbol.function};
    piece.text = piece.keep_end ? frames_address(view, step->frame) : frames_folded(view, &step->symbol, width);
    if (step->shown >= WITH_LINE && step->symbol.line)
        (void)snprintf(piece.suffix, sizeof piece.suffix, ":%u", step->symbol.line);
    piece.width = escape_width(piece.text) + strlen(piece.suffix);
    return piece;
}

/* Where one line is several calls. In code of a JIT, which lies elsewhere each time, it tells nothing. */
static struct piece make_address(const struct view *view, const struct step *step) {
    struct piece piece = {.between = " at ", .text = frames_address(view, step->frame), .keep_end = true};
    piece.width = escape_width(piece.text);
    return piece;
}
static bool has_address(const struct view *view, const struct step *step) {
    return step->shown == WITH_ADDRESS && step->symbol.function && !view->merged->modules[step->frame->module]->jit;
}

/* Takes what is too much from the name, then from the longest ones. */
static void fit_pieces(struct piece *pieces, size_t count, size_t width) {
    size_t all = 0;
    for (size_t i = 0; i < count; i++) all += pieces[i].width + strlen(pieces[i].between);
    for (; all > width; all--) {
        struct piece *longest = pieces;
        for (size_t i = 1; i < count; i++)
            if (longest->width < pieces[i].width) longest = &pieces[i];
        for (size_t i = 0; i < count; i++)
            if (pieces[i].is_name && pieces[i].width > NAME_LEAST) longest = &pieces[i];
        if (longest->width <= PIECE_LEAST + strlen(longest->suffix)) break;
        longest->width--;
    }
    for (size_t i = 0; i < count; i++)
        (void)escape_fit(pieces[i].text, pieces[i].width - strlen(pieces[i].suffix), pieces[i].keep_end);
}

static char *join_pieces(struct piece *pieces, size_t count) {
    char *label = memory_text("", 0);
    for (size_t i = 0; i < count; i++) {
        label = memory_append(memory_append(label, pieces[i].between), pieces[i].text);
        label = memory_append(label, pieces[i].suffix);
        free(pieces[i].text);
    }
    return label;
}

/* Exact: two that differ look different. */
static void write_size(char *to, size_t room, uint64_t bytes) {
    if (bytes < 1024 || bytes % 1024)
        (void)snprintf(to, room, ", %s B", units_count(bytes));
    else
        (void)snprintf(to, room, ", %s", units_bytes(bytes));
}

static bool is_alone(const struct row *row) {
    size_t shown = row->steps[row->name].shown == WITH_ADDRESS;
    for (size_t i = 0; i < row->count; i++) shown += row->steps[i].shown != HIDDEN;
    return shown == 1;
}

#define FOLDED 16 /* a name among others; longer ones are folded before anything is cut */

static char *make_label(const struct view *view, const struct row *row, size_t width) {
    struct piece pieces[PIECES_MOST + 1];
    size_t count = 0, last = row->name;
    char size[32] = "";
    if (!row->count) return memory_text("(no stack)", 10);
    size_t each = is_alone(row) ? width : FOLDED;
    pieces[count] = make_piece(view, &row->steps[row->name], "", each);
    pieces[count++].is_name = true;
    if (has_address(view, &row->steps[row->name])) pieces[count++] = make_address(view, &row->steps[row->name]);
    for (size_t i = row->name + 1; i < row->count && count < PIECES_MOST; i++) { /* who called it */
        if (row->steps[i].shown == HIDDEN) continue;
        pieces[count++] = make_piece(view, &row->steps[i], i == last + 1 ? " < " : " <.. ", each);
        last = i;
    }
    last = row->name;
    for (size_t i = row->name; i-- > 0 && count < PIECES_MOST;) { /* whom it calls */
        if (row->steps[i].shown == HIDDEN) continue;
        pieces[count++] = make_piece(view, &row->steps[i], i + 1 == last ? " > " : " ..> ", each);
        last = i;
    }
    if (row->with_size) write_size(size, sizeof size, row->sizes->smallest);
    size_t room = width > strlen(size) ? width - strlen(size) : 0;
    if (!view->options.full) fit_pieces(pieces, count, room);
    char *label = join_pieces(pieces, count);
    if (!view->options.full) (void)escape_fit(label, room, false);
    return memory_append(label, size);
}

/* What stands for any code says little: beside it what an interpreted function called, or who called nameless code; if
 * there is room for the whole of it. */
static void show_beside_unknown(struct row *row, const struct view *view, size_t width) {
    if (!row->count) return;
    const struct step *name = &row->steps[row->name];
    struct step *beside = NULL;
    bool has_name = name->symbol.brief != NULL, jit = view->merged->modules[name->frame->module]->jit;
    if (has_name && row->name && jitted_is_unknown(name->symbol.brief)) beside = &row->steps[row->name - 1];
    if (!has_name && jit && row->name + 1 < row->count) beside = &row->steps[row->name + 1];
    if (!beside || !beside->symbol.brief) return;
    beside->shown = FUNCTION;
    char *whole = make_label(view, row, SIZE_MAX);
    if (escape_width(whole) > width && !view->options.full) beside->shown = HIDDEN;
    free(whole);
}

/* --- telling rows of one label apart --- */

static bool same_function(const struct step *a, const struct step *b) {
    if (!a || !b) return a == b;
    if (a->symbol.brief || b->symbol.brief) return a->symbol.brief == b->symbol.brief;
    return a->frame->module == b->frame->module && a->frame->offset == b->frame->offset;
}

static bool same_line(const struct step *a, const struct step *b) {
    if (!a || !b) return a == b;
    return same_function(a, b) && a->symbol.line == b->symbol.line;
}

/* The step so far outwards (or inwards) from the name; NULL: the stack ends before. */
static struct step *step_at(const struct row *row, size_t distance, bool outwards) {
    if (outwards) return distance < row->count - row->name ? &row->steps[row->name + distance] : NULL;
    return distance <= row->name ? &row->steps[row->name - distance] : NULL;
}

static bool is_hidden(const struct step *step, enum shown wanted) {
    return step && step->shown < wanted;
}

/* Shows in each row the nearest step in which they are not all the same; false: there is none. */
static bool show_difference(struct row **rows, size_t count, bool outwards, enum shown wanted) {
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = outwards ? rows[i]->count - rows[i]->name : rows[i]->name + 1;
        if (length > longest) longest = length;
    }
    for (size_t distance = 0; distance < longest; distance++) {
        bool differs = false, hidden = false;
        const struct step *first = step_at(rows[0], distance, outwards);
        for (size_t i = 0; i < count; i++) {
            const struct step *step = step_at(rows[i], distance, outwards);
            differs = differs || !(wanted == FUNCTION ? same_function(first, step) : same_line(first, step));
            hidden = hidden || is_hidden(step, wanted);
        }
        if (!differs || !hidden) continue;
        for (size_t i = 0; i < count; i++) {
            struct step *step = step_at(rows[i], distance, outwards);
            if (is_hidden(step, wanted)) step->shown = wanted;
        }
        return true;
    }
    return false;
}

/* The line of the name; or its address, where the same line is several calls. */
static bool show_more_of_name(struct row **rows, size_t count, enum shown wanted) {
    const struct step *reference = &rows[0]->steps[rows[0]->name];
    bool differs = false;
    for (size_t i = 0; i < count; i++) {
        const struct step *step = &rows[i]->steps[rows[i]->name];
        if (step->shown >= wanted) return false;
        differs = differs || (wanted == WITH_LINE ? step->symbol.line != reference->symbol.line
                                                  : step->frame->offset != reference->frame->offset);
    }
    for (size_t i = 0; differs && i < count; i++) rows[i]->steps[rows[i]->name].shown = wanted;
    return differs;
}

/* Each has blocks of one size, and they are not all the same. */
static bool show_size(struct row **rows, size_t count) {
    bool differs = false;
    for (size_t i = 0; i < count; i++) {
        const struct sizes *sizes = rows[i]->sizes;
        if (rows[i]->with_size || !sizes->count || sizes->smallest != sizes->largest) return false;
        differs = differs || sizes->smallest != rows[0]->sizes->smallest;
    }
    for (size_t i = 0; differs && i < count; i++) rows[i]->with_size = true;
    return differs;
}

static bool show_line(struct row **rows, size_t count) {
    return show_more_of_name(rows, count, WITH_LINE);
}
static bool show_address(struct row **rows, size_t count) {
    return show_more_of_name(rows, count, WITH_ADDRESS);
}
static bool show_caller(struct row **rows, size_t count) {
    return show_difference(rows, count, true, FUNCTION);
}
static bool show_callee(struct row **rows, size_t count) {
    return show_difference(rows, count, false, FUNCTION);
}
static bool show_outer_line(struct row **rows, size_t count) {
    return show_difference(rows, count, true, WITH_LINE);
}

/* Two functions may be cut to fit; a third is worth its place only where nothing must be cut for it. */
static bool fits(const struct view *view, const struct row *row, size_t width) {
    size_t shown = 0;
    for (size_t i = 0; i < row->count; i++) shown += row->steps[i].shown != HIDDEN;
    if (shown <= 2 || view->options.full) return true;
    char *whole = make_label(view, row, SIZE_MAX);
    bool fit = escape_width(whole) <= width;
    free(whole);
    return fit;
}

static void save(struct row **rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rows[i]->size_before = rows[i]->with_size;
        for (size_t j = 0; j < rows[i]->count; j++) rows[i]->steps[j].before = rows[i]->steps[j].shown;
    }
}

static void restore(struct row **rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rows[i]->with_size = rows[i]->size_before;
        for (size_t j = 0; j < rows[i]->count; j++) rows[i]->steps[j].shown = rows[i]->steps[j].before;
    }
}

/* Shows what tells rows of one label apart, by the first way that works. */
static bool show_more(const struct view *view, struct row **rows, size_t count, size_t width) {
    static bool (*const ways[])(struct row **, size_t) = {show_line, show_caller,  show_outer_line,
                                                          show_size, show_address, show_callee};
    if (!rows[0]->count) return false; /* without a stack, as the others of that label are */
    save(rows, count);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        bool good = ways[way](rows, count);
        for (size_t i = 0; good && i < count; i++) good = fits(view, rows[i], width);
        if (good) return true;
        restore(rows, count);
    }
    return false;
}

static int compare_labels(const void *left, const void *right) {
    const struct row *const *a = left, *const *b = right;
    return strcmp((*a)->label, (*b)->label);
}

/* True when some rows show more than before. */
static bool tell_apart(const struct view *view, struct row **rows, size_t count, size_t width) {
    bool any = false;
    qsort(rows, count, sizeof(struct row *), compare_labels);
    for (size_t i = 0, end = 0; i < count; i = end) {
        for (end = i + 1; end < count && strcmp(rows[i]->label, rows[end]->label) == 0;) end++;
        if (end - i < 2 || !show_more(view, rows + i, end - i, width)) continue;
        any = true;
        for (size_t j = i; j < end; j++) {
            free(rows[j]->label);
            rows[j]->label = make_label(view, rows[j], width);
        }
    }
    return any;
}

char **labels_make(const struct view *view, size_t count, size_t width) {
    struct row *rows = memory_get(count, sizeof *rows);
    struct row **sorted = memory_get(count, sizeof(void *));
    char **labels = memory_get(count, sizeof *labels);
    for (size_t i = 0; i < count; i++) {
        fill_row(&rows[i], view, view->merged->sites[i]);
        show_beside_unknown(&rows[i], view, width);
        rows[i].label = make_label(view, &rows[i], width);
        sorted[i] = &rows[i];
    }
    for (int round = 0; round < ROUNDS && count && tell_apart(view, sorted, count, width);) round++;
    for (size_t i = 0; i < count; i++) {
        labels[i] = rows[i].label;
        free(rows[i].steps);
    }
    free(sorted);
    free(rows);
    return labels;
}
