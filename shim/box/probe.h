/* What a program was started under may forbid calls that weir only makes when it is asked for a dump: a filter that
 * kills for them would kill the program then. (Those that a program sets by itself are known, base/filter.h.) */
#ifndef WEIR_BOX_PROBE_H
#define WEIR_BOX_PROBE_H

/* Once a process, before the first such call: tries them in a copy of it, where there are filters that were not seen to
 * be set. What that does not survive is not made any more. */
void probe_calls(void);

#endif
