/* Loads the plugins that are named, each in a scope of its own, and then runs each. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    int (*run[8])(void);
    for (int i = 1; i < argc && i <= 8; i++) {
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        *(void **)&run[i - 1] = library ? dlsym(library, "plugin") : NULL;
        if (!run[i - 1]) {
            puts(dlerror());
            return 1;
        }
    }
    for (int i = 1; i < argc && i <= 8; i++)
        if (run[i - 1]() != 0) return 1;
    return 0;
}
