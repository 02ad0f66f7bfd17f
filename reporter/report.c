/* From paths to a report: expand folders, load, merge, sort, show. */
#include "reporter/report.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/commands.h"
#include "reporter/load/boxes.h"
#include "reporter/load/marks.h"
#include "reporter/load/memory.h"
#include "reporter/load/progress.h"
#include "reporter/symbols/skipped.h"

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int is_dump_name(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    if (length > 9 && strcmp(entry->d_name + length - 4, ".box") == 0 && strncmp(entry->d_name, "weir.", 5) == 0)
        return 1;
    return length > 5 && strcmp(entry->d_name + length - 5, ".dump") == 0;
}

static void add_file(struct merged *merged, const char *path) {
    struct dump *dump = dump_open(path);
    for (size_t i = 0; i < dump->problem_count && i < 1; i++) view_message("%s: %s", path, dump->problems[i]);
    merged_add(merged, dump);
}

/* The dumps of a folder, by name; false: there are none. */
static bool add_folder(struct merged *merged, const char *folder) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_dump_name, alphasort);
    if (count < 0) view_message("%s: %s", folder, strerror(errno));
    if (count == 0) view_message("%s: no dump is in this folder (a file whose name ends in .dump)", folder);
    for (int i = 0; i < count; i++) {
        char *path = memory_format("%s/%s", folder, entries[i]->d_name);
        progress_show("reading dumps", (uint64_t)i, (uint64_t)count);
        add_file(merged, path);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return count > 0;
}

/* Once: the names that stand in a file here. */
static void read_skipped(void) {
    static bool read;
    if (!read && !skipped_read(SKIPPED_FILE) && errno != ENOENT) view_message("%s: %s", SKIPPED_FILE, strerror(errno));
    read = true;
}

/* A number that is no file's name: the box of a process that runs. */
static void add_process(struct merged *merged, const char *path) {
    pid_t pid = 0;
    char *box = access(path, F_OK) != 0 && argument_pid(path, &pid) ? boxes_path_of(pid) : NULL;
    if (pid && !box) {
        view_message("%s: no such file, nor has a process of that number a box that can be read", path);
        return;
    }
    add_file(merged, box ? box : path);
    free(box);
}

bool report_load(struct merged *merged, const struct report_request *request) {
    bool found = true;
    read_skipped();
    for (size_t i = 0; i < request->path_count; i++) {
        if (is_folder(request->paths[i]))
            found = add_folder(merged, request->paths[i]) && found;
        else
            add_process(merged, request->paths[i]);
    }
    return found;
}

bool report_suppress(struct suppressions *suppressions, const char *path) {
    char *problem = suppress_read(suppressions, path);
    if (problem) view_message("%s", problem);
    free(problem);
    return !problem;
}

static void tell_problem(const char *what) {
    view_message("%s", what);
}

void report_add_programs(struct suppressions *suppressions, const struct merged *merged) {
    suppress_add_programs(suppressions, merged, tell_problem);
}

/* A report of no dump would be one of a program that has nothing. */
static bool has_mark(struct merged *merged) {
    bool any = marks_are_there(merged);
    for (size_t i = 0; !any && i < merged->reason_count; i++) view_message("%s", merged->reasons[i]);
    return any;
}

/* In place of a report. */
static bool generate(const struct view *view, enum suppression_form form) {
    view_generate(view, form);
    if (fflush(view->out) == 0 && !ferror(view->out)) return true;
    view_message("the list cannot be written: %s", strerror(errno ? errno : EIO));
    return false;
}

static bool show(struct report_request *request, struct merged *merged, FILE *out) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    struct view view = {
        .out = out, .merged = merged, .symbols = symbols_new(merged, &request->symbols), .options = request->view};
    (void)sigaction(SIGPIPE, &ignore, &before); /* a reader that went away is a failure in one line, no silent end */
    view.options.order = request->order;
    report_add_programs(&request->suppressions, merged);
    if (request->suppressions.count) {
        suppress_apply(&request->suppressions, merged, view.symbols);
        merged_sort(merged, request->order);
        view.suppressions = &request->suppressions;
    }
    if (!request->forms.count) (void)forms_add(&request->forms, "text");
    bool fine = request->generate ? generate(&view, request->generate)
                                  : forms_write(&request->forms, &view, request->rows_given);
    (void)sigaction(SIGPIPE, &before, NULL);
    symbols_free(view.symbols);
    return fine;
}

int report_produce(struct report_request *request, FILE *out) {
    struct merged merged = {0};
    bool fine = report_load(&merged, request);
    if (merged.part_count) {
        merged_build(&merged);
        merged_sort(&merged, request->order);
        fine = has_mark(&merged) && show(request, &merged, out) && fine;
    }
    fine = fine && merged.part_count && !merged.reason_count;
    merged_free(&merged);
    return fine ? EXIT_FINE : EXIT_UNREADABLE;
}
