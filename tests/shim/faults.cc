// Small programs of one fault each, at three sizes, and what becomes of them under whatever malloc there is:
//   faults all         runs each in a process of its own and prints "KIND SIZE stopped|prevented|harm", then the sums
//   faults KIND SIZE   is one of them; ends with 1 where the fault has done harm, 0 where none was to be seen
// Stopped: a signal ended it, or it was told on standard error. Harm: a block that another holds too, a byte of live
// memory that changed, a freed block that still reads as it was; or that nothing was said where nothing shows.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using Pointer = char *volatile;

constexpr size_t around = 32;
size_t size;
Pointer before[around], after[around];
Pointer p;
char data[4096];

// Live blocks on both sides of p, each filled.
void fill(Pointer *blocks) {
    for (size_t i = 0; i < around; i++) {
        blocks[i] = static_cast<char *>(malloc(size));
        if (size > 0) memset(blocks[i], 0x41, size);
    }
}
bool changed(Pointer *blocks) {
    for (size_t i = 0; i < around; i++)
        for (size_t k = 0; k < size; k++)
            if (blocks[i][k] != 0x41) return true;
    return false;
}
void make() {
    fill(before);
    p = static_cast<char *>(malloc(size));
    fill(after);
    if (size > 0) memset(p, 0x41, size);
}

// What is freed afterwards is looked at by who looks at such moments. 1: harm was done.
int end_of_live() {
    int harm = changed(before) || changed(after);
    free(p);
    for (size_t i = 0; i < around; i++) free(before[i]), free(after[i]);
    return harm;
}

// Is a place handed out twice?
int handed_out_twice() {
    constexpr size_t many = 600;
    static Pointer blocks[many];
    for (size_t i = 0; i < many; i++) blocks[i] = static_cast<char *>(malloc(size));
    for (size_t i = 0; i < many; i++)
        for (size_t k = 0; k < i; k++)
            if (blocks[i] == blocks[k]) return 1;
    for (size_t i = 0; i < many; i++)
        for (size_t k = 0; k < around; k++)
            if (blocks[i] == before[k] || blocks[i] == after[k]) return 1;
    return 0;
}
// Does someone else get what lies in a live block, or is it somebody's that is no block?
int handed_out(const char *from, size_t length) {
    for (size_t i = 0; i < 600; i++) {
        const char *q = static_cast<char *>(malloc(size));
        if (q >= from && q < from + length) return 1;
    }
    return 0;
}

void *free_it(void *block) {
    free(block);
    return nullptr;
}
void free_elsewhere(char *block) {
    pthread_t t;
    if (pthread_create(&t, nullptr, free_it, block) != 0 || pthread_join(t, nullptr) != 0) _exit(2);
}

// --- freed twice ---
int twice() {
    return make(), free(p), free(p), handed_out_twice();
}
int twice_later() {
    return make(), free(p), free(before[3]), before[3] = nullptr, free(p), handed_out_twice();
}
int twice_elsewhere() {
    return make(), free(p), free_elsewhere(p), handed_out_twice();
}
int twice_from_elsewhere() {
    return make(), free_elsewhere(p), free_elsewhere(p), handed_out_twice();
}
int twice_after_malloc() {
    make(), free(p);
    Pointer other = static_cast<char *>(malloc(size + 2000));
    free(p);
    return other ? handed_out_twice() : 2;
}
int twice_by_delete() {
    Pointer q = static_cast<char *>(::operator new(size));
    make();
    ::operator delete(q);
    ::operator delete(q);
    return handed_out_twice();
}
int twice_by_array_delete() {
    Pointer q = static_cast<char *>(::operator new[](size));
    make();
    ::operator delete[](q);
    ::operator delete[](q);
    return handed_out_twice();
}
int twice_after_a_move() {
    make();
    Pointer q = static_cast<char *>(realloc(p, size * 3 + 100));
    free(p);
    return !q || q == p ? 2 : handed_out_twice();
}
int realloc_of_freed() {
    make(), free(p);
    Pointer q = static_cast<char *>(realloc(p, size * 2));
    return q ? 1 : 0;
}

