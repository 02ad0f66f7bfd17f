/* The report as text: header, table, details. 80 columns, and nothing from the dump that a terminal could obey. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/ends.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/growth.h"
#include "reporter/view/labels.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

#define NAME_WIDTH 24
#define SITE_WIDTH 41
#define SITE_LEAST 19 /* beside ranges and samples */
#define SCREEN     25 /* lines */

static const char *sites_word(size_t count) {
    return count == 1 ? "site" : "sites";
}

/* name[pid] for one process, "4 processes of make" for several. */
static char *title(const struct merged *merged, size_t width) {
    const struct dump *dump = view_first(merged)->dump;
    struct text text = dump_text(dump, dump->process.name);
    char *name = text.length ? escape_text(text) : memory_text("?", 1);
    (void)escape_fit(name, width, false);
    bool same = true;
    for (size_t i = 0; i < merged->part_count; i++) {
        struct text other = dump_text(merged->parts[i].dump, merged->parts[i].dump->process.name);
        same = same && other.length == text.length && memcmp(other.bytes, text.bytes, text.length) == 0;
    }
    char *all = NULL;
    if (merged->counted == 1)
        all = memory_format("%s[%u]", name, dump->process.pid);
    else if (same)
        all = memory_format("%zu processes of %s", merged->counted, name);
    else
        all = memory_format("%zu processes", merged->counted);
    free(name);
    return all;
}

/* "level paranoid", or "levels vary". */
static const char *levels(const struct merged *merged) {
    uint32_t level = view_first(merged)->dump->process.level;
    for (size_t i = 0; i < merged->part_count; i++)
        if (!merged->parts[i].older && merged->parts[i].dump->process.level != level) return "vary";
    return view_level(level);
}

/* " [209..252]", in the unit of what it is of. */
static char *brief_range(const struct estimate *e) {
    uint64_t value = units_whole(e->value);
    return memory_format(" [%s..%s]", units_bytes_as(value, e->low), units_bytes_as(value, e->high));
}

static char *amount_of(const struct merged *merged, const char *what, const struct samples *samples,
                       const struct estimate *estimate, size_t sites) {
    char *range = samples_are_exact(samples) ? memory_text("", 0) : brief_range(estimate);
    char *result =
        memory_format("%s %s%s%s%s at %zu %s", what, merged->reason_count ? "at least " : "", *range ? "~" : "",
                      units_bytes(units_whole(estimate->value)), range, sites, sites_word(sites));
    free(range);
    return result;
}

/* "Nothing" is said only where it could have been seen. */
static char *result_of(const struct merged *merged) {
    bool known = !merged->reason_count;
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct part *part = &merged->parts[i];
        known = known && (part->older || part->dump->process.level != DUMP_DISABLED);
    }
    if (merged->leaked_sites)
        return amount_of(merged, "leaked", &merged->leaked_samples, &merged->leaked, merged->leaked_sites);
    if (merged->possible_sites)
        return amount_of(merged, "maybe leaked", &merged->possible_samples, &merged->possible, merged->possible_sites);
    if (known && merged->judged && merged_all_judged(merged))
        return memory_format("%s%s", merged->sampled ? "no sampled block leaked" : "nothing leaked",
                             merged->suppressed_sites ? " but what is suppressed" : "");
    if (merged->live_sites)
        return amount_of(merged, "not freed", &merged->byte_samples, &merged->all_bytes, merged->live_sites);
    if (known && merged->sampled) return memory_format("every sampled block was freed");
    return memory_format("%s", known ? "every tracked block was freed" : "what was not freed is not known");
}

