"""Makes of a dump what the first version of the format would have been: older.py FROM TO. Records lose what was appended
since, sections that it did not have are left out."""
import struct, sys

LEAST = {1: 104, 4: 80, 8: 56, 11: 32, 12: 48}  # process, modules, sites, classes, refusals
LATER = {14, 15, 16, 17, 18, 19, 28, 29, 30}  # grown, memory, unaccounted, mappings, totals, records, paths, steps, marks


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


data = open(sys.argv[1], "rb").read()
header_size, = struct.unpack_from("<I", data, 12)
out, at, sections = bytearray(data[:header_size]), header_size, 0
while at < len(data):
    kind, stride, length, crc, _ = struct.unpack_from("<IIQII", data, at)
    payload = data[at + 24 : at + 24 + length]
    at = at + 24 + length + 7 & ~7
    if kind in LATER:
        continue
    if kind in LEAST:
        least = LEAST[kind]
        payload = b"".join(payload[i : i + least] for i in range(0, length, stride))
        stride, crc = least, crc32c(payload)
    out += bytes(-len(out) % 8)
    header = struct.pack("<IIQI", kind, stride, len(payload), crc)
    out += header + struct.pack("<I", crc32c(header)) + payload
    sections += 1
struct.pack_into("<Q", out, 16, len(out))
struct.pack_into("<I", out, 32, sections)
struct.pack_into("<I", out, 60, crc32c(out[:60]))
open(sys.argv[2], "wb").write(out)
