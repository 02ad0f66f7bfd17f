/* Building messages: numbers are read and written exactly, nothing acts on a terminal, nothing runs over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shim/base/text.h"

static const char *text(struct text *t) {
    t->at[t->length] = 0;
    return t->at;
}

static void numbers_are_written_as_they_are(void **state) {
    static const uint64_t numbers[] = {0, 9, 10, 12345, UINT32_MAX, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        char wanted[64];
        struct text t = {0};
        text_add_number(&t, numbers[i]);
        text_add(&t, " ");
        text_add_hex(&t, numbers[i]);
        (void)snprintf(wanted, sizeof wanted, "%llu 0x%llx", (unsigned long long)numbers[i],
                       (unsigned long long)numbers[i]);
        assert_string_equal(text(&t), wanted);
    }
}

static void numbers_are_read_in_whole_or_not_at_all(void **state) {
    static const char *const bad[] = {
        "", " 1", "1 ", "-1", "+1", "0x1", "18446744073709551616", "99999999999999999999999"};
    uint64_t n = 7;
    (void)state;
    assert_true(text_number("18446744073709551615", &n) && n == UINT64_MAX);
    assert_true(text_number("007", &n) && n == 7);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        if (text_number(bad[i], &n) || n != 7) fail_msg("'%s' became %llu", bad[i], (unsigned long long)n);
}

static void control_characters_are_not_passed_on(void **state) {
    struct text t = {0};
    (void)state;
    text_add_bytes(&t, "\033]0;x\a\n\0\x7f\xc3\xbc", 11);
    assert_string_equal(text(&t), "?]0;x????\xc3\xbc");
}

static void a_text_ends_with_its_room(void **state) {
    static char much[100000];
    struct {
        struct text t;
        char guard[16];
    } room = {.guard = "guard"};
    (void)state;
    (void)memset(much, 'x', sizeof much - 1);
    text_add(&room.t, much);
    text_add_bytes(&room.t, much, sizeof much);
    text_add_number(&room.t, UINT64_MAX);
    text_add_hex(&room.t, UINT64_MAX);
    assert_true(room.t.length < sizeof room.t.at);
    assert_string_equal(room.guard, "guard");
}

/* memset and memcpy of weir's own, at the lengths where they change their ways. */
static void bytes_are_copied_and_zeroed_exactly(void **state) {
    static unsigned char from[2100], to[2100];
    (void)state;
    for (size_t i = 0; i < sizeof from; i++) from[i] = (unsigned char)(i * 7 + 1);
    for (size_t n = 0; n < 2000; n += n < 600 ? 1 : 61) {
        for (size_t at = 0; at < 3; at++) {
            (void)memset(to, 0xee, sizeof to);
            mem_copy(to + 16 + at, from + at, n);
            if (memcmp(to + 16 + at, from + at, n) != 0 || to[15 + at] != 0xee || to[16 + at + n] != 0xee)
                fail_msg("%zu bytes were not copied exactly", n);
            assert_true(mem_equal(to + 16 + at, from + at, n));
            mem_zero(to + 16 + at, n);
            for (size_t i = 0; i < n; i++) assert_int_equal(to[16 + at + i], 0);
            if (to[15 + at] != 0xee || to[16 + at + n] != 0xee) fail_msg("%zu bytes were not zeroed exactly", n);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_they_are),
        cmocka_unit_test(numbers_are_read_in_whole_or_not_at_all),
        cmocka_unit_test(control_characters_are_not_passed_on),
        cmocka_unit_test(a_text_ends_with_its_room),
        cmocka_unit_test(bytes_are_copied_and_zeroed_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
