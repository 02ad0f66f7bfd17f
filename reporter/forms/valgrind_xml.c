/* Valgrind's XML of Memcheck, protocol 4 (docs/internals/xml-output-protocol4.txt in its sources), which Jenkins, Qt
 * Creator and others read: an error a site that is leaked, or may be. */
#include <stdlib.h>
#include <string.h>

#include "reporter/forms/forms.h"
#include "reporter/forms/xml.h"
#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"

static const char *kind_of(const struct merged_site *site) {
    if (site->suppressed || !site->blocks) return NULL;
    switch (site->verdict) {
    case DUMP_LEAKED:
        return "Leak_DefinitelyLost";
    case DUMP_INDIRECT:
        return "Leak_IndirectlyLost";
    case DUMP_POSSIBLE:
        return "Leak_PossiblyLost";
    case DUMP_IN_USE:
    case DUMP_UNKNOWN:
        break;
    }
    return NULL;
}

static void put_place(FILE *out, const struct symbol_frame *symbol) {
    char *file = escape_string(symbol->file), *slash = strrchr(file, '/');
    if (slash && slash > file) {
        *slash = 0;
        xml_element(out, "dir", file);
    }
    xml_element(out, "file", slash ? slash + 1 : file);
    if (symbol->line) (void)fprintf(out, "<line>%u</line>\n", symbol->line);
    free(file);
}

static void put_frame(const struct view *view, const struct symbol_frame *symbol, const struct merged_frame *frame) {
    const struct merged_module *module = view->merged->modules[frame->module];
    (void)fprintf(view->out, "<frame>\n<ip>0x%llX</ip>\n", (unsigned long long)frame->offset);
    if (module->path.length) {
        char *path = escape_text(module->path);
        xml_element(view->out, "obj", path);
        free(path);
    }
    if (symbol->function) {
        char *name = escape_string(symbol->function);
        xml_element(view->out, "fn", name);
        free(name);
    }
    if (symbol->file) put_place(view->out, symbol);
    (void)fputs("</frame>\n", view->out);
}

static void put_stack(const struct view *view, const struct merged_site *site) {
    struct symbol_frame unknown = {0};
    (void)fputs("<stack>\n", view->out);
    for (uint32_t i = 0; i < site->frame_count; i++) {
        struct symbol_chain chain = symbols_at(view->symbols, site->frames[i]);
        if (!chain.count) put_frame(view, &unknown, &site->frames[i]);
        for (size_t j = 0; j < chain.count; j++) put_frame(view, &chain.frames[j], &site->frames[i]);
    }
    if (!site->frame_count) (void)fputs("<frame>\n<ip>0x0</ip>\n</frame>\n", view->out); /* one is wanted */
    (void)fputs("</stack>\n", view->out);
}

static void put_error(const struct view *view, const struct merged_site *site, size_t number) {
    static const char *const words[] = {
        [DUMP_LEAKED] = "definitely lost", [DUMP_INDIRECT] = "indirectly lost", [DUMP_POSSIBLE] = "possibly lost"};
    uint64_t bytes = units_whole(site->all_bytes.value), blocks = units_whole(site->all_blocks.value);
    const char *about = samples_are_exact(&site->block_samples) ? "" : "about ";
    (void)fprintf(view->out, "<error>\n<unique>0x%zx</unique>\n<tid>1</tid>\n", number);
    xml_element(view->out, "kind", kind_of(site));
    (void)fprintf(view->out, "<xwhat>\n<text>%s%llu bytes in %s%llu blocks are %s</text>\n", about,
                  (unsigned long long)bytes, about, (unsigned long long)blocks, words[site->verdict]);
    (void)fprintf(view->out, "<leakedbytes>%llu</leakedbytes>\n<leakedblocks>%llu</leakedblocks>\n</xwhat>\n",
                  (unsigned long long)bytes, (unsigned long long)blocks);
    put_stack(view, site);
    (void)fputs("</error>\n", view->out);
}

static void put_arguments(FILE *out, const struct dump *dump) {
    struct text line = dump_text(dump, dump->process.command_line);
    const char *element = "exe";
    (void)fputs("<args>\n<vargv>\n<exe>weir</exe>\n</vargv>\n<argv>\n", out);
    for (size_t start = 0, i = 0; i <= line.length; i++) {
        if (i < line.length && line.bytes[i]) continue;
        if (i == line.length && start == i && start) break;
        char *argument = escape_text((struct text){line.bytes + start, i - start});
        xml_element(out, element, argument);
        free(argument);
        element = "arg";
        start = i + 1;
    }
    (void)fputs("</argv>\n</args>\n", out);
}

/* DD:HH:MM:SS.mmm */
static void put_status(FILE *out, const char *state, uint64_t ns) {
    uint64_t ms = ns / 1000000;
    (void)fprintf(out, "<status>\n<state>%s</state>\n<time>%02llu:%02llu:%02llu:%02llu.%03llu</time>\n</status>\n",
                  state, (unsigned long long)(ms / 86400000), (unsigned long long)(ms / 3600000 % 24),
                  (unsigned long long)(ms / 60000 % 60), (unsigned long long)(ms / 1000 % 60),
                  (unsigned long long)(ms % 1000));
}

static void put_head(FILE *out, const struct merged *merged) {
    const struct dump *dump = view_first(merged)->dump;
    (void)fputs("<?xml version=\"1.0\"?>\n<valgrindoutput>\n<protocolversion>4</protocolversion>\n"
                "<protocoltool>memcheck</protocoltool>\n<preamble>\n<line>weir " WEIR_VERSION ", in Memcheck's "
                "form</line>\n",
                out);
    if (merged->sampled) (void)fputs("<line>sizes are estimates from samples</line>\n", out);
    for (size_t i = 0; i < merged->reason_count; i++) {
        char *reason = escape_string(merged->reasons[i]);
        xml_element(out, "line", reason);
        free(reason);
    }
    (void)fprintf(out, "</preamble>\n<pid>%u</pid>\n<ppid>%u</ppid>\n<tool>memcheck</tool>\n", dump->process.pid,
                  dump->process.parent_pid);
    put_arguments(out, dump);
    put_status(out, "RUNNING", 0);
    put_status(out, "FINISHED", view_uptime(dump));
}

void form_valgrind_xml(const struct form_input *input) {
    const struct view *view = input->view;
    size_t count = 0, left = 0;
    view_resolve(view, VIEW_ALL);
    put_head(view->out, view->merged);
    for (size_t i = 0; i < view->merged->site_count; i++) {
        if (!kind_of(view->merged->sites[i])) continue;
        if (count < view->options.rows)
            put_error(view, view->merged->sites[i], count++);
        else
            left++;
    }
    (void)fputs("<errorcounts>\n</errorcounts>\n<suppcounts>\n</suppcounts>\n</valgrindoutput>\n", view->out);
    if (left) view_message("valgrind-xml: the first %zu; %zu more sites are left out (--top)", count, left);
}
