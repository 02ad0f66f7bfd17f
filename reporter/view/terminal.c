/* See terminal.h. */
#include "reporter/view/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/memory.h"

#define VTE_LEAST 5000 /* version 0.50, the first that has links */

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static bool is_one_of(const char *value, const char *const *words) {
    for (; *words; words++)
        if (strcmp(value, *words) == 0) return true;
    return false;
}

bool terminal_has_colour(FILE *out) {
    return isatty(fileno(out)) && !*variable("NO_COLOR") && strcmp(variable("TERM"), "dumb") != 0;
}

bool terminal_has_links(FILE *out) {
    static const char *const programs[] = {"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio", NULL};
    static const char *const terms[] = {"xterm-kitty",   "alacritty", "foot", "foot-direct",
                                        "xterm-ghostty", "contour",   NULL};
    static const char *const marks[] = {"WT_SESSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "DOMTERM", NULL};
    const char *forced = variable("FORCE_HYPERLINK");
    if (!terminal_has_colour(out)) return false;
    if (*forced) return strcmp(forced, "0") != 0;
    for (size_t i = 0; marks[i]; i++)
        if (*variable(marks[i])) return true;
    return is_one_of(variable("TERM_PROGRAM"), programs) || is_one_of(variable("TERM"), terms) ||
           strtol(variable("VTE_VERSION"), NULL, 10) >= VTE_LEAST;
}

/* Bytes that a URI may have in a path (RFC 3986) stay, all others are %NN: none of them is the terminal's own. */
static char *uri_of(const char *path) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    char host[65] = "", *uri = memory_get(strlen(path) * 3 + 1, 1), *to = uri;
    (void)gethostname(host, sizeof host - 1);
    for (; *path; path++)
        to += strchr(plain, *path) ? sprintf(to, "%c", *path) : sprintf(to, "%%%02X", (unsigned)(unsigned char)*path);
    char *whole = memory_format("file://%s%s", host[strspn(host, plain)] ? "" : host, uri);
    free(uri);
    return whole;
}

char *terminal_link(const struct view *view, char *text, const struct symbol_frame *symbol) {
    bool whole = symbol->file && symbol->file[0] == '/';
    if (!view->options.links || !symbol->file || !(whole || (symbol->folder && symbol->folder[0] == '/'))) return text;
    char *path = memory_format("%s%s%s", whole ? "" : symbol->folder, whole ? "" : "/", symbol->file);
    char *uri = uri_of(path), *linked = memory_format("\033]8;;%s\033\\%s\033]8;;\033\\", uri, text);
    free(uri);
    free(path);
    free(text);
    return linked;
}
