#include "leaks.h"
#include <memory>
#include <thread>
#include <vector>

namespace pool {
template <typename T> struct Holder {
    inline __attribute__((always_inline)) static void open(size_t n) {
        T *p = new T[n];
        __asm__ volatile("" : : "r"(p));
    }
};
}

__attribute__((noinline)) static void serve(long k) {
    for (int i = 0; i < COUNT(k); i++) pool::Holder<char>::open(BYTES(k));
    __asm__ volatile("");
}

int main() {
    std::vector<std::thread> threads;
    for (long k = 0; k < 3; k++) threads.emplace_back(serve, k);
    for (auto &t : threads) t.join();
    return 0;
}
