/* A loaded module as it lies in memory: its program headers, its build-id, what stands for its file. Takes no lock and
 * asks nobody but the loader's lock-free lookup. */
#ifndef WEIR_BOX_IMAGE_H
#define WEIR_BOX_IMAGE_H

#include "shim/base/base.h"

#include <dlfcn.h>
#include <link.h>

struct image {
    uintptr_t bias, start, end;
    const ElfW(Phdr) * headers;
    size_t count; /* of headers; 0: they are not in memory */
};

/* Once: finds out where the loader keeps what it does not tell. */
void image_start(void);

/* The image of a module that is loaded, and stays so for the while. */
struct image image_of(const struct dl_find_object *found);

/* Up to `max` bytes of the build-id; 0: there is none. */
size_t image_build_id(const struct image *image, uint8_t *id, size_t max);

/* As in struct dump_module. */
uint64_t image_fingerprint(const struct image *image);

#endif
