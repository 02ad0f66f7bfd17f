/* Sites with the frames that made their blocks, and the newest refusals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/growth.h"
#include "reporter/view/terminal.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

#define FUNCTION_WIDTH 24 /* its column; longer names push the place to the right */
#define FUNCTION_MOST  40
#define LINE_WIDTH     80
#define FRAMES_SHOWN   16
#define REFUSALS_SHOWN 3
#define THREADS_SHOWN  8
#define GROWTHS_SHOWN  2

static void print_symbol(const struct view *view, const struct symbol_frame *symbol, const struct merged_frame *frame) {
    char *function = symbol->function ? frames_function(view, symbol, FUNCTION_MOST) : frames_address(view, frame);
    size_t width = escape_width(function) < FUNCTION_WIDTH ? FUNCTION_WIDTH : escape_width(function);
    size_t taken = 8 + width + 1 + (symbol->inlined ? 10 : 0);
    char *place = frames_place(view, symbol, frame, taken < LINE_WIDTH - 16 ? LINE_WIDTH - taken : 16);
    int padding = (int)(width - escape_width(function));
    place = terminal_link(view, place, symbol);
    (void)fprintf(view->out, "        %s%*s %s%s\n", function, padding, "", place, symbol->inlined ? " (inlined)" : "");
    free(place);
    free(function);
}

void view_stack_brief(const struct view *view, const struct merged_frame *frames, uint32_t count, uint32_t most) {
    uint32_t shown = view->options.full || count <= most ? count : most;
    for (uint32_t i = 0; i < shown; i++) {
        struct symbol_chain chain = symbols_at(view->symbols, frames[i]);
        struct symbol_frame unknown = {0};
        if (!chain.count) print_symbol(view, &unknown, &frames[i]);
        for (size_t j = 0; j < chain.count; j++) print_symbol(view, &chain.frames[j], &frames[i]);
    }
    if (shown < count) (void)fprintf(view->out, "        ... %u more frames (--full)\n", count - shown);
    if (!count) (void)fputs("        no stack could be taken\n", view->out);
}

void view_stack(const struct view *view, const struct merged_frame *frames, uint32_t count, uint32_t flags) {
    view_stack_brief(view, frames, count, FRAMES_SHOWN);
    if (flags & DUMP_STACK_CUT) (void)fputs("    : outer frames were left out (WEIR_DEPTH)\n", view->out);
    if (flags & DUMP_STACK_LOST)
        (void)fputs("    : outer frames could not be found: no unwind information there\n", view->out);
    if (flags & DUMP_STACK_GUESS)
        (void)fputs("    : some frames were found by frame pointers and may be wrong\n", view->out);
}

static void print_growths(const struct view *view, const struct merged_site *site) {
    size_t shown = view->options.full || site->growth_count <= GROWTHS_SHOWN ? site->growth_count : GROWTHS_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        const struct merged_growth *growth = &site->growths[i];
        (void)fprintf(view->out, "    Grown, %s in %s %s%s, %s ago, at:\n", units_bytes(growth->bytes),
                      units_count(growth->blocks), view->merged->sampled ? "sample" : "block",
                      growth->blocks == 1 ? "" : "s", units_age(growth->newest_age));
        view_stack(view, growth->frames, growth->frame_count, growth->flags);
    }
    if (shown < site->growth_count)
        (void)fprintf(view->out, "    Grown at %zu more places (--full)\n", site->growth_count - shown);
}

/* 4740 (worker, 100 blocks); the word only where it is the first number, no number where there is but one thread. */
static char *maker_text(const struct site_thread *thread, bool first, bool only) {
    char *name = escape_fit(escape_text(dump_thread_name(thread->dump, thread->thread)), 16, false);
    const char *word = dump_is_sampled(thread->dump) ? " sample" : " block";
    char *unit = memory_format("%s%s", first ? word : "", first && thread->blocks != 1 ? "s" : "");
    char *text = NULL;
    if (!only)
        text = memory_format("%u (%s%s%s%s)", thread->thread, name, name[0] ? ", " : "", units_count(thread->blocks),
                             unit);
    else
        text = memory_format("%u%s%s%s", thread->thread, name[0] ? " (" : "", name, name[0] ? ")" : "");
    free(name);
    free(unit);
    return text;
}

/* One item of a list, in the next line where this one is full; returns the column behind it. */
static size_t print_item(const struct view *view, const char *item, bool comma, size_t column) {
    size_t width = escape_width(item) + comma;
    if (column + 1 + width > LINE_WIDTH) {
        (void)fputs("\n       ", view->out);
        column = 7;
    }
    (void)fprintf(view->out, " %s%s", item, comma ? "," : "");
    return column + 1 + width;
}

