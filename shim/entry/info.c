/* glibc's malloc tuning and statistics: answered from weir's numbers; glibc's own would wake its allocator up. */
#include "shim/base/base.h"
#include "shim/base/text.h"
#include "shim/ceiling/ceiling.h"
#include "shim/entry/start.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

/* Gives back what is free. 1: something was given back. */
EXPORT int malloc_trim(size_t pad) {
    (void)pad;
    start_check();
    bool outermost = arena_enter();
    bool given = outermost && arena_reclaim();
    arena_leave(outermost);
    return given;
}

/* Accepts what glibc accepts, and changes nothing: weir has no such thresholds. */
EXPORT int mallopt(int param, int val) {
    (void)param;
    (void)val;
    return 1;
}

/* arena: bytes charged, but for mappings of the program's own; ordblks: free places; hblks, hblkhd: runs; uordblks: in
 * blocks; fordblks: free. A racy look. */
EXPORT struct mallinfo2 mallinfo2(void) {
    struct arena_stats stats = {0};
    struct arena_class classes[CLASSES + 1] = {{0}};
    start_check();
    arena_walk(&(struct arena_look){.epoch = ARENA_ALL_EPOCHS}, &stats, classes);
    size_t used = ceiling_numbers().heap, free_places = 0;
    for (unsigned i = 0; i < CLASSES; i++)
        free_places += classes[i].capacity - min_size(classes[i].live, classes[i].capacity);
    return (struct mallinfo2){.arena = used,
                              .ordblks = free_places,
                              .hblks = stats.runs,
                              .uordblks = stats.bytes,
                              .fordblks = used > stats.bytes ? used - stats.bytes : 0};
}

static int saturate(size_t n) {
    return n > INT32_MAX ? INT32_MAX : (int)n;
}

EXPORT struct mallinfo mallinfo(void) {
    struct mallinfo2 m = mallinfo2();
    return (struct mallinfo){.arena = saturate(m.arena),
                             .ordblks = saturate(m.ordblks),
                             .hblks = saturate(m.hblks),
                             .uordblks = saturate(m.uordblks),
                             .fordblks = saturate(m.fordblks)};
}

EXPORT void malloc_stats(void) {
    struct mallinfo2 m = mallinfo2();
    struct text t = {0};
    text_add(&t, "weir: direct memory used ");
    text_add_number(&t, m.arena);
    text_add(&t, ", in blocks ");
    text_add_number(&t, m.uordblks);
    text_add(&t, ", peak ");
    text_add_number(&t, ceiling_numbers().peak);
    message_send(&t);
}

/* glibc's XML, with the totals only; EINVAL (as the result, not in errno) for options but 0. */
EXPORT int malloc_info(int options, FILE *fp) {
    if (options != 0) return EINVAL;
    struct mallinfo2 m = mallinfo2();
    (void)fprintf(fp,
                  "<malloc version=\"1\">\n<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
                  "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n</malloc>\n",
                  m.ordblks, m.fordblks, m.arena, (size_t)ceiling_numbers().peak);
    return 0;
}