static void print_title(const struct view *view) {
    const struct merged *merged = view->merged;
    uint64_t up = 0;
    bool least = false; /* of the one that was up longest */
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct dump *dump = merged->parts[i].dump;
        if (merged->parts[i].older || (view_uptime(dump) <= up && i)) continue;
        up = view_uptime(dump);
        least = view_uptime_is_least(dump);
    }
    char *result = result_of(merged);
    char *level = memory_format("  level %s, up %s%s", levels(merged), least ? "at least " : "", units_age(up));
    size_t others = strlen(level) + strlen(result) + 2 + 15; /* a number behind or words before the name */
    char *name = title(merged, others < 80 - 8 ? 80 - others : 8);
    int used = fprintf(view->out, "%s%s", name, level);
    int column = strlen(result) > 37 ? 80 - (int)strlen(result) : 43;
    (void)fprintf(view->out, "%*s%s\n", column - used > 2 ? column - used : 2, "", result);
    free(level);
    free(result);
    free(name);
}

static const char *short_or(bool known, uint64_t value) {
    return known ? units_short(value) : "?";
}

/* Where there are any that are charged, or reserved. */
static void print_mappings(const struct view *view) {
    const struct merged *merged = view->merged;
    uint64_t used = 0, reserved = 0, mapped = 0, highest = 0;
    if (!merged_stat(merged, STAT_ANONYMOUS_USED, &used, &highest) ||
        !merged_stat(merged, STAT_ANONYMOUS_RESERVED, &reserved, &highest) ||
        !merged_stat(merged, STAT_MAPPED_USED, &mapped, &highest) || used + reserved == 0)
        return;
    (void)fprintf(view->out, "own mappings   %s of that", units_short(used));
    (void)fprintf(view->out, "; reserved %s", units_short(reserved));
    (void)fprintf(view->out, ", mapped %s\n", units_short(mapped));
}

static void print_direct(const struct view *view) {
    const struct merged *merged = view->merged;
    uint64_t used = 0, max = 0, peak = 0, refused = 0, cached = 0, highest = 0, most = 0;
    bool has_used = merged_stat(merged, STAT_DIRECT_USED, &used, &highest);
    bool has_refused = merged_stat(merged, STAT_DIRECT_REFUSED, &refused, &highest);
    bool has_cached = merged_stat(merged, STAT_CACHED, &cached, &highest);
    bool has_peak = merged_stat(merged, STAT_DIRECT_PEAK, &peak, &most);
    max = view_first(merged)->dump->process.max_direct;
    (void)fprintf(view->out, "direct memory  used %s", short_or(has_used, used));
    if (merged->counted > 1)
        (void)fprintf(view->out, " in all, highest peak %s", short_or(has_peak, most));
    else if (max)
        (void)fprintf(view->out, " of %s max, peak %s", units_short(max), short_or(has_peak, peak));
    else
        (void)fprintf(view->out, ", no max, peak %s", short_or(has_peak, peak));
    (void)fprintf(view->out, ", refused %s; cached %s\n", has_refused ? units_count(refused) : "?",
                  short_or(has_cached, cached));
    print_mappings(view);
}

/* A dump that was made at the ceiling begins with why. */
static void print_limit(const struct view *view) {
    const struct merged *merged = view->merged;
    uint32_t reason = view_first(merged)->dump->process.reason;
    if (merged->counted != 1 || !merged->refusal_count || (reason != DUMP_AT_LIMIT && reason != DUMP_LEFT)) return;
    const struct merged_refusal *last = &merged->refusals[merged->refusal_count - 1];
    struct merged_site asked = {.frames = last->frames, .frame_count = last->frame_count};
    char *place = NULL, *name = frames_site(view, &asked, NAME_WIDTH, &place);
    (void)fprintf(view->out, "%s %s of %s refused, used %s; asked for by %s\n",
                  reason == DUMP_LEFT ? "refused last:" : "at the ceiling", view_operation(last->refusal->operation),
                  units_bytes(last->refusal->requested), units_short(last->refusal->used), name);
    free(place);
    free(name);
}

static void print_inherited(const struct view *view) {
    const struct merged *merged = view->merged;
    bool one = merged->inherited_blocks == 1;
    if (merged->inherited_unknown)
        (void)fprintf(view->out, "blocks inherited from ");
    else
        (void)fprintf(view->out, "%s %s inherited from ", units_count(merged->inherited_blocks),
                      one ? "block" : "blocks");
    if (merged->forked_from)
        (void)fprintf(view->out, "process %u", merged->forked_from);
    else
        (void)fprintf(view->out, "before a fork");
    (void)fprintf(view->out, " %s not listed (%s)\n", one ? "is" : "are", units_bytes(merged->inherited_bytes));
}

