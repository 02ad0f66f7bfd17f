/* See limits.h. Lines of /proc/PID/cgroup are HIERARCHY:CONTROLLERS:PATH; version 2 is hierarchy 0, without
 * controllers. /proc/PID/mountinfo tells where a hierarchy is mounted, and which of its cgroups is the root there. */
#include "reporter/load/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/proc.h"

struct tree {
    const char *root;
    char *group, *top, *mount;
    bool second; /* version 2 */
};

static char *read_file(const char *root, const char *path) {
    char *whole = memory_format("%s%s", root, path);
    size_t length = 0;
    char *text = proc_read_file(whole, &length);
    free(whole);
    return text;
}

static uint64_t number_of(const char *text) {
    while (*text == ' ' || *text == '\t') text++;
    if (*text < '0' || *text > '9') return LIMIT_NONE; /* "max", "unlimited" */
    unsigned long long number = strtoull(text, NULL, 10);
    return number >= (1ull << 62) ? LIMIT_NONE : number; /* version 1 says so of none */
}

static uint64_t number_in(const char *root, const char *path) {
    char *text = read_file(root, path);
    uint64_t number = text ? number_of(text) : LIMIT_NONE;
    free(text);
    return number;
}

/* The number behind a line's first word, in units of `unit` bytes. */
static uint64_t number_after(const char *text, const char *word, uint64_t unit) {
    size_t length = strlen(word);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, length) != 0) continue;
        uint64_t number = number_of(line + length);
        return number == LIMIT_NONE ? number : number * unit;
    }
    return LIMIT_NONE;
}

static bool has_memory(const char *list) {
    for (const char *at = list; (at = strstr(at, "memory")) != NULL; at += 6)
        if ((at == list || at[-1] == ',') && (!at[6] || at[6] == ',')) return true;
    return false;
}

/* Splits the text into lines; `see` is called for each until it says that it has what it wants. */
static bool each_line(char *text, bool (*see)(char *line, struct tree *tree), struct tree *tree) {
    char *save = NULL;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
        if (see(line, tree)) return true;
    return false;
}

static bool see_group(char *line, struct tree *tree) {
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) return false;
    *path++ = 0;
    if (tree->second ? strcmp(line, "0:") != 0 : !has_memory(controllers + 1)) return false;
    tree->group = memory_text(path, strlen(path));
    return true;
}

static bool see_mount(char *line, struct tree *tree) {
    char *dash = strstr(line, " - "), type[32], super[1024], top[4096], mount[4096];
    if (!dash || sscanf(dash, " - %31s %*s %1023s", type, super) != 2) return false;
    if (sscanf(line, "%*s %*s %*s %4095s %4095s", top, mount) != 2) return false;
    if (strcmp(type, tree->second ? "cgroup2" : "cgroup") != 0 || (!tree->second && !has_memory(super))) return false;
    tree->top = memory_text(top, strlen(top));
    tree->mount = memory_text(mount, strlen(mount));
    return true;
}

static uint64_t of_group(const struct tree *tree, const char *below, size_t length, const char *file) {
    char *path = memory_format("%s%.*s/%s", tree->mount, (int)length, below, file);
    uint64_t number = number_in(tree->root, path);
    free(path);
    return number;
}

static void add_group(struct limits *limits, const struct tree *tree, const char *below, size_t length) {
    struct limit_group group = {.high = LIMIT_NONE};
    group.max = of_group(tree, below, length, tree->second ? "memory.max" : "memory.limit_in_bytes");
    group.now = of_group(tree, below, length, tree->second ? "memory.current" : "memory.usage_in_bytes");
    if (tree->second) group.high = of_group(tree, below, length, "memory.high");
    if (group.max == LIMIT_NONE && group.high == LIMIT_NONE && group.now == LIMIT_NONE) return;
    group.path = memory_format("%s%.*s", strcmp(tree->top, "/") == 0 ? "" : tree->top, (int)length, below);
    if (!group.path[0]) {
        free(group.path);
        group.path = memory_text("/", 1);
    }
    limits->groups =
        memory_more(limits->groups, &limits->group_capacity, limits->group_count + 1, sizeof *limits->groups);
    limits->groups[limits->group_count++] = group;
}

static void read_tree(struct limits *limits, const char *root, const char *process, bool second) {
    struct tree tree = {.root = root, .second = second};
    char *groups_path = memory_format("/proc/%s/cgroup", process),
         *mounts_path = memory_format("/proc/%s/mountinfo", process);
    char *groups = read_file(root, groups_path), *mounts = read_file(root, mounts_path);
    if (each_line(groups, see_group, &tree) && each_line(mounts, see_mount, &tree)) {
        size_t skip = strcmp(tree.top, "/") == 0 ? 0 : strlen(tree.top);
        bool seen = strncmp(tree.group, tree.top, skip) == 0 && (tree.group[skip] == '/' || !tree.group[skip]);
        const char *below = seen ? tree.group + skip : "";
        size_t length = strcmp(below, "/") == 0 ? 0 : strlen(below);
        for (;;) {
            add_group(limits, &tree, below, length);
            if (length == 0) break;
            while (length > 0 && below[--length] != '/') {
            }
        }
    }
    free(tree.group);
    free(tree.top);
    free(tree.mount);
    free(groups);
    free(mounts);
    free(groups_path);
    free(mounts_path);
}

void limits_read(struct limits *limits, const char *root, const char *process) {
    char *path = memory_format("/proc/%s/limits", process);
    char *memory = read_file(root, "/proc/meminfo"), *own = read_file(root, path);
    *limits = (struct limits){.machine = memory ? number_after(memory, "MemTotal:", 1024) : LIMIT_NONE,
                              .available = memory ? number_after(memory, "MemAvailable:", 1024) : LIMIT_NONE,
                              .commit_limit = memory ? number_after(memory, "CommitLimit:", 1024) : LIMIT_NONE,
                              .committed = memory ? number_after(memory, "Committed_AS:", 1024) : LIMIT_NONE,
                              .overcommit = number_in(root, "/proc/sys/vm/overcommit_memory"),
                              .map_count = number_in(root, "/proc/sys/vm/max_map_count"),
                              .address_space = own ? number_after(own, "Max address space", 1) : LIMIT_NONE,
                              .data = own ? number_after(own, "Max data size", 1) : LIMIT_NONE};
    read_tree(limits, root, process, true);
    read_tree(limits, root, process, false);
    free(memory);
    free(own);
    free(path);
}

void limits_free(struct limits *limits) {
    for (size_t i = 0; i < limits->group_count; i++) free(limits->groups[i].path);
    free(limits->groups);
}

uint64_t limits_least(const struct limits *limits) {
    uint64_t least = limits->machine;
    for (size_t i = 0; i < limits->group_count; i++)
        if (limits->groups[i].max < least) least = limits->groups[i].max;
    return least == LIMIT_NONE ? 0 : least;
}
