/* uthash with the reporter's checked memory. */
#ifndef WEIR_LOAD_TABLE_H
#define WEIR_LOAD_TABLE_H

#include "reporter/load/memory.h"

#define uthash_malloc(size) memory_get(1, size)
#include <uthash.h>

#endif
