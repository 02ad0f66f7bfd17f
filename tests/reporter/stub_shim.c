/* A stand-in for libweir.so, so that the reporter's tests do not wait for the real one: it leaves a small dump at exit
 * and answers the dump signal. STUB_ANSWER chooses how: a text is written as it is, "none" leaves none. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/reporter/dump_builder.h"

static char program[256];
static unsigned number;

static void expand(const char *template, char *to, size_t size) {
    size_t length = 0;
    for (; *template && length + 300 < size; template ++) {
        if (*template != '%') {
            to[length++] = *template;
            continue;
        }
        template ++;
        if (*template == 'e') length += (size_t)snprintf(to + length, size - length, "%s", program);
        if (*template == 'p') length += (size_t)snprintf(to + length, size - length, "%d", (int)getpid());
        if (*template == 'n') length += (size_t)snprintf(to + length, size - length, "%u", number);
        if (*template == '%') to[length++] = '%';
    }
    to[length] = 0;
}

static void write_dump(char *path, size_t size) {
    struct builder builder;
    const char *output = getenv("WEIR_OUTPUT"), *run = getenv("WEIR_RUN");
    number++;
    expand(output ? output : "weir.%e.%p.dump", path, size);
    builder_init(&builder);
    builder.process.pid = (uint32_t)getpid();
    builder.process.number = number;
    builder.process.start_realtime = (uint64_t)getpid();
    builder.process.name = builder_string(&builder, program, strlen(program));
    struct dump_option option = {.name = builder_string(&builder, "WEIR_RUN", 8),
                                 .value = builder_string(&builder, run ? run : "", run ? strlen(run) : 0)};
    (void)builder_add(&builder, DUMP_OPTIONS, &option, sizeof option);
    (void)builder_module(&builder, "/proc/self/exe", NULL, DUMP_MODULE_PROGRAM);
    uint64_t frame = 0x1234;
    struct dump_site site = {
        .stack = (uint32_t)builder_stack(&builder, &frame, 1, 0), .threads = 1, .blocks = 3, .bytes = 300};
    (void)builder_add(&builder, DUMP_SITES, &site, sizeof site);
    size_t length = 0;
    char *bytes = builder_finish(&builder, &length);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0) {
        (void)!write(fd, bytes, length);
        (void)close(fd);
    }
    free(bytes);
    builder_free(&builder);
}

static void on_signal(int signal, siginfo_t *info, void *context) {
    char path[4096], answer[8192], from[4096], to[4096];
    const char *folder = getenv("WEIR_BOX_DIR"), *wanted = getenv("STUB_ANSWER");
    (void)signal;
    (void)context;
    if (wanted && strcmp(wanted, "none") == 0) return;
    if (wanted && strcmp(wanted, "die") == 0) _exit(0);
    write_dump(path, sizeof path);
    (void)snprintf(answer, sizeof answer, wanted ? "%s\n" : "ok %s\n", wanted ? wanted : path);
    (void)snprintf(to, sizeof to, "%s/weir.%d.%d.reply", folder ? folder : "/dev/shm", (int)getpid(),
                   info->si_value.sival_int);
    (void)snprintf(from, sizeof from, "%.4000s.part", to);
    int fd = open(from, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return;
    (void)!write(fd, answer, strlen(answer));
    (void)close(fd);
    (void)rename(from, to);
}

__attribute__((constructor)) static void start(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length > 0 && strrchr(program, '/')) memmove(program, strrchr(program, '/') + 1, strlen(strrchr(program, '/')));
    (void)sigaction(63, &action, NULL);
}

__attribute__((destructor)) static void end(void) {
    char path[4096];
    const char *events = getenv("WEIR_DUMP_AT");
    if (!events || strstr(events, "exit")) write_dump(path, sizeof path);
}
