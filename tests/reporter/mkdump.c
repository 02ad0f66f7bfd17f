/* mkdump: writes a dump by parameters, for tests of the reporter. Where options repeat, each adds one.
 *
 *   mkdump [options] FILE
 *     --blocks N --sites N --depth N     N live blocks over N sites with N frames (default 12, 3, 4)
 *     --module PATH[=FILE]               a module called PATH with the segments and build-id of FILE (PATH)
 *     --stack M:OFFSET[!],M:OFFSET,...   one site with these frames; ! marks an exact program counter
 *     --name BYTES --thread BYTES        \xNN is understood
 *     --pid N --number N --start N --level N --max N --exit N --reason N --fork
 *     --inherited N --forked-from PID    so many blocks of 16 bytes that are not listed
 *     --refusals N --size N --extra N    refusals; bytes a block; bytes appended to each record
 *     --omit SECTION --no-end            by number
 *     --base OFFSET --spread N           the frames of --sites lie in these N bytes of the first module
 *     --set S:RECORD:OFFSET:SIZE=VALUE   bytes of a record, before the checksums
 *     --option NAME=VALUE                an option in force
 *     --records N --hint BYTES           each block from here on has N access records, of more; of weir_touch
 *     --pool VERDICT --own-list BYTES    a part of 40 bytes with the last stack; the program's own suppressions
 *     --weight W --stat ID=VALUE         blocks from here on stand for W each; a counter
 *     --verdict N                        blocks of --stack from here on have it, and memory was searched
 *     --path ROOT:PLACE:STEPS:LEFT       a path to the last block so far: N steps, those before it untracked ones of 48
 *                                        bytes, LEFT others left out; ROOT and PLACE by number
 *     --mark NAME=SECONDS                a mark of so long ago; its number follows the one before
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/reporter/dump_builder.h"

#define STRIDE 37 /* bytes between the frames of --sites; a prime number */

struct parameters {
    struct builder builder;
    uint64_t blocks, sites, depth, refusals, size, base, spread, records;
    const char *hint;
    uint32_t verdict;
    float weight;
    bool with_stacks;
    const char *sets[32];
    size_t set_count;
};

/* BYTES with \xNN; returns the length. */
static size_t unescape(const char *text, char *to) {
    size_t length = 0;
    for (; *text; length++) {
        unsigned value = 0;
        if (sscanf(text, "\\x%2x", &value) == 1) {
            to[length] = (char)value;
            text += 4;
        } else
            to[length] = *text++;
    }
    return length;
}

static struct dump_string string_of(struct builder *builder, const char *escaped) {
    char bytes[4096];
    return builder_string(builder, bytes, unescape(escaped, bytes));
}

static void add_module(struct builder *builder, const char *value) {
    char path[4096], bytes[4096];
    const char *equals = strchr(value, '=');
    int length = equals ? (int)(equals - value) : (int)strlen(value);
    (void)snprintf(path, sizeof path, "%.*s", length, value);
    bytes[unescape(path, bytes)] = 0;
    uint32_t flags = builder_count(builder, DUMP_MODULES) ? 0 : DUMP_MODULE_PROGRAM;
    (void)builder_module(builder, bytes, equals ? equals + 1 : bytes, flags);
}

/* A second later each, and of the blocks the first one's last. */
static void add_records(struct parameters *parameters, const struct dump_block *block, uint64_t blocks, uint64_t i) {
    struct builder *builder = &parameters->builder;
    uint64_t now = builder->process.dump_time, second = 1000000000u;
    for (uint64_t j = 0; j < parameters->records; j++) {
        bool touch = parameters->hint && j + 1 == parameters->records;
        struct dump_record record = {.address = block->address,
                                     .number = 5 + j,
                                     .time = now - (blocks * i + parameters->records - j) * second,
                                     .stack = block->stack,
                                     .made = block->stack,
                                     .thread = block->thread,
                                     .verdict = block->verdict,
                                     .kind = touch   ? RECORD_TOUCH
                                             : j % 2 ? RECORD_WRITE
                                                     : RECORD_REALLOC,
                                     .fd = !touch && j % 2 ? 12 : -1};
        if (touch) record.hint = string_of(builder, parameters->hint);
        (void)builder_add(builder, DUMP_RECORDS, &record, sizeof record);
    }
}

