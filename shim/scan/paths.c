/* See paths.h. What is noted while memory is searched are addresses; what they are is told as the dump is written. */
#include "shim/scan/paths.h"
#include "shim/base/sys.h"
#include "shim/box/contents.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"

#define NAMES_BYTES (32 * KIB)
#define WAYS        (BLOCKS_PLANES - BLOCKS_REACHED)

struct path {
    const char *block;
    struct whose whose;
    uint64_t word; /* address of the root's */
    uint64_t left_out;
    uint32_t name, name_length; /* in `names` */
    uint32_t how;               /* enum blocks_plane */
    uint32_t count;
    struct paths_step steps[DUMP_STEPS_MOST];
};

uint32_t *paths_number;
uint32_t paths_sites;
static struct path *paths;
static uint32_t path_count;
static char names[NAMES_BYTES];
static uint32_t names_used;

#define NUMBERS_SIZE round_up((size_t)WAYS *paths_sites * sizeof *paths_number, PAGE)
#define PATHS_SIZE   round_up(DUMP_PATHS_MOST * sizeof(struct path), PAGE)

void paths_begin(void) {
    path_count = names_used = 0;
    whose_begin();
    paths_sites = state_tracking() ? stack_count() : 0;
    if (paths_sites == 0) return;
    paths_number = sys_mmap(NULL, NUMBERS_SIZE, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    paths = sys_mmap(NULL, PATHS_SIZE, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    if (!paths_number || !paths) paths_end();
}

void paths_end(void) {
    if (paths_number) sys_munmap(paths_number, NUMBERS_SIZE);
    if (paths) sys_munmap(paths, PATHS_SIZE);
    paths_number = NULL;
    paths = NULL;
    paths_sites = path_count = 0;
}

bool paths_are_at(uintptr_t address) {
    return (paths_number && address - (uintptr_t)paths_number < NUMBERS_SIZE) ||
           (paths && address - (uintptr_t)paths < PATHS_SIZE);
}

bool paths_is_outdated(uint32_t number) {
    return blocks_bit_before(BLOCKS_INDIRECT, paths[number - 1].block);
}

/* A mapping may hold many roots: its name is kept once for those that come one after the other. */
static void note_name(struct path *p, const char *name) {
    const struct path *last = p > paths ? p - 1 : NULL;
    size_t n = str_length(name);
    if (last && last->name_length == n && mem_equal(names + last->name, name, n)) {
        p->name = last->name;
        p->name_length = last->name_length;
    } else if (n <= NAMES_BYTES - names_used) {
        mem_copy(names + names_used, name, n);
        p->name = names_used;
        p->name_length = (uint32_t)n;
        names_used += (uint32_t)n;
    }
}

/* Inherited blocks are their maker's to tell of. */
void paths_add(enum blocks_plane how, const struct block *b, const struct root *root, const struct paths_step *steps,
               size_t count, uint64_t left_out) {
    uint32_t *number = &paths_number[(size_t)(how - BLOCKS_REACHED) * paths_sites + b->side->stack];
    if (state_is_inherited(b->side) || (*number == 0 && path_count == DUMP_PATHS_MOST)) return;
    if (*number == 0) *number = ++path_count;
    struct path *p = &paths[*number - 1];
    *p = (struct path){.block = b->start, .left_out = left_out, .how = how, .count = (uint32_t)count};
    bool has_word = root->kind == ROOT_MEMORY || root->kind == ROOT_POOL;
    p->word = has_word ? root->address + 8 * steps[0].word : root->kind == ROOT_EPOLL ? root->address : 0;
    p->whose = whose_is((struct root){root->kind, p->word});
    note_name(p, p->whose.name);
    mem_copy(p->steps, steps, count * sizeof *steps);
}

/* --- writing --- */

/* What was found to be in use after all, or is given back since by a thread that runs, is left out. */
static bool is_true(const struct path *p) {
    bool judged = blocks_bit(BLOCKS_LIVE, p->block);
    return judged &&
           (p->how != BLOCKS_PAST || (blocks_bit(BLOCKS_POSSIBLE, p->block) && !blocks_bit(BLOCKS_REACHED, p->block)));
}

static const struct side *side_of(const char *start, uint64_t *size) {
    struct block block = {0};
    char *past;
    if (!blocks_find((uintptr_t)start, &block, &past)) return NULL;
    *size = block.size;
    return block.side;
}

static void write_step(struct contents *c, const struct path *p, uint32_t i) {
    uint64_t size = 0, word = i + 1 < p->count ? p->steps[i + 1].word : 0;
    const struct side *side = side_of(p->steps[i].start, &size);
    bool unknown = i + 1 == PATHS_HALF && p->left_out > 0; /* what it leads to is left out */
    struct dump_step s = {.address = (uintptr_t)p->steps[i].start,
                          .size = size,
                          .stack = side ? contents_stack(c, side->stack) : DUMP_STEP_UNTRACKED,
                          .offset = unknown || word >= PATHS_FAR ? DUMP_STEP_FAR : (uint32_t)(8 * word)};
    writer_add(&c->w, &s, sizeof s);
}

static void write_path(struct contents *c, const struct path *p, uint32_t first_step) {
    uint64_t size;
    const struct side *side = side_of(p->block, &size);
    struct dump_path d = {.address = (uintptr_t)p->block,
                          .stack = side ? contents_stack(c, side->stack) : 0,
                          .verdict = dump_verdicts->of(p->block),
                          .root = p->whose.kind,
                          .flags =
                              (p->how == BLOCKS_PAST ? DUMP_PATH_PAST : 0) | (p->whose.exact ? DUMP_PATH_EXACT : 0),
                          .word = p->word,
                          .place = p->whose.place,
                          .left_out = p->left_out,
                          .thread = p->whose.thread,
                          .first_step = first_step,
                          .steps = p->count,
                          .name = contents_string(c, names + p->name, p->name_length)};
    if (d.thread) contents_note_thread(c, d.thread);
    writer_add(&c->w, &d, sizeof d);
}

void paths_write(struct contents *c) {
    uint32_t steps = 0;
    writer_begin(&c->w, DUMP_PATHS, sizeof(struct dump_path));
    for (uint32_t i = 0; i < path_count; i++) {
        if (!is_true(&paths[i])) continue;
        write_path(c, &paths[i], steps);
        steps += paths[i].count;
    }
    writer_end(&c->w);
    writer_begin(&c->w, DUMP_STEPS, sizeof(struct dump_step));
    for (uint32_t i = 0; i < path_count; i++)
        for (uint32_t j = 0; is_true(&paths[i]) && j < paths[i].count; j++) write_step(c, &paths[i], j);
    writer_end(&c->w);
}
