/* See explain.h: the texts, and what is printed. */
#include "reporter/view/explain.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/units.h"

#define NAME_MOST  40
#define PLACE_MOST 32
#define STEPS_HALF (DUMP_STEPS_MOST / 2)

/* --- what there is to tell --- */

static const struct dump_step *steps_of(const struct dump *dump, const struct dump_path *path) {
    return &dump_steps(dump)[path->first_step];
}

/* Something leads to the first block. */
static bool has_root(const struct dump_path *path) {
    return path->root < ROOT_POSSIBLE || path->root > ROOT_LEAKED;
}

/* How many steps lead to the block, where it is one that the verdict holds for as for the path's own; 0: none do. */
static uint32_t steps_to(const struct dump *dump, const struct dump_path *path, const struct dump_block *block) {
    const struct dump_step *steps = steps_of(dump, path);
    for (uint32_t i = 0; i < path->steps; i++)
        if (steps[i].address == block->address && (i + 1 == path->steps || has_root(path))) return i + 1;
    return 0;
}

static bool find_own(struct explained *e) {
    for (uint64_t i = 0; i < dump_count(e->dump, DUMP_PATHS); i++) {
        const struct dump_path *path = &dump_paths(e->dump)[i];
        uint32_t steps = steps_to(e->dump, path, e->block);
        bool is_last = steps == path->steps;
        if (!steps || (is_last ? path->verdict : DUMP_IN_USE) != e->block->verdict) continue;
        if (!is_last && path->verdict != DUMP_IN_USE && !(path->flags & DUMP_PATH_PAST)) continue;
        e->path = path;
        e->steps = steps;
        if (is_last) return true;
    }
    return e->path != NULL;
}

/* The best one to another block of the site, in the same dump. */
static void find_other(struct explained *e) {
    for (uint64_t i = 0; i < dump_count(e->dump, DUMP_PATHS); i++) {
        const struct dump_path *path = &dump_paths(e->dump)[i];
        if (path->stack != e->block->stack || path->verdict != e->block->verdict) continue;
        if (e->path && path_rank(e->path) <= path_rank(path)) continue;
        e->path = path;
        e->steps = path->steps;
    }
}

struct explained explain_make(const struct merged_site *site, const struct dump *dump, const struct dump_block *block) {
    struct explained e = {.site = site, .dump = dump, .block = block};
    if (block) {
        if (dump_is_judged(dump) && !find_own(&e)) find_other(&e);
    } else if (site->path) {
        e.dump = site->path_dump;
        e.path = site->path;
        e.steps = site->path->steps;
    }
    return e;
}

bool explain_is_own(const struct explained *e) {
    return e->block && e->path && steps_of(e->dump, e->path)[e->steps - 1].address == e->block->address;
}

const struct dump_path *explain_before(const struct dump *dump, const struct dump_path *path) {
    if (path->root != ROOT_POSSIBLE) return NULL;
    for (uint64_t i = 0; i < dump_count(dump, DUMP_PATHS); i++) {
        const struct dump_path *before = &dump_paths(dump)[i];
        if ((before->flags & DUMP_PATH_PAST) && before->root != ROOT_POSSIBLE &&
            before->address == steps_of(dump, path)->address)
            return before;
    }
    return NULL;
}

/* --- roots --- */

/* Where modules are looked up, all of which are known, and code of no module gets its name. */
static struct merged *merged_of(const struct view *view) {
    return (struct merged *)(uintptr_t)view->merged;
}

/* The merged number of the module that the place is in; UINT32_MAX: in none that is known. */
static uint32_t module_of(const struct view *view, const struct dump *dump, const struct dump_path *path) {
    uint32_t index = DUMP_FRAME_MODULE(path->place);
    bool has_place = path->root == ROOT_MODULE || path->root == ROOT_STACK || path->root == ROOT_THREAD_LOCAL;
    if (!has_place || index >= dump_count(dump, DUMP_MODULES)) return UINT32_MAX;
    return merged_module_of(merged_of(view), dump, index);
}

struct symbol_frame explain_variable(const struct view *view, const struct dump *dump, const struct dump_path *path) {
    uint32_t module = module_of(view, dump, path);
    if (module == UINT32_MAX || path->root == ROOT_STACK) return (struct symbol_frame){0};
    return symbols_variable(view->symbols, module, DUMP_FRAME_OFFSET(path->place), path->root == ROOT_THREAD_LOCAL);
}

