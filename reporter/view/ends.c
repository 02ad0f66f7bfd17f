/* How a process ended that left a core, or a box alone: the signal, the blocks that it was about, what each thread was
 * doing. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/signals.h"
#include "reporter/view/ends.h"
#include "reporter/view/units.h"

#define FRAMES_BRIEF  5 /* where all is to be on a screen */
#define FRAMES_NEAR   2 /* of a block's, there */
#define FRAMES_SHOWN  6 /* of what is beside the thread that the core is of */
#define FRAMES_OTHER  3
#define THREADS_SHOWN 8
#define MISUSE_FIRST  (NEAR_MISUSE + 1)

static const char *const misuses[] = {"double free of",
                                      "a pointer was given back that leads into",
                                      "a pointer was given back, near",
                                      "a pointer was given back, near",
                                      "a pointer was given back, near",
                                      "while it was free, somebody wrote to",
                                      "somebody wrote behind the end of",
                                      "after it was freed, somebody wrote to"};
static const char *const registers[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

const char *ends_what(const struct dump_near *near) {
    uint32_t misuse = near->what - MISUSE_FIRST, number = near->what - NEAR_REGISTER;
    if (near->what == NEAR_FAULT) return "the address";
    if (near->what == NEAR_STACK) return "a word on the stack";
    if (near->what == NEAR_END) return "a write behind its end";
    if (near->what == NEAR_LINK) return "an overwritten link of its free place";
    if (near->what == NEAR_FREE) return "a write after it was freed";
    if (near->what == NEAR_ENTRY) return "an impossible entry of its place";
    if (misuse < sizeof misuses / sizeof *misuses) return misuses[misuse];
    return number < sizeof registers / sizeof *registers ? registers[number] : "something";
}

static bool is_misuse(const struct dump_near *near) {
    return near->what - MISUSE_FIRST < sizeof misuses / sizeof *misuses;
}

/* --- the signal --- */

/* It was taken of a process that went on. */
static bool goes_on(const struct dump_doing *doing) {
    return doing->signal == 0 || doing->signal == SIGSTOP || doing->signal == SIGTRAP;
}

static const char *why_fault(const struct dump_doing *doing) {
    if (doing->flags & DOING_OVERFLOW) return ", next to its stack's end: the stack has overflowed";
    if (doing->signal == SIGSEGV && doing->code == SEGV_MAPERR) return ", where no memory is";
    if (doing->signal == SIGSEGV && doing->code == SEGV_ACCERR) return ", which may not be accessed so";
    return "";
}

static void print_signal(const struct view *view, const struct dump_doing *doing) {
    (void)fprintf(view->out, "\nKilled by %s", signal_name((int)doing->signal));
    if (doing->flags & DOING_FAULT)
        (void)fprintf(view->out, " at 0x%llx%s", (unsigned long long)doing->address, why_fault(doing));
    else if (doing->code == SI_KERNEL && doing->signal == SIGSEGV)
        (void)fputs(": an address that cannot be one", view->out);
    else if (doing->signal != SIGABRT && doing->code <= 0)
        (void)fputs(", which somebody has sent", view->out);
    (void)fputs("\n", view->out);
    if (doing->flags & DOING_FREED)
        (void)fputs("a register has what freed blocks are filled with: it was read from one\n", view->out);
}

/* --- blocks --- */

static const char *block_of(const struct dump_near *near) {
    if (near->state == NEAR_PLACE) return "a place";
    return near->state == NEAR_FREED && !is_misuse(near) ? "the freed block" : "the block";
}

/* What looking at all blocks has found. False: it was not found so. */
static bool print_damage(const struct view *view, const struct dump_near *near) {
    const char *block = block_of(near), *size = units_bytes(near->size);
    unsigned long long address = near->address, word = near->word;
    switch (near->what) {
    case NEAR_END:
        (void)fprintf(view->out, "%s of %s at 0x%llx was written to behind its end, at byte %llu\n", block, size,
                      address, word - address);
        return true;
    case NEAR_FREE:
        (void)fprintf(view->out, "%s of %s at 0x%llx was written to after it was freed, at byte %llu\n", block, size,
                      address, word - address);
        return true;
    case NEAR_LINK:
        (void)fprintf(view->out,
                      "%s of %s at 0x%llx was written to while it was free, at its start: it leads to 0x%llx, "
                      "which is no other free place\n",
                      block, size, address, word);
        return true;
    case NEAR_ENTRY:
        (void)fprintf(view->out, "weir's entry of %s of %s at 0x%llx was written over: it has an impossible 0x%llx\n",
                      block, size, address, word);
        return true;
    default:
        return false;
    }
}

/* "rdi is 24 bytes behind the block of …". */
static void print_place(const struct view *view, const struct dump_near *near) {
    const char *block = block_of(near), *size = units_bytes(near->size), *what = ends_what(near);
    unsigned long long address = near->address, word = near->word, at = word - address;
    if (print_damage(view, near)) return;
    if (is_misuse(near))
        (void)fprintf(view->out, "weir has ended it: %s %s of %s at 0x%llx\n", what, block, size, address);
    else if (at >= near->size)
        (void)fprintf(view->out, "%s is %s byte%s behind %s of %s at 0x%llx\n", what, units_count(at - near->size),
                      at - near->size == 1 ? "" : "s", block, size, address);
    else if (at == 0)
        (void)fprintf(view->out, "%s is the start of %s of %s at 0x%llx\n", what, block, size, address);
    else
        (void)fprintf(view->out, "%s is %s byte%s into %s of %s at 0x%llx\n", what, units_count(at), at == 1 ? "" : "s",
                      block, size, address);
}

static void print_near(const struct view *view, const struct merged_near *from) {
    const struct dump_near *near = from->near;
    uint32_t most = view->options.brief ? FRAMES_NEAR : FRAMES_SHOWN;
    print_place(view, near);
    if (near->state == NEAR_PLACE) return;
    (void)fprintf(view->out, "    Made %s before", units_age(dump_age(from->dump, near->time)));
    if (near->maker) (void)fprintf(view->out, ", by thread %u", near->maker);
    (void)fputs(", at:\n", view->out);
    view_stack_brief(view, from->made.frames, from->made.frame_count, most);
    if (near->state != NEAR_FREED) return;
    (void)fprintf(view->out, "    Freed by thread %u at:\n", near->freer);
    view_stack_brief(view, from->freed.frames, from->freed.frame_count, most);
}

/* --- all of it --- */

static void print_threads(const struct view *view, const struct merged_doing *doings, size_t count) {
    size_t shown = view->options.full || count <= THREADS_SHOWN ? count : THREADS_SHOWN;
    for (size_t i = 1; i < shown; i++) {
        (void)fprintf(view->out, "%sThread %u:\n", i == 1 ? "\n" : "", doings[i].doing->thread);
        view_stack_brief(view, doings[i].stack.frames, doings[i].stack.frame_count, FRAMES_OTHER);
    }
    if (shown < count) (void)fprintf(view->out, "... and %zu more threads (--full)\n", count - shown);
}

/* Those of one part lie together. */
static size_t of_same(const struct merged *merged, size_t from) {
    size_t end = from + 1;
    while (end < merged->doing_count && merged->doings[end].dump == merged->doings[from].dump) end++;
    return end - from;
}

static void print_end(const struct view *view, const struct merged_doing *doings) {
    const struct merged *merged = view->merged;
    const struct merged_stack *stack = &doings->stack;
    if (goes_on(doings->doing))
        (void)fputs("\nTaken while it ran\n", view->out);
    else
        print_signal(view, doings->doing);
    (void)fprintf(view->out, "Thread %u:\n", doings->doing->thread);
    if (view->options.brief)
        view_stack_brief(view, stack->frames, stack->frame_count, FRAMES_BRIEF);
    else
        view_stack(view, stack->frames, stack->frame_count, stack->flags & DUMP_STACK_GUESS);
    for (size_t i = 0; i < merged->near_count; i++)
        if (merged->nears[i].dump == doings->dump) print_near(view, &merged->nears[i]);
}

void view_ends(const struct view *view) {
    const struct merged *merged = view->merged;
    for (size_t i = 0; i < merged->doing_count; i += of_same(merged, i)) print_end(view, &merged->doings[i]);
}

void view_threads(const struct view *view) {
    const struct merged *merged = view->merged;
    for (size_t i = 0, count; i < merged->doing_count; i += count) {
        count = of_same(merged, i);
        print_threads(view, &merged->doings[i], count);
    }
}

/* --- for programs --- */

static void put_near(struct json *json, const struct view *view, const struct merged_near *from) {
    const struct dump_near *near = from->near;
    json_open(json, NULL, '{');
    json_word(json, "what", ends_what(near));
    json_number(json, "word", near->word);
    json_number(json, "address", near->address);
    json_number(json, "size", near->size);
    if (near->state == NEAR_PLACE)
        json_word(json, "freed", NULL);
    else
        json_bool(json, "freed", near->state == NEAR_FREED);
    json_seconds(json, "age_seconds", near->state == NEAR_PLACE ? UINT64_MAX : dump_age(from->dump, near->time));
    json_known(json, "maker", near->maker, near->maker);
    json_known(json, "freer", near->freer, near->freer);
    json_open(json, "made", '{');
    json_stack(json, view, from->made.frames, from->made.frame_count, from->made.flags);
    json_close(json, '}');
    json_open(json, "freed_at", '{');
    json_stack(json, view, from->freed.frames, from->freed.frame_count, from->freed.flags);
    json_close(json, '}');
    json_close(json, '}');
}

static void put_end(struct json *json, const struct view *view, const struct merged_doing *doings, size_t count) {
    const struct dump_doing *first = doings->doing;
    json_open(json, NULL, '{');
    json_number(json, "pid", doings->dump->process.pid);
    json_word(json, "signal", first->signal ? signal_name((int)first->signal) : NULL);
    json_known(json, "fault_address", first->flags & DOING_FAULT, first->address);
    json_bool(json, "stack_overflow", first->flags & DOING_OVERFLOW);
    json_open(json, "blocks", '[');
    for (size_t i = 0; i < view->merged->near_count; i++)
        if (view->merged->nears[i].dump == doings->dump) put_near(json, view, &view->merged->nears[i]);
    json_close(json, ']');
    json_open(json, "threads", '[');
    for (size_t i = 0; i < count; i++) {
        json_open(json, NULL, '{');
        json_number(json, "thread", doings[i].doing->thread);
        json_stack(json, view, doings[i].stack.frames, doings[i].stack.frame_count, doings[i].stack.flags);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

void ends_json(struct json *json, const struct view *view) {
    const struct merged *merged = view->merged;
    json_open(json, "cores", '[');
    for (size_t i = 0, count; i < merged->doing_count; i += count) {
        count = of_same(merged, i);
        put_end(json, view, &merged->doings[i], count);
    }
    json_close(json, ']');
}

void view_left(const struct view *view) {
    const struct merged *merged = view->merged;
    const struct dump *dump = view_first(merged)->dump;
    if (merged->counted != 1 || dump->process.reason != DUMP_LEFT) return;
    bool blocks = !dump_has(dump, DUMP_SITES); /* then they are the sites */
    if (dump->owner)
        (void)fprintf(view->out, "it runs: what its box says%s verdicts by weir dump\n",
                      blocks ? ";" : ", by site; blocks and");
    else
        (void)fprintf(view->out, "it left no dump: %s; %sno verdicts\n", view_end(dump), blocks ? "" : "by site, ");
}
