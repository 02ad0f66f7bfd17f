/* Opening a dump: header, section table, payloads. The file is hostile until proven otherwise: no length is believed
 * before it was held against what is left of the file, no memory is asked for on the file's word alone, and nothing
 * is read through a mapping. What the records mean is checked in check.c. */
#include "reporter/load/dump.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reporter/load/box.h"
#include "reporter/load/boxes.h"
#include "reporter/load/clock.h"
#include "reporter/load/core/core.h"
#include "reporter/load/core/unpack.h"
#include "reporter/load/crc32c.h"
#include "reporter/load/file.h"
#include "reporter/load/jit.h"
#include "reporter/load/marks.h"
#include "reporter/load/memory.h"
#include "reporter/load/progress.h"

#define MAX_SECTIONS      256          /* of all types; the format has 25 and an end */
#define MAX_SECTION_BYTES (1ull << 30) /* of one that is held in memory */
#define MAX_PROBLEMS      64           /* a file with more is not worth more lines */

/* A record and the least that it may be: what an older version wrote lacks what was appended since, which reads as 0.
 */
static const struct {
    const char *name;
    size_t record, least;
} section_types[DUMP_SECTION_TYPES] = {
    [0] = {"?", 0, 0},
    [DUMP_PROCESS] = {"process", sizeof(struct dump_process), DUMP_PROCESS_LEAST},
    [DUMP_STRINGS] = {"strings", 1, 1},
    [DUMP_OPTIONS] = {"options", sizeof(struct dump_option), sizeof(struct dump_option)},
    [DUMP_MODULES] = {"modules", sizeof(struct dump_module), DUMP_MODULE_LEAST},
    [DUMP_SEGMENTS] = {"segments", sizeof(struct dump_segment), sizeof(struct dump_segment)},
    [DUMP_FRAMES] = {"frames", sizeof(uint64_t), sizeof(uint64_t)},
    [DUMP_STACKS] = {"stacks", sizeof(struct dump_stack), sizeof(struct dump_stack)},
    [DUMP_SITES] = {"sites", sizeof(struct dump_site), DUMP_SITE_LEAST},
    [DUMP_BLOCKS] = {"blocks", sizeof(struct dump_block), sizeof(struct dump_block)},
    [DUMP_STATS] = {"stats", sizeof(struct dump_stat), sizeof(struct dump_stat)},
    [DUMP_CLASSES] = {"classes", sizeof(struct dump_class), DUMP_CLASS_LEAST},
    [DUMP_REFUSALS] = {"refusals", sizeof(struct dump_refusal), DUMP_REFUSAL_LEAST},
    [DUMP_THREADS] = {"threads", sizeof(struct dump_thread), sizeof(struct dump_thread)},
    [DUMP_GROWN] = {"grown", sizeof(struct dump_grown), sizeof(struct dump_grown)},
    [DUMP_MEMORY] = {"memory", sizeof(struct dump_memory), sizeof(struct dump_memory)},
    [DUMP_MAPPINGS] = {"mappings", sizeof(struct dump_mapping), sizeof(struct dump_mapping)},
    [DUMP_TOTALS] = {"totals", sizeof(struct dump_total), sizeof(struct dump_total)},
    [DUMP_RECORDS] = {"records", sizeof(struct dump_record), sizeof(struct dump_record)},
    [DUMP_UNACCOUNTED] = {"unaccounted", sizeof(struct dump_unaccounted), sizeof(struct dump_unaccounted)},
    [DUMP_POOLS] = {"pools", sizeof(struct dump_block), sizeof(struct dump_block)},
    [DUMP_SUPPRESSIONS] = {"suppressions", 1, 1},
    [DUMP_JIT] = {"jit", sizeof(struct dump_jit), sizeof(struct dump_jit)},
    [DUMP_PATHS] = {"paths", sizeof(struct dump_path), sizeof(struct dump_path)},
    [DUMP_MARKS] = {"marks", sizeof(struct dump_mark), sizeof(struct dump_mark)},
    [DUMP_DOINGS] = {"doings", sizeof(struct dump_doing), sizeof(struct dump_doing)},
    [DUMP_NEARS] = {"nears", sizeof(struct dump_near), sizeof(struct dump_near)},
    [DUMP_STEPS] = {"steps", sizeof(struct dump_step), sizeof(struct dump_step)},
};

const char *section_name(uint32_t type) {
    if (type == DUMP_END) return "end";
    return type < DUMP_SECTION_TYPES && section_types[type].name ? section_types[type].name : "unknown";
}

static bool section_is_known(uint32_t type) {
    return type > 0 && type < DUMP_SECTION_TYPES && section_types[type].name;
}

size_t section_record_size(uint32_t type) {
    return section_types[type].record;
}

