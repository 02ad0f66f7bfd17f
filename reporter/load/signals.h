/* Names of signals, as WEIR_SIGNAL takes them. */
#ifndef WEIR_LOAD_SIGNALS_H
#define WEIR_LOAD_SIGNALS_H

#include <stdbool.h>

#define SIGNAL_DEFAULT 63 /* SIGRTMAX-1 */

/* A number, a name with or without SIG, RTMIN+n, RTMAX-n, or none (0). False: not one that may be used. */
bool signal_parse(const char *text, int *number);
const char *signal_name(int number); /* SIGUSR2, SIGRTMIN+29; valid until the next call */

#endif
