/* See baseline_file.h. */
#include "reporter/gate/baseline_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"

#define FILE_MOST    ((off_t)64 << 20)
#define ENTRIES_MOST 1000000u
#define COUNT(list)  (sizeof(list) / sizeof *(list))

/* --- dates --- */

static bool is_leap(unsigned year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool baseline_is_date(const char *text) {
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year, month, day;
    for (size_t i = 0; i < 10; i++)
        if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
    if (text[10] || sscanf(text, "%4u-%2u-%2u", &year, &month, &day) != 3) return false;
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1]) return false;
    return month != 2 || day < 29 || is_leap(year);
}

static void set_today(char *today) {
    time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts)) (void)strftime(today, 11, "%Y-%m-%d", &parts);
}

/* --- reading --- */

static bool has_only(const json_t *object, const char *const *names, size_t count, char **why) {
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)object, key, value) {
        size_t i = 0;
        while (i < count && strcmp(key, names[i]) != 0) i++;
        if (i < count) continue;
        char *harmless = escape_string(key);
        *why = memory_format("unknown member \"%s\"", harmless);
        free(harmless);
        return false;
    }
    return true;
}

/* A string that is there and not empty; NULL otherwise. */
static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text && *text ? text : NULL;
}

static bool number_of(const json_t *object, const char *name, json_int_t least, uint64_t *number) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < least) return false;
    *number = (uint64_t)json_integer_value(value);
    return true;
}

static const char *why_bad(const json_t *object, struct baseline_entry *entry, enum dump_verdict *verdict) {
    const char *word = text_of(object, "verdict");
    const json_t *expires = json_object_get(object, "expires"), *reason = json_object_get(object, "reason");
    if (!text_of(object, "site")) return "site: a text is wanted";
    if (!word || (strcmp(word, "leaked") != 0 && strcmp(word, "possible") != 0))
        return "verdict: \"leaked\" or \"possible\" is wanted";
    *verdict = *word == 'l' ? DUMP_LEAKED : DUMP_POSSIBLE;
    if (!number_of(object, "blocks", 1, &entry->blocks)) return "blocks: a whole number of at least 1 is wanted";
    if (!number_of(object, "bytes", 0, &entry->bytes)) return "bytes: a whole number of at least 0 is wanted";
    if (reason && !text_of(object, "reason")) return "reason: a text is wanted";
    if (expires && !reason) return "expires: what has no reason does not expire";
    if (expires && (!json_is_string(expires) || !baseline_is_date(json_string_value(expires))))
        return "expires: a date as 2030-12-31 is wanted";
    return NULL;
}

static char *read_entry(struct baseline *baseline, const json_t *object, size_t number) {
    static const char *const names[] = {"site", "verdict", "blocks", "bytes", "reason", "expires"};
    struct baseline_entry read = {0}, *entry = NULL;
    enum dump_verdict verdict = DUMP_LEAKED;
    char *why = NULL;
    if (!json_is_object(object)) return memory_format("sites[%zu]: an object is wanted", number);
    if (!has_only(object, names, COUNT(names), &why)) {
        char *whole = memory_format("sites[%zu]: %s", number, why);
        free(why);
        return whole;
    }
    const char *bad = why_bad(object, &read, &verdict);
    if (bad) return memory_format("sites[%zu].%s", number, bad);
    char *site = escape_string(text_of(object, "site"));
    entry = baseline_add(&baseline->entries, site, verdict);
    free(site);
    if (!entry) return memory_format("sites[%zu].site: it is there twice", number);
    entry->blocks = read.blocks;
    entry->bytes = read.bytes;
    const char *reason = text_of(object, "reason"), *expires = text_of(object, "expires");
    if (reason) entry->reason = memory_text(reason, strlen(reason));
    if (expires) memcpy(entry->expires, expires, 10);
    return NULL;
}

