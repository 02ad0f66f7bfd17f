/* See roots.h. Roots are read by process_vm_readv, which fails where a plain read would end the program: a file that
 * has become shorter, a mapping that is gone just now. */
#include "shim/scan/roots.h"
#include "shim/base/mapping.h"
#include "shim/base/options.h"
#include "shim/base/reserve.h"
#include "shim/base/resident.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/ignored.h"
#include "shim/ceiling/pages.h"
#include "shim/scan/blocks.h"
#include "shim/scan/kernel.h"
#include "shim/scan/mark.h"
#include "shim/scan/park.h"
#include "shim/scan/parts.h"
#include "shim/scan/paths.h"
#include "shim/scan/stacks.h"
#include "shim/scan/whose.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>

#define CHUNK (64 * KIB)

static uint64_t words[CHUNK / 8];
static struct resident_reader pages;
static struct mapping_reader mappings;
static bool has_pages, swaps, whole;
static uint64_t bytes_read;
static uint32_t process;
static long memory; /* /proc/self/mem, which gives also what the program has no right to read; or an error */

static size_t read_memory(void *to, uintptr_t from, size_t n, bool forced) {
    if (forced) {
        long got = sys4(SYS_pread64, memory, (long)to, (long)n, (long)from);
        return got > 0 ? (size_t)got : 0;
    }
    struct iovec local = {to, n}, remote = {(void *)from, n};
    long r = sys6(SYS_process_vm_readv, process, (long)&local, 1, (long)&remote, 1, 0);
    return r > 0 ? (size_t)r : 0;
}

static bool is_code; /* that the program has made itself */

/* What cannot be read is left out by the page. */
static void mark_whole(uintptr_t from, size_t n, bool forced) {
    while (n > 0) {
        size_t got = read_memory(words, from, min_size(n, CHUNK), forced);
        if (is_code)
            mark_code((const char *)words, got, (struct root){ROOT_MEMORY, from});
        else
            mark_words(words, got / 8, (struct root){ROOT_MEMORY, from});
        bytes_read += got;
        size_t done = got >= min_size(n, CHUNK) ? got : round_down(from + got, PAGE) + PAGE - from;
        if (done >= n) return;
        /* A pointer may lie across the two. */
        if ((options.scan.unaligned || is_code) && done == got) done -= sizeof words[0];
        from += done;
        n -= done;
    }
}

static bool with_parts; /* what pools have given out is a root, too */

static void mark_chunk(uintptr_t from, size_t n, bool forced) {
    for (uintptr_t end = from + n; from < end;) {
        const struct range *part = parts_count > 0 && !with_parts ? parts_first(from, end) : NULL;
        uintptr_t stop = part ? max_size(part->from, from) : end;
        if (stop > from) mark_whole(from, stop - from, forced);
        from = part ? round_up(part->end, sizeof words[0]) : end;
    }
}

/* Which pages of a mapping are looked at. What is not there holds nothing, and looking at it would make it: hours of
 * it, where a mapping is large, and for ever where the program itself is to provide it (userfaultfd). */
enum look {
    LOOK_NOWHERE,
    LOOK_ALL,
    LOOK_KEPT,     /* what the program wrote is, in memory or in swap */
    LOOK_OWN,      /* the same, without pages that are only those of a file */
    LOOK_RESIDENT, /* in memory: of shared memory, which others may have written, and where pages are not told */
};

static uintptr_t told_from, told_end; /* of what the kernel told last of what is resident */

static bool is_kept(uintptr_t at, enum look look) {
    static unsigned char resident[4 * KIB];
    if (look == LOOK_KEPT) return resident_is_kept(&pages, at);
    if (look == LOOK_OWN) return resident_is_own(&pages, at);
    at = round_down(at, PAGE);
    if (at < told_from || at >= told_end) {
        size_t count = sizeof resident; /* the call fails where something is not mapped: then page by page */
        while (count > 1 && sys_failed(sys3(SYS_mincore, (long)at, (long)(count * PAGE), (long)resident))) count /= 2;
        if (count == 1 && sys_failed(sys3(SYS_mincore, (long)at, PAGE, (long)resident))) resident[0] = 1;
        told_from = at;
        told_end = at + count * PAGE;
    }
    return resident[(at - told_from) / PAGE] & 1;
}

static void mark_range(uintptr_t from, uintptr_t end, enum look look, bool forced) {
    if (look == LOOK_ALL) {
        mark_chunk(from, end - from, forced);
        return;
    }
    for (uintptr_t at = from, next; at < end; at = next) {
        while (at < end && !is_kept(at, look)) at = round_down(at, PAGE) + PAGE;
        if (at >= end) return;
        next = at;
        while (next < end && is_kept(next, look)) next = round_down(next, PAGE) + PAGE;
        next = min_size(next, end);
        if (forced && sys_failed(memory)) {
            whole = false;
            return;
        }
        mark_chunk(at, next - at, forced);
    }
}

/* The registers of threads that are held lie in their signal's context, which the mapping of another stack may hold. */
static void mark_registers(void) {
    uint32_t count;
    const struct parked *others = park_list(&count), *own_thread = stacks_own();
    mark_words(&own_thread->signals_stack, 1, (struct root){ROOT_SIGNALS, 0});
    for (uint32_t i = 0; i < count; i++) mark_chunk(round_down(others[i].context, 8), 4 * KIB, false);
}

/* --- mappings --- */

static struct dl_find_object own;

static bool is_scans(uintptr_t at) {
    return blocks_are_at(at) || mark_is_at(at) || paths_are_at(at) || parts_is_at(at);
}

