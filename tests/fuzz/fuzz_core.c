/* A deterministic fuzzer of cores: fuzz_core SEED ITERATIONS FOLDER. FOLDER holds the core of the current iteration, so
 * that what crashed is still there: one that was whole, in which some bytes are others, or which is cut short. It has
 * all that the reader looks at, as small as it can be: a library's memory with the beacon, its parts, the variables and
 * the tables that these lead to, the entries of a slab, two places of it, and a stack. */
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "reporter/load/memory.h"
#include "shim/box/format_core.h"
#include "tests/fuzz/fuzzing.h"

#define LIBRARY  0x7f0000000000u
#define ARENA    0x7e0000000000u
#define SIDES    0x7d0000000000u
#define STACK    0x7ffe00000000u
#define SLICE    65536ul
#define SIDE     131072u
#define SEGMENTS 5u
#define PLACES   16u

/* A core is headers, and these parts one after the other. */
static struct piece parts[SEGMENTS]; /* by address; 0: the notes */

/* --- the library's memory --- */

static size_t library_used;

static uint64_t put(const void *bytes, size_t length) {
    size_t at = library_used;
    if (bytes) memcpy(parts[1].bytes + at, bytes, length);
    library_used += (length + 15) & ~(size_t)15;
    return LIBRARY + at;
}
static uint64_t put_word(uint64_t word) {
    return put(&word, sizeof word);
}
static uint64_t put_text(const char *text) {
    return put(text, strlen(text) + 1);
}

/* As a descriptor lies here. */
struct slice {
    uint64_t free, local_free, owner, remote, run_bytes;
    uint32_t used, asleep, size, reserved, capacity, head, run_slices, committed;
    struct core_side run;
    uint8_t kind, class, slices, run_tracked, side_pages;
    uint8_t rest[3];
};
#define IN(field) offsetof(struct slice, field)

static uint64_t put_arena(void) {
    struct slice slices[8] = {[1] = {.owner = 0x200, .size = 64, .reserved = 1024, .capacity = PLACES, .used = PLACES},
                              [2] = {.size = 64, .reserved = 1024, .capacity = PLACES, .used = PLACES},
                              [3] = {.run_bytes = 70000, .run_slices = 2, .run_tracked = 1},
                              [4] = {.kind = 3, .head = 1},
                              [6] = {.kind = 4},
                              [5] = {.run_bytes = 4096, .run_slices = 1, .run_tracked = 1}};
    uint64_t zones[2][2] = {{1, 3}, {3, 8}};
    slices[1].free = ARENA + SLICE; /* its first place's link leads into a block */
    slices[1].local_free = random_below(2) ? ARENA + SLICE + 4 * 64ul : 0; /* the next freed place, by a link */
    slices[1].remote = ARENA + SLICE + 8 * 64ul + 1;
    slices[1].kind = slices[2].kind = 1;
    slices[1].slices = slices[2].slices = 1;
    slices[1].side_pages = 2;
    slices[7].committed = (uint32_t)random_below(3) * 4096;
    for (size_t i = 1; i < 7; i++) slices[i].committed = 4096;
    uint64_t counts[2][88] = {{[3] = 40, [80] = 1}, {[3] = random_below(20), [5] = 7}};
    slices[2].free = ARENA + 2 * SLICE;
    slices[2].local_free = slices[2].remote = ARENA + 2 * SLICE + 128;
    slices[3].kind = 2;
    slices[3].run = (struct core_side){0x4c495000 | CORE_RECORDED | CORE_POOLED, 8, 7, 0, 70000, 1ull << 20};
    slices[5].run = (struct core_side){0x46524545, 8, 7, 9, 4000, 1ull << 20}; /* was one */
    struct core_arena arena = {.at_base = put_word(ARENA),
                               .at_slices = put_word(8),
                               .slice = SLICE,
                               .at_descriptors = put_word(put(slices, sizeof slices)),
                               .stride = sizeof *slices,
                               .zones = put(zones, sizeof zones),
                               .zone_stride = sizeof *zones,
                               .in_writable = 8,
                               .at_sides = put_word(SIDES),
                               .side_a_slice = SIDE,
                               .in_free = IN(free),
                               .in_local_free = IN(local_free),
                               .in_used = IN(used),
                               .in_asleep = IN(asleep),
                               .in_owner = IN(owner),
                               .in_remote = IN(remote),
                               .in_size = IN(size),
                               .in_reserved = IN(reserved),
                               .in_capacity = IN(capacity),
                               .in_committed = IN(committed),
                               .in_side_pages = IN(side_pages),
                               .in_kind = IN(kind),
                               .in_class = IN(class),
                               .in_slices = IN(slices),
                               .in_head = IN(head),
                               .in_run_side = IN(run),
                               .in_run_bytes = IN(run_bytes),
                               .in_run_slices = IN(run_slices),
                               .in_run_tracked = IN(run_tracked),
                               .owner_tracked = 0x200,
                               .link_mark = 1ull << 56,
                               .kind_slab = 1,
                               .kind_run = 2,
                               .kind_tail = 3,
                               .kind_kept = 5,
                               .kind_emergency = 4,
                               .classes = 80,
                               .certain = 255,
                               .at_counts = put_word(put(counts, sizeof counts)),
                               .at_counts_committed = put_word(sizeof counts),
                               .counts_a_row = 88,
                               .at_counts_apart = put_word(1)};
    return put(&arena, sizeof arena);
}

