/* See storage.h. */
#include "shim/box/storage.h"
#include "shim/arena/layout.h"
#include "shim/base/lock.h"

#include <link.h>

struct core_storage storage[CORE_STORAGE_MOST];
size_t storage_count, storage_stacks_below;

static int see_module(struct dl_phdr_info *info, size_t size, void *context) {
    uintptr_t block = thread_pointer(), begins = (uintptr_t)info->dlpi_tls_data;
    (void)context;
    if (size < sizeof *info || begins == 0 || begins >= block || storage_count == CORE_STORAGE_MOST) return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            storage[storage_count++] =
                (struct core_storage){block - begins, info->dlpi_addr + info->dlpi_phdr[i].p_vaddr};
    return 0;
}

void storage_start(void) {
    storage_stacks_below = thread_pointer() - (uintptr_t)tls.signals_stacks;
    (void)dl_iterate_phdr(see_module, NULL);
}
