/* Which forms there are, and writing several; see forms.h. */
#include "reporter/forms/forms.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/forms/issue.h"
#include "reporter/load/memory.h"
#include "reporter/load/progress.h"

#define BUFFER (1u << 20) /* bytes, of a file that is written */
#define FILED  5000       /* issues: so many of a file GitHub shows; nobody reads more */

struct form {
    const char *name;
    void (*write)(const struct form_input *input);
    enum { NOTHING, PROFILE, ISSUES } needs;
    size_t most; /* sites or issues, where nobody says how many; 0: as the view has it */
};

static const struct form forms[] = {
    {"text", form_text, NOTHING, 0},
    {"json", form_json, NOTHING, VIEW_ALL},
    {"folded", form_folded, PROFILE, VIEW_ALL},
    {"callgrind", form_callgrind, PROFILE, VIEW_ALL},
    {"pprof", form_pprof, PROFILE, VIEW_ALL},
    {"speedscope", form_speedscope, PROFILE, VIEW_ALL},
    {"html", form_html, PROFILE, VIEW_ALL},
    {"sarif", form_sarif, ISSUES, FILED},
    {"junit", form_junit, ISSUES, FILED},
    {"codequality", form_codequality, ISSUES, FILED},
    {"github", form_github, ISSUES, FILED},
    {"markdown", form_markdown, ISSUES, 20},
    {"valgrind-xml", form_valgrind_xml, NOTHING, FILED},
};
#define FORMS (sizeof forms / sizeof *forms)

void form_text(const struct form_input *input) {
    view_text(input->view);
}

void form_json(const struct form_input *input) {
    view_json(input->view);
}

char *forms_names(void) {
    char *names = memory_format("%s", forms[0].name);
    for (size_t i = 1; i < FORMS; i++) names = memory_append(memory_append(names, ", "), forms[i].name);
    return names;
}

static const struct form *form_of(const char *name, size_t length) {
    for (size_t i = 0; i < FORMS; i++)
        if (strlen(forms[i].name) == length && memcmp(forms[i].name, name, length) == 0) return &forms[i];
    char *names = forms_names();
    view_message("--format=%s: must be one of: %s; perhaps with =FILE", name, names);
    free(names);
    return NULL;
}

bool forms_add(struct form_list *list, const char *name) {
    size_t length = strcspn(name, "=");
    const struct form *form = form_of(name, length);
    const char *path = name[length] ? name + length + 1 : NULL;
    if (!form) return false;
    if (path && !*path) {
        view_message("--format=%s: which file?", name);
        return false;
    }
    if (!path && forms_has_stdout(list)) {
        view_message("--format=%s: another form goes to standard output already (try %s=FILE)", name, name);
        return false;
    }
    list->outputs = memory_more(list->outputs, &list->capacity, list->count + 1, sizeof *list->outputs);
    list->outputs[list->count++] = (struct form_output){form, path};
    return true;
}

bool forms_set_value(struct form_list *list, const char *name) {
    enum profile_value value = profile_value_of(name);
    if (value == PROFILE_VALUES) {
        char *names = memory_format("%s", profile_value_name(0));
        for (enum profile_value i = 1; i < PROFILE_VALUES; i++)
            names = memory_append(memory_append(names, ", "), profile_value_name(i));
        view_message("--value=%s: must be one of: %s", name, names);
        free(names);
        return false;
    }
    list->value = value;
    list->value_given = true;
    return true;
}

bool forms_set_junit(struct form_list *list, const char *name) {
    list->gitlab = strcmp(name, "gitlab") == 0;
    if (!list->gitlab && strcmp(name, "jenkins") != 0)
        view_message("--junit-flavor=%s: must be one of: jenkins, gitlab", name);
    return list->gitlab || strcmp(name, "jenkins") == 0;
}

bool forms_has_stdout(const struct form_list *list) {
    for (size_t i = 0; i < list->count; i++)
        if (!list->outputs[i].path) return true;
    return false;
}

static bool said(const char *path, int error) {
    view_message("%s: cannot be written: %s", path, strerror(error));
    return false;
}

bool forms_try(const struct form_list *list) {
    bool fine = true;
    for (size_t i = 0; i < list->count; i++) {
        const char *path = list->outputs[i].path;
        if (!path) continue;
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
        if (fd >= 0)
            (void)close(fd);
        else if (errno != ENXIO) /* a FIFO that nobody reads yet */
            fine = said(path, errno);
    }
    return fine;
}

static bool write_one(const struct form_input *input, const struct form_output *output, FILE *out, bool rows_given) {
    struct view view = *input->view;
    bool failed = false;
    struct form_input mine = {&view, input->profile, input->before, input->issues, input->list, &failed};
    view.out = out;
    if (output->path) view.options.colour = view.options.links = false;
    if (output->form->most && !rows_given) view.options.rows = view.options.details = output->form->most;
    output->form->write(&mine);
    errno = 0;
    bool fine = fflush(out) == 0 && !ferror(out);
    *input->failed = failed || *input->failed;
    return fine;
}

static bool write_file(const struct form_input *input, const struct form_output *output, bool rows_given) {
    FILE *out = fopen(output->path, "we");
    if (!out) return said(output->path, errno);
    (void)setvbuf(out, NULL, _IOFBF, BUFFER);
    bool fine = write_one(input, output, out, rows_given);
    int error = errno ? errno : EIO;
    if (fclose(out) != 0 && fine) {
        fine = false;
        error = errno;
    }
    return fine || said(output->path, error);
}

static bool write_stdout(const struct form_input *input, const struct form_output *output, bool rows_given) {
    if (write_one(input, output, input->view->out, rows_given)) return true;
    view_message("the report cannot be written: %s", strerror(errno ? errno : EIO));
    return false;
}

/* A reader that went away or a full disk is a failure of this command, in one line; not a silent end by SIGPIPE. */
bool forms_write(const struct form_list *list, const struct view *view, bool rows_given) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    struct profile *profile = NULL, *base = NULL;
    struct issues *issues = NULL;
    bool fine = true, failed = false;
    (void)sigaction(SIGPIPE, &ignore, &before);
    for (size_t i = 0; i < list->count; i++) {
        const struct form_output *output = &list->outputs[i];
        progress_show("writing", i, list->count);
        if (output->form->needs == PROFILE && !profile) profile = profile_new(view);
        if (output->form->needs == PROFILE && view->base && !base) base = profile_new(view->base);
        if (output->form->needs == ISSUES && !issues) issues = issues_new(view);
        struct form_input input = {view, profile, base, issues, list, &failed};
        fine = (output->path ? write_file : write_stdout)(&input, output, rows_given) && fine;
    }
    progress_clear();
    (void)sigaction(SIGPIPE, &before, NULL);
    profile_free(profile);
    profile_free(base);
    issues_free(issues);
    return fine && !failed;
}

void forms_free(struct form_list *list) {
    free(list->outputs);
}
