/* See marks.h. A dump without the mark may be an older one of a process of which a newer one has it; so that is judged
 * when all are known, and until then nothing of it counts. */
#include "reporter/load/marks.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/search.h"

static const char *wanted;

void marks_since(const char *mark) {
    wanted = mark;
}

static bool is_wanted(const struct dump *dump, const struct dump_mark *mark) {
    struct text name = dump_text(dump, mark->name);
    if (wanted[0] == '#') {
        char *end = NULL;
        unsigned long long number = strtoull(wanted + 1, &end, 10);
        if (wanted[1] >= '0' && wanted[1] <= '9' && !*end) return number == mark->number;
    }
    return name.length == strlen(wanted) && memcmp(name.bytes, wanted, name.length) == 0;
}

void marks_find(struct dump *dump) {
    if (!wanted) return;
    dump->limited = true;
    for (uint64_t i = 0; i < dump_count(dump, DUMP_MARKS); i++)
        if (is_wanted(dump, &dump_marks(dump)[i])) dump->mark = &dump_marks(dump)[i];
    dump->since = dump->mark ? dump->mark->time : UINT64_MAX;
}

static char *names_of(const struct dump *dump) {
    char *list = memory_text("", 0);
    for (uint64_t i = 0; i < dump_count(dump, DUMP_MARKS); i++) {
        struct text name = dump_text(dump, dump_marks(dump)[i].name);
        char *more = memory_format("%s%s%.*s", list, i ? ", " : "", (int)name.length, name.bytes);
        free(list);
        list = more;
    }
    return list;
}

static void say(struct merged *merged, const struct dump *dump) {
    char *names = names_of(dump);
    merged->reasons =
        memory_more(merged->reasons, &merged->reason_capacity, merged->reason_count + 1, sizeof *merged->reasons);
    merged->reasons[merged->reason_count++] =
        names[0] ? memory_format("%s: no mark is called %s; there are: %s", dump->path, wanted, names)
                 : memory_format("%s: no mark is called %s; there is none", dump->path, wanted);
    free(names);
}

bool marks_are_there(struct merged *merged) {
    bool any = !wanted;
    for (size_t i = 0; wanted && i < merged->part_count; i++) {
        const struct part *part = &merged->parts[i];
        if (part->older) continue;
        if (part->dump->mark)
            any = true;
        else
            say(merged, part->dump);
    }
    return any;
}

uint32_t marks_at(const struct dump *dump, uint64_t time) {
    return (uint32_t)search_upto(dump_marks(dump), (size_t)dump_count(dump, DUMP_MARKS), sizeof(struct dump_mark),
                                 time);
}

#define NAMES_MOST 64 /* of one site */

void marks_count(struct merged_site *site, const struct dump *dump, uint32_t mark, uint64_t blocks) {
    struct text name = mark ? dump_text(dump, dump_marks(dump)[mark - 1].name) : (struct text){"", 0};
    size_t i = 0;
    while (
        mark && i < site->mark_count &&
        (site->marks[i].name.length != name.length || memcmp(site->marks[i].name.bytes, name.bytes, name.length) != 0))
        i++;
    if (!mark || i == NAMES_MOST) {
        site->more_mark_blocks += blocks;
        return;
    }
    site->marks = memory_more(site->marks, &site->mark_capacity, i + 1, sizeof *site->marks);
    if (i == site->mark_count) site->marks[site->mark_count++].name = name;
    site->marks[i].blocks += blocks;
}
