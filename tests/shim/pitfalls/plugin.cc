// A plugin in C++, for a host that has no C++ library of its own. At the ceiling it must see what the standard says, in
// whichever library, and in whichever layout of the file, its operator new would have come from.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

static int calls;
static void handler() {
    if (++calls % 3 == 0) std::set_new_handler(nullptr);
}

// Each is refused: it is larger than any ceiling here.
template <typename F> static void refused(const char *what, F f) {
    void *p = nullptr;
    std::set_new_handler(handler);
    calls = 0;
    try {
        p = f();
        std::printf("%s: %s", what, p ? "a block" : "NULL");
    } catch (const std::bad_alloc &e) {
        std::printf("%s: %s", what, e.what());
    }
    std::printf(" after %d, %d in flight\n", calls, std::uncaught_exceptions());
}

extern "C" int plugin() {
    const std::size_t n = std::size_t{1} << 30;
    const std::align_val_t a{256};
    for (int i = 0; i < 2; i++) {
        refused("new", [=] { return ::operator new(n); });
        refused("new[]", [=] { return ::operator new[](n); });
        refused("nothrow", [=] { return ::operator new(n, std::nothrow); });
        refused("aligned", [=] { return ::operator new(n, a); });
        refused("aligned nothrow", [=] { return ::operator new[](n, a, std::nothrow); });
    }
    delete[] new char[1000];
    return 0;
}
