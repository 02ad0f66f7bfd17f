/* Which blocks the memory of a core leads to; see making.h. Memory is searched by a process of its own, since it maps
 * the file: what happens to that costs the verdicts, not the report. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reporter/load/clock.h"
#include "reporter/load/core/roots.h"
#include "reporter/load/memory.h"

static _Noreturn void search(struct making *m) {
    struct rlimit no_core = {0, 0};
    struct mark mark;
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!mark_begin(&mark, m)) _exit(1);
    roots_mark(m, &mark);
    mark_rest(&mark);
    mark_sum(&mark);
    mark_end(&mark);
    m->places->sums->done = 1;
    _exit(0);
}

void making_judge(struct making *m) {
    uint64_t begin = clock_monotonic();
    m->places = memory_get(1, sizeof *m->places);
    places_read(m, m->places);
    if (!m->places->sums) return;
    pid_t pid = fork();
    if (pid == 0) search(m);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    m->search_time = clock_monotonic() - begin;
}

enum dump_verdict making_verdict(const struct making *m, uint64_t address) {
    return places_verdict(m->places, address);
}

size_t making_add_verdicts(const struct making *m, struct dump_stat *stats) {
    const struct places_sums *s = m->places->sums;
    const struct dump_stat all[] = {{STAT_SCANNED, 0, s && s->done},
                                    {STAT_SCAN_TIME, 0, m->search_time},
                                    {STAT_SCAN_ROOTS, 0, s ? s->root_bytes : 0},
                                    {STAT_SCAN_BLOCKS, 0, s ? s->block_bytes : 0},
                                    {STAT_SCAN_LACKS, 0, s ? s->lacks : 0},
                                    {STAT_LEAKED_COUNT, 0, s ? s->blocks[DUMP_LEAKED] : 0},
                                    {STAT_LEAKED_BYTES, 0, s ? s->bytes[DUMP_LEAKED] : 0},
                                    {STAT_INDIRECT_COUNT, 0, s ? s->blocks[DUMP_INDIRECT] : 0},
                                    {STAT_INDIRECT_BYTES, 0, s ? s->bytes[DUMP_INDIRECT] : 0},
                                    {STAT_POSSIBLE_COUNT, 0, s ? s->blocks[DUMP_POSSIBLE] : 0},
                                    {STAT_POSSIBLE_BYTES, 0, s ? s->bytes[DUMP_POSSIBLE] : 0},
                                    {STAT_REACHED_COUNT, 0, s ? s->blocks[DUMP_IN_USE] : 0},
                                    {STAT_REACHED_BYTES, 0, s ? s->bytes[DUMP_IN_USE] : 0}};
    size_t count = s && s->done ? sizeof all / sizeof *all : 1;
    memcpy(stats, all, count * sizeof *all);
    return count;
}

void making_end_verdicts(struct making *m) {
    places_end(m->places);
    free(m->places);
}
