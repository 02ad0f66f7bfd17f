/* Makes the checksums of a broken dump right again, as far as its lengths still lead somewhere. */
#ifndef WEIR_TESTS_REPAIR_H
#define WEIR_TESTS_REPAIR_H

#include <stddef.h>
#include <string.h>

#include "reporter/load/crc32c.h"
#include "shim/box/format.h"

static inline void repair(char *bytes, size_t length) {
    size_t at = sizeof(struct dump_header);
    struct dump_section section;
    while (at <= length && sizeof section <= length - at) {
        memcpy(&section, bytes + at, sizeof section);
        size_t left = length - at - sizeof section;
        if (section.length <= left) section.crc = crc32c(0, bytes + at + sizeof section, (size_t)section.length);
        section.header_crc = crc32c(0, &section, offsetof(struct dump_section, header_crc));
        memcpy(bytes + at, &section, sizeof section);
        if (section.type == DUMP_END || section.length > left) break;
        at += sizeof section + (size_t)section.length;
        at = (at + 7) & ~(size_t)7;
    }
    if (length < sizeof(struct dump_header)) return;
    uint32_t crc = crc32c(0, bytes, offsetof(struct dump_header, crc));
    memcpy(bytes + offsetof(struct dump_header, crc), &crc, sizeof crc);
}

#endif
