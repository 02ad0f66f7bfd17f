/* What a verdict is made by: rules, baseline, repeats; from the gate's flags and the files that they name. */
#ifndef WEIR_GATE_SETTINGS_H
#define WEIR_GATE_SETTINGS_H

#include <getopt.h>

#include "reporter/gate/baseline.h"
#include "reporter/gate/rules.h"
#include "reporter/symbols/suppress.h"

#define SETTINGS_FIRST   512 /* option numbers from here on are settings_take's */
#define SETTINGS_OPTIONS 15
#define RULES_FILE       "weir.rules" /* read where the gate is started, if it is there */

struct settings {
    struct rules rules;
    struct baseline baseline; /* path NULL: there is none */
    struct acceptance acceptance;
    struct suppressions suppressions;
    const char *rules_path, *baseline_path; /* NULL: not given */
    bool updates;
    size_t repeat, warm_up;
};

extern const struct option settings_options[SETTINGS_OPTIONS];

void settings_start(struct settings *settings);
bool settings_take(struct settings *settings, int option, const char *value); /* false: it is wrong; that was said */
bool settings_finish(struct settings *settings);                              /* after the last flag; likewise */
void settings_free(struct settings *settings);

/* Whether a verdict is about identities; and whether about those of what is in use, too. */
bool settings_need_findings(const struct settings *settings);
bool settings_need_all(const struct settings *settings);

enum policy settings_policy(const struct settings *settings);

#endif
