// A C++ program at the ceiling: it must see std::bad_alloc, the new-handler, NULL from nothrow, and then memory again.
#include <cstdio>
#include <new>
#include <vector>

static int handler_calls;
static void handler() {
    if (++handler_calls == 3) std::set_new_handler(nullptr);
}

int main() {
    std::vector<char *> blocks;
    blocks.reserve(1000);
    try {
        for (;;) blocks.push_back(new char[1 << 20]);
    } catch (const std::bad_alloc &e) {
        printf("caught %s\n", e.what());
    }
    std::set_new_handler(handler);
    try {
        (void)new char[32 << 20];
    } catch (const std::bad_alloc &) {
        printf("handler called %d times\n", handler_calls);
    }
    struct alignas(256) Wide { char c[1 << 20]; };
    Wide *wide; // written to as volatile, or the compiler would leave the allocation out
    try {
        for (;;) *const_cast<Wide *volatile *>(&wide) = new Wide;
    } catch (const std::bad_alloc &) {
        printf("aligned: caught\n");
    }
    printf("nothrow: %s\n", new (std::nothrow) char[32 << 20] ? "a block" : "NULL");
    for (char *p : blocks) delete[] p;
    char *again = new char[16 << 20];
    printf("again: %s\n", again ? "works" : "fails");
    delete[] again;
}
