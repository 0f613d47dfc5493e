# telrpc.py ADDR:PORT MAPPER: asks simtel's RPC service as RFC 5531 has it, and prints "0 words" for each
# thing that is right, "1 words" for what is not. The n-th call has the fault that simtel.t asked for.
import calendar, socket, struct, sys, time

NUMBER = 0x20435330
addr, mapper = [(a.rsplit(":", 1)[0], int(a.rsplit(":", 1)[1])) for a in sys.argv[1:3]]


def call(xid, program=NUMBER, version=1, procedure=1, args=b""):
    return struct.pack(">10I", xid, 0, 2, program, version, procedure, 0, 0, 0, 0) + args


def on_udp(at, data, wait=5):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(wait)
    s.sendto(data, at)
    try:
        return s.recv(4096)
    except socket.timeout:
        return None


def whole(c, n):
    data = b""
    while len(data) < n:
        more = c.recv(n - len(data))
        if not more:
            return data
        data += more
    return data


def on_tcp(c, data):
    c.sendall(struct.pack(">I", 0x80000000 | len(data)) + data)
    mark = whole(c, 4)
    if len(mark) < 4:
        return None
    return whole(c, struct.unpack(">I", mark)[0] & 0x7fffffff)


def right(good, words):
    print(0 if good else 1, words, flush=True)


def moment(record):
    sec, mi, hour, day, mon, year = struct.unpack_from("<6i", record)
    return calendar.timegm((year + 1900, mon + 1, day, hour, mi, sec))


for protocol in 6, 17:
    ask = call(7, 100000, 2, 3, struct.pack(">4I", NUMBER, 1, protocol, 0))
    right(on_udp(mapper, ask) == struct.pack(">7I", 7, 1, 0, 0, 0, 0, addr[1]), "the portmapper knows protocol %d" % protocol)
right(on_udp(mapper, call(7, 100000, 2, 3, struct.pack(">4I", NUMBER, 2, 6, 0)))[-4:] == bytes(4), "and no other version")
r = on_udp(addr, call(1))
right(r[:24] == struct.pack(">6I", 1, 1, 0, 0, 0, 0) and len(r) == 24 + 768, "a record of 768 bytes by UDP")
right(abs(moment(r[24:]) - time.time()) <= 2, "is of now")
right(struct.unpack_from("<d", r, 24 + 68)[0] == -0.6158, "UT1-UTC stands at byte 68, little-endian")
c = socket.create_connection(addr)
c.settimeout(5)
right(on_tcp(c, call(2))[24 + 84:].split(b"\0")[0].isascii(), "a source's name at byte 84, by TCP")
right(on_tcp(c, call(3))[:4] == struct.pack(">I", 3), "again on the same connection")
right(on_tcp(c, call(3, version=9))[20:24] == struct.pack(">I", 2), "another version is refused")
right(on_tcp(c, call(3, procedure=9))[20:24] == struct.pack(">I", 3), "another procedure is refused")
right(on_udp(addr, call(4), 0.3) is None, "silent")
right(on_udp(addr, call(5))[:4] != struct.pack(">I", 5), "stale")
right(len(on_udp(addr, call(6))) == 24 + 400, "short")
right(len(on_tcp(c, call(7))) == 24 + 1000, "long")
right(on_tcp(c, call(8))[20:24] == struct.pack(">I", 1), "deny")
right(on_tcp(c, call(9))[24:] == r[24:], "frozen")
right(len(on_udp(addr, call(10))) < 24 + 768, "half")
c.sendall(struct.pack(">I", 0x80000000 | 40) + call(11))
right(whole(c, 4) == b"\xff\xff\xff\xff", "a mark of 2 GiB")
c = socket.create_connection(addr)
c.settimeout(5)
right(on_tcp(c, call(12)) is None, "hangup")
c = socket.create_connection(addr)
c.settimeout(5)
c.sendall(b"\x80\xff\xff\xff")
right(c.recv(1) == b"", "a call of 16 MiB is not waited for")
