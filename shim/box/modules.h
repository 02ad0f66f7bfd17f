/* Modules: the program, its libraries, the vDSO, as they were when code of theirs was first seen on a stack. A module's
 * id and an offset outlive a dlclose, an address does not.
 *
 * Two modules may lie at one address, one after the other, and have one path. A module is the same as long as its
 * address range, the loader's name for it and its build-id (or without one what stands for its file) are; whether they
 * are is looked at again once after anything was unloaded. */
#ifndef WEIR_BOX_MODULES_H
#define WEIR_BOX_MODULES_H

#include "shim/base/base.h"

#include <stdatomic.h>

#define MODULES_MAX 0xfff0u /* a frame has 16 bits for the module */
#define MODULE_NONE 0xffffu

struct module {
    uint64_t bias, start, end;
    const char *name;     /* the loader's; a copy, terminated */
    const char *path;     /* absolute, where that could be found out; a copy, terminated */
    const void *map;      /* the loader's link map, when it was last looked at */
    uint64_t fingerprint; /* as in struct dump_module */
    uint32_t flags;       /* DUMP_MODULE_… */
    uint32_t build_id_length;
    uint8_t build_id[32];
    uint32_t first_segment, segments; /* of module_segments() */
    uint32_t older;                   /* one more than the id of the next of its bucket, 0: the last */
    _Atomic uint32_t generation;      /* of module_generation when it was last looked at */
};

bool modules_start(void);

/* The module that code lies in, MODULE_NONE outside of all. Takes LOCK_MODULES when it is a new one. */
uint32_t module_of(const void *code);

/* The same where nobody may be waited for: of a module that no frame was in yet, MODULE_NONE while the table is another
 * thread's. `object`: anything in it. */
uint32_t module_of_at_once(const void *object);

const struct module *module_at(uint32_t id);
uint32_t module_count(void);
struct dump_segment;
const struct dump_segment *module_segments(void);

/* How often a module was not noted, since there are too many or memory was refused. */
uint64_t modules_lost(void);

/* A library was unloaded, or is about to be: what was remembered by address is void. */
void modules_unloaded(void);
extern _Atomic uint32_t module_generation;

/* A block that nobody tracks is given back: it may be the link map of a module. */
void modules_note_free(const void *p);

/* "name+0x1a2b3", for a code address and for a frame as in DUMP_FRAMES. */
struct text;
void module_describe(struct text *t, const void *code);
void module_describe_frame(struct text *t, uint64_t frame);
/* A line of its first frames, behind the title; nothing where it is not known. */
void module_describe_stack(struct text *t, const char *title, uint32_t id);

/* The frame, as in DUMP_FRAMES, of a code address. */
uint64_t module_frame(const void *code);

/* The code address that a frame is, if its module is loaded as yet; else NULL. */
const void *module_code(uint64_t frame);

/* Whether the module that code lies in has C++'s operators new and delete inside: it exports them, or has a runtime
 * that throws and asks no other module for them. */
bool module_has_operators(const void *code);

/* The malloc that the loader resolves for everybody is this code, and not weir's: DUMP_MODULE_MALLOC, in dumps of
 * processes that never asked weir for memory. */
void module_has_malloc(const void *code);

/* True for code of ld.so. */
bool module_is_loader(const void *code);

/* The path of the running executable, as found at start. */
const char *module_program_path(void);

#endif
