/* Reading the environment; see options.h. One table row an option: its name, its reader, its printer. */
#include "shim/base/options.h"
#include "shim/base/limits.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"

#include <fcntl.h>
#include <signal.h>

struct options options = {
    .level = LEVEL_SIMPLE,
    .sample_bytes = 64 * KIB,
    .sample_blocks = 128,
    .sample_rate = 10000,
    .max_direct = UINT64_MAX,
    .check = true,
    .depth = 64,
    .target_records = 4,
    .dump_at = DUMP_ON_EXIT | DUMP_ON_SIGNAL | DUMP_ON_LIMIT,
    .signal = 63,
    .pattern = true,
    .output = "weir.%e.%p.dump",
    .box = BOX_SITES,
    .box_max = 64 * MIB,
    .high = {.percent = 90},
    .low = {.percent = 75},
    .on_watermark = WATERMARK_LOG | WATERMARK_RECLAIM,
};

static const char *const box_names[] = {"off", "sites", "blocks", NULL}; /* as enum option_box, and so on */
static const char *const crash_names[] = {"none", "dump", NULL};
static const char *const limit_names[] = {"fail", "reclaim", "collect", NULL};
static const char *const error_names[] = {"abort", "report", NULL};
static const char *const mismatch_names[] = {"report", "abort", "off", NULL};
static const char *const dump_events[] = {"exit", "signal", "limit", "term"}; /* as DUMP_ON_… */
static const char *const leak_events[] = {"exit", "signal"};                  /* as LEAKS_AT_… */
static const char *const watermark_actions[] = {"log", "dump", "reclaim"};    /* as WATERMARK_… */
static const char *const level_names[] = {"disabled", "simple", "advanced", "paranoid"};

static void complain(const char *name, const char *value, const char *why) {
    struct text t = {0};
    text_add(&t, "weir: ");
    text_add(&t, name);
    text_add(&t, "=");
    text_add_bytes(&t, value, min_size(str_length(value), 80));
    text_add(&t, ": ");
    text_add(&t, why);
    message_send(&t);
}

static bool word_is(const char *s, size_t n, const char *word) {
    return str_length(word) == n && mem_equal(s, word, n);
}

/* --- a line a kind of value: true when it could be read --- */

static bool read_level(const char *s) {
    for (unsigned i = 0; i < ARRAY_LENGTH(level_names); i++) {
        if (str_equal(s, level_names[i]) || (s[0] == (char)('0' + i) && !s[1])) {
            options.level = (enum option_level)i;
            return true;
        }
    }
    return false;
}

static bool read_max_direct(const char *s) {
    if (!str_equal(s, "none")) return value_size(s, &options.max_direct);
    options.max_direct = UINT64_MAX;
    return true;
}

static bool read_reserve(const char *s) {
    if (str_equal(s, "0")) return true;
    return value_size(s, &options.reserve);
}

/* Of the ceiling, which may be read later. */
static bool read_watermark(const char *s, struct watermark *w) {
    struct watermark read = {0};
    if (!value_percent(s, &read.percent) && !value_size(s, &read.bytes)) return false;
    *w = read;
    return true;
}
static bool read_high(const char *s) {
    return read_watermark(s, &options.high);
}
static bool read_low(const char *s) {
    return read_watermark(s, &options.low);
}

static bool read_window(const char *s) {
    return value_size(s, &options.window);
}

static bool read_number(const char *s, uint64_t most, uint64_t *out) {
    uint64_t n;
    if (!text_number(s, &n) || n < 1 || n > most) return false;
    *out = n;
    return true;
}
static bool read_depth(const char *s) {
    uint64_t n;
    if (!read_number(s, OPTION_DEPTH_MAX, &n)) return false;
    options.depth = (unsigned)n;
    return true;
}
static bool read_target_records(const char *s) {
    uint64_t n;
    if (!text_number(s, &n) || n > OPTION_TARGET_RECORDS_MAX) return false;
    options.target_records = (unsigned)n;
    return true;
}
static bool read_sample_blocks(const char *s) {
    return read_number(s, OPTION_SAMPLE_BLOCKS_MAX, &options.sample_blocks);
}
static bool read_sample_rate(const char *s) {
    return read_number(s, OPTION_SAMPLE_RATE_MAX, &options.sample_rate);
}

