/* JUnit's XML, as Jenkins reads it (its schema jenkins-junit.xsd; Azure, CircleCI and others are content with it) or as
 * GitLab does ("Unit test reports": it shows the text of a failure, and a test case's file). A suite of which each
 * issue is a failed test case, named by its identity; what may be leaked, and what is suppressed, is skipped. A case of
 * its own says whether all could be looked at, so that there is one where nothing leaks, too. */
#include <stdlib.h>
#include <string.h>

#include "reporter/forms/issue.h"
#include "reporter/forms/xml.h"
#include "reporter/load/memory.h"

struct counts {
    size_t tests, failures, errors, skipped;
};

static bool is_failure(const struct issue *issue) {
    return issue->verdict == DUMP_LEAKED && !issue->suppressed;
}

static struct counts count(const struct form_input *input, const char *unseen) {
    const struct view_verdict *verdict = input->view->verdict;
    struct issue_walk walk = {.suppressed_too = true};
    struct counts counts = {.tests = 1};
    for (const struct issue *issue; (issue = issues_next(input, &walk)); counts.tests++) {
        if (is_failure(issue))
            counts.failures++;
        else
            counts.skipped++;
    }
    counts.errors = unseen != NULL;
    counts.failures += !unseen && verdict && strcmp(verdict->result, "failed") == 0;
    return counts;
}

static void put_counts(FILE *out, const struct counts *counts) {
    (void)fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\"", counts->tests, counts->failures,
                  counts->errors);
}

/* <failure>, <error> or <skipped>. */
static void put_result(FILE *out, const char *element, const char *type, const char *message, const char *text) {
    (void)fprintf(out, "\n      <%s", element);
    if (type) xml_attribute(out, "type", type);
    xml_attribute(out, "message", message);
    (void)fputc('>', out);
    xml_text(out, message);
    xml_text(out, "\n");
    xml_text(out, text);
    (void)fprintf(out, "</%s>\n    </testcase>\n", element);
}

static void put_case(const struct form_input *input, const char *suite, const char *name, const char *file) {
    FILE *out = input->view->out;
    (void)fputs("    <testcase", out);
    xml_attribute(out, "classname", suite);
    xml_attribute(out, "name", name);
    if (input->list->gitlab && file) xml_attribute(out, "file", file);
    (void)fputs(" time=\"0\">", out);
}

static void put_issue(const struct form_input *input, const struct issue *issue, const char *suite) {
    FILE *out = input->view->out;
    char *stack = issue_stack(input, issue);
    put_case(input, suite, issue->identity.text, issue->place.own ? issue->place.path : NULL);
    if (is_failure(issue)) {
        put_result(out, "failure", "leaked", issue->message, stack);
    } else {
        char *why = memory_format("%s%s", issue->suppressed ? "suppressed: " : "", issue->message);
        put_result(out, "skipped", NULL, why, stack);
        free(why);
    }
    free(stack);
}

/* The case that is always there. */
static void put_whole(const struct form_input *input, const char *unseen, const char *suite) {
    const struct view_verdict *verdict = input->view->verdict;
    FILE *out = input->view->out;
    put_case(input, suite, "all was looked at, and is within the limits", NULL);
    bool failed = verdict && strcmp(verdict->result, "failed") == 0;
    if (unseen)
        put_result(out, "error", "inconclusive", unseen, "");
    else if (failed)
        put_result(out, "failure", "failed", verdict->reason_count ? verdict->reasons[0] : "failed", "");
    else
        (void)fputs("</testcase>\n", out);
}

static char *why_unseen(const struct form_input *input) {
    const struct view_verdict *verdict = input->view->verdict;
    if (!verdict) return issues_unseen(input);
    if (strcmp(verdict->result, "inconclusive") != 0) return NULL;
    return memory_format("%s", verdict->reason_count ? verdict->reasons[0] : "inconclusive");
}

void form_junit(const struct form_input *input) {
    FILE *out = input->view->out;
    struct issue_walk walk = {.suppressed_too = true};
    char *program = view_process_name(view_first(input->view->merged)->dump), *unseen = why_unseen(input),
         *suite = memory_format("weir.%s", program);
    struct counts counts = count(input, unseen);
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites", out);
    put_counts(out, &counts);
    (void)fputs(">\n  <testsuite", out);
    xml_attribute(out, "name", suite);
    put_counts(out, &counts);
    (void)fprintf(out, " skipped=\"%zu\" time=\"0\">\n", counts.skipped);
    put_whole(input, unseen, suite);
    for (const struct issue *issue; (issue = issues_next(input, &walk));) put_issue(input, issue, suite);
    (void)fputs("  </testsuite>\n</testsuites>\n", out);
    issues_tell_rest(&walk, "junit");
    free(suite);
    free(unseen);
    free(program);
}