/* Of all that the arena holds, which is known, the part that the samples stand for; not where a fork has left some. */
static void print_explained(const struct view *view) {
    const struct merged *merged = view->merged;
    uint64_t places = 0, sampled = 0, blocks = 0, highest = 0;
    for (size_t i = 0; i < merged->part_count; i++)
        if (!merged->parts[i].older && (merged->parts[i].dump->process.fork_time || merged->parts[i].dump->limited))
            return;
    if (!merged_stat(merged, STAT_PLACES, &places, &highest) || !places ||
        !merged_stat(merged, STAT_SAMPLED_PLACES, &sampled, &highest) ||
        !merged_stat(merged, STAT_DIRECT_COUNT, &blocks, &highest))
        return;
    (void)fprintf(view->out, "sampled stacks explain %.0f %% of %s in %s live %s\n",
                  100.0 * (double)sampled / (double)places, units_short(places), units_count(blocks),
                  blocks == 1 ? "block" : "blocks");
}

/* With probability 95 % there is one sample at least of a site three times as large as what there is a mean of one in.
 */
#define UNSEEN 3
static uint64_t times(uint64_t n, uint64_t by) {
    return n > UINT64_MAX / by ? UINT64_MAX : n * by;
}
static void print_unseen(const struct view *view) {
    const struct merged *merged = view->merged;
    uint64_t bytes = 0, blocks = 0, thinned = 0, lost = 0, sum = 0, highest = 0;
    if (merged_stat(merged, STAT_SAMPLE_BYTES, &sum, &bytes) && merged_stat(merged, STAT_SAMPLE_BLOCKS, &sum, &blocks))
        (void)fprintf(view->out, "may be unseen: sites of fewer than %s blocks and %s\n",
                      units_count(times(blocks, UNSEEN)), units_bytes(times(bytes, UNSEEN)));
    if (merged_stat(merged, STAT_SAMPLE_THINNED, &sum, &thinned) && thinned && thinned < 64)
        (void)fprintf(view->out, "sampled up to %s times less at times (WEIR_SAMPLE_RATE); ranges know of it\n",
                      units_count((uint64_t)1 << thinned));
    if (merged_stat(merged, STAT_SAMPLES_LOST, &lost, &highest) && lost)
        (void)fprintf(view->out, "%s %s no memory; estimates are too low by so many\n", units_count(lost),
                      lost == 1 ? "sample found" : "samples found");
}

static const char *amount(const struct merged *merged, uint32_t blocks_stat, uint32_t bytes_stat, char *text,
                          size_t size) {
    uint64_t blocks = 0, bytes = 0, highest = 0;
    (void)merged_stat(merged, blocks_stat, &blocks, &highest);
    (void)merged_stat(merged, bytes_stat, &bytes, &highest);
    (void)snprintf(text, size, "%s (%s)", units_count(blocks), units_short(bytes));
    return text;
}

/* Of programs that go on: how long they stood still for it, and what makes leaks of what was not reached. */
static void print_search(const struct view *view) {
    uint64_t pause = 0, apart = 0, sum = 0;
    if (!merged_stat(view->merged, STAT_SCAN_PAUSE, &sum, &pause) || !pause) return;
    (void)merged_stat(view->merged, STAT_SCAN_APART, &sum, &apart);
    (void)fprintf(view->out, "searched while it ran, which it stood still for %.1f ms; ", (double)pause / 1e6);
    if (apart)
        (void)fprintf(view->out, "leaked is what was the same %.1f s before\n", (double)apart / 1e9);
    else
        (void)fputs("not twice, so that nothing is called leaked (weir dump --leaks)\n", view->out);
}

