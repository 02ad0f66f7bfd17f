# http_load.py SOCKET FILE STOP: two threads fetch FILE over and over until the file STOP is there; fails if a request did.
import http.client, os, socket, sys, threading

path, name, stop = sys.argv[1:]
with open(name, "rb") as f:
    expected = f.read()
done, failed = [0, 0], []


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)


def client(me):
    while not os.path.exists(stop):
        try:
            connection = Connection("local")  # a connection for each request, so that the server allocates
            connection.request("GET", "/" + name)
            if connection.getresponse().read() != expected: failed.append("other content")
            connection.close()
        except Exception as e:
            failed.append(repr(e))
        done[me] += 1


threads = [threading.Thread(target=client, args=(n,)) for n in range(2)]
for t in threads: t.start()
for t in threads: t.join()
print("requests", sum(done), "failed", len(failed), failed[:3])
sys.exit(bool(failed) or not all(done))
