/* A page to look at with a browser: a flame graph, a table of sites, the memory by time where dumps of several times
 * are given, and what has changed where one is compared with another. One file, that asks nobody for anything: the
 * script and the style are in it (reporter/forms/html/, made into bundle.inc by scripts/bundle-html), and the data, as
 * JSON, compressed (RFC 1951) and in base64 (RFC 4648). data.js says what the data is. */
#include <stdlib.h>
#include <string.h>

#include "reporter/forms/forms.h"
#include "reporter/forms/html/bundle.inc"
#include "reporter/forms/html_rows.h"
#include "reporter/forms/xml.h"
#include "reporter/forms/zip.h"
#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/json_writer.h"
#include "reporter/view/units.h"

#define THREADS_MOST 200 /* that can be chosen */
#define SERIES_MOST  24u /* in the timeline: three a process */

struct page {
    const struct form_input *input;
    const struct merged *merged;
    struct html_rows rows;
    enum profile_value values[PROFILE_VALUES]; /* those that are not 0 everywhere, and the one that is shown first */
    size_t value_count, first;
    const struct site_thread *threads[THREADS_MOST];
    size_t thread_count;
};

static void choose_values(struct page *page) {
    const struct profile *now = page->input->profile, *before = page->input->before;
    for (enum profile_value value = 0; value < PROFILE_VALUES; value++) {
        bool first = value == page->input->list->value;
        if (!first && !now->totals[value] && !(before && before->totals[value])) continue;
        if (first) page->first = page->value_count;
        page->values[page->value_count++] = value;
    }
}

static void put_values(struct json *json, const struct page *page) {
    static const char *const brief[] = {"Live", "Blocks",       "Leaked", "Leaked blocks",
                                        "Ever", "Ever, blocks", "Peak",   "Peak, blocks"};
    json_open(json, "values", '[');
    for (size_t i = 0; i < page->value_count; i++) {
        json_open(json, NULL, '{');
        json_word(json, "title", profile_value_title(page->input->profile, page->values[i]));
        json_word(json, "short", brief[page->values[i]]);
        json_bool(json, "bytes", profile_value_is_bytes(page->values[i]));
        json_close(json, '}');
    }
    json_close(json, ']');
    json_number(json, "first", page->first);
}

static void put_names(struct json *json, const struct html_rows *rows) {
    json_open(json, "names", '[');
    for (size_t i = 0; i < rows->name_count; i++) json_word(json, NULL, rows->names[i]);
    json_close(json, ']');
    json_open(json, "functions", '{');
    json_open(json, "name", '[');
    for (size_t i = 0; i < rows->function_count; i++) json_number(json, NULL, rows->functions[i].name);
    json_close(json, ']');
    json_open(json, "file", '[');
    for (size_t i = 0; i < rows->function_count; i++) json_number(json, NULL, rows->functions[i].file);
    json_close(json, ']');
    json_close(json, '}');
    json_open(json, "lines", '{');
    json_open(json, "function", '[');
    for (size_t i = 0; i < rows->line_count; i++) json_number(json, NULL, rows->lines[i].function);
    json_close(json, ']');
    json_open(json, "line", '[');
    for (size_t i = 0; i < rows->line_count; i++) json_number(json, NULL, rows->lines[i].line);
    json_close(json, ']');
    json_open(json, "inlined", '[');
    for (size_t i = 0; i < rows->line_count; i++) json_number(json, NULL, rows->lines[i].inlined);
    json_close(json, ']');
    json_close(json, '}');
}

static uint32_t shared(const struct html_rows *rows, size_t i) {
    uint32_t same = 0;
    if (!i) return 0;
    const struct html_row *a = &rows->rows[i - 1], *b = &rows->rows[i];
    while (same < a->count && same < b->count && a->lines[same] == b->lines[same]) same++;
    return same;
}

/* Nodes in preorder: what a row has beyond the one before it. */
static void put_tree(struct json *json, const struct html_rows *rows) {
    json_open(json, "line", '[');
    for (size_t i = 0; i < rows->row_count; i++)
        for (uint32_t j = shared(rows, i); j < rows->rows[i].count; j++)
            json_number(json, NULL, rows->rows[i].lines[j]);
    json_close(json, ']');
    json_open(json, "up", '[');
    for (size_t i = 0; i < rows->row_count; i++) {
        uint32_t same = shared(rows, i);
        for (uint32_t j = same; j < rows->rows[i].count; j++)
            json_number(json, NULL, j == same && i ? rows->rows[i - 1].count - same : 0);
    }
    json_close(json, ']');
}