static uint64_t put_stacks(void) {
    struct box_frame frames[24] = {{0}};
    for (uint32_t i = BOX_ROOTS; i < 24; i++)
        frames[i] = (struct box_frame){.frame = (uint64_t)(i % 3 ? 0 : DUMP_NO_MODULE) << 48 | (uint64_t)i * 64,
                                       .outer = i % 6 ? i - 1 : 1,
                                       .how = i % 2};
    frames[BOX_ROOTS].outer = 1;
    struct core_stacks stacks = {.at_table = put_word(put(frames, sizeof frames)),
                                 .stride = sizeof *frames,
                                 .at_used = put_word(24),
                                 .at_committed = put_word(sizeof frames),
                                 .at_lost = put_word(0)};
    return put(&stacks, sizeof stacks);
}

struct module {
    uint64_t bias, start, end, path, fingerprint;
    uint32_t flags, build_id_length, first, segments;
    uint8_t build_id[DUMP_BUILD_ID_MAX];
};
#define OF(field) offsetof(struct module, field)

static uint64_t put_modules(void) {
    struct module module = {LIBRARY, LIBRARY, LIBRARY + SLICE, put_text("/nowhere/libweir.so"), 3, 0, 4, 0, 1, "abcd"};
    struct dump_segment segment = {0, SLICE, 0, 5, 0};
    struct core_modules modules = {.at_table = put_word(put(&module, sizeof module)),
                                   .stride = sizeof module,
                                   .at_count = put_word(1),
                                   .in_bias = OF(bias),
                                   .in_start = OF(start),
                                   .in_end = OF(end),
                                   .in_path = OF(path),
                                   .in_fingerprint = OF(fingerprint),
                                   .in_flags = OF(flags),
                                   .in_build_id_length = OF(build_id_length),
                                   .in_first = OF(first),
                                   .in_segments = OF(segments),
                                   .in_build_id = OF(build_id),
                                   .at_segments = put_word(put(&segment, sizeof segment)),
                                   .at_segments_used = put_word(1),
                                   .at_lost = put_word(0),
                                   .program_path = put_text("/nowhere/fuzzed")};
    return put(&modules, sizeof modules);
}

static uint64_t put_ceiling(void) {
    struct dump_refusal ring[4] = {{.time = 5, .requested = 100, .operation = OP_MALLOC, .stack = 12}};
    struct core_counters counters = {.at_used = put_word(4096),
                                     .at_peak = put_word(8192),
                                     .at_peak_time = put_word(9),
                                     .at_max = put_word(UINT64_MAX),
                                     .at_refused = put_word(1),
                                     .at_refused_bytes = put_word(100),
                                     .at_low_crossings = put_word(0),
                                     .at_high_crossings = put_word(0),
                                     .at_loader = put_word(4096),
                                     .ring = put(ring, sizeof ring)};
    struct core_ceiling ceiling = {.at_counters = put(&counters, sizeof counters),
                                   .refusals = 4,
                                   .stride = sizeof *ring,
                                   .in_time = offsetof(struct dump_refusal, time),
                                   .in_requested = offsetof(struct dump_refusal, requested),
                                   .in_used = offsetof(struct dump_refusal, used),
                                   .in_max = offsetof(struct dump_refusal, max),
                                   .in_committed = offsetof(struct dump_refusal, committed),
                                   .in_frame = offsetof(struct dump_refusal, frame),
                                   .in_thread = offsetof(struct dump_refusal, thread),
                                   .in_operation = offsetof(struct dump_refusal, operation),
                                   .in_stack = offsetof(struct dump_refusal, stack),
                                   .at_tables = put_word(65536)};
    return put(&ceiling, sizeof ceiling);
}

