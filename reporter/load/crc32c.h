/* CRC-32C (Castagnoli), as the dump format uses it: start with 0, feed in pieces. */
#ifndef WEIR_LOAD_CRC32C_H
#define WEIR_LOAD_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