/* Each row's node, by how many nodes behind the last one's. */
static void put_nodes(struct json *json, const struct html_rows *rows) {
    bool first = true;
    json_open(json, "node", '[');
    for (size_t i = 0; i < rows->row_count; i++) {
        uint32_t fresh = rows->rows[i].count - shared(rows, i);
        json_number(json, NULL, fresh - (first && fresh));
        first = first && !fresh;
    }
    json_close(json, ']');
}

static uint32_t verdict_of(const struct html_row *row) {
    const struct merged_site *site = row->now ? row->now->site : NULL;
    return !site || !site->blocks ? 0 : site->suppressed ? 5 : (uint32_t)site->verdict;
}

/* Who made more than half of the row's blocks; one that cannot be chosen: THREADS_MOST. */
static size_t thread_of(struct page *page, const struct html_row *row) {
    const struct merged_site *site = row->now ? row->now->site : NULL;
    if (!site || !site->thread_count || site->threads[0].blocks * 2 <= site->blocks) return THREADS_MOST;
    const struct site_thread *maker = &site->threads[0];
    size_t i = 0;
    while (i < page->thread_count &&
           (page->threads[i]->dump != maker->dump || page->threads[i]->thread != maker->thread))
        i++;
    if (i == page->thread_count && i < THREADS_MOST) page->threads[page->thread_count++] = maker;
    return i;
}

static void put_signed(struct json *json, bool known, uint64_t number) {
    json_ready(json, known ? "" : "-1", known ? 0 : 2);
    if (known) json_number(json, NULL, number);
}

static void put_row_columns(struct json *json, struct page *page) {
    const struct html_rows *rows = &page->rows;
    json_open(json, "verdict", '[');
    for (size_t i = 0; i < rows->row_count; i++) json_number(json, NULL, verdict_of(&rows->rows[i]));
    json_close(json, ']');
    json_open(json, "name", '[');
    for (size_t i = 0; i < rows->row_count; i++) json_number(json, NULL, html_rows_name(rows, &rows->rows[i]));
    json_close(json, ']');
    json_open(json, "thread", '[');
    for (size_t i = 0; i < rows->row_count; i++) {
        size_t thread = thread_of(page, &rows->rows[i]);
        put_signed(json, thread < THREADS_MOST, thread);
    }
    json_close(json, ']');
    json_open(json, "age", '[');
    for (size_t i = 0; i < rows->row_count; i++) {
        const struct merged_site *site = rows->rows[i].now ? rows->rows[i].now->site : NULL;
        bool known = site && site->blocks && site->oldest_age != UINT64_MAX;
        put_signed(json, known, known ? site->oldest_age / 1000000000u : 0);
    }
    json_close(json, ']');
}

/* The ends of what is estimated of live bytes. */
static void put_ranges(struct json *json, const struct html_rows *rows) {
    for (int end = 0; end < 2; end++) {
        json_open(json, end ? "high" : "low", '[');
        for (size_t i = 0; i < rows->row_count; i++) {
            const struct merged_site *site = rows->rows[i].now ? rows->rows[i].now->site : NULL;
            bool known = site && site->blocks && !samples_are_exact(&site->byte_samples);
            put_signed(json, known, known ? units_whole(end ? site->all_bytes.high : site->all_bytes.low) : 0);
        }
        json_close(json, ']');
    }
}

static void put_columns(struct json *json, const struct page *page, const char *name, bool before) {
    json_open(json, name, '[');
    for (size_t i = 0; i < page->value_count && (!before || page->input->before); i++) {
        json_open(json, NULL, '[');
        for (size_t j = 0; j < page->rows.row_count; j++) {
            const struct html_row *row = &page->rows.rows[j];
            uint64_t now = row->now ? row->now->values[page->values[i]] : 0;
            json_number(json, NULL, before ? row->before_values[page->values[i]] : now);
        }
        json_close(json, ']');
    }
    json_close(json, ']');
}

