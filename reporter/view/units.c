/* Numbers as people read them; see units.h. */
#include "reporter/view/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXTS 16
#define WIDTH 40

static char *next_text(void) {
    static char texts[TEXTS][WIDTH];
    static unsigned number;
    return texts[number++ % TEXTS];
}

/* Divides down to the unit in which the number has at most four digits. */
static int scale(uint64_t bytes, double *value) {
    int unit = 0;
    *value = (double)bytes;
    while (*value >= 1023.5 && unit < 6) {
        *value /= 1024;
        unit++;
    }
    return unit;
}

const char *units_bytes(uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    char *text = next_text();
    double value = 0;
    int unit = scale(bytes, &value);
    (void)snprintf(text, WIDTH, "%.*f %s", unit && value < 9.95 ? 1 : 0, value, units[unit]);
    return text;
}

const char *units_bytes_as(uint64_t value, double bytes) {
    char *text = next_text();
    double scaled = 0;
    int unit = scale(value, &scaled);
    if (bytes >= 9999.5 * ldexp(1, 10 * unit)) return units_short(units_whole(bytes));
    for (int i = 0; i < unit; i++) bytes /= 1024;
    (void)snprintf(text, WIDTH, "%.*f", !unit || bytes >= 9.95 ? 0 : bytes >= 0.995 ? 1 : 2, bytes);
    return text;
}

uint64_t units_whole(double value) {
    if (!(value > 0)) return 0;
    return value < 0x1p63 ? (uint64_t)(value + 0.5) : (uint64_t)1 << 63;
}

const char *units_short(uint64_t bytes) {
    char *text = next_text();
    double value = 0;
    int unit = scale(bytes, &value);
    (void)snprintf(text, WIDTH, "%.*f%c", unit ? 1 : 0, value, "BKMGTPE"[unit]);
    return text;
}

const char *units_count(uint64_t count) {
    char digits[24], *text = next_text(), *to = text;
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return text;
}

const char *units_age(uint64_t nanoseconds) {
    if (nanoseconds == UINT64_MAX) return "?";
    char *text = next_text();
    unsigned long long seconds = nanoseconds / 1000000000u;
    if (seconds < 60)
        (void)snprintf(text, WIDTH, "%llus", seconds);
    else if (seconds < 3600)
        (void)snprintf(text, WIDTH, "%llum", seconds / 60);
    else if (seconds < 86400)
        (void)snprintf(text, WIDTH, "%lluh %02llum", seconds / 3600, seconds / 60 % 60);
    else
        (void)snprintf(text, WIDTH, "%llud %02lluh", seconds / 86400, seconds / 3600 % 24);
    return text;
}
