/* The dumps of a run: where they go, which they are, and what is said about them at the end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reporter/load/memory.h"
#include "reporter/load/signals.h"
#include "reporter/report.h"
#include "reporter/run.h"
#include "reporter/view/escape.h"

#define ROWS 5

struct found {
    char **paths;
    size_t count, capacity;
};

/* The program's name as part of a file name, and as a template takes it. */
static char *plain_name(const char *program) {
    const char *slash = strrchr(program, '/');
    char *name = memory_text(slash ? slash + 1 : program, strlen(slash ? slash + 1 : program));
    for (char *at = name; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f) *at = '_';
    return escape_fit(name, 64, false);
}

bool run_make_folder(struct run *run) {
    const char *events = getenv("WEIR_DUMP_AT");
    if (getenv("WEIR_OUTPUT") || (events && strcmp(events, "none") == 0)) return true;
    char *name = plain_name(run->arguments[0]);
    run->folder = memory_format("%s/weir.%s.%d.d", run->directory, name, (int)run->pid);
    run->kept = memory_format("%s/weir.%s.%d.dump", run->directory, name, (int)run->pid);
    free(name);
    if (mkdir(run->folder, 0777) == 0) return true;
    view_message("%s: cannot be made: %s (--output says where dumps go)", run->folder, strerror(errno));
    free(run->folder);
    run->folder = NULL;
    return false;
}

/* Absolute, because the program may go to another folder; a % in the current folder's name is no directive. */
char *run_output(const struct run *run) {
    const char *given = run->folder ? NULL : getenv("WEIR_OUTPUT");
    if (given && given[0] == '/') return memory_text(given, strlen(given));
    const char *folder = run->folder ? run->folder : run->directory;
    char *escaped = memory_get(strlen(folder) * 2 + 1, 1), *to = escaped;
    for (; *folder; folder++) {
        if (*folder == '%') *to++ = '%';
        *to++ = *folder;
    }
    char *output = memory_format("%s/%s", escaped, given ? given : "weir.%e.%p.dump");
    free(escaped);
    return output;
}

static void add(struct found *found, char *path) {
    found->paths = memory_more(found->paths, &found->capacity, found->count + 1, sizeof *found->paths);
    found->paths[found->count++] = path;
}

static int compare(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Cheap first: files of before this run are not opened. */
static bool is_of_run(const struct run *run, const char *path) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return false;
    if (status.st_mtim.tv_sec < run->started.tv_sec - 1) return false;
    struct dump *dump = dump_open(path);
    struct text id = dump_option_value(dump, "WEIR_RUN");
    bool mine = dump->usable && id.length == strlen(run->id) && memcmp(id.bytes, run->id, id.length) == 0;
    dump_close(dump);
    return mine;
}

static void search(struct found *found, const struct run *run, const char *folder) {
    DIR *open = opendir(folder);
    if (!open) return;
    for (struct dirent *entry = readdir(open); entry; entry = readdir(open)) {
        char *path = memory_format("%s/%s", folder, entry->d_name);
        if (run->folder) run_remove_torn(folder, entry->d_name);
        size_t length = strlen(path);
        bool mine = run->folder ? length > 5 && strcmp(path + length - 5, ".dump") == 0 : is_of_run(run, path);
        if (mine)
            add(found, path);
        else
            free(path);
    }
    (void)closedir(open);
    if (found->count) qsort(found->paths, found->count, sizeof *found->paths, compare);
}

/* The folder of a template; NULL where the folder itself depends on the process. */
static char *template_folder(const char *output) {
    const char *slash = strrchr(output, '/');
    char *folder = memory_text(output, slash > output ? (size_t)(slash - output) : 1);
    char *to = folder;
    for (const char *at = folder; *at; at++) {
        if (*at == '%' && *++at != '%') {
            free(folder);
            return NULL;
        }
        *to++ = *at;
    }
    *to = 0;
    return folder;
}

