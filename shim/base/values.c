/* See values.h. */
#include "shim/base/values.h"
#include "shim/base/limits.h"

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
