/* Stacks in JSON: a member "frames" and one "stack_notes" of the object that is open. */
#ifndef WEIR_VIEW_JSON_STACK_H
#define WEIR_VIEW_JSON_STACK_H

#include "reporter/view/json_writer.h"
#include "reporter/view/view.h"

/* Of a writer that writes stacks, from its beginning to its end. */
struct json_frames *json_frames_new(void);
void json_frames_free(struct json_frames *frames);

void json_stack(struct json *json, const struct view *view, const struct merged_frame *frames, uint32_t count,
                uint32_t flags);

#endif