void dump_problem(struct dump *dump, const char *format, ...) {
    if (dump->problem_count >= MAX_PROBLEMS) return;
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) text = memory_text("out of memory", 13);
    dump->problems =
        memory_more(dump->problems, &dump->problem_capacity, dump->problem_count + 1, sizeof *dump->problems);
    dump->problems[dump->problem_count++] = text;
}

static bool read_header(struct dump *dump) {
    struct dump_header *header = &dump->header;
    if (dump->size < sizeof *header) {
        dump_problem(dump, "at byte %llu (header): %s", (unsigned long long)dump->size,
                     dump->size ? "the file ends inside the header" : "the file is empty");
        return false;
    }
    if (!file_read(dump->fd, header, sizeof *header, 0)) {
        dump_problem(dump, "at byte 0 (header): cannot be read");
        return false;
    }
    if (memcmp(header->magic, DUMP_MAGIC, sizeof header->magic) != 0) {
        dump_problem(dump, "at byte 0 (header): not a dump of weir");
        return false;
    }
    if (header->version != DUMP_VERSION) {
        dump_problem(dump, "at byte 8 (header): format version %u; this weir reads version %u", header->version,
                     DUMP_VERSION);
        return false;
    }
    if (crc32c(0, header, offsetof(struct dump_header, crc)) != header->crc) {
        dump_problem(dump, "at byte 0 (header): damaged (its checksum does not match)");
        return false;
    }
    if (header->header_size < sizeof *header || header->header_size % 8 || header->header_size > dump->size) {
        dump_problem(dump, "at byte 12 (header): impossible header size %u", header->header_size);
        return false;
    }
    return true;
}

/* Notes where a section lies. False: its length is impossible, so that nothing after it can be found. */
static bool note_section(struct dump *dump, const struct dump_section *found, uint64_t at) {
    unsigned long long place = at;
    const char *name = section_name(found->type);
    if (found->length > dump->size - at - sizeof *found) {
        dump_problem(dump, "at byte %llu (section %s): the file is cut: %llu bytes should follow, %llu do", place, name,
                     (unsigned long long)found->length, (unsigned long long)(dump->size - at - sizeof *found));
        return false;
    }
    if (!section_is_known(found->type)) return true; /* a later version's: skipped */
    struct section *section = &dump->sections[found->type];
    if (section->state != SECTION_ABSENT) {
        dump_problem(dump, "at byte %llu (section %s): comes twice; the second is ignored", place, name);
        return true;
    }
    section->state = SECTION_DROPPED;
    section->position = at + sizeof *found;
    if (found->stride < section_types[found->type].least || found->length % found->stride) {
        dump_problem(dump, "at byte %llu (section %s): impossible record size %u for %llu bytes", place, name,
                     found->stride, (unsigned long long)found->length);
        return true;
    }
    section->state = SECTION_FOUND;
    section->length = found->length;
    section->stride = found->stride;
    section->crc = found->crc;
    section->count = found->length / found->stride;
    return true;
}

static void tell_missing(struct dump *dump) {
    char list[256] = "";
    for (uint32_t type = 1; type < DUMP_SECTION_TYPES; type++) {
        if (dump->sections[type].state != SECTION_ABSENT || !section_is_known(type)) continue;
        size_t used = strlen(list);
        (void)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", section_name(type));
    }
    if (list[0]) dump_problem(dump, "cut short; missing: %s", list);
}

static void read_sections(struct dump *dump) {
    uint64_t at = dump->header.header_size;
    dump->cut = true;
    for (unsigned number = 0;; number++) {
        struct dump_section found;
        unsigned long long place = at;
        if (at > dump->size || dump->size - at < sizeof found) {
            dump_problem(dump, "at byte %llu (section header): the file is cut here", (unsigned long long)dump->size);
            break;
        }
        if (!file_read(dump->fd, &found, sizeof found, at)) {
            dump_problem(dump, "at byte %llu (section header): cannot be read", place);
            break;
        }
        if (crc32c(0, &found, offsetof(struct dump_section, header_crc)) != found.header_crc) {
            dump_problem(dump, "at byte %llu (section header): damaged (its checksum does not match)", place);
            break;
        }
        if (number == MAX_SECTIONS) {
            dump_problem(dump, "at byte %llu (section %s): more than %d sections", place, section_name(found.type),
                         MAX_SECTIONS);
            break;
        }
        if (!note_section(dump, &found, at)) break;
        at += sizeof found + found.length;
        if (found.type == DUMP_END) {
            dump->cut = false;
            if (at != dump->size)
                dump_problem(dump, "at byte %llu (section end): %llu bytes follow the end", (unsigned long long)at,
                             (unsigned long long)(dump->size - at));
            return;
        }
        at = (at + 7) & ~7ull;
    }
    tell_missing(dump);
}

