/* What the views promise of text: nothing from a file acts on a terminal, names stay bounded, numbers read well. Runs
 * under ASan and UBSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reporter/symbols/skipped.h"
#include "reporter/load/signals.h"
#include "reporter/load/memory.h"
#include "reporter/symbols/demangle.h"
#include "reporter/symbols/jitted.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"

static void expect_escaped(const char *bytes, size_t length, const char *expected) {
    char *escaped = escape_text((struct text){bytes, length});
    assert_string_equal(escaped, expected);
    free(escaped);
}

static void control_characters_and_bad_utf8_are_escaped(void **state) {
    static const char override[] = {(char)0xe2, (char)0x80, (char)0xae}; /* U+202E */
    (void)state;
    expect_escaped("\033]0;x\a", 6, "\\x1b]0;x\\x07");
    expect_escaped("a\nb\0c\x7f", 6, "a\\x0ab\\x00c\\x7f");
    expect_escaped("gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f");
    expect_escaped("\xc2\x9b", 2, "\\xc2\\x9b");                   /* U+009B, a one-byte escape sequence */
    expect_escaped(override, sizeof override, "\\xe2\\x80\\xae");  /* right-to-left override */
    expect_escaped("\xc0\xaf\xff\xc3", 4, "\\xc0\\xaf\\xff\\xc3"); /* overlong, never valid, cut */
    expect_escaped("\xed\xa0\x80\xf4\x90\x80\x80", 7, "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80"); /* surrogate, too high */
}

static void text_is_cut_at_whole_characters(void **state) {
    char left[] = "0123456789", right[] = "0123456789", wide[] = "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc";
    (void)state;
    assert_string_equal(escape_fit(left, 6, false), "012...");
    assert_string_equal(escape_fit(right, 6, true), "...789");
    assert_string_equal(escape_fit(wide, 4, false), "\xc3\xbc...");
    char same[] = "0123";
    assert_string_equal(escape_fit(same, 4, true), "0123");
}

static void expect_demangled(const char *mangled, bool brief, const char *expected) {
    char *name = demangle(mangled, brief);
    assert_string_equal(name, expected);
    free(name);
}

static void names_of_cpp_rust_and_d_are_demangled(void **state) {
    (void)state;
    expect_demangled("_ZN3foo3barEi", false, "foo::bar(int)");
    expect_demangled("_ZN3foo3barEi", true, "foo::bar");
    expect_demangled("_Z3fooIiEvT_", true, "foo<int>");
    expect_demangled("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", true, "core::ptr::drop_in_place");
    expect_demangled("_RNvC6_123foo3bar", true, "123foo::bar");
    expect_demangled("_D3foo3barFiZv", true, "foo.bar");
    expect_demangled("main", false, "main");
    expect_demangled("_start", false, "_start");
    expect_demangled("_Z", false, "_Z");
}

/* Each parameter's type is the template b of the one before, twice: 2^26 characters, were it written out. */
static void a_name_that_stands_for_gigabytes_is_cut(void **state) {
    char mangled[1024] = "_Z1fI1aEv1bIS0_S0_E";
    (void)state;
    for (int i = 3; i < 29; i++) {
        char id = (char)(i < 11 ? '0' + i - 1 : 'A' + i - 11);
        size_t length = strlen(mangled);
        (void)snprintf(mangled + length, sizeof mangled - length, "S1_IS%c_S%c_E", id, id);
    }
    char *name = demangle(mangled, false);
    assert_int_equal(strlen(name), 4096);
    free(name);
}

