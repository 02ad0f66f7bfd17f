/* SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"): a result an issue, with the stack of its worst
 * site, at a line of the source tree, as GitHub's code scanning wants it: each result has a place and a fingerprint.
 * Of what has no line the module stands in its place. What could not be looked at is a notification. */
#include <stdlib.h>
#include <string.h>

#include "reporter/forms/issue.h"
#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/json_writer.h"
#include "reporter/view/units.h"

#define SCHEMA "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

static const struct rule {
    const char *id, *name, *brief, *whole, *level;
} rules[] = {{"weir-leaked", "MemoryLeak", "Memory that nothing leads to any more",
              "When memory was searched no pointer to these blocks was found: they were not freed, and cannot be any "
              "more. Free them where the last pointer to them goes.",
              "error"},
             {"weir-possible", "PossibleMemoryLeak", "Memory that perhaps nothing leads to any more",
              "Only something that may be a pointer by chance, or a pointer just behind a block, leads to these "
              "blocks, or a thread could not be held while memory was searched.",
              "warning"}};

static size_t rule_of(const struct issue *issue) {
    return issue->verdict == DUMP_LEAKED ? 0 : 1;
}

static void put_message(struct json *json, const char *name, const char *text) {
    json_open(json, name, '{');
    json_lines(json, "text", text);
    json_close(json, '}');
}

static void put_rules(struct json *json) {
    json_open(json, "rules", '[');
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        json_open(json, NULL, '{');
        json_word(json, "id", rules[i].id);
        json_word(json, "name", rules[i].name);
        put_message(json, "shortDescription", rules[i].brief);
        put_message(json, "fullDescription", rules[i].whole);
        put_message(json, "help", rules[i].whole);
        json_open(json, "defaultConfiguration", '{');
        json_word(json, "level", rules[i].level);
        json_close(json, '}');
        json_open(json, "properties", '{');
        json_open(json, "tags", '[');
        json_word(json, NULL, "memory");
        json_close(json, ']');
        json_close(json, '}');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_tool(struct json *json) {
    json_open(json, "tool", '{');
    json_open(json, "driver", '{');
    json_word(json, "name", "weir");
    json_word(json, "version", WEIR_VERSION);
    put_rules(json);
    json_close(json, '}');
    json_close(json, '}');
}

static void put_notification(struct json *json, const char *text) {
    char *harmless = escape_string(text);
    json_open(json, NULL, '{');
    json_word(json, "level", "error");
    put_message(json, "message", harmless);
    json_close(json, '}');
    free(harmless);
}

static void put_invocation(struct json *json, const struct form_input *input) {
    const struct view_verdict *verdict = input->view->verdict;
    char *unseen = verdict ? NULL : issues_unseen(input);
    bool inconclusive = unseen || (verdict && strcmp(verdict->result, "inconclusive") == 0);
    json_open(json, "invocations", '[');
    json_open(json, NULL, '{');
    json_bool(json, "executionSuccessful", !inconclusive);
    json_open(json, "toolExecutionNotifications", '[');
    if (unseen) put_notification(json, unseen);
    for (size_t i = 0; verdict && i < verdict->reason_count; i++) put_notification(json, verdict->reasons[i]);
    json_close(json, ']');
    json_close(json, '}');
    json_close(json, ']');
    free(unseen);
}

/* RFC 3986: of a path what is no letter, digit or harmless sign is %NN. */
static char *uri_of(const char *path, bool absolute) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    char *uri = memory_get(strlen(path) * 3 + 8, 1), *to = uri;
    if (absolute) to += sprintf(to, "file://");
    for (; *path; path++) {
        if (strchr(plain, *path))
            *to++ = *path;
        else
            to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*path);
    }
    return uri;
}

static void put_physical(struct json *json, const struct place *place) {
    char *uri = uri_of(place->path, place->path[0] == '/');
    json_open(json, "physicalLocation", '{');
    json_open(json, "artifactLocation", '{');
    json_word(json, "uri", uri);
    if (place->own) json_word(json, "uriBaseId", "SRCROOT");
    json_close(json, '}');
    json_open(json, "region", '{');
    json_number(json, "startLine", place->line);
    json_close(json, '}');
    json_close(json, '}');
    free(uri);
}

static void put_logical(struct json *json, const char *function) {
    json_open(json, "logicalLocations", '[');
    json_open(json, NULL, '{');
    json_word(json, "fullyQualifiedName", function);
    json_word(json, "kind", "function");
    json_close(json, '}');
    json_close(json, ']');
}

