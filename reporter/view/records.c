/* Access records of a site's block, in the words of Netty's leak detector. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

#define FRAMES_SHOWN 6
#define WHAT_MOST    40
#define WHAT_WIDTH   24 /* its column, beside "    #1: " */

static char *what_of(const struct merged_site *site, const struct dump_record *record) {
    struct text hint = dump_text(site->record_dump, record->hint);
    if (!hint.length) return view_what(record);
    char *harmless = escape_text(hint), *what = memory_format("Hint: %s", harmless);
    free(harmless);
    return what;
}

/* The first record with the same frames. */
static size_t first_like(const struct merged_site *site, size_t i) {
    const struct merged_record *record = &site->records[i];
    size_t j = 0;
    for (; j < i; j++) {
        const struct merged_record *other = &site->records[j];
        if (other->frame_count != record->frame_count || !record->frame_count) continue;
        if (memcmp(other->frames, record->frames, record->frame_count * sizeof *record->frames) == 0) break;
    }
    return j;
}

static void print_record(const struct view *view, const struct merged_site *site, size_t i) {
    const struct merged_record *record = &site->records[i];
    char *what = what_of(site, record->record);
    if (!view->options.full) (void)escape_fit(what, WHAT_MOST, false);
    size_t width = escape_width(what);
    int padding = width < WHAT_WIDTH ? (int)(WHAT_WIDTH - width) : 0;
    (void)fprintf(view->out, "    #%zu: %s%*s %s ago, thread %u\n", i + 1, what, padding, "", units_age(record->age),
                  record->record->thread);
    size_t like = first_like(site, i);
    if (like < i && !view->options.full)
        (void)fprintf(view->out, "        as #%zu\n", like + 1);
    else
        view_stack_brief(view, record->frames, record->frame_count, FRAMES_SHOWN);
    free(what);
}

void view_records(const struct view *view, const struct merged_site *site) {
    if (!site->record_count) return;
    (void)fputs("    Recent access records", view->out);
    if (site->blocks > 1)
        (void)fprintf(view->out, " of the block at 0x%llx, the last accessed of %s",
                      (unsigned long long)site->records[0].record->address, units_count(site->record_blocks));
    (void)fputs(":\n", view->out);
    for (size_t i = 0; i < site->record_count; i++) print_record(view, site, i);
}

void view_discarded(const struct view *view, const struct merged_site *site) {
    if (!site->record_count || !site->record_discarded) return;
    struct text target = dump_option_value(site->record_dump, "WEIR_TARGET_RECORDS");
    char *harmless = escape_text(target);
    (void)fprintf(view->out, "    : %s record%s discarded%s%s%s\n", units_count(site->record_discarded),
                  site->record_discarded == 1 ? " was" : "s were", target.length ? " (WEIR_TARGET_RECORDS=" : "",
                  harmless, target.length ? ")" : "");
    free(harmless);
}
