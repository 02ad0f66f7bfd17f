/* See growth.h. */
#include "reporter/view/growth.h"

#include <math.h>
#include <stdlib.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"

#define MARK_WIDTH  24
#define MARKS_SHOWN 4
#define PARTS_SHOWN 4

char *growth_text(const struct merged_site *site) {
    struct estimate rate;
    if (!ages_growing(&site->ages, &rate)) return memory_text("", 0);
    return memory_format(", growing %s%s/min", samples_are_exact(&site->byte_samples) ? "" : "~",
                         units_bytes(units_whole(rate.value)));
}

static void put_site_marks(struct json *json, const struct merged_site *site) {
    json_open(json, "made_after", '[');
    for (size_t i = 0; i < site->mark_count; i++) {
        json_open(json, NULL, '{');
        json_text(json, "mark", site->marks[i].name);
        json_number(json, "blocks", site->marks[i].blocks);
        json_close(json, '}');
    }
    json_close(json, ']');
}

void growth_json(struct json *json, const struct merged_site *site) {
    struct estimate rate;
    if (ages_growing(&site->ages, &rate)) {
        json_open(json, "growing", '{');
        json_number(json, "bytes_a_minute", units_whole(rate.value));
        json_number(json, "low", units_whole(floor(rate.low)));
        json_number(json, "high", units_whole(ceil(rate.high)));
        json_close(json, '}');
    } else {
        json_word(json, "growing", NULL);
    }
    growth_ages_json(json, &site->ages);
    put_site_marks(json, site);
}

void growth_ages_json(struct json *json, const struct ages *ages) {
    json_open(json, "ages", '[');
    for (size_t i = 0; i < DUMP_LIFETIMES; i++) json_number(json, NULL, units_whole(ages->bytes[i]));
    json_close(json, ']');
}

void growth_lifetimes(const struct view *view, const char *word, const double *rows) {
    static const char *const limits[DUMP_LIFETIMES] = {"1 ms", "4 ms", "17 ms",  "67 ms", "0.3 s",  "1 s",
                                                       "4 s",  "17 s", "69 s",   "5 min", "18 min", "73 min",
                                                       "5 h",  "20 h", "3 days", NULL};
    double sum = 0;
    unsigned shown = 0;
    for (size_t i = 0; i < DUMP_LIFETIMES; i++) sum += rows[i];
    if (!(sum > 0)) return;
    (void)fprintf(view->out, "    %s", word);
    for (size_t i = 0; i < DUMP_LIFETIMES; i++) {
        double share = 100 * rows[i] / sum;
        if (share < 1) continue;
        if (shown == 5) (void)fputs("\n        ", view->out);
        (void)fprintf(view->out, "%s %.0f %% %s %s", shown++ ? "," : "", share, limits[i] ? "under" : "over",
                      limits[i] ? limits[i] : limits[i - 1]);
    }
    (void)fputc('\n', view->out);
}

static void print_mark(const struct view *view, const struct dump *dump, const struct dump_mark *mark) {
    char *name = escape_text(dump_text(dump, mark->name));
    if (!view->options.full) (void)escape_fit(name, MARK_WIDTH, false);
    (void)fprintf(view->out, "#%u %s %s ago", mark->number, name, units_age(dump_age(dump, mark->time)));
    free(name);
}

/* The latest ones; two lines of them fit. */
static void print_marks(const struct view *view, const struct dump *dump) {
    uint64_t count = dump_count(dump, DUMP_MARKS), first = 0;
    if (!view->options.full && count > MARKS_SHOWN) first = count - MARKS_SHOWN;
    for (uint64_t i = first; i < count; i++) {
        (void)fputs(i == first ? "marks          " : i % 2 == first % 2 ? ",\n               " : ", ", view->out);
        print_mark(view, dump, &dump_marks(dump)[i]);
    }
    if (first) (void)fprintf(view->out, "; and %llu before (--full)", (unsigned long long)first);
    if (view->merged->counted > 1 && count) (void)fprintf(view->out, " in [%u]", dump->process.pid);
    if (count) (void)fputc('\n', view->out);
    if (!dump->mark) return;
    (void)fputs("only what was made since ", view->out);
    print_mark(view, dump, dump->mark);
    (void)fputc('\n', view->out);
}

void growth_marks(const struct view *view) {
    const struct merged *merged = view->merged;
    size_t shown = 0;
    for (size_t i = 0; i < merged->part_count && (shown < PARTS_SHOWN || view->options.full); i++) {
        const struct part *part = &merged->parts[i];
        if (part->older || !dump_count(part->dump, DUMP_MARKS)) continue;
        print_marks(view, part->dump);
        shown++;
    }
}

#define NAMES_SHOWN 5

void growth_made_after(const struct view *view, const struct merged_site *site) {
    uint64_t others = site->more_mark_blocks;
    for (size_t i = 0; i < site->mark_count; i++) {
        const struct site_mark *mark = &site->marks[i];
        if (i >= NAMES_SHOWN && !view->options.full) {
            others += mark->blocks;
            continue;
        }
        char *name = escape_text(mark->name);
        if (!view->options.full) (void)escape_fit(name, MARK_WIDTH, false);
        (void)fprintf(view->out, "%s%s (%s)", i ? ", " : "    Made after ", name, units_count(mark->blocks));
        free(name);
    }
    if (site->mark_count && others) (void)fprintf(view->out, ", and after others (%s)", units_count(others));
    if (site->mark_count) (void)fputc('\n', view->out);
}

static void put_mark(struct json *json, const struct dump *dump, const struct dump_mark *mark) {
    json_open(json, NULL, '{');
    json_number(json, "pid", dump->process.pid);
    json_number(json, "number", mark->number);
    json_text(json, "name", dump_text(dump, mark->name));
    json_seconds(json, "age_seconds", dump_age(dump, mark->time));
    json_close(json, '}');
}

void growth_marks_json(struct json *json, const struct merged *merged) {
    json_open(json, "marks", '[');
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct part *part = &merged->parts[i];
        for (uint64_t j = 0; !part->older && j < dump_count(part->dump, DUMP_MARKS); j++)
            put_mark(json, part->dump, &dump_marks(part->dump)[j]);
    }
    json_close(json, ']');
    json_open(json, "since", '[');
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct part *part = &merged->parts[i];
        if (!part->older && part->dump->mark) put_mark(json, part->dump, part->dump->mark);
    }
    json_close(json, ']');
}