static void put_frame(struct json *json, struct places *places, const struct form_input *input,
                      const struct symbol_frame *symbol, const struct merged_frame *frame) {
    const struct merged_module *module = input->view->merged->modules[frame->module];
    struct place place = places_of(places, symbol);
    char *name = symbol->function ? escape_string(symbol->function) : frames_address(input->view, frame);
    json_open(json, NULL, '{');
    json_open(json, "location", '{');
    if (place.path) put_physical(json, &place);
    put_logical(json, name);
    json_close(json, '}');
    if (module->path.length) json_text(json, "module", module->path);
    json_close(json, '}');
    free(name);
}

static void put_stack(struct json *json, struct places *places, const struct form_input *input,
                      const struct merged_site *site) {
    json_open(json, "stacks", '[');
    json_open(json, NULL, '{');
    put_message(json, "message", "Created at");
    json_open(json, "frames", '[');
    for (uint32_t i = 0; i < site->frame_count; i++) {
        struct symbol_chain chain = symbols_at(input->view->symbols, site->frames[i]);
        struct symbol_frame unknown = {0};
        if (!chain.count) put_frame(json, places, input, &unknown, &site->frames[i]);
        for (size_t j = 0; j < chain.count; j++) put_frame(json, places, input, &chain.frames[j], &site->frames[i]);
    }
    json_close(json, ']');
    json_close(json, '}');
    json_close(json, ']');
}

static void put_properties(struct json *json, const struct issue *issue) {
    struct estimate bytes = samples_estimate(&issue->byte_samples), blocks = samples_estimate(&issue->block_samples);
    json_open(json, "properties", '{');
    json_number(json, "bytes", units_whole(bytes.value));
    json_number(json, "blocks", units_whole(blocks.value));
    json_number(json, "sites", issue->sites);
    json_bool(json, "estimated", !samples_are_exact(&issue->block_samples));
    json_close(json, '}');
}

static void put_result(struct json *json, const struct form_input *input, const struct issue *issue) {
    const struct rule *rule = &rules[rule_of(issue)];
    struct place place = issue_place(issue);
    char *stack = issue_stack(input, issue), *text = memory_format("%s.\n%s", issue->message, stack);
    json_open(json, NULL, '{');
    json_word(json, "ruleId", rule->id);
    json_number(json, "ruleIndex", rule_of(issue));
    json_word(json, "level", rule->level);
    put_message(json, "message", text);
    json_open(json, "locations", '[');
    json_open(json, NULL, '{');
    put_physical(json, &place);
    if (issue->identity.function) put_logical(json, issue->identity.function);
    json_close(json, '}');
    json_close(json, ']');
    put_stack(json, input->issues->places, input, issue->site);
    json_open(json, "partialFingerprints", '{');
    json_word(json, "weirSite/v1", issue->fingerprint);
    json_close(json, '}');
    if (issue->suppressed) {
        json_open(json, "suppressions", '[');
        json_open(json, NULL, '{');
        json_word(json, "kind", "external");
        json_close(json, '}');
        json_close(json, ']');
    }
    put_properties(json, issue);
    json_close(json, '}');
    free(text);
    free(stack);
}

static void put_root(struct json *json, const struct form_input *input) {
    char *harmless = escape_string(places_root(input->issues->places)), *path = memory_format("%s/", harmless),
         *uri = uri_of(path, true);
    json_open(json, "originalUriBaseIds", '{');
    json_open(json, "SRCROOT", '{');
    json_word(json, "uri", uri);
    json_close(json, '}');
    json_close(json, '}');
    free(uri);
    free(path);
    free(harmless);
}

void form_sarif(const struct form_input *input) {
    struct json json = {.out = input->view->out};
    struct issue_walk walk = {.suppressed_too = true};
    json_open(&json, NULL, '{');
    json_word(&json, "$schema", SCHEMA);
    json_word(&json, "version", "2.1.0");
    json_open(&json, "runs", '[');
    json_open(&json, NULL, '{');
    put_tool(&json);
    put_invocation(&json, input);
    put_root(&json, input);
    json_word(&json, "columnKind", "utf16CodeUnits");
    json_open(&json, "results", '[');
    for (const struct issue *issue; (issue = issues_next(input, &walk));) put_result(&json, input, issue);
    json_close(&json, ']');
    json_close(&json, '}');
    json_close(&json, ']');
    json_close(&json, '}');
    (void)fputc('\n', input->view->out);
    issues_tell_rest(&walk, "sarif");
}