static void print_threads(const struct view *view, const struct merged_site *site) {
    size_t shown = view->options.full || site->thread_count <= THREADS_SHOWN ? site->thread_count : THREADS_SHOWN;
    if (!site->thread_count) return;
    uint64_t others = site->more_thread_blocks;
    for (size_t i = shown; i < site->thread_count; i++) others += site->threads[i].blocks;
    bool only = site->thread_count == 1 && !others;
    size_t column = (size_t)fprintf(view->out, "    By %s", only ? "thread" : "threads");
    for (size_t i = 0; i < shown; i++) {
        char *maker = maker_text(&site->threads[i], i == 0 && !only, only);
        column = print_item(view, maker, i + 1 < shown, column);
        free(maker);
    }
    if (others) {
        char *rest = memory_format("and others (%s)", units_count(others));
        (void)print_item(view, rest, false, column);
        free(rest);
    }
    (void)fputc('\n', view->out);
}

const char *view_title(const struct merged_site *site) {
    if (site->suppressed) return "SUPPRESSED";
    switch (site->verdict) {
    case DUMP_LEAKED:
        return "LEAK";
    case DUMP_INDIRECT:
        return "LEAK (of what leaked blocks led to)";
    case DUMP_POSSIBLE:
        return "POSSIBLE LEAK";
    case DUMP_IN_USE:
        return "IN USE";
    case DUMP_UNKNOWN:
        break;
    }
    return "NOT FREED";
}

static uint64_t average(const struct merged_site *site) {
    return site->all_blocks.value > 0 ? units_whole(floor(site->all_bytes.value / site->all_blocks.value)) : 0;
}

/* 20 B; 72 B to 1.0 KiB in 5 sizes. The average only where nothing better is known. */
static char *size_text(const struct merged_site *site) {
    const struct sizes *sizes = &site->sizes;
    if (sizes->count == 0 && site->blocks > 1) return memory_format("%s on average", units_bytes(average(site)));
    if (sizes->count < 2) return memory_format("%s", units_bytes(average(site)));
    const char *smallest = units_bytes(sizes->smallest), *largest = units_bytes(sizes->largest);
    if (strcmp(smallest, largest) == 0)
        return memory_format("%s in %s%u sizes", smallest, sizes->more ? "over " : "", sizes->count);
    return memory_format("%s to %s in %s%u sizes", smallest, largest, sizes->more ? "over " : "", sizes->count);
}

static void print_amount(const struct view *view, const struct merged_site *site) {
    const char *oldest = units_age(site->oldest_age), *newest = units_age(site->newest_age);
    bool one_age = strcmp(oldest, newest) == 0;
    char *size = size_text(site);
    char *made = site->oldest_age == UINT64_MAX
                     ? memory_format("age not known")
                     : memory_format("made %s%s%s ago", oldest, one_age ? "" : " to ", one_age ? "" : newest);
    int width = 0;
    if (samples_are_exact(&site->block_samples)) {
        width = fprintf(view->out, "    %s %s of %s,", units_count(site->blocks),
                        site->blocks == 1 ? "block" : "blocks", size);
    } else {
        const struct estimate *bytes = &site->all_bytes, *blocks = &site->all_blocks;
        (void)fprintf(view->out, "    ~%s [%s..%s]", units_bytes(units_whole(bytes->value)),
                      units_bytes(units_whole(bytes->low)), units_bytes(units_whole(bytes->high)));
        (void)fprintf(view->out, " in ~%s blocks [%s..%s],\n", units_count(units_whole(blocks->value)),
                      units_count(units_whole(floor(blocks->low))), units_count(units_whole(ceil(blocks->high))));
        width = fprintf(view->out, "    %s %s of %s,", units_count(site->blocks),
                        site->blocks == 1 ? "sample" : "samples", size);
    }
    (void)fprintf(view->out, "%s%s\n", (size_t)width + 1 + strlen(made) > LINE_WIDTH ? "\n    " : " ", made);
    free(size);
    free(made);
    if (view->options.full)
        (void)fprintf(view->out, "    %s bytes in all%s, the largest block %s\n", units_count(site->bytes),
                      view->merged->sampled ? " samples" : "",
                      site->sizes.count ? units_count(site->sizes.largest) : "?");
}

/* A block that size is rarely one thing. */
#define CHUNK (1u << 20)

static bool has_pools(const struct merged *merged) {
    for (size_t i = 0; i < merged->site_count; i++)
        if (merged->sites[i]->pool) return true;
    return false;
}

