/* See follow.h. The modules come from the core's list of mapped files, memory through the core; libdw is given both,
 * and never sees the core itself. */
#include "reporter/load/core/follow.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reporter/load/core/making.h"
#include "reporter/load/file.h"
#include "reporter/symbols/object.h"
#include "reporter/symbols/worker.h"

struct following {
    struct core *core;
    Dwfl *dwfl;
    struct core_thread *thread; /* whose turn it is */
    struct followed found;
    bool stepped; /* its second frame is a return address that libdw did not find */
};

/* --- what libdw asks for --- */

static int find_no_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **path, Elf **elf) {
    (void)module, (void)user, (void)name, (void)base, (void)path, (void)elf;
    return -1;
}
static int find_no_debug(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file,
                         const char *link, GElf_Word crc, char **path) {
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)path;
    return -1;
}

static pid_t next_thread(Dwfl *dwfl, void *argument, void **thread) {
    struct following *f = argument;
    (void)dwfl;
    if (*thread) return 0;
    *thread = f->thread;
    return (pid_t)f->thread->id;
}
static bool get_thread(Dwfl *dwfl, pid_t id, void *argument, void **thread) {
    struct following *f = argument;
    (void)dwfl;
    *thread = f->thread;
    return (pid_t)f->thread->id == id;
}
static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *argument) {
    struct following *f = argument;
    (void)dwfl;
    return core_read_mapped(f->core, word, sizeof *word, address);
}
static bool set_registers(Dwfl_Thread *thread, void *of) {
    const struct core_thread *t = of;
    Dwarf_Word words[CORE_REGISTERS];
    for (size_t i = 0; i < CORE_REGISTERS; i++) words[i] = t->registers[i];
    return dwfl_thread_state_registers(thread, 0, CORE_REGISTERS, words);
}

/* --- modules --- */

/* The file is used only if it is the one that was mapped. */
static void report_module(struct following *f, const struct core_file *file) {
    struct dump_module module = {0};
    struct object object = {0};
    const char *why = NULL;
    uint64_t bias = 0;
    if (!making_image(f->core, file->start, &bias, &module)) return;
    struct build_id wanted = {module.build_id, module.build_id_length};
    if (!object_open(&object, file->path, wanted, &why)) return;
    int fd = dup(object.fd);
    object_close(&object);
    if (fd >= 0 && !dwfl_report_elf(f->dwfl, file_base(file->path), file->path, fd, bias, true)) (void)close(fd);
}

static void report_modules(struct following *f) {
    dwfl_report_begin(f->dwfl);
    for (size_t i = 0; i < f->core->file_count;) {
        const struct core_file *first = &f->core->files[i], *last = making_last_of(f->core, first);
        uint32_t flags = 0;
        for (; &f->core->files[i] <= last; i++) flags |= core_flags(f->core, f->core->files[i].start);
        if (flags & PF_X) report_module(f, first);
    }
    (void)dwfl_report_end(f->dwfl, NULL, NULL);
}

/* --- a stack --- */

static int see_frame(Dwfl_Frame *frame, void *argument) {
    struct following *f = argument;
    Dwarf_Addr code = 0;
    bool exact = false;
    if (!dwfl_frame_pc(frame, &code, &exact) || code == 0) return DWARF_CB_ABORT;
    if (f->found.count == DOING_FRAMES) {
        f->found.cut = 1;
        return DWARF_CB_ABORT;
    }
    bool stepped = f->stepped && f->found.count == 1;
    if (dwfl_frame_reg(frame, CORE_RSP, &f->found.pointer[f->found.count]) != 0) f->found.pointer[f->found.count] = 0;
    f->found.code[f->found.count] = code + stepped;
    f->found.exact[f->found.count++] = exact && !stepped;
    return DWARF_CB_OK;
}

/* Where something was called that is no code, the caller's next instruction is on top of the stack. */
static void step_back(struct following *f) {
    uint64_t *r = f->thread->registers;
    if (core_flags(f->core, r[CORE_RIP]) & PF_X) return;
    f->found.code[0] = r[CORE_RIP];
    f->found.exact[f->found.count++] = 1;
    r[CORE_RIP] = core_word(f->core, r[CORE_RSP]) - 1; /* libdw takes it for exact: inside the call */
    f->stepped = true;
    r[CORE_RSP] += 8;
}

static void follow(struct following *f, struct core_thread *thread) {
    f->thread = thread;
    f->found = (struct followed){0};
    f->stepped = false;
    step_back(f);
    (void)dwfl_getthread_frames(f->dwfl, (pid_t)thread->id, see_frame, f);
    if (f->found.count) return;
    f->found.code[0] = thread->registers[CORE_RIP];
    f->found.exact[f->found.count++] = 1;
}

static _Noreturn void follow_all(struct core *core, size_t threads, int to) {
    static char *no_path = NULL;
    static const Dwfl_Callbacks files = {
        .find_elf = find_no_elf, .find_debuginfo = find_no_debug, .debuginfo_path = &no_path};
    static const Dwfl_Thread_Callbacks callbacks = {.next_thread = next_thread,
                                                    .get_thread = get_thread,
                                                    .memory_read = read_memory,
                                                    .set_initial_registers = set_registers};
    struct following f = {.core = core, .dwfl = dwfl_begin(&files)};
    FILE *out = fdopen(to, "w");
    (void)elf_version(EV_CURRENT);
    memset(core->page_of, 0, sizeof core->page_of);
    if (!f.dwfl || !out) _exit(1);
    report_modules(&f);
    (void)dwfl_attach_state(f.dwfl, NULL, (pid_t)core->threads[0].id, &callbacks, &f);
    for (size_t i = 0; i < threads; i++) {
        follow(&f, &core->threads[i]);
        if (fwrite(&f.found, sizeof f.found, 1, out) != 1) break;
    }
    (void)fflush(out);
    _exit(0);
}

void core_follow(struct core *core, size_t threads, void (*see)(void *context, size_t thread, const struct followed *f),
                 void *context) {
    int ends[2];
    struct followed found;
    if (!threads || pipe2(ends, O_CLOEXEC) != 0) return;
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        worker_lie_low();
        follow_all(core, threads, ends[1]);
    }
    (void)close(ends[1]);
    FILE *in = pid > 0 ? fdopen(ends[0], "r") : NULL;
    for (size_t i = 0; in && i < threads && fread(&found, sizeof found, 1, in) == 1; i++) {
        if (found.count > DOING_FRAMES) break;
        see(context, i, &found);
    }
    if (in)
        (void)fclose(in);
    else
        (void)close(ends[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}