static bool read_switch(const char *s, bool *out) {
    if (!s[0] || s[1] || (s[0] != '0' && s[0] != '1')) return false;
    *out = s[0] == '1';
    return true;
}

/* A list of names, whose bits they are in this order; or none. */
static bool read_list(const char *s, const char *const *names, size_t count, unsigned *out) {
    unsigned bits = 0;
    while (*s) {
        size_t n = 0, i = 0;
        while (s[n] && s[n] != ',') n++;
        while (i < count && !word_is(s, n, names[i])) i++;
        if (i == count && !word_is(s, n, "none")) return false;
        if (i < count) bits |= 1u << i;
        s += n + (s[n] == ',');
    }
    *out = bits;
    return true;
}

static bool read_dump_at(const char *s) {
    return read_list(s, dump_events, ARRAY_LENGTH(dump_events), &options.dump_at);
}
static bool read_leaks(const char *s) {
    return read_list(str_equal(s, "off") ? "none" : s, leak_events, ARRAY_LENGTH(leak_events), &options.leaks);
}
static bool read_scan(const char *s) {
    return value_scan(s, &options.scan);
}
static bool read_on_watermark(const char *s) {
    return read_list(s, watermark_actions, ARRAY_LENGTH(watermark_actions), &options.on_watermark);
}

static bool read_signal(const char *s) {
    static const struct {
        const char *name;
        int number;
    } names[] = {{"HUP", SIGHUP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"WINCH", SIGWINCH}, {"URG", SIGURG},
                 {"IO", SIGIO},   {"PWR", SIGPWR},   {"QUIT", SIGQUIT}, {"none", 0}};
    uint64_t n;
    if (text_number(s, &n)) {
        if (n < 1 || n > 64 || n == SIGKILL || n == SIGSTOP || n == 32 || n == 33)
            return false; /* 32, 33: glibc's own */
        options.signal = (int)n;
        return true;
    }
    const char *rest = str_after(s, "SIG");
    if (rest) s = rest;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (str_equal(s, names[i].name)) {
            options.signal = names[i].number;
            return true;
        }
    }
    rest = str_after(s, "RTMIN+"); /* glibc's SIGRTMIN is 34 */
    if (rest && text_number(rest, &n) && n <= 30) {
        options.signal = 34 + (int)n;
        return true;
    }
    rest = str_after(s, "RTMAX-");
    if (rest && text_number(rest, &n) && n <= 30) {
        options.signal = 64 - (int)n;
        return true;
    }
    if (!str_equal(s, "RTMIN") && !str_equal(s, "RTMAX")) return false;
    options.signal = str_equal(s, "RTMIN") ? 34 : 64;
    return true;
}

/* Programs write their titles over the environment's memory, so what is kept is copied. */
static const char *keep(const char *s) {
    static char kept[3 * 2049 + 65];
    static size_t used;
    size_t n = str_length(s) + 1;
    if (n > sizeof kept - used) return NULL;
    char *to = kept + used;
    mem_copy(to, s, n);
    used += n;
    return to;
}

static bool read_output(const char *s) {
    if (!*s || str_length(s) > 2048) return false;
    for (const char *p = s; *p; p++) {
        if (*p != '%') continue;
        p++;
        if (*p != 'e' && *p != 'p' && *p != 'n' && *p != 't' && *p != '%') return false;
    }
    options.output = keep(s);
    return true;
}

static bool read_box_dir(const char *s) {
    if (*s != '/' || str_length(s) > 900) return false;
    options.box_dir = keep(s);
    return true;
}

static bool read_run(const char *s) {
    if (str_length(s) > 64) return false;
    options.run = keep(s);
    return true;
}

/* --- and one a printer --- */

