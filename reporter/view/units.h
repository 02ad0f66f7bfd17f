/* Numbers as people read them. Each returns a text that stays valid for a few more calls. */
#ifndef WEIR_VIEW_UNITS_H
#define WEIR_VIEW_UNITS_H

#include <stdint.h>

const char *units_bytes(uint64_t bytes); /* 512 B, 4.0 KiB, 207 MiB */
/* Numbers of a range, in the unit in which units_bytes shows `value`: 187, 0.75. */
const char *units_bytes_as(uint64_t value, double bytes);
const char *units_short(uint64_t bytes);     /* 512B, 4.0K, 496.0M: header lines */
const char *units_count(uint64_t count);     /* 52,942 */
uint64_t units_whole(double value);          /* the nearest that there is, 0 to 2^63 */
const char *units_age(uint64_t nanoseconds); /* 0s, 48m, 1h 02m, 3d 04h */

#endif