/* The end of the first part of [from, end) that is weir's, or is not. */
static uintptr_t part_of(uintptr_t from, uintptr_t end, bool *weirs) {
    end = reserve_part_end(from, end, weirs);
    if (*weirs) return end;
    uintptr_t first = (uintptr_t)own.dlfo_map_start, last = (uintptr_t)own.dlfo_map_end;
    if (from >= first && from < last) {
        *weirs = true;
        return min_size(end, last);
    }
    if (from < first && end > first) end = first;
    /* What the scan has mapped for itself may be one mapping with its neighbours. */
    *weirs = is_scans(from);
    uintptr_t at = from;
    while (at < end && is_scans(at) == *weirs) at += PAGE;
    return min_size(at, end);
}

/* tmpfs and the like: what is not there is made by looking. Linux, include/uapi/linux/magic.h. */
static bool is_memory(const char *name) {
    static struct statfs fs;
    if (*name != '/') return true;
    if (str_after(name, "/memfd:") || str_after(name, "/SYSV") || str_after(name, "/dev/zero")) return true;
    if (sys_failed(sys2(SYS_statfs, (long)name, (long)&fs)))
        return true; /* unlinked; its data is in memory, or on disk */
    return fs.f_type == 0x01021994 || fs.f_type == 0x958458f6;
}

static enum look look_at_shared(const struct mapping *m, const char *name) {
    if (!m->readable) return LOOK_NOWHERE;
    if (is_memory(name)) return LOOK_RESIDENT;
    return m->writable ? LOOK_ALL : LOOK_NOWHERE; /* a file that is only read */
}

/* What is not writable, or not even readable, may have been. */
static enum look look_at(const struct mapping *m, const char *name) {
    if (str_after(name, "[vvar") || str_equal(name, "[vdso]") || str_equal(name, "[vsyscall]")) return LOOK_NOWHERE;
    if (m->shared) return look_at_shared(m, name);
    if (has_pages) return m->of_file && !m->writable ? LOOK_OWN : LOOK_KEPT;
    if (!m->of_file) return LOOK_RESIDENT;
    return m->readable ? LOOK_ALL : LOOK_NOWHERE; /* code */
}

/* A part of a mapping, without what is no root of LeakSanitizer's, where only those are wanted. */
static void mark_part(const struct mapping *m, const char *name, uintptr_t from, uintptr_t end, enum look look) {
    for (uintptr_t at = from, next; at < end; at = next) {
        bool is_root = true;
        next = options.scan.lsan_roots ? stacks_and_data_end(m, name, at, end, &is_root) : end;
        if (is_root) mark_range(at, next, look, !m->readable);
    }
}

static void mark_mapping(const struct mapping *m, const char *name) {
    enum look look = m->start < PAGES_END ? look_at(m, name) : LOOK_NOWHERE;
    if (look == LOOK_NOWHERE) return;
    if (look == LOOK_RESIDENT && swaps) whole = false;
    whose_mapping(m, name);
    is_code = m->executable && (!m->of_file || m->shared);
    for (uintptr_t at = stacks_lowest(m, name), end; at < m->end; at = end) {
        bool weirs;
        end = part_of(at, m->end, &weirs);
        if (!weirs) mark_part(m, name, at, end, look);
    }
    is_code = false;
}

static bool each_mapping(void (*see)(const struct mapping *m, const char *name)) {
    static char name[256];
    struct mapping m;
    if (!mapping_open(&mappings)) return false;
    while (mapping_next(&mappings, &m, name, sizeof name)) see(&m, name);
    mapping_close(&mappings);
    return !mappings.failed;
}

/* What the program has named as roots, wherever that is. */
static void mark_region(uintptr_t from, uintptr_t end) {
    with_parts = true;
    if (end <= PAGES_END) mark_range(round_up(from, 8), end, has_pages ? LOOK_KEPT : LOOK_RESIDENT, false);
    with_parts = false;
}

static bool readable; /* what is not, is known */

/* The program may have taken the right to read from blocks of its own. */
static void leave_out(const struct mapping *m, const char *name) {
    uintptr_t end = arena.base + (arena.slices << SLICE_SHIFT);
    (void)name;
    if (!m->readable && m->start < end && m->end > arena.base)
        readable &= mark_leave_out(max_size(m->start, arena.base), min_size(m->end, end));
}

/* Pages of shared memory that are in swap are not resident. */
static bool swap_is_used(void) {
    static struct sysinfo info;
    return sys_failed(sys1(SYS_sysinfo, (long)&info)) || info.totalswap != info.freeswap;
}

uint64_t roots_mark(uintptr_t stack, bool *certain) {
    process = sys_getpid();
    bytes_read = 0;
    whole = true;
    told_from = told_end = 0; /* an earlier scan's */
    swaps = swap_is_used();
    if (_dl_find_object((void *)(uintptr_t)&roots_mark, &own) != 0) own = (struct dl_find_object){0};
    has_pages = resident_open(&pages, "/proc/self/pagemap");
    memory = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
    readable = true;
    stacks_begin(stack);
    bool told = each_mapping(leave_out) && readable && each_mapping(mark_mapping);
    if (!sys_failed(memory)) (void)sys1(SYS_close, memory);
    if (has_pages) resident_close(&pages);
    whose_mapping(NULL, "");
    if (told) {
        mark_registers();
        ignored_each_region(mark_region);
        if (!options.scan.lsan_roots) whole &= kernel_mark();
        uintptr_t set_aside = blocks_emergency();
        if (set_aside) mark_chunk(set_aside, 2 * SLICE, false);
    }
    *certain &= whole;
    return told ? bytes_read : 0;
}