static void print_level(struct text *t) {
    text_add(t, level_names[options.level]);
}
static void print_max_direct(struct text *t) {
    if (options.max_direct == UINT64_MAX)
        text_add(t, "none");
    else
        text_add_number(t, options.max_direct);
}
static void print_reserve(struct text *t) {
    text_add_number(t, options.reserve);
}
static void print_watermark(struct text *t, const struct watermark *w) {
    text_add_number(t, w->percent ? w->percent : w->bytes);
    if (w->percent) text_add(t, "%");
}
static void print_high(struct text *t) {
    print_watermark(t, &options.high);
}
static void print_low(struct text *t) {
    print_watermark(t, &options.low);
}
static void print_list(struct text *t, const char *const *names, size_t count, unsigned bits) {
    if (bits == 0) text_add(t, "none,");
    for (size_t i = 0; i < count; i++) {
        if (!(bits >> i & 1)) continue;
        text_add(t, names[i]);
        text_add(t, ",");
    }
    t->length--;
}
static void print_on_watermark(struct text *t) {
    print_list(t, watermark_actions, ARRAY_LENGTH(watermark_actions), options.on_watermark);
}
static void print_window(struct text *t) {
    if (options.window == 0)
        text_add(t, "auto");
    else
        text_add_number(t, options.window);
}
static void print_sample_blocks(struct text *t) {
    text_add_number(t, options.sample_blocks);
}
static void print_sample_rate(struct text *t) {
    text_add_number(t, options.sample_rate);
}
static void print_depth(struct text *t) {
    text_add_number(t, options.depth);
}
static void print_target_records(struct text *t) {
    text_add_number(t, options.target_records);
}
static void print_output(struct text *t) {
    text_add(t, options.output);
}
static void print_dump_at(struct text *t) {
    print_list(t, dump_events, ARRAY_LENGTH(dump_events), options.dump_at);
}
static void print_leaks(struct text *t) {
    print_list(t, leak_events, ARRAY_LENGTH(leak_events), options.leaks);
}
static void print_scan(struct text *t) {
    value_scan_print(t, &options.scan);
}
static void print_signal(struct text *t) {
    text_add_number(t, (uint64_t)options.signal);
}
static void print_box_dir(struct text *t) {
    text_add(t, options.box_dir ? options.box_dir : "");
}
static void print_run(struct text *t) {
    text_add(t, options.run ? options.run : "");
}

