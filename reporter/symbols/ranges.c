/* See ranges.h: DWARF 5 sections 2.17 and 7.25, DWARF 4 section 2.17.3, and the GNU forms before split units were
 * standard. */
#include "reporter/symbols/ranges.h"

#include <dwarf.h>

/* The attribute's bytes; bad where they are not in the section that they should be in. */
static struct cursor value_of(const struct ranges_unit *unit, const Dwarf_Attribute *attribute) {
    uint64_t first = (uint64_t)(uintptr_t)unit->info.at, at = (uint64_t)(uintptr_t)attribute->valp;
    if (!unit->info.at || at < first) return (struct cursor){.bad = true};
    return cursor_at(unit->info.at, unit->info.size, at - first);
}

static bool address_number(const struct ranges_unit *unit, uint64_t number, uint64_t *address) {
    if (number >= unit->addresses.size / 8) return false;
    struct cursor c = cursor_at(unit->addresses.at, unit->addresses.size, number * 8);
    *address = cursor_fixed(&c, 8);
    return !c.bad;
}

static bool address_of(const struct ranges_unit *unit, const Dwarf_Attribute *attribute, uint64_t *address) {
    struct cursor c = value_of(unit, attribute);
    uint64_t number = 0;
    switch (attribute->form) {
    case DW_FORM_addr:
        *address = cursor_fixed(&c, 8);
        return !c.bad;
    case DW_FORM_addrx:
    case DW_FORM_GNU_addr_index:
        number = cursor_uleb(&c);
        break;
    case DW_FORM_addrx1:
    case DW_FORM_addrx2:
    case DW_FORM_addrx3:
    case DW_FORM_addrx4:
        number = cursor_fixed(&c, attribute->form - DW_FORM_addrx1 + 1);
        break;
    default:
        return false;
    }
    return !c.bad && address_number(unit, number, address);
}

static bool is_address(unsigned form) {
    return form == DW_FORM_addr || form == DW_FORM_addrx || form == DW_FORM_GNU_addr_index ||
           (form >= DW_FORM_addrx1 && form <= DW_FORM_addrx4);
}

static void skip(struct bytes *bytes, uint64_t count) {
    bytes->at = count < bytes->size ? (const char *)bytes->at + count : NULL;
    bytes->size = count < bytes->size ? bytes->size - (size_t)count : 0;
}

void ranges_describe(struct ranges_unit *unit, Dwarf_Die *first) {
    Dwarf_Attribute attribute;
    Dwarf_Half version = 0;
    uint8_t address_size = 0, offset_size = 0;
    Dwarf_Word start = 0, lists = 0;
    bool known = dwarf_cu_info(first->cu, &version, NULL, NULL, NULL, NULL, &address_size, &offset_size) == 0;
    unit->version = version;
    unit->offset_size = offset_size;
    unit->bad = !known || address_size != 8;
    if (dwarf_formudata(dwarf_attr(first, DW_AT_addr_base, &attribute), &start) != 0)
        (void)dwarf_formudata(dwarf_attr(first, DW_AT_GNU_addr_base, &attribute), &start);
    skip(&unit->addresses, start);
    (void)dwarf_formudata(dwarf_attr(first, DW_AT_rnglists_base, &attribute), &lists);
    unit->lists_base = lists;
    if (dwarf_attr(first, DW_AT_low_pc, &attribute) && !address_of(unit, &attribute, &unit->base)) unit->bad = true;
}

static struct ranges failed(void) {
    return (struct ranges){.kind = RANGES_BAD};
}

static struct ranges one_of(const struct ranges_unit *unit, Dwarf_Die *die, const Dwarf_Attribute *end) {
    struct ranges ranges = {.unit = unit, .kind = RANGES_ONE};
    Dwarf_Attribute begin, attribute = *end;
    Dwarf_Word size = 0;
    if (!dwarf_attr(die, DW_AT_low_pc, &begin) || !address_of(unit, &begin, &ranges.low)) return failed();
    if (is_address(end->form)) return address_of(unit, end, &ranges.high) ? ranges : failed();
    if (dwarf_formudata(&attribute, &size) != 0) return failed();
    return __builtin_add_overflow(ranges.low, size, &ranges.high) ? failed() : ranges;
}