/* Why nothing of a core is called leaked. */
static void print_lacks(const struct view *view) {
    for (size_t i = 0; i < view->merged->part_count; i++) {
        char *why = dump_lacks(view->merged->parts[i].dump);
        if (why) (void)fprintf(view->out, "%s: what seems leaked is called maybe\n", why);
        free(why);
        if (why) return;
    }
}

/* Of all live blocks, tracked or not: exact. */
static void print_verdicts(const struct view *view) {
    const struct merged *merged = view->merged;
    char leaked[64], indirect[64], possible[64], reached[64];
    uint64_t sum = 0, most = 0;
    if (!merged->judged) return;
    (void)fprintf(view->out, "of all blocks  leaked %s, by those %s, maybe %s, in use %s\n",
                  amount(merged, STAT_LEAKED_COUNT, STAT_LEAKED_BYTES, leaked, sizeof leaked),
                  amount(merged, STAT_INDIRECT_COUNT, STAT_INDIRECT_BYTES, indirect, sizeof indirect),
                  amount(merged, STAT_POSSIBLE_COUNT, STAT_POSSIBLE_BYTES, possible, sizeof possible),
                  amount(merged, STAT_REACHED_COUNT, STAT_REACHED_BYTES, reached, sizeof reached));
    print_search(view);
    print_lacks(view);
    (void)merged_stat(merged, STAT_SCAN_NOT_HELD, &sum, &most);
    if (most)
        (void)fprintf(view->out, "%s %s could not be held: what seems leaked is called maybe\n", units_count(most),
                      most == 1 ? "thread" : "threads");
}

static void print_coverage(const struct view *view) {
    const struct merged *merged = view->merged;
    size_t with = 0, opened = 0;
    uint64_t untracked = 0, highest = 0;
    symbols_tally(view->symbols, &with, &opened);
    bool some_not = merged_stat(merged, STAT_UNTRACKED_LIVE, &untracked, &highest) && untracked && !merged->sampled;
    if (merged->sampled)
        (void)fprintf(view->out, "sampled %s live %s", units_count(merged->blocks),
                      merged->blocks == 1 ? "block" : "blocks");
    else if (!merged->blocks && some_not)
        (void)fprintf(view->out, "none of %s live blocks tracked", units_count(untracked));
    else
        (void)fprintf(view->out, "%s live %s tracked", units_count(merged->blocks),
                      merged->blocks == 1 ? "block" : "blocks");
    if (merged->blocks && some_not) (void)fprintf(view->out, ", %s not", units_count(untracked));
    if (opened) (void)fprintf(view->out, "; symbols for %zu of %zu modules", with, opened);
    (void)fputc('\n', view->out);
    if (merged->sampled) {
        print_explained(view);
        print_unseen(view);
    }
    if (merged->inherited_bytes) print_inherited(view);
    print_verdicts(view);
}

/* At most three problems on the screen; all with --full. */
static void print_partial(const struct view *view) {
    const struct merged *merged = view->merged;
    size_t shown = view->options.full || merged->reason_count <= 3 ? merged->reason_count : 3;
    for (size_t i = 0; i < shown; i++) {
        char *reason = escape_string(merged->reasons[i]);
        (void)fprintf(view->out, "partial: %s\n", reason);
        free(reason);
    }
    if (shown < merged->reason_count)
        (void)fprintf(view->out, "partial: %zu more problems (--full)\n", merged->reason_count - shown);
    for (size_t i = 0; i < merged->doubt_count; i++) (void)fprintf(view->out, "%s\n", merged->doubts[i]);
}

static void print_part(const struct view *view, const struct part *part) {
    const struct dump *dump = part->dump;
    struct text text = dump_text(dump, dump->process.name);
    char *name = escape_fit(escape_text(text), NAME_WIDTH, false);
    char *path = escape_string(dump->path);
    if (!view->options.full) (void)escape_fit(path, 44, true);
    (void)fprintf(view->out, "  %s[%u] at %s", name, dump->process.pid, view_reason(dump->process.reason));
    if (part->older)
        (void)fprintf(view->out, ", older, not counted");
    else
        (void)fprintf(view->out, ", %s in %s %s", units_bytes(part->bytes), units_count(part->blocks),
                      dump_is_sampled(dump) ? "samples" : "blocks");
    (void)fprintf(view->out, "%s\n    %s\n", dump->problem_count ? ", partial" : "", path);
    free(name);
    free(path);
}

