/* What libFuzzer calls with inputs that it makes by what they reach: guided [libFuzzer's options] FOLDERS. The first
 * byte says what the rest is: D a dump as it is, or d one whose checksums are set right first, so that what lies behind
 * them is reached; C a core; B a box, in pieces, since it is mostly holes: where one lies, in 16 bytes (4 bytes), its
 * length (2 bytes), its bytes. tests/fuzz/corpus has inputs to begin with. Files are read, checked, merged and judged;
 * what shows them is other fuzzers' (fuzzing.h), since it reads symbols in a process of its own. With ALL_READ=1 what
 * cannot be read is a fault: the inputs to begin with have to be of this version. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reporter/load/box.h"
#include "reporter/load/dump.h"
#include "reporter/load/memory.h"
#include "reporter/load/merge.h"
#include "shim/box/format_box.h"
#include "tests/fuzz/repair.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length);

static bool put(int fd, const unsigned char *bytes, size_t length, uint64_t at) {
    return pwrite(fd, bytes, length, (off_t)at) == (ssize_t)length;
}

static bool put_dump(int fd, const unsigned char *bytes, size_t length) {
    char *copy = memory_get(length, 1);
    if (length) memcpy(copy, bytes, length);
    repair(copy, length);
    bool there = put(fd, (unsigned char *)copy, length, 0);
    free(copy);
    return there;
}

static bool put_box(int fd, const unsigned char *bytes, size_t length) {
    struct {
        uint32_t place;
        uint16_t length;
    } piece;
    if (length == 0 || ftruncate(fd, bytes[0] % 2 ? BOX_SIZE_BLOCKS : BOX_SIZE) != 0) return false;
    for (size_t at = 1; at + 6 <= length; at += 6 + piece.length) {
        memcpy(&piece.place, bytes + at, 4);
        memcpy(&piece.length, bytes + at + 4, 2);
        if (piece.length > length - at - 6) piece.length = (uint16_t)(length - at - 6);
        if (!put(fd, bytes + at + 6, piece.length, (uint64_t)piece.place * 16 % BOX_SIZE_BLOCKS)) return false;
    }
    return true;
}

/* Whose processes a box is of is not asked, which takes a look at all there are. */
static struct dump *open_input(int fd, unsigned char kind) {
    const struct box_process known = {.exit_status = DUMP_STATUS_UNKNOWN};
    const char *why = NULL;
    struct stat status;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (kind != 'B' || fstat(fd, &status) != 0) return dump_open(path);
    uint64_t size = (uint64_t)status.st_size;
    int box = box_is_one(fd, size) ? box_to_dump(fd, &size, &known, &why) : -1;
    return box < 0 ? dump_open(path) : dump_open_fd(box, size, "box");
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length) {
    struct merged merged = {0};
    int fd = length ? memfd_create("fuzzed", MFD_CLOEXEC) : -1;
    if (fd < 0) return 0;
    bool there = bytes[0] == 'B'   ? put_box(fd, bytes + 1, length - 1)
                 : bytes[0] == 'd' ? put_dump(fd, bytes + 1, length - 1)
                                   : put(fd, bytes + 1, length - 1, 0);
    if (there) merged_add(&merged, open_input(fd, bytes[0]));
    if (getenv("ALL_READ") && !merged.part_count) abort();
    if (merged.part_count > 0) {
        merged_build(&merged);
        merged_sort(&merged, BY_BYTES);
    }
    merged_free(&merged);
    (void)close(fd);
    return 0;
}
