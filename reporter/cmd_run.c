/* weir run: checks the options, preloads libweir.so into a program, waits for it, sums up. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/commands.h"
#include "reporter/load/memory.h"
#include "reporter/run.h"
#include "reporter/view/view.h"

static const char help[] = "weir run [options] [--] PROGRAM ARGS: runs it under libweir.so and sums up.\n"
                           "\n"
                           "  --level LEVEL       disabled, simple, advanced, paranoid, 0 to 3   WEIR_LEVEL\n"
                           "  --sample-bytes SIZE one byte in so many is drawn             WEIR_SAMPLE_BYTES\n"
                           "  --sample-blocks N   and one block in so many, of any size   WEIR_SAMPLE_BLOCKS\n"
                           "  --sample-rate N     at most so many samples a second          WEIR_SAMPLE_RATE\n"
                           "  --max-direct SIZE   the ceiling: 512M, 2G, 50%                WEIR_MAX_DIRECT\n"
                           "  --on-limit ACTION   fail; reclaim, up to 511 ms; or collect     WEIR_ON_LIMIT\n"
                           "  --reserve SIZE      kept for requests of up to 32 KiB            WEIR_RESERVE\n"
                           "  --high-watermark N%  also a size                          WEIR_HIGH_WATERMARK\n"
                           "  --low-watermark N%  also a size                            WEIR_LOW_WATERMARK\n"
                           "  --on-watermark LIST log, dump, reclaim; or none             WEIR_ON_WATERMARK\n"
                           "  --window SIZE       address space of the arena: 64G              WEIR_WINDOW\n"
                           "  --depth N           frames a stack, 1 to 128                       WEIR_DEPTH\n"
                           "  --target-records N  access records a block, 0 to 1000     WEIR_TARGET_RECORDS\n"
                           "  --output TEMPLATE   where dumps go: %e program, %p pid,           WEIR_OUTPUT\n"
                           "                      %n number, %t time, %% a percent sign\n"
                           "  --dump-at LIST      exit, signal, limit, term; or none           WEIR_DUMP_AT\n"
                           "  --leaks LIST        exit (default), signal; or off                 WEIR_LEAKS\n"
                           "  --scan LIST         unaligned, tags=0xMASK, roots=lsan              WEIR_SCAN\n"
                           "  --signal SIGNAL     the dump signal                               WEIR_SIGNAL\n"
                           "  --box sites|off     what is there after a kill; or blocks             WEIR_BOX\n"
                           "  --box-dir DIR       where it lies, and the answer to weir dump   WEIR_BOX_DIR\n"
                           "  --box-max SIZE      at most so much of it                        WEIR_BOX_MAX\n"
                           "  --on-error ACTION   at a bad free: abort or report              WEIR_ON_ERROR\n"
                           "  --on-crash ACTION   at a fault or abort: none or dump           WEIR_ON_CRASH\n"
                           "  --on-mismatch ACT   at a wrong delete: report, abort or off  WEIR_ON_MISMATCH\n"
                           "  --pattern 0|1       0: writes past blocks are not looked for     WEIR_PATTERN\n"
                           "  --free-stacks 0|1   1: frees have whole stacks           WEIR_FREE_STACKS\n"
                           "  --zero-on-free 0|1  1: freed blocks are overwritten         WEIR_ZERO_ON_FREE\n"
                           "  --guard 0|1         1: an untouchable slice behind slabs    WEIR_GUARD\n"
                           "  --harden 0|1        1: guards, patterns, late reuse        WEIR_HARDEN\n"
                           "  --check 0|1         0: lists of free blocks are trusted     WEIR_CHECK\n"
                           "  --deepbind 0|1      1: RTLD_DEEPBIND is left to dlopen      WEIR_DEEPBIND\n"
                           "  --quiet[=0|1]       no messages, no summary                        WEIR_QUIET\n"
                           "  --help\n"
                           "\n"
                           "An option beats the environment's variable beside it. Without an output, a\n"
                           "single dump is left as weir.NAME.PID.dump, several as a folder weir.NAME.PID.d.\n"
                           "The summary goes to stderr.\n"
                           "Exit status: the program's; if a signal killed it, the same signal; 125 weir\n"
                           "failed or an option is wrong, 126 the program cannot be executed, 127 it was\n"
                           "not found.\n";

#define MAX_OPTIONS 64

/* Options that getopt shall know: those of the table, quiet without a value, help. */
static void make_options(struct option *options) {
    size_t count = 0;
    for (size_t i = 0; i < run_option_count; i++) {
        bool quiet = strcmp(run_options[i].flag, "quiet") == 0;
        options[count++] =
            (struct option){run_options[i].flag, quiet ? optional_argument : required_argument, NULL, (int)i};
    }
    options[count++] = (struct option){"help", no_argument, NULL, 'h'};
    options[count] = (struct option){NULL, 0, NULL, 0};
}

