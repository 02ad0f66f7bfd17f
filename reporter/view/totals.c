/* What was made at each site, ever: bytes and blocks, how many lived for a moment only, how much was live at the peak.
 */
#include <stdlib.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/growth.h"
#include "reporter/view/labels.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

#define SITE_WIDTH 24

static double key_of(const struct merged_site *site, enum merged_order order) {
    if (order == BY_PEAK) return site->ever.peak_bytes;
    if (order == BY_TEMPORARY) return site->ever.temporary;
    return order == BY_RATE ? site->ever.allocations : site->ever.bytes;
}

static int compare(const void *left, const void *right, void *order) {
    const struct merged_site *a = *(struct merged_site *const *)left, *b = *(struct merged_site *const *)right;
    double of_a = key_of(a, *(enum merged_order *)order), of_b = key_of(b, *(enum merged_order *)order);
    if (of_a != of_b) return of_a < of_b ? 1 : -1;
    return a->id < b->id ? -1 : a->id > b->id;
}

struct merged_site **view_ever(const struct view *view, size_t *count) {
    const struct merged *merged = view->merged;
    struct merged_site **sites = memory_get(merged->site_count, sizeof(void *));
    enum merged_order order = view->options.order;
    *count = 0;
    for (size_t i = 0; i < merged->site_count; i++)
        if (merged->sites[i]->ever.samples) sites[(*count)++] = merged->sites[i];
    if (*count) qsort_r(sites, *count, sizeof(void *), compare, &order);
    return sites;
}

static double percent(double part, double of) {
    return of > 0 && part > 0 ? 100 * part / of : 0;
}

/* Seconds from start to dump, of the process that ran longest. */
static double seconds(const struct merged *merged) {
    uint64_t longest = 0;
    for (size_t i = 0; i < merged->part_count; i++) {
        uint64_t up = view_uptime(merged->parts[i].dump);
        if (!merged->parts[i].older && up > longest) longest = up;
    }
    return longest ? (double)longest / 1e9 : 1;
}

static void print_row(const struct view *view, const char *number, const struct merged_totals *ever,
                      const char *label) {
    bool rate = view->options.order == BY_RATE;
    double allocations = rate ? ever->allocations / seconds(view->merged) : ever->allocations;
    (void)fprintf(view->out, "%3s  %8s  %11s  %4.0f %%  %8s  %8s  %s\n", number, units_bytes(units_whole(ever->bytes)),
                  units_count(units_whole(allocations)), percent(ever->temporary, ever->frees),
                  units_bytes(units_whole(ever->peak_bytes)), units_bytes(units_whole(ever->bytes - ever->freed_bytes)),
                  label);
}

/* How long those lived that were given back. */
static void print_lifetimes(const struct view *view, const struct merged_totals *ever) {
    double rows[DUMP_LIFETIMES];
    for (size_t i = 0; i < DUMP_LIFETIMES; i++) rows[i] = (double)ever->lifetimes[i];
    growth_lifetimes(view, "Lived", rows);
}

static void print_site(const struct view *view, const struct merged_site *site, size_t number) {
    const struct merged_totals *ever = &site->ever;
    char *place = NULL, *name = frames_site(view, site, SITE_WIDTH, &place);
    (void)fprintf(view->out, "\n#%zu  %s %s\n", number, name, place);
    uint64_t blocks = units_whole(ever->allocations);
    (void)fprintf(view->out, "    %s in %s %s", units_bytes(units_whole(ever->bytes)), units_count(blocks),
                  blocks == 1 ? "block" : "blocks");
    if (view->merged->sampled) (void)fprintf(view->out, " (%s samples)", units_count(ever->samples));
    (void)fprintf(view->out, ", %.1f %% given back, %s live at the peak\n", percent(ever->frees, ever->allocations),
                  units_count(units_whole(ever->peak_blocks)));
    print_lifetimes(view, ever);
    (void)fputs("    Created at:\n", view->out);
    view_stack(view, site->frames, site->frame_count, site->flags);
    free(name);
    free(place);
}

void view_totals(const struct view *view) {
    struct merged merged = *view->merged;
    struct view listed = *view;
    merged.sites = view_ever(view, &merged.live_sites);
    listed.merged = &merged;
    size_t rows = view->options.rows < merged.live_sites ? view->options.rows : merged.live_sites;
    const char *bold = view->options.colour ? "\033[1m" : "", *plain = view->options.colour ? "\033[0m" : "";
    if (!rows) (void)fputs("\nnothing was counted that was ever made\n", view->out);
    if (rows)
        (void)fprintf(view->out, "\n%s  #  %8s  %11s  %6s  %8s  %8s  SITE%s\n", bold, "EVER",
                      view->options.order == BY_RATE ? "A SECOND" : "ALLOCATIONS", "TEMP", "AT PEAK", "LIVE", plain);
    view_resolve(&listed, rows > view->options.details ? rows : view->options.details);
    char **labels = labels_make(&listed, rows, SITE_WIDTH);
    for (size_t i = 0; i < rows; i++) {
        char *number = memory_format("%zu", i + 1);
        print_row(view, number, &merged.sites[i]->ever, labels[i]);
        free(number);
        free(labels[i]);
    }
    free(labels);
    if (rows < merged.live_sites)
        (void)fprintf(view->out, "     ... and %zu more sites (--top, --full)\n", merged.live_sites - rows);
    if (merged.others.samples) print_row(view, "", &merged.others, "(others, each little)");
    for (size_t i = 0; i < merged.live_sites && i < view->options.details; i++)
        print_site(&listed, merged.sites[i], i + 1);
    free(merged.sites);
}
