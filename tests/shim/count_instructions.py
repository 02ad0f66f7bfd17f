"""Run by gdb: counts the instructions that each call of some functions executes, from entry to return, behind warm().
Prints a line a call: NAME INSTRUCTIONS, and which of them are slow ones."""
import gdb

NAMES = ("malloc", "free", "_Znwm", "_ZdlPv")
SLOW = ("lock ", "div", "xchg", "cmpxchg", "rep ", "syscall", "mfence")


def register(name):
    return int(gdb.parse_and_eval("(unsigned long)$" + name))


gdb.execute("set pagination off")
gdb.execute("set breakpoint pending on")
gdb.execute("break warm")
gdb.execute("run", to_string=True)
for name in NAMES:
    gdb.execute("break *%s" % name, to_string=True)
entries = {int(gdb.parse_and_eval("(unsigned long)&" + name)): name for name in NAMES}
for _ in range(6):
    gdb.execute("continue", to_string=True)
    name = entries.get(register("pc"))
    if name is None:
        print("stopped elsewhere: %x" % register("pc"))
        break
    back = int(gdb.parse_and_eval("*(unsigned long *)$rsp"))
    count, slow = 0, []
    while register("pc") != back and count < 500:
        text = gdb.execute("x/i $pc", to_string=True).split(":", 1)[1].strip()
        if any(text.startswith(word) or word in text for word in SLOW):
            slow.append(text)
        gdb.execute("stepi", to_string=True)
        count += 1
    print("HIT", name, count, "; ".join(slow))
gdb.execute("kill", to_string=True)
