/* See glob.h. */
#include "reporter/symbols/glob.h"

#include <stddef.h>

/* Each * takes as little as it can, and more where that does not go on. */
bool glob_matches(const char *pattern, const char *name) {
    const char *star = NULL, *from = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern && (*pattern == *name || *pattern == '?')) {
            pattern++, name++;
        } else if (star) {
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}