/* EXIT_FINE to go on; else the command ends with *status. */
static bool parse(struct run *run, int count, char **arguments, int *status) {
    static char name[] = "weir run";
    struct option options[MAX_OPTIONS];
    make_options(options);
    arguments[0] = name;
    *status = EXIT_FAILED;
    for (int option = 0; (option = getopt_long(count, arguments, "+", options, NULL)) != -1;) {
        if (option == 'h') {
            *status = argument_help(help) == EXIT_FINE ? EXIT_FINE : EXIT_FAILED;
            return false;
        }
        if (option == '?' || !run_set(&run_options[option], optarg ? optarg : "1")) return false;
    }
    if (optind == count) {
        view_message("run: no program is given (weir run --help)");
        return false;
    }
    run->arguments = arguments + optind;
    const char *quiet = getenv("WEIR_QUIET");
    run->quiet = quiet && strcmp(quiet, "1") == 0;
    return run_check_environment();
}

/* Beside weir itself, as in the build folder, or where `make install` puts it. */
static char *find_shim(void) {
    static const char *const places[] = {"libweir.so", "../lib/weir/libweir.so"};
    char resolved[PATH_MAX], *self = run_self(), *slash = strrchr(self, '/');
    if (slash) *slash = 0;
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        char *path = memory_format("%s/%s", self, places[i]);
        bool found = realpath(path, resolved) && access(resolved, R_OK) == 0;
        free(path);
        if (!found) continue;
        free(self);
        return memory_text(resolved, strlen(resolved));
    }
    free(self);
    view_message("libweir.so is neither beside weir nor in ../lib/weir");
    return NULL;
}

static bool preload(void) {
    const char *before = getenv("LD_PRELOAD");
    char *shim = find_shim();
    if (!shim) return false;
    if (shim[strcspn(shim, " :")]) { /* LD_PRELOAD knows no way to quote them */
        view_message("%s: a path with a space or a colon cannot be preloaded", shim);
        free(shim);
        return false;
    }
    char *list = before && *before ? memory_format("%s:%s", shim, before) : memory_text(shim, strlen(shim));
    bool set = setenv("LD_PRELOAD", list, 1) == 0;
    free(list);
    free(shim);
    return set;
}

static bool name_run(struct run *run) {
    unsigned char random[8];
    if (getrandom(random, sizeof random, 0) != sizeof random) return false;
    for (size_t i = 0; i < sizeof random; i++) (void)snprintf(run->id + 2 * i, 3, "%02x", random[i]);
    /* Whoever waits for the end wants to know what is leaked then; where nothing is tracked, there would be no names.
     */
    const char *level = getenv("WEIR_LEVEL");
    bool tracks = !level || (strcmp(level, "disabled") != 0 && strcmp(level, "0") != 0);
    return setenv("WEIR_RUN", run->id, 1) == 0 && (!tracks || setenv("WEIR_LEAKS", "exit", 0) == 0);
}

static bool is_possible(const struct run *run) {
    if (!run->program.sanitizer) return true;
    view_message("%s: is built with %s, which must be the only allocator; it cannot be preloaded", run->arguments[0],
                 run->program.sanitizer);
    return false;
}

static void forget(struct run *run) {
    program_free(&run->program);
    free(run->directory);
    free(run->folder);
    free(run->kept);
}

int cmd_run(int count, char **arguments) {
    struct run run = {0};
    int status = EXIT_FAILED;
    if (!parse(&run, count, arguments, &status)) return status;
    program_inspect(&run.program, run.arguments[0]);
    run.directory = realpath(".", NULL);
    if (run.directory && strcmp(run.directory, "/") == 0) *run.directory = 0; /* a slash follows wherever it is used */
    if (!run.directory) view_message("the current folder cannot be found: %s", strerror(errno));
    if (!run.directory || !is_possible(&run) || !preload() || !name_run(&run)) {
        forget(&run);
        return EXIT_FAILED;
    }
    status = run_child(&run);
    if (status != EXIT_FINE) {
        if (run.folder) (void)rmdir(run.folder);
        forget(&run);
        return status;
    }
    run_sum_up(&run);
    int wait_status = run.wait_status;
    forget(&run);
    run_end_as_child(wait_status);
}
