/* A dump while the program goes on: a copy of the process writes it. */
#ifndef WEIR_BOX_SNAPSHOT_H
#define WEIR_BOX_SNAPSHOT_H

#include "shim/base/interrupted.h"
#include "shim/box/format.h"

/* Takes the dump signal where it is at its default, and dumps at the ceiling, as WEIR_DUMP_AT says. From the
 * constructor. */
/* `wake` is called first: a child of fork may be asked before it has called anything else of weir's. */
void snapshot_start(void (*wake)(void));

/* For whoever holds threads by the dump signal (scan/park.h): what the handler calls in a thread that was sent it with
 * this si_code, which no one else uses. Whether the signal still is weir's. */
#define SNAPSHOT_HOLDS (-0x7765)
extern bool (*snapshot_park)(void *context, struct interrupted_call *before);
extern void (*snapshot_passed)(void);
bool snapshot_handles(void);

/* The last dump of a program that a signal ends: a copy writes it, and is waited for. False: there is none. `context`:
 * of the signal whose handler this is; `holds`: other threads are held meanwhile, where leaks are looked for. */
bool snapshot_last(enum dump_reason reason, int number, void *context, bool holds);

/* What `weir set` wants, see format.h: why nothing was changed, NULL: it was. */
extern const char *(*snapshot_change)(char *settings);

#endif