char *explain_function(const struct view *view, const struct dump *dump, const struct dump_path *path, char **place) {
    uint32_t module = path->root == ROOT_STACK ? module_of(view, dump, path) : UINT32_MAX;
    *place = memory_text("", 0);
    if (module == UINT32_MAX) return NULL;
    struct merged_frame frame = {DUMP_FRAME_OFFSET(path->place), module, (path->flags & DUMP_PATH_EXACT) != 0};
    struct symbol_chain chain = symbols_at(view->symbols, frame);
    struct symbol_frame unknown = {0};
    const struct symbol_frame *symbol = chain.count ? &chain.frames[chain.count - 1] : &unknown; /* whose frame it is */
    free(*place);
    *place = frames_place(view, symbol, &frame, PLACE_MOST);
    return symbol->function ? frames_function(view, symbol, NAME_MOST) : frames_address(view, &frame);
}

const char *explain_register(const struct dump_path *path) {
    static const char *const names[] = {"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rdi",
                                        "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip"};
    bool known = path->root == ROOT_REGISTERS && path->place < sizeof names / sizeof *names;
    return known ? names[path->place] : NULL;
}

/* thread 4740 (worker) */
static char *thread_text(const struct dump *dump, uint32_t thread) {
    if (!thread) return memory_format("the thread that took the dump signal");
    char *name = escape_fit(escape_text(dump_thread_name(dump, thread)), 16, false);
    char *text = memory_format("thread %u%s%s%s", thread, *name ? " (" : "", name, *name ? ")" : "");
    free(name);
    return text;
}

/* global `table` in gateway, 16 bytes in */
static char *variable_text(const struct view *view, const struct dump *dump, const struct dump_path *path,
                           const char *what) {
    uint32_t number = module_of(view, dump, path);
    if (number == UINT32_MAX) return memory_format("a %s variable of a module that is not known", what);
    char *module = escape_text(naming_module(view->merged->modules[number]));
    struct symbol_frame variable = explain_variable(view, dump, path);
    char *text = NULL;
    if (variable.function) {
        char *name = frames_function(view, &variable, NAME_MOST);
        char *inside =
            variable.offset ? memory_format(", %s bytes in", units_count(variable.offset)) : memory_text("", 0);
        text = memory_format("%s `%s` in %s%s", what, name, module, inside);
        free(inside);
        free(name);
    } else {
        char *why = escape_string(variable.missing ? variable.missing : "nothing is known");
        text = memory_format("%s data of %s+0x%llx (%s)", what, module,
                             (unsigned long long)DUMP_FRAME_OFFSET(path->place), why);
        free(why);
    }
    free(module);
    return text;
}

/* Where the program mapped it, if that is known: , mapped in pool_new */
static char *mapper_text(const struct view *view, const struct dump *dump, uint64_t word) {
    for (uint64_t i = 0; i < dump_count(dump, DUMP_MAPPINGS); i++) {
        const struct dump_mapping *mapping = &dump_mappings(dump)[i];
        if (word - mapping->address >= mapping->size) continue;
        struct dump_step step = {.stack = mapping->stack};
        char *place = NULL, *name = explain_step(view, dump, &step, &place);
        char *text = memory_format(", mapped in %s", name);
        free(place);
        free(name);
        return text;
    }
    return memory_text("", 0);
}

static bool is_word(struct text text, const char *word) {
    return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}

static char *memory_root_text(const struct view *view, const struct dump *dump, const struct dump_path *path) {
    struct text name = dump_text(dump, path->name);
    unsigned long long word = path->word;
    bool shared = path->root == ROOT_SHARED;
    if (is_word(name, "[stack]")) return memory_format("the first thread's stack, at 0x%llx", word);
    if (is_word(name, "[heap]")) return memory_format("memory below the program break, at 0x%llx", word);
    if (!name.length) {
        char *mapper = mapper_text(view, dump, path->word);
        char *text = memory_format("%s memory at 0x%llx%s", shared ? "shared" : "private", word, mapper);
        free(mapper);
        return text;
    }
    char *harmless = escape_fit(escape_text(name), PLACE_MOST, true);
    char *text = memory_format("%s memory at 0x%llx of %s", shared ? "shared" : "private", word, harmless);
    free(harmless);
    return text;
}

static char *of_thread(const struct dump *dump, const struct dump_path *path, const char *format_what) {
    char *thread = thread_text(dump, path->thread);
    char *text = memory_format("%s of %s", format_what, thread);
    free(thread);
    return text;
}

/* the stack of thread 4740, in serve gateway.c:20 */
static char *stack_text(const struct view *view, const struct dump *dump, const struct dump_path *path) {
    char *place = NULL, *function = explain_function(view, dump, path, &place);
    char *what = of_thread(dump, path, "the stack");
    char *text =
        memory_format("%s%s%s%s%s", what, function ? ", in " : "", function ? function : "", *place ? " " : "", place);
    free(what);
    free(function);
    free(place);
    return text;
}

