/* See line_files.h; DWARF 5 section 6.2.4.1, DWARF 4 section 6.2.4. */
#include "reporter/symbols/line_files.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"

#define MAX_FORMATS 16

/* A terminated text; NULL: it does not end in there. */
static const char *text_at(struct cursor *c) {
    const char *text = (const char *)c->at;
    size_t left = (size_t)(c->end - c->at), length = left ? strnlen(text, left) : 0;
    if (length == left) {
        c->bad = true;
        return NULL;
    }
    c->at += length + 1;
    return text;
}

static const char *text_in(struct bytes section, uint64_t offset) {
    struct cursor c = cursor_at(section.at, section.size, offset);
    return c.bad ? NULL : text_at(&c);
}

static void add_folder(struct line_files *files, const char *name) {
    files->folders =
        memory_more(files->folders, &files->folder_capacity, files->folder_count + 1, sizeof *files->folders);
    files->folders[files->folder_count++] = name;
}

static void add_file(struct line_files *files, const char *name, uint64_t folder) {
    files->files = memory_more(files->files, &files->file_capacity, files->file_count + 1, sizeof *files->files);
    files->files[files->file_count++] = (struct line_file){.name = name, .folder = folder};
}

/* Names one after the other, an empty one at the end; number 0 of each is not in the list. */
static void read_old(struct line_files *files, struct cursor *c, const char *base) {
    add_folder(files, base);
    add_file(files, NULL, 0);
    for (const char *name = NULL; (name = text_at(c)) != NULL && *name;) add_folder(files, name);
    for (const char *name = NULL; (name = text_at(c)) != NULL && *name;) {
        uint64_t folder = cursor_uleb(c);
        (void)cursor_uleb(c); /* time */
        (void)cursor_uleb(c); /* size */
        if (!c->bad) add_file(files, name, folder);
    }
}

struct format {
    uint64_t content, form;
};

struct reader {
    struct cursor *c;
    size_t width;
    const struct line_sections *sections;
};

static void skip(struct cursor *c, uint64_t bytes) {
    if (bytes > (uint64_t)(c->end - c->at)) c->bad = true;
    c->at = c->bad ? c->end : c->at + bytes;
}

/* A text, or a number. */
static void read_value(const struct reader *r, uint64_t form, const char **text, uint64_t *number) {
    switch (form) {
    case DW_FORM_string:
        *text = text_at(r->c);
        return;
    case DW_FORM_line_strp:
        *text = text_in(r->sections->line_str, cursor_fixed(r->c, r->width));
        return;
    case DW_FORM_strp:
        *text = text_in(r->sections->str, cursor_fixed(r->c, r->width));
        return;
    case DW_FORM_udata:
        *number = cursor_uleb(r->c);
        return;
    case DW_FORM_data1:
        *number = cursor_fixed(r->c, 1);
        return;
    case DW_FORM_data2:
        *number = cursor_fixed(r->c, 2);
        return;
    case DW_FORM_data4:
        *number = cursor_fixed(r->c, 4);
        return;
    case DW_FORM_data8:
        *number = cursor_fixed(r->c, 8);
        return;
    case DW_FORM_data16: /* a checksum */
        skip(r->c, 16);
        return;
    case DW_FORM_block:
        skip(r->c, cursor_uleb(r->c));
        return;
    default:
        r->c->bad = true;
    }
}

/* Each entry takes a byte at least, so that the bytes there are bound their number. */
static void read_table(const struct reader *r, struct line_files *files, bool folders) {
    struct format formats[MAX_FORMATS] = {{0}};
    uint64_t format_count = cursor_fixed(r->c, 1);
    if (format_count > MAX_FORMATS) r->c->bad = true;
    for (uint64_t i = 0; i < format_count && !r->c->bad; i++) {
        formats[i].content = cursor_uleb(r->c);
        formats[i].form = cursor_uleb(r->c);
    }
    uint64_t count = cursor_uleb(r->c);
    if (!format_count && count) r->c->bad = true;
    for (uint64_t i = 0; i < count && !r->c->bad; i++) {
        const char *name = NULL;
        uint64_t folder = 0;
        for (uint64_t j = 0; j < format_count; j++) {
            const char *text = NULL;
            uint64_t number = 0;
            read_value(r, formats[j].form, &text, &number);
            if (formats[j].content == DW_LNCT_path) name = text;
            if (formats[j].content == DW_LNCT_directory_index) folder = number;
        }
        if (r->c->bad) return;
        if (folders)
            add_folder(files, name);
        else
            add_file(files, name, folder);
    }
}

void line_files_read(struct line_files *files, struct cursor tables, unsigned version, size_t width,
                     const struct line_sections *sections, const char *base) {
    struct reader reader = {&tables, width, sections};
    *files = (struct line_files){0};
    if (version < 5) {
        read_old(files, &tables, base);
        return;
    }
    read_table(&reader, files, true);
    read_table(&reader, files, false);
}

void line_files_free(struct line_files *files) {
    for (size_t i = 0; i < files->file_count; i++) free(files->files[i].path);
    free(files->folders);
    free(files->files);
    *files = (struct line_files){0};
}

const char *line_files_path(struct line_files *files, uint64_t number) {
    struct line_file *file = number < files->file_count ? &files->files[number] : NULL;
    if (!file || !file->name || !*file->name) return NULL;
    const char *folder = file->folder < files->folder_count ? files->folders[file->folder] : NULL;
    bool beside = file->name[0] != '/' && folder && *folder;
    if (!file->path) file->path = memory_format("%s%s%s", beside ? folder : "", beside ? "/" : "", file->name);
    return file->path;
}