static void print_parts(const struct view *view) {
    const struct merged *merged = view->merged;
    size_t shown = view->options.full || merged->part_count <= 8 ? merged->part_count : 8;
    if (merged->part_count == 1) return;
    (void)fprintf(view->out, "\n%zu dumps, merged by site", merged->part_count);
    if (merged->counted < merged->part_count) (void)fprintf(view->out, "; of one process only the newest counts");
    (void)fprintf(view->out, ":\n");
    for (size_t i = 0; i < shown; i++) print_part(view, &merged->parts[i]);
    if (shown < merged->part_count)
        (void)fprintf(view->out, "  ... and %zu more (--full)\n", merged->part_count - shown);
}

/* Rows of one verdict have a title of their own. */
static const char *column_title(const struct merged_site *site) {
    static const char *const titles[] = {[DUMP_UNKNOWN] = "NOT FREED",
                                         [DUMP_LEAKED] = "LEAKED",
                                         [DUMP_INDIRECT] = "BY THOSE",
                                         [DUMP_POSSIBLE] = "MAYBE",
                                         [DUMP_IN_USE] = "IN USE"};
    return site->suppressed ? "SUPPRESSED" : titles[site->verdict];
}

static void print_titles(const struct view *view, const struct merged_site *site) {
    const char *bold = view->options.colour ? "\033[1m" : "", *plain = view->options.colour ? "\033[0m" : "";
    if (view->merged->sampled)
        (void)fprintf(view->out, "\n%s  #  %9s  %-14s  %10s  %7s  %6s  SITE%s\n", bold, column_title(site), "95% RANGE",
                      "BLOCKS", "SAMPLES", "OLDEST", plain);
    else
        (void)fprintf(view->out, "\n%s  #  %9s  %11s  %7s  SITE%s\n", bold, column_title(site), "BLOCKS", "OLDEST",
                      plain);
}

static void print_exact_row(const struct view *view, const struct merged_site *site, const char *label) {
    (void)fprintf(view->out, "%3zu  %9s  %11s  %7s  %s\n", site->id, units_bytes(site->bytes),
                  units_count(site->blocks), units_age(site->oldest_age), label);
}

static void print_sampled_row(const struct view *view, const struct merged_site *site, const char *label) {
    const struct estimate *e = &site->all_bytes;
    bool exact = samples_are_exact(&site->byte_samples) && samples_are_exact(&site->block_samples);
    uint64_t value = units_whole(e->value);
    char *range = exact ? memory_format("exact")
                        : memory_format("%s .. %s", units_bytes_as(value, e->low), units_bytes_as(value, e->high));
    (void)fprintf(view->out, "%3zu  %9s  %-14s %s%10s  %7s  %6s  %s\n", site->id, units_bytes(value), range,
                  exact ? " " : "~", units_count(units_whole(site->all_blocks.value)), units_count(site->blocks),
                  units_age(site->oldest_age), label);
    free(range);
}

static void print_more(const struct view *view, size_t rows, size_t sites) {
    if (rows < sites)
        (void)fprintf(view->out, "     ... and %zu more %s (--top, --full)\n", sites - rows, sites_word(sites - rows));
}

/* Lines that a row takes: a title of its own where its verdict is another one. */
static size_t lines_of(const struct merged *merged, size_t row) {
    return row == 0 || column_title(merged->sites[row]) != column_title(merged->sites[row - 1]) ? 3 : 1;
}

/* So many rows that no more than `room` lines are printed. One at least. */
static size_t rows_within(const struct merged *merged, size_t rows, size_t room) {
    size_t taken = 0, fit = 0;
    while (fit < rows && taken + lines_of(merged, fit) + (fit + 1 < merged->live_sites) <= room)
        taken += lines_of(merged, fit++);
    return fit ? fit : rows ? 1 : 0;
}

