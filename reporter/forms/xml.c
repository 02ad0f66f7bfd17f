/* See xml.h. */
#include "reporter/forms/xml.h"

#include <stdbool.h>
#include <string.h>

static const char *escaped(char byte, bool attribute) {
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;"; /* also in ]]> */
    case '"':
        return "&quot;";
    case '\n':
        return attribute ? "&#10;" : NULL; /* else it is a space there */
    default:
        return NULL;
    }
}

static void put(FILE *out, const char *text, bool attribute) {
    while (*text) {
        size_t plain = strcspn(text, "&<>\"\n\xef");
        (void)fwrite(text, 1, plain, out);
        text += plain;
        if (!*text) return;
        const char *instead = escaped(*text, attribute);
        if (instead) {
            (void)fputs(instead, out);
            text++;
        } else if (text[1] == '\xbf' && (text[2] == '\xbe' || text[2] == '\xbf')) {
            (void)fputs(text[2] == '\xbe' ? "\\xef\\xbf\\xbe" : "\\xef\\xbf\\xbf", out);
            text += 3;
        } else
            (void)fputc(*text++, out);
    }
}

void xml_text(FILE *out, const char *text) {
    put(out, text, false);
}

void xml_element(FILE *out, const char *name, const char *text) {
    (void)fprintf(out, "<%s>", name);
    xml_text(out, text);
    (void)fprintf(out, "</%s>\n", name);
}

void xml_attribute(FILE *out, const char *name, const char *text) {
    (void)fprintf(out, " %s=\"", name);
    put(out, text, true);
    (void)fputc('"', out);
}
