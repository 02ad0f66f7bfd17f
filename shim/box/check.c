/* See check.h. A process of one thread looks at itself. Where there are more, they are held while a copy is made, which
 * looks, as for a dump on a signal. */
#include "shim/box/check.h"
#include "shim/arena/arena.h"
#include "shim/base/signals.h"
#include "shim/base/stack.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/copy.h"
#include "shim/box/dump.h"
#include "shim/box/leaks.h"
#include "shim/box/marks.h"
#include "shim/box/memory.h"
#include "shim/box/named.h"
#include "shim/box/pools.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/box/suppressed.h"

#include <fcntl.h>
#include <sys/stat.h>

struct site {
    uint64_t blocks, bytes; /* leaked */
};

struct looking {
    uintptr_t stack;
    int answer; /* descriptor that a copy tells by; -1: this is no copy */
    struct verdicts verdicts;
    struct named named;
    struct site *sites; /* by number */
    struct leaks leaks;
    bool limited; /* to what was made since `mark` */
    struct mark mark;
    struct answer {
        uint64_t blocks; /* that leaked, of tracked ones */
        uint8_t found;   /* enum check */
    } is;
};

static void say(const char *words) {
    struct text t = {0};
    text_add(&t, "weir: ");
    text_add(&t, words);
    message_send(&t);
}

static void add(struct looking *l, uint32_t stack, uint64_t bytes) {
    struct site *s = &l->sites[named_number(&l->named, stack)];
    s->blocks++;
    s->bytes += bytes;
}

static void add_block(void *context, const void *p, const struct side *side, uint64_t pinned) {
    (void)pinned;
    const struct looking *l = context;
    if (side_time(side) < l->mark.time) return;
    if (!state_is_inherited(side) && dump_verdicts->of(p) == DUMP_LEAKED) add(context, side->stack, side->size);
}

static void add_part(void *context, const struct part *part) {
    const struct looking *l = context;
    if (part->time < l->mark.time) return;
    if (!part->inherited && pools_holds(part) && dump_verdicts->of_part(part->start) == DUMP_LEAKED)
        add(context, part->stack, part->size);
}

static void add_up_sites(struct looking *l) {
    struct arena_class classes[CLASSES + 1] = {{0}};
    struct arena_stats stats = {0};
    if (!state_tracking()) return;
    named_start(&l->named, stack_count());
    size_t size = round_up(l->named.stacks * sizeof *l->sites, PAGE);
    l->sites = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    struct arena_look look = {.epoch = state_own_epoch(), .tracked = add_block, .context = l};
    if (l->sites) {
        arena_walk(&look, &stats, classes);
        if (pools_any()) pools_each(add_part, l);
        for (uint32_t i = 0; i < l->named.stacks; i++)
            if (l->sites[i].blocks) leaks_add(&l->leaks, named_id(&l->named, i), l->sites[i].blocks, l->sites[i].bytes);
        sys_munmap(l->sites, size);
    }
    suppressed_end();
    named_end(&l->named);
}

/* What nothing leads to, but for what a thread may hold that was not seen. */
static void tell_possible(const struct looking *l) {
    const struct verdicts *v = &l->verdicts;
    struct text t = {0};
    if (v->blocks[DUMP_POSSIBLE] == 0 || v->threads_not_held == 0) return;
    text_add(&t, "weir: maybe leaked: ");
    leaks_add_amount(&t, v->blocks[DUMP_POSSIBLE], v->bytes[DUMP_POSSIBLE]);
    text_add(&t, "; ");
    text_add_number(&t, v->threads_not_held);
    text_add(&t, v->threads_not_held == 1 ? " other thread runs, and may hold pointers that were not seen"
                                          : " other threads run, and may hold pointers that were not seen");
    message_send(&t);
}

static void look(void *context) {
    struct looking *l = context;
    l->is.found = CHECK_UNSURE;
    dump_verdicts->begin(&l->verdicts, VERDICTS_OF_CHECK, l->stack);
    if (l->verdicts.known) {
        add_up_sites(l);
        bool any = l->limited ? l->leaks.sites > 0 : leaks_any(&l->leaks, &l->verdicts);
        if (l->limited)
            leaks_tell_since(&l->leaks, l->mark.name, l->mark.length);
        else
            leaks_tell_check(&l->leaks, &l->verdicts);
        tell_possible(l);
        l->is.blocks = l->leaks.blocks;
        l->is.found = any ? CHECK_LEAKED : l->verdicts.threads_not_held ? CHECK_UNSURE : CHECK_CLEAN;
    } else {
        say("leaks were not looked for: its own memory cannot be read, or there is none left");
    }
    dump_verdicts->end(&l->verdicts);
}

/* In the copy. */
static void look_and_answer(void *context) {
    struct looking *l = context;
    (void)sys3(SYS_close_range, 0, 1, 0);
    look(l);
    (void)sys3(SYS_write, l->answer, (long)&l->is, sizeof l->is);
    sys_exit_group(0);
}

/* False: there can be no copy, and others are still held. */
static bool look_in_copy(struct looking *l, bool *holds) {
    int ends[2];
    if (copies_are_over() || sys2(SYS_pipe2, (long)ends, O_CLOEXEC) != 0) return false;
    l->answer = ends[1];
    long id = copy_make();
    if (id == 0) stack_call(look_and_answer, l);
    if (*holds && !sys_failed(id)) {
        dump_verdicts->let_go();
        *holds = false;
    }
    (void)sys1(SYS_close, ends[1]);
    if (!sys_failed(id) && sys3(SYS_read, ends[0], (long)&l->is, sizeof l->is) != sizeof l->is) {
        l->is.found = CHECK_UNSURE;
        say("leaks were not looked for: the copy of the process that does ended before");
    }
    (void)sys1(SYS_close, ends[0]);
    return !sys_failed(id);
}

/* False where that is not told. */
static bool is_alone(void) {
    struct stat s = {0};
    return sys4(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/task", (long)&s, 0) == 0 && s.st_nlink == 3;
}

static enum check check(uintptr_t stack, const struct mark *mark, uint64_t *blocks) {
    static struct looking l; /* under LOCK_DUMP */
    uint64_t before;
    *blocks = 0;
    if (!dump_verdicts || dump_is_mine() || !dump_begin(false)) {
        say("leaks were not looked for: a dump is being written");
        return CHECK_UNSURE;
    }
    l = (struct looking){.stack = stack, .answer = -1, .limited = mark != NULL};
    if (mark) l.mark = *mark;
    memory_of_process(sys_getpid());
    bool held = signals_hold(&before), holds = dump_verdicts->hold(NULL);
    if (is_alone() || !look_in_copy(&l, &holds)) stack_call(look, &l);
    if (holds) dump_verdicts->let_go();
    if (held) signals_set(before);
    enum check found = (enum check)l.is.found;
    *blocks = l.is.blocks;
    dump_end();
    return found;
}

enum check check_now(uintptr_t stack) {
    uint64_t blocks;
    return check(stack, NULL, &blocks);
}

enum check check_since_mark(uintptr_t stack, uint64_t *blocks) {
    struct mark mark = {0};
    (void)mark_latest(&mark);
    return check(stack, &mark, blocks);
}
