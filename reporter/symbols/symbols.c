/* Names for frames: every answer of the worker is remembered, and questions go to it in batches. When it dies over a
 * batch, the questions are asked again one by one; the module that kills it twice is asked no more. */
#include "reporter/symbols/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/slots.h"
#include "reporter/load/progress.h"
#include "reporter/symbols/worker.h"

#define MAX_TEXT 65536 /* of one string in an answer */

struct module {
    bool opened, has_names;
    const char *why;
};

struct text_entry { /* strings repeat: one file, many frames */
    char *text;
    UT_hash_handle hh;
};

struct answer {
    struct worker_request key;
    struct symbol_frame *frames; /* NULL: there are none */
    size_t count;
};

/* Of two million frames uthash's tables took 120 MB more. */
struct answers {
    struct answer *list;
    size_t count, capacity;
    struct slots slots;
};

struct symbols {
    const struct merged *merged;
    struct symbol_options options;
    struct module *modules;
    struct worker worker;
    struct answers answers;
    struct text_entry *texts;
};

struct symbols *symbols_new(const struct merged *merged, const struct symbol_options *options) {
    struct symbols *symbols = memory_get(1, sizeof *symbols);
    symbols->merged = merged;
    symbols->options = *options;
    symbols->modules = memory_get(merged->module_count, sizeof *symbols->modules);
    return symbols;
}

static const char *intern(struct symbols *symbols, const char *bytes, size_t length) {
    struct text_entry *entry = NULL;
    HASH_FIND(hh, symbols->texts, bytes, length, entry);
    if (entry) return entry->text;
    entry = memory_get(1, sizeof *entry);
    entry->text = memory_text(bytes, length);
    HASH_ADD_KEYPTR(hh, symbols->texts, entry->text, length, entry);
    return entry->text;
}

static bool get_text(struct symbols *symbols, uint32_t length, const char **text) {
    static char bytes[MAX_TEXT];
    *text = NULL;
    if (length == WORKER_NO_TEXT) return true;
    if (length > MAX_TEXT || fread(bytes, 1, length, symbols->worker.answers) != length) return false;
    *text = intern(symbols, bytes, length);
    return true;
}

static uint64_t hash_of_key(const struct worker_request *key) {
    return slots_mix(key->address ^ (uint64_t)key->module << 40 ^ (uint64_t)key->kind << 60);
}

static uint64_t hash_of(const void *answers, uint32_t number) {
    return hash_of_key(&((const struct answers *)answers)->list[number].key);
}

static bool is_same(const void *answers, uint32_t number, const void *key) {
    const struct worker_request *there = &((const struct answers *)answers)->list[number].key;
    return memcmp(there, key, sizeof *there) == 0;
}

static void remember(struct symbols *symbols, const struct worker_request *key, const struct symbol_frame *frames,
                     size_t count) {
    struct answers *answers = &symbols->answers;
    struct answer answer = {.key = *key, .count = count};
    if (count) {
        answer.frames = memory_get(count, sizeof *frames);
        memcpy(answer.frames, frames, count * sizeof *frames);
    }
    slots_make_room(&answers->slots, answers->count, hash_of, answers);
    answers->list = memory_more(answers->list, &answers->capacity, answers->count + 1, sizeof answer);
    answers->list[answers->count++] = answer;
    *slots_find(&answers->slots, hash_of_key(key), is_same, answers, key) = (uint32_t)answers->count;
}

static bool get_frame(struct symbols *symbols, struct symbol_frame *frame) {
    struct worker_frame fixed;
    if (fread(&fixed, sizeof fixed, 1, symbols->worker.answers) != 1) return false;
    *frame = (struct symbol_frame){.line = fixed.line, .inlined = fixed.inlined != 0, .offset = fixed.offset};
    return get_text(symbols, fixed.texts[0], &frame->function) && get_text(symbols, fixed.texts[1], &frame->brief) &&
           get_text(symbols, fixed.texts[2], &frame->linked) && get_text(symbols, fixed.texts[3], &frame->file) &&
           get_text(symbols, fixed.texts[4], &frame->folder) && get_text(symbols, fixed.texts[5], &frame->missing);
}

static bool get_answer(struct symbols *symbols, const struct worker_request *request) {
    static struct symbol_frame frames[LOOKUP_MAX_CHAIN];
    struct worker_answer head;
    struct module *module = &symbols->modules[request->module];
    if (fread(&head, sizeof head, 1, symbols->worker.answers) != 1 || head.count > LOOKUP_MAX_CHAIN) return false;
    if (!get_text(symbols, head.why, &module->why)) return false;
    module->opened = true;
    module->has_names = head.has_names != 0;
    for (uint32_t i = 0; i < head.count; i++)
        if (!get_frame(symbols, &frames[i])) return false;
    remember(symbols, request, frames, head.count);
    return true;
}

