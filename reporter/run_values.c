/* The options of `weir run` and their values. What the shim would warn of and replace by a default is refused here,
 * before anything is started: who types a ceiling wants it. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reporter/load/memory.h"
#include "reporter/load/signals.h"
#include "reporter/run.h"
#include "reporter/view/view.h"

#define LONGEST             2048 /* of a path, as in the shim */
#define LONGEST_FOLDER      900  /* of WEIR_BOX_DIR, as there */
#define MAX_DEPTH           128
#define TARGET_RECORDS_MOST 1000
#define SAMPLE_BYTES_MOST   ((uint64_t)1 << 40)

char *run_self(void) {
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self);
    return memory_text(self, length > 0 ? (size_t)length : 0);
}

static bool is_number(const char *value, uint64_t least, uint64_t most) {
    char *end = NULL;
    errno = 0;
    if (*value < '0' || *value > '9') return false;
    unsigned long long number = strtoull(value, &end, 10);
    return !*end && !errno && number >= least && number <= most;
}

static bool is_word_of(const char *value, size_t length, const char *const *words) {
    for (; *words; words++)
        if (strlen(*words) == length && memcmp(*words, value, length) == 0) return true;
    return false;
}

static bool is_level(const char *value) {
    static const char *const levels[] = {"disabled", "simple", "advanced", "paranoid", NULL};
    return is_number(value, 0, 3) ? !value[1] : is_word_of(value, strlen(value), levels);
}

bool run_size(const char *value, struct run_size *size) {
    static const char units[] = "kKmMgGtT";
    char *end = NULL;
    errno = 0;
    if (*value < '0' || *value > '9') return false;
    unsigned long long number = strtoull(value, &end, 10);
    if (errno || !number) return false;
    *size = (struct run_size){.number = number, .percent = strcmp(end, "%") == 0};
    if (size->percent) return number <= 100;
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (*end && (!unit || end[1])) return false;
    unsigned shift = unit ? 10 * ((unsigned)(unit - units) / 2 + 1) : 0;
    if (number > (UINT64_MAX >> 1) >> shift) return false;
    size->number = number << shift;
    return true;
}

static bool is_size(const char *value) {
    struct run_size size;
    return run_size(value, &size);
}

static bool is_sample_size(const char *value) {
    struct run_size size;
    return run_size(value, &size) && !size.percent && size.number >= 2 && size.number <= SAMPLE_BYTES_MOST;
}
static bool is_sample_blocks(const char *value) {
    return is_number(value, 1, 1000000);
}
static bool is_sample_rate(const char *value) {
    return is_number(value, 1, 1000000);
}

static bool is_depth(const char *value) {
    return is_number(value, 1, MAX_DEPTH);
}

static bool is_target_records(const char *value) {
    return is_number(value, 0, TARGET_RECORDS_MOST);
}

static bool is_switch(const char *value) {
    return (value[0] == '0' || value[0] == '1') && !value[1];
}

static bool is_action(const char *value) {
    static const char *const actions[] = {"abort", "report", NULL};
    return is_word_of(value, strlen(value), actions);
}

static bool is_limit_action(const char *value) {
    static const char *const actions[] = {"fail", "reclaim", "collect", NULL};
    return is_word_of(value, strlen(value), actions);
}

static bool is_mismatch_action(const char *value) {
    return is_action(value) || strcmp(value, "off") == 0;
}