static void numbers_read_well(void **state) {
    (void)state;
    assert_string_equal(units_bytes(0), "0 B");
    assert_string_equal(units_bytes(1023), "1023 B");
    assert_string_equal(units_bytes(1024), "1.0 KiB");
    assert_string_equal(units_bytes(10 * 1024 - 1), "10 KiB");
    assert_string_equal(units_bytes(231u << 20), "231 MiB");
    assert_string_equal(units_bytes(UINT64_MAX), "16 EiB");
    assert_string_equal(units_short(520093696), "496.0M");
    assert_string_equal(units_count(52942), "52,942");
    assert_string_equal(units_count(100), "100");
    assert_string_equal(units_count(UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(units_age(999999999), "0s");
    assert_string_equal(units_age(3720000000000), "1h 02m");
    assert_string_equal(units_age(UINT64_MAX - 1), "213503d 23h");
    assert_string_equal(units_age(UINT64_MAX), "?"); /* not known */
}

static void allocators_wrappers_and_runtimes_name_no_site(void **state) {
    (void)state;
    static const char *const skipped_ones[] = {"malloc",
                                               "xmalloc",
                                               "std::vector<int>::push_back",
                                               "os::malloc",
                                               "AllocateHeap",
                                               "PyMem_Malloc",
                                               "Perl_safesysmalloc",
                                               "sqlite3DbMallocRaw",
                                               "CRYPTO_zalloc",
                                               "ngx_pcalloc",
                                               "alloc::vec::Vec<T>::push",
                                               "CHeapObj<2>::operator new",
                                               "ztrymalloc_usable_internal",
                                               "jdk.internal.misc.Unsafe.allocateMemory",
                                               "java.nio.DirectByteBuffer.<init>",
                                               "java.nio.ByteBuffer.allocateDirect",
                                               "io.netty.buffer.PoolArena.allocate",
                                               "io.netty.util.internal.PlatformDependent.allocateDirectNoCleaner",
                                               "v8::internal::BackingStore::Allocate",
                                               "<T as alloc::string::ToString>::to_string"};
    static const char *const names[] = {"main",
                                        "malloc_info_of_mine",
                                        "my_xmalloc",
                                        "stdlike::vector",
                                        "cycle",
                                        "Perl_newSViv",
                                        "java.util.ArrayList.add",
                                        "io.netty.channel.DefaultChannelPipeline.fireChannelRead",
                                        "Interpreter",
                                        "zmall",
                                        "sqlite3Insert",
                                        ""};
    for (size_t i = 0; i < sizeof skipped_ones / sizeof *skipped_ones; i++)
        if (!skipped(skipped_ones[i])) fail_msg("%s names a site", skipped_ones[i]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (skipped(names[i])) fail_msg("%s names no site", names[i]);
    skipped_add("*a*b*c");
    assert_true(skipped("abc") && skipped("xaybzc") && skipped("aabbcbc"));
    assert_false(skipped("acb") || skipped("abcd"));
    skipped_forget();
    assert_false(skipped("abc"));
}

static void expect_jitted(const char *name, const char *brief, const char *file, uint32_t line) {
    struct jitted jitted = {0};
    char *copy = memory_text(name, strlen(name)); /* not terminated where the name ends */
    jitted_read(&jitted, copy, strlen(name));
    free(copy);
    assert_string_equal(jitted.frame.brief, brief);
    assert_string_equal(jitted.frame.file ? jitted.frame.file : "", file);
    assert_int_equal(jitted.frame.line, line);
    jitted_free(&jitted);
}

static void code_of_a_jit_is_called_what_its_runtime_means(void **state) {
    (void)state;
    expect_jitted("void Shop.order(java.lang.String, int)", "Shop.order", "", 0);
    expect_jitted("int[] com.shop.Order$$Lambda$14/0x0000000800c03208.<init>()",
                  "com.shop.Order$$Lambda$14/0x0000000800c03208.<init>", "", 0);
    expect_jitted("instance void [App] Shop.Cart::Add(int32)[Tier0]", "Shop.Cart::Add", "", 0);
    expect_jitted("Interpreter", "Interpreter", "", 0);
    expect_jitted("StubRoutines (1)", "StubRoutines (1)", "", 0);
    expect_jitted("I2C/C2I adapters(0xbb)", "I2C/C2I adapters(0xbb)", "", 0);
    expect_jitted("RuntimeStub - _new_array_Java", "RuntimeStub - _new_array_Java", "", 0);
    expect_jitted("JS:*handle /srv/a b.js:10:5", "handle", "/srv/a b.js", 10);
    expect_jitted("LazyCompile:~ node:fs:1:1", "(anonymous)", "node:fs", 1);
    expect_jitted("Function:~f", "f", "", 0);
    expect_jitted("Builtin:ArrayMap", "Builtin:ArrayMap", "", 0);
    expect_jitted("JS:* :1:2", "(anonymous)", ":1", 2);
    expect_jitted("JS:f 99999999999999999999:1", "f", "99999999999999999999", 1);
    expect_jitted("JS:f a.js:99999999999999999999:1", "f", "a.js", 0);
    expect_jitted("py::Shop.order:/srv/shop.py", "Shop.order", "/srv/shop.py", 0);
    expect_jitted("py::<module>:<frozen importlib._bootstrap>", "<module>", "<frozen importlib._bootstrap>", 0);
    expect_jitted("py::x", "py::x", "", 0);
    expect_jitted("_ZN4shop5orderEv", "shop::order", "", 0);
    expect_jitted("(", "(", "", 0);
    expect_jitted(".(", ".(", "", 0);
    expect_jitted("a.()", "a.", "", 0);
    expect_jitted("", "(anonymous)", "", 0);
}

static void signals_have_the_names_that_the_shim_takes(void **state) {
    static const struct {
        const char *text;
        int number;
    } good[] = {{"63", 63},      {"SIGRTMAX-1", 63}, {"RTMAX-1", 63}, {"SIGRTMIN+3", 37}, {"RTMIN", 34},
                {"SIGUSR2", 12}, {"USR2", 12},       {"none", 0},     {"SIGIO", 29},      {"QUIT", 3}};
    static const char *const bad[] = {"", "0", "9", "32", "65", "SIGKILL", "RTMAX-31", "RTMIN+", "USR3", "12x"};
    int number = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!signal_parse(good[i].text, &number) || number != good[i].number)
            fail_msg("%s became %d", good[i].text, number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (signal_parse(bad[i], &number)) fail_msg("%s was taken for %d", bad[i], number);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_and_bad_utf8_are_escaped),
        cmocka_unit_test(text_is_cut_at_whole_characters),
        cmocka_unit_test(names_of_cpp_rust_and_d_are_demangled),
        cmocka_unit_test(a_name_that_stands_for_gigabytes_is_cut),
        cmocka_unit_test(numbers_read_well),
        cmocka_unit_test(allocators_wrappers_and_runtimes_name_no_site),
        cmocka_unit_test(code_of_a_jit_is_called_what_its_runtime_means),
        cmocka_unit_test(signals_have_the_names_that_the_shim_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
