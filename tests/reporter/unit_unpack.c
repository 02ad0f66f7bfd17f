/* What the readers of compressed sections and of line tables promise of damaged bytes: they stay inside of them, end,
 * and allocate by what comes out, not by what is promised. Runs under ASan and UBSan; each input ends where its memory
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <lzma.h>
#include <zstd.h>

#include "reporter/symbols/lines.h"
#include "reporter/symbols/unpack.h"
#include "tests/lib/random.h"

#define SIZE ((size_t)20000)

static unsigned char text[SIZE]; /* neither random nor all the same */

static int fill(void **unused) {
    (void)unused;
    for (size_t i = 0; i < SIZE; i++) text[i] = (unsigned char)(i % 7 ? i / 100 : random_below(256));
    return 0;
}

static size_t pack_zstd(unsigned char *to, size_t room) {
    return ZSTD_compress(to, room, text, SIZE, 3);
}

static size_t pack_xz(unsigned char *to, size_t room) {
    size_t length = 0;
    return lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, text, SIZE, to, &length, room) == LZMA_OK ? length : 0;
}

static bool unpack_zstd_text(struct unpacked *to, const void *from, size_t length, const char **why) {
    return unpack_zstd(to, from, length, SIZE, why);
}

static bool unpack_xz_text(struct unpacked *to, const void *from, size_t length, const char **why) {
    return unpack_xz(to, from, length, 4 * SIZE, why);
}

static const struct {
    size_t (*pack)(unsigned char *to, size_t room);
    bool (*unpack)(struct unpacked *to, const void *from, size_t length, const char **why);
} kinds[] = {{pack_zstd, unpack_zstd_text}, {pack_xz, unpack_xz_text}};

#define KINDS (sizeof kinds / sizeof *kinds)

static void what_was_packed_comes_out_again(void **unused) {
    static unsigned char packed[2 * SIZE];
    (void)unused;
    for (size_t i = 0; i < KINDS; i++) {
        struct unpacked out;
        const char *why = "";
        size_t length = kinds[i].pack(packed, sizeof packed);
        assert_true(kinds[i].unpack(&out, packed, length, &why));
        assert_null(why);
        assert_int_equal(out.size, SIZE);
        assert_memory_equal(out.bytes, text, SIZE);
        free(out.bytes);
    }
}

/* One outcome of two: all of it, or a reason and nothing to be freed. */
static void try_unpack(size_t kind, const unsigned char *from, size_t length) {
    unsigned char *exact = malloc(length ? length : 1);
    struct unpacked out;
    const char *why = NULL;
    assert_non_null(exact);
    memcpy(exact, from, length);
    if (kinds[kind].unpack(&out, exact, length, &why)) {
        assert_true(out.size > 0 && out.size <= 4 * SIZE);
        free(out.bytes);
    } else {
        assert_non_null(why);
        assert_null(out.bytes);
    }
    free(exact);
}

static void cut_and_flipped_bytes_are_survived(void **unused) {
    static unsigned char packed[2 * SIZE], damaged[2 * SIZE];
    (void)unused;
    for (size_t i = 0; i < KINDS; i++) {
        size_t length = kinds[i].pack(packed, sizeof packed);
        for (size_t cut = 0; cut < length; cut += cut < 100 ? 1 : 97) try_unpack(i, packed, cut);
        for (size_t at = 0; at < length; at += at < 64 ? 1 : 31) {
            memcpy(damaged, packed, length);
            damaged[at] ^= (unsigned char)(1 << random_below(8));
            try_unpack(i, damaged, length);
        }
        for (size_t at = 0; at < sizeof damaged; at++) damaged[at] = (unsigned char)random_below(256);
        memcpy(damaged, packed, 16);
        try_unpack(i, damaged, sizeof damaged);
    }
}

