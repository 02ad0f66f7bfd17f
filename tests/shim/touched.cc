// weir.h in C++: a block of new is touched, also by the function's address.
#include "shim/weir.h"

__attribute__((noinline, noclone)) static char *made() { return new char[100]; }

int main() {
    static char *volatile kept = made();
    void (*volatile by_address)(const void *, const char *) = weir_touch;
    weir_touch(kept + 50, "from C++");
    by_address(kept, 0);
    weir_pool_alloc(kept + 8, 16);
    weir_pool_alloc(kept + 24, 16);
    weir_pool_free(kept + 24);
    return 0;
}