static void add_site(struct parameters *parameters, size_t stack, uint64_t blocks, uint64_t number) {
    struct builder *builder = &parameters->builder;
    uint64_t now = builder->process.dump_time, second = 1000000000u;
    struct dump_site site = {.stack = (uint32_t)stack, .threads = 2, .oldest = UINT64_MAX};
    for (uint64_t i = 0; i < blocks; i++) {
        struct dump_block block = {.address = 0x100000 + (number * 1000003 + i) * 64,
                                   .size = parameters->size ? parameters->size : 16 + (number * 37 + i) % 4096,
                                   .time = now - (i % 7000 + 1) * second,
                                   .stack = (uint32_t)stack,
                                   .thread = 4711 + (uint32_t)(i % 2),
                                   .verdict = parameters->verdict,
                                   .weight = parameters->weight};
        (void)builder_add(builder, DUMP_BLOCKS, &block, sizeof block);
        add_records(parameters, &block, blocks, i);
        if (block.time < builder->process.fork_time) {
            site.inherited_blocks++;
            site.inherited_bytes += block.size;
            continue;
        }
        site.blocks++;
        site.bytes += block.size;
        if (block.time < site.oldest) site.oldest = block.time;
        if (block.time > site.newest) site.newest = block.time;
    }
    (void)builder_add(builder, DUMP_SITES, &site, sizeof site);
}

static void add_stack(struct parameters *parameters, const char *value) {
    uint64_t frames[64], exact = 0;
    size_t count = 0;
    for (const char *at = value; at && *at && count < 64; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char *end = NULL;
        uint64_t module = strtoull(at, &end, 0);
        uint64_t offset = *end == ':' ? strtoull(end + 1, &end, 0) : 0;
        if (*end == '!') exact |= 1ull << count;
        frames[count++] = module << 48 | offset;
    }
    size_t stack = builder_stack(&parameters->builder, frames, count, exact);
    add_site(parameters, stack, parameters->blocks, stack);
    parameters->with_stacks = true;
}

static void add_path(struct builder *builder, const char *value) {
    char *end = NULL;
    uint64_t root = strtoull(value, &end, 0), place = strtoull(end + 1, &end, 0);
    uint32_t steps = (uint32_t)strtoul(end + 1, &end, 0);
    const struct buffer *blocks = &builder->sections[DUMP_BLOCKS];
    struct dump_block last;
    memcpy(&last, blocks->bytes + blocks->length - sizeof last, sizeof last);
    struct dump_path path = {.address = last.address,
                             .stack = last.stack,
                             .verdict = last.verdict,
                             .root = (uint32_t)root,
                             .word = root == ROOT_EPOLL ? 7 : 0x7f0000001000,
                             .place = place,
                             .left_out = strtoull(end + 1, NULL, 0),
                             .thread = 4711,
                             .first_step = (uint32_t)builder_count(builder, DUMP_STEPS),
                             .steps = steps};
    (void)builder_add(builder, DUMP_PATHS, &path, sizeof path);
    for (uint32_t i = 0; i < steps; i++) {
        bool is_last = i + 1 == steps;
        struct dump_step step = {.address = is_last ? last.address : 0x200000 + i * 64,
                                 .size = is_last ? last.size : 48,
                                 .stack = is_last ? last.stack : DUMP_STEP_UNTRACKED,
                                 .offset = is_last ? 0 : 8 * i};
        (void)builder_add(builder, DUMP_STEPS, &step, sizeof step);
    }
}

/* Sites in made-up places of the modules, all different. */
static void add_sites(struct parameters *parameters) {
    struct builder *builder = &parameters->builder;
    uint64_t modules = builder_count(builder, DUMP_MODULES);
    if (!modules) modules = builder_module(builder, "/nowhere/gateway", NULL, DUMP_MODULE_PROGRAM) + 1;
    for (uint64_t i = 0; i < parameters->sites; i++) {
        uint64_t frames[UINT8_MAX];
        for (uint64_t j = 0; j < parameters->depth && j < UINT8_MAX; j++)
            frames[j] = parameters->spread
                            ? parameters->base + (i * parameters->depth + j) * STRIDE % parameters->spread
                            : (j % modules) << 48 | (0x1000 + (j ? j * 64 : i * 16) + 5);
        size_t stack = builder_stack(builder, frames, parameters->depth, 0);
        uint64_t share = parameters->blocks / parameters->sites + (i < parameters->blocks % parameters->sites);
        add_site(parameters, stack, share, i);
    }
}

