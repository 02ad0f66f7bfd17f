/* See values.h. */
#include "shim/base/values.h"
#include "shim/base/limits.h"
#include "shim/base/text.h"

bool value_percent(const char *s, uint64_t *out) {
    uint64_t n = 0;
    for (; *s >= '0' && *s <= '9' && n <= 100; s++) n = n * 10 + (uint64_t)(*s - '0');
    if (n == 0 || n > 100 || s[0] != '%' || s[1]) return false;
    *out = n;
    return true;
}

bool value_size(const char *s, uint64_t *out) {
    uint64_t n = 0;
    if (value_percent(s, &n)) {
        *out = limits_memory("") / 100 * n;
        return *out != 0;
    }
    const char *p = s;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n)) return false;
    }
    if (p == s) return false;
    unsigned shift = 0;
    switch (*p) {
    case 'k':
    case 'K':
        shift = 10;
        p++;
        break;
    case 'm':
    case 'M':
        shift = 20;
        p++;
        break;
    case 'g':
    case 'G':
        shift = 30;
        p++;
        break;
    case 't':
    case 'T':
        shift = 40;
        p++;
        break;
    default:
        break;
    }
    if (*p || n == 0 || n > (UINT64_MAX >> 1) >> shift) return false;
    *out = n << shift;
    return true;
}

static bool read_mask(const char *s, size_t n, uint64_t *out) {
    uint64_t mask = 0;
    if (n < 3 || n > 18 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X')) return false;
    for (size_t i = 2; i < n; i++) {
        int digit = hex_digit(s[i] >= 'A' && s[i] <= 'F' ? s[i] - 'A' + 'a' : s[i]);
        if (digit < 0) return false;
        mask = mask << 4 | (uint64_t)digit;
    }
    *out = mask;
    return (mask & ~SCAN_TAGS) == 0;
}

/* The word of so many bytes begins with that; what stands behind. */
static const char *behind(const char *word, size_t n, const char *with) {
    const char *rest = str_after(word, with);
    return rest && (size_t)(rest - word) <= n ? rest : NULL;
}

static bool read_wish(const char *word, size_t n, struct scan_wishes *out) {
    const char *tags = behind(word, n, "tags="), *roots = behind(word, n, "roots="), *end = word + n;
    if (tags) return read_mask(tags, (size_t)(end - tags), &out->tags);
    if (roots) {
        out->lsan_roots = behind(roots, (size_t)(end - roots), "lsan") == end;
        return out->lsan_roots || behind(roots, (size_t)(end - roots), "all") == end;
    }
    out->unaligned = true;
    return behind(word, n, "unaligned") == end;
}

bool value_scan(const char *s, struct scan_wishes *out) {
    struct scan_wishes read = {0};
    do {
        size_t n = 0;
        while (s[n] && s[n] != ',') n++;
        if (!read_wish(s, n, &read)) return false;
        s += n;
    } while (*s++ == ',');
    *out = read;
    return true;
}

void value_scan_print(struct text *t, const struct scan_wishes *scan) {
    text_add(t, scan->lsan_roots ? "roots=lsan" : "roots=all");
    if (scan->unaligned) text_add(t, ",unaligned");
    if (!scan->tags) return;
    text_add(t, ",tags=");
    text_add_hex(t, scan->tags);
}
