/* Names of functions, as the file of a module has them in its table of symbols, which is rarely loaded: for what the
 * program says of its own functions. The file is asked only where it is the one that was loaded, by its build-id, or
 * fingerprint. For one reader at a time, who holds LOCK_DUMP or is alone. */
#ifndef WEIR_BOX_NAMES_H
#define WEIR_BOX_NAMES_H

#include "shim/base/base.h"

/* The name of the function that a frame of the stack table is in, as the linker knows it; "": not known. It holds until
 * names_end. `exact`: the frame is no return address. */
const char *names_of_frame(uint64_t frame, bool exact);

/* Whether a name in the program's table of symbols has this in it; quick, since most have not. */
bool names_program_has(const char *part);

/* Where the program itself defines a function of this name; NULL: it does not, or its file has no symbols left. */
void *names_in_program(const char *name);

/* Gives back what was read. */
void names_end(void);

/* A name of C++'s as LeakSanitizer's lists write it, without parameters: "space::type::method". False: it is none, or
 * is made of more than names one inside the other. */
bool names_plain(const char *linked, char *out, size_t size);

#endif
