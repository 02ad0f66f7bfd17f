"""adds_up.py REPORT...: in each report (weir report --json) the rows of where the memory is add up to what the kernel says
is resident, within 1 %, and to what the ceiling's counter says is charged, to the byte. Small processes may be 128 KiB
off: the kernel's counters lag by some pages a processor. Threads that go on while their process is dumped may have charged
what they are about to map."""
import json, sys

bad = 0
for path in sys.argv[1:]:
    report = json.load(open(path))
    memory = report["memory"]
    threads = sum(row["parts"] for row in memory["rows"] if row["kind"] == "thread_stacks")
    on_its_way = 0 if threads < 2 else max(4 << 20, memory["charged_by_counter"] // 100)
    pairs = [("charged", memory["charged"], memory["charged_by_counter"], on_its_way)]
    if memory["resident"] is not None:  # /proc/PID/pagemap cannot be read in a process that changed its user
        kernel = memory["resident_by_kernel"]
        pairs.append(("resident", memory["resident"], kernel, max(128 << 10, kernel // 100)))
    for what, rows, truth, most in pairs:
        if abs(rows - truth) > most:
            bad = 1
            print(f"{path}: {what}: the rows add up to {rows}, the truth is {truth}: {memory['rows']}")
sys.exit(bad)
