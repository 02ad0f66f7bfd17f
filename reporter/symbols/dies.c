/* See dies.h. */
#include "reporter/symbols/dies.h"

#include <dwarf.h>
#include <string.h>

#include "reporter/symbols/object.h"

/* Whether it has an end in the section that it lies in. (What a unit says of its length may be wrong, too.) */
static bool ends(const Dwarf_Attribute *attribute, const char *text) {
    static const char *const names[] = {"info", "types"};
    const struct object object = {.fd = -1, .elf = dwarf_getelf(dwarf_cu_getdwarf(attribute->cu))};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bytes section = object_debug(&object, names[i]);
        uint64_t first = (uint64_t)(uintptr_t)section.at, at = (uint64_t)(uintptr_t)text;
        if (section.at && at >= first && at - first < section.size)
            return memchr(text, 0, section.size - (size_t)(at - first)) != NULL;
    }
    return false;
}

static const char *text_of(Dwarf_Attribute *attribute) {
    const char *text = dwarf_formstring(attribute);
    if (!text || attribute->form != DW_FORM_string) return text; /* others lie in sections that end with one */
    return ends(attribute, text) ? text : NULL;
}

const char *die_text(Dwarf_Die *die, unsigned name) {
    Dwarf_Attribute attribute;
    return text_of(dwarf_attr(die, name, &attribute));
}

const char *die_text_or_origins(Dwarf_Die *die, unsigned name) {
    Dwarf_Attribute attribute;
    return text_of(dwarf_attr_integrate(die, name, &attribute));
}

int die_language(Dwarf_Die *first) {
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    return dwarf_formudata(dwarf_attr(first, DW_AT_language, &attribute), &value) == 0 && value <= DW_LANG_hi_user
               ? (int)value
               : 0;
}
