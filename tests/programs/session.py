# What python_session runs: objects, threads, children, compression, and memory that C libraries ask for.
import ctypes, gc, hashlib, json, mmap, os, queue, subprocess, sys, threading, zlib

words = {}
for i in range(60000):
    words.setdefault(i * 7919 % 1009, []).append(f"w{i}")
print(len(words), max(map(len, words.values())), hashlib.sha256(json.dumps(words).encode()).hexdigest())
assert json.loads(json.dumps(words)) == {str(k): v for k, v in words.items()}

text = b"".join(b"%d," % (i * i) for i in range(40000))
assert zlib.decompress(zlib.compress(text, 9)) == text
print(len(text), zlib.crc32(text))

results, work = queue.Queue(), queue.Queue()


def worker():
    while (item := work.get()) is not None:
        results.put(sum(len(str(n)) for n in range(item)))


for generation in range(3):  # threads that follow each other, fed by this one
    threads = [threading.Thread(target=worker) for _ in range(6)]
    for t in threads: t.start()
    for n in range(40): work.put(n * 100)
    for t in threads: work.put(None)
    for t in threads: t.join()
print(sum(results.get() for _ in range(120)))

for code in (0, 9):
    child = subprocess.run([sys.executable, "-S", "-c", f"print('child'); raise SystemExit({code})"], capture_output=True)
    print(child.returncode, child.stdout, child.stderr)
pid = os.fork()
if pid == 0:
    os._exit(len([bytearray(1000) for _ in range(100)]))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

with mmap.mmap(-1, 1 << 20) as m:
    m[:5] = b"hello"
    print(m[:5], len(m))
libc = ctypes.CDLL(None, use_errno=True)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
ctypes.set_errno(0)
p = libc.malloc(100)
libc.free(p)
print(p is not None, p % 16, ctypes.get_errno(), libc.malloc(2**64 - 4096), ctypes.get_errno())
cycle = [[] for _ in range(1000)]
for i, c in enumerate(cycle): c.append(cycle[i - 1])
del cycle, c
print(gc.collect() > 0)
print("to stderr", file=sys.stderr)
print(sorted(os.listdir("/proc/self/fd")))
