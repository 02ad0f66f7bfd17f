/* Marks that a program sets: see weir.h. */
#include "shim/base/text.h"
#include "shim/box/marks.h"
#include "shim/entry/start.h"

#include <errno.h>

EXPORT void weir_mark(const char *name) {
    int before = errno;
    start_check();
    (void)mark_set(name ? name : "", name ? str_length(name) : 0);
    errno = before;
}