static void add_rest(struct parameters *parameters) {
    struct builder *builder = &parameters->builder;
    uint64_t used = parameters->size ? parameters->size * parameters->blocks : 520093696u;
    builder_stat(builder, STAT_DIRECT_COUNT, parameters->blocks);
    builder_stat(builder, STAT_DIRECT_CAPACITY, used);
    builder_stat(builder, STAT_DIRECT_USED, used);
    builder_stat(builder, STAT_DIRECT_PEAK, used + 4096);
    builder_stat(builder, STAT_DIRECT_REFUSED, parameters->refusals);
    builder_stat(builder, STAT_CACHED, 3250586);
    builder_stat(builder, STAT_TRACKED_LIVE, parameters->blocks);
    struct dump_class class = {.size = 64, .slabs = 2, .live = 100, .capacity = 2048};
    (void)builder_add(builder, DUMP_CLASSES, &class, sizeof class);
    for (uint64_t i = 0; i < parameters->refusals; i++) {
        struct dump_refusal refusal = {.time = builder->process.dump_time - i,
                                       .requested = 16777216,
                                       .used = 520093983,
                                       .max = 536870912,
                                       .thread = 4719,
                                       .operation = OP_MALLOC,
                                       .frame = 0x1a2b3};
        (void)builder_add(builder, DUMP_REFUSALS, &refusal, sizeof refusal);
    }
}

static int number_of_section(const char *value) {
    int type = atoi(value);
    return type > 0 && type < BUILDER_SECTIONS ? type : 0;
}

static void apply_sets(struct parameters *parameters) {
    struct builder *builder = &parameters->builder;
    if (!builder->sections[DUMP_PROCESS].length)
        (void)builder_add(builder, DUMP_PROCESS, &builder->process, sizeof builder->process);
    for (size_t i = 0; i < parameters->set_count; i++) {
        unsigned type = 0, size = 0;
        unsigned long record = 0, offset = 0;
        char value[64];
        if (sscanf(parameters->sets[i], "%u:%lu:%lu:%u=%63s", &type, &record, &offset, &size, value) == 5 &&
            type < BUILDER_SECTIONS && size <= 8)
            builder_set(builder, type, record, offset, strtoull(value, NULL, 0), size);
    }
}

static void add_option(struct builder *builder, const char *value) {
    const char *equals = strchr(value, '=');
    struct dump_option option = {.name = builder_string(builder, value, (size_t)(equals - value)),
                                 .value = builder_string(builder, equals + 1, strlen(equals + 1))};
    (void)builder_add(builder, DUMP_OPTIONS, &option, sizeof option);
}

static void add_part(struct builder *builder, uint32_t verdict) {
    uint64_t parts = builder_count(builder, DUMP_POOLS), stacks = builder_count(builder, DUMP_STACKS);
    struct dump_block part = {.address = 0x100000 + parts * 64,
                              .size = 40,
                              .time = builder->process.dump_time - 5000000000u,
                              .stack = stacks ? (uint32_t)stacks - 1 : 0,
                              .thread = 4711,
                              .verdict = verdict};
    (void)builder_add(builder, DUMP_POOLS, &part, sizeof part);
}

static void add_mark(struct builder *builder, const char *value) {
    char bytes[4096];
    const char *equals = strrchr(value, '=');
    (void)snprintf(bytes, sizeof bytes, "%.*s", (int)(equals - value), value);
    struct dump_mark mark = {.time = builder->process.dump_time - strtoull(equals + 1, NULL, 0) * 1000000000u,
                             .name = string_of(builder, bytes),
                             .number = (uint32_t)builder_count(builder, DUMP_MARKS) + 1};
    (void)builder_add(builder, DUMP_MARKS, &mark, sizeof mark);
}

static void add_own_list(struct builder *builder, const char *escaped) {
    char bytes[4096];
    size_t length = unescape(escaped, bytes);
    for (size_t i = 0; i < length; i++) (void)builder_add(builder, DUMP_SUPPRESSIONS, &bytes[i], 1);
}

