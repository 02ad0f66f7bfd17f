/* What explain.c tells, for programs. */
#include <stdlib.h>

#include "reporter/view/explain.h"
#include "reporter/view/frames.h"
#include "reporter/view/json_writer.h"

static void put_address(struct json *json, const char *name, uint64_t address) {
    char text[24];
    (void)snprintf(text, sizeof text, "0x%llx", (unsigned long long)address);
    json_word(json, name, text);
}

static void put_root(struct json *json, const struct view *view, const struct dump *dump,
                     const struct dump_path *path) {
    static const char *const kinds[] = {"unknown",   "global",         "stack",        "register", "thread_local",
                                        "thread",    "private",        "shared",       "epoll",    "timer",
                                        "emergency", "possible_block", "leaked_block", "pool",     "signal_stack"};
    struct symbol_frame variable = explain_variable(view, dump, path);
    char *text = explain_root(view, dump, path), *place = NULL;
    char *function = explain_function(view, dump, path, &place);
    json_open(json, "root", '{');
    json_word(json, "kind", kinds[path->root <= ROOT_SIGNALS ? path->root : 0]);
    json_word(json, "text", text);
    json_word(json, "symbol", variable.function);
    json_known(json, "offset", variable.function, variable.offset);
    json_word(json, "function", function);
    json_word(json, "register", explain_register(path));
    json_known(json, "thread", path->thread, path->thread);
    json_known(json, "descriptor", path->root == ROOT_EPOLL, path->word);
    json_text(json, "mapping", dump_text(dump, path->name));
    if (path->root < ROOT_EPOLL || path->root == ROOT_POOL)
        put_address(json, "address", path->word);
    else
        json_word(json, "address", NULL);
    json_close(json, '}');
    free(text);
    free(function);
    free(place);
}

static void put_step(struct json *json, const struct view *view, const struct dump *dump, const struct dump_step *step,
                     bool is_last) {
    char *place = NULL, *name = explain_step(view, dump, step, &place);
    json_open(json, NULL, '{');
    put_address(json, "address", step->address);
    json_number(json, "size", step->size);
    json_bool(json, "tracked", step->stack != DUMP_STEP_UNTRACKED);
    json_word(json, "name", name);
    json_word(json, "place", *place ? place : NULL);
    json_known(json, "leads_on_at", !is_last && step->offset != DUMP_STEP_FAR, step->offset);
    json_close(json, '}');
    free(name);
    free(place);
}

static void put_path(struct json *json, const struct view *view, const struct explained *e) {
    const struct dump_path *path = e->path;
    if (!path) {
        json_word(json, "path", NULL);
        return;
    }
    const struct dump_step *steps = &dump_steps(e->dump)[path->first_step];
    json_open(json, "path", '{');
    json_bool(json, "to_another_block", e->block && !explain_is_own(e));
    json_bool(json, "past_the_end", (path->flags & DUMP_PATH_PAST) && e->steps == path->steps);
    put_root(json, view, e->dump, path);
    json_number(json, "left_out", e->steps > DUMP_STEPS_MOST / 2 ? path->left_out : 0);
    json_open(json, "steps", '[');
    for (uint32_t i = 0; i < e->steps; i++) put_step(json, view, e->dump, &steps[i], i + 1 == e->steps);
    json_close(json, ']');
    json_close(json, '}');
}

static void put_block(struct json *json, const struct explained *e) {
    if (!e->block) {
        json_word(json, "block", NULL);
        return;
    }
    json_open(json, "block", '{');
    put_address(json, "address", e->block->address);
    json_number(json, "size", e->block->size);
    json_number(json, "thread", e->block->thread);
    json_seconds(json, "age_seconds", dump_age(e->dump, e->block->time));
    json_word(json, "verdict", view_verdict((enum dump_verdict)e->block->verdict));
    json_close(json, '}');
}

static void put_one(struct json *json, const struct view *view, const struct explained *e) {
    char *place = NULL, *name = frames_site(view, e->site, VIEW_ALL, &place), *reason = explain_reason(view, e);
    json_open(json, NULL, '{');
    json_number(json, "id", e->site->id);
    json_word(json, "name", name);
    json_word(json, "place", place);
    json_word(json, "verdict", view_verdict(e->site->verdict));
    json_bool(json, "indirect", e->site->verdict == DUMP_INDIRECT);
    json_number(json, "blocks", e->site->blocks);
    json_number(json, "bytes", e->site->bytes);
    json_word(json, "reason", reason);
    put_block(json, e);
    put_path(json, view, e);
    json_close(json, '}');
    free(reason);
    free(name);
    free(place);
}

void view_explain_json(const struct view *view, const struct explained *list, size_t count) {
    struct json json = {.out = view->out};
    json_open(&json, NULL, '{');
    json_bool(&json, "searched", merged_all_judged(view->merged));
    json_open(&json, "sites", '[');
    for (size_t i = 0; i < count; i++) put_one(&json, view, &list[i]);
    json_close(&json, ']');
    json_close(&json, '}');
    (void)fputc('\n', view->out);
}
