/* Forks children that start threads, beside a thread that a library's own handler of fork has started in each. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern void restarter(void);

static void *work(void *argument) {
    unsigned char *p[64] = {NULL};
    unsigned s = 7;
    for (int n = 0; n < 100000; n++) {
        s = s * 1103515245 + 12345;
        unsigned char **at = &p[s >> 16 & 63];
        for (int i = 0; *at && i < 32; i++)
            if ((*at)[i] != 0xb0) abort();
        free(*at);
        *at = memset(malloc(48), 0xb0, 48);
    }
    return argument;
}

int main(void) {
    restarter();
    free(malloc(10));
    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t t[2];
            for (int i = 0; i < 2; i++)
                if (pthread_create(&t[i], NULL, work, NULL) != 0) _exit(2);
            for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
            _exit(0);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            printf("child %d ended with %#x\n", round, (unsigned)status);
            return 1;
        }
    }
    printf("20 children\n");
    return 0;
}
