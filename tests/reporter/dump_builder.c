/* Building valid dumps by hand; see dump_builder.h. The checksum is the slow textbook one, on purpose not the one that
 * is tested. */
#include "tests/reporter/dump_builder.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const size_t record_sizes[BUILDER_SECTIONS] = {0,
                                                      sizeof(struct dump_process),
                                                      1,
                                                      sizeof(struct dump_option),
                                                      sizeof(struct dump_module),
                                                      sizeof(struct dump_segment),
                                                      8,
                                                      sizeof(struct dump_stack),
                                                      sizeof(struct dump_site),
                                                      sizeof(struct dump_block),
                                                      sizeof(struct dump_stat),
                                                      sizeof(struct dump_class),
                                                      sizeof(struct dump_refusal),
                                                      sizeof(struct dump_thread),
                                                      sizeof(struct dump_grown),
                                                      sizeof(struct dump_memory),
                                                      sizeof(struct dump_unaccounted),
                                                      sizeof(struct dump_mapping),
                                                      sizeof(struct dump_total),
                                                      sizeof(struct dump_record),
                                                      [DUMP_JIT] = sizeof(struct dump_jit),
                                                      [DUMP_PATHS] = sizeof(struct dump_path),
                                                      [DUMP_STEPS] = sizeof(struct dump_step),
                                                      [DUMP_MARKS] = sizeof(struct dump_mark),
                                                      [DUMP_SUPPRESSIONS] = 1,
                                                      [DUMP_POOLS] = sizeof(struct dump_block),
                                                      [DUMP_DOINGS] = sizeof(struct dump_doing),
                                                      [DUMP_NEARS] = sizeof(struct dump_near)};

size_t builder_record_size(uint32_t type) {
    return record_sizes[type];
}

static uint32_t checksum(const void *bytes, size_t length) {
    static uint32_t table[256];
    const unsigned char *at = bytes;
    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) table[i] = (table[i] >> 1) ^ ((table[i] & 1) ? 0x82f63b78u : 0);
    }
    uint32_t crc = ~0u;
    /* The analyzer loses a structure's bytes behind the first: NOLINTNEXTLINE(clang-analyzer-core.*) */
    for (size_t i = 0; i < length; i++) crc = (crc >> 8) ^ table[(crc ^ at[i]) & 255];
    return ~crc;
}

static void append(struct buffer *buffer, const void *bytes, size_t length) {
    if (buffer->length + length > buffer->capacity) {
        buffer->capacity = (buffer->length + length) * 2 + 64;
        buffer->bytes = realloc(buffer->bytes, buffer->capacity);
        if (!buffer->bytes) abort();
        memset(buffer->bytes + buffer->length, 0, buffer->capacity - buffer->length);
    }
    if (length) memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void builder_init(struct builder *builder) {
    memset(builder, 0, sizeof *builder);
    builder->process = (struct dump_process){.pid = 4711,
                                             .parent_pid = 1,
                                             .reason = DUMP_AT_EXIT,
                                             .level = DUMP_PARANOID,
                                             .number = 1,
                                             .page_size = 4096,
                                             .pointer_size = 8,
                                             .start_realtime = 1700000000000000000u,
                                             .start_time = 1000000000u,
                                             .dump_time = 7381000000000u};
}

void builder_free(struct builder *builder) {
    for (size_t i = 0; i < BUILDER_SECTIONS; i++) free(builder->sections[i].bytes);
    memset(builder, 0, sizeof *builder);
}

struct dump_string builder_string(struct builder *builder, const void *bytes, size_t length) {
    struct dump_string string = {(uint32_t)builder->sections[DUMP_STRINGS].length, (uint32_t)length};
    append(&builder->sections[DUMP_STRINGS], bytes, length);
    return string;
}

size_t builder_count(const struct builder *builder, uint32_t type) {
    return builder->sections[type].length / record_sizes[type];
}

size_t builder_add(struct builder *builder, uint32_t type, const void *record, size_t size) {
    append(&builder->sections[type], record, size);
    return builder_count(builder, type) - 1;
}

size_t builder_stack(struct builder *builder, const uint64_t *frames, size_t count, uint64_t exact) {
    struct dump_stack stack = {.first_frame = (uint32_t)builder_count(builder, DUMP_FRAMES),
                               .frames = (uint16_t)count,
                               .flags = count ? 0 : DUMP_STACK_NONE,
                               .exact = exact};
    append(&builder->sections[DUMP_FRAMES], frames, count * sizeof *frames);
    return builder_add(builder, DUMP_STACKS, &stack, sizeof stack);
}

void builder_stat(struct builder *builder, uint32_t id, uint64_t value) {
    struct dump_stat stat = {.id = id, .value = value};
    (void)builder_add(builder, DUMP_STATS, &stat, sizeof stat);
}

static void read_elf(struct builder *builder, struct dump_module *module, const char *file, uint32_t index) {
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    (void)elf_version(EV_CURRENT);
    Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
    const void *id = NULL;
    ssize_t length = elf ? dwelf_elf_gnu_build_id(elf, &id) : 0;
    size_t headers = 0;
    if (length > 0 && length <= DUMP_BUILD_ID_MAX) {
        module->build_id_length = (uint32_t)length;
        memcpy(module->build_id, id, (size_t)length);
    }
    if (elf && elf_getphdrnum(elf, &headers) != 0) headers = 0;
    for (size_t i = 0; i < headers; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD) continue;
        struct dump_segment segment = {header.p_vaddr, header.p_memsz, header.p_offset, header.p_flags, index};
        (void)builder_add(builder, DUMP_SEGMENTS, &segment, sizeof segment);
        module->segments++;
    }
    if (elf) (void)elf_end(elf);
    if (fd >= 0) (void)close(fd);
}

