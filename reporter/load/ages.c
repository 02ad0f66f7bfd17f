/* See ages.h. */
#include "reporter/load/ages.h"

#define MINUTE 60e9 /* ns */

/* Below 2^20 ns, below 2^22, and so on. */
static unsigned row_of(uint64_t age) {
    unsigned bits = age ? 64 - (unsigned)__builtin_clzll(age) : 0, row = bits > 20 ? (bits - 19) / 2 : 0;
    return row < DUMP_LIFETIMES ? row : DUMP_LIFETIMES - 1;
}

void ages_add(struct ages *ages, const struct ages_time *time, uint64_t made, double bytes, double weight) {
    ages->bytes[row_of(made < time->now ? time->now - made : 0)] += bytes * weight;
    if (time->now <= time->begin || time->now - time->begin < AGES_LEAST) return;
    double all = (double)(time->now - time->begin), part = made > time->begin ? (double)(made - time->begin) / all : 0;
    int quarter = part < 1 ? (int)(part * AGES_QUARTERS) : AGES_QUARTERS - 1;
    samples_add_arrival(&ages->quarters[quarter], bytes * MINUTE / all, weight);
}

void ages_join(struct ages *ages, const struct ages *others) {
    for (int i = 0; i < DUMP_LIFETIMES; i++) ages->bytes[i] += others->bytes[i];
    for (int i = 0; i < AGES_QUARTERS; i++) samples_join(&ages->quarters[i], &others->quarters[i]);
}

bool ages_growing(const struct ages *ages, struct estimate *a_minute) {
    struct samples all = {0};
    for (int i = 0; i < AGES_QUARTERS; i++) samples_join(&all, &ages->quarters[i]);
    *a_minute = samples_estimate(&all);
    for (int i = 0; i < AGES_QUARTERS; i++)
        if (samples_estimate(&ages->quarters[i]).low * AGES_QUARTERS * 2 < a_minute->value) return false;
    return a_minute->value > 0;
}
