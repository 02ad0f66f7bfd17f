/* See scopes.h. An entry does not say what it lies in, so one pass over its unit notes for each scope where it begins
 * and ends. Bounded as walk.c is. */
#include "reporter/symbols/scopes.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/search.h"
#include "reporter/symbols/demangle.h"
#include "reporter/symbols/dies.h"

#define MAX_DEPTH 256
#define MAX_PARTS 32
#define MAX_NAME  4096 /* of a whole name, as when it is demangled */
#define NO_SCOPE  UINT32_MAX

struct scope {
    Dwarf_Off begin, end; /* of its entries; end 0: that of the scope around it */
    uint32_t around;
};

struct scopes {
    struct scopes *next;
    Dwarf *dwarf;
    Dwarf_Off unit;
    struct scope *list; /* by begin */
    size_t count, capacity;
    uint64_t budget;
};

static bool is_scope(int tag) {
    return tag == DW_TAG_namespace || tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
           tag == DW_TAG_union_type || tag == DW_TAG_subprogram;
}

static void note(struct scopes *scopes, Dwarf_Die *parent, uint32_t around, unsigned depth) {
    Dwarf_Die die;
    if (depth >= MAX_DEPTH || dwarf_child(parent, &die) != 0) return;
    for (;;) {
        uint32_t inside = around;
        if (!scopes->budget) return;
        scopes->budget--;
        if (dwarf_haschildren(&die) && is_scope(dwarf_tag(&die))) {
            scopes->list = memory_more(scopes->list, &scopes->capacity, scopes->count + 1, sizeof *scopes->list);
            inside = (uint32_t)scopes->count++;
            scopes->list[inside] = (struct scope){.begin = dwarf_dieoffset(&die), .around = around};
        }
        if (dwarf_haschildren(&die)) note(scopes, &die, inside, depth + 1);
        if (dwarf_siblingof(&die, &die) != 0) return;
        if (inside != around) scopes->list[inside].end = dwarf_dieoffset(&die);
    }
}

static struct scopes *scopes_of(struct scopes **all, Dwarf_Die *die) {
    Dwarf_Die first;
    Dwarf_Off next = 0;
    if (!dwarf_diecu(die, &first, NULL, NULL)) return NULL;
    Dwarf *dwarf = dwarf_cu_getdwarf(die->cu);
    Dwarf_Off unit = dwarf_dieoffset(&first), begin = unit - dwarf_cuoffset(&first);
    for (struct scopes *at = *all; at; at = at->next)
        if (at->dwarf == dwarf && at->unit == unit) return at;
    /* Units of types that lie in a section of their own have offsets of their own. */
    Dwarf_Die same;
    if (!dwarf_offdie(dwarf, unit, &same) || same.addr != first.addr) return NULL;
    struct scopes *scopes = memory_get(1, sizeof *scopes);
    *scopes = (struct scopes){.next = *all, .dwarf = dwarf, .unit = unit};
    *all = scopes;
    if (dwarf_next_unit(dwarf, begin, &next, NULL, NULL, NULL, NULL, NULL, NULL, NULL) == 0 && next > begin)
        scopes->budget = next - begin;
    note(scopes, &first, NO_SCOPE, 0);
    return scopes;
}

static bool contains(const struct scopes *scopes, uint32_t scope, Dwarf_Off offset) {
    while (scope != NO_SCOPE && !scopes->list[scope].end) scope = scopes->list[scope].around;
    return scope == NO_SCOPE || offset < scopes->list[scope].end;
}

/* The innermost scope around an entry. */
static uint32_t scope_at(const struct scopes *scopes, Dwarf_Off offset) {
    size_t low = search_below(scopes->list, scopes->count, sizeof *scopes->list, offset);
    uint32_t scope = low ? (uint32_t)(low - 1) : NO_SCOPE;
    while (scope != NO_SCOPE && !contains(scopes, scope, offset)) scope = scopes->list[scope].around;
    return scope;
}

/* What was declared elsewhere has its name and its place there. */
static Dwarf_Die origin_of(Dwarf_Die die) {
    Dwarf_Attribute attribute;
    for (int steps = 0; steps < 16; steps++) {
        Dwarf_Die next;
        if (!dwarf_attr(&die, DW_AT_abstract_origin, &attribute) && !dwarf_attr(&die, DW_AT_specification, &attribute))
            break;
        if (!dwarf_formref_die(&attribute, &next)) break;
        die = next;
    }
    return die;
}

/* A type whose definition lies in a unit of its own may have its name there only. */
static const char *name_of(Dwarf_Die *die) {
    Dwarf_Attribute attribute;
    Dwarf_Die definition;
    const char *name = die_text_or_origins(die, DW_AT_name);
    if (name || !dwarf_attr(die, DW_AT_signature, &attribute) || !dwarf_formref_die(&attribute, &definition))
        return name;
    return die_text_or_origins(&definition, DW_AT_name);
}

/* gcc calls a lambda's type <lambda(int)>, and a reader of templates would fold that; clang gives it no name. */
static char *scope_text(Dwarf_Die *die, const char *inner) {
    const char *name = name_of(die);
    if (dwarf_tag(die) == DW_TAG_namespace && (!name || !*name)) return memory_format("(anonymous namespace)");
    if (!name || !*name) return memory_format(strcmp(inner, "operator()") == 0 ? "{lambda}" : "{unnamed}");
    size_t length = strlen(name);
    if (strncmp(name, "<lambda", 7) == 0 && name[length - 1] == '>')
        return memory_format("{%.*s}", (int)(length - 2), name + 1);
    return memory_text(name, length);
}

static char *linked_text(Dwarf_Die *die) {
    const char *linked = die_text_or_origins(die, DW_AT_linkage_name);
    if (!linked) linked = die_text_or_origins(die, DW_AT_MIPS_linkage_name);
    return linked ? demangle(linked, true) : NULL;
}

char *scopes_name(struct scopes **scopes, Dwarf_Die *function) {
    Dwarf_Die die = origin_of(*function);
    const char *own = die_text_or_origins(&die, DW_AT_name);
    if (!own) return NULL;
    char *name = memory_text(own, strnlen(own, MAX_NAME));
    for (int parts = 0; parts < MAX_PARTS && strlen(name) < MAX_NAME; parts++) {
        struct scopes *unit = scopes_of(scopes, &die);
        if (!unit) break;
        uint32_t scope = scope_at(unit, dwarf_dieoffset(&die));
        if (scope >= unit->count || !dwarf_offdie(unit->dwarf, unit->list[scope].begin, &die)) break;
        bool is_function = dwarf_tag(&die) == DW_TAG_subprogram;
        char *whole = is_function ? linked_text(&die) : NULL;
        char *around = whole ? whole : scope_text(&die, name), *longer = memory_format("%s::%s", around, name);
        free(around);
        free(name);
        name = longer;
        if (whole) break; /* it says what it lies in by itself */
        die = origin_of(die);
    }
    if (strlen(name) > MAX_NAME) name[MAX_NAME] = 0;
    return name;
}

void scopes_free(struct scopes *scopes) {
    while (scopes) {
        struct scopes *next = scopes->next;
        free(scopes->list);
        free(scopes);
        scopes = next;
    }
}
