/* Locks all its memory, before and after it has some: locked FLAGS BLOCKS [MEGABYTES], as nobody and with a limit of so
 * many where they are given, and with so many MiB of its own mapped: locked FLAGS BLOCKS MEGABYTES MAPPED. Prints what
 * the kernel answers, and whether what is used is locked and no more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define BLOCKS_MAX 20000

static long status(const char *name) { /* KiB */
    char line[256];
    long value = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name))) value = atol(line + strlen(name));
    if (f) fclose(f);
    return value;
}

static size_t locked_kib(const void *p) { /* of the mapping that p lies in */
    char line[256];
    unsigned long from, to;
    long locked = -1;
    int inside = 0;
    FILE *f = fopen("/proc/self/smaps", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = (unsigned long)p >= from && (unsigned long)p < to;
        if (inside && !strncmp(line, "Locked:", 7)) locked = atol(line + 7);
    }
    if (f) fclose(f);
    return locked > 0 ? (size_t)locked : 0;
}

static char *blocks[2 * BLOCKS_MAX];
static void make(int from, int count) {
    for (int i = from; i < from + count; i++) memset(blocks[i] = malloc(1000), 1, 1000);
}

int main(int argc, char **argv) {
    int flags = argc > 1 ? atoi(argv[1]) : MCL_CURRENT, count = argc > 2 ? atoi(argv[2]) : BLOCKS_MAX;
    if (argc > 3) {
        rlim_t bytes = (rlim_t)atol(argv[3]) << 20;
        if (setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){bytes, bytes}) != 0 || setuid(65534) != 0) return 1;
    }
    if (argc > 4 && mmap(NULL, (size_t)atol(argv[4]) << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                         0) == MAP_FAILED)
        return 1;
    make(0, count);
    int result = mlockall(flags);
    printf("%d", result ? errno : 0);
    if (result == 0) {
        make(count, count);
        printf(", locked:%s%s", locked_kib(blocks[0]) ? " made before" : "",
               locked_kib(blocks[count + count - 1]) ? " made after" : "");
        printf(", resident: %s", status("VmRSS:") < 120L * 1024 ? "what is used" : "too much");
        if (getenv("SHOW")) printf(" (%ld, locked %ld)", status("VmRSS:"), status("VmLck:"));
    }
    int unlocked = munlockall();
    printf(", unlocked: %d %ld\n", unlocked, status("VmLck:"));
    return 0;
}
