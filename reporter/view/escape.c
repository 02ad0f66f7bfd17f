/* Making text harmless; see escape.h. */
#include "reporter/view/escape.h"

#include <string.h>

#include "reporter/load/memory.h"

/* Bytes of the character at `at`, 0 where it is not valid UTF-8; its number goes to *code. */
static size_t decode(const unsigned char *at, size_t left, uint32_t *code) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (!length || length > left) return 0;
    *code = length == 1 ? at[0] : at[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2) return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    bool wrong = *code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000);
    return wrong ? 0 : length;
}

static bool is_harmless(uint32_t code) {
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
    if (code == 0x061c || (code >= 0x200b && code <= 0x200f)) return false; /* marks and invisible characters */
    if (code >= 0x2028 && code <= 0x202e) return false;                     /* line ends, embeddings, overrides */
    if (code >= 0x2060 && code <= 0x206f) return false;                     /* invisible operators, isolates */
    return code != 0xfeff && !(code >= 0xfff9 && code <= 0xfffb) && !(code >= 0xe0000 && code <= 0xe0fff);
}

char *escape_text(struct text text) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)text.bytes;
    char *escaped = memory_get(text.length * 4 + 1, 1), *to = escaped;
    for (size_t i = 0; i < text.length;) {
        uint32_t code = 0;
        size_t length = decode(bytes + i, text.length - i, &code);
        if (length && is_harmless(code)) {
            memcpy(to, bytes + i, length);
            to += length;
            i += length;
            continue;
        }
        for (size_t end = i + (length ? length : 1); i < end; i++) {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = digits[bytes[i] >> 4];
            *to++ = digits[bytes[i] & 15];
        }
    }
    return escaped;
}

char *escape_string(const char *string) {
    return escape_text((struct text){string, strlen(string)});
}

static bool is_start(char byte) {
    return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t escape_width(const char *escaped) {
    size_t width = 0;
    for (; *escaped; escaped++) width += is_start(*escaped);
    return width;
}

char *escape_fit(char *escaped, size_t width, bool keep_end) {
    size_t have = escape_width(escaped);
    if (have <= width || width < 4) return escaped;
    size_t bytes = 0;
    size_t skipped = keep_end ? have - (width - 3) : width - 3;
    for (size_t seen = 0; escaped[bytes]; bytes++) {
        if (is_start(escaped[bytes]) && seen++ == skipped) break;
    }
    if (keep_end) { /* at least three characters are skipped, so the dots fit before what stays */
        memmove(escaped + 3, escaped + bytes, strlen(escaped + bytes) + 1);
        bytes = 0;
    } else
        escaped[bytes + 3] = 0; /* and at least four are, so there is room for them here too */
    for (size_t i = 0; i < 3; i++) escaped[bytes + i] = '.';
    return escaped;
}
