/* A runtime that makes code: three functions in memory of no module, which keep frame pointers, call malloc and are
 * named in /tmp/perf-PID.map.
 *
 *   jitting MAP [wait]
 *     good      the map as it should be
 *     none      no map
 *     late      the map is written after the blocks were made, when a line is read
 *     reused    first the names of code that was there before
 *     half      its last line has no end
 *     old       last written long before the process began
 *     fifo, link, foreign, secret, large    no file that anybody should read
 *     overlong  with a line of a mebibyte
 *   With `wait` it says its number, then waits for a line after each step.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUNCTIONS 3
#define APART     64ul /* bytes from one to the next */

typedef void *maker(size_t size);

/* push %rbp; mov %rsp,%rbp; mov $callee,%rax; call *%rax; pop %rbp; ret: the call is in the middle. */
static void make(unsigned char *at, const void *callee) {
    static const unsigned char before[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8}, after[] = {0xff, 0xd0, 0x5d, 0xc3};
    memcpy(at, before, sizeof before);
    memcpy(at + sizeof before, &callee, 8);
    memcpy(at + sizeof before + 8, after, sizeof after);
}

static char path[64];
static unsigned char *code;

static void write_lines(FILE *map, const char *prefix, const char *end) {
    static const char *const names[FUNCTIONS] = {"java.nio.ByteBuffer java.nio.ByteBuffer.allocateDirect(int)",
                                                 "void shop.Order.place(int, java.lang.String)",
                                                 "JS:*handle /srv/shop.js:10:5"};
    for (int i = 0; i < FUNCTIONS; i++)
        (void)fprintf(map, "0x%016lx 0x%lx %s%s%s", (unsigned long)(code + (unsigned long)i * APART), APART, prefix,
                      names[i], i < FUNCTIONS - 1 ? "\n" : end);
}

static void write_map(const char *kind) {
    struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    FILE *map;
    (void)unlink(path);
    if (strcmp(kind, "none") == 0) return;
    if (strcmp(kind, "fifo") == 0) {
        if (mkfifo(path, 0600) != 0) exit(3);
        return;
    }
    if (strcmp(kind, "link") == 0 && symlink("elsewhere.map", path) != 0) exit(3);
    map = fopen(strcmp(kind, "link") == 0 ? "elsewhere.map" : path, "w");
    if (!map) exit(3);
    if (strcmp(kind, "reused") == 0) write_lines(map, "old::", "\n");
    if (strcmp(kind, "overlong") == 0) {
        (void)fprintf(map, "%lx 1000 ", (unsigned long)code);
        for (int i = 0; i < 1 << 20; i++) (void)fputc('x', map);
        (void)fputc('\n', map);
    }
    write_lines(map, "", strcmp(kind, "half") == 0 ? "" : "\n");
    if (fclose(map) != 0) exit(3);
    if (strcmp(kind, "large") == 0 && truncate(path, 1ll << 40) != 0) exit(3);
    if (strcmp(kind, "secret") == 0 && chmod(path, 0) != 0) exit(3);
    if (strcmp(kind, "foreign") == 0 && chown(path, 12345, 12345) != 0) exit(77);
    if (strcmp(kind, "old") == 0 && utimensat(AT_FDCWD, path, old, 0) != 0) exit(3);
}

static void step(int count) {
    char line[16];
    if (count > 2 && !fgets(line, sizeof line, stdin)) exit(4);
}

static void *kept[2];

int main(int count, char **arguments) {
    const char *kind = count > 1 ? arguments[1] : "good";
    (void)snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) return 3;
    make(code, (void *)malloc);
    make(code + APART, code);
    make(code + 2 * APART, code + APART);
    maker *outer;
    memcpy(&outer, &(void *){code + 2 * APART}, sizeof outer);
    if (strcmp(kind, "late") != 0) write_map(kind);
    for (volatile int i = 0; i < 2; i++) kept[i] = outer((size_t)(i ? 5678 : 1234)); /* one call */
    (void)printf("%d\n", (int)getpid());
    (void)fflush(stdout);
    step(count);
    if (strcmp(kind, "late") == 0) write_map(kind);
    (void)printf("written\n");
    (void)fflush(stdout);
    step(count);
    return kept[0] && kept[1] ? 0 : 3;
}
