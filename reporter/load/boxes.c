/* See boxes.h. A box says which process it is of; that it still is there, its mappings tell: a number may be another's
 * by now, or one of another namespace. */
#include "reporter/load/boxes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reporter/load/box.h"
#include "reporter/load/file.h"
#include "reporter/load/memory.h"
#include "reporter/load/proc.h"

/* --- owners --- */

/* Notes which of the boxes the process has mapped, by their files' numbers and names: the device is another one there
 * than for stat on overlays. A child of fork has its parent's mapped until it first comes to weir. False: it cannot be
 * looked at. */
static bool look_at(struct boxes *boxes, pid_t pid) {
    size_t length = 0;
    char *maps = proc_read(pid, "maps", &length);
    bool known = maps || errno == ENOENT || errno == ESRCH;
    for (char *line = maps; line && *line;) {
        unsigned long long number = 0;
        char *end = strchr(line, '\n');
        if (end) *end = 0;
        if (strstr(line, ".box") && sscanf(line, "%*x-%*x %*4s %*x %*x:%*x %llu", &number) == 1)
            for (size_t i = 0; i < boxes->count; i++)
                if (boxes->found[i].inode == number && strstr(line, file_base(boxes->found[i].path)) &&
                    proc_inner_pid(pid) == boxes->found[i].header.process.pid)
                    boxes->found[i].owner = pid;
        line = end ? end + 1 : NULL;
    }
    free(maps);
    return known;
}

/* Whose numbers mean nothing to us is not known to be gone. */
static bool is_elsewhere(const struct found_box *box) {
    struct stat own;
    uint64_t its = box->header.namespace;
    return its && stat("/proc/self/ns/pid", &own) == 0 && own.st_ino != its;
}

void boxes_find_owners(struct boxes *boxes) {
    size_t left = 0;
    for (size_t i = 0; i < boxes->count; i++) {
        struct found_box *box = &boxes->found[i];
        if (!box->problem && !box->owner) box->unsure = !look_at(boxes, (pid_t)box->header.process.pid);
        box->unsure = box->unsure || (!box->problem && is_elsewhere(box));
        left += !box->owner;
    }
    DIR *folder = left ? opendir("/proc") : NULL; /* of another namespace, they have other numbers */
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        char *end = NULL;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid > 0 && !*end) (void)look_at(boxes, (pid_t)pid);
    }
    if (folder) (void)closedir(folder);
}

/* --- folders --- */

/* Taken, with the path. */
void boxes_add(struct boxes *boxes, char *path) {
    struct stat status;
    uint64_t size = 0;
    const char *why = NULL;
    struct found_box box = {.path = path};
    int fd = file_open(path, &size, &why);
    box.problem = fd < 0 ? why : box_header(fd, size, &box.header);
    if (fd >= 0 && fstat(fd, &status) == 0) {
        box.inode = status.st_ino;
        box.time = status.st_mtime;
    }
    if (fd >= 0) (void)close(fd);
    boxes->found = memory_more(boxes->found, &boxes->capacity, boxes->count + 1, sizeof box);
    boxes->found[boxes->count++] = box;
}

static bool is_box_name(const char *name) {
    size_t length = strlen(name);
    return length > 9 && strncmp(name, "weir.", 5) == 0 && strcmp(name + length - 4, ".box") == 0;
}

/* Its process may have ended in order since it was listed. */
static void add_if_there(struct boxes *boxes, char *path) {
    boxes_add(boxes, path);
    if (!boxes->found[boxes->count - 1].problem || access(path, F_OK) == 0) return;
    boxes->count--;
    free(path);
}

static void find_in(struct boxes *boxes, const char *folder) {
    DIR *open = opendir(folder);
    for (struct dirent *entry = open ? readdir(open) : NULL; entry; entry = readdir(open))
        if (is_box_name(entry->d_name)) add_if_there(boxes, memory_format("%s/%s", folder, entry->d_name));
    if (open) (void)closedir(open);
}

/* weir.UID, and not weir.PID.COOKIE.reply or what else begins so. */
static bool is_users(const char *name) {
    const char *digits = strncmp(name, "weir.", 5) == 0 ? name + 5 : "";
    bool mine = geteuid() == 0 || strtoul(digits, NULL, 10) == geteuid();
    if (!*digits) return false;
    while (isdigit((unsigned char)*digits)) digits++;
    return !*digits && mine;
}

static void find_below(struct boxes *boxes, const char *folder) {
    DIR *open = opendir(folder);
    for (struct dirent *entry = open ? readdir(open) : NULL; entry; entry = readdir(open)) {
        if (!is_users(entry->d_name)) continue;
        char *users = memory_format("%s/%s", folder, entry->d_name);
        struct stat status;
        if (lstat(users, &status) == 0 && S_ISDIR(status.st_mode)) find_in(boxes, users);
        free(users);
    }
    if (open) (void)closedir(open);
}

static int compare(const void *left, const void *right) {
    return strcmp(((const struct found_box *)left)->path, ((const struct found_box *)right)->path);
}

void boxes_find(struct boxes *boxes, const char *folder) {
    const char *places[] = {getenv("WEIR_BOX_DIR"), getenv("XDG_RUNTIME_DIR"), "/dev/shm"};
    *boxes = (struct boxes){0};
    if (folder) {
        find_below(boxes, folder);
        find_in(boxes, folder);
    }
    for (size_t i = 0; !folder && i < sizeof places / sizeof *places; i++) {
        bool before = false;
        for (size_t j = 0; j < i; j++) before = before || (places[i] && places[j] && !strcmp(places[i], places[j]));
        if (!before && places[i] && *places[i] == '/') find_below(boxes, places[i]);
    }
    if (boxes->count) qsort(boxes->found, boxes->count, sizeof *boxes->found, compare);
}

char *boxes_path_of(pid_t pid) {
    size_t length = 0;
    char *maps = proc_read(pid, "maps", &length), *path = NULL;
    for (char *line = maps; line && *line && !path;) {
        char *end = strchr(line, '\n'), *slash = strchr(line, '/');
        if (end) *end = 0;
        if (slash && (!end || slash < end) && is_box_name(file_base(slash))) path = memory_format("%s", slash);
        line = end ? end + 1 : NULL;
    }
    free(maps);
    return path;
}

void boxes_free(struct boxes *boxes) {
    for (size_t i = 0; i < boxes->count; i++) free(boxes->found[i].path);
    free(boxes->found);
    *boxes = (struct boxes){0};
}
