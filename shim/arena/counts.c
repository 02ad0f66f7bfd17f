/* See counts.h. */
#include "shim/arena/counts.h"
#include "shim/arena/heap.h"

struct region counts;
_Atomic uint64_t counts_apart;

bool counts_start(size_t heaps) {
    return region_reserve(&counts, heaps * COUNTS_ROW * sizeof(uint64_t), false);
}

bool counts_make(size_t heap) {
    return region_commit(&counts, (heap + 1) * COUNTS_ROW * sizeof(uint64_t));
}

void counts_sum(uint64_t sum[CLASSES + 1]) {
    for (size_t i = 0, n = heap_count(); i < n; i++)
        for (unsigned c = 0; c <= CLASSES; c++) sum[c] += __atomic_load_n(&counts_of(i)[c], __ATOMIC_RELAXED);
    sum[CLASSES] += atomic_load_explicit(&counts_apart, memory_order_relaxed);
}
