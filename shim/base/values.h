/* Kinds of values that options have. */
#ifndef WEIR_BASE_VALUES_H
#define WEIR_BASE_VALUES_H

#include "shim/base/base.h"

/* 1 to 100, and a percent sign. */
bool value_percent(const char *s, uint64_t *out);

/* Bytes, with K, M, G or T of 1024, from 1 to 2^63 - 1; or a percentage of the memory that the process may have. */
bool value_size(const char *s, uint64_t *out);

#endif
