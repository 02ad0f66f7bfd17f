/* Calls that touch blocks: what reads or writes by a descriptor, and weir_touch. Each is libc's, found at start, and
 * stays what it is: a cancellation point, its errno, what it makes of pointers that lead nowhere. Where records are
 * kept it is looked at when it has come back with something; else the price is one test and a jump. Before the
 * constructor each is the kernel's.
 *
 * What stdio and libc's other functions read and write inside does not pass here. */
#include "shim/base/interrupted.h"
#include "shim/base/sys.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"
#include "shim/track/touch.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* One test for both, of what seldom changes. */
static enum { IO_EARLY, IO_PASS, IO_LOOK } state;
#define PASSES likely(state == IO_PASS)
static bool notes_waits; /* a socket may have a timeout of its own */

COLD long hooks_by_kernel(long n, long a, long b, long c, long d, long e, long f) {
    long r = sys_unfiltered(n, a, b, c, d, e, f);
    if (!sys_failed(r)) return r;
    errno = (int)-r;
    return -1;
}
#define RAW(name, a, b, c, d, e, f)                                                                                    \
    hooks_by_kernel(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#define NOTE_WAIT(fd, second, ...) interrupted_note(INTERRUPTED_ANY, (uint64_t)(fd), (uint64_t)(second))

/* A function NAME of libc's, its parameters, its arguments, the kernel's way, and what is to be done afterwards where
 * its result `r` says that it has touched something. */
#define HOOK(type, name, parameters, arguments, raw, afterwards)                                                       \
    typedef type name##_function parameters;                                                                           \
    static name##_function *next_##name;                                                                               \
    static COLD type slow_##name parameters {                                                                          \
        if (state == IO_EARLY) return (type)(raw);                                                                     \
        if (notes_waits) NOTE_WAIT arguments;                                                                          \
        type r = next_##name arguments;                                                                                \
        int before = errno;                                                                                            \
        if (r <= 0 || !records_on) return r;                                                                           \
        start_check();                                                                                                 \
        afterwards;                                                                                                    \
        errno = before;                                                                                                \
        return r;                                                                                                      \
    }                                                                                                                  \
    EXPORT type name parameters {                                                                                      \
        return PASSES ? next_##name arguments : slow_##name arguments;                                                 \
    }

/* --- one buffer --- */

HOOK(ssize_t, read, (int fd, void *buf, size_t nbytes), (fd, buf, nbytes), RAW(read, fd, buf, nbytes, 0, 0, 0),
     touch_block(buf, RECORD_READ, (uint32_t)fd, FRAME))
HOOK(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), RAW(write, fd, buf, n, 0, 0, 0),
     touch_block(buf, RECORD_WRITE, (uint32_t)fd, FRAME))
HOOK(ssize_t, pread, (int fd, void *buf, size_t nbytes, off_t offset), (fd, buf, nbytes, offset),
     RAW(pread64, fd, buf, nbytes, offset, 0, 0), touch_block(buf, RECORD_PREAD, (uint32_t)fd, FRAME))
HOOK(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t offset), (fd, buf, n, offset),
     RAW(pwrite64, fd, buf, n, offset, 0, 0), touch_block(buf, RECORD_PWRITE, (uint32_t)fd, FRAME))
HOOK(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags),
     RAW(recvfrom, fd, buf, n, flags, 0, 0), touch_block(buf, RECORD_RECV, (uint32_t)fd, FRAME))
HOOK(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags),
     RAW(sendto, fd, buf, n, flags, 0, 0), touch_block(buf, RECORD_SEND, (uint32_t)fd, FRAME))
HOOK(ssize_t, recvfrom, (int fd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *addr_len),
     (fd, buf, n, flags, addr, addr_len), RAW(recvfrom, fd, buf, n, flags, addr, addr_len),
     touch_block(buf, RECORD_RECVFROM, (uint32_t)fd, FRAME))
HOOK(ssize_t, sendto, (int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr, socklen_t addr_len),
     (fd, buf, n, flags, addr, addr_len), RAW(sendto, fd, buf, n, flags, addr, addr_len),
     touch_block(buf, RECORD_SENDTO, (uint32_t)fd, FRAME))

/* With -D_FORTIFY_SOURCE, where the compiler knows the buffer's size; before the constructor nobody checks it. */
HOOK(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size), (fd, buf, n, size),
     RAW(read, fd, buf, n, 0, 0, 0), touch_block(buf, RECORD_READ, (uint32_t)fd, FRAME))
HOOK(ssize_t, __pread_chk, (int fd, void *buf, size_t n, off_t offset, size_t size), (fd, buf, n, offset, size),
     RAW(pread64, fd, buf, n, offset, 0, 0), touch_block(buf, RECORD_PREAD, (uint32_t)fd, FRAME))
HOOK(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t size, int flags), (fd, buf, n, size, flags),
     RAW(recvfrom, fd, buf, n, flags, 0, 0), touch_block(buf, RECORD_RECV, (uint32_t)fd, FRAME))
HOOK(ssize_t, __recvfrom_chk,
     (int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from, socklen_t *length),
     (fd, buf, n, size, flags, from, length), RAW(recvfrom, fd, buf, n, flags, from, length),
     touch_block(buf, RECORD_RECVFROM, (uint32_t)fd, FRAME))