/* One dump needs no folder. RENAME_NOREPLACE: an older run of the same number is not overwritten. */
static void tidy(struct run *run, struct found *found) {
    if (!run->folder || run->alive) return; /* what goes on leaves its dumps there, too */
    if (found->count == 1 && renameat2(AT_FDCWD, found->paths[0], AT_FDCWD, run->kept, RENAME_NOREPLACE) == 0) {
        free(found->paths[0]);
        found->paths[0] = memory_text(run->kept, strlen(run->kept));
    }
    (void)rmdir(run->folder); /* stays where something is in it */
}

/* Why there is no dump, as far as that can be known. */
static char *why_none(const struct run *run, const char *folder) {
    const struct program *program = &run->program;
    const char *events = getenv("WEIR_DUMP_AT"), *name = run->arguments[0];
    const char *what = program->interpreted ? program->interpreted : name;
    if (events && strcmp(events, "none") == 0) return memory_format("none was asked for (WEIR_DUMP_AT=none)");
    if (program->is_elf && (program->other_class || program->other_machine))
        return memory_format("%s is built for another architecture than libweir.so", what);
    if (program->is_elf && !program->has_loader) return memory_format("%s is statically linked", what);
    if (program->privileged)
        return memory_format("%s has privileges (set-uid, set-gid or capabilities), so the loader ignored weir", what);
    if (WIFSIGNALED(run->wait_status))
        return memory_format("%s was killed by %s", name, signal_name(WTERMSIG(run->wait_status)));
    if (folder && access(folder, W_OK | X_OK) != 0) return memory_format("%s: %s", folder, strerror(errno));
    if (events && !strstr(events, "exit")) return memory_format("none was asked for at exit (WEIR_DUMP_AT=%s)", events);
    return memory_format("%s left none (it may have dropped LD_PRELOAD, or ended past its exit hooks)", name);
}

static void print_summary(const struct run *run, const struct found *found) {
    char *paths[1] = {run->folder};
    const char *cut = run->folder && found->count > 1 ? run->folder : found->paths[0];
    size_t prefix = strlen(run->directory); /* shown as the user would type it */
    if (strncmp(cut, run->directory, prefix) == 0 && cut[prefix] == '/') cut += prefix + 1;
    char *next = memory_format("weir report %s%s", cut, !run->folder && found->count > 1 ? " ..." : "");
    const char *no_colour = getenv("NO_COLOR");
    struct report_request request = {.paths = run->folder && found->count > 1 ? paths : found->paths,
                                     .path_count = run->folder && found->count > 1 ? 1 : found->count,
                                     .view = {.rows = ROWS, .details = 0, .next = next},
                                     .symbols = {.sysroot = ""}};
    request.view.colour = isatty(STDERR_FILENO) && !(no_colour && *no_colour);
    (void)report_produce(&request, stderr);
    free(next);
}

/* A daemon's dumps come when it ends, to the same folder. */
static void tell_of_alive(const struct run *run) {
    const char *folder = run->folder;
    size_t prefix = strlen(run->directory);
    if (run->quiet || run->alive == 0) return;
    if (folder && strncmp(folder, run->directory, prefix) == 0 && folder[prefix] == '/') folder += prefix + 1;
    view_message("%zu process%s of this run go%s on%s%s", run->alive, run->alive == 1 ? "" : "es",
                 run->alive == 1 ? "es" : "", folder ? "; dumps will come to " : "", folder ? folder : "");
}

void run_sum_up(struct run *run) {
    struct found found = {0};
    char *output = run_output(run);
    char *folder = run->folder ? memory_text(run->folder, strlen(run->folder)) : template_folder(output);
    run->alive = run_count_alive(run, folder);
    if (folder) run_collect_boxes(run, folder);
    if (folder) search(&found, run, folder);
    char *why = found.count ? NULL : why_none(run, folder); /* asked before the folder goes */
    tidy(run, &found);
    tell_of_alive(run);
    if (!run->quiet && found.count) print_summary(run, &found);
    if (!run->quiet && !found.count && folder) view_message("no dump: %s", why);
    for (size_t i = 0; i < found.count; i++) free(found.paths[i]);
    free(found.paths);
    free(why);
    free(folder);
    free(output);
}
