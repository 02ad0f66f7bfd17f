/* Building a profile; see profile.h. Names are looked up once for each location, not for each place in a stack. */
#include "reporter/forms/profile.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/table.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/units.h"

/* Locations that are no code: behind those of `frames`, in this order. */
enum words { WORDS_SHORT, WORDS_NONE, WORDS_OTHERS, WORDS };
static const char *const words[] = {"(outer frames are not known)", "(no stack)", "(others, each little)"};

struct function_entry {
    struct {
        const char *name, *linked, *file;
    } key; /* names are the same where their addresses are */
    uint32_t number;
    UT_hash_handle hh;
};

struct name_entry {
    char *name;
    UT_hash_handle hh;
};

struct building {
    struct profile *profile;
    struct frame_set frames;
    struct function_entry *functions;
    struct name_entry *names;
    size_t function_capacity, line_capacity, stack_capacity, number_capacity;
};

/* With the names behind it, which live as long. */
struct owned {
    struct profile profile;
    struct name_entry *names;
};

/* Takes it. */
static const char *keep(struct building *building, char *name) {
    struct name_entry *entry = NULL;
    size_t length = strlen(name);
    HASH_FIND(hh, building->names, name, length, entry);
    if (entry) {
        free(name);
        return entry->name;
    }
    entry = memory_get(1, sizeof *entry);
    entry->name = name;
    HASH_ADD_KEYPTR(hh, building->names, entry->name, length, entry);
    return entry->name;
}

static uint32_t function_of(struct building *building, const char *name, const char *linked, const char *file) {
    struct profile *profile = building->profile;
    struct function_entry *entry = NULL, key = {.key = {name, linked, file}};
    unsigned char bytes[sizeof key.key]; /* uthash reads keys by the byte */
    memcpy(bytes, &key.key, sizeof bytes);
    HASH_FIND(hh, building->functions, bytes, sizeof bytes, entry);
    if (entry) return entry->number;
    entry = memory_get(1, sizeof *entry);
    *entry = key;
    entry->number = (uint32_t)profile->function_count;
    profile->functions = memory_more(profile->functions, &building->function_capacity, profile->function_count + 1,
                                     sizeof *profile->functions);
    profile->functions[profile->function_count++] = (struct profile_function){name, linked, file};
    HASH_ADD(hh, building->functions, key, sizeof entry->key, entry);
    return entry->number;
}

static void add_line(struct building *building, uint32_t function, uint32_t line, bool inlined) {
    struct profile *profile = building->profile;
    profile->lines =
        memory_more(profile->lines, &building->line_capacity, profile->line_count + 1, sizeof *profile->lines);
    profile->lines[profile->line_count++] = (struct profile_line){function, line, inlined};
}

static void add_symbol(struct building *building, const struct merged_frame *frame, const struct symbol_frame *symbol) {
    const char *brief = symbol->brief ? symbol->brief : symbol->function;
    const char *name = brief && *brief ? keep(building, escape_string(brief))
                                       : keep(building, frames_address(building->profile->view, frame));
    const char *linked = symbol->linked && *symbol->linked ? keep(building, escape_string(symbol->linked)) : name;
    const char *file = keep(building, escape_string(symbol->file ? symbol->file : ""));
    add_line(building, function_of(building, name, linked, file), symbol->line, symbol->inlined);
}

static void fill_location(struct building *building, size_t number) {
    struct profile *profile = building->profile;
    const struct merged_frame *frame = &building->frames.frames[number];
    struct symbol_chain chain = symbols_at(profile->view->symbols, *frame);
    struct symbol_frame unknown = {0};
    struct profile_location *location = &profile->locations[number];
    location->module = profile->view->merged->modules[frame->module];
    location->offset = frame->offset;
    location->first_line = (uint32_t)profile->line_count;
    if (!chain.count) add_symbol(building, frame, &unknown);
    for (size_t i = 0; i < chain.count; i++) add_symbol(building, frame, &chain.frames[i]);
    location->line_count = (uint32_t)profile->line_count - location->first_line;
}