static const struct option {
    const char *name;
    bool (*read)(const char *value);
    void (*print)(struct text *t);
    const char *otherwise; /* the complaint about a bad value: what it should be, and what holds instead */
    bool *flag;            /* a switch, 0 or 1, which needs no reader or printer of its own */
    unsigned *word;        /* the place of one of these words, which needs none either */
    const char *const *words;
    uint64_t *size, least, most; /* bytes, which need none */
    bool live;                   /* may be changed while the program runs */
} table[] = {
    {"WEIR_QUIET", .live = true, .flag = &options.quiet, .otherwise = "not 0 or 1; messages are printed"},
    {"WEIR_LEVEL", .live = true, .read = read_level, .print = print_level,
     .otherwise = "not a level (disabled, simple, advanced, paranoid, or 0 to 3); simple is used"},
    {"WEIR_SAMPLE_BYTES", .size = &options.sample_bytes, .least = 2, .most = OPTION_SAMPLE_BYTES_MAX,
     .otherwise = "not a size from 2 to 1T (try 64K); 64K is used"},
    {"WEIR_SAMPLE_BLOCKS", .read = read_sample_blocks, .print = print_sample_blocks,
     .otherwise = "not a number from 1 to 1000000; 128 is used"},
    {"WEIR_SAMPLE_RATE", .live = true, .read = read_sample_rate, .print = print_sample_rate,
     .otherwise = "not a number from 1 to 1000000; 10000 is used"},
    {"WEIR_MAX_DIRECT", .live = true, .read = read_max_direct, .print = print_max_direct,
     .otherwise = "not a size (try 512M); no ceiling is set"},
    {"WEIR_ON_LIMIT", .live = true, .word = &options.on_limit, .words = limit_names,
     .otherwise = "not fail, reclaim or collect; fail is used"},
    {"WEIR_RESERVE", .live = true, .read = read_reserve, .print = print_reserve,
     .otherwise = "not a size (try 8M); 0 is used"},
    {"WEIR_HIGH_WATERMARK", .live = true, .read = read_high, .print = print_high,
     .otherwise = "not a size or a percentage of the ceiling; 90% is used"},
    {"WEIR_LOW_WATERMARK", .live = true, .read = read_low, .print = print_low,
     .otherwise = "not a size or a percentage of the ceiling; 75% is used"},
    {"WEIR_ON_WATERMARK", .live = true, .read = read_on_watermark, .print = print_on_watermark,
     .otherwise = "not a list of log, dump, reclaim, or none; log,reclaim is used"},
    {"WEIR_WINDOW", .read = read_window, .print = print_window,
     .otherwise = "not a size (try 64G); as much as costs little is reserved"},
    {"WEIR_DEPTH", .read = read_depth, .print = print_depth, .otherwise = "not a number from 1 to 128; 64 is used"},
    {"WEIR_TARGET_RECORDS", .read = read_target_records, .print = print_target_records,
     .otherwise = "not a number from 0 to 1000; 4 is used"},
    {"WEIR_OUTPUT", .read = read_output, .print = print_output,
     .otherwise = "not a file name (%e %p %n %t and %% may stand in it); weir.%e.%p.dump is used"},
    {"WEIR_DUMP_AT", .live = true, .read = read_dump_at, .print = print_dump_at,
     .otherwise = "not a list of exit, signal, limit, term, or none; exit,signal,limit is used"},
    {"WEIR_LEAKS", .live = true, .read = read_leaks, .print = print_leaks,
     .otherwise = "not a list of exit, signal, or off; off is used"},
    {"WEIR_SCAN", .live = true, .read = read_scan, .print = print_scan,
     .otherwise =
         "not a list of unaligned, tags=0xMASK (bits 0 to 3 and 47 to 63), roots=all, roots=lsan; roots=all is used"},
    {"WEIR_SIGNAL", .read = read_signal, .print = print_signal,
     .otherwise = "not a signal that may be used (try SIGRTMAX-1); SIGRTMAX-1 is used"},
    {"WEIR_ON_ERROR", .live = true, .word = &options.on_error, .words = error_names,
     .otherwise = "not abort or report; abort is used"},
    {"WEIR_ON_CRASH", .word = &options.on_crash, .words = crash_names, .otherwise = "not none or dump; none is used"},
    {"WEIR_ON_MISMATCH", .live = true, .word = &options.on_mismatch, .words = mismatch_names,
     .otherwise = "not report, abort or off; report is used"},
    {"WEIR_PATTERN", .flag = &options.pattern, .otherwise = "not 0 or 1; 1 is used"},
    {"WEIR_FREE_STACKS", .flag = &options.free_stacks, .otherwise = "not 0 or 1; 0 is used"},
    {"WEIR_ZERO_ON_FREE", .flag = &options.zero_on_free, .otherwise = "not 0 or 1; 0 is used"},
    {"WEIR_GUARD", .flag = &options.guard, .otherwise = "not 0 or 1; 0 is used"},
    {"WEIR_HARDEN", .flag = &options.harden, .otherwise = "not 0 or 1; 0 is used"},
    {"WEIR_CHECK", .flag = &options.check, .otherwise = "not 0 or 1; 1 is used"},
    {"WEIR_DEEPBIND", .flag = &options.deepbind, .otherwise = "not 0 or 1; 0 is used"},
    {"WEIR_BOX_DIR", .read = read_box_dir, .print = print_box_dir,
     .otherwise = "not an absolute path; /dev/shm is used"},
    {"WEIR_BOX", .word = &options.box, .words = box_names, .otherwise = "not sites, blocks or off; sites is used"},
    {"WEIR_BOX_MAX", .size = &options.box_max, .least = OPTION_BOX_LEAST, .most = UINT64_MAX,
     .otherwise = "not a size of 128K or more (try 64M); 64M is used"},
    {"WEIR_RUN", .read = read_run, .print = print_run, .otherwise = "longer than 64 bytes; ignored"},
};

static bool read_word(const char *value, const char *const *words, unsigned *out) {
    for (unsigned i = 0; words[i]; i++) {
        if (!str_equal(value, words[i])) continue;
        *out = i;
        return true;
    }
    return false;
}

static bool read_size(const char *s, const struct option *o) {
    uint64_t n;
    bool fits = !value_percent(s, &n) && value_size(s, &n) && n >= o->least && n <= o->most;
    if (fits) *o->size = n;
    return fits;
}

