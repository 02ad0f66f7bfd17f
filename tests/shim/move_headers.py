"""Moves the program headers of an ELF file to its end, into a segment of their own, as tools do that need room for more:
move_headers.py FROM TO"""
import os, struct, sys

data = bytearray(open(sys.argv[1], "rb").read())
offset, = struct.unpack_from("<Q", data, 32)
size, count = struct.unpack_from("<HH", data, 54)
headers = [list(struct.unpack_from("<IIQQQQQQ", data, offset + i * size)) for i in range(count)]
LOAD, PHDR = 1, 6
at = (len(data) + 4095) & ~4095
address = max((h[3] + h[6] + 4095) & ~4095 for h in headers if h[0] == LOAD) + 65536
address += (at - address) % 4096
length = (count + 1) * size
for h in headers:
    if h[0] == PHDR:
        h[2:7] = [at, address, address, length, length]
last = max(i for i, h in enumerate(headers) if h[0] == LOAD)
headers.insert(last + 1, [LOAD, 4, at, address, address, length, length, 4096])
data += bytes(at - len(data)) + b"".join(struct.pack("<IIQQQQQQ", *h) for h in headers)
struct.pack_into("<Q", data, 32, at)
struct.pack_into("<H", data, 56, count + 1)
data[offset : offset + size * count] = b"\xff" * (size * count)
open(sys.argv[2], "wb").write(data)
os.chmod(sys.argv[2], 0o755)