// --- frees of what is no block ---
int of_stack() {
    char here[4096];
    Pointer q = here + 64;
    return make(), free(q), handed_out(here, sizeof here);
}
int of_data() {
    Pointer q = data + 64;
    return make(), free(q), handed_out(data, sizeof data);
}
int of_interior() {
    return make(), free(p + (size / 2 > 8 ? size / 2 & ~size_t{15} : 16)), handed_out(p, size);
}
int of_unaligned() {
    return make(), free(p + 1), handed_out(p, size);
}
int of_far() {
    return make(), free(p + (size_t{1} << 30)), handed_out(p + (size_t{1} << 30), size);
}

// --- given back by another family; nothing shows but what is said ---
int delete_of_malloc() {
    return make(), ::operator delete(p), 1;
}
int free_of_new() {
    return p = static_cast<char *>(::operator new(size)), free(p), 1;
}
int array_delete_of_new() {
    return p = static_cast<char *>(::operator new(size)), ::operator delete[](p), 1;
}
int delete_of_array_new() {
    return p = static_cast<char *>(::operator new[](size)), ::operator delete(p), 1;
}
int delete_of_wrong_size() {
    return p = static_cast<char *>(::operator new(size)), ::operator delete(p, size * 2 + 100), 1;
}

// --- writes and reads after free ---
// The place may be somebody's by then; and then nobody may have changed it.
int write_after(size_t at, size_t n, bool reused) {
    static Pointer later[around];
    make(), free(p);
    if (reused) fill(later);
    memset(p + at, 0x42, n);
    if (!reused) {
        for (size_t i = 0; i < around; i++) later[i] = static_cast<char *>(calloc(1, size));
        for (size_t i = 0; i < around; i++)
            for (size_t k = 0; k < size; k++)
                if (later[i][k] != 0) return 1;
        for (size_t i = 0; i < around; i++)
            if (later[i] == p) return 1; // unseen
        return changed(before) || changed(after);
    }
    return changed(later) || changed(before) || changed(after);
}
int write_first_after() {
    return write_after(0, 1, false);
}
int write_last_after() {
    return write_after(size - 1, 1, false);
}
int write_middle_after() {
    return write_after(size / 2, 1, false);
}
int write_all_after() {
    return write_after(0, size, false);
}
int write_after_reuse() {
    return write_after(0, size, true);
}
int read_after() {
    make(), free(p);
    volatile char byte = p[size - 1];
    return byte == 0x41;
}

// --- past the ends ---
int outside(std::ptrdiff_t at, size_t n, bool copied) {
    static char from[1100000];
    make();
    memset(from, 0x42, sizeof from);
    if (copied)
        memcpy(p + at, from, n);
    else
        for (size_t i = n; i > 0; i--) p[at + static_cast<std::ptrdiff_t>(i) - 1] = 0x42, i = i > 1 ? 2 : 1;
    return end_of_live();
}
constexpr std::ptrdiff_t mib = 1 << 20;
int over_1() {
    return outside(static_cast<std::ptrdiff_t>(size), 1, false);
}
int over_32() {
    return outside(static_cast<std::ptrdiff_t>(size), 32, false);
}
int over_mib() {
    return outside(static_cast<std::ptrdiff_t>(size), mib, false);
}
int over_1_copied() {
    return outside(static_cast<std::ptrdiff_t>(size), 1, true);
}
int over_32_copied() {
    return outside(static_cast<std::ptrdiff_t>(size), 32, true);
}
int over_mib_copied() {
    return outside(static_cast<std::ptrdiff_t>(size), mib, true);
}
int under_1() {
    return outside(-1, 1, false);
}
int under_32() {
    return outside(-32, 32, false);
}
int under_mib() {
    return outside(-mib, mib, false);
}
int under_1_copied() {
    return outside(-1, 1, true);
}
int under_32_copied() {
    return outside(-32, 32, true);
}
int under_mib_copied() {
    return outside(-mib, mib, true);
}

// --- blocks of no size ---
int write_of_none() {
    return size = 0, make(), p[0] = 0x42, end_of_live() || 1;
}
int write_32_of_none() {
    return size = 0, make(), memset(p, 0x42, 32), end_of_live() || 1;
}
int write_of_none_by_new() {
    size = 0, make();
    Pointer q = static_cast<char *>(::operator new(0));
    q[0] = 0x42;
    ::operator delete(q);
    return end_of_live() || 1;
}
int write_of_none_by_calloc() {
    size = 0, make();
    Pointer q = static_cast<char *>(calloc(0, 16));
    q[0] = 0x42;
    free(q);
    return end_of_live() || 1;
}
int read_of_none() {
    size = 0, make();
    volatile char byte = p[0];
    return byte, 1;
}

