/* What processes of a run left that were killed: their boxes, made dumps of, which stay with the others. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reporter/load/box.h"
#include "reporter/load/boxes.h"
#include "reporter/load/dump.h"
#include "reporter/load/file.h"
#include "reporter/load/memory.h"
#include "reporter/load/proc.h"
#include "reporter/load/signals.h"
#include "reporter/run.h"
#include "reporter/view/escape.h"
#include "reporter/view/view.h"

/* --- what the kernel killed for memory --- */

/* The file of this process's cgroup that counts them, of version 2 or 1; NULL: there is none. */
static char *events_of_cgroup(void) {
    size_t length = 0;
    char *text = proc_read(getpid(), "cgroup", &length), *file = NULL;
    for (char *line = text; line && *line && !file;) {
        char *end = strchr(line, '\n');
        if (end) *end = 0;
        char *controllers = strchr(line, ':'), *folder = controllers ? strchr(controllers + 1, ':') : NULL;
        if (strncmp(line, "0::", 3) == 0)
            file = memory_format("/sys/fs/cgroup%s/memory.events", line + 3);
        else if (folder && strncmp(controllers, ":memory:", 8) == 0)
            file = memory_format("/sys/fs/cgroup/memory%s/memory.oom_control", folder + 1);
        if (file && access(file, R_OK) != 0) {
            free(file);
            file = NULL;
        }
        line = end ? end + 1 : NULL;
    }
    free(text);
    return file;
}

bool run_count_oom_kills(uint64_t *kills) {
    char *path = events_of_cgroup();
    size_t length = 0;
    char *text = path ? proc_read_file(path, &length) : NULL;
    const char *line = text ? strstr(text, "oom_kill ") : NULL;
    if (line) *kills = strtoull(line + strlen("oom_kill "), NULL, 10);
    free(text);
    free(path);
    return line != NULL;
}

/* --- boxes --- */

static bool copy(int from, uint64_t size, int to) {
    off_t at = 0;
    while ((uint64_t)at < size)
        if (sendfile(to, from, &at, (size_t)(size - (uint64_t)at)) <= 0) return false;
    return true;
}

/* Of the process that was waited for all is known, of others nothing. */
static struct box_process what_is_known(const struct run *run, uint32_t pid) {
    struct box_process known = {.exit_status = DUMP_STATUS_UNKNOWN};
    if ((pid_t)pid != run->pid) return known;
    known.time = run->ended;
    if (WIFSIGNALED(run->wait_status))
        known.killed_by = (uint32_t)WTERMSIG(run->wait_status);
    else
        known.exit_status = (uint32_t)WEXITSTATUS(run->wait_status);
    return known;
}

/* Never over what is there. */
static char *save(const struct run *run, const char *box, const char *folder, const char *name, uint32_t pid) {
    uint64_t size = 0;
    const char *why = NULL;
    const struct box_process known = what_is_known(run, pid);
    int from = file_open(box, &size, &why), dump = from < 0 ? -1 : box_to_dump(from, &size, &known, &why);
    char *path = memory_format("%s/weir.%s.%u.left.dump", folder, name, pid);
    int to = dump < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dump >= 0 && to < 0) why = strerror(errno);
    bool saved = to >= 0 && copy(dump, size, to);
    if (to >= 0 && !saved) why = strerror(errno);
    if (to >= 0 && (close(to) != 0 || !saved)) (void)unlink(path);
    if (dump >= 0) (void)close(dump);
    if (from >= 0) (void)close(from);
    if (saved) return path;
    if (!run->quiet) view_message("%s: cannot be kept as %s: %s", box, path, why ? why : "it cannot be read");
    free(path);
    return NULL;
}

static char *how_it_ended(const struct run *run, uint32_t pid, bool oom) {
    const char *memory = oom ? ", maybe by the kernel for memory: its cgroup counts one more oom_kill" : "";
    if ((pid_t)pid != run->pid)
        return memory_format("left no dump: killed, crashed, or ended past its exit hooks%s", memory);
    if (WIFSIGNALED(run->wait_status)) {
        int number = WTERMSIG(run->wait_status);
        return memory_format("was killed by %s%s", signal_name(number), number == SIGKILL ? memory : "");
    }
    return memory_format("ended with %d past its exit hooks", WEXITSTATUS(run->wait_status));
}

static bool is_of_run(const struct run *run, const struct dump *dump) {
    struct text id = dump_option_value(dump, "WEIR_RUN");
    return dump->usable && id.length == strlen(run->id) && memcmp(id.bytes, run->id, id.length) == 0;
}

static void collect(const struct run *run, const struct found_box *box, const char *folder, bool oom) {
    struct dump *dump = dump_open(box->path);
    bool mine = is_of_run(run, dump);
    if (mine && box->header.ended == BOX_ENDED)
        (void)unlink(box->path); /* in order: there is a dump, or none is wanted */
    if (mine && box->header.ended != BOX_ENDED) {
        char *name = escape_fit(escape_text(dump_text(dump, dump->process.name)), 64, false);
        for (char *at = name; *at; at++)
            if ((unsigned char)*at <= ' ' || *at == '/') *at = '_';
        char *path = save(run, box->path, folder, name, dump->process.pid);
        char *how = how_it_ended(run, dump->process.pid, oom);
        if (path) (void)unlink(box->path);
        if (!run->quiet) view_message("%s[%u] %s", name, dump->process.pid, how);
        free(how);
        free(path);
        free(name);
    }
    dump_close(dump);
}

void run_collect_boxes(const struct run *run, const char *folder) {
    struct boxes boxes;
    uint64_t kills = 0;
    bool oom = run_count_oom_kills(&kills) && kills > run->oom_kills;
    boxes_find(&boxes, NULL);
    struct boxes own = {0};
    for (size_t i = 0; i < boxes.count; i++)
        if (!boxes.found[i].problem && boxes.found[i].time >= run->started.tv_sec - 1)
            boxes_add(&own, memory_format("%s", boxes.found[i].path));
    boxes_find_owners(&own);
    for (size_t i = 0; i < own.count; i++)
        if (!own.found[i].owner && !own.found[i].unsure) collect(run, &own.found[i], folder, oom);
    boxes_free(&own);
    boxes_free(&boxes);
}