/* Records of another version, longer or shorter, are made what this one knows. */
static void pack_records(struct section *section, size_t record) {
    size_t known = section->stride < record ? section->stride : record;
    if (section->stride == record || section->count == 0) return;
    char *bytes = memory_get((size_t)section->count, record);
    for (uint64_t i = 0; i < section->count; i++)
        memcpy(bytes + i * record, (char *)section->records + i * section->stride, known);
    free(section->records);
    section->records = bytes;
}

static void load_section(struct dump *dump, uint32_t type) {
    struct section *section = &dump->sections[type];
    unsigned long long place = section->position;
    if (section->state != SECTION_FOUND) return;
    section->state = SECTION_DROPPED;
    if (section->length > MAX_SECTION_BYTES) {
        dump_problem(dump, "at byte %llu (section %s): %llu bytes are more than this reader takes", place,
                     section_name(type), (unsigned long long)section->length);
        return;
    }
    section->records = memory_get((size_t)section->length, 1);
    if (!file_read(dump->fd, section->records, (size_t)section->length, section->position)) {
        dump_problem(dump, "at byte %llu (section %s): cannot be read", place, section_name(type));
        return;
    }
    if (crc32c(0, section->records, (size_t)section->length) != section->crc) {
        dump_problem(dump, "at byte %llu (section %s): damaged (its checksum does not match)", place,
                     section_name(type));
        return;
    }
    pack_records(section, section_record_size(type));
    section->state = SECTION_WHOLE;
}

struct dump *dump_open_fd(int fd, uint64_t size, const char *name) {
    struct dump *dump = memory_get(1, sizeof *dump);
    dump->path = memory_text(name, strlen(name));
    dump->fd = fd;
    dump->size = size;
    if (fd >= 0 && read_header(dump)) {
        progress_show("reading", 0, size);
        read_sections(dump);
        for (uint32_t type = 1; type < DUMP_SECTION_TYPES; type++)
            if (type != DUMP_BLOCKS) load_section(dump, type);
        dump_check(dump);
        marks_find(dump);
        dump_blocks(dump);
        if (!dump->usable) dump_problem(dump, "at byte %u (section process): missing; nothing can be said", 64u);
    }
    if (dump->fd >= 0) (void)close(dump->fd); /* a folder may hold more dumps than a process may open files */
    dump->fd = -1;
    return dump;
}

/* What the process left, or has just now, as a dump. */
static int open_box(const char *path, int box, uint64_t *size, pid_t *owner, const char **why) {
    struct boxes boxes = {0};
    struct box_process known = {.exit_status = DUMP_STATUS_UNKNOWN};
    boxes_add(&boxes, memory_format("%s", path));
    boxes_find_owners(&boxes);
    *owner = boxes.found[0].owner;
    boxes_free(&boxes);
    if (*owner) known.time = clock_monotonic();
    int fd = box_to_dump(box, size, &known, why);
    (void)close(box);
    return fd;
}

static int open_core(int file, uint64_t *size, const char **why, char **missing) {
    struct stat status;
    bool known = fstat(file, &status) == 0 && status.st_mtim.tv_sec > 0;
    uint64_t written = known ? (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec : 0;
    const char *wrong = NULL;
    bool partial = false;
    int core = core_is_packed(file, *size) ? core_unpack(file, size, &wrong, &partial) : file;
    if (core < 0) *why = wrong;
    int fd = core >= 0 ? core_to_dump(core, size, written, why, missing) : -1;
    if (fd < 0 && partial) *why = wrong;
    if (fd >= 0 && partial) {
        free(*missing);
        *missing = memory_format("%s: not all of the core is there", wrong);
    }
    if (core != file && core >= 0) (void)close(core);
    (void)close(file);
    return fd;
}

struct dump *dump_open(const char *path) {
    uint64_t size = 0;
    pid_t owner = 0;
    const char *why = "";
    int fd = file_open(path, &size, &why);
    char *missing = NULL;
    if (fd >= 0 && box_is_one(fd, size))
        fd = open_box(path, fd, &size, &owner, &why);
    else if (fd >= 0 && (core_is_one(fd, size) || core_is_packed(fd, size)))
        fd = open_core(fd, &size, &why, &missing);
    struct dump *dump = dump_open_fd(fd, size, path);
    if (fd < 0) dump_problem(dump, "%s", why);
    if (missing) dump_problem(dump, "%s", missing);
    free(missing);
    dump->owner = owner;
    return dump;
}

void dump_close(struct dump *dump) {
    if (!dump) return;
    for (size_t i = 0; i < dump->problem_count; i++) free(dump->problems[i]);
    for (uint32_t type = 0; type < DUMP_SECTION_TYPES; type++) free(dump->sections[type].records);
    free(dump->problems);
    jit_free(dump->jit);
    for (size_t i = 0; i < dump->summary_count; i++) dump_forget_detail(&dump->summaries[i]);
    free(dump->summary_of);
    free(dump->summaries);
    free(dump->sought);
    free(dump->path);
    free(dump);
}
