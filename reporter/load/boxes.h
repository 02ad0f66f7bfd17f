/* The boxes that are there: whose they are, and whether their process still runs. */
#ifndef WEIR_LOAD_BOXES_H
#define WEIR_LOAD_BOXES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "shim/box/format_box.h"

struct found_box {
    char *path;
    ino_t inode;
    time_t time; /* when it was made, or last written to otherwise than by its process */
    struct box_header header;
    const char *problem; /* NULL; or why it cannot be read */
    pid_t owner;         /* the process that has it mapped, by our number; 0: none that can be seen */
    bool unsure;         /* its process could not be looked into: it may be there after all */
};

struct boxes {
    struct found_box *found; /* in the order of their paths */
    size_t count, capacity;
};

/* In the folders weir.UID, this user's or for root everybody's, of `folder`, or of all places where programs leave
 * boxes: WEIR_BOX_DIR, XDG_RUNTIME_DIR, /dev/shm. Their owners are not looked for. */
void boxes_find(struct boxes *boxes, const char *folder);
void boxes_add(struct boxes *boxes, char *path);
void boxes_find_owners(struct boxes *boxes);
void boxes_free(struct boxes *boxes);

/* The path of the box of a process that runs, by our number; NULL: none is there, or can be seen. */
char *boxes_path_of(pid_t pid);

#endif