static uint64_t put_state(void) {
    struct core_state of = {.at_pid = put_word(77),
                            .at_forked_from = put_word(0),
                            .at_epoch = put_word(0),
                            .at_owner = put_word(77),
                            .at_tracking = put_word(1),
                            .at_checked = put_word(random_below(2)),
                            .at_sampled = put_word(1),
                            .at_fork_time = put_word(0),
                            .at_foreign_frees = put_word(0),
                            .at_bad_frees = put_word(0),
                            .at_mismatches = put_word(0),
                            .at_jumps = put_word(0),
                            .at_collected = put_word(3),
                            .at_collected_bytes = put_word(300)};
    return put(&of, sizeof of);
}

static uint64_t put_process(void) {
    static const char options[] = "WEIR_LEVEL=simple\0WEIR_DEPTH=64";
    struct core_misuse misuse = {ARENA + SLICE + 64, CORE_DOUBLE_FREE, 7};
    struct core_process of = {.at_start_time = put_word(1000),
                              .at_start_realtime = put_word(1000000),
                              .at_level = put_word(1),
                              .at_sample_bytes = put_word(65536),
                              .at_sample_blocks = put_word(128),
                              .at_pattern = put_word(1),
                              .at_zero_on_free = put_word(random_below(8) == 0),
                              .at_depth = put_word(64),
                              .at_dumps = put_word(0),
                              .at_name = put_text("fuzzed"),
                              .command_line = put("fuzzed\0-x", 10),
                              .at_command_line_length = put_word(10),
                              .options = put(options, sizeof options),
                              .at_options_length = put_word(sizeof options),
                              .misuse = put(&misuse, sizeof misuse)};
    return put(&of, sizeof of);
}

static uint64_t put_search(void) {
    uint64_t node[4] = {0, 7, 2ull << 32 | 1, 2ull << 32 | 2}, nodes[4] = {0};
    if (random_below(4) == 0) nodes[random_below(4)] = put(node, sizeof node);
    uint64_t totals[2][3] = {{8192, 4096, 4096}, {8192, 4096, 65536}};
    struct core_pages pages = {
        put(nodes, sizeof nodes),      4, put_word(LIBRARY), 30, 28, put(totals[0], sizeof *totals),
        put(totals[1], sizeof *totals)};
    uint64_t ranges[2][2] = {{ARENA, ARENA + 8 * SLICE}, {SIDES, SIDES + 8ul * SIDE}};
    struct core_reserved reserved = {put(ranges, sizeof ranges), 2, put_word(2)};
    uint64_t places[4] = {0, ARENA + 2 * SLICE + 64, ARENA + SLICE, 1};
    struct {
        uint32_t state, rest;
        uint64_t start, size;
    } regions[2] = {{2, 0, STACK + 64, 256}, {1, 0, 0, 0}};
    struct core_ignored ignored = {.places = put(places, sizeof places),
                                   .place_count = 4,
                                   .regions = put(regions, sizeof regions),
                                   .region_count = 2,
                                   .stride = sizeof *regions,
                                   .in_start = 8,
                                   .in_size = 16,
                                   .set = 2};
    struct core_owner owners[3] = {
        [1] = {.pages = 2, .time = 2000, .size = 8000, .start = STACK, .stack = 9, .thread = 7}};
    struct core_storage storage[2] = {{48, LIBRARY + 64}, {512, STACK}};
    struct core_search of = {.at_reserved = put(&reserved, sizeof reserved),
                             .at_pages = put(&pages, sizeof pages),
                             .at_ignored = put(&ignored, sizeof ignored),
                             .own_start = LIBRARY,
                             .own_end = LIBRARY + 4096,
                             .at_unaligned = put_word(random_below(4) == 0),
                             .at_tags = put_word(random_below(4) ? 0 : 7),
                             .at_storage = put(storage, sizeof storage),
                             .at_storage_count = put_word(random_below(4)),
                             .at_stacks_below = put_word(64),
                             .stacks = 4,
                             .at_owners = put_word(put(owners, sizeof owners)),
                             .at_owners_used = put_word(random_below(4)),
                             .at_undumped = put_word(random_below(2)),
                             .at_kernel_keeps = put_word(random_below(8) == 0)};
    return put(&of, sizeof of);
}

