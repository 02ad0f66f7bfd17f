# ticker.py READY STOP: allocates, checks what it holds and starts children until the file STOP is there, while a thread
# ticks each millisecond and notes the longest pause, for the first half second apart: then READY is made.
import os, random, subprocess, sys, threading, time

ready, stop = sys.argv[1:]
pauses, phase, running = [0.0, 0.0], 0, True


def tick():
    last = time.monotonic()
    while running:
        time.sleep(0.001)
        now = time.monotonic()
        pauses[phase] = max(pauses[phase], now - last - 0.001)
        last = now


sys.setswitchinterval(0.0005)
ticker = threading.Thread(target=tick)
ticker.start()
dice, held, wrong, rounds, begin = random.Random(1), {}, 0, 0, time.monotonic()
while not os.path.exists(stop):
    for _ in range(200):
        key = dice.randrange(2000)
        if key in held and held[key] != bytes([key % 251]) * len(held[key]): wrong += 1
        held[key] = bytes([key % 251]) * int(dice.paretovariate(1) * 30 % 60000)
    rounds += 1
    if rounds % 200 == 0:
        child = subprocess.run(["/bin/echo", "child"], capture_output=True, env={})
        if (child.returncode, child.stdout) != (0, b"child\n"): wrong += 1
    if phase == 0 and time.monotonic() - begin > 0.5:
        phase = 1
        open(ready, "w").close()
running = False
ticker.join()
print(f"longest pause without signals {pauses[0] * 1000:.1f} ms, with signals {pauses[1] * 1000:.1f} ms; wrong {wrong}")
