/* LeakSanitizer's interface, for programs that were written for it and built without: what they say of their blocks,
 * and checks in their midst. <sanitizer/lsan_interface.h> promises what these do. What such a program may define
 * itself,
 * __lsan_default_suppressions(), __lsan_default_options() and __lsan_is_turned_off(), is looked for where nobody would
 * look it up: a program's own functions are rarely in its table of dynamic symbols, but its file has them. */
#include "shim/arena/held.h"
#include "shim/base/options.h"
#include "shim/base/symbols.h"
#include "shim/base/text.h"
#include "shim/box/check.h"
#include "shim/box/ignored.h"
#include "shim/box/leaks.h"
#include "shim/box/names.h"
#include "shim/box/suppressed.h"
#include "shim/base/start.h"
#include "shim/entry/hooks.h"
#include "shim/entry/registers.h"
#include "shim/entry/start.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

static struct {
    bool detect_leaks;
    unsigned exitcode;
} wishes = {true, 23};

static void say_of(const char *what, const char *more, size_t length, const char *why) {
    struct text t = {0};
    text_add(&t, "weir: ");
    text_add(&t, what);
    text_add_bytes(&t, more, min_size(length, 200));
    text_add(&t, why);
    message_send(&t);
}

/* --- what the program defines --- */

struct search {
    const char *name;
    void *found;
};

static int look_into(struct dl_phdr_info *info, size_t size, void *context) {
    struct search *w = context;
    struct symbols s;
    (void)size;
    if (symbols_of_phdr(&s, info)) w->found = symbol_find(&s, w->name);
    return w->found != NULL;
}

static void *find(const char *name, bool in_file) {
    struct search w = {name, NULL};
    (void)dl_iterate_phdr(look_into, &w);
    return w.found || !in_file ? w.found : names_in_program(name);
}

static bool is_separator(char c) {
    return c == ' ' || c == ',' || c == ':' || c == '\n' || c == '\t' || c == '\r';
}

/* NAME=VALUE, of so many bytes. */
static bool obey(const char *at, size_t n) {
    char word[32];
    uint64_t value;
    if (n >= sizeof word) return false;
    mem_copy(word, at, n);
    word[n] = 0;
    const char *detect = str_after(word, "detect_leaks="), *code = str_after(word, "exitcode=");
    if (detect && text_number(detect, &value) && value <= 1) {
        wishes.detect_leaks = value == 1;
        return true;
    }
    if (!code || !text_number(code, &value) || value > 255) return false;
    wishes.exitcode = (unsigned)value;
    return true;
}

static void read_options(const char *s) {
    while (*s) {
        size_t n = 0;
        while (s[n] && !is_separator(s[n])) n++;
        if (n > 0 && !obey(s, n)) say_of("__lsan_default_options: ", s, n, " is not obeyed");
        s += n + (s[n] != 0);
    }
}

static int (*is_turned_off)(void); /* the program's; NULL: it has none */

/* Once a process image; a child of fork has what its parent has. */
static void ask_program(void) {
    static _Atomic bool asked;
    if (atomic_exchange_explicit(&asked, true, memory_order_relaxed)) return;
    arena_within();
    const char *(*suppressions)(void), *(*options_)(void);
    bool in_file = names_program_has("__lsan_");
    *(void **)&suppressions = find("__lsan_default_suppressions", in_file);
    *(void **)&options_ = find("__lsan_default_options", in_file);
    *(void **)&is_turned_off = find("__lsan_is_turned_off", in_file);
    names_end();
    arena_not_within();
    if (suppressions) suppressed_set(suppressions());
    const char *given = options_ ? options_() : NULL;
    if (given) read_options(given);
    if (start_variable("LSAN_OPTIONS")) say_of("LSAN_OPTIONS is not obeyed; libweir(7) has options", "", 0, "");
}

void hook_lsan(void) {
    if (options.leaks) ask_program();
}

/* --- checks --- */

static NOINLINE enum check check(const struct registers *r) {
    int before = errno;
    enum check found = CHECK_CLEAN;
    start_check();
    ask_program();
    if (wishes.detect_leaks && !(is_turned_off && is_turned_off()) && lock_process() == PROCESS_OWNER) {
        arena_within();
        found = check_now((uintptr_t)r);
        arena_not_within();
    }
    errno = before;
    return found;
}

EXPORT int __lsan_do_recoverable_leak_check(void) {
    struct registers r;
    TAKE_REGISTERS(r);
    return check(&r) == CHECK_LEAKED;
}

/* The last one that is made: the one at the end says nothing any more. */
EXPORT void __lsan_do_leak_check(void) {
    static _Atomic bool done;
    struct registers r;
    TAKE_REGISTERS(r);
    if (atomic_exchange_explicit(&done, true, memory_order_relaxed)) return;
    enum check found = check(&r);
    leaks_tell_no_more();
    if (found == CHECK_LEAKED && wishes.exitcode != 0) _exit((int)wishes.exitcode);
}

/* --- what is no leak --- */

EXPORT void __lsan_ignore_object(const void *p) {
    static _Atomic bool said;
    start_check();
    if (ignored_add(p) == IGNORED_NO_ROOM && !atomic_exchange_explicit(&said, true, memory_order_relaxed))
        say_of("__lsan_ignore_object: no room for more blocks that are not tracked", "", 0, "");
}

EXPORT void __lsan_disable(void) {
    start_check();
    (void)ignored_scope(true);
}

EXPORT void __lsan_enable(void) {
    start_check();
    if (!ignored_scope(false)) say_of("__lsan_enable without an __lsan_disable of this thread", "", 0, "");
}

EXPORT void __lsan_register_root_region(const void *start, size_t size) {
    static _Atomic bool said;
    if (!ignored_add_region(start, size) && !atomic_exchange_explicit(&said, true, memory_order_relaxed))
        say_of("__lsan_register_root_region: no room for more than 1024 regions", "", 0, "");
}

EXPORT void __lsan_unregister_root_region(const void *start, size_t size) {
    if (!ignored_remove_region(start, size))
        say_of("__lsan_unregister_root_region: there is no such region", "", 0, "");
}