static bool is_list_of(const char *value, const char *const *words) {
    if (strcmp(value, "none") == 0) return true;
    for (;;) {
        size_t length = strcspn(value, ",");
        if (!is_word_of(value, length, words)) return false;
        if (!value[length]) return true;
        value += length + 1;
    }
}
static bool is_event_list(const char *value) {
    static const char *const events[] = {"exit", "signal", "limit", "term", NULL};
    return is_list_of(value, events);
}
static bool is_leak_list(const char *value) {
    static const char *const events[] = {"exit", "signal", NULL};
    return strcmp(value, "off") == 0 || is_list_of(value, events);
}
/* Bits that tell no addresses apart. */
static bool is_mask(const char *value) {
    char *end = NULL;
    if (value[0] != '0' || (value[1] != 'x' && value[1] != 'X') || !isxdigit((unsigned char)value[2])) return false;
    unsigned long long mask = strtoull(value + 2, &end, 16);
    return end - value <= 18 && !*end && (mask & ~(~0ull << 47 | 15)) == 0;
}
static bool is_scan(const char *value) {
    static const char *const words[] = {"unaligned", "roots=all", "roots=lsan", NULL};
    for (;;) {
        size_t length = strcspn(value, ",");
        char *word = memory_text(value, length);
        bool fits = is_word_of(word, length, words) || (strncmp(word, "tags=", 5) == 0 && is_mask(word + 5));
        free(word);
        if (!fits || !value[length]) return fits;
        value += length + 1;
    }
}
static bool is_action_list(const char *value) {
    static const char *const actions[] = {"log", "dump", "reclaim", NULL};
    return is_list_of(value, actions);
}
static bool is_ceiling(const char *value) {
    return strcmp(value, "none") == 0 || is_size(value);
}
static bool is_reserve(const char *value) {
    return strcmp(value, "0") == 0 || is_size(value);
}

static bool is_signal(const char *value) {
    int number = 0;
    return signal_parse(value, &number);
}

static bool is_template(const char *value) {
    if (!*value || strlen(value) > LONGEST) return false;
    for (const char *at = strchr(value, '%'); at; at = strchr(at + 2, '%'))
        if (!at[1] || !strchr("epnt%", at[1])) return false;
    return true;
}

static bool is_crash_action(const char *value) {
    return strcmp(value, "none") == 0 || strcmp(value, "dump") == 0;
}

static bool is_box(const char *value) {
    return strcmp(value, "sites") == 0 || strcmp(value, "blocks") == 0 || strcmp(value, "off") == 0;
}

static bool is_box_size(const char *value) {
    struct run_size size;
    return run_size(value, &size) && !size.percent && size.number >= 128u << 10;
}

static bool is_folder(const char *value) {
    struct stat status;
    return value[0] == '/' && strlen(value) <= LONGEST_FOLDER && stat(value, &status) == 0 && S_ISDIR(status.st_mode);
}

const struct run_option run_options[] = {
    {"level", "WEIR_LEVEL", is_level, "a level (disabled, simple, advanced, paranoid, or 0 to 3)"},
    {"sample-bytes", "WEIR_SAMPLE_BYTES", is_sample_size, "a size from 2 to 1T (try 64K)"},
    {"sample-blocks", "WEIR_SAMPLE_BLOCKS", is_sample_blocks, "a number from 1 to 1000000"},
    {"sample-rate", "WEIR_SAMPLE_RATE", is_sample_rate, "a number from 1 to 1000000"},
    {"max-direct", "WEIR_MAX_DIRECT", is_ceiling, "a size (try 512M)"},
    {"on-limit", "WEIR_ON_LIMIT", is_limit_action, "fail, reclaim or collect"},
    {"reserve", "WEIR_RESERVE", is_reserve, "a size (try 8M)"},
    {"high-watermark", "WEIR_HIGH_WATERMARK", is_size, "a size or a percentage of the ceiling"},
    {"low-watermark", "WEIR_LOW_WATERMARK", is_size, "a size or a percentage of the ceiling"},
    {"on-watermark", "WEIR_ON_WATERMARK", is_action_list, "a list of log, dump, reclaim, or none"},
    {"window", "WEIR_WINDOW", is_size, "a size (try 64G)"},
    {"depth", "WEIR_DEPTH", is_depth, "a number from 1 to 128"},
    {"target-records", "WEIR_TARGET_RECORDS", is_target_records, "a number from 0 to 1000"},
    {"output", "WEIR_OUTPUT", is_template, "a file name (%e %p %n %t and %% may stand in it)"},
    {"dump-at", "WEIR_DUMP_AT", is_event_list, "a list of exit, signal, limit, term, or none"},
    {"leaks", "WEIR_LEAKS", is_leak_list, "a list of exit, signal, or off"},
    {"scan", "WEIR_SCAN", is_scan,
     "a list of unaligned, tags=0xMASK (bits 0 to 3 and 47 to 63), roots=all, roots=lsan"},
    {"signal", "WEIR_SIGNAL", is_signal, "a signal that may be used (try SIGRTMAX-1)"},
    {"box-dir", "WEIR_BOX_DIR", is_folder, "the absolute path of a folder"},
    {"box", "WEIR_BOX", is_box, "sites or off"},
    {"box-max", "WEIR_BOX_MAX", is_box_size, "a size of 128K or more (try 64M)"},
    {"on-error", "WEIR_ON_ERROR", is_action, "abort or report"},
    {"on-crash", "WEIR_ON_CRASH", is_crash_action, "none or dump"},
    {"on-mismatch", "WEIR_ON_MISMATCH", is_mismatch_action, "report, abort or off"},
    {"pattern", "WEIR_PATTERN", is_switch, "0 or 1"},
    {"free-stacks", "WEIR_FREE_STACKS", is_switch, "0 or 1"},
    {"zero-on-free", "WEIR_ZERO_ON_FREE", is_switch, "0 or 1"},
    {"guard", "WEIR_GUARD", is_switch, "0 or 1"},
    {"harden", "WEIR_HARDEN", is_switch, "0 or 1"},
    {"check", "WEIR_CHECK", is_switch, "0 or 1"},
    {"deepbind", "WEIR_DEEPBIND", is_switch, "0 or 1"},
    {"quiet", "WEIR_QUIET", is_switch, "0 or 1"},
};
const size_t run_option_count = sizeof run_options / sizeof *run_options;

