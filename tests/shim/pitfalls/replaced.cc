// Replaces some of C++'s operators, two at a time: PLAIN, ARRAY or ALIGNED ones. Through every form that the standard
// defines by them it must get its own, with or without weir.
#include <cstdio>
#include <cstdlib>
#include <new>

static long live, made, refuses;
static const long MARK = 0x7265706c61636564;

static void *take(std::size_t n, std::size_t header) {
    if (refuses) throw std::bad_alloc();
    char *p = static_cast<char *>(std::aligned_alloc(header, (n + 2 * header - 1) / header * header));
    if (!p) throw std::bad_alloc();
    *reinterpret_cast<long *>(p) = MARK;
    live++;
    made++;
    return p + header;
}

static void give(void *q, std::size_t header) {
    if (!q) return;
    char *p = static_cast<char *>(q) - header;
    if (*reinterpret_cast<long *>(p) != MARK) std::puts("not a block of the program's");
    live--;
    std::free(p);
}

#if defined(PLAIN)
void *operator new(std::size_t n) { return take(n, 16); }
void operator delete(void *p) noexcept { give(p, 16); }
#elif defined(ARRAY)
void *operator new[](std::size_t n) { return take(n, 16); }
void operator delete[](void *p) noexcept { give(p, 16); }
#else
void *operator new(std::size_t n, std::align_val_t a) { return take(n, static_cast<std::size_t>(a)); }
void operator delete(void *p, std::align_val_t a) noexcept { give(p, static_cast<std::size_t>(a)); }
#endif

int main() {
    const std::align_val_t a{64};
    for (int i = 0; i < 1000; i++) {
        const std::size_t n = 24 + static_cast<std::size_t>(i) % 3000;
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
    std::printf("made %ld, live %ld\n", made, live);
    refuses = 1;
#if defined(ALIGNED)
    void *p = ::operator new(100, a, std::nothrow), *q = ::operator new[](100, a, std::nothrow);
#elif defined(PLAIN)
    void *p = ::operator new(100, std::nothrow), *q = ::operator new[](100, std::nothrow);
#else
    void *p = nullptr, *q = ::operator new[](100, std::nothrow);
#endif
    std::puts(p || q ? "not refused" : "refused");
}
