/* Demangling by libiberty. A mangled name of a hundred bytes can stand for gigabytes (each substitution may double the
 * text), so the text is taken piece by piece, and left where it stands once it is longer than anybody reads. */
#include "reporter/symbols/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"

#define MAX_NAME    4096  /* of a demangled name */
#define MAX_MANGLED 65536 /* longer ones are shown as they are */

struct sink {
    char text[MAX_NAME + 1];
    size_t length;
    jmp_buf full;
};

static void take(const char *piece, size_t length, void *opaque) {
    struct sink *sink = opaque;
    size_t room = MAX_NAME - sink->length;
    memcpy(sink->text + sink->length, piece, length < room ? length : room);
    sink->length += length < room ? length : room;
    if (length > room) longjmp(sink->full, 1); /* the demanglers have no other way to be stopped */
}

static bool run(struct sink *sink, const char *mangled, int options, bool rust) {
    sink->length = 0;
    if (setjmp(sink->full) == 0) {
        int done = rust ? rust_demangle_callback(mangled, options, take, sink)
                        : cplus_demangle_v3_callback(mangled, options, take, sink);
        if (!done) return false;
    }
    sink->text[sink->length] = 0;
    return sink->length > 0;
}

/* The D demangler knows no brief form: its parameters are the last parentheses. */
static char *demangle_d(const char *mangled, bool brief) {
    char *name = dlang_demangle(mangled, DMGL_DLANG | DMGL_PARAMS);
    size_t at = name ? strlen(name) : 0;
    if (!brief || !at || name[at - 1] != ')') return name;
    for (int depth = 0; at > 0; at--) {
        depth += (name[at - 1] == ')') - (name[at - 1] == '(');
        if (depth == 0) break;
    }
    if (at > 1) name[at - 1] = 0;
    return name;
}

char *demangle(const char *mangled, bool brief) {
    static struct sink sink;
    size_t length = strlen(mangled);
    if (mangled[0] != '_' || length > MAX_MANGLED) return memory_text(mangled, length);
    if (strncmp(mangled, "_D", 2) == 0 && length < 1024) {
        char *name = demangle_d(mangled, brief);
        if (name) return name;
    }
    bool done =
        run(&sink, mangled, DMGL_ANSI, true) || run(&sink, mangled, brief ? DMGL_ANSI : DMGL_ANSI | DMGL_PARAMS, false);
    return done ? memory_text(sink.text, sink.length) : memory_text(mangled, length);
}