static void fill_words(struct building *building, size_t number, const char *text) {
    struct profile *profile = building->profile;
    const char *name = keep(building, memory_text(text, strlen(text)));
    profile->locations[number] =
        (struct profile_location){.first_line = (uint32_t)profile->line_count, .line_count = 1};
    add_line(building, function_of(building, name, name, keep(building, memory_text("", 0))), 0, false);
}

static void fill_locations(struct building *building) {
    struct profile *profile = building->profile;
    symbols_prefetch(profile->view->symbols, building->frames.frames, building->frames.count);
    profile->location_count = building->frames.count + WORDS;
    profile->locations = memory_get(profile->location_count, sizeof *profile->locations);
    for (size_t i = 0; i < building->frames.count; i++) fill_location(building, i);
    for (size_t i = 0; i < WORDS; i++) fill_words(building, building->frames.count + i, words[i]);
}

static void put_ever(uint64_t *values, const struct merged_totals *ever) {
    values[VALUE_ALLOCATED_BYTES] = units_whole(ever->bytes);
    values[VALUE_ALLOCATED_BLOCKS] = units_whole(ever->allocations);
    values[VALUE_PEAK_BYTES] = units_whole(ever->peak_bytes);
    values[VALUE_PEAK_BLOCKS] = units_whole(ever->peak_blocks);
}

static void put_live(uint64_t *values, const struct merged_site *site) {
    bool leaked = (site->verdict == DUMP_LEAKED || site->verdict == DUMP_INDIRECT) && !site->suppressed;
    if (!site->blocks) return;
    values[VALUE_LIVE_BYTES] = units_whole(site->all_bytes.value);
    values[VALUE_LIVE_BLOCKS] = units_whole(site->all_blocks.value);
    if (!leaked) return;
    values[VALUE_LEAKED_BYTES] = values[VALUE_LIVE_BYTES];
    values[VALUE_LEAKED_BLOCKS] = values[VALUE_LIVE_BLOCKS];
}

static struct profile_stack *add_stack(struct building *building, const struct merged_site *site, uint32_t most) {
    struct profile *profile = building->profile;
    profile->stacks =
        memory_more(profile->stacks, &building->stack_capacity, profile->stack_count + 1, sizeof *profile->stacks);
    profile->numbers =
        memory_more(profile->numbers, &building->number_capacity, profile->number_count + most, sizeof(uint32_t));
    struct profile_stack *stack = &profile->stacks[profile->stack_count++];
    *stack = (struct profile_stack){.site = site, .first = profile->number_count};
    return stack;
}

/* What is no code has numbers from the end until it is known how many locations there are. */
static void push(struct profile *profile, struct profile_stack *stack, uint32_t number) {
    profile->numbers[profile->number_count++] = number;
    stack->count++;
}

static void add_site(struct building *building, const struct merged_site *site) {
    struct profile *profile = building->profile;
    uint64_t values[PROFILE_VALUES] = {0}, sum = 0;
    put_live(values, site);
    put_ever(values, &site->ever);
    for (size_t i = 0; i < PROFILE_VALUES; i++) sum |= values[i];
    if (!sum || site->pool) return;
    struct profile_stack *stack = add_stack(building, site, site->frame_count + 1);
    memcpy(stack->values, values, sizeof values);
    for (uint32_t i = 0; i < site->frame_count; i++)
        push(profile, stack, frame_set_add(&building->frames, site->frames[i]));
    if (!site->frame_count)
        push(profile, stack, UINT32_MAX - WORDS_NONE);
    else if (site->flags & (DUMP_STACK_CUT | DUMP_STACK_LOST))
        push(profile, stack, UINT32_MAX - WORDS_SHORT);
}

static void add_others(struct building *building, const struct merged_totals *others) {
    if (!others->samples && others->bytes <= 0) return;
    struct profile_stack *stack = add_stack(building, NULL, 1);
    put_ever(stack->values, others);
    push(building->profile, stack, UINT32_MAX - WORDS_OTHERS);
}

