/* See leaks.h. */
#include "shim/box/leaks.h"
#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/box/modules.h"
#include "shim/box/state.h"
#include "shim/box/suppressed.h"

#include <stdatomic.h>

void leaks_add(struct leaks *l, uint32_t stack, uint64_t blocks, uint64_t bytes) {
    if (blocks == 0) return;
    if (suppressed_covers(stack)) {
        l->suppressed++;
        l->suppressed_blocks += blocks;
        l->suppressed_bytes += bytes;
        return;
    }
    l->sites++;
    l->blocks += blocks;
    uint32_t at = l->shown;
    while (at > 0 && l->site[at - 1].bytes < bytes) at--;
    if (at == LEAKS_SHOWN) return;
    if (l->shown < LEAKS_SHOWN) l->shown++;
    for (uint32_t i = l->shown - 1; i > at; i--) l->site[i] = l->site[i - 1];
    l->site[at] = (struct leak){bytes, blocks, stack};
}

void leaks_add_amount(struct text *t, uint64_t blocks, uint64_t bytes) {
    text_add_number(t, blocks);
    text_add(t, blocks == 1 ? " block, " : " blocks, ");
    text_add_number(t, bytes);
    text_add(t, bytes == 1 ? " byte" : " bytes");
}

static void tell_site(const struct leak *s) {
    struct text t = {0};
    text_add(&t, "weir: LEAK: ");
    leaks_add_amount(&t, s->blocks, s->bytes);
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
    leaks_add_amount(&t, v->blocks[DUMP_LEAKED], v->bytes[DUMP_LEAKED]);
    text_add(&t, v->blocks[DUMP_LEAKED] == 1 ? " was not freed before it became unreachable"
                                             : " were not freed before they became unreachable");
    if (l->sites == 0 && state_tracking()) text_add(&t, "; none of them was sampled");
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

bool leaks_any(const struct leaks *l, const struct verdicts *v) {
    if (!v->known) return false;
    bool all_have_sites = state_tracking() && !state_of_process.sampled;
    return l->sites > 0 || (l->suppressed == 0 && v->blocks[DUMP_LEAKED] > 0 && !all_have_sites);
}

static void tell_sites(const struct leaks *l, const struct verdicts *v) {
    if (state_of_process.sampled || !state_tracking())
        tell_all(l, v);
    else
        for (uint32_t i = 0; i < l->shown; i++) tell_site(&l->site[i]);
}

static void add_more_sites(struct text *t, const struct leaks *l, const char *behind) {
    if (l->sites <= l->shown) return;
    text_add_number(t, l->sites - l->shown);
    text_add(t, l->sites - l->shown == 1 ? " more place" : " more places");
    text_add(t, behind);
}

void leaks_tell_check(const struct leaks *l, const struct verdicts *v) {
    struct text more = {0}, borne = {0};
    if (leaks_any(l, v)) tell_sites(l, v);
    text_add(&more, "weir: LEAK: ");
    add_more_sites(&more, l, "");
    if (l->sites > l->shown) message_send(&more);
    if (l->suppressed == 0) return;
    text_add(&borne, "weir: suppressed by the program's own list: ");
    leaks_add_amount(&borne, l->suppressed_blocks, l->suppressed_bytes);
    message_send(&borne);
}

void leaks_tell_since(const struct leaks *l, const char *mark, size_t length) {
    struct text t = {0};
    if (l->sites == 0) return;
    for (uint32_t i = 0; i < l->shown; i++) tell_site(&l->site[i]);
    text_add(&t, "weir: LEAK: ");
    text_add_number(&t, l->blocks);
    text_add(&t, l->blocks == 1 ? " block" : " blocks");
    text_add(&t, length ? " since the mark " : " since the start");
    text_add_bytes(&t, mark, length);
    if (l->sites > l->shown) text_add(&t, "; ");
    add_more_sites(&t, l, "");
    message_send(&t);
}

static _Atomic bool told;

void leaks_tell_no_more(void) {
    atomic_store_explicit(&told, true, memory_order_relaxed);
}

void leaks_tell(const struct leaks *l, const struct verdicts *v, const char *dump) {
    if (options.run || atomic_load_explicit(&told, memory_order_relaxed)) return;
    if (!v->known || v->blocks[DUMP_LEAKED] == 0 || (l->sites == 0 && l->suppressed > 0)) return;
    tell_sites(l, v);
    struct text t = {0};
    text_add(&t, "weir: LEAK: ");
    add_more_sites(&t, l, "; ");
    text_add(&t, "weir report ");
    text_add(&t, dump);
    message_send(&t);
}