size_t builder_module(struct builder *builder, const char *path, const char *file, uint32_t flags) {
    uint64_t index = builder_count(builder, DUMP_MODULES), start = 0x550000000000u + (index << 28);
    struct dump_module module = {.bias = start,
                                 .start = start,
                                 .end = start + 0x8000000u,
                                 .path = builder_string(builder, path, strlen(path)),
                                 .first_segment = (uint32_t)builder_count(builder, DUMP_SEGMENTS),
                                 .flags = flags};
    if (file) read_elf(builder, &module, file, (uint32_t)index);
    return builder_add(builder, DUMP_MODULES, &module, sizeof module);
}

void builder_set(struct builder *builder, uint32_t type, size_t record, size_t offset, uint64_t value, size_t size) {
    size_t at = record * record_sizes[type] + offset;
    if (at + size <= builder->sections[type].length) memcpy(builder->sections[type].bytes + at, &value, size);
}

static void put_section(struct buffer *file, uint32_t type, uint32_t stride, const struct buffer *payload) {
    static const char zero[8];
    struct dump_section header = {.type = type, .stride = stride, .length = payload->length};
    header.crc = checksum(payload->bytes, payload->length);
    header.header_crc = checksum(&header, offsetof(struct dump_section, header_crc));
    append(file, &header, sizeof header);
    append(file, payload->bytes, payload->length);
    if (type != DUMP_END) append(file, zero, (8 - payload->length % 8) % 8);
}

/* Each record followed by bytes that this version knows nothing of. */
static struct buffer widened(const struct buffer *from, size_t record, uint32_t extra) {
    struct buffer wide = {0};
    char filler[256];
    memset(filler, 0x5a, sizeof filler);
    for (size_t at = 0; at < from->length; at += record) {
        append(&wide, from->bytes + at, record);
        append(&wide, filler, extra);
    }
    return wide;
}

char *builder_finish(struct builder *builder, size_t *length) {
    struct buffer file = {0}, none = {0};
    struct dump_header header = {.version = DUMP_VERSION, .header_size = sizeof header, .pid = builder->process.pid};
    memcpy(header.magic, DUMP_MAGIC, sizeof header.magic);
    append(&file, &header, sizeof header);
    if (!builder->sections[DUMP_PROCESS].length)
        (void)builder_add(builder, DUMP_PROCESS, &builder->process, sizeof builder->process);
    for (uint32_t type = 1; type < BUILDER_SECTIONS; type++) {
        if (builder->omitted[type] || !record_sizes[type]) continue;
        uint32_t extra = type == DUMP_STRINGS || type == DUMP_SUPPRESSIONS ? 0 : builder->extra_stride;
        struct buffer wide = extra ? widened(&builder->sections[type], record_sizes[type], extra) : none;
        uint32_t stride = (uint32_t)record_sizes[type] + extra;
        put_section(&file, type, stride, extra ? &wide : &builder->sections[type]);
        free(wide.bytes);
        header.sections++;
    }
    if (!builder->no_end) {
        put_section(&file, DUMP_END, 0, &none);
        header.sections++;
    }
    header.file_size = file.length;
    header.crc = checksum(&header, offsetof(struct dump_header, crc));
    memcpy(file.bytes, &header, sizeof header);
    *length = file.length;
    return file.bytes;
}
