/* weir doctor: where a ceiling stands among the other limits of memory; and for a running program, whether its counters
 * are what a walk over its arena, tables and mappings adds up to. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/ask.h"
#include "reporter/commands.h"
#include "reporter/load/limits.h"
#include "reporter/load/memory.h"
#include "reporter/load/merge.h"
#include "reporter/run.h"
#include "reporter/runtimes.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

static const char help[] = "weir doctor [options] [PID]: why it might not work here.\n"
                           "\n"
                           "  --max-direct SIZE  the ceiling to look at (default: WEIR_MAX_DIRECT)\n"
                           "  --timeout SECONDS  how long a program may take to answer (default 10)\n"
                           "  --help\n"
                           "\n"
                           "Without PID: where a ceiling stands among the limits of this process, which\n"
                           "those that are started from here inherit. With PID: the same of a program that\n"
                           "runs under libweir.so, and an audit: its counters beside what a walk over its\n"
                           "arena, tables and mappings adds up to, and what the kernel says is resident. It\n"
                           "writes a dump for that, which is removed again. Of a JVM, Node.js and Python it\n"
                           "says what is missing for names of their code.\n"
                           "Exit status: 0; 2 usage; 3 the program cannot be asked, or its counters are off.\n";

static const struct option options[] = {{"max-direct", required_argument, NULL, 'm'},
                                        {"timeout", required_argument, NULL, 't'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static const char *size_or(uint64_t bytes, const char *otherwise) {
    return bytes == LIMIT_NONE ? otherwise : units_short(bytes);
}

/* --- limits --- */

static void print_limit(const char *name, uint64_t bytes, const char *note) {
    (void)printf("  %-22s %10s  %s\n", name, size_or(bytes, "none"), note);
}

static void print_groups(const struct limits *limits) {
    for (size_t i = 0; i < limits->group_count; i++) {
        const struct limit_group *group = &limits->groups[i];
        if (i > 0 && group->max == LIMIT_NONE && group->high == LIMIT_NONE) continue;
        char *path = escape_fit(escape_string(group->path), 24, true);
        char *note = memory_format("%s, now %s", path, size_or(group->now, "?"));
        print_limit("memory.max", group->max, note);
        if (group->high != LIMIT_NONE) print_limit("memory.high", group->high, path);
        free(note);
        free(path);
    }
}

static void print_limits(const struct limits *limits, uint64_t ceiling, const char *from) {
    static const char *const habits[] = {"what seems too much is refused", "nothing is refused",
                                         "what could not be kept is refused"};
    print_limit("ceiling", ceiling, from);
    print_groups(limits);
    char *machine = memory_format("available %s", size_or(limits->available, "?"));
    print_limit("the machine", limits->machine, machine);
    print_limit("RLIMIT_AS", limits->address_space, "address space (ulimit -v)");
    print_limit("RLIMIT_DATA", limits->data, "private writable memory (ulimit -d)");
    if (limits->overcommit <= 2)
        (void)printf("  %-22s %10llu  %s\n", "vm.overcommit_memory", (unsigned long long)limits->overcommit,
                     habits[limits->overcommit]);
    if (limits->map_count != LIMIT_NONE)
        (void)printf("  %-22s %10llu  mappings a process\n", "vm.max_map_count", (unsigned long long)limits->map_count);
    free(machine);
}

static unsigned warnings;

static void warn(const char *text) {
    warnings++;
    (void)printf("warning: %s\n", text);
}

static void warn_of(const char *format, uint64_t a, uint64_t b) {
    char *text = memory_format(format, units_short(a), units_short(b));
    warn(text);
    free(text);
}

/* What is not direct memory, and counts for the kernel all the same: stacks, files, page tables; a tenth is little. */
#define ROOM_PERCENT 10

static void warn_of_group(const struct limit_group *group, uint64_t ceiling) {
    char *path = escape_fit(escape_string(group->path), 24, true), *text = NULL;
    uint64_t others = group->now == LIMIT_NONE ? 0 : group->now;
    if (group->max != LIMIT_NONE && ceiling >= group->max)
        text = memory_format("the kernel kills at %s (memory.max of %s),\n         before the ceiling of %s refuses",
                             units_short(group->max), path, units_short(ceiling));
    else if (group->max != LIMIT_NONE && ceiling > group->max / 100 * (100 - ROOM_PERCENT))
        text = memory_format(
            "%s between the ceiling and memory.max of %s\n         is little for stacks, files and page tables",
            units_short(group->max - ceiling), path);
    else if (group->max != LIMIT_NONE && others > group->max - ceiling)
        text = memory_format(
            "%s are in use in %s; with the ceiling\n         that is above its memory.max, where the kernel kills",
            units_short(others), path);
    if (text) warn(text);
    free(text);
    text = NULL;
    if (group->high != LIMIT_NONE && ceiling > group->high)
        text = memory_format(
            "above %s (memory.high of %s)\n         the kernel slows the program down, before the ceiling is reached",
            units_short(group->high), path);
    if (text) warn(text);
    free(text);
    free(path);
}

