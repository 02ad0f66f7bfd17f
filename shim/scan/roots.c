/* See roots.h. Roots are read by process_vm_readv, which fails where a plain read would end the program: a file that
 * has become shorter, a mapping that is gone just now. */
#include "shim/scan/roots.h"
#include "shim/base/mapping.h"
#include "shim/base/reserve.h"
#include "shim/base/resident.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/ceiling/pages.h"
#include "shim/scan/blocks.h"
#include "shim/scan/mark.h"
#include "shim/scan/park.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/uio.h>

#define CHUNK (64 * KIB)

static uint64_t words[CHUNK / 8];
static struct resident_reader pages;
static struct mapping_reader mappings;
static bool has_pages;
static uint64_t bytes_read;
static uint32_t process;

static size_t read_memory(void *to, uintptr_t from, size_t n) {
    struct iovec local = {to, n}, remote = {(void *)from, n};
    long r = sys6(SYS_process_vm_readv, process, (long)&local, 1, (long)&remote, 1, 0);
    return r > 0 ? (size_t)r : 0;
}

/* What cannot be read is left out by the page. */
static void mark_chunk(uintptr_t from, size_t n) {
    while (n > 0) {
        size_t got = read_memory(words, from, min_size(n, CHUNK));
        mark_words(words, got / 8, BLOCKS_REACHED);
        bytes_read += got;
        size_t done = got >= min_size(n, CHUNK) ? got : round_down(from + got, PAGE) + PAGE - from;
        if (done >= n) return;
        from += done;
        n -= done;
    }
}

/* Pages that are not there hold nothing: what the program writes is, in memory or in swap. Shared memory's may be there
 * for others only. */
static void mark_range(uintptr_t from, uintptr_t end, bool shared) {
    if (shared || !has_pages) {
        mark_chunk(from, end - from);
        return;
    }
    for (uintptr_t at = from, next; at < end; at = next) {
        while (at < end && !resident_is_kept(&pages, at)) at = round_down(at, PAGE) + PAGE;
        if (at >= end) return;
        next = at;
        while (next < end && resident_is_kept(&pages, next)) next = round_down(next, PAGE) + PAGE;
        next = min_size(next, end);
        mark_chunk(at, next - at);
    }
}

/* --- stacks --- */

/* What is in use of a stack that lies in the mapping: of the kernel's and those that libc maps; a mapping of the
 * program's own may hold more than one. */
static uintptr_t lowest_in_use(const struct mapping *m, uintptr_t mine) {
    uint32_t count;
    const struct parked *others = park_list(&count);
    uintptr_t lowest = m->start;
    bool found = false;
    if (m->of_file || m->shared) return lowest;
    for (uint32_t i = 0; i <= count; i++) {
        uintptr_t at = i < count ? others[i].stack : mine;
        if (at < m->start || at >= m->end || pages_count(PAGES_OURS, round_down(at, PAGE), PAGE) > 0) continue;
        if (!found || at < lowest) lowest = at;
        found = true;
    }
    return round_down(lowest, 8);
}

/* The registers of threads that are held lie in their signal's context, which the mapping of another stack may hold. */
static void mark_registers(void) {
    uint32_t count;
    const struct parked *others = park_list(&count);
    for (uint32_t i = 0; i < count; i++) mark_chunk(round_down(others[i].context, 8), 4 * KIB);
}

/* --- mappings --- */

static struct dl_find_object own;

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
    *weirs = blocks_are_at(from) || mark_is_at(from);
    uintptr_t at = from;
    while (at < end && (blocks_are_at(at) || mark_is_at(at)) == *weirs) at += PAGE;
    return min_size(at, end);
}

