/* In whose frame a word of a stack lies. Asked while a dump is written, of stacks on which nobody goes on. */
#ifndef WEIR_TRACK_FRAME_H
#define WEIR_TRACK_FRAME_H

#include "shim/scan/whose.h"

/* See whose_frame. */
struct whose_from frame_of_word(struct whose_from from, uintptr_t word);

#endif
