/* Markdown, as GitHub and GitLab show it (GitHub Flavored Markdown): for a comment on a change, or a job's summary. The
 * verdict, a table of the issues, and the stacks of the first ones, folded. */
#include <stdlib.h>
#include <string.h>

#include "reporter/forms/issue.h"
#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"

#define STACKS 5

/* Nothing in a name is markup, or ends the cell of a table. */
static void put_text(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '<')
            (void)fputs("&lt;", out);
        else if (*text == '>')
            (void)fputs("&gt;", out);
        else if (*text == '&')
            (void)fputs("&amp;", out);
        else if (*text == '@')
            (void)fputs("&#64;", out); /* nobody is told of it */
        else {
            if (strchr("\\`*_{}[]()#+!|~", *text)) (void)fputc('\\', out);
            (void)fputc(*text, out);
        }
    }
}

static char *amount(const struct samples *samples, bool bytes) {
    struct estimate estimate = samples_estimate(samples);
    uint64_t value = units_whole(estimate.value);
    const char *about = samples_are_exact(samples) ? "" : "~";
    return memory_format("%s%s", about, bytes ? units_bytes(value) : units_count(value));
}

static const char *word_of(const struct issue *issue) {
    return issue->verdict == DUMP_LEAKED ? "leaked" : "maybe leaked";
}

static void put_row(FILE *out, const struct issue *issue) {
    char *bytes = amount(&issue->byte_samples, true), *blocks = amount(&issue->block_samples, false),
         *name = issue_name(issue);
    (void)fputs("| ", out);
    put_text(out, bytes);
    (void)fprintf(out, " %s | ", word_of(issue));
    put_text(out, blocks);
    (void)fputs(" | ", out);
    put_text(out, name);
    (void)fputs(" | ", out);
    if (issue->place.path) {
        put_text(out, issue->place.path);
        (void)fprintf(out, ":%u", issue->place.line);
    }
    (void)fputs(" |\n", out);
    free(name);
    free(blocks);
    free(bytes);
}

/* Lines of a stack are indented by four: none ends the block. */
static void put_stack(const struct form_input *input, const struct issue *issue) {
    FILE *out = input->view->out;
    char *stack = issue_stack(input, issue);
    (void)fputs("\n<details><summary>", out);
    put_text(out, issue->message);
    (void)fprintf(out, "</summary>\n\n```\n%s```\n\n</details>\n", stack);
    free(stack);
}

static void put_reason(FILE *out, const char *reason) {
    char *harmless = escape_string(reason);
    (void)fputs("- ", out);
    put_text(out, harmless);
    (void)fputc('\n', out);
    free(harmless);
}

static void put_head(const struct form_input *input, bool leaks) {
    const struct view_verdict *verdict = input->view->verdict;
    const struct dump *dump = view_first(input->view->merged)->dump;
    FILE *out = input->view->out;
    char *name = view_process_name(dump), *unseen = verdict ? NULL : issues_unseen(input);
    (void)fputs("### weir: ", out);
    put_text(out, name);
    (void)fprintf(out, ": %s\n",
                  verdict  ? verdict->result
                  : unseen ? "not all was looked at"
                  : leaks  ? "leaks"
                           : "nothing leaked");
    if (unseen || (verdict && verdict->reason_count)) (void)fputc('\n', out);
    for (size_t i = 0; verdict && i < verdict->reason_count; i++) put_reason(out, verdict->reasons[i]);
    if (unseen) put_reason(out, unseen);
    free(unseen);
    free(name);
}

void form_markdown(const struct form_input *input) {
    FILE *out = input->view->out;
    struct issue_walk first = {0}, walk = {0}, again = {0};
    bool any = issues_next(input, &first) != NULL;
    put_head(input, any);
    if (any) (void)fputs("\n| Bytes | Blocks | Made by | At |\n|---:|---:|---|---|\n", out);
    for (const struct issue *issue; (issue = issues_next(input, &walk));) put_row(out, issue);
    if (walk.left_out) (void)fprintf(out, "\n... and %zu more\n", walk.left_out);
    for (const struct issue *issue; again.listed < STACKS && (issue = issues_next(input, &again));)
        put_stack(input, issue);
}
