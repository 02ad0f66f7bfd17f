/* Asking a running program; see ask.h. The dump signal would kill a program that does not wait for it, so nothing is
 * sent before the kernel has said that it does. */
#include "reporter/ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "reporter/load/clock.h"
#include "reporter/load/memory.h"
#include "reporter/load/signals.h"
#include "reporter/reply.h"
#include "reporter/view/view.h"
#include "shim/box/format.h"

struct asked {
    pid_t pid;
    int pidfd; /* so that the signal never reaches another process of the same number */
    int signal;
    double timeout;
    enum ask what;
};

static const uint32_t questions[] = {[ASK_DUMP] = 0,
                                     [ASK_DUMP_SEARCHED] = DUMP_QUESTION_SEARCHES,
                                     [ASK_SEARCH] = DUMP_QUESTION_LOOKS,
                                     [ASK_SET] = DUMP_QUESTION_SETS};

/* Why the signal may not be sent, or NULL. */
static const char *refusal(const struct proc *proc, struct asked *asked) {
    static char text[160];
    const char *wanted = proc_variable(proc, "WEIR_SIGNAL");
    if (proc->state == 'Z') return "it has ended";
    if (!proc->has_weir) return "it does not run under weir (libweir.so is not loaded)";
    asked->signal = SIGNAL_DEFAULT;
    if (wanted && !signal_parse(wanted, &asked->signal)) asked->signal = SIGNAL_DEFAULT; /* as the shim did */
    if (!asked->signal) return "its dump signal is switched off (WEIR_SIGNAL=none)";
    if (proc->caught >> (asked->signal - 1) & 1) return NULL;
    (void)snprintf(text, sizeof text, "it does not wait for %s, which would end it (WEIR_DUMP_AT, WEIR_SIGNAL?)",
                   signal_name(asked->signal));
    return text;
}

static bool send_signal(const struct asked *asked, uint32_t question) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = asked->signal;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = (int)question;
    if (syscall(SYS_pidfd_send_signal, asked->pidfd, asked->signal, &info, 0) == 0) return true;
    return errno == ENOSYS && sigqueue(asked->pid, asked->signal, info.si_value) == 0;
}

static double seconds(void) {
    return (double)clock_monotonic() / CLOCK_SECOND;
}

/* The answer, or REPLY_NONE with why. An answer that came just before the end still counts. */
static enum reply_state wait_for(const struct asked *asked, const struct reply *reply, const struct proc *proc,
                                 char **text, const char **why) {
    double until = seconds() + asked->timeout;
    struct pollfd end = {.fd = asked->pidfd, .events = POLLIN};
    for (;;) {
        bool ended = poll(&end, 1, 5) > 0;
        enum reply_state state = reply_take(reply, proc, text);
        if (state != REPLY_NONE) return state;
        if (ended) {
            *why = "it ended before it answered";
            return REPLY_NONE;
        }
        if (seconds() > until) break;
    }
    /* As it is now: it may have been stopped since, or just then. */
    struct proc now;
    *why = "no answer in time (--timeout)";
    const char *ignored = NULL;
    if (proc_look(&now, asked->pid, &ignored)) {
        if (now.blocked >> (asked->signal - 1) & 1) *why = "no answer: all its threads block the dump signal";
        if (now.state == 'T' || now.state == 't') *why = "no answer: it is stopped";
        proc_free(&now);
    }
    return REPLY_NONE;
}

/* The answer's text, freed by the caller; NULL: there is none, which was said. */
static char *ask(const struct asked *asked, const struct proc *proc, const char *settings) {
    struct reply reply;
    uint32_t cookie = 0;
    const char *why = NULL;
    char *text = NULL;
    while (!cookie) {
        if (getrandom(&cookie, sizeof cookie, 0) != sizeof cookie) cookie = (uint32_t)getpid();
        cookie &= ~DUMP_QUESTIONS;
    }
    if (!reply_prepare(&reply, proc, cookie, &why)) {
        view_message("%d: its answer could not be reached: %s", (int)asked->pid, why);
        return NULL;
    }
    enum reply_state state = REPLY_NONE;
    bool left = !settings || reply_leave(&reply, proc, settings);
    if (!left || !send_signal(asked, cookie | questions[asked->what]))
        why = strerror(errno);
    else
        state = wait_for(asked, &reply, proc, &text, &why);
    if (state != REPLY_OK) {
        view_message("%d: %s", (int)asked->pid, text ? text : why);
        free(text);
        text = NULL;
    }
    reply_close(&reply, proc, settings != NULL);
    return text;
}

char *ask_program(pid_t pid, double timeout, enum ask what, const char *settings) {
    struct asked asked = {.pid = pid, .timeout = timeout, .what = what};
    struct proc proc;
    const char *why = NULL;
    asked.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (asked.pidfd < 0 && errno != ENOSYS) {
        view_message("%d: %s", (int)pid,
                     errno == EINVAL  ? "it is a thread, not a process"
                     : errno == ESRCH ? "there is no such process"
                                      : strerror(errno));
        return NULL;
    }
    char *text = NULL;
    bool seen = proc_look(&proc, pid, &why);
    if (seen) why = refusal(&proc, &asked);
    if (why)
        view_message("%d: %s", (int)pid, why);
    else
        text = ask(&asked, &proc, settings);
    if (text && (what == ASK_DUMP || what == ASK_DUMP_SEARCHED)) {
        char *path = reply_path(&proc, text);
        free(text);
        text = path;
    }
    proc_free(&proc);
    if (asked.pidfd >= 0) (void)close(asked.pidfd);
    return text;
}
