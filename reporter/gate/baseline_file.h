/* A baseline as a file: reading, which believes nothing, and writing. For baseline.c. */
#ifndef WEIR_GATE_BASELINE_FILE_H
#define WEIR_GATE_BASELINE_FILE_H

#include "reporter/gate/baseline.h"

#define BASELINE_SCHEMA "weir-baseline-1"

/* NULL: it is there already. */
struct baseline_entry *baseline_add(struct baseline_entries *entries, const char *site, enum dump_verdict verdict);
void baseline_sort(struct baseline_entries *entries);  /* by site */
char *baseline_write(const struct baseline *baseline); /* NULL, or what is wrong */

#endif
