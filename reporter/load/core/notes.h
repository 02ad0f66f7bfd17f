/* The notes of a core: its threads, its signal, the files that were mapped. */
#ifndef WEIR_LOAD_CORE_NOTES_H
#define WEIR_LOAD_CORE_NOTES_H

#include "reporter/load/core/image.h"

/* Those of one PT_NOTE segment; what is cut or impossible ends the list. */
void core_read_notes(struct core *core, uint64_t offset, uint64_t length);

#endif
