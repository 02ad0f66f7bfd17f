/* Every alignment from 16 bytes to 1 GiB, for small and large blocks, twice over: the address must be a multiple, and
 * blocks of the larger slab classes must survive being freed and made again. Prints "aligned". */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    for (int round = 0; round < 2; round++) {
        for (size_t alignment = 16; alignment <= (size_t)1 << 30; alignment *= 2) {
            static const size_t sizes[] = {1, 100, 5000, 100000, 3 << 20};
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                char *p = memalign(alignment, sizes[i]);
                if (!p && alignment > (size_t)1 << 24) continue; /* there may be no address space for that */
                if (!p || (uintptr_t)p % alignment)
                    return printf("memalign(%zu, %zu) = %p\n", alignment, sizes[i], (void *)p), 1;
                memset(p, 1, sizes[i]);
                free(p);
            }
        }
        void *held[200];
        for (int i = 0; i < 200; i++) memset(held[i] = malloc(20000), 1, 20000);
        for (int i = 0; i < 200; i++) free(held[i]);
    }
    puts("aligned");
    return 0;
}