static char *thread_local_text(const struct view *view, const struct dump *dump, const struct dump_path *path) {
    if (path->place == DUMP_PLACE_UNKNOWN) return of_thread(dump, path, "thread-local storage");
    char *variable = variable_text(view, dump, path, "thread-local"), *text = of_thread(dump, path, variable);
    free(variable);
    return text;
}

static char *register_text(const struct dump *dump, const struct dump_path *path) {
    const char *name = explain_register(path);
    char *what = name ? memory_format("register %s", name) : memory_format("a register");
    char *text = of_thread(dump, path, what);
    free(what);
    return text;
}

char *explain_root(const struct view *view, const struct dump *dump, const struct dump_path *path) {
    switch (path->root) {
    case ROOT_MODULE:
        return variable_text(view, dump, path, "global");
    case ROOT_STACK:
        return stack_text(view, dump, path);
    case ROOT_REGISTERS:
        return register_text(dump, path);
    case ROOT_THREAD_LOCAL:
        return thread_local_text(view, dump, path);
    case ROOT_THREAD:
        return of_thread(dump, path, "what libc keeps (pthread_setspecific, results)");
    case ROOT_PRIVATE:
    case ROOT_SHARED:
        return memory_root_text(view, dump, path);
    case ROOT_EPOLL:
        return memory_format("what epoll gives back (descriptor %llu)", (unsigned long long)path->word);
    case ROOT_TIMER:
        return memory_format("what a timer gives back");
    case ROOT_EMERGENCY:
        return memory_format("memory that is set aside for signal handlers");
    case ROOT_POOL:
        return memory_format("a part of a pool, at 0x%llx", (unsigned long long)path->word);
    case ROOT_SIGNALS:
        return path->thread ? of_thread(dump, path, "the stack for signals")
                            : memory_format("the stack that signals are handled on");
    case ROOT_POSSIBLE:
        return memory_format("a block that may be in use");
    case ROOT_LEAKED:
        return memory_format("a block that nothing leads to");
    default:
        return memory_format("a root of a kind that this weir does not know");
    }
}

/* --- steps --- */

char *explain_step(const struct view *view, const struct dump *dump, const struct dump_step *step, char **place) {
    static struct merged_frame frames[MERGED_FRAMES_MAX];
    struct merged *merged = merged_of(view);
    struct translation known = {0};
    size_t modules = merged->module_count; /* symbols know no more */
    struct merged_site site = {.frames = frames};
    if (step->stack == DUMP_STEP_UNTRACKED) {
        *place = memory_text("", 0);
        return NULL;
    }
    site.frame_count = merged_frames(merged, dump, &known, step->stack, frames);
    for (uint32_t i = 0; i < site.frame_count; i++)
        if (frames[i].module >= modules) site.frame_count = i;
    return frames_site(view, &site, NAME_MOST, place);
}

/* block of 48 B at 0x7e…, made in open_session gateway.c:20 */
static void print_step(const struct view *view, const struct dump *dump, const struct dump_step *step, bool leads_on) {
    char *place = NULL, *name = explain_step(view, dump, step, &place);
    (void)fprintf(view->out, "block of %s at 0x%llx", units_bytes(step->size), (unsigned long long)step->address);
    if (leads_on && step->offset != DUMP_STEP_FAR) (void)fprintf(view->out, "+%u", step->offset);
    if (name)
        (void)fprintf(view->out, "\n           made in %s%s%s\n", name, *place ? " " : "", place);
    else
        (void)fprintf(view->out, " (not tracked)\n");
    free(name);
    free(place);
}

static void print_path(const struct view *view, const struct dump *dump, const struct dump_path *path, uint32_t count,
                       const char *last) {
    const struct dump_step *steps = steps_of(dump, path);
    const struct dump_path *before = explain_before(dump, path);
    if (before) print_path(view, dump, before, before->steps, "just behind the ");
    if (has_root(path)) {
        char *root = explain_root(view, dump, path);
        (void)fprintf(view->out, "        %s\n", root);
        free(root);
    }
    for (uint32_t i = before ? 1 : 0; i < count; i++) {
        bool is_last = i + 1 == count;
        if (i == STEPS_HALF && path->left_out)
            (void)fprintf(view->out, "        -> ... %s blocks in between\n", units_count(path->left_out));
        (void)fprintf(view->out, "        %s%s", i || has_root(path) ? "-> " : "   ", is_last ? last : "");
        print_step(view, dump, &steps[i], !is_last);
    }
}

/* --- reasons --- */

/* Of a block that nothing was seen to lead to, and that is not called leaked for it. */
static char *doubt_text(const struct dump *dump) {
    uint64_t threads = 0;
    if (dump && dump_stat(dump, STAT_SCAN_NOT_HELD, &threads) && threads)
        return memory_format("%s thread%s could not be held, which may lead to it", units_count(threads),
                             threads == 1 ? "" : "s");
    char *lacks = dump ? dump_lacks(dump) : NULL;
    if (lacks) return lacks;
    if (dump && dump->process.reason != DUMP_AT_EXIT)
        return memory_format("the program went on meanwhile, and may have moved what leads to it");
    return memory_format("not all memory could be read, or not all parts of it are known");
}

