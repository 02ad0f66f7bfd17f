/* GitLab's code quality report ("Code Quality", "Code Quality report format"): an array of issues, each at a line of
 * the repository and with a fingerprint by which GitLab tells new ones from old ones. Of what has no line the module
 * stands in its place. */
#include "reporter/forms/issue.h"
#include "reporter/view/json_writer.h"

static void put_issue(struct json *json, const struct issue *issue) {
    struct place place = issue_place(issue);
    bool leaked = issue->verdict == DUMP_LEAKED;
    json_open(json, NULL, '{');
    json_word(json, "type", "issue");
    json_word(json, "check_name", leaked ? "weir/leaked" : "weir/possible");
    json_word(json, "description", issue->message);
    json_word(json, "fingerprint", issue->fingerprint);
    json_word(json, "severity", leaked ? "major" : "minor");
    json_open(json, "location", '{');
    json_word(json, "path", place.path);
    json_open(json, "lines", '{');
    json_number(json, "begin", place.line);
    json_close(json, '}');
    json_close(json, '}');
    json_close(json, '}');
}

void form_codequality(const struct form_input *input) {
    struct json json = {.out = input->view->out};
    struct issue_walk walk = {0};
    json_open(&json, NULL, '[');
    for (const struct issue *issue; (issue = issues_next(input, &walk));) put_issue(&json, issue);
    json_close(&json, ']');
    (void)fputc('\n', input->view->out);
    issues_tell_rest(&walk, "codequality");
}