static char *read_root(struct baseline *baseline, const json_t *root) {
    static const char *const names[] = {"$schema", "schema", "platform", "sites"};
    const char *schema = text_of(root, "schema"), *platform = text_of(root, "platform");
    const json_t *sites = json_object_get(root, "sites");
    char *why = NULL;
    if (!schema || strcmp(schema, BASELINE_SCHEMA) != 0)
        return memory_format("it is no baseline, or of another version: schema \"%s\" is wanted", BASELINE_SCHEMA);
    if (!has_only(root, names, COUNT(names), &why)) return why;
    if (!platform) return memory_format("platform: a text is wanted");
    if (!json_is_array(sites) || json_array_size(sites) > ENTRIES_MOST)
        return memory_format("sites: an array is wanted, of %u entries at most", ENTRIES_MOST);
    baseline->platform = escape_string(platform);
    for (size_t i = 0; i < json_array_size(sites) && !why; i++) why = read_entry(baseline, json_array_get(sites, i), i);
    baseline_sort(&baseline->entries);
    return why;
}

static char *read_stream(struct baseline *baseline, FILE *file) {
    json_error_t error;
    struct stat status;
    if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) return memory_format("it is no regular file");
    if (status.st_size > FILE_MOST) return memory_format("it is larger than 64 MiB");
    json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        char *text = escape_string(error.text), *why = memory_format("line %d: %s", error.line, text);
        free(text);
        return why;
    }
    char *why = read_root(baseline, root);
    json_decref(root);
    return why;
}

char *baseline_read(struct baseline *baseline, const char *path) {
    FILE *file = fopen(path, "re");
    int error = errno;
    baseline->path = path;
    set_today(baseline->today);
    if (!file) return error == ENOENT ? NULL : memory_format("%s: %s", path, strerror(error));
    baseline->exists = true;
    char *why = read_stream(baseline, file), *whole = why ? memory_format("%s: %s", path, why) : NULL;
    free(why);
    (void)fclose(file);
    return whole;
}

/* --- writing --- */

static json_t *entry_json(const struct baseline_entry *entry) {
    json_t *object = json_object();
    (void)json_object_set_new(object, "site", json_string(entry->site));
    (void)json_object_set_new(object, "verdict", json_string(entry->verdict == DUMP_LEAKED ? "leaked" : "possible"));
    (void)json_object_set_new(object, "blocks", json_integer((json_int_t)entry->blocks));
    (void)json_object_set_new(object, "bytes", json_integer((json_int_t)entry->bytes));
    if (entry->reason) (void)json_object_set_new(object, "reason", json_string(entry->reason));
    if (entry->expires[0]) (void)json_object_set_new(object, "expires", json_string(entry->expires));
    return object;
}

static json_t *root_json(const struct baseline *baseline) {
    json_t *root = json_object(), *sites = json_array();
    (void)json_object_set_new(root, "schema", json_string(BASELINE_SCHEMA));
    (void)json_object_set_new(root, "platform", json_string(baseline->platform ? baseline->platform : "unknown"));
    for (size_t i = 0; i < baseline->entries.count; i++)
        (void)json_array_append_new(sites, entry_json(baseline->entries.list[i]));
    (void)json_object_set_new(root, "sites", sites);
    return root;
}

static bool write_all(const json_t *root, int fd) {
    FILE *file = fdopen(fd, "w");
    if (!file) {
        (void)close(fd);
        return false;
    }
    bool written =
        json_dumpf(root, file, JSON_INDENT(2)) == 0 && fputc('\n', file) != EOF && fflush(file) == 0 && fsync(fd) == 0;
    int error = errno;
    written = fclose(file) == 0 && written;
    if (error) errno = error;
    return written;
}

/* Beside the file, and in its place once it is whole. */
char *baseline_write(const struct baseline *baseline) {
    char *fresh = memory_format("%s.new.%d", baseline->path, (int)getpid()), *why = NULL;
    json_t *root = root_json(baseline);
    errno = 0;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || !write_all(root, fd) || rename(fresh, baseline->path) != 0) {
        why = memory_format("%s: cannot be written: %s", baseline->path, strerror(errno ? errno : EIO));
        if (fd >= 0) (void)unlink(fresh);
    }
    json_decref(root);
    free(fresh);
    return why;
}
