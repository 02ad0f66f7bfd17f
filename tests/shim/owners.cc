// owners: objects whose fate is known, in the ways in which C++ programs hold them. Sizes tell them apart.
//   leaked      two objects that hold each other by shared_ptr (1201: one of them directly, the other by it), what a
//               thread-local of a dead thread pointed to (1202), a unique_ptr that was released (1203)
//   in use      a vector of unique_ptr in a global map (1211), what a detached thread has on its stack (1212), what an
//               atexit handler is to free (1213), a std::function's capture in a global (1214), an exception in flight
//               kept by exception_ptr (1215)
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

template <size_t n> struct Sized {
    std::shared_ptr<Sized> other;
    char bytes[n - sizeof(std::shared_ptr<Sized>)];
};
static_assert(sizeof(Sized<1200>) == 1200, "sizes are as said");

static std::map<std::string, std::vector<std::unique_ptr<char[]>>> owned;
static std::function<int()> later;
static std::exception_ptr kept;
static std::atomic<bool> there;
static void *to_free;

static char *block(size_t n) {
    char *p = new char[n];
    memset(p, 1, n);
    return p;
}

// make_shared puts two counts before the object: 16 bytes.
static __attribute__((noinline)) void make_cycle() {
    auto a = std::make_shared<Sized<1184>>(), b = std::make_shared<Sized<1184>>();
    a->other = b;
    b->other = a;
}

static thread_local char *of_thread;
static __attribute__((noinline)) void hold_by_dead_thread() {
    std::thread([] { of_thread = block(1202); }).join();
}
static __attribute__((noinline)) void release() {
    std::unique_ptr<char[]> p(block(1203));
    (void)p.release();
}
static __attribute__((noinline)) void hold_by_detached_thread() {
    std::thread([] {
        char *volatile p = block(1212);
        there = true;
        for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
        delete[] p;
    }).detach();
    while (!there) std::this_thread::yield();
}

struct Error {
    char bytes[1215];
};

static __attribute__((noinline)) void wipe() {
    volatile char room[16384];
    for (size_t i = 0; i < sizeof room; i++) room[i] = 0;
}

int main() {
    make_cycle();
    hold_by_dead_thread();
    release();
    for (int i = 0; i < 3; i++) owned["a name that is too long to be kept in place"].emplace_back(block(1211));
    hold_by_detached_thread();
    to_free = malloc(1213);
    atexit([] { free(to_free); });
    struct Capture {
        char bytes[1214];
    } capture = {};
    later = [capture] { return capture.bytes[0]; };
    try {
        throw Error{};
    } catch (...) {
        kept = std::current_exception();
    }
    wipe();
    quick_exit(later());
}
