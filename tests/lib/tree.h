/* A root of a test's own, with files that stand in for the kernel's. */
#ifndef TESTS_LIB_TREE_H
#define TESTS_LIB_TREE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[64];

/* A file below it; makes the folders above it too. */
static void put(const char *path, const char *content) {
    char full[512];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    for (int i = (int)strlen(root) + 1; i < n; i++) {
        if (full[i] != '/') continue;
        full[i] = 0;
        (void)mkdir(full, 0700);
        full[i] = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    (void)fputs(content, f);
    (void)fclose(f);
}

static int make_root(void) {
    strcpy(root, "/tmp/weir.limits.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

#endif
