/* CRC-32C eight bytes a step (slicing by 8): a dump of a million blocks is checked in some 20 ms, without asking
 * which instructions the machine has. The tables are computed on first use; the reporter has one thread. */
#include "reporter/load/crc32c.h"

#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, reflected */

static uint32_t table[8][256];
static bool table_ready;

static void make_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
        table[0][byte] = crc;
    }
    for (int slice = 1; slice < 8; slice++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t before = table[slice - 1][byte];
            table[slice][byte] = (before >> 8) ^ table[0][before & 255];
        }
    table_ready = true;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    if (!table_ready) make_table();
    crc = ~crc;
    for (; length >= 8; length -= 8, at += 8) {
        uint64_t word; /* the file and every machine weir runs on are little-endian */
        memcpy(&word, at, 8);
        word ^= crc;
        crc = table[7][word & 255] ^ table[6][(word >> 8) & 255] ^ table[5][(word >> 16) & 255] ^
              table[4][(word >> 24) & 255] ^ table[3][(word >> 32) & 255] ^ table[2][(word >> 40) & 255] ^
              table[1][(word >> 48) & 255] ^ table[0][word >> 56];
    }
    for (; length; length--, at++) crc = (crc >> 8) ^ table[0][(crc ^ *at) & 255];
    return ~crc;
}
