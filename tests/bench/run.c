// run RESULT TIMES [NAME=VALUE...] PROGRAM [ARGUMENT...]: runs the program, TIMES in a row, and appends to the file
// RESULT the median of its wall time in seconds, that of user and system time together, the largest resident set in KiB
// of any process of its tree that was waited for, the exit status (that of the first run that failed), and the page
// faults of the last run. Ends with that status.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 180 };
static pid_t child;

static void stop(int signal_number) {
    (void)signal_number;
    kill(-child, SIGKILL);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_child(char **arguments) {
    setpgid(0, 0); // so that what hangs can be ended with its children
    for (; strchr(*arguments, '='); arguments++) putenv(*arguments);
    execvp(arguments[0], arguments);
    perror(arguments[0]);
    _exit(127);
}

int main(int argc, char **argv) {
    long times = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
    double *wall = calloc((size_t)times + 1, sizeof *wall), *busy = calloc((size_t)times + 1, sizeof *busy);
    long largest = 0, faults = 0;
    int status = 2;
    if (times <= 0 || !wall || !busy) goto out;
    status = 0;
    signal(SIGALRM, stop);
    for (long i = 0; i < times; i++) {
        struct rusage usage;
        int ended;
        double begin = now();
        child = fork();
        if (child < 0) {
            perror("fork");
            status = 2;
            goto out;
        }
        if (child == 0) run_child(argv + 3);
        alarm(LONGEST);
        while (wait4(child, &ended, 0, &usage) < 0 && errno == EINTR) {
        }
        alarm(0);
        wall[i] = now() - begin;
        busy[i] = seconds(usage.ru_utime) + seconds(usage.ru_stime);
        if (usage.ru_maxrss > largest) largest = usage.ru_maxrss;
        faults = usage.ru_minflt;
        if (status == 0) status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    }
    qsort(wall, (size_t)times, sizeof *wall, by_value);
    qsort(busy, (size_t)times, sizeof *busy, by_value);
    FILE *result = fopen(argv[1], "a");
    if (result) {
        fprintf(result, "%.6f %.6f %ld %d %ld\n", wall[times / 2], busy[times / 2], largest, status, faults);
        fclose(result);
    }
out:
    free(wall);
    free(busy);
    return status;
}
