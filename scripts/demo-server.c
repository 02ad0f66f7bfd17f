/* The demo's leaking server: answers lines on a socket in the file system. It keeps a session for every client and
 * forgets to free those of clients that ask for "report", and a parsed copy of every tenth line.
 *
 *   demo-server serve SOCKET REQUESTS      answers so many lines, then ends
 *   demo-server load SOCKET REQUESTS       asks so many lines, a connection for every hundred */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct session {
    int number;
    char *name;
    char buffer[1500];
};

static char *copy(const char *s) {
    return strcpy(malloc(strlen(s) + 1), s);
}

static struct session *session_open(int number) {
    struct session *s = calloc(1, sizeof *s);
    s->number = number;
    s->name = copy("client");
    return s;
}

static void session_close(struct session *s, int reported) {
    if (reported) return; /* the first leak */
    free(s->name);
    free(s);
}

static int answer(struct session *s, const char *line, int n, FILE *out) {
    char *parsed = copy(line);
    fprintf(out, "%d.%d %zu\n", s->number, n, strlen(parsed));
    fflush(out);
    if (n % 10 != 9) free(parsed); /* the second leak */
    return strncmp(line, "report", 6) == 0;
}

static int open_socket(const char *path, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strncpy(address->sun_path, path, sizeof address->sun_path - 1);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int serve(const char *path, int requests) {
    struct sockaddr_un address;
    int listener = open_socket(path, &address), n = 0;
    unlink(path);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 8) != 0) return 1;
    for (int number = 0; n < requests; number++) {
        int fd = accept(listener, NULL, NULL), reported = 0;
        FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
        struct session *s = session_open(number);
        char line[200];
        while (n < requests && fgets(line, sizeof line, in)) reported |= answer(s, line, n++, out);
        session_close(s, reported);
        fclose(in);
        fclose(out);
    }
    close(listener);
    unlink(path);
    return 0;
}

static int load(const char *path, int requests) {
    struct sockaddr_un address;
    for (int n = 0; n < requests;) {
        int fd = open_socket(path, &address), tries = 0;
        while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            if (++tries == 200) return 1;
            usleep(20000);
        }
        FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
        char line[200];
        for (int i = 0; i < 100 && n < requests; i++, n++) {
            fprintf(out, "%s number %d\n", i == 50 && n % 300 < 100 ? "report" : "request", n);
            fflush(out);
            if (!fgets(line, sizeof line, in)) return 1;
        }
        fclose(in);
        fclose(out);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    return strcmp(argv[1], "serve") == 0 ? serve(argv[2], atoi(argv[3])) : load(argv[2], atoi(argv[3]));
}