/* Asks a batch; returns how many were answered. */
static uint32_t ask_batch(struct symbols *symbols, const struct worker_request *requests, uint32_t count) {
    struct worker *worker = &symbols->worker;
    uint32_t answered = 0;
    if (!worker->pid && !worker_start(worker, symbols->merged, &symbols->options)) return 0;
    if (worker_ask(worker, requests, count))
        while (answered < count && get_answer(symbols, &requests[answered])) answered++;
    if (answered < count) worker_stop(worker);
    return answered;
}

static void give_up(struct symbols *symbols, const struct worker_request *request) {
    struct module *module = &symbols->modules[request->module];
    module->opened = true;
    module->has_names = false;
    module->why = "its file makes the reader crash";
    remember(symbols, request, NULL, 0);
}

static bool is_broken(const struct symbols *symbols, const struct worker_request *request) {
    const struct module *module = &symbols->modules[request->module];
    return module->why && strcmp(module->why, "its file makes the reader crash") == 0;
}

static void ask_all(struct symbols *symbols, const struct worker_request *requests, uint32_t count) {
    uint32_t done = ask_batch(symbols, requests, count);
    for (; done < count; done++)
        if (is_broken(symbols, &requests[done]) || !ask_batch(symbols, &requests[done], 1))
            give_up(symbols, &requests[done]);
}

/* A return address belongs to the call before it, which may be the last instruction of its function. */
static struct worker_request request_for(struct merged_frame frame) {
    return (struct worker_request){frame.offset - (frame.exact || !frame.offset ? 0 : 1), frame.module,
                                   SYMTAB_FUNCTIONS};
}

static struct answer *find(struct symbols *symbols, const struct worker_request *request) {
    struct answers *answers = &symbols->answers;
    if (!answers->slots.count) return NULL;
    uint32_t number = *slots_find(&answers->slots, hash_of_key(request), is_same, answers, request);
    return number ? &answers->list[number - 1] : NULL;
}

static int compare(const void *left, const void *right) {
    return memcmp(left, right, sizeof(struct worker_request));
}

void symbols_prefetch(struct symbols *symbols, const struct merged_frame *frames, size_t count) {
    struct worker_request *requests = memory_get(count, sizeof *requests);
    size_t wanted = 0, unique = 0;
    for (size_t i = 0; i < count; i++) {
        struct worker_request request = request_for(frames[i]);
        if (!find(symbols, &request)) requests[wanted++] = request;
    }
    if (wanted) qsort(requests, wanted, sizeof *requests, compare);
    for (size_t i = 0; i < wanted; i++)
        if (!i || compare(&requests[i], &requests[i - 1]) != 0) requests[unique++] = requests[i];
    for (size_t i = 0; i < unique; i += WORKER_BATCH) {
        progress_show("looking names up", i, unique);
        ask_all(symbols, requests + i, unique - i < WORKER_BATCH ? (uint32_t)(unique - i) : WORKER_BATCH);
    }
    free(requests);
}

struct symbol_chain symbols_at(struct symbols *symbols, struct merged_frame frame) {
    struct worker_request request = request_for(frame);
    struct answer *answer = find(symbols, &request);
    if (!answer) {
        ask_all(symbols, &request, 1);
        answer = find(symbols, &request);
    }
    return (struct symbol_chain){answer->frames, answer->count};
}

struct symbol_frame symbols_variable(struct symbols *symbols, uint32_t module, uint64_t address, bool thread_local) {
    struct worker_request request = {address, module, thread_local ? SYMTAB_THREAD_LOCAL : SYMTAB_VARIABLES};
    struct answer *answer = find(symbols, &request);
    if (!answer) {
        ask_all(symbols, &request, 1);
        answer = find(symbols, &request);
    }
    return answer->count ? answer->frames[0] : (struct symbol_frame){.missing = symbols->modules[module].why};
}

const char *symbols_why(struct symbols *symbols, uint32_t module) {
    if (!symbols->modules[module].opened) (void)symbols_at(symbols, (struct merged_frame){0, module, 1});
    return symbols->modules[module].why;
}

void symbols_tally(const struct symbols *symbols, size_t *with, size_t *opened) {
    *with = *opened = 0;
    for (size_t i = 0; i < symbols->merged->module_count; i++) {
        if (!symbols->modules[i].opened || symbols->merged->modules[i]->jit) continue;
        ++*opened;
        *with += symbols->modules[i].has_names;
    }
}

void symbols_free(struct symbols *symbols) {
    struct text_entry *text = symbols->texts;
    worker_stop(&symbols->worker);
    HASH_CLEAR(hh, symbols->texts);
    for (size_t i = 0; i < symbols->answers.count; i++) free(symbols->answers.list[i].frames);
    free(symbols->answers.list);
    free(symbols->answers.slots.numbers);
    while (text) {
        struct text_entry *next = text->hh.next;
        free(text->text);
        free(text);
        text = next;
    }
    free(symbols->modules);
    free(symbols);
}
