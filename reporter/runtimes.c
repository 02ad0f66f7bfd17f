/* See runtimes.h. A runtime is known by what is mapped, not by what the program is called; its options are looked for
 * where it takes them from. */
#include "reporter/runtimes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reporter/load/memory.h"
#include "reporter/load/perfmap.h"
#include "reporter/view/units.h"

enum runtime { RUNTIME_NONE, RUNTIME_JVM, RUNTIME_NODE, RUNTIME_PYTHON, RUNTIME_OLD_PYTHON };

/* --- which one --- */

/* python3.12, libpython3.12.so.1.0 */
static enum runtime python_of(const char *file) {
    if (strncmp(file, "lib", 3) == 0) file += 3;
    if (strncmp(file, "python3.", 8) != 0) return RUNTIME_NONE;
    char *end = NULL;
    unsigned long minor = strtoul(file + 8, &end, 10);
    if (end == file + 8 || (*end && strncmp(end, ".so", 3) != 0 && *end != 'd')) return RUNTIME_NONE;
    return minor < 12 ? RUNTIME_OLD_PYTHON : RUNTIME_PYTHON;
}

static enum runtime runtime_of(const char *file) {
    if (strcmp(file, "libjvm.so") == 0) return RUNTIME_JVM;
    if (strcmp(file, "node") == 0 || strcmp(file, "nodejs") == 0 || strncmp(file, "libnode.so", 10) == 0)
        return RUNTIME_NODE;
    return python_of(file);
}

static enum runtime find_runtime(pid_t pid) {
    size_t length = 0;
    char *maps = proc_read(pid, "maps", &length), *rest = maps;
    enum runtime found = RUNTIME_NONE;
    for (char *line = strsep(&rest, "\n"); line && found == RUNTIME_NONE; line = strsep(&rest, "\n")) {
        char *file = strrchr(line, '/'), *deleted = strstr(line, " (deleted)");
        if (deleted) *deleted = 0;
        if (file) found = runtime_of(file + 1);
    }
    free(maps);
    return found;
}

/* --- its options --- */

/* Whether words, each ended by one of `ends`, have an option, and not its opposite behind it. */
static int find_option(const char *words, size_t length, const char *ends, const char *on, const char *off, int found) {
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && words[end] && !strchr(ends, words[end])) end++;
        size_t n = end - at;
        if (n == strlen(on) && memcmp(words + at, on, n) == 0) found = 1;
        if (off && n == strlen(off) && memcmp(words + at, off, n) == 0) found = 0;
        at = end + 1;
    }
    return found;
}

static bool has_option(const struct proc *proc, const char *const *variables, const char *on, const char *off) {
    size_t length = 0;
    char *line = proc_read(proc->pid, "cmdline", &length);
    int found = 0;
    for (size_t i = 0; variables[i]; i++) { /* the first one before the arguments, the others after them */
        const char *value = proc_variable(proc, variables[i]);
        if (i == 1 && line) found = find_option(line, length, "", on, off, found);
        if (value) found = find_option(value, strlen(value), " \t\n", on, off, found);
    }
    free(line);
    return found;
}

static bool is_java_option(const struct proc *proc, const char *on, const char *off) {
    static const char *const variables[] = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", NULL};
    return has_option(proc, variables, on, off);
}

/* --- what is said --- */

static void print_row(const char *name, const char *value, const char *note) {
    (void)printf("  %-22s %10s  %s\n", name, value, note);
}

static void warn_and_free(void (*warn)(const char *text), char *text) {
    warn(text);
    free(text);
}

/* How old it is; false: there is none that counts. */
static bool print_map(const struct perfmap *map) {
    static const char *const notes[] = {[JIT_MAP_NONE] = "there is none",
                                        [JIT_MAP_OLD] = "it is older than the process: another's",
                                        [JIT_MAP_FOREIGN] = "it is not this user's, or no file",
                                        [JIT_MAP_FAILED] = "it cannot be read",
                                        [JIT_MAP_LARGE] = "it is too large"};
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    bool good = map->state == JIT_MAP_READ;
    char *note = memory_format(good ? "%s" : "%s: %s", map->path, good ? "" : notes[map->state]);
    char *age = memory_format("%s old", units_age(time > map->time ? time - map->time : 0));
    print_row("perf map", good ? age : "none", note);
    free(age);
    free(note);
    return good;
}

static void look_at_jvm(const struct proc *proc, const struct perfmap *map, void (*warn)(const char *text)) {
    bool kept = is_java_option(proc, "-XX:+PreserveFramePointer", "-XX:-PreserveFramePointer");
    bool at_exit = is_java_option(proc, "-XX:+DumpPerfMapAtExit", "-XX:-DumpPerfMapAtExit");
    print_row("JVM: frame pointers", kept ? "kept" : "not kept", "-XX:+PreserveFramePointer");
    bool mapped = print_map(map);
    if (!kept) warn("stacks end at the first Java method: run java with\n         -XX:+PreserveFramePointer");
    if (!mapped && at_exit)
        warn_and_free(warn, memory_format("Java methods have names at its end only (-XX:+DumpPerfMapAtExit);\n"
                                          "         now: jcmd %d Compiler.perfmap",
                                          (int)proc->pid));
    else if (!mapped)
        warn_and_free(warn, memory_format("Java methods have no names: before a dump (from Java 17 on)\n"
                                          "         jcmd %d Compiler.perfmap",
                                          (int)proc->pid));
    else /* the JVM writes it once, when it is told to */
        (void)printf("  methods that were compiled since have no names: jcmd %d Compiler.perfmap\n", (int)proc->pid);
}

static void look_at_node(const struct proc *proc, const struct perfmap *map, void (*warn)(const char *text)) {
    static const char *const variables[] = {"NODE_OPTIONS", "", NULL};
    bool on = has_option(proc, variables, "--perf-basic-prof", NULL) ||
              has_option(proc, variables, "--perf-basic-prof-only-functions", NULL);
    print_row("node: names of its code", on ? "on" : "off", "--perf-basic-prof");
    bool mapped = print_map(map);
    if (!mapped && !on)
        warn("JavaScript functions have no names: run node with --perf-basic-prof\n"
             "         --interpreted-frames-native-stack");
}

static void look_at_python(const struct proc *proc, const struct perfmap *map, void (*warn)(const char *text)) {
    static const char *const variables[] = {"", "", NULL};
    bool on = has_option(proc, variables, "perf", NULL) || has_option(proc, variables, "-Xperf", NULL) ||
              proc_variable(proc, "PYTHONPERFSUPPORT");
    print_row("python: names", on ? "on" : "off", "-X perf");
    bool mapped = print_map(map);
    if (!mapped && !on) warn("Python functions have no names: run python3 with -X perf");
}

void runtimes_look(pid_t pid, void (*warn)(const char *text)) {
    const char *why = NULL;
    struct proc proc;
    struct perfmap map;
    enum runtime runtime = find_runtime(pid);
    if (runtime == RUNTIME_NONE) return;
    if (!proc_look(&proc, pid, &why)) return;
    perfmap_open(&map, &proc);
    (void)printf("\n");
    if (runtime == RUNTIME_JVM) look_at_jvm(&proc, &map, warn);
    if (runtime == RUNTIME_NODE) look_at_node(&proc, &map, warn);
    if (runtime == RUNTIME_PYTHON) look_at_python(&proc, &map, warn);
    if (runtime == RUNTIME_OLD_PYTHON) print_row("python: names", "none", "from 3.12 on (-X perf)");
    if (map.fd >= 0) (void)close(map.fd);
    proc_free(&proc);
}
