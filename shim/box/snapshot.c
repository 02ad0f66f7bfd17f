/* The dump signal, and dumps at the ceiling; see snapshot.h. The handler makes a copy of the process, which writes.
 * Where there can be none, it writes by itself, beside threads that go on, as is done at exit. */
#include "shim/box/snapshot.h"
#include "shim/arena/held.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/stack.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/copy.h"
#include "shim/box/dump.h"
#include "shim/box/probe.h"
#include "shim/box/verdicts.h"
#include "shim/ceiling/ceiling.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* --- questions of `weir dump` and `weir set`: files DIR/weir.PID.COOKIE.KIND --- */

static void name_file(struct text *t, const char *folder, uint32_t pid, uint32_t cookie, const char *kind) {
    text_add(t, folder);
    text_add(t, "/weir.");
    text_add_number(t, pid);
    text_add(t, ".");
    text_add_number(t, cookie);
    text_add(t, kind);
    (void)text_string(t);
}

/* The answer, renamed into place so that it is whole. */
static void reply(uint32_t pid, uint32_t cookie, struct text *answer) {
    struct text name = {0}, temporary = {0};
    const char *folder = options.box_dir;
    if (!folder) folder = sys2(SYS_access, (long)"/dev/shm", 2) == 0 ? "/dev/shm" : "/tmp";
    name_file(&name, folder, pid, cookie, ".reply");
    name_file(&temporary, folder, pid, cookie, ".part");
    answer->length = min_size(answer->length, sizeof answer->at - 1);
    answer->at[answer->length++] = '\n';
    long fd =
        sys4(SYS_openat, AT_FDCWD, (long)temporary.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (sys_failed(fd)) return;
    long written = sys3(SYS_write, fd, (long)answer->at, (long)answer->length);
    (void)sys1(SYS_close, fd);
    if (written == (long)answer->length)
        (void)sys2(SYS_rename, (long)temporary.at, (long)name.at);
    else
        (void)sys3(SYS_unlinkat, AT_FDCWD, (long)temporary.at, 0);
}

static void reply_dump(uint32_t pid, uint32_t cookie, const char *path, long error) {
    struct text t = {0};
    text_add(&t, error == 0 ? "ok " : "error the dump could not be written to ");
    text_add(&t, path);
    if (error != 0) {
        text_add(&t, ": ");
        dump_add_error(&t, error);
    }
    reply(pid, cookie, &t);
}

static void reply_words(uint32_t pid, uint32_t cookie, const char *done, const char *why) {
    struct text t = {0};
    text_add(&t, why ? "error " : "ok ");
    text_add(&t, why ? why : done);
    reply(pid, cookie, &t);
}

static char settings[DUMP_SETTINGS_MAX];

/* The user's own file, or root's. */
static bool read_settings(const char *path) {
    struct stat s;
    long fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0), n = -1;
    if (sys_failed(fd)) return false;
    if (sys2(SYS_fstat, fd, (long)&s) == 0 && S_ISREG(s.st_mode) &&
        (s.st_uid == 0 || s.st_uid == (uint32_t)sys0(SYS_geteuid)))
        n = sys3(SYS_read, fd, (long)settings, sizeof settings - 1);
    (void)sys1(SYS_close, fd);
    if (n <= 0) return false;
    settings[n] = 0;
    return true;
}

const char *(*snapshot_change)(char *settings);

static void change_settings(uint32_t cookie) {
    static _Atomic uint32_t busy; /* as lock_try_word has it */
    const char *folders[] = {options.box_dir, "/dev/shm", "/tmp"};
    uint32_t pid = sys_getpid();
    if (!lock_try_word(&busy)) {
        reply_words(pid, cookie, NULL, "something else is being changed just now");
        return;
    }
    const char *why = "the file with what is to be changed could not be read";
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        struct text path = {0};
        if (folders[i]) name_file(&path, folders[i], pid, cookie, ".set");
        if (!folders[i] || !read_settings(path.at)) continue;
        why = snapshot_change(settings);
        break;
    }
    reply_words(pid, cookie, "changed", why);
    lock_give_word(&busy);
}

/* --- the dump --- */

struct order {
    enum dump_reason reason;
    uint32_t pid, cookie;
    int number;           /* of the signal that ends the program */
    bool searches, looks; /* for leaks, whatever WEIR_LEAKS says; for a later dump only */
};

static void write_now(const struct order *o) {
    long error = 0;
    dump_search_anyway = o->searches;
    if (o->looks)
        dump_look(o->pid);
    else
        error = dump_write(o->reason, DUMP_STATUS_UNKNOWN, o->pid);
    dump_search_anyway = false;
    if (o->looks)
        reply_words(o->pid, o->cookie, "searched", NULL);
    else if (o->cookie)
        reply_dump(o->pid, o->cookie, dump_path, error);
}

