# Four threads that set, get and delete values of many sizes in memcached at a unix socket, and check each answer.
import socket, sys, threading

wrong = []


def client(name):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    stream = connection.makefile("rwb")

    def ask(request, lines):
        stream.write(request)
        stream.flush()
        return b"".join(stream.readline() for _ in range(lines))

    for i in range(1500):
        key, value = b"%d.%d" % (name, i % 200), b"x" * (i * 37 % 20000) + b"."
        if ask(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value), 1) != b"STORED\r\n": wrong.append(("set", i))
        answer = ask(b"get %s\r\n" % key, 3)
        if answer != b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value): wrong.append(("get", i))
        if i % 3 == 0 and ask(b"delete %s\r\n" % key, 1) != b"DELETED\r\n": wrong.append(("delete", i))
    connection.close()


threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print("wrong answers:", wrong[:5])
