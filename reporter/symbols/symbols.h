/* Names for frames. Files are opened lazily, only for modules of frames that are asked for; a file is used only when it
 * is the one that the program ran (same build-id). Nothing is ever fetched from the network. The files are read in a
 * process of its own (worker.h), so that a crafted one costs its names, not the report.
 */
#ifndef WEIR_SYMBOLS_SYMBOLS_H
#define WEIR_SYMBOLS_SYMBOLS_H

#include "reporter/load/merge.h"

struct symbol_options {
    const char *sysroot; /* in front of every module's path; "" */
    const char **debug_dirs;
    size_t debug_dir_count;
};

struct symbol_frame {
    const char *function; /* demangled, with parameters; NULL: unknown */
    const char *brief;    /* the same without parameters */
    const char *linked;   /* as the linker knows it, mangled; NULL: unknown */
    const char *file;     /* as in the debug information, made absolute where that is possible; NULL: unknown */
    const char *folder;   /* the compiler's working folder, NULL: unknown */
    const char *missing;  /* why there is no function or no line; NULL: there are, or see symbols_why */
    uint64_t offset;      /* of a variable: bytes from its start to the address */
    uint32_t line;        /* 0: unknown */
    bool inlined;         /* into the next frame of the chain */
};

struct symbol_chain { /* what one address stands for, innermost function first */
    const struct symbol_frame *frames;
    size_t count; /* 0: nothing is known */
};

struct symbols;

struct symbols *symbols_new(const struct merged *merged, const struct symbol_options *options);
void symbols_free(struct symbols *symbols);

/* Many at once cost a fraction of one by one; symbols_at then finds them. */
void symbols_prefetch(struct symbols *symbols, const struct merged_frame *frames, size_t count);
struct symbol_chain symbols_at(struct symbols *symbols, struct merged_frame frame);

/* The variable that lies there, thread-local ones by their offset in the module's PT_TLS segment; `function` is its
 * name.
 */
struct symbol_frame symbols_variable(struct symbols *symbols, uint32_t module, uint64_t address, bool thread_local);

const char *symbols_why(struct symbols *symbols, uint32_t module); /* why names are missing; NULL: they are not */
void symbols_tally(const struct symbols *symbols, size_t *with, size_t *opened);

#endif
