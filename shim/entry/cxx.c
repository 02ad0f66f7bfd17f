/* The caller's C++ runtime; see cxx.h.
 *
 * Without weir the loader would have bound the call to the first operator new in scope. The scopes of what dlopen loads
 * cannot be read, so the nearest runtime counts: the caller's own module, what that names as needed, then the order in
 * which modules were loaded. An operator without a runtime beside it is a last resort, unless the caller's own module
 * has it: it may as well be another allocator's, which would go past the ceiling. */
#include "shim/entry/cxx.h"
#include "shim/base/symbols.h"

#include <dlfcn.h>

enum rank { OWN, NEEDED, OTHER, STRANGE /* without a runtime */, NOWHERE };

struct search {
    const char *symbol;
    bool has_caller;
    struct symbols caller; /* of the module that calls */
    bool behind;           /* weir's own module has come by: what comes before it may ask weir in turn */
    struct cxx_runtime runtime;
    void *function;
    enum rank runtime_rank, function_rank;
};

static bool read_runtime(struct cxx_runtime *r, const struct symbols *s) {
    *(void **)&r->allocate = symbol_find(s, "__cxa_allocate_exception");
    if (!r->allocate) return false;
    *(void **)&r->throw = symbol_find(s, "__cxa_throw");
    *(void **)&r->get_new_handler = symbol_find(s, "_ZSt15get_new_handlerv");
    *(void **)&r->destroy = symbol_find(s, "_ZNSt9bad_allocD1Ev");
    r->type = symbol_find(s, "_ZTISt9bad_alloc");
    r->table = symbol_find(s, "_ZTVSt9bad_alloc");
    return r->throw &&r->type && r->table;
}

static const char *soname_of(const struct symbols *s, const char *path) {
    const char *name = symbols_soname(s);
    if (name || !path) return name;
    for (name = path; *path; path++)
        if (*path == '/') name = path + 1;
    return name;
}

static enum rank rank_of(const struct search *w, const struct symbols *s, const char *path) {
    if (!w->has_caller) return OTHER;
    if (s->dynamic == w->caller.dynamic) return OWN;
    const char *name = soname_of(s, path);
    return name && symbols_needs(&w->caller, name) ? NEEDED : OTHER;
}

static bool is_weir(const struct dl_phdr_info *info) {
    struct dl_find_object weir;
    return _dl_find_object((void *)(uintptr_t)is_weir, &weir) == 0 && weir.dlfo_link_map->l_addr == info->dlpi_addr;
}

static int look_into(struct dl_phdr_info *info, size_t size, void *context) {
    struct search *w = context;
    struct cxx_runtime runtime;
    struct symbols s;
    (void)size;
    if (is_weir(info)) {
        w->behind = true;
        return 0;
    }
    if (!symbols_of_phdr(&s, info)) return 0;
    enum rank rank = rank_of(w, &s, info->dlpi_name);
    bool throws = read_runtime(&runtime, &s);
    if (throws && rank < w->runtime_rank) {
        w->runtime = runtime;
        w->runtime_rank = rank;
    }
    if (!throws && rank != OWN) rank = STRANGE;
    void *function = w->behind && rank < w->function_rank ? symbol_find(&s, w->symbol) : NULL;
    if (function) {
        w->function = function;
        w->function_rank = rank;
    }
    return 0;
}

static void search(struct search *w, const void *caller, const char *symbol) {
    struct dl_find_object found;
    *w = (struct search){.symbol = symbol, .runtime_rank = NOWHERE, .function_rank = NOWHERE};
    if (_dl_find_object((void *)(uintptr_t)caller, &found) == 0) {
        const struct link_map *map = found.dlfo_link_map;
        w->has_caller = symbols_of(&w->caller, map->l_addr, (uintptr_t)found.dlfo_map_start,
                                   (uintptr_t)found.dlfo_map_end, map->l_ld);
    }
    (void)dl_iterate_phdr(look_into, w);
}

struct cxx_found cxx_find(const void *caller, const char *symbol) {
    struct search w;
    search(&w, caller, symbol);
    struct cxx_found found = {.runtime = w.runtime};
    /* A module that hides its runtime and shows its operator still throws for its own code. */
    found.throws = w.runtime_rank <= NEEDED || (w.runtime_rank < NOWHERE && w.function_rank != OWN);
    if (!found.throws) found.function = w.function;
    return found;
}

void *cxx_function(const void *caller, const char *symbol) {
    struct search w;
    search(&w, caller, symbol);
    return w.function_rank < STRANGE ? w.function : NULL;
}

/* As `throw std::bad_alloc()` is compiled: an object of one word, which points behind the table's two first entries. */
void cxx_throw_bad_alloc(const struct cxx_runtime *r) {
    char **exception = r->allocate(sizeof *exception);
    *exception = r->table + 2 * sizeof(void *);
    r->throw(exception, r->type, r->destroy);
    __builtin_unreachable();
}
