/* The file that a box lies in: where it is made, and that it goes. One a process; the caller holds LOCK_BOX, or is the
 * only thread. */
#ifndef WEIR_BOX_LIVE_FILE_H
#define WEIR_BOX_LIVE_FILE_H

#include "shim/base/base.h"

/* Makes a file of so many bytes, all of them holes, and maps it there. False: nowhere is room for it, which is said
 * once where a folder was asked for. */
bool live_file_make(char *at, size_t size, uint32_t pid);

/* Room for a part of it, of whole pages, which is mapped there. False: there is none. */
bool live_file_fill(char *at, size_t offset, size_t n);

extern char live_file_path[1200] HIDDEN; /* absolute; empty: there is none */
uint64_t live_file_inode(void);

/* Takes it away, if its name still leads to it; what is mapped stays. */
void live_file_remove(void);

/* One line, once: a kill will have lost something, or all. */
void live_file_say_full(void);
void live_file_say_none(void);

#endif