static uint64_t put_hints(void) {
    static const char texts[] = "\0a hint\0another";
    struct core_hints of = {put_word(put(texts, sizeof texts)), put_word(sizeof texts), put_word(sizeof texts)};
    return put(&of, sizeof of);
}

/* Two lists in a chain, and one of a run. */
static uint64_t put_records(void) {
    struct core_record nodes[8] = {[1] = {ARENA + SLICE + 64, 9ull << 42 | 5, 1ull << 40 | 2ull << 56, 9, 1, 4, 2},
                                   [2] = {ARENA + SLICE + 64, 9ull << 42 | 4, 4ull << 40 | 1ull << 56, 10, 3, 0, 3},
                                   [3] = {ARENA + SLICE + 64, 7ull << 42 | 1, 2ull << 40, 11, 0, 0, 0},
                                   [4] = {ARENA + SLICE + 128, 7ull << 42 | 1, 1ull << 40, 12, CORE_HINT_LOST, 0, 0},
                                   [5] = {ARENA + 3 * SLICE, 7ull << 42 | 1, 11ull << 40, 12, 2, 0, 0}};
    uint32_t buckets[8] = {[2] = 1, [5] = 5};
    struct core_records of = {.at_buckets = put_word(put(buckets, sizeof buckets)),
                              .at_buckets_committed = put_word(sizeof buckets),
                              .at_nodes = put_word(put(nodes, sizeof nodes)),
                              .at_nodes_committed = put_word(sizeof nodes),
                              .at_used = put_word(6),
                              .at_lost = put_word(random_below(2))};
    return put(&of, sizeof of);
}

/* Some in a block, some that overlap, one of a run, one of no block. */
static uint64_t put_pools(void) {
    struct core_part nodes[8] = {[1] = {ARENA + SLICE + 64, 16, 7ull << 40 | 1, 9, 0},
                                 [2] = {ARENA + SLICE + 64 + 8, 24, 7ull << 40 | 2, 10, 0},
                                 [3] = {ARENA + 3 * SLICE + 1000, 64 | 1ull << 56, 7ull << 40 | 3, 11, 0},
                                 [5] = {ARENA + SLICE + 128, 500, 9ull << 40 | 1, 12, 0},
                                 [6] = {STACK + 1024, 40, 8ull << 40 | 1, 13, 0},
                                 [7] = {ARENA + SLICE + 192, 8 | 1ull << 48, 7ull << 40, 14, 0}};
    struct core_pools of = {put_word(put(nodes, sizeof nodes)), put_word(sizeof nodes), put_word(8),
                            put_word(random_below(2))};
    return put(&of, sizeof of);
}

/* Of what is live, now and then as much as there is. */
static uint64_t put_totals(void) {
    struct dump_total rows[4] = {
        [1] = {9, 7, 2, (uint32_t)random_below(40), 20480, 1u << 20, 1024, 64 << 10, 0, 3072, 9000, {1}},
        [2] = {10, 8, 0, (uint32_t)random_below(9), 2048, 1u << 16, 0, 0, 0, 0, 0, {0}}};
    static const char path[] = "/nowhere/weir.0/weir.7.box";
    struct core_totals of = {.at_box = put_word(put(rows, sizeof rows) - BOX_AT_TOTALS),
                             .at_used = put_word(random_below(6)),
                             .path = put(path, sizeof path),
                             .at_peak = put_word(40960ul << DUMP_TOTAL_SHIFT),
                             .at_noted = put_word(random_below(40960ul << DUMP_TOTAL_SHIFT))};
    return put(&of, sizeof of);
}