struct Kind {
    const char *name;
    int (*run)();
    bool once; // the size does not matter
};
const Kind kinds[] = {
    {"twice", twice, false},
    {"twice_later", twice_later, false},
    {"twice_elsewhere", twice_elsewhere, false},
    {"twice_from_elsewhere", twice_from_elsewhere, false},
    {"twice_after_malloc", twice_after_malloc, false},
    {"twice_by_delete", twice_by_delete, false},
    {"twice_by_array_delete", twice_by_array_delete, false},
    {"twice_after_a_move", twice_after_a_move, false},
    {"realloc_of_freed", realloc_of_freed, false},
    {"of_stack", of_stack, false},
    {"of_data", of_data, false},
    {"of_interior", of_interior, false},
    {"of_unaligned", of_unaligned, false},
    {"of_far", of_far, false},
    {"delete_of_malloc", delete_of_malloc, false},
    {"free_of_new", free_of_new, false},
    {"array_delete_of_new", array_delete_of_new, false},
    {"delete_of_array_new", delete_of_array_new, false},
    {"delete_of_wrong_size", delete_of_wrong_size, false},
    {"write_first_after", write_first_after, false},
    {"write_last_after", write_last_after, false},
    {"write_middle_after", write_middle_after, false},
    {"write_all_after", write_all_after, false},
    {"write_after_reuse", write_after_reuse, false},
    {"read_after", read_after, false},
    {"over_1", over_1, false},
    {"over_32", over_32, false},
    {"over_mib", over_mib, false},
    {"over_1_copied", over_1_copied, false},
    {"over_32_copied", over_32_copied, false},
    {"over_mib_copied", over_mib_copied, false},
    {"under_1", under_1, false},
    {"under_32", under_32, false},
    {"under_mib", under_mib, false},
    {"under_1_copied", under_1_copied, false},
    {"under_32_copied", under_32_copied, false},
    {"under_mib_copied", under_mib_copied, false},
    {"write_of_none", write_of_none, true},
    {"write_32_of_none", write_32_of_none, true},
    {"write_of_none_by_new", write_of_none_by_new, true},
    {"write_of_none_by_calloc", write_of_none_by_calloc, true},
    {"read_of_none", read_of_none, true},
};
const size_t sizes[] = {8, 4096, 262144};

enum Outcome { STOPPED, PREVENTED, HARM };

Outcome outcome_of(const char *self, const char *kind, const char *n) {
    int ends[2], status = 0;
    if (pipe(ends) != 0) _exit(2);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]), close(ends[1]);
        execl(self, self, kind, n, static_cast<char *>(nullptr));
        _exit(2);
    }
    close(ends[1]);
    char word[512];
    bool told = false;
    for (ssize_t got; (got = read(ends[0], word, sizeof word)) > 0;) told = true;
    close(ends[0]);
    waitpid(child, &status, 0);
    if (told || WIFSIGNALED(status)) return STOPPED;
    if (WEXITSTATUS(status) > 1) _exit(2);
    return WEXITSTATUS(status) == 0 ? PREVENTED : HARM;
}

int run_all() {
    static const char *const words[] = {"stopped", "prevented", "harm"};
    int sums[3] = {};
    for (const Kind &kind : kinds)
        for (size_t n : sizes) {
            char digits[32];
            snprintf(digits, sizeof digits, "%zu", n);
            Outcome is = outcome_of("/proc/self/exe", kind.name, digits);
            sums[is]++;
            printf("%s %zu %s\n", kind.name, n, words[is]);
            if (kind.once) break;
        }
    printf("%d of %d: %d stopped, %d prevented\n", sums[STOPPED] + sums[PREVENTED], sums[0] + sums[1] + sums[2],
           sums[STOPPED], sums[PREVENTED]);
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "all")) return run_all();
    size = argc > 2 ? strtoul(argv[2], nullptr, 10) : 8;
    for (const Kind &kind : kinds)
        if (!strcmp(kind.name, argv[1])) {
            int harm = kind.run();
            exit(harm); // what looks at the end may speak yet
        }
    return 2;
}
