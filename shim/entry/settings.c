/* See settings.h. Whoever has looked at an option before is told here. */
#include "shim/entry/settings.h"
#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/box/dump.h"
#include "shim/box/format.h"
#include "shim/box/marks.h"
#include "shim/ceiling/ceiling.h"
#include "shim/entry/hooks.h"
#include "shim/track/track.h"

/* A mark comes alone: it cannot be taken back where another line is refused. */
static const char *mark(const char *name) {
    size_t n = 0;
    while (name[n] && name[n] != '\n') n++;
    if (name[n] && name[n + 1]) return "a mark comes alone";
    return mark_set(name, n) ? NULL : "another mark is being set just now";
}

const char *settings_change(char *lines) {
    const char *name = str_after(lines, DUMP_MARK_SETTING);
    if (name) return mark(name);
    const struct options before = options;
    const char *why = options_change(lines);
    if (!why && options.level != before.level && !track_set_level(options.level)) {
        options = before;
        why = before.harden ? "with WEIR_HARDEN every block is checked until the end"
                            : "it began at level disabled and has no tables; began at simple, it could be changed";
    }
    if (why) return why;
    dump_note_options();
    io_follow_level();
    ceiling_set();
    message_be_quiet(options.quiet);
    if (options.sample_rate != before.sample_rate) arena_set_rate(options.sample_rate);
    if (tls.depth == 0 && !arena_gate_is_shut()) ceiling_look(); /* else whoever leaves weir next */
    return NULL;
}
