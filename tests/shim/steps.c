/* Counts the instructions that a hit of malloc and of free executes inside libweir.so, by stepping through them one by
 * one. (Under valgrind the arena's window cannot be had, and another path runs.) Prints "malloc N free M". */
#include "stepping.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void child(void) {
    void *volatile held[3] = {malloc(100), malloc(100), malloc(100)};
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    free(held[0]);
    BREAK();
    void *volatile p = malloc(100);
    BREAK();
    BREAK();
    free(held[1]);
    BREAK();
    free(p);
    _exit(0);
}

int main(void) {
    struct stepped s = {.pid = fork()};
    int status;
    uintptr_t where;
    if (s.pid == 0) child();
    waitpid(s.pid, &status, 0);
    if (!stepping_find_weir(&s)) return 2;
    long in_malloc = stepping_count(&s, LONG_MAX, &where);
    stepping_continue(&s, 0); /* over the second breakpoint, to the third */
    stepping_continue(&s, 0);
    long in_free = stepping_count(&s, LONG_MAX, &where);
    ptrace(PTRACE_KILL, s.pid, NULL, NULL);
    waitpid(s.pid, &status, 0);
    printf("malloc %ld free %ld\n", in_malloc, in_free);
    return in_malloc < 0 || in_free < 0;
}