const struct run_option *run_option(const char *name, size_t length) {
    for (size_t i = 0; i < run_option_count; i++) {
        const struct run_option *o = &run_options[i];
        if ((strlen(o->flag) == length && strncmp(o->flag, name, length) == 0) ||
            (strlen(o->variable) == length && strncmp(o->variable, name, length) == 0))
            return o;
    }
    return NULL;
}

bool run_set(const struct run_option *option, const char *value) {
    if (!option->check(value)) {
        view_message("--%s=%.80s: not %s", option->flag, value, option->expected);
        return false;
    }
    return setenv(option->variable, value, 1) == 0;
}

/* What the variable says; a percentage is of `max`, where that is known, and of 100 else. False: it says nothing that
 * can be compared with such. */
static bool limit_of(const char *variable, const char *otherwise, uint64_t max, uint64_t *limit) {
    const char *value = getenv(variable);
    struct run_size size;
    if (!run_size(value ? value : otherwise, &size) || (!size.percent && !max)) return false;
    *limit = size.percent ? (max ? max / 100 * size.number : size.number) : size.number;
    return true;
}

/* What only makes sense together, as the library has it, which would use its own numbers. */
static bool limits_fit(void) {
    const char *ceiling = getenv("WEIR_MAX_DIRECT");
    struct run_size size = {0};
    uint64_t high, low, reserve;
    if (!ceiling || !run_size(ceiling, &size)) return true;
    uint64_t max = size.percent ? 0 : size.number;
    if (max && limit_of("WEIR_RESERVE", "0", max, &reserve) && reserve >= max) {
        view_message("the reserve is not below the ceiling (WEIR_RESERVE, WEIR_MAX_DIRECT)");
        return false;
    }
    bool known = limit_of("WEIR_HIGH_WATERMARK", "90%", max, &high) && limit_of("WEIR_LOW_WATERMARK", "75%", max, &low);
    if (!known || (low < high && high <= (max ? max : 100))) return true;
    view_message("the low watermark is not below the high one, or that above the ceiling (WEIR_LOW_WATERMARK, "
                 "WEIR_HIGH_WATERMARK)");
    return false;
}

bool run_check_environment(void) {
    for (size_t i = 0; i < run_option_count; i++) {
        const char *value = getenv(run_options[i].variable);
        if (!value || run_options[i].check(value)) continue;
        view_message("%s=%.80s: not %s", run_options[i].variable, value, run_options[i].expected);
        return false;
    }
    return limits_fit();
}