static void number_words(struct building *building) {
    uint32_t *numbers = building->profile->numbers;
    for (size_t i = 0; i < building->profile->number_count; i++)
        if (numbers[i] > UINT32_MAX - WORDS) numbers[i] = (uint32_t)building->frames.count + (UINT32_MAX - numbers[i]);
}

static void add_up(struct profile *profile) {
    for (size_t i = 0; i < profile->stack_count; i++)
        for (size_t j = 0; j < PROFILE_VALUES; j++)
            if (__builtin_add_overflow(profile->totals[j], profile->stacks[i].values[j], &profile->totals[j]))
                profile->totals[j] = UINT64_MAX;
}

struct profile *profile_new(const struct view *view) {
    struct owned *owned = memory_get(1, sizeof *owned);
    struct building building = {.profile = &owned->profile};
    const struct merged *merged = view->merged;
    owned->profile.view = view;
    for (size_t i = 0; i < merged->site_count; i++) add_site(&building, merged->sites[i]);
    add_others(&building, &merged->others);
    number_words(&building);
    fill_locations(&building);
    add_up(&owned->profile);
    frame_set_free(&building.frames);
    struct function_entry *next = NULL, *function = building.functions;
    HASH_CLEAR(hh, building.functions);
    for (; function; function = next) {
        next = function->hh.next;
        free(function);
    }
    owned->names = building.names;
    return &owned->profile;
}

void profile_free(struct profile *profile) {
    struct owned *owned = (struct owned *)profile; /* its first member */
    if (!profile) return;
    struct name_entry *next = NULL, *name = owned->names;
    HASH_CLEAR(hh, owned->names);
    for (; name; name = next) {
        next = name->hh.next;
        free(name->name);
        free(name);
    }
    free(profile->functions);
    free(profile->lines);
    free(profile->locations);
    free(profile->stacks);
    free(profile->numbers);
    free(owned);
}

static const struct {
    const char *name, *title, *estimated;
    bool bytes;
} values_known[PROFILE_VALUES] = {
    [VALUE_LIVE_BYTES] = {"live_bytes", "live bytes", "live bytes (estimates)", true},
    [VALUE_LIVE_BLOCKS] = {"live_blocks", "live blocks", "live blocks (estimates)", false},
    [VALUE_LEAKED_BYTES] = {"leaked_bytes", "leaked bytes", "leaked bytes (estimates)", true},
    [VALUE_LEAKED_BLOCKS] = {"leaked_blocks", "leaked blocks", "leaked blocks (estimates)", false},
    [VALUE_ALLOCATED_BYTES] = {"allocated_bytes", "allocated bytes", "allocated bytes (estimates)", true},
    [VALUE_ALLOCATED_BLOCKS] = {"allocated_blocks", "allocated blocks", "allocated blocks (estimates)", false},
    [VALUE_PEAK_BYTES] = {"peak_bytes", "bytes at the peak", "bytes at the peak (estimates)", true},
    [VALUE_PEAK_BLOCKS] = {"peak_blocks", "blocks at the peak", "blocks at the peak (estimates)", false}};

const char *profile_value_name(enum profile_value value) {
    return values_known[value].name;
}

bool profile_value_is_bytes(enum profile_value value) {
    return values_known[value].bytes;
}

const char *profile_value_title(const struct profile *profile, enum profile_value value) {
    return profile->view->merged->sampled ? values_known[value].estimated : values_known[value].title;
}

enum profile_value profile_value_of(const char *name) {
    enum profile_value value = VALUE_LIVE_BYTES;
    while (value < PROFILE_VALUES && strcmp(values_known[value].name, name) != 0) value++;
    return value;
}

uint64_t profile_period(const struct merged *merged) {
    uint64_t sum = 0, highest = 0;
    if (!merged->sampled || !merged_stat(merged, STAT_SAMPLE_BYTES, &sum, &highest) || !highest) return 1;
    return highest;
}
