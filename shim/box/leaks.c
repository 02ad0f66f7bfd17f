/* See leaks.h. */
#include "shim/box/leaks.h"
#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/box/modules.h"
#include "shim/box/state.h"

void leaks_add(struct leaks *l, uint32_t stack, uint64_t blocks, uint64_t bytes) {
    if (blocks == 0) return;
    l->sites++;
    uint32_t at = l->shown;
    while (at > 0 && l->site[at - 1].bytes < bytes) at--;
    if (at == LEAKS_SHOWN) return;
    if (l->shown < LEAKS_SHOWN) l->shown++;
    for (uint32_t i = l->shown - 1; i > at; i--) l->site[i] = l->site[i - 1];
    l->site[at] = (struct leak){bytes, blocks, stack};
}

static void add_amount(struct text *t, uint64_t blocks, uint64_t bytes) {
    text_add_number(t, blocks);
    text_add(t, blocks == 1 ? " block, " : " blocks, ");
    text_add_number(t, bytes);
    text_add(t, bytes == 1 ? " byte" : " bytes");
}

static void tell_site(const struct leak *s) {
    struct text t = {0};
    text_add(&t, "weir: LEAK: ");
    add_amount(&t, s->blocks, s->bytes);
    text_add(&t, s->blocks == 1 ? " was" : " were");
    text_add(&t, " not freed before ");
    text_add(&t, s->blocks == 1 ? "it became unreachable" : "they became unreachable");
    module_describe_stack(&t, "made at", s->stack);
    message_send(&t);
}

/* Where only some blocks were tracked: exact sums, and where samples of them were made. */
static void tell_all(const struct leaks *l, const struct verdicts *v) {
    struct text t = {0};
    text_add(&t, "weir: LEAK: ");
    add_amount(&t, v->blocks[DUMP_LEAKED], v->bytes[DUMP_LEAKED]);
    text_add(&t, v->blocks[DUMP_LEAKED] == 1 ? " was not freed before it became unreachable"
                                             : " were not freed before they became unreachable");
    if (l->sites == 0) text_add(&t, "; none of them was sampled");
    message_send(&t);
    for (uint32_t i = 0; i < l->shown; i++) {
        struct text s = {0};
        text_add(&s, "weir:   of ");
        text_add_number(&s, l->site[i].blocks);
        text_add(&s, l->site[i].blocks == 1 ? " sample" : " samples");
        module_describe_stack(&s, "made at", l->site[i].stack);
        message_send(&s);
    }
}

void leaks_tell(const struct leaks *l, const struct verdicts *v, const char *dump) {
    if (options.run || !v->known || v->blocks[DUMP_LEAKED] == 0) return;
    if (state_of_process.sampled)
        tell_all(l, v);
    else
        for (uint32_t i = 0; i < l->shown; i++) tell_site(&l->site[i]);
    struct text t = {0};
    text_add(&t, "weir: LEAK: ");
    if (l->sites > l->shown) {
        text_add_number(&t, l->sites - l->shown);
        text_add(&t, l->sites - l->shown == 1 ? " more place; " : " more places; ");
    }
    text_add(&t, "weir report ");
    text_add(&t, dump);
    message_send(&t);
}