static long peak(void) { /* KiB */
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void what_a_header_promises_is_not_allocated(void **unused) {
    static unsigned char packed[2 * SIZE], zeros[SIZE];
    static const uint64_t sizes[] = {65u << 20, 1ull << 32, 1ull << 62, UINT64_MAX};
    struct unpacked out;
    const char *why = NULL;
    (void)unused;
    long before = peak();
    size_t length = pack_zstd(packed, sizeof packed);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_false(unpack_zstd(&out, packed, length, sizes[i], &why));
        assert_string_equal(why, "is too large");
    }
    assert_false(unpack_zstd(&out, packed, length, SIZE - 1, &why));
    assert_false(unpack_zstd(&out, packed, length, SIZE + 1, &why));
    assert_string_equal(why, "is damaged");
    length = 0;
    assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_NONE, NULL, zeros, SIZE, packed, &length, sizeof packed),
                     LZMA_OK);
    assert_true(length < SIZE / 50);
    assert_false(unpack_xz(&out, packed, length, SIZE / 2, &why));
    assert_string_equal(why, "is too large");
    assert_true(peak() - before < 32 << 10);
}

static const unsigned char header5[] = {
    0, 0, 0, 0,              /* length, filled in */
    5, 0, 8, 0,              /* version, sizes of an address and a selector */
    0, 0, 0, 0,              /* header's length, filled in */
    1, 1, 1, 0xfb, 14,   13, /* instruction, operations, statements, line base and range, first special opcode */
    0, 1, 1, 1,    1,    0,   0,   0,   1, 0, 0, 1, /* operands */
    1, 1, 8, 2,    '/',  'a', 0,   'b', 0,          /* folders: one format, path as a string */
    2, 1, 8, 2,    0x0b, 1,   'f', 0,   1,          /* files: path, number of its folder */
};
static const unsigned char program5[] = {
    0,    9,    2, 0x00, 0x10, 0, 0, 0, 0, 0, 0, /* address 0x1000 */
    4,    0,                                     /* file 0 */
    0x20, 0x4b,                                  /* two rows */
    2,    16,   0, 1,    1,                      /* 16 bytes on, the end */
};

static size_t make_table(unsigned char *to) {
    uint32_t after = sizeof header5 - 12, length = sizeof header5 + sizeof program5 - 4;
    memcpy(to, header5, sizeof header5);
    memcpy(to + sizeof header5, program5, sizeof program5);
    memcpy(to, &length, sizeof length);
    memcpy(to + 8, &after, sizeof after);
    return sizeof header5 + sizeof program5;
}

static void a_line_table_has_its_lines_and_files(void **unused) {
    unsigned char table[sizeof header5 + sizeof program5];
    struct code everywhere = {0};
    struct lines lines;
    (void)unused;
    size_t length = make_table(table);
    struct line_sections sections = {.line = {table, length}};
    lines_read(&lines, &everywhere, &sections, 0, "/base");
    const struct line_row *row = lines_at(&lines, 0x1002);
    assert_non_null(row);
    assert_string_equal(line_files_path(&lines.files, row->file), "b/f");
    assert_null(line_files_path(&lines.files, 1));
    assert_null(lines_at(&lines, 0xfff));
    lines_free(&lines);
}

static void damaged_line_tables_are_survived(void **unused) {
    unsigned char table[sizeof header5 + sizeof program5];
    struct code everywhere = {0};
    (void)unused;
    for (int round = 0; round < 20000; round++) {
        size_t length = make_table(table);
        for (uint64_t changes = 1 + random_below(4); changes; changes--)
            table[random_below(length)] = (unsigned char)random_below(256);
        if (round % 4 == 0) table[4] = (unsigned char)(2 + random_below(3));
        length -= random_below(4) ? 0 : random_below(length);
        unsigned char *exact = malloc(length);
        assert_non_null(exact);
        memcpy(exact, table, length);
        struct line_sections sections = {.line = {exact, length}, .line_str = {exact, length}, .str = {exact, length}};
        struct lines lines;
        lines_read(&lines, &everywhere, &sections, random_below(8) ? 0 : random_below(SIZE), "base");
        (void)lines_at(&lines, 0x1000 + random_below(32));
        for (uint64_t file = 0; file < 4; file++) (void)line_files_path(&lines.files, file);
        lines_free(&lines);
        free(exact);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_out_again),
        cmocka_unit_test(cut_and_flipped_bytes_are_survived),
        cmocka_unit_test(what_a_header_promises_is_not_allocated),
        cmocka_unit_test(a_line_table_has_its_lines_and_files),
        cmocka_unit_test(damaged_line_tables_are_survived),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
