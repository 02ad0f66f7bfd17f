/* What the gate says of a baseline: what is new, what is more, what is over, what is gone. */
#ifndef WEIR_GATE_TELL_H
#define WEIR_GATE_TELL_H

#include <stdio.h>

#include "reporter/gate/baseline.h"

void tell_findings(const struct baseline *baseline, const struct findings *findings, enum policy policy, FILE *out);
void tell_gone(const struct baseline *baseline, FILE *out); /* after the last run */
void tell_updated(const struct baseline *baseline, FILE *out);

#endif