static void print_table(const struct view *view, size_t room) {
    const struct merged *merged = view->merged;
    size_t rows = view->options.rows < merged->live_sites ? view->options.rows : merged->live_sites;
    if (view->options.brief) rows = rows_within(merged, rows, room);
    if (!rows) return;
    char **labels = labels_make(view, rows, merged->sampled ? SITE_LEAST : SITE_WIDTH);
    for (size_t i = 0; i < rows; i++) {
        if (lines_of(merged, i) > 1) print_titles(view, merged->sites[i]);
        (merged->sampled ? print_sampled_row : print_exact_row)(view, merged->sites[i], labels[i]);
        free(labels[i]);
    }
    free(labels);
    print_more(view, rows, merged->live_sites);
}

/* The sites that mapped memory, as if they were all there are. */
static void print_mappers(const struct view *view) {
    struct merged merged = *view->merged;
    struct view mapped = *view;
    size_t rows = view->options.rows < merged.mapper_count ? view->options.rows : merged.mapper_count;
    if (!rows) return;
    mapped.merged = &merged;
    merged.sites = merged.mappers;
    merged.live_sites = merged.mapper_count;
    view_resolve(&mapped, rows);
    (void)fprintf(view->out, "\n%s     %9s  %11s  %7s  SITE%s\n", view->options.colour ? "\033[1m" : "", "MAPPED",
                  "MAPPINGS", "OLDEST", view->options.colour ? "\033[0m" : "");
    char **labels = labels_make(&mapped, rows, SITE_WIDTH);
    for (size_t i = 0; i < rows; i++) {
        const struct merged_site *site = merged.sites[i];
        (void)fprintf(view->out, "m%-2zu  %9s  %11s  %7s  %s\n", i + 1, units_bytes(site->mapped),
                      units_count(site->mappings), units_age(site->mapped_age), labels[i]);
        free(labels[i]);
    }
    free(labels);
    print_more(view, rows, merged.live_sites);
    view_mapped(&mapped);
}

/* In place of the sites. */
static void view_rooms(const struct view *view) {
    if (view->options.memory) view_memory(view);
    if (view->options.arena) view_arena(view);
}

static void print_next(const struct view *view) {
    if (view->options.next) (void)fprintf(view->out, "\nNext: %s\n", view->options.next);
}

/* What is above the table. */
static void print_head(const struct view *view) {
    print_title(view);
    print_direct(view);
    print_limit(view);
    view_left(view);
    print_coverage(view);
    growth_marks(view);
    print_partial(view);
    view_ends(view);
}

/* The same; its lines. */
static size_t count_head(const struct view *view) {
    char *text = NULL;
    size_t length = 0, lines = 0;
    struct view head = *view;
    head.out = memory_stream(&text, &length);
    print_head(&head);
    (void)fclose(head.out);
    for (size_t i = 0; i < length; i++) lines += text[i] == '\n';
    (void)fwrite(text, 1, length, view->out);
    free(text);
    return lines;
}

/* The first screen says whether it is bad, where, and what to do now. */
static void print_sites(const struct view *view, size_t above) {
    size_t room = SCREEN > above + 2 ? SCREEN - above - 2 : 0; /* but for what is next */
    print_table(view, room);
    if (view->options.brief) print_next(view);
    view_threads(view);
    print_parts(view);
    view_details(view);
    view_suppressions(view);
    print_mappers(view);
    if (view->options.full) view_full(view);
    if (!view->options.brief) print_next(view);
}

void view_text(const struct view *view) {
    view_resolve(view, view->options.details > view->options.rows ? view->options.details : view->options.rows);
    size_t above = count_head(view);
    if (view->options.order >= BY_TOTAL || view->options.memory || view->options.arena) {
        print_parts(view);
        if (view->options.order >= BY_TOTAL)
            view_totals(view);
        else
            view_rooms(view);
        print_next(view);
    } else {
        print_sites(view, above);
    }
}