static void mark_mapping(const struct mapping *m, const char *name, uintptr_t stack) {
    bool kept = m->writable || (!m->of_file && !m->shared); /* it may have been writable */
    if (!m->readable || !kept || m->start >= PAGES_END || str_equal(name, "[vvar]") || str_equal(name, "[vdso]"))
        return;
    uintptr_t from = lowest_in_use(m, stack);
    for (uintptr_t at = from, end; at < m->end; at = end) {
        bool weirs;
        end = part_of(at, m->end, &weirs);
        if (!weirs) mark_range(at, end, m->shared);
    }
}

static bool each_mapping(void (*see)(const struct mapping *m, const char *name, uintptr_t stack), uintptr_t stack) {
    static char name[32];
    struct mapping m;
    if (!mapping_open(&mappings)) return false;
    while (mapping_next(&mappings, &m, name, sizeof name)) see(&m, name, stack);
    mapping_close(&mappings);
    return true;
}

static bool readable; /* what is not, is known */

/* The program may have taken the right to read from blocks of its own. */
static void leave_out(const struct mapping *m, const char *name, uintptr_t stack) {
    uintptr_t end = arena.base + (arena.slices << SLICE_SHIFT);
    (void)name, (void)stack;
    if (!m->readable && m->start < end && m->end > arena.base)
        readable &= mark_leave_out(max_size(m->start, arena.base), min_size(m->end, end));
}

/* --- what the kernel keeps for the program --- */

/* The words behind `name` in the file, in base 16. */
static void mark_words_of(const char *path, const char *name) {
    static char text[16 * KIB];
    long fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
    if (sys_failed(fd)) return;
    long n = sys3(SYS_read, fd, (long)text, sizeof text - 1);
    (void)sys1(SYS_close, fd);
    text[n > 0 ? n : 0] = 0;
    for (const char *s = text; *s; s++) {
        const char *at = str_after(s, name);
        uint64_t word = 0;
        if (!at) continue;
        for (; *at == ' '; at++) {
        }
        for (;; at++) {
            if (*at >= '0' && *at <= '9')
                word = word << 4 | (uint64_t)(*at - '0');
            else if (*at >= 'a' && *at <= 'f')
                word = word << 4 | (uint64_t)(*at - 'a' + 10);
            else
                break;
        }
        mark_words(&word, 1, BLOCKS_REACHED);
    }
}

struct entry { /* of a folder, as getdents64 gives it */
    uint64_t inode, offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

/* What epoll gives back with an event, and timers with a signal. */
static void mark_kernels(void) {
    static char bytes[2048] ALIGNED(8);
    long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;
    mark_words_of("/proc/self/timers", "/");
    if (sys_failed(fd)) return;
    while ((n = sys3(SYS_getdents64, fd, (long)bytes, sizeof bytes)) > 0) {
        for (long at = 0; at < n;) {
            const struct entry *e = (const void *)(bytes + at);
            char target[32] = {0};
            struct text path = {0};
            at += e->length;
            text_add(&path, "/proc/self/fd/");
            text_add(&path, e->name);
            if (sys3(SYS_readlink, (long)text_string(&path), (long)target, sizeof target - 1) <= 0 ||
                !str_equal(target, "anon_inode:[eventpoll]"))
                continue;
            path = (struct text){0};
            text_add(&path, "/proc/self/fdinfo/");
            text_add(&path, e->name);
            mark_words_of(text_string(&path), "data:");
        }
    }
    (void)sys1(SYS_close, fd);
}

uint64_t roots_mark(uintptr_t stack) {
    process = sys_getpid();
    bytes_read = 0;
    if (_dl_find_object((void *)(uintptr_t)&roots_mark, &own) != 0) own = (struct dl_find_object){0};
    has_pages = resident_open(&pages, "/proc/self/pagemap");
    readable = true;
    bool told = each_mapping(leave_out, 0) && readable && each_mapping(mark_mapping, stack);
    if (told) {
        mark_registers();
        mark_kernels();
        uintptr_t set_aside = blocks_emergency();
        if (set_aside) mark_chunk(set_aside, 2 * SLICE);
    }
    if (has_pages) resident_close(&pages);
    return told ? bytes_read : 0;
}
