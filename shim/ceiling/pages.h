/* The map of the address space: which pages the program has mapped, and as what. Three planes of a bit a page.
 *
 * A radix tree over the 47 bits of an address: nodes of 128 GiB, pieces of 128 MiB. A piece has a bitmap a plane only
 * where not all its pages are alike; what is reserved by the terabyte costs 8 bytes a piece. Nothing is locked: bits
 * change by atomic or and and, whose result says which of them changed, so each page is counted once by whoever changed
 * it. A signal handler and a child of fork find every bit as some call has left it. Who maps a page owns its bits:
 * nobody else's call is about them at the same time, unless the program is wrong. */
#ifndef WEIR_CEILING_PAGES_H
#define WEIR_CEILING_PAGES_H

#include "shim/base/base.h"

enum pages_plane {
    PAGES_OURS,    /* private and anonymous, whatever may be done to it */
    PAGES_CHARGED, /* of those, the writable ones */
    PAGES_MAPPED,  /* files, and shared memory */
    PAGES_PLANES
};

#define PAGES_END ((uintptr_t)1 << 47) /* of what a program can map */

/* Once. `owners`: pages will have some. False: no address space for the tables. */
bool pages_start(bool owners);

/* Room in the tables for any change of these pages. False: memory was refused. Addresses and sizes here are bytes, and
 * multiples of a page; ranges end at PAGES_END at the latest. */
bool pages_make_room(uintptr_t from, size_t n);

/* Bytes whose bit was changed by this. Where there is no room in the tables a piece stays as it is. */
size_t pages_set(enum pages_plane plane, uintptr_t from, size_t n);
size_t pages_clear(enum pages_plane plane, uintptr_t from, size_t n);

/* Pages have an owner each: a number from 1 to PAGES_OWNER_MAX, or none, 0. Gives these pages to one; their number,
 * which is less where there was no room in the tables. `lost` is told what others had of them. */
#define PAGES_OWNER_MAX ((1u << 29) - 1)
size_t pages_own(uintptr_t from, size_t n, uint32_t owner, void (*lost)(uint32_t owner, size_t pages));
uint32_t pages_owner(uintptr_t at);

/* Bytes whose bit is set. */
size_t pages_count(enum pages_plane plane, uintptr_t from, size_t n);

/* Bytes of the plane in all, and the most that it ever had. */
size_t pages_total(enum pages_plane plane);
size_t pages_peak(enum pages_plane plane);

/* Where the map lies, for the reader of a core (box/beacon.c): the nodes' addresses, how many, the bitmaps' address,
 * and the shifts of what a node covers and a piece. pages.c has what an entry of a node means. */
struct pages_places {
    uint64_t nodes, node_count, at_tables, node_shift, piece_shift;
    uint64_t totals, peaks;
};
extern const struct pages_places pages_places HIDDEN;

/* The first page at or after `from`, and before `end`, whose bit is `value`; else `end`. */
uintptr_t pages_find(enum pages_plane plane, bool value, uintptr_t from, uintptr_t end);

#endif
