/* See dies.h. */
#include "reporter/symbols/dies.h"

#include <dwarf.h>
#include <string.h>

/* Where the attribute's unit ends; NULL: unknown. */
static const char *end_of(const Dwarf_Attribute *attribute) {
    Dwarf_Die first, same;
    Dwarf_Off next = 0;
    uint64_t signature = 0;
    Dwarf_Off type = 0;
    if (dwarf_cu_info(attribute->cu, NULL, NULL, &first, NULL, NULL, NULL, NULL) != 0) return NULL;
    Dwarf *dwarf = dwarf_cu_getdwarf(attribute->cu);
    Dwarf_Off offset = dwarf_dieoffset(&first), unit = offset - dwarf_cuoffset(&first);
    /* Else it is in .debug_types, which has offsets of its own. */
    bool plain = dwarf_offdie(dwarf, offset, &same) && same.addr == first.addr;
    int more = dwarf_next_unit(dwarf, unit, &next, NULL, NULL, NULL, NULL, NULL, plain ? NULL : &signature,
                               plain ? NULL : &type);
    return more == 0 && next > offset ? (const char *)first.addr + (next - offset) : NULL;
}

static const char *text_of(Dwarf_Attribute *attribute) {
    const char *text = dwarf_formstring(attribute);
    if (!text || attribute->form != DW_FORM_string) return text; /* others lie in sections that end with one */
    const char *end = end_of(attribute);
    return end && text < end && memchr(text, 0, (size_t)(end - text)) ? text : NULL;
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
