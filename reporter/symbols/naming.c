/* Choosing the frame that names a site; naming.h has the rule. */
#include "reporter/symbols/naming.h"

#include <string.h>

#include "reporter/symbols/jitted.h"
#include "reporter/symbols/skipped.h"

/* Beginnings of file names: what follows is a version (libc.so.6, libc-2.31.so, ld-linux-x86-64.so.2). */
static const char *const runtime_modules[] = {"libweir.so", "libc.so",   "libc-2.",    "libc.musl-", "ld-linux",
                                              "ld-musl",    "ld-2.",     "ld.so",      "libgcc_s",   "libstdc++",
                                              "libc++.",    "libc++abi", "libpthread", "libdl"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

struct text naming_module(const struct merged_module *module) {
    struct text name = module->path;
    for (size_t i = 0; i < module->path.length; i++)
        if (module->path.bytes[i] == '/') {
            name.bytes = module->path.bytes + i + 1;
            name.length = module->path.length - i - 1;
        }
    return name;
}

bool naming_is_runtime(const struct merged_module *module) {
    struct text name = naming_module(module);
    if (module->flags & DUMP_MODULE_WEIR) return true;
    if (module->flags & DUMP_MODULE_PROGRAM) return false;
    for (size_t i = 0; i < COUNT(runtime_modules); i++) {
        size_t length = strlen(runtime_modules[i]);
        if (name.length >= length && memcmp(name.bytes, runtime_modules[i], length) == 0) return true;
    }
    return false;
}

/* Rust's own types have no module in front of them: methods of theirs are the core library's. */
static bool is_primitive(const char *type) {
    static const char *const names[] = {"u8",  "u16",  "u32",   "u64",  "u128", "usize", "i8",  "i16", "i32",
                                        "i64", "i128", "isize", "bool", "char", "str",   "f32", "f64", "()"};
    size_t length = strcspn(type, " >]");
    for (size_t i = 0; i < COUNT(names); i++)
        if (strlen(names[i]) == length && strncmp(type, names[i], length) == 0) return true;
    return type[0] == '[';
}

static bool is_runtime_function(const char *function) {
    if (function[0] == '<') {
        function += 1 + strspn(function + 1, "&*");
        if (strncmp(function, "mut ", 4) == 0) function += 4;
        if (strncmp(function, "const ", 6) == 0) function += 6;
        if (is_primitive(function)) return true;
    }
    return skipped(function);
}

/* A runtime's own library may be written in the language that it runs: Node.js has a scheme for the files of its. */
static bool is_runtime(const struct symbol_frame *symbol) {
    if (symbol->file && strncmp(symbol->file, "node:", 5) == 0) return true;
    return symbol->brief && is_runtime_function(symbol->brief);
}

static bool is_skipped(struct symbols *symbols, struct merged_frame frame) {
    struct symbol_chain chain = symbols_at(symbols, frame);
    for (size_t i = 0; i < chain.count; i++)
        if (!is_runtime(&chain.frames[i])) return false;
    return chain.count > 0;
}

/* A frame without a name that one to be skipped has called, in the same module: it is that one's own. Or in any module,
 * where it is an interpreter that stands for a function that nobody names. */
#define INSIDE_MOST 2
static bool is_inside(struct symbols *symbols, const struct merged_site *site, uint32_t i, bool interpreted) {
    for (uint32_t j = i + 1; j < site->frame_count && j <= i + INSIDE_MOST; j++) {
        if (!interpreted && site->frames[j].module != site->frames[i].module) return false;
        if (is_skipped(symbols, site->frames[j])) return true;
    }
    return false;
}

struct site_name naming_of(struct symbols *symbols, const struct merged *merged, const struct merged_site *site) {
    struct site_name name = {{0}, NULL};
    for (uint32_t i = 0; i < site->frame_count; i++) {
        struct merged_frame *frame = &site->frames[i];
        struct symbol_chain chain = symbols_at(symbols, *frame);
        bool runtime = naming_is_runtime(merged->modules[frame->module]);
        if (!name.frame) name = (struct site_name){chain.count ? chain.frames[0] : (struct symbol_frame){0}, frame};
        if (runtime) continue;
        bool named = chain.count && chain.frames[0].brief;
        bool interpreted = named && jitted_is_unknown(chain.frames[0].brief);
        if ((!named || interpreted) && is_inside(symbols, site, i, interpreted)) continue;
        if (!chain.count) return (struct site_name){{0}, frame};
        for (size_t j = 0; j < chain.count; j++)
            if (!is_runtime(&chain.frames[j])) return (struct site_name){chain.frames[j], frame};
    }
    return name;
}
