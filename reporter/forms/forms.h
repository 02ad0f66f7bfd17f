/* The forms of a report and of a gate's verdict: a writer each, which takes what was loaded, merged and sorted and
 * writes one file. What a form is for, and whose format it is, stands at the top of its writer. */
#ifndef WEIR_FORMS_FORMS_H
#define WEIR_FORMS_FORMS_H

#include "reporter/forms/profile.h"
#include "reporter/view/view.h"

struct form_output {
    const struct form *form;
    const char *path; /* NULL: standard output */
};

/* What was asked for. All zero: nothing was. */
struct form_list {
    struct form_output *outputs;
    size_t count, capacity;
    enum profile_value value; /* the one that a form shows first, or alone */
    bool value_given;
    bool gitlab; /* JUnit as GitLab reads it */
};

/* What a writer has. */
struct form_input {
    const struct view *view;       /* where it writes, `options.rows` sites at most */
    const struct profile *profile; /* as the next one: NULL where the form asked for none */
    const struct profile *before;  /* of the view's base; NULL: it has none, or as above */
    struct issues *issues;         /* issue.h */
    const struct form_list *list;
    bool *failed; /* set where something could not be written that is not in the view's stream; that was said */
};

/* An option of a command; false: its value is wrong, and that was said. */
bool forms_add(struct form_list *list, const char *form);       /* FORM[=FILE] */
bool forms_set_value(struct form_list *list, const char *name); /* see profile_value_of */
bool forms_set_junit(struct form_list *list, const char *name); /* jenkins or gitlab */
bool forms_has_stdout(const struct form_list *list);            /* one of them goes to standard output */

/* Whether the files can be written, before there is anything to write: what they had is gone from there on, so that
 * nobody takes the last run's for this one's. False: one cannot be; that was said. */
bool forms_try(const struct form_list *list);

/* Writes all of them. The view's `out` is standard output; its `options.rows` holds where `rows_given`, else each form
 * has its own most. False: one could not be written; that was said. */
bool forms_write(const struct form_list *list, const struct view *view, bool rows_given);
void forms_free(struct form_list *list);

/* Names of all forms, for a message or a help: "text, json, …"; a new string. */
char *forms_names(void);

/* The writers, a file each. */
void form_text(const struct form_input *input);
void form_json(const struct form_input *input);
void form_folded(const struct form_input *input);
void form_callgrind(const struct form_input *input);
void form_pprof(const struct form_input *input);
void form_speedscope(const struct form_input *input);
void form_html(const struct form_input *input);
void form_sarif(const struct form_input *input);
void form_junit(const struct form_input *input);
void form_codequality(const struct form_input *input);
void form_github(const struct form_input *input);
void form_markdown(const struct form_input *input);
void form_valgrind_xml(const struct form_input *input);

#endif
