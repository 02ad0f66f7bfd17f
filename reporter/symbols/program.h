/* What stands in the way of preloading: looked up in a program's file before it is run. */
#ifndef WEIR_SYMBOLS_PROGRAM_H
#define WEIR_SYMBOLS_PROGRAM_H

#include <stdbool.h>

struct program {
    char *path;        /* as it will be executed; NULL: not found */
    char *interpreted; /* of a script: its interpreter, which is what is looked at */
    bool is_elf, other_class, other_machine;
    bool has_loader;       /* names a dynamic loader: not statically linked */
    const char *sanitizer; /* that it is built with and that insists on its own allocator; NULL: none */
    bool privileged;       /* set-uid, set-gid or file capabilities: the loader ignores LD_PRELOAD */
};

void program_inspect(struct program *program, const char *name); /* looks through PATH as execvp does */
void program_free(struct program *program);

#endif