static bool read_value(const struct option *o, const char *value) {
    if (o->size) return read_size(value, o);
    if (o->word) return read_word(value, o->words, o->word);
    return o->flag ? read_switch(value, o->flag) : o->read(value);
}

/* The row that a variable of the environment names, NULL for one that weir does not know. */
static const struct option *find_row(const char *variable, size_t length) {
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
        if (word_is(variable, length, table[i].name)) return &table[i];
    return NULL;
}

static void complain_of_unknown(void) {
    for (char **p = start_envp; *p; p++) {
        if (!str_after(*p, "WEIR_")) continue;
        size_t length = 0;
        while ((*p)[length] && (*p)[length] != '=') length++;
        if (find_row(*p, length)) continue;
        struct text t = {0};
        text_add(&t, "weir: ");
        text_add_bytes(&t, *p, min_size(length, 80));
        text_add(&t, ": no such option; it is ignored");
        message_send(&t);
    }
}

uint64_t options_watermark(const struct watermark *w) {
    if (options.max_direct == UINT64_MAX) return UINT64_MAX;
    return w->percent ? options.max_direct / 100 * w->percent : w->bytes;
}

/* What only makes sense together. */
static bool reserve_is_wrong(void) {
    return options.reserve >= options.max_direct;
}
static bool watermarks_are_wrong(void) {
    uint64_t high = options_watermark(&options.high), low = options_watermark(&options.low);
    return high != UINT64_MAX && (low >= high || high > options.max_direct);
}

static void settle_limits(void) {
    if (reserve_is_wrong()) {
        complain("WEIR_RESERVE", start_variable("WEIR_RESERVE"), "not below the ceiling; 0 is used");
        options.reserve = 0;
    }
    if (!watermarks_are_wrong()) return;
    const char *name = start_variable("WEIR_LOW_WATERMARK") ? "WEIR_LOW_WATERMARK" : "WEIR_HIGH_WATERMARK";
    complain(name, start_variable(name),
             "the low watermark is to lie below the high one, which the ceiling is not; 75% and 90% are used");
    options.high = (struct watermark){.percent = 90};
    options.low = (struct watermark){.percent = 75};
}

void options_read(void) {
    const char *quiet = start_variable("WEIR_QUIET");
    message_start(quiet && str_equal(quiet, "1"));
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++) {
        const char *value = start_variable(table[i].name);
        if (value && !read_value(&table[i], value)) complain(table[i].name, value, table[i].otherwise);
    }
    complain_of_unknown();
    settle_limits();
    if (options.harden) options.guard = options.pattern = options.check = true;
}

/* NAME=VALUE, ended by zero. */
static const char *change_one(const char *line) {
    size_t length = 0;
    while (line[length] && line[length] != '=') length++;
    const struct option *o = find_row(line, length);
    if (!o || !line[length]) return "there is no such option in the library that it runs under";
    if (!o->live) return "this cannot be changed while it runs";
    return read_value(o, line + length + 1) ? NULL : "its library does not know such a value";
}

const char *options_change(char *lines) {
    const struct options before = options;
    const char *why = NULL;
    for (char *line = lines, *end; *line && !why; line = end) {
        for (end = line; *end && *end != '\n';) end++;
        if (*end) *end++ = 0;
        why = change_one(line);
    }
    if (!why && reserve_is_wrong()) why = "the reserve is not below the ceiling";
    if (!why && watermarks_are_wrong())
        why = "the low watermark is to lie below the high one, and that below the ceiling";
    if (why) options = before;
    return why;
}

const char *options_name(unsigned i) {
    return i < ARRAY_LENGTH(table) ? table[i].name : NULL;
}

void options_value(unsigned i, char *out, size_t size) {
    struct text t = {0};
    if (table[i].flag)
        text_add_number(&t, *table[i].flag);
    else if (table[i].word)
        text_add(&t, table[i].words[*table[i].word]);
    else if (table[i].size)
        text_add_number(&t, *table[i].size);
    else
        table[i].print(&t);
    size_t n = min_size(t.length, size - 1);
    mem_copy(out, t.at, n);
    out[n] = 0;
}
