/* See place.h. Each file is looked for once. */
#include "reporter/forms/place.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reporter/load/table.h"
#include "reporter/symbols/naming.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"

struct known {
    char *file, *path;
    bool own;
    UT_hash_handle hh;
};

struct places {
    char *root; /* "" where there is none; no slash at its end */
    struct known *table;
};

struct places *places_new(void) {
    static const char *const variables[] = {"GITHUB_WORKSPACE", "CI_PROJECT_DIR"};
    struct places *places = memory_get(1, sizeof *places);
    const char *given = NULL;
    for (size_t i = 0; i < sizeof variables / sizeof *variables && (!given || !*given); i++)
        given = getenv(variables[i]);
    char *root = given && *given ? realpath(given, NULL) : NULL;
    if (!root) root = realpath(".", NULL);
    places->root = root ? memory_text(root, strlen(root)) : memory_text("", 0);
    free(root);
    size_t length = strlen(places->root);
    if (length && places->root[length - 1] == '/') places->root[length - 1] = 0;
    return places;
}

void places_free(struct places *places) {
    struct known *next = NULL, *known = places->table;
    HASH_CLEAR(hh, places->table);
    for (; known; known = next) {
        next = known->hh.next;
        free(known->file);
        free(known->path);
        free(known);
    }
    free(places->root);
    free(places);
}

const char *places_root(const struct places *places) {
    return places->root;
}

static bool is_there(const struct places *places, const char *path) {
    struct stat status;
    char *full = memory_format("%s/%s", places->root, path);
    bool there = stat(full, &status) == 0 && S_ISREG(status.st_mode);
    free(full);
    return there;
}

/* The part of the file's path that is a file below the root; NULL: none is. */
static const char *below_root(const struct places *places, const char *file) {
    size_t root = strlen(places->root);
    if (strncmp(file, places->root, root) == 0 && file[root] == '/') {
        const char *rest = file + root + strspn(file + root, "/");
        if (is_there(places, rest)) return rest;
    }
    for (const char *rest = file; rest; rest = strchr(rest, '/')) {
        rest += strspn(rest, "/");
        if (*rest && strncmp(rest, "../", 3) != 0 && strncmp(rest, "./", 2) != 0 && is_there(places, rest)) return rest;
    }
    return NULL;
}

static const struct known *look(struct places *places, const char *file) {
    struct known *known = NULL;
    HASH_FIND_STR(places->table, file, known);
    if (known) return known;
    const char *own = below_root(places, file);
    known = memory_get(1, sizeof *known);
    known->file = memory_text(file, strlen(file));
    known->own = own != NULL;
    known->path = escape_string(own ? own : file);
    HASH_ADD_KEYPTR(hh, places->table, known->file, strlen(known->file), known);
    return known;
}

struct place places_of(struct places *places, const struct symbol_frame *symbol) {
    if (!symbol->file || !*symbol->file || !symbol->line) return (struct place){0};
    bool whole = symbol->file[0] == '/' || !symbol->folder;
    char *file = memory_format("%s%s%s", whole ? "" : symbol->folder, whole ? "" : "/", symbol->file);
    const struct known *known = look(places, file);
    free(file);
    return (struct place){known->path, symbol->line, known->own};
}

static bool is_same(const struct symbol_frame *a, const struct symbol_frame *b) {
    return a->brief == b->brief && a->file == b->file && a->line == b->line;
}

#define TRAIL_MOST 3
#define NAME_WIDTH 60

/* The trail, and a frame behind it where it is the user's own. Takes the trail. */
static char *add_to_trail(char *trail, struct places *places, const struct view *view,
                          const struct symbol_frame *symbol, size_t *count) {
    struct place place = places_of(places, symbol);
    if (!place.own || !symbol->brief || *count == TRAIL_MOST) return trail;
    char *name = frames_function(view, symbol, NAME_WIDTH);
    char *longer = memory_format("%s%s%s %s:%u", trail, (*count)++ ? " < " : "", name, place.path, place.line);
    free(name);
    free(trail);
    return longer;
}

char *places_trail(const struct view *view, const struct merged_site *site) {
    struct site_name name = naming_of(view->symbols, view->merged, site);
    struct places *places = places_new();
    char *trail = memory_text("", 0);
    size_t count = 0;
    for (const struct merged_frame *frame = name.frame; frame && frame < site->frames + site->frame_count; frame++) {
        struct symbol_chain chain = symbols_at(view->symbols, *frame);
        size_t first = 0;
        while (frame == name.frame && first + 1 < chain.count && !is_same(&chain.frames[first], &name.symbol)) first++;
        for (size_t i = first; i < chain.count; i++)
            trail = add_to_trail(trail, places, view, &chain.frames[i], &count);
    }
    places_free(places);
    if (*trail) return trail;
    char *place = NULL, *alone = frames_site(view, site, NAME_WIDTH, &place);
    free(trail);
    trail = memory_format("%s %s", alone, place);
    free(alone);
    free(place);
    return trail;
}

struct place places_of_site(struct places *places, const struct view *view, const struct merged_site *site) {
    struct site_name name = naming_of(view->symbols, view->merged, site);
    if (!name.frame) return (struct place){0};
    for (const struct merged_frame *frame = name.frame; frame < site->frames + site->frame_count; frame++) {
        struct symbol_chain chain = symbols_at(view->symbols, *frame);
        size_t first = 0; /* what is inlined into the name, an allocator's own, is nobody's place */
        while (frame == name.frame && first + 1 < chain.count && !is_same(&chain.frames[first], &name.symbol)) first++;
        for (size_t i = first; i < chain.count; i++) {
            struct place place = places_of(places, &chain.frames[i]);
            if (place.own) return place;
        }
    }
    return places_of(places, &name.symbol);
}
