#!/usr/bin/python3
"""hvload.py - many clients that ask hvmux at once, and check that each answer is theirs

    hvload.py ADDRESS CLIENTS REQUESTS [errors]	questions with known answers, from all clients at
			once; errors: CMD:ERR is an answer too, a wrong value never is
    hvload.py ADDRESS --latency N	median and 90 % of the time of one reading, in us

ADDRESS is unix:PATH or HOST:PORT. The supply must be prepared: VSET of channel n is 100 + n,
ISET 10 + n, RUP 20 + n, RDW 30 + n, TRIP 40 + n.
"""
import random
import selectors
import socket
import sys
import time

ERRORS = sys.argv[-1] == "errors"
BASE = {"VSET": 100, "ISET": 10, "RUP": 20, "RDW": 30, "TRIP": 40}


def connect(address):
    address = address.removeprefix("tcp:")
    if address.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address[5:])
    else:
        host, port = address.rsplit(":", 1)
        s = socket.create_connection((host, int(port)))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Client:
    def __init__(self, address, seed):
        self.sock = connect(address)
        self.random = random.Random(seed)
        self.got = b""
        self.want = None

    def ask(self):
        ch = self.random.randrange(5)
        par = self.random.choice(list(BASE))
        self.want = [BASE[par] + c for c in (range(4) if ch == 4 else [ch])]
        self.sock.sendall(b"$BD:00,CMD:MON,CH:%d,PAR:%s\r\n" % (ch, par.encode()))

    def check(self):
        """True when the answer is here; dies when it is another's."""
        data = self.sock.recv(4096)
        if not data:
            sys.exit("hvload: closed")
        self.got += data
        if not self.got.endswith(b"\r\n"):
            return False
        head, _, values = self.got.decode().strip().partition(",VAL:")
        if ERRORS and head == "#BD:00,CMD:ERR":
            self.got = b""
            return True
        if head != "#BD:00,CMD:OK" or [float(v) for v in values.split(";")] != self.want:
            sys.exit(f"hvload: wanted {self.want}, got {self.got!r}")
        self.got = b""
        return True


def load(address, clients, requests):
    poll = selectors.DefaultSelector()
    asked = done = 0
    for i in range(clients):
        c = Client(address, i)
        poll.register(c.sock, selectors.EVENT_READ, c)
        c.ask()
        asked += 1
    while done < requests:
        events = poll.select(30)
        if not events:
            sys.exit(f"hvload: no answer for 30 s after {done} requests")
        for key, _ in events:
            if key.data.check():
                done += 1
                if asked < requests:
                    key.data.ask()
                    asked += 1
    print(done)


def latency(addresses, n):
    """Median and 90 % for each address, asked in turn, so that the machine's moods hit all."""
    socks = [connect(a) for a in addresses]
    times = [[] for _ in socks]
    for k in range(n):
        for s, t in zip(socks, times):
            begin = time.perf_counter()
            s.sendall(b"$BD:00,CMD:MON,CH:%d,PAR:VSET\r\n" % (k % 4))
            while not s.recv(256).endswith(b"\n"):
                pass
            t.append(time.perf_counter() - begin)
    for t in times:
        t.sort()
        print(round(t[n // 2] * 1e6), round(t[n * 9 // 10] * 1e6))


if sys.argv[2] == "--latency":
    latency(sys.argv[1].split(","), int(sys.argv[3]))
else:
    load(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
