/* See issue.h. */
#include "reporter/forms/issue.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/table.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/units.h"

struct entry {
    char *key;
    size_t number;
    UT_hash_handle hh;
};

/* Two runs of FNV-1a (draft-eastlake-fnv), of 64 bits each, from different offsets. */
static void make_fingerprint(struct issue *issue) {
    static const uint64_t offsets[2] = {0xcbf29ce484222325u, 0x84222325cbf29ce4u};
    const char *verdict = view_verdict(issue->verdict);
    for (size_t i = 0; i < 2; i++) {
        uint64_t hash = offsets[i];
        for (const char *at = verdict; *at; at++) hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
        for (const char *at = issue->identity.text; *at; at++) hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
        (void)snprintf(issue->fingerprint + 16 * i, 17, "%016llx", (unsigned long long)hash);
    }
}

struct place issue_place(const struct issue *issue) {
    const char *module = *issue->identity.place ? issue->identity.place : "unknown";
    return issue->place.path ? issue->place : (struct place){module, 1, false};
}

char *issue_name(const struct issue *issue) {
    const char *name = issue->identity.function ? issue->identity.function : issue->identity.text;
    return memory_text(name, strlen(name));
}

static void make_message(struct issue *issue) {
    struct estimate bytes = samples_estimate(&issue->byte_samples), blocks = samples_estimate(&issue->block_samples);
    bool exact = samples_are_exact(&issue->block_samples);
    uint64_t count = units_whole(blocks.value);
    char *name = issue_name(issue), *sites = memory_text("", 0);
    if (issue->sites > 1) {
        free(sites);
        sites = memory_format(" on %zu paths", issue->sites);
    }
    issue->message =
        memory_format("%s %s%s in %s%s %s, made by %s%s", issue->verdict == DUMP_LEAKED ? "leaked" : "maybe leaked",
                      exact ? "" : "~", units_bytes(units_whole(bytes.value)), exact ? "" : "~", units_count(count),
                      count == 1 ? "block" : "blocks", name, sites);
    free(sites);
    free(name);
}

static struct issue *issue_of(struct issues *issues, struct entry **table, const struct merged_site *site) {
    enum dump_verdict verdict = site->verdict == DUMP_POSSIBLE ? DUMP_POSSIBLE : DUMP_LEAKED;
    struct identity identity = identity_of(issues->view->symbols, issues->view->merged, site);
    char *key = memory_format("%d%d%s", verdict, site->suppressed, identity.text);
    struct entry *entry = NULL;
    HASH_FIND_STR(*table, key, entry);
    if (entry) {
        free(key);
        identity_free(&identity);
        return &issues->list[entry->number];
    }
    entry = memory_get(1, sizeof *entry);
    entry->key = key;
    entry->number = issues->count;
    HASH_ADD_KEYPTR(hh, *table, entry->key, strlen(entry->key), entry);
    issues->list = memory_more(issues->list, &issues->capacity, issues->count + 1, sizeof *issues->list);
    struct issue *issue = &issues->list[issues->count++];
    *issue = (struct issue){.identity = identity, .site = site, .verdict = verdict, .suppressed = site->suppressed};
    return issue;
}

static bool is_issue(const struct merged_site *site) {
    return site->blocks &&
           (site->verdict == DUMP_LEAKED || site->verdict == DUMP_INDIRECT || site->verdict == DUMP_POSSIBLE);
}

struct issues *issues_new(const struct view *view) {
    struct issues *issues = memory_get(1, sizeof *issues);
    struct entry *table = NULL, *next = NULL;
    *issues = (struct issues){.view = view, .places = places_new()};
    view_resolve(view, VIEW_ALL);
    for (size_t i = 0; i < view->merged->site_count; i++) {
        const struct merged_site *site = view->merged->sites[i];
        if (!is_issue(site)) continue;
        struct issue *issue = issue_of(issues, &table, site);
        issue->sites++;
        samples_join(&issue->byte_samples, &site->byte_samples);
        samples_join(&issue->block_samples, &site->block_samples);
    }
    struct entry *entry = table;
    HASH_CLEAR(hh, table);
    for (; entry; entry = next) {
        next = entry->hh.next;
        free(entry->key);
        free(entry);
    }
    return issues;
}

const struct issue *issues_next(const struct form_input *input, struct issue_walk *walk) {
    struct issues *issues = input->issues;
    while (walk->at < issues->count) {
        struct issue *issue = &issues->list[walk->at++];
        if (issue->suppressed && !walk->suppressed_too) continue;
        if (walk->listed == input->view->options.rows) {
            walk->left_out++;
            continue;
        }
        if (!issue->message) {
            issue->place = places_of_site(issues->places, issues->view, issue->site);
            make_message(issue);
            make_fingerprint(issue);
        }
        walk->listed++;
        return issue;
    }
    return NULL;
}

void issues_free(struct issues *issues) {
    if (!issues) return;
    for (size_t i = 0; i < issues->count; i++) {
        identity_free(&issues->list[i].identity);
        free(issues->list[i].message);
    }
    free(issues->list);
    places_free(issues->places);
    free(issues);
}

static char *frame_line(const struct form_input *input, const struct symbol_frame *symbol,
                        const struct merged_frame *frame, size_t number) {
    struct place place = places_of(input->issues->places, symbol);
    char *name = symbol->function ? escape_string(symbol->brief ? symbol->brief : symbol->function)
                                  : frames_address(input->view, frame);
    char *line = place.path ? memory_format("    #%zu %s (%s:%u)\n", number, name, place.path, place.line)
                            : memory_format("    #%zu %s\n", number, name);
    free(name);
    return line;
}

char *issue_stack(const struct form_input *input, const struct issue *issue) {
    char *text = NULL;
    size_t length = 0, number = 0;
    FILE *stream = memory_stream(&text, &length);
    for (uint32_t i = 0; i < issue->site->frame_count; i++) {
        const struct merged_frame *frame = &issue->site->frames[i];
        struct symbol_chain chain = symbols_at(input->view->symbols, *frame);
        struct symbol_frame unknown = {0};
        for (size_t j = 0; j < chain.count || j == 0; j++) {
            char *line = frame_line(input, chain.count ? &chain.frames[j] : &unknown, frame, number++);
            (void)fputs(line, stream);
            free(line);
        }
    }
    if (!issue->site->frame_count) (void)fputs("    no stack could be taken\n", stream);
    if (issue->site->flags & DUMP_STACK_CUT) (void)fputs("    outer frames were left out (WEIR_DEPTH)\n", stream);
    if (issue->site->flags & DUMP_STACK_LOST) (void)fputs("    outer frames could not be found\n", stream);
    (void)fclose(stream);
    return text;
}

char *issues_unseen(const struct form_input *input) {
    const struct merged *merged = input->view->merged;
    if (merged->reason_count) return escape_string(merged->reasons[0]);
    if (!merged->part_count) return memory_format("there is no dump");
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct part *part = &merged->parts[i];
        if (part->older || (dump_is_judged(part->dump) && part->dump->process.level != DUMP_DISABLED)) continue;
        char *path = escape_string(part->dump->path),
             *why = memory_format("%s: %s", path,
                                  dump_is_judged(part->dump) ? "made at level disabled: there are no sites"
                                                             : "memory was not searched for leaks (WEIR_LEAKS=exit)");
        free(path);
        return why;
    }
    return NULL;
}

void issues_tell_rest(const struct issue_walk *walk, const char *form) {
    if (walk->left_out)
        view_message("%s: the first %zu; %zu more are left out (--top)", form, walk->listed, walk->left_out);
}
