/* Finds clock_gettime in the vDSO by its own symbol table: libc's may be interposed (libfaketime). */
#include "shim/base/clock.h"
#include "shim/base/start.h"
#include "shim/base/symbols.h"
#include "shim/base/sys.h"

#include <elf.h>
#include <link.h>

typedef long (*gettime_function)(clockid_t, struct timespec *);
static gettime_function vdso_gettime;

_Atomic uint64_t clock_least;

static gettime_function find_gettime(const ElfW(Ehdr) * image) {
    const ElfW(Phdr) *header = (const void *)((const char *)image + image->e_phoff);
    const ElfW(Dyn) *dynamic = NULL;
    uintptr_t bias = 0, end = 0;
    struct symbols symbols;
    for (int i = 0; i < image->e_phnum; i++) {
        if (header[i].p_type == PT_LOAD && !bias) {
            bias = (uintptr_t)image + header[i].p_offset - header[i].p_vaddr;
            end = bias + header[i].p_vaddr + header[i].p_memsz;
        }
        if (header[i].p_type == PT_DYNAMIC) dynamic = (const void *)((const char *)image + header[i].p_offset);
    }
    if (!bias || !symbols_of(&symbols, bias, (uintptr_t)image, end, dynamic)) return NULL;
    return (gettime_function)(uintptr_t)symbol_find(&symbols, "__vdso_clock_gettime");
}

void clock_start(void) {
    uint64_t image = start_auxiliary(AT_SYSINFO_EHDR);
    if (image) vdso_gettime = find_gettime((const void *)image);
}

static uint64_t read_clock(clockid_t id) {
    struct timespec t = {0, 0};
    if (!vdso_gettime || vdso_gettime(id, &t) != 0) (void)sys2(SYS_clock_gettime, id, (long)&t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_coarse(void) {
    return read_clock(CLOCK_MONOTONIC_COARSE);
}
uint64_t clock_now(void) {
    return read_clock(CLOCK_MONOTONIC);
}
uint64_t clock_realtime(void) {
    return read_clock(CLOCK_REALTIME);
}
