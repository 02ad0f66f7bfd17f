// Calls every operator new and delete that C++17 has, in pairs, for blocks of four sizes; prints how many pairs.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

static int pairs;
static void *made(void *p, std::size_t n, std::uintptr_t alignment) {
    if (!p || reinterpret_cast<std::uintptr_t>(p) % alignment != 0) std::abort();
    std::memset(p, 7, n);
    pairs++;
    return p;
}

int main() {
    const std::nothrow_t &no = std::nothrow;
    std::setvbuf(stdout, nullptr, _IONBF, 0); // a stream's buffer would stay
    static const std::size_t sizes[] = {1, 100, 5000, 300000};
    for (std::size_t n : sizes) {
        const std::align_val_t a{256};
        ::operator delete(made(::operator new(n), n, 16));
        ::operator delete(made(::operator new(n), n, 16), n);
        ::operator delete(made(::operator new(n, no), n, 16), no);
        ::operator delete[](made(::operator new[](n), n, 16));
        ::operator delete[](made(::operator new[](n), n, 16), n);
        ::operator delete[](made(::operator new[](n, no), n, 16), no);
        ::operator delete(made(::operator new(n, a), n, 256), a);
        ::operator delete(made(::operator new(n, a), n, 256), n, a);
        ::operator delete(made(::operator new(n, a, no), n, 256), a, no);
        ::operator delete[](made(::operator new[](n, a), n, 256), a);
        ::operator delete[](made(::operator new[](n, a, no), n, 256), n, a);
        ::operator delete[](made(::operator new[](n, a), n, 256), a, no);
        ::operator delete(nullptr), ::operator delete[](nullptr, a), ::operator delete(nullptr, no);
    }
    std::printf("%d pairs\n", pairs);
}