static struct ranges list_of(const struct ranges_unit *unit, const Dwarf_Attribute *attribute) {
    struct ranges ranges = {.unit = unit, .kind = RANGES_LIST, .base = unit->base};
    struct cursor c = value_of(unit, attribute);
    uint64_t offset = 0, size = unit->offset_size;
    switch (attribute->form) {
    case DW_FORM_rnglistx: { /* the number of an offset in the table at the unit's base */
        uint64_t place = 0;
        if (__builtin_mul_overflow(cursor_uleb(&c), size, &place) ||
            __builtin_add_overflow(place, unit->lists_base, &place) || c.bad)
            return failed();
        c = cursor_at(unit->lists.at, unit->lists.size, place);
        offset = cursor_fixed(&c, size);
        if (__builtin_add_overflow(offset, unit->lists_base, &offset)) return failed();
        break;
    }
    case DW_FORM_data4:
        size = 4;
        __attribute__((fallthrough));
    case DW_FORM_sec_offset:
        offset = cursor_fixed(&c, size);
        if (unit->version < 5 && __builtin_add_overflow(offset, unit->lists_base, &offset)) return failed();
        break;
    default:
        return failed();
    }
    if (c.bad) return failed();
    ranges.list = cursor_at(unit->lists.at, unit->lists.size, offset);
    return ranges.list.bad ? failed() : ranges;
}

struct ranges ranges_of(const struct ranges_unit *unit, Dwarf_Die *die) {
    Dwarf_Attribute attribute;
    if (dwarf_attr(die, DW_AT_high_pc, &attribute)) return unit->bad ? failed() : one_of(unit, die, &attribute);
    if (dwarf_attr(die, DW_AT_ranges, &attribute)) return unit->bad ? failed() : list_of(unit, &attribute);
    return (struct ranges){.kind = RANGES_NONE};
}

static enum ranges_step next_pair(struct ranges *ranges, uint64_t *low, uint64_t *high) {
    struct cursor *c = &ranges->list;
    while (!c->bad) {
        uint64_t first = cursor_fixed(c, 8), last = cursor_fixed(c, 8);
        if (c->bad) break;
        if (first == UINT64_MAX) {
            ranges->base = last;
            continue;
        }
        if (!first && !last) return RANGES_END;
        *low = ranges->base + first;
        *high = ranges->base + last;
        return RANGES_NEXT;
    }
    return RANGES_FAILED;
}

static bool address_next(struct ranges *ranges, uint64_t *address) {
    uint64_t number = cursor_uleb(&ranges->list);
    return !ranges->list.bad && address_number(ranges->unit, number, address);
}

static enum ranges_step next_entry(struct ranges *ranges, uint64_t *low, uint64_t *high) {
    struct cursor *c = &ranges->list;
    while (!c->bad) {
        bool good = true;
        switch (cursor_fixed(c, 1)) {
        case DW_RLE_end_of_list:
            return c->bad ? RANGES_FAILED : RANGES_END;
        case DW_RLE_base_addressx:
            if (!address_next(ranges, &ranges->base)) return RANGES_FAILED;
            continue;
        case DW_RLE_base_address:
            ranges->base = cursor_fixed(c, 8);
            continue;
        case DW_RLE_startx_endx:
            good = address_next(ranges, low) && address_next(ranges, high);
            break;
        case DW_RLE_startx_length:
            good = address_next(ranges, low);
            *high = *low + cursor_uleb(c);
            break;
        case DW_RLE_offset_pair:
            *low = ranges->base + cursor_uleb(c);
            *high = ranges->base + cursor_uleb(c);
            break;
        case DW_RLE_start_end:
            *low = cursor_fixed(c, 8);
            *high = cursor_fixed(c, 8);
            break;
        case DW_RLE_start_length:
            *low = cursor_fixed(c, 8);
            *high = *low + cursor_uleb(c);
            break;
        default:
            return RANGES_FAILED;
        }
        return good && !c->bad ? RANGES_NEXT : RANGES_FAILED;
    }
    return RANGES_FAILED;
}

enum ranges_step ranges_next(struct ranges *ranges, uint64_t *low, uint64_t *high) {
    *low = *high = 0;
    switch (ranges->kind) {
    case RANGES_ONE:
        ranges->kind = RANGES_NONE;
        *low = ranges->low;
        *high = ranges->high;
        return RANGES_NEXT;
    case RANGES_LIST:
        return ranges->unit->version < 5 ? next_pair(ranges, low, high) : next_entry(ranges, low, high);
    case RANGES_BAD:
        return RANGES_FAILED;
    case RANGES_NONE:
        break;
    }
    return RANGES_END;
}
