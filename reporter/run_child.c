/* Running the program and waiting for it, so that neither it nor the shell can tell that weir stands in between:
 * signals sent to weir reach the program, those of the terminal reach both anyway, stopping and continuing go both
 * ways. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reporter/commands.h"
#include "reporter/load/clock.h"
#include "reporter/load/memory.h"
#include "reporter/run.h"
#include "reporter/view/view.h"

/* Signals of this process are not handled but waited for: all that can be are blocked, but those that mean that weir
 * itself is broken. */
static void signals_to_wait_for(sigset_t *set) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN, SIGTTOU};
    (void)sigfillset(set);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) (void)sigdelset(set, own[i]);
}

struct start {     /* what the child needs before it may execute the program */
    int ready[2];  /* parent to child: the output template */
    int failed[2]; /* child to parent: errno of a failed exec; closed by a good one */
    sigset_t mask;
    struct sigaction on_child;
};

static _Noreturn void become_program(struct run *run, const struct start *start) {
    char output[8192];
    size_t length = 0;
    ssize_t got = 0;
    (void)close(start->ready[1]); /* else it would never see the end of it */
    while (length < sizeof output - 1 && (got = read(start->ready[0], output + length, sizeof output - 1 - length)) > 0)
        length += (size_t)got;
    output[length] = 0;
    if (length && setenv("WEIR_OUTPUT", output, 1) == 0) {
        (void)sigaction(SIGCHLD, &start->on_child, NULL);
        (void)sigprocmask(SIG_SETMASK, &start->mask, NULL);
        (void)execvp(run->arguments[0], run->arguments);
    } else
        errno = 0; /* the parent gave up, and said why */
    int error = errno;
    (void)!write(start->failed[1], &error, sizeof error);
    _exit(EXIT_FAILED);
}

static bool open_pipes(struct start *start) {
    return pipe2(start->ready, O_CLOEXEC) == 0 && pipe2(start->failed, O_CLOEXEC) == 0;
}

static int report_exec(const struct run *run, int error) {
    const char *name = run->arguments[0];
    if (!error) return EXIT_FAILED;
    view_message("%s: %s", name, strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
}

/* Lets the waiting child go; EXIT_FINE once it is the program. */
static int release(struct run *run, struct start *start) {
    char *output = run_make_folder(run) ? run_output(run) : NULL;
    size_t length = output ? strlen(output) : 0;
    (void)close(start->ready[0]);
    (void)close(start->failed[1]);
    if (length && write(start->ready[1], output, length) != (ssize_t)length)
        view_message("%s: cannot be started: %s", run->arguments[0], strerror(errno));
    free(output);
    (void)close(start->ready[1]);
    int error = 0;
    ssize_t got = 0;
    while ((got = read(start->failed[0], &error, sizeof error)) < 0 && errno == EINTR) {
    }
    (void)close(start->failed[0]);
    if (got <= 0) return EXIT_FINE;
    (void)waitpid(run->pid, NULL, 0);
    return report_exec(run, error);
}

/* Signals of the terminal have reached the program by themselves; what somebody sent to weir is meant for it. */
static void pass_on(const struct run *run, const siginfo_t *info) {
    switch (info->si_signo) {
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGWINCH:
        return;
    default:
        if (info->si_code <= 0) (void)kill(run->pid, info->si_signo);
    }
}

static bool has_ended(struct run *run) {
    for (;;) {
        pid_t pid = waitpid(run->pid, &run->wait_status, WNOHANG | WUNTRACED);
        if (pid == run->pid && WIFSTOPPED(run->wait_status)) {
            (void)kill(getpid(), SIGSTOP); /* so that the shell sees a stopped job */
            continue;
        }
        if (pid < 0 && errno == EINTR) continue;
        return pid != 0;
    }
}

static void wait_for(struct run *run, const sigset_t *set) {
    while (!has_ended(run)) {
        siginfo_t info;
        int number = sigwaitinfo(set, &info);
        if (number == SIGCONT)
            (void)kill(run->pid, SIGCONT);
        else if (number > 0 && number != SIGCHLD)
            pass_on(run, &info);
    }
}

int run_child(struct run *run) {
    struct start start;
    sigset_t set;
    struct sigaction normal = {.sa_handler = SIG_DFL};
    if (!open_pipes(&start)) {
        view_message("%s: cannot be started: %s", run->arguments[0], strerror(errno));
        return EXIT_FAILED;
    }
    signals_to_wait_for(&set);
    (void)sigprocmask(SIG_BLOCK, &set, &start.mask);
    (void)sigaction(SIGCHLD, &normal, &start.on_child); /* ignored, there would be nothing to wait for */
    (void)clock_gettime(CLOCK_REALTIME, &run->started);
    (void)run_count_oom_kills(&run->oom_kills);
    run->pid = fork();
    if (run->pid == 0) become_program(run, &start);
    if (run->pid < 0) {
        view_message("%s: cannot be started: %s", run->arguments[0], strerror(errno));
        return EXIT_FAILED;
    }
    int status = release(run, &start);
    if (status == EXIT_FINE) wait_for(run, &set);
    run->ended = clock_monotonic();
    (void)sigprocmask(SIG_SETMASK, &start.mask, NULL);
    return status;
}

void run_end_as_child(int wait_status) {
    if (!WIFSIGNALED(wait_status)) exit(WEXITSTATUS(wait_status));
    int number = WTERMSIG(wait_status);
    struct rlimit none = {0, 0};
    struct sigaction normal = {.sa_handler = SIG_DFL};
    sigset_t set;
    (void)fflush(NULL);
    (void)setrlimit(RLIMIT_CORE, &none); /* the program's core is the one that tells something */
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)sigaction(number, &normal, NULL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)kill(getpid(), number);
    exit(128 + number);
}
