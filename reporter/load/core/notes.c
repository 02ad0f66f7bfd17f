/* See notes.h. The kernel's order: what is the process's stands behind the first thread's status, that of the others
 * follows. gdb has each thread's signal behind its status, the one first that it looked at. */
#include "reporter/load/core/notes.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "reporter/load/memory.h"

#define THREADS_MOST   (1u << 20)
#define REGISTERS_MOST (3ul * THREADS_MOST)
#define FILES_MOST     (256u << 20) /* bytes of a list of mapped files */

static void add_thread(struct core *core, uint64_t offset, uint64_t length) {
    struct elf_prstatus status;
    struct user_regs_struct r;
    if (length < sizeof status || core->thread_count >= THREADS_MOST ||
        !core_read_file(core, &status, sizeof status, offset))
        return;
    memcpy(&r, &status.pr_reg, sizeof r);
    core->threads = memory_more(core->threads, &core->thread_capacity, core->thread_count + 1, sizeof *core->threads);
    core->threads[core->thread_count++] =
        (struct core_thread){(uint32_t)status.pr_pid,
                             (uint32_t)status.pr_cursig,
                             r.fs_base,
                             {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12,
                              r.r13, r.r14, r.r15, r.rip}};
}

/* Where they stand, for who looks for pointers. */
static void note_registers(struct core *core, uint64_t offset, uint64_t length, uint32_t type) {
    if (core->register_count >= REGISTERS_MOST) return;
    core->registers =
        memory_more(core->registers, &core->register_capacity, core->register_count + 1, sizeof *core->registers);
    uint32_t thread = core->thread_count ? core->threads[core->thread_count - 1].id : 0;
    core->registers[core->register_count++] =
        (struct core_registers){offset, length, thread, thread && type == NT_PRSTATUS};
    core->vector_count += type == NT_PRFPREG;
}

static void note_signal(struct core *core, uint64_t offset, uint64_t length) {
    siginfo_t info;
    if (core->signal.known || core->thread_count > 1 || length < sizeof info ||
        !core_read_file(core, &info, sizeof info, offset))
        return;
    core->signal.known = true;
    core->signal.number = (uint32_t)info.si_signo;
    core->signal.code = info.si_code;
    if (info.si_code > 0) core->signal.address = (uint64_t)(uintptr_t)info.si_addr;
}

static void note_process(struct core *core, uint64_t offset, uint64_t length) {
    struct elf_prpsinfo process;
    if (length < sizeof process || !core_read_file(core, &process, sizeof process, offset)) return;
    core->process = (uint32_t)process.pr_pid;
    core->parent = (uint32_t)process.pr_ppid;
}

static void note_auxiliary(struct core *core, uint64_t offset, uint64_t length) {
    Elf64_auxv_t pair;
    for (uint64_t at = 0; length - at >= sizeof pair && at <= length; at += sizeof pair) {
        if (!core_read_file(core, &pair, sizeof pair, offset + at) || pair.a_type == AT_NULL) return;
        if (pair.a_type == AT_SYSINFO_EHDR) core->vdso = pair.a_un.a_val;
        if (pair.a_type == AT_RANDOM) core->stack = pair.a_un.a_val;
    }
}

/* Two numbers, how many and the unit of offsets; three a stretch; then their paths, each terminated. */
static void note_files(struct core *core, uint64_t offset, uint64_t length) {
    uint64_t head[2], stretch[3];
    if (core->files || length < sizeof head || length > FILES_MOST ||
        !core_read_file(core, head, sizeof head, offset) || head[0] > (length - sizeof head) / sizeof stretch)
        return;
    uint64_t paths = sizeof head + head[0] * sizeof stretch, path = 0, path_bytes = length - paths;
    core->files = memory_get((size_t)head[0], sizeof *core->files);
    core->paths = memory_get((size_t)path_bytes + 1, 1);
    if (!core_read_file(core, core->paths, (size_t)path_bytes, offset + paths)) return;
    for (uint64_t i = 0; i < head[0] && path < path_bytes; i++) {
        if (!core_read_file(core, stretch, sizeof stretch, offset + sizeof head + i * sizeof stretch)) return;
        bool sound = stretch[0] < stretch[1] && (i == 0 || stretch[0] >= core->files[core->file_count - 1].end);
        if (!sound || (head[1] && stretch[2] > UINT64_MAX / head[1])) return;
        core->files[core->file_count++] =
            (struct core_file){stretch[0], stretch[1], stretch[2] * head[1], core->paths + path};
        path += strlen(core->paths + path) + 1;
    }
}

static void read_note(struct core *core, uint32_t type, uint64_t offset, uint64_t length) {
    switch (type) {
    case NT_PRSTATUS:
        add_thread(core, offset, length);
        note_registers(core, offset, length, type);
        break;
    case NT_PRFPREG:
        note_registers(core, offset, length, type);
        break;
    case NT_SIGINFO:
        note_signal(core, offset, length);
        break;
    case NT_PRPSINFO:
        note_process(core, offset, length);
        break;
    case NT_AUXV:
        note_auxiliary(core, offset, length);
        break;
    case NT_FILE:
        note_files(core, offset, length);
        break;
    default:
        break;
    }
}

static uint64_t padded(uint64_t n) {
    return (n + 3) & ~(uint64_t)3;
}

void core_read_notes(struct core *core, uint64_t offset, uint64_t length) {
    if (offset > core->size) return;
    if (length > core->size - offset) length = core->size - offset;
    for (uint64_t at = 0; length - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr note;
        char name[8] = "";
        if (!core_read_file(core, &note, sizeof note, offset + at)) return;
        uint64_t name_at = at + sizeof note, from = name_at + padded(note.n_namesz);
        if (from > length || note.n_descsz > length - from) return;
        bool named = note.n_namesz <= sizeof name && core_read_file(core, name, note.n_namesz, offset + name_at);
        if (named && strncmp(name, "CORE", sizeof name) == 0)
            read_note(core, note.n_type, offset + from, note.n_descsz);
        if (named && strncmp(name, "LINUX", sizeof name) == 0 && note.n_type == NT_X86_XSTATE)
            note_registers(core, offset + from, note.n_descsz, note.n_type);
        at = from + padded(note.n_descsz);
        if (at > length) return;
    }
}