static void make_library(void) {
    struct core_beacon beacon = {.magic = CORE_MAGIC, .version = CORE_VERSION, .size = sizeof beacon};
    parts[1].at = LIBRARY;
    library_used = 0;
    beacon.self = put(NULL, sizeof beacon);
    beacon.at_arena = put_arena();
    beacon.at_stacks = put_stacks();
    beacon.at_modules = put_modules();
    beacon.at_state = put_state();
    beacon.at_process = put_process();
    beacon.at_ceiling = put_ceiling();
    beacon.at_search = put_search();
    beacon.at_hints = put_hints();
    beacon.at_records = put_records();
    beacon.at_pools = put_pools();
    beacon.at_totals = put_totals();
    memcpy(parts[1].bytes, &beacon, sizeof beacon);
    parts[1].length = library_used;
}

static void make_memory(void) {
    parts[2].at = SIDES + SIDE;
    parts[2].length = PLACES * sizeof(struct core_side);
    for (uint32_t i = 0; i < PLACES; i++) {
        struct core_side side = {i % 4 ? 0x4c495000 | CORE_RECORDED | CORE_POOLED : 0x46524545,
                                 8 + i % 8,
                                 7,
                                 i % 5 ? 0 : 10,
                                 48 + i % 17,
                                 1ull << 20 | (uint64_t)(i % 2 ? 255 : 3) << 40};
        memcpy(parts[2].bytes + i * sizeof side, &side, sizeof side);
    }
    parts[3].at = ARENA + SLICE;
    parts[3].length = 4096;
    memset(parts[3].bytes, CORE_BEHIND, parts[3].length);
    for (uint32_t i = 0; i < PLACES; i++) { /* into others, and just behind them */
        uint64_t word = ARENA + SLICE + (i * 5 % PLACES) * 64ul + (i % 3 ? 0 : 24) + (random_below(4) ? 0 : SLICE);
        memcpy(parts[3].bytes + i * 64ul + 8, &word, sizeof word);
    }
    for (uint32_t i = 4; i < PLACES; i += 4) { /* freed ones: whole, changed, in a circle, or the last */
        uint64_t word = i == 4            ? 0
                        : i == 8          ? ARENA + SLICE + 12 * 64ul
                        : random_below(2) ? ARENA + SLICE + 8 * 64ul
                                          : 0;
        memset(parts[3].bytes + i * 64ul, CORE_FREE, 64);
        memcpy(parts[3].bytes + i * 64ul, &word, sizeof word);
        if (random_below(4) == 0) parts[3].bytes[i * 64ul + 8 + random_below(56)] = 1;
    }
    parts[4].at = STACK;
    parts[4].length = 4096;
    for (uint32_t i = 0; i < 512; i++) {
        uint64_t word = i % 3 == 0 ? ARENA + SLICE + (uint64_t)i : i % 3 == 1 ? LIBRARY + (uint64_t)i : STACK + i * 8ul;
        memcpy(parts[4].bytes + i * sizeof word, &word, sizeof word);
    }
    uint64_t stacks[4] = {~(ARENA + SLICE + 64), ~(ARENA + SLICE + 192), 0, ~ARENA}; /* below the control block */
    memcpy(parts[4].bytes + 3000 - 64, stacks, sizeof stacks);
}

/* --- notes --- */

static void add_note(uint32_t type, const void *bytes, size_t length) {
    struct piece *notes = &parts[0];
    Elf64_Nhdr head = {5, (Elf64_Word)length, type};
    memcpy(notes->bytes + notes->length, &head, sizeof head);
    memcpy(notes->bytes + notes->length + sizeof head, "CORE\0\0\0", 8);
    memcpy(notes->bytes + notes->length + sizeof head + 8, bytes, length);
    notes->length += sizeof head + 8 + ((length + 3) & ~(size_t)3);
}