static void print_inside(const struct view *view, const struct merged_site *site) {
    if (site->pool)
        (void)fprintf(view->out, "    Given out by a pool of the program's, inside of its blocks\n");
    else if (site->verdict == DUMP_IN_USE && average(site) >= CHUNK && !has_pools(view->merged))
        (void)fprintf(view->out, "    What lies inside is the program's own (weir_pool_alloc tells: libweir(7))\n");
}

static void print_site(const struct view *view, const struct merged_site *site) {
    char *place = NULL, *name = frames_site(view, site, FUNCTION_MOST, &place);
    char *growing = growth_text(site);
    char *a_block = memory_format("%s a block%s%s", units_bytes(average(site)),
                                  site->sizes.count > 1 ? " on average" : "", growing);
    size_t taken = 19 + strlen(a_block) + 4 + escape_width(name);
    bool is_line = *place && place[strlen(place) - 1] != ')'; /* else it says why there is none, from its beginning */
    if (!view->options.full) (void)escape_fit(place, taken < LINE_WIDTH - 12 ? LINE_WIDTH - taken : 12, is_line);
    const char *bold = view->options.colour ? "\033[1;31m" : "", *plain = view->options.colour ? "\033[0m" : "";
    (void)fprintf(view->out, "\n%s#%zu  %s:%s %s %s, %s\n", bold, site->id, view_title(site), plain, name, place,
                  a_block);
    print_amount(view, site);
    print_inside(view, site);
    growth_made_after(view, site);
    if (view->merged->counted > 1)
        (void)fprintf(view->out, "    In %u of %zu processes\n", site->parts, view->merged->counted);
    view_records(view, site);
    (void)fprintf(view->out, "    Created at:\n");
    view_stack(view, site->frames, site->frame_count, site->flags);
    view_discarded(view, site);
    print_growths(view, site);
    print_threads(view, site);
    free(growing);
    free(a_block);
    free(name);
    free(place);
}

/* "#m1  MAPPED:", so that it is not taken for a row of the blocks. */
static void print_mapper(const struct view *view, const struct merged_site *site, size_t number) {
    char *place = NULL, *name = frames_site(view, site, FUNCTION_MOST, &place);
    if (!view->options.full) (void)escape_fit(place, 32, true);
    const char *bold = view->options.colour ? "\033[1m" : "", *plain = view->options.colour ? "\033[0m" : "";
    (void)fprintf(view->out, "\n%s#m%zu  MAPPED:%s %s %s\n", bold, number, plain, name, place);
    (void)fprintf(view->out, "    %s in %s %s, the first %s ago\n    Mapped at:\n", units_bytes(site->mapped),
                  units_count(site->mappings), site->mappings == 1 ? "mapping" : "mappings",
                  units_age(site->mapped_age));
    view_stack(view, site->frames, site->frame_count, site->flags);
    free(name);
    free(place);
}

void view_mapped(const struct view *view) {
    for (size_t i = 0; i < view->merged->live_sites && i < view->options.details; i++)
        print_mapper(view, view->merged->sites[i], i + 1);
}

static void print_refusal(const struct view *view, const struct merged_refusal *from) {
    const struct dump_refusal *refusal = from->refusal;
    uint64_t now = from->dump->process.dump_time;
    (void)fprintf(view->out, "    %s ago  %s of %s, used %s of %s, thread %u",
                  units_age(refusal->time < now ? now - refusal->time : 0), view_operation(refusal->operation),
                  units_bytes(refusal->requested), units_short(refusal->used), units_short(refusal->max),
                  refusal->thread);
    if (view->merged->counted > 1) (void)fprintf(view->out, " of [%u]", from->dump->process.pid);
    (void)fputc('\n', view->out);
    if (from->frame_count) view_stack(view, from->frames, from->frame_count, from->flags);
}

static void print_refusals(const struct view *view) {
    const struct merged *merged = view->merged;
    size_t count = merged->refusal_count;
    uint64_t total = 0, highest = 0;
    if (!count) return;
    size_t shown = view->options.full || count < REFUSALS_SHOWN ? count : REFUSALS_SHOWN;
    if (!merged_stat(merged, STAT_DIRECT_REFUSED, &total, &highest) || total < count) total = count;
    (void)fprintf(view->out, "\nRefused requests, the newest %s of %s:\n", units_count(shown), units_count(total));
    for (size_t i = 0; i < shown; i++) print_refusal(view, &merged->refusals[count - 1 - i]);
}

void view_details(const struct view *view) {
    for (size_t i = 0; i < view->merged->live_sites && i < view->options.details; i++)
        print_site(view, view->merged->sites[i]);
    print_refusals(view);
}
