/* Loading and unloading libraries: what was remembered by address is void once a library goes. */
#include "shim/box/modules.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"

#include <dlfcn.h>

static int (*next_dlclose)(void *);

void hook_loader(void) {
    *(void **)&next_dlclose = dlsym(RTLD_NEXT, "dlclose");
}

EXPORT int dlclose(void *handle) {
    if (!next_dlclose) hook_loader();
    int result = next_dlclose(handle);
    modules_unloaded();
    return result;
}