/* --- several --- */

HOOK(ssize_t, readv, (int fd, const struct iovec *iovec, int count), (fd, iovec, count),
     RAW(readv, fd, iovec, count, 0, 0, 0), touch_vector(iovec, (size_t)count, (size_t)r, RECORD_READV, fd, FRAME))
HOOK(ssize_t, writev, (int fd, const struct iovec *iovec, int count), (fd, iovec, count),
     RAW(writev, fd, iovec, count, 0, 0, 0), touch_vector(iovec, (size_t)count, (size_t)r, RECORD_WRITEV, fd, FRAME))
HOOK(ssize_t, preadv, (int fd, const struct iovec *iovec, int count, off_t offset), (fd, iovec, count, offset),
     RAW(preadv, fd, iovec, count, offset, 0, 0),
     touch_vector(iovec, (size_t)count, (size_t)r, RECORD_PREADV, fd, FRAME))
HOOK(ssize_t, pwritev, (int fd, const struct iovec *iovec, int count, off_t offset), (fd, iovec, count, offset),
     RAW(pwritev, fd, iovec, count, offset, 0, 0),
     touch_vector(iovec, (size_t)count, (size_t)r, RECORD_PWRITEV, fd, FRAME))
HOOK(ssize_t, preadv2, (int fp, const struct iovec *iovec, int count, off_t offset, int flags),
     (fp, iovec, count, offset, flags), RAW(preadv2, fp, iovec, count, offset, 0, flags),
     touch_vector(iovec, (size_t)count, (size_t)r, RECORD_PREADV, fp, FRAME))
HOOK(ssize_t, pwritev2, (int fd, const struct iovec *iodev, int count, off_t offset, int flags),
     (fd, iodev, count, offset, flags), RAW(pwritev2, fd, iodev, count, offset, 0, flags),
     touch_vector(iodev, (size_t)count, (size_t)r, RECORD_PWRITEV, fd, FRAME))
HOOK(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags),
     RAW(recvmsg, fd, message, flags, 0, 0, 0), touch_message(message, (size_t)r, RECORD_RECVMSG, fd, FRAME))
HOOK(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags),
     RAW(sendmsg, fd, message, flags, 0, 0, 0), touch_message(message, (size_t)r, RECORD_SENDMSG, fd, FRAME))
HOOK(int, recvmmsg, (int fd, struct mmsghdr *vmessages, unsigned vlen, int flags, struct timespec *tmo),
     (fd, vmessages, vlen, flags, tmo), RAW(recvmmsg, fd, vmessages, vlen, flags, tmo, 0),
     touch_messages(vmessages, (size_t)r, RECORD_RECVMMSG, fd, FRAME))
HOOK(int, sendmmsg, (int fd, struct mmsghdr *vmessages, unsigned vlen, int flags), (fd, vmessages, vlen, flags),
     RAW(sendmmsg, fd, vmessages, vlen, flags, 0, 0), touch_messages(vmessages, (size_t)r, RECORD_SENDMMSG, fd, FRAME))

extern ssize_t pread64(int fd, void *buf, size_t nbytes, off_t offset) ALIAS(pread);
extern ssize_t pwrite64(int fd, const void *buf, size_t n, off_t offset) ALIAS(pwrite);
extern ssize_t __pread64_chk(int fd, void *p, size_t n, off_t at, size_t size) ALIAS(__pread_chk);
extern ssize_t preadv64(int fd, const struct iovec *iovec, int count, off_t offset) ALIAS(preadv);
extern ssize_t pwritev64(int fd, const struct iovec *iovec, int count, off_t offset) ALIAS(pwritev);
extern ssize_t preadv64v2(int fp, const struct iovec *iovec, int count, off_t offset, int flags) ALIAS(preadv2);
extern ssize_t pwritev64v2(int fd, const struct iovec *iodev, int count, off_t offset, int flags) ALIAS(pwritev2);

EXPORT void weir_touch(const void *block, const char *hint) {
    if (likely(state != IO_LOOK) || !records_on) return;
    int before = errno;
    start_check();
    touch_with_hint(block, hint, FRAME);
    errno = before;
}

#define FIND(name) *(void **)&next_##name = dlsym(RTLD_NEXT, #name)

void hook_io(void) {
    FIND(read);
    FIND(write);
    FIND(pread);
    FIND(pwrite);
    FIND(recv);
    FIND(send);
    FIND(recvfrom);
    FIND(sendto);
    FIND(__read_chk);
    FIND(__pread_chk);
    FIND(__recv_chk);
    FIND(__recvfrom_chk);
    FIND(readv);
    FIND(writev);
    FIND(preadv);
    FIND(pwritev);
    FIND(preadv2);
    FIND(pwritev2);
    FIND(recvmsg);
    FIND(sendmsg);
    FIND(recvmmsg);
    FIND(sendmmsg);
    state = IO_PASS;
    io_follow_level();
}

void io_follow_level(void) {
    if (state != IO_EARLY) state = records_on || notes_waits ? IO_LOOK : IO_PASS;
}

void io_note_waits(void) {
    notes_waits = true;
    io_follow_level();
}
