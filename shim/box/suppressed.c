/* See suppressed.h. */
#include "shim/box/suppressed.h"
#include "shim/base/text.h"
#include "shim/box/modules.h"
#include "shim/box/names.h"
#include "shim/box/stacks.h"

#define KNOWN_FRAMES 4096u

static char list[SUPPRESSED_MAX];
static size_t length;

/* What was found out of a frame: whether a line covers it. By a hash; the newest of each place. */
static struct known {
    uint64_t frame;
    uint32_t how; /* STACK_… plus one; 0: an open place */
    bool covered;
} known[KNOWN_FRAMES];

void suppressed_set(const char *given) {
    if (length > 0 || !given) return;
    size_t n = str_length(given);
    if (n >= sizeof list)
        for (n = sizeof list - 1; n > 0 && given[n - 1] != '\n';) n--;
    mem_copy(list, given, n);
    list[n] = 0;
    length = n;
}

const char *suppressed_list(size_t *size) {
    *size = length;
    return list;
}

/* --- patterns --- */

struct pattern {
    const char *at, *end;
    bool begins, ends; /* ^ in front, $ behind */
};

/* The pattern's characters stand at the front of s, a * for any others. `ends`: nothing follows. */
static bool stands_at(const struct pattern *p, const char *s) {
    const char *at = p->at, *star = NULL, *from = NULL;
    for (;;) {
        if (at < p->end && *at == '*') {
            star = ++at;
            from = s;
        } else if (at == p->end && (!p->ends || !*s)) {
            return true;
        } else if (at < p->end && *s && *at == *s) {
            at++, s++;
        } else if (star && *from) {
            at = star;
            s = ++from;
        } else {
            return false;
        }
    }
}

static bool is_in(const struct pattern *p, const char *s) {
    if (p->begins) return stands_at(p, s);
    do
        if (stands_at(p, s)) return true;
    while (*s++);
    return false;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next line's; false: there is none any more. What is no line of ours, the reporter tells. */
static bool next_pattern(const char **from, struct pattern *p) {
    while (**from) {
        const char *line = *from, *end = line;
        while (*end && *end != '\n') end++;
        *from = end + (*end == '\n');
        while (line < end && is_blank(*line)) line++;
        while (end > line && is_blank(end[-1])) end--;
        const char *at = str_after(line, "leak:");
        if (!at || at >= end) continue;
        *p = (struct pattern){at, end, *at == '^', end[-1] == '$'};
        if (p->begins) p->at++;
        if (p->ends && p->end > p->at) p->end--;
        return true;
    }
    return false;
}

/* --- stacks --- */

static bool covers(const char *name, const char *plain, const char *path) {
    const char *from = list;
    struct pattern p;
    while (next_pattern(&from, &p))
        if ((*name && is_in(&p, name)) || (*plain && is_in(&p, plain)) || (*path && is_in(&p, path))) return true;
    return false;
}

static bool frame_is_covered(uint64_t frame, uint32_t how) {
    char plain[512];
    struct known *k = &known[(frame * 0x9e3779b97f4a7c15u) >> 52];
    if (k->frame == frame && k->how == how + 1) return k->covered;
    uint32_t module = DUMP_FRAME_MODULE(frame);
    const char *path = module < module_count() ? module_at(module)->path : "";
    const char *name = names_of_frame(frame, (how & STACK_EXACT) != 0);
    if (!names_plain(name, plain, sizeof plain)) plain[0] = 0;
    *k = (struct known){frame, how + 1, covers(name, plain, path)};
    return k->covered;
}
_Static_assert(KNOWN_FRAMES == 1u << (64 - 52), "a hash of so many bits");

bool suppressed_covers(uint32_t stack) {
    if (length == 0) return false;
    for (uint32_t id = stack; stack_is_one(id); id = stack_at(id)->outer)
        if (frame_is_covered(stack_at(id)->frame, stack_at(id)->how)) return true;
    return false;
}

void suppressed_end(void) {
    names_end();
}