static void write_in_copy(void *argument) {
    /* The program's pipes and sockets must see their ends close when the program closes them. */
    (void)sys3(SYS_close_range, 0, 1, 0);
    (void)sys3(SYS_close_range, 3, ~0u, 0);
    write_now(argument);
    sys_exit_group(0);
}

/* Unless this thread's own exec has just left one. */
static void write_here(const struct order *o) {
    if (dump_is_mine() || !dump_begin(false)) return;
    write_now(o);
    dump_end();
}

/* `context`: of the signal that asks for it, NULL: none does. */
static void take_snapshot(struct order order, void *context) {
    filter_look();
    if (copies_are_over()) return;    /* the program ends just now */
    if (!dump_is_permitted()) return; /* a filter of the program's forbids it, as was said */
    uint64_t all = ~0ull, before;
    order.pid = sys_getpid();
    if (!order.looks) dump_count();
    if (!context) (void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, 8);
    bool searched = context && dump_verdicts && (order.searches || dump_verdicts->are_wanted(order.reason));
    bool holds = searched && dump_verdicts->hold(context);
    long id = copy_make();
    if (id == 0) stack_call(write_in_copy, &order);
    if (holds) dump_verdicts->let_go();
    if (sys_failed(id)) write_here(&order);
    if (!context) (void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, 8);
}

static void write_last(void *argument) {
    struct order *order = argument;
    dump_search_anyway = order->searches;
    dump_killed_by = (uint32_t)order->number;
    sys_exit_group(dump_write(order->reason, DUMP_STATUS_UNKNOWN, order->pid) == 0 ? 0 : 1);
}

bool snapshot_last(enum dump_reason reason, int number, void *context, bool holds) {
    struct order order = {.reason = reason, .pid = sys_getpid(), .number = number};
    filter_look();
    if (lock_process() != PROCESS_OWNER || copies_are_over() || !dump_is_permitted()) return false;
    dump_count();
    order.searches = holds && dump_verdicts && dump_verdicts->are_wanted(DUMP_AT_EXIT);
    bool held = order.searches && dump_verdicts->hold(context);
    int status = 1;
    long id = copy_make_waiting(&status);
    if (id == 0) stack_call(write_last, &order);
    if (held) dump_verdicts->let_go();
    return !sys_failed(id) && status == 0;
}

static void (*wake_first)(void);

bool (*snapshot_park)(void *context, struct interrupted_call *before);

static void pass(void) {}
void (*snapshot_passed)(void) = pass;

static void answer(const siginfo_t *info, void *context) {
    uint32_t question = info->si_code == SI_QUEUE ? (uint32_t)info->si_value.sival_int : 0;
    struct order order = {.reason = DUMP_AT_SIGNAL,
                          .cookie = question & ~DUMP_QUESTIONS,
                          .searches = question & (DUMP_QUESTION_SEARCHES | DUMP_QUESTION_LOOKS),
                          .looks = question & DUMP_QUESTION_LOOKS};
    probe_calls();
    if (question & DUMP_QUESTION_SETS)
        change_settings(order.cookie);
    else if (options.dump_at & DUMP_ON_SIGNAL)
        take_snapshot(order, context);
    else if (question)
        reply_words(sys_getpid(), order.cookie, NULL, "it writes no dump on the signal (WEIR_DUMP_AT)");
}

/* All signals are held: those of the program's that come meanwhile are there when the interrupted call is looked at. */
static void on_signal(int number, siginfo_t *info, void *context) {
    struct interrupted_call before;
    uint64_t came = clock_now();
    bool known = false;
    interrupted_begin();
    arena_within();
    if (info->si_code == SNAPSHOT_HOLDS) {
        known = snapshot_park && snapshot_park(context, &before);
    } else {
        wake_first();
        /* A vfork child runs in its parent's memory: the parent gets signals of its own. */
        if (lock_process() != PROCESS_BORROWER) answer(info, context);
    }
    arena_not_within();
    interrupted_go_on(number, context, came, known ? &before : NULL, snapshot_passed);
}

static void at_limit(void) {
    if ((options.dump_at & DUMP_ON_LIMIT) && lock_process() == PROCESS_OWNER)
        take_snapshot((struct order){.reason = DUMP_AT_LIMIT}, NULL);
}

void snapshot_start(void (*wake)(void)) {
    wake_first = wake;
    struct sigaction now, mine = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    ceiling_dump = at_limit;
    for (size_t i = 0; i < sizeof mine.sa_mask; i++) ((unsigned char *)&mine.sa_mask)[i] = 0xff; /* all */
    if (options.signal == 0 || !(options.dump_at & DUMP_ON_SIGNAL)) return;
    if (sigaction(options.signal, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return;
    (void)sigaction(options.signal, &mine, NULL);
}

/* What the kernel has; libc's functions may be the program's own by now. */
bool snapshot_handles(void) {
    struct {
        void (*handler)(int number, siginfo_t *info, void *context);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } now;
    return options.signal != 0 && sys4(SYS_rt_sigaction, options.signal, 0, (long)&now, 8) == 0 &&
           now.handler == on_signal;
}