static void take(struct parameters *parameters, char option, const char *value) {
    struct builder *builder = &parameters->builder;
    struct dump_process *process = &builder->process;
    uint64_t number = strtoull(value, NULL, 0);
    switch (option) {
    case 'b':
        parameters->blocks = number;
        return;
    case 's':
        parameters->sites = number;
        return;
    case 'd':
        parameters->depth = number;
        return;
    case 'z':
        parameters->size = number;
        return;
    case 'B':
        parameters->base = number;
        return;
    case 'W':
        parameters->spread = number - (number % STRIDE == 0); /* else the places would soon come again */
        return;
    case 'r':
        parameters->refusals = number;
        return;
    case 'R':
        parameters->records = number;
        return;
    case 'H':
        parameters->hint = value;
        return;
    case 'Q':
        add_part(builder, (uint32_t)number);
        return;
    case 'M':
        add_mark(builder, value);
        return;
    case 'L':
        add_own_list(builder, value);
        return;
    case 'm':
        add_module(builder, value);
        return;
    case 'k':
        add_stack(parameters, value);
        return;
    case 'n':
        process->name = string_of(builder, value);
        return;
    case 'p':
        process->pid = (uint32_t)number;
        return;
    case 'u':
        process->number = (uint32_t)number;
        return;
    case 't':
        process->start_realtime = number;
        return;
    case 'l':
        process->level = (uint32_t)number;
        return;
    case 'x':
        process->max_direct = number;
        return;
    case 'e':
        process->exit_status = (uint32_t)number;
        return;
    case 'a':
        process->reason = (uint32_t)number;
        return;
    case 'f':
        process->fork_time = process->dump_time - 3000000000u;
        return;
    case 'i':
        builder_stat(builder, STAT_INHERITED, number);
        builder_stat(builder, STAT_INHERITED_BYTES, number * 16);
        return;
    case 'F':
        process->forked_from = (uint32_t)number;
        return;
    case 'w':
        builder->extra_stride = (uint32_t)number;
        return;
    case 'o':
        builder->omitted[number_of_section(value)] = true;
        return;
    case 'E':
        builder->no_end = true;
        return;
    case 'S':
        if (parameters->set_count < 32) parameters->sets[parameters->set_count++] = value;
        return;
    case 'O':
        add_option(builder, value);
        return;
    case 'g':
        parameters->weight = strtof(value, NULL);
        return;
    case 'c':
        builder_stat(builder, (uint32_t)number, strtoull(strchr(value, '=') + 1, NULL, 0));
        return;
    case 'V':
        if (!parameters->verdict) builder_stat(builder, STAT_SCANNED, 1);
        parameters->verdict = (uint32_t)number;
        return;
    case 'P':
        add_path(builder, value);
        return;
    case 'T': {
        struct dump_thread thread = {.thread = 4711, .name = string_of(builder, value)};
        (void)builder_add(builder, DUMP_THREADS, &thread, sizeof thread);
        return;
    }
    default:
        exit(2);
    }
}

static const struct option options[] = {
    {"blocks", 1, NULL, 'b'},    {"sites", 1, NULL, 's'},       {"depth", 1, NULL, 'd'},    {"size", 1, NULL, 'z'},
    {"module", 1, NULL, 'm'},    {"stack", 1, NULL, 'k'},       {"refusals", 1, NULL, 'r'}, {"name", 1, NULL, 'n'},
    {"pid", 1, NULL, 'p'},       {"number", 1, NULL, 'u'},      {"start", 1, NULL, 't'},    {"level", 1, NULL, 'l'},
    {"max", 1, NULL, 'x'},       {"exit", 1, NULL, 'e'},        {"reason", 1, NULL, 'a'},   {"fork", 0, NULL, 'f'},
    {"extra", 1, NULL, 'w'},     {"omit", 1, NULL, 'o'},        {"no-end", 0, NULL, 'E'},   {"set", 1, NULL, 'S'},
    {"option", 1, NULL, 'O'},    {"thread", 1, NULL, 'T'},      {"base", 1, NULL, 'B'},     {"spread", 1, NULL, 'W'},
    {"inherited", 1, NULL, 'i'}, {"forked-from", 1, NULL, 'F'}, {"weight", 1, NULL, 'g'},   {"stat", 1, NULL, 'c'},
    {"records", 1, NULL, 'R'},   {"hint", 1, NULL, 'H'},        {"pool", 1, NULL, 'Q'},     {"own-list", 1, NULL, 'L'},
    {"verdict", 1, NULL, 'V'},   {"path", 1, NULL, 'P'},        {"mark", 1, NULL, 'M'},     {NULL, 0, NULL, 0}};

int main(int count, char **arguments) {
    static struct parameters parameters = {.blocks = 12, .sites = 3, .depth = 4};
    builder_init(&parameters.builder);
    parameters.builder.process.name = builder_string(&parameters.builder, "gateway", 7);
    for (int option = 0; (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
        take(&parameters, (char)option, optarg ? optarg : "");
    if (optind != count - 1) return 2;
    if (!parameters.with_stacks && parameters.sites) add_sites(&parameters);
    add_rest(&parameters);
    apply_sets(&parameters);
    size_t length = 0;
    char *bytes = builder_finish(&parameters.builder, &length);
    FILE *file = fopen(arguments[optind], "w");
    bool written = file && fwrite(bytes, 1, length, file) == length;
    if (!file || fclose(file) != 0) written = false;
    free(bytes);
    builder_free(&parameters.builder);
    return written ? 0 : 1;
}
