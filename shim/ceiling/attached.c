/* See attached.h. */
#include "shim/ceiling/attached.h"
#include "shim/base/mapping.h"
#include "shim/base/text.h"

void attached_find(struct attached *a, uintptr_t at) {
    static const char name[] = "/SYSV"; /* what the kernel calls a segment begins so */
    struct mapping_reader reader;
    struct mapping m;
    char path[sizeof name];
    a->count = 0;
    if (!mapping_open(&reader)) return;
    while (mapping_next(&reader, &m, path, sizeof path) && a->count < ATTACHED_PIECES) {
        if (!m.shared || m.start < at || m.start - at != m.offset || !str_equal(path, name)) continue;
        a->pieces[a->count].from = m.start;
        a->pieces[a->count++].end = m.end;
    }
    mapping_close(&reader);
}

void attached_each_gone(const struct attached *a, void (*see)(uintptr_t from, size_t n)) {
    struct mapping_reader reader;
    struct mapping m;
    if (a->count == 0 || !mapping_open(&reader)) return;
    bool more = mapping_next(&reader, &m, NULL, 0);
    for (size_t i = 0; i < a->count; i++) {
        while (more && m.end <= a->pieces[i].from) more = mapping_next(&reader, &m, NULL, 0);
        if (!more || m.start >= a->pieces[i].end) see(a->pieces[i].from, a->pieces[i].end - a->pieces[i].from);
    }
    mapping_close(&reader);
}
