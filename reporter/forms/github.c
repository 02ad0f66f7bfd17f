/* GitHub Actions' workflow commands ("Workflow commands for GitHub Actions"): annotations in a change, by lines in the
 * log. GitHub shows 10 errors and 10 warnings a step; so many are written, the worst first. Where $GITHUB_STEP_SUMMARY
 * names a file the report as Markdown is appended to it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/forms/issue.h"
#include "reporter/load/memory.h"
#include "reporter/view/escape.h"

#define MOST    10
#define SUMMARY 20 /* rows */

/* A percent sign and line ends are the form's own; in properties also what separates them. */
static void put_text(FILE *out, const char *text, bool property) {
    for (; *text; text++) {
        bool special = strchr("%\r\n", *text) || (property && strchr(":,", *text));
        if (special)
            (void)fprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
        else
            (void)fputc(*text, out);
    }
}

static void put_issue(const struct form_input *input, const struct issue *issue) {
    FILE *out = input->view->out;
    char *stack = issue_stack(input, issue), *name = issue_name(issue);
    (void)fprintf(out, "::%s ", issue->verdict == DUMP_LEAKED ? "error" : "warning");
    if (issue->place.own) {
        (void)fputs("file=", out);
        put_text(out, issue->place.path, true);
        (void)fprintf(out, ",line=%u,", issue->place.line);
    }
    (void)fputs("title=", out);
    put_text(out, issue->verdict == DUMP_LEAKED ? "Leak: " : "Possible leak: ", true);
    put_text(out, name, true);
    (void)fputs("::", out);
    put_text(out, issue->message, false);
    put_text(out, "\n", false);
    stack[strlen(stack) - 1] = 0; /* a line end */
    put_text(out, stack, false);
    (void)fputc('\n', out);
    free(name);
    free(stack);
}

/* What a gate says that is of no site. */
static void put_reason(FILE *out, const char *title, const char *reason) {
    char *harmless = escape_string(reason);
    (void)fputs("::error title=", out);
    put_text(out, title, true);
    (void)fputs("::", out);
    put_text(out, harmless, false);
    (void)fputc('\n', out);
    free(harmless);
}

static void put_unseen(const struct form_input *input) {
    const struct view_verdict *verdict = input->view->verdict;
    char *unseen = verdict ? NULL : issues_unseen(input);
    if (unseen) put_reason(input->view->out, "weir", unseen);
    for (size_t i = 0; verdict && i < verdict->reason_count && i < MOST; i++)
        put_reason(input->view->out, strcmp(verdict->result, "failed") == 0 ? "weir gate" : "weir gate: inconclusive",
                   verdict->reasons[i]);
    free(unseen);
}

static void put_summary(const struct form_input *input) {
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    if (!path || !*path) return;
    FILE *out = fopen(path, "ae");
    struct view view = *input->view;
    struct form_input summary = *input;
    view.out = out;
    if (view.options.rows > SUMMARY) view.options.rows = SUMMARY;
    summary.view = &view;
    errno = 0;
    if (out) form_markdown(&summary);
    bool fine = out && !ferror(out);
    fine = out && fclose(out) == 0 && fine;
    if (fine) return;
    view_message("%s: cannot be written: %s (GITHUB_STEP_SUMMARY)", path, strerror(errno ? errno : EIO));
    *input->failed = true;
}

void form_github(const struct form_input *input) {
    struct issue_walk walk = {0};
    size_t shown[2] = {0, 0}, left = 0;
    put_unseen(input);
    for (const struct issue *issue; (issue = issues_next(input, &walk));) {
        if (shown[issue->verdict == DUMP_LEAKED]++ < MOST)
            put_issue(input, issue);
        else
            left++;
    }
    left += walk.left_out;
    if (left) (void)fprintf(input->view->out, "::notice title=weir::%zu more are not shown here\n", left);
    put_summary(input);
}