static void make_notes(void) {
    struct elf_prstatus status = {.pr_pid = 7};
    struct elf_prpsinfo process = {.pr_pid = 77, .pr_ppid = 1};
    siginfo_t info = {.si_signo = SIGSEGV, .si_code = SEGV_MAPERR};
    struct {
        uint64_t count, unit, stretches[2][3];
        char paths[40];
    } files = {2,
               4096,
               {{LIBRARY, LIBRARY + 16384, 0}, {LIBRARY + 16384, LIBRARY + SLICE, 4}},
               "/nowhere/libweir.so\0/nowhere/libweir.so"};
    Elf64_auxv_t auxiliary[3] = {{AT_SYSINFO_EHDR, {LIBRARY + 4096}}, {AT_RANDOM, {STACK + 4000}}, {AT_NULL, {0}}};
    uint64_t vectors[64];
    bool aborts = random_below(4) == 0;
    parts[0].length = 0;
    status.pr_cursig = aborts ? SIGABRT : SIGSEGV;
    info.si_signo = status.pr_cursig;
    info.si_addr = (void *)(uintptr_t)(ARENA + random_below(8) * SLICE + random_below(2048)); // NOLINT
    for (size_t i = 0; i < 27; i++)
        status.pr_reg[i] = i == 16 ? LIBRARY + 64 : i == 19 ? STACK : ARENA + SLICE + i * 40;
    add_note(NT_PRSTATUS, &status, sizeof status);
    add_note(NT_PRPSINFO, &process, sizeof process);
    add_note(NT_SIGINFO, &info, sizeof info);
    add_note(NT_AUXV, auxiliary, sizeof auxiliary);
    add_note(NT_FILE, &files, sizeof files);
    for (uint64_t i = 0; i < 64; i++) vectors[i] = random_below(4) ? i : ARENA + SLICE + i * 64;
    add_note(NT_PRFPREG, vectors, sizeof vectors);
    status.pr_pid = 8;
    status.pr_reg[19] = STACK + 512;  /* rsp */
    status.pr_reg[21] = STACK + 3000; /* fs_base */
    add_note(NT_PRSTATUS, &status, sizeof status);
    if (random_below(2)) add_note(NT_PRFPREG, vectors, sizeof vectors);
}

/* --- breaking and writing --- */

static void change_one(void *of, size_t length) {
    unsigned char *byte = (unsigned char *)of + random_below(length);
    *byte = (unsigned char)(*byte ^ 1u << random_below(8));
}

static void write_at(int fd, const void *bytes, size_t length, uint64_t at) {
    if (pwrite(fd, bytes, length, (off_t)at) != (ssize_t)length) exit(1);
}

static void write_core(const char *path, bool whole) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1},
                         .e_type = ET_CORE,
                         .e_machine = EM_X86_64,
                         .e_phoff = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = SEGMENTS};
    if (fd < 0) exit(1);
    uint64_t at = sizeof header + SEGMENTS * sizeof(Elf64_Phdr);
    for (size_t i = 0; i < SEGMENTS; i++) {
        Elf64_Phdr program = {.p_type = i ? PT_LOAD : PT_NOTE,
                              .p_flags = i == 1 ? PF_R | PF_X : PF_R | PF_W,
                              .p_offset = at,
                              .p_vaddr = parts[i].at,
                              .p_filesz = parts[i].length,
                              .p_memsz = parts[i].length};
        if (!whole && random_below(40) == 0) change_one(&program, sizeof program);
        write_at(fd, &program, sizeof program, sizeof header + i * sizeof program);
        write_at(fd, parts[i].bytes, parts[i].length, at);
        at += parts[i].length;
    }
    if (!whole && random_below(20) == 0) header.e_phnum = (uint16_t)random_below(65536);
    write_at(fd, &header, sizeof header, 0);
    if (!whole && random_below(8) == 0 && ftruncate(fd, (off_t)random_below(at)) != 0) exit(1);
    (void)close(fd);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    unsigned long read = 0, iterations = strtoul(argv[2], NULL, 10);
    FILE *out = fopen("/dev/null", "w");
    char *path = memory_format("%s/core", argv[3]);
    if (!out) return 2;
    random_state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
    for (unsigned long i = 0; i < iterations; i++) {
        make_library();
        make_memory();
        make_notes();
        if (i > 0) fuzz_change(parts, SEGMENTS, 10);
        write_core(path, i == 0);
        read += fuzz_read(path, out);
        if (!read) return 1; /* the whole one */
    }
    (void)fclose(out);
    (void)unlink(path);
    free(path);
    printf("%lu of %lu cores were read\n", read, iterations);
    return read > iterations / 4 ? 0 : 1;
}
