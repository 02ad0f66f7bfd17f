// hit malloc | free | nothing: makes callgrind count the instructions of calls that hit the cache of the thread: all
// calls of one kind, and nothing else, lie between two toggles; "nothing" is what the toggles cost themselves.
#include <valgrind/callgrind.h>
#include "bench.h"

enum { WARM_UP = 2000, CALLS = 10000 };

int main(int argc, char **argv) {
    bool count_malloc = argc > 1 && strcmp(argv[1], "malloc") == 0,
         count_free = argc > 1 && strcmp(argv[1], "free") == 0;
    static void *volatile held;
    // Others of the class stay alive: freeing the only block of a page is not the usual case.
    for (int i = 0; i < 100; i++) held = must(malloc(40));
    for (int i = 0; i < WARM_UP + CALLS; i++) {
        bool counted = i >= WARM_UP;
        if (counted && count_malloc) {
            CALLGRIND_TOGGLE_COLLECT;
            held = malloc(40);
            CALLGRIND_TOGGLE_COLLECT;
        } else {
            held = malloc(40);
        }
        if (counted && count_free) {
            CALLGRIND_TOGGLE_COLLECT;
            free(held);
            CALLGRIND_TOGGLE_COLLECT;
        } else {
            free(held);
        }
        if (counted && !count_malloc && !count_free) {
            CALLGRIND_TOGGLE_COLLECT;
            CALLGRIND_TOGGLE_COLLECT;
        }
    }
    return 0;
}