static void warn_of_limits(const struct limits *limits, uint64_t ceiling) {
    if (ceiling == LIMIT_NONE) {
        warn("no ceiling is set (--max-direct, WEIR_MAX_DIRECT): the kernel's limits hold");
        return;
    }
    for (size_t i = 0; i < limits->group_count; i++) warn_of_group(&limits->groups[i], ceiling);
    if (limits->machine != LIMIT_NONE && ceiling > limits->machine)
        warn_of("the ceiling of %s is above the machine's memory of %s", ceiling, limits->machine);
    else if (limits->available != LIMIT_NONE && ceiling > limits->available)
        warn_of("the ceiling of %s is above the %s that are available now", ceiling, limits->available);
    if (limits->address_space != LIMIT_NONE && ceiling > limits->address_space / 4)
        warn_of("of an address space of %2$s (RLIMIT_AS) weir takes a part for its\n         tables: the ceiling of "
                "%1$s may not be reached",
                ceiling, limits->address_space);
    else if (limits->address_space != LIMIT_NONE)
        warn("with RLIMIT_AS the arena is smaller, and each free takes longer");
    if (limits->data != LIMIT_NONE && ceiling > limits->data)
        warn_of("the kernel refuses at %2$s (RLIMIT_DATA), before the ceiling of %1$s", ceiling, limits->data);
    if (limits->overcommit == 2 && limits->commit_limit != LIMIT_NONE && limits->committed != LIMIT_NONE &&
        limits->committed + ceiling > limits->commit_limit)
        warn_of("the kernel refuses at %2$s for all programs together\n         (vm.overcommit_memory=2), maybe before "
                "the ceiling of %1$s",
                ceiling, limits->commit_limit);
}

static void examine(const char *process, uint64_t ceiling, const char *from) {
    struct limits limits;
    limits_read(&limits, "", process);
    print_limits(&limits, ceiling, from);
    warn_of_limits(&limits, ceiling);
    limits_free(&limits);
}

static uint64_t bytes_of(const struct run_size *size) {
    struct limits limits;
    if (!size->percent) return size->number;
    limits_read(&limits, "", "self");
    uint64_t bytes = limits_least(&limits) / 100 * size->number;
    limits_free(&limits);
    return bytes ? bytes : LIMIT_NONE;
}

/* --- audit --- */

static void print_pair(const char *what, const char *counter, const char *walk, bool equal) {
    (void)printf("  %-22s %16s %16s  %s\n", what, counter, walk, equal ? "" : "off");
}

/* Counters of a program that goes on meanwhile may be off by what it does just then. */
static bool audit(const struct dump *dump) {
    struct part part = {.dump = (struct dump *)(uintptr_t)dump};
    struct merged merged = {.parts = &part, .part_count = 1, .counted = 1};
    struct memory_sum sum;
    if (!view_sum_memory(&merged, &sum)) return false;
    (void)printf("\n  %-22s %16s %16s\n", "AUDIT, BYTES", "COUNTER", "WALK");
    bool charged = sum.has_used && sum.used == sum.all.charged;
    print_pair("charged", units_count(sum.used), units_count(sum.all.charged), charged);
    uint64_t off = sum.kernel > sum.all.resident ? sum.kernel - sum.all.resident : sum.all.resident - sum.kernel;
    bool resident = !sum.has_kernel || off <= sum.kernel / 100 || off <= (64u << 10);
    print_pair("resident", sum.has_kernel ? units_count(sum.kernel) : "?",
               sum.has_kernel ? units_count(sum.all.resident) : "?", resident);
    if (charged && resident) return true;
    warn("counters are off. What is on its way in a busy program is counted by\n"
         "         one of the two only: ask again");
    return false;
}

static int examine_program(pid_t pid, double timeout) {
    char process[16], *path = ask_program(pid, timeout, ASK_DUMP, NULL);
    if (!path) return EXIT_UNREADABLE;
    struct dump *dump = dump_open(path);
    (void)unlink(path);
    free(path);
    if (!dump->usable) {
        view_message("%d: its dump cannot be read: %s", (int)pid, dump->problem_count ? dump->problems[0] : "?");
        dump_close(dump);
        return EXIT_UNREADABLE;
    }
    char *name = escape_fit(escape_text(dump_text(dump, dump->process.name)), 40, false);
    (void)printf("%s[%d]  level %s, up %s\n", name, (int)pid, view_level(dump->process.level),
                 units_age(view_uptime(dump)));
    free(name);
    (void)snprintf(process, sizeof process, "%d", (int)pid);
    uint64_t max = dump->process.max_direct;
    examine(process, max ? max : LIMIT_NONE, "of this process");
    bool right = audit(dump);
    if (dump->process.level != DUMP_DISABLED) runtimes_look(pid, warn);
    dump_close(dump);
    return right ? EXIT_FINE : EXIT_UNREADABLE;
}

int cmd_doctor(int count, char **arguments) {
    static char name[] = "weir doctor";
    const char *ceiling = getenv("WEIR_MAX_DIRECT"), *from = "WEIR_MAX_DIRECT";
    struct run_size size = {0};
    double timeout = ASK_TIMEOUT;
    pid_t pid = 0;
    arguments[0] = name;
    for (int option = 0; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == 'h') return argument_help(help);
        if (option == 'm') ceiling = optarg, from = "--max-direct";
        if (option == '?') return EXIT_USAGE;
        if (option == 't' && !argument_seconds("timeout", optarg, &timeout)) return EXIT_USAGE;
    }
    if (ceiling && !run_size(ceiling, &size)) {
        view_message("%s=%s: not a size (try 512M)", from, ceiling);
        return EXIT_USAGE;
    }
    if (optind < count - 1 || (optind == count - 1 && !argument_pid(arguments[optind], &pid))) {
        view_message("doctor: one process number is wanted, or none (weir doctor --help)");
        return EXIT_USAGE;
    }
    int status = EXIT_FINE;
    if (pid)
        status = examine_program(pid, timeout);
    else
        examine("self", ceiling ? bytes_of(&size) : LIMIT_NONE, ceiling ? from : "WEIR_MAX_DIRECT is not set");
    if (!warnings && status == EXIT_FINE) (void)printf("nothing stands in the way\n");
    return fflush(stdout) == 0 ? status : EXIT_UNREADABLE;
}
