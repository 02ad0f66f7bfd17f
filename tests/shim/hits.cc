// Calls that the fast paths serve: what malloc, free, operator new and delete do when all is warm. A debugger counts the
// instructions of each call behind warm().
#include <cstdlib>
#include <new>

extern "C" __attribute__((noinline)) void warm() { __asm__ volatile(""); }

int main() {
    void *p[8];
    for (auto &b : p) b = std::malloc(100);
    for (auto &b : p) std::free(b);
    p[0] = std::malloc(100);
    std::free(p[0]);
    warm();
    p[0] = std::malloc(100);
    p[1] = std::malloc(100);
    p[2] = ::operator new(100);
    std::free(p[0]);
    std::free(p[1]);
    ::operator delete(p[2]);
}
