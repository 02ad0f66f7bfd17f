// Gives blocks back by other functions than they were made for, one kind a run, three times from one place; or all the
// right ways. Prints "went on".
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>
#include <string>
#include <vector>

static const std::align_val_t a{64};
static bool is(const char *a, const char *b) { return std::strcmp(a, b) == 0; }

__attribute__((noinline)) static void misuse(const char *what) {
    if (is(what, "new_free")) std::free(::operator new(100));
    if (is(what, "array_free")) std::free(::operator new[](100));
    if (is(what, "new_realloc")) std::free(std::realloc(::operator new(100), 5000));
    if (is(what, "malloc_delete")) ::operator delete(std::malloc(100));
    if (is(what, "calloc_delete_array")) ::operator delete[](std::calloc(1, 100));
    if (is(what, "strdup_delete")) ::operator delete(strdup("a string of libc's"));
    if (is(what, "new_delete_array")) ::operator delete[](::operator new(100));
    if (is(what, "array_delete")) ::operator delete(::operator new[](100));
    if (is(what, "nothrow_array_delete")) ::operator delete(::operator new[](100, std::nothrow));
    if (is(what, "array_delete_sized")) ::operator delete(::operator new[](100), 100);
    if (is(what, "wrong_size")) ::operator delete(::operator new(100), 96);
    if (is(what, "wrong_size_array")) ::operator delete[](::operator new[](100), 200);
    if (is(what, "wrong_size_aligned")) ::operator delete(::operator new(100, a), 200, a);
    if (is(what, "aligned_plain")) ::operator delete(::operator new(100, a));
    if (is(what, "plain_aligned")) ::operator delete[](::operator new[](100), a);
    if (is(what, "aligned_free")) std::free(::operator new[](100, a));
}

static void right() {
    for (std::size_t n : {0, 1, 100, 5000, 300000}) {
        std::free(std::malloc(n));
        std::free(std::calloc(1, n));
        std::free(std::realloc(std::malloc(n), n + 1));
        std::free(memalign(64, n));
        ::operator delete(::operator new(n));
        ::operator delete(::operator new(n), n);
        ::operator delete[](::operator new[](n));
        ::operator delete[](::operator new[](n), n);
        ::operator delete(::operator new(n, std::nothrow), std::nothrow);
        ::operator delete[](::operator new[](n, std::nothrow), std::nothrow);
        ::operator delete(::operator new(n, a), a);
        ::operator delete(::operator new(n, a), n, a);
        ::operator delete[](::operator new[](n, a), a);
        ::operator delete[](::operator new[](n, a), n, a);
        ::operator delete(::operator new(n, a, std::nothrow), a, std::nothrow);
        ::operator delete[](::operator new[](n, a, std::nothrow), a, std::nothrow);
    }
    std::vector<std::string> v(100, std::string(100, 'x'));
    delete new int(7);
    delete[] new std::string[3];
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    for (volatile int i = 0; i < 3; i++) misuse(what);
    if (is(what, "right")) right();
    std::puts("went on");
}
