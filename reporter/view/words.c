/* The words that all output forms share, and the one way to stderr. */
#include <stdarg.h>
#include <stdlib.h>

#include "reporter/load/frame_set.h"
#include "reporter/load/memory.h"
#include "reporter/load/progress.h"
#include "reporter/load/signals.h"
#include "reporter/view/escape.h"
#include "reporter/view/view.h"

const char *view_verdict(enum dump_verdict verdict) {
    switch (verdict) {
    case DUMP_LEAKED:
    case DUMP_INDIRECT:
        return "leaked";
    case DUMP_POSSIBLE:
        return "possible";
    case DUMP_IN_USE:
        return "in_use";
    case DUMP_UNKNOWN:
        break;
    }
    return "unknown";
}

const char *view_level(uint32_t level) {
    static const char *const names[] = {"disabled", "simple", "advanced", "paranoid"};
    return level <= DUMP_PARANOID ? names[level] : "unknown";
}

const char *view_reason(uint32_t reason) {
    static const char *const names[] = {"unknown", "exit", "signal", "limit", "exec", "box", "term", "crash", "core"};
    return names[reason <= DUMP_AT_CORE ? reason : 0];
}

const char *view_operation(uint32_t operation) {
    static const char *const names[] = {"request",       "malloc",       "calloc",       "realloc",
                                        "aligned_alloc", "operator new", "weir's table", "mmap"};
    return names[operation <= OP_MMAP ? operation : 0];
}

const char *view_record(uint32_t kind) {
    static const char *const names[] = {"access",  "weir_touch", "realloc", "read",     "pread",   "readv",  "preadv",
                                        "recv",    "recvfrom",   "recvmsg", "recvmmsg", "write",   "pwrite", "writev",
                                        "pwritev", "send",       "sendto",  "sendmsg",  "sendmmsg"};
    return names[kind <= RECORD_SENDMMSG ? kind : 0];
}

char *view_what(const struct dump_record *record) {
    const char *name = view_record(record->kind);
    return record->fd >= 0 ? memory_format("%s(fd %d)", name, record->fd) : memory_format("%s", name);
}

const struct part *view_first(const struct merged *merged) {
    for (size_t i = 0; i < merged->part_count; i++)
        if (!merged->parts[i].older) return &merged->parts[i];
    static struct dump nothing = {.path = ""};
    static const struct part none = {.dump = &nothing};
    return merged->part_count ? &merged->parts[0] : &none;
}

char *view_process_name(const struct dump *dump) {
    struct text name = dump_text(dump, dump->process.name);
    return name.length ? escape_text(name) : memory_text("?", 1);
}

uint64_t view_uptime(const struct dump *dump) {
    const struct dump_process *process = &dump->process;
    return process->dump_time > process->start_time ? process->dump_time - process->start_time : 0;
}

bool view_uptime_is_least(const struct dump *dump) {
    const struct dump_process *process = &dump->process;
    return process->reason == DUMP_LEFT && !dump->owner && !process->killed_by &&
           process->exit_status == DUMP_STATUS_UNKNOWN;
}

const char *view_end(const struct dump *dump) {
    static char words[64];
    const struct dump_process *process = &dump->process;
    if (process->killed_by)
        (void)snprintf(words, sizeof words, "killed by %s", signal_name((int)process->killed_by));
    else if (process->exit_status != DUMP_STATUS_UNKNOWN)
        (void)snprintf(words, sizeof words, "ended with %u past its exit hooks", process->exit_status);
    else
        (void)snprintf(words, sizeof words, "killed, crashed, or ended past its exit hooks");
    return words;
}

void view_resolve(const struct view *view, size_t sites) {
    const struct merged *merged = view->merged;
    struct frame_set all = {0};
    for (size_t i = 0; i < merged->live_sites && i < sites; i++) {
        const struct merged_site *site = merged->sites[i];
        frame_set_add_all(&all, site->frames, site->frame_count);
        for (size_t j = 0; j < site->growth_count; j++)
            frame_set_add_all(&all, site->growths[j].frames, site->growths[j].frame_count);
        for (size_t j = 0; j < site->record_count; j++)
            frame_set_add_all(&all, site->records[j].frames, site->records[j].frame_count);
    }
    for (size_t i = 0; i < merged->doing_count; i++)
        frame_set_add_all(&all, merged->doings[i].stack.frames, merged->doings[i].stack.frame_count);
    for (size_t i = 0; i < merged->near_count; i++) {
        frame_set_add_all(&all, merged->nears[i].made.frames, merged->nears[i].made.frame_count);
        frame_set_add_all(&all, merged->nears[i].freed.frames, merged->nears[i].freed.frame_count);
    }
    symbols_prefetch(view->symbols, all.frames, all.count);
    frame_set_free(&all);
}

void view_message(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    char *harmless = escape_string(text);
    progress_clear();
    (void)fprintf(stderr, "weir: %s\n", harmless);
    free(harmless);
    free(text);
}
