/* 64 threads against a ceiling, while one samples what is in use. Exit 0 when it was never passed, something was
 * refused, and afterwards half the ceiling can be had in one piece. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool stop;
static atomic_ulong refused, made, wrong_errno;

static void *hammer(void *argument) {
    unsigned s = (unsigned)(unsigned long)argument * 7919 + 1;
    void *p[256] = {0};
    for (int i = 0; i < 2000; i++) {
        s = s * 1103515245 + 12345;
        unsigned k = s >> 8 & 255;
        free(p[k]);
        size_t n = (s >> 16) % 5 == 0 ? (s >> 4) % 2000000 : (s >> 4) % 5000;
        errno = 0;
        p[k] = malloc(n);
        if (p[k]) {
            memset(p[k], 1, n);
            made++;
        } else {
            refused++;
            if (errno != ENOMEM) wrong_errno++;
        }
    }
    for (int k = 0; k < 256; k++) free(p[k]);
    return NULL;
}

static void *sample(void *argument) {
    (void)argument;
    size_t highest = 0;
    while (!stop) {
        size_t used = mallinfo2().arena;
        if (used > highest) highest = used;
    }
    return (void *)highest;
}

static size_t resident_peak(void) {
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %zu", &kib) == 1) break;
    if (f) (void)fclose(f);
    return kib << 10;
}

int main(int argc, char **argv) {
    size_t max = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    pthread_t t[64], sampler;
    void *highest;
    int threads = 0;
    if (pthread_create(&sampler, NULL, sample, NULL) != 0) return 2;
    while (threads < 64 && pthread_create(&t[threads], NULL, hammer, (void *)(long)threads) == 0) threads++;
    for (int i = 0; i < threads; i++) pthread_join(t[i], NULL);
    stop = true;
    pthread_join(sampler, &highest);
    void *half = malloc(max / 2);
    size_t resident = resident_peak(), slack = 6 << 20; /* code, stacks of 64 threads, descriptors */
    printf("resident at most %zu\n", resident);
    printf("made %lu, refused %lu (%lu without ENOMEM), highest %zu of %zu, afterwards half %s\n", (unsigned long)made,
           (unsigned long)refused, (unsigned long)wrong_errno, (size_t)highest, max, half ? "works" : "fails");
    return !(half && resident > 0 && resident <= max + slack && (size_t)highest <= max && refused > 0 &&
             wrong_errno == 0);
}