static void put_rows(struct json *json, struct page *page) {
    json_open(json, "rows", '{');
    put_nodes(json, &page->rows);
    put_row_columns(json, page);
    put_ranges(json, &page->rows);
    put_columns(json, page, "values", false);
    put_columns(json, page, "before", true);
    json_close(json, '}');
    json_open(json, "threads", '[');
    for (size_t i = 0; i < page->thread_count; i++) {
        const struct site_thread *thread = page->threads[i];
        char *name = escape_text(dump_thread_name(thread->dump, thread->thread)),
             *text = memory_format("%u %s", thread->thread, name);
        json_word(json, NULL, text);
        free(text);
        free(name);
    }
    json_close(json, ']');
}

/* --- the memory by time --- */

static double time_of(const struct dump *dump) {
    return (double)(dump->process.start_realtime + view_uptime(dump)) / 1e9;
}

static int compare_times(const void *left, const void *right) {
    double a = time_of(((const struct part *)left)->dump), b = time_of(((const struct part *)right)->dump);
    return a < b ? -1 : a > b;
}

static void put_point(struct json *json, const struct dump *dump, uint32_t stat) {
    uint64_t value = 0;
    bool known = dump_stat(dump, stat, &value);
    json_known(json, NULL, known, value);
}

struct series {
    const struct dump *of; /* any dump of the process */
    uint32_t stat;
    const char *what;
};

static size_t choose_series(const struct part *parts, size_t count, struct series *series) {
    static const struct series kinds[] = {
        {NULL, STAT_DIRECT_USED, "charged"}, {NULL, STAT_DIRECT_CAPACITY, "live"}, {NULL, STAT_LEAKED_BYTES, "leaked"}};
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t j = 0; j < i; j++) known = known || dump_same_image(parts[j].dump, parts[i].dump);
        for (size_t j = 0; !known && j < sizeof kinds / sizeof *kinds && n < SERIES_MOST; j++) {
            series[n] = kinds[j];
            series[n++].of = parts[i].dump;
        }
    }
    return n;
}

static void put_series(struct json *json, const struct part *parts, size_t count, const struct series *series,
                       size_t n) {
    json_open(json, "series", '[');
    for (size_t i = 0; i < n; i++) {
        char *name = view_process_name(series[i].of),
             *title = memory_format("%s[%u] %s", name, series[i].of->process.pid, series[i].what);
        json_word(json, NULL, title);
        free(title);
        free(name);
    }
    json_close(json, ']');
    json_open(json, "values", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(json, NULL, '[');
        for (size_t j = 0; j < count; j++) {
            if (dump_same_image(series[i].of, parts[j].dump))
                put_point(json, parts[j].dump, series[i].stat);
            else
                json_word(json, NULL, NULL);
        }
        json_close(json, ']');
    }
    json_close(json, ']');
}

/* All dumps, also those that are older and do not count otherwise. */
static void put_timeline(struct json *json, const struct page *page) {
    size_t count = page->merged->part_count,
           before = page->input->view->base ? page->input->view->base->merged->part_count : 0;
    struct part *parts = memory_get(count + before, sizeof *parts);
    struct series series[SERIES_MOST];
    if (count + before < 2) {
        json_word(json, "timeline", NULL);
        free(parts);
        return;
    }
    memcpy(parts, page->merged->parts, count * sizeof *parts);
    if (before) memcpy(parts + count, page->input->view->base->merged->parts, before * sizeof *parts);
    count += before;
    qsort(parts, count, sizeof *parts, compare_times);
    json_open(json, "timeline", '{');
    json_open(json, "times", '[');
    for (size_t i = 0; i < count; i++) json_seconds(json, NULL, (uint64_t)(time_of(parts[i].dump) * 1e9));
    json_close(json, ']');
    put_series(json, parts, count, series, choose_series(parts, count, series));
    json_close(json, '}');
    free(parts);
}

/* --- the head --- */

