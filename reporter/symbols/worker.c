/* The process that looks names up; see worker.h. */
#include "reporter/symbols/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_SECONDS 300 /* of processor time: a crafted file may make libdw go round in circles */

static bool receive(int fd, void *to, size_t length) {
    for (char *at = to; length;) {
        ssize_t got = recv(fd, at, length, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

static void put_text(FILE *out, const char *text) {
    if (text) (void)fwrite(text, 1, strlen(text), out);
}

static uint32_t text_length(const char *text) {
    return text ? (uint32_t)strlen(text) : WORKER_NO_TEXT;
}

static void answer(FILE *out, const struct lookup_result *result) {
    struct worker_answer head = {(uint32_t)result->count, result->has_names, text_length(result->why)};
    (void)fwrite(&head, sizeof head, 1, out);
    put_text(out, result->why);
    for (size_t i = 0; i < result->count; i++) {
        const struct symbol_frame *frame = &result->frames[i];
        struct worker_frame fixed = {frame->offset,
                                     frame->line,
                                     frame->inlined,
                                     {text_length(frame->function), text_length(frame->brief),
                                      text_length(frame->linked), text_length(frame->file), text_length(frame->folder),
                                      text_length(frame->missing)}};
        (void)fwrite(&fixed, sizeof fixed, 1, out);
        put_text(out, frame->function);
        put_text(out, frame->brief);
        put_text(out, frame->linked);
        put_text(out, frame->file);
        put_text(out, frame->folder);
        put_text(out, frame->missing);
    }
}

static _Noreturn void serve(int fd, const struct merged *merged, const struct symbol_options *options) {
    static struct worker_request requests[WORKER_BATCH];
    static struct lookup_result result;
    struct lookup *lookup = lookup_new(merged, options);
    FILE *out = fdopen(fd, "w");
    uint32_t count = 0;
    while (out && receive(fd, &count, sizeof count) && count <= WORKER_BATCH &&
           receive(fd, requests, count * sizeof *requests)) {
        for (uint32_t i = 0; i < count; i++) {
            if (requests[i].kind == SYMTAB_FUNCTIONS)
                lookup_at(lookup, requests[i].module, requests[i].address, &result);
            else
                lookup_variable(lookup, requests[i].module, requests[i].address, (enum symtab_kind)requests[i].kind,
                                &result);
            answer(out, &result);
        }
        if (fflush(out) != 0) break;
    }
    _exit(0);
}

/* Its crashes are nobody's business: no core, no word on the terminal. */
void worker_lie_low(void) {
    struct rlimit no_core = {0, 0}, time = {MAX_SECONDS, MAX_SECONDS};
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
#ifndef CHECKED /* by sanitizers, whose handlers say in whose code it was */
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) (void)signal(fatal[i], SIG_DFL);
#endif
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)setrlimit(RLIMIT_CPU, &time);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (nowhere >= 0) (void)dup2(nowhere, STDERR_FILENO);
}

bool worker_start(struct worker *worker, const struct merged *merged, const struct symbol_options *options) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    worker->answers = fdopen(ends[0], "r");
    worker->requests = ends[0];
    worker->pid = worker->answers ? fork() : -1;
    if (worker->pid == 0) {
        (void)close(ends[0]);
        worker_lie_low();
        serve(ends[1], merged, options);
    }
    (void)close(ends[1]);
    if (worker->pid > 0) return true;
    if (worker->answers)
        (void)fclose(worker->answers);
    else
        (void)close(ends[0]);
    worker->pid = 0;
    return false;
}

void worker_stop(struct worker *worker) {
    if (!worker->pid) return;
    (void)fclose(worker->answers);
    (void)kill(worker->pid, SIGKILL); /* it holds nothing that is worth an orderly end */
    while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    worker->pid = 0;
}

static bool transmit(int fd, const void *from, size_t length) {
    for (const char *at = from; length;) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool worker_ask(struct worker *worker, const struct worker_request *requests, uint32_t count) {
    return transmit(worker->requests, &count, sizeof count) &&
           transmit(worker->requests, requests, count * sizeof *requests);
}