static char *possible_reason(const struct explained *e, const struct dump *dump) {
    if (e->path && (e->path->flags & DUMP_PATH_PAST) && e->steps == e->path->steps)
        return memory_format("What leads to it points just behind its end: it may be no pointer to it.");
    if (e->path && e->path->root == ROOT_POSSIBLE) return memory_format("What leads to it may not be in use itself.");
    char *doubt = doubt_text(dump);
    char *text = memory_format("%s, but %s.",
                               e->path ? "Only blocks that nothing was seen to lead to lead to it"
                                       : "Nothing was seen that leads to it",
                               doubt);
    free(doubt);
    return text;
}

static char *unjudged_reason(const struct dump *dump) {
    uint64_t known = 0;
    if (dump && dump_is_judged(dump)) return memory_format("It is younger than the search of memory for this dump.");
    if (dump && dump_stat(dump, STAT_SCANNED, &known))
        return memory_format("Memory was to be searched when this dump was written, and could not be.");
    return memory_format("Memory was not searched when this dump was written, so nobody knows what leads to it.\n"
                         "    WEIR_LEAKS=exit has it searched at the end, WEIR_LEAKS=signal for weir dump PID;\n"
                         "    weir run does so at the end (--leaks=exit).");
}

static uint64_t roots_of(const struct view *view, const struct dump *dump) {
    uint64_t bytes = 0, highest = 0;
    if (dump)
        (void)dump_stat(dump, STAT_SCAN_ROOTS, &bytes);
    else
        (void)merged_stat(view->merged, STAT_SCAN_ROOTS, &bytes, &highest);
    return bytes;
}

char *explain_reason(const struct view *view, const struct explained *e) {
    const struct dump *dump = e->dump ? e->dump : view->merged->counted == 1 ? view_first(view->merged)->dump : NULL;
    switch (e->block && dump && dump_is_judged(dump) ? (enum dump_verdict)e->block->verdict : e->site->verdict) {
    case DUMP_LEAKED:
        return memory_format("Nothing in %s bytes of roots leads to it, nor to what might lead to it.",
                             units_count(roots_of(view, dump)));
    case DUMP_INDIRECT:
        return memory_format("Only leaked blocks lead to it.");
    case DUMP_POSSIBLE:
        return possible_reason(e, dump);
    case DUMP_IN_USE:
        return memory_format(e->path ? "The program can reach it."
                                     : "The program can reach it; by which way was not noted.");
    case DUMP_UNKNOWN:
        break;
    }
    return unjudged_reason(dump);
}

/* --- all of it --- */

static void print_block(const struct view *view, const struct explained *e) {
    const struct dump_block *block = e->block;
    char *thread = thread_text(e->dump, block->thread);
    (void)fprintf(view->out, "    The block of %s at 0x%llx, made %s ago by %s.\n", units_bytes(block->size),
                  (unsigned long long)block->address, units_age(dump_age(e->dump, block->time)), thread);
    free(thread);
}

static void print_one(const struct view *view, const struct explained *e) {
    char *place = NULL, *name = frames_site(view, e->site, NAME_MOST, &place), *reason = explain_reason(view, e);
    const char *unit = view->merged->sampled ? "sample" : "block";
    if (e->site->id) (void)fprintf(view->out, "#%zu  ", e->site->id);
    (void)fprintf(view->out, "%s: %s %s\n    %s %s%s, %s\n", view_title(e->site), name, place,
                  units_count(e->site->blocks), unit, e->site->blocks == 1 ? "" : "s", units_bytes(e->site->bytes));
    if (e->block) print_block(view, e);
    (void)fprintf(view->out, "    %s\n", reason);
    if (e->path) {
        bool is_own = !e->block || explain_is_own(e);
        if (!is_own) (void)fprintf(view->out, "    The way to another block of this site:\n");
        if (is_own && e->path->root == ROOT_LEAKED) (void)fprintf(view->out, "    From one of them:\n");
        print_path(view, e->dump, e->path, e->steps, is_own ? "this: " : "that: ");
    }
    free(reason);
    free(name);
    free(place);
}

void view_explain(const struct view *view, const struct explained *list, size_t count, size_t more) {
    for (size_t i = 0; i < count; i++) {
        if (i) (void)fputc('\n', view->out);
        print_one(view, &list[i]);
    }
    if (more) (void)fprintf(view->out, "\n... %zu more site%s of that name (--top)\n", more, more == 1 ? "" : "s");
}