static void put_facts(struct json *json, const struct page *page) {
    const struct merged *merged = page->merged;
    const struct dump *dump = view_first(merged)->dump;
    uint64_t used = 0, peak = 0, highest = 0, most = 0;
    json_open(json, "facts", '[');
    char *fact = memory_format("level %s, up %s; %zu %s", view_level(dump->process.level), units_age(view_uptime(dump)),
                               merged->counted, merged->counted == 1 ? "process" : "processes");
    json_word(json, NULL, fact);
    free(fact);
    if (merged_stat(merged, STAT_DIRECT_USED, &used, &highest) && merged_stat(merged, STAT_DIRECT_PEAK, &peak, &most)) {
        fact = memory_format("direct memory used %s, peak %s", units_bytes(used), units_bytes(most));
        json_word(json, NULL, fact);
        free(fact);
    }
    if (merged->sampled) json_word(json, NULL, "~: estimates from samples, scaled to all blocks");
    json_close(json, ']');
    json_open(json, "reasons", '[');
    for (size_t i = 0; i < merged->reason_count; i++) json_word(json, NULL, merged->reasons[i]);
    for (size_t i = 0; i < merged->doubt_count; i++) json_word(json, NULL, merged->doubts[i]);
    const struct view_verdict *verdict = page->input->view->verdict;
    for (size_t i = 0; verdict && i < verdict->reason_count; i++) json_word(json, NULL, verdict->reasons[i]);
    json_close(json, ']');
}

static char *title_of(const struct page *page) {
    const struct dump *dump = view_first(page->merged)->dump;
    const struct view_verdict *verdict = page->input->view->verdict;
    char *name = view_process_name(dump);
    char *title = memory_format("weir: %s[%u]%s%s%s", name, dump->process.pid, verdict ? ": " : "",
                                verdict ? verdict->result : "", page->input->before ? ", what has changed" : "");
    free(name);
    return title;
}

static void put_data(struct json *json, struct page *page, const char *title) {
    json_open(json, NULL, '{');
    json_word(json, "title", title);
    json_bool(json, "sampled", page->merged->sampled);
    json_bool(json, "diff", page->input->before != NULL);
    put_facts(json, page);
    put_values(json, page);
    put_names(json, &page->rows);
    put_tree(json, &page->rows);
    put_rows(json, page);
    put_timeline(json, page);
    json_close(json, '}');
}

struct base64 {
    FILE *out;
    unsigned char rest[3];
    size_t count;
};

static void put_three(struct base64 *to) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)to->rest[0] << 16 | (uint32_t)to->rest[1] << 8 | to->rest[2];
    for (size_t i = 0; i < 4; i++)
        (void)putc_unlocked(i <= to->count ? letters[bits >> (18 - 6 * i) & 63] : '=', to->out);
    memset(to->rest, 0, sizeof to->rest);
    to->count = 0;
}

static void put_base64(void *to, const unsigned char *bytes, size_t length) {
    struct base64 *base64 = to;
    for (size_t i = 0; i < length; i++) {
        base64->rest[base64->count++] = bytes[i];
        if (base64->count == 3) put_three(base64);
    }
}

static void put_compressed(FILE *out, const char *bytes, size_t length) {
    struct base64 base64 = {.out = out};
    struct zip zip;
    zip_begin(&zip, ZIP_RAW, put_base64, &base64);
    zip_write(&zip, bytes, length);
    zip_end(&zip);
    if (base64.count) put_three(&base64);
}

void form_html(const struct form_input *input) {
    struct page page = {.input = input, .merged = input->view->merged};
    FILE *out = input->view->out;
    char *data = NULL;
    size_t length = 0;
    struct json json = {.out = memory_stream(&data, &length)};
    char *title = title_of(&page);
    choose_values(&page);
    html_rows_make(&page.rows, input->profile, input->before);
    put_data(&json, &page, title);
    (void)fclose(json.out);
    (void)fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
                "http-equiv=\"Content-Security-Policy\" "
                "content=\"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'\">\n<meta "
                "name=\"viewport\" content=\"width=device-width\">\n<title>",
                out);
    xml_text(out, title);
    (void)fprintf(out, "</title>\n<!--\n%s-->\n<style>%s</style>\n</head>\n<body>\n%s", html_licences, html_style,
                  html_body);
    (void)fputs("<script type=\"text/plain\" id=\"data\">", out);
    put_compressed(out, data, length);
    (void)fprintf(out, "</script>\n<script>%s</script>\n</body>\n</html>\n", html_script);
    html_rows_free(&page.rows);
    free(title);
    free(data);
}
