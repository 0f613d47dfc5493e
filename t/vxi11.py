# vxi11.py - a VXI-11 client by the specification's tables, for the tests of simscope
import socket, struct


class Rpc:
    def __init__(self, port, prog, vers=1, udp=False):
        self.prog, self.vers, self.xid, self.udp = prog, vers, 1000, udp
        if udp:
            self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.s.connect(("127.0.0.1", port))
        else:
            self.s = socket.create_connection(("127.0.0.1", port))
        self.s.settimeout(10)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.s.recv(n - len(data))
            if not part:
                raise EOFError("closed")
            data += part
        return data

    def send(self, proc, args):
        self.xid += 1
        m = struct.pack(">10I", self.xid, 0, 2, self.prog, self.vers, proc, 0, 0, 0, 0) + args
        self.s.sendall(m if self.udp else struct.pack(">I", 0x80000000 | len(m)) + m)

    def reply(self):
        if self.udp:
            r = self.s.recv(65536)
        else:
            mark, = struct.unpack(">I", self.exactly(4))
            assert mark & 0x80000000
            r = self.exactly(mark & 0x7FFFFFFF)
        xid, kind, stat, flavor, length, accept = struct.unpack(">6I", r[:24])
        assert (xid, kind, stat, flavor, length) == (self.xid, 1, 0, 0, 0)
        return accept, r[24:]

    def call(self, proc, args=b""):
        self.send(proc, args)
        accept, rest = self.reply()
        assert accept == 0, accept
        return rest


def opaque(b):
    return struct.pack(">I", len(b)) + b + b"\0" * (-len(b) % 4)


class Scope:
    def __init__(self, port, device=b"inst0"):
        self.core = Rpc(port, 0x0607AF)
        r = self.core.call(10, struct.pack(">iII", 1, 0, 0) + opaque(device))
        self.error, self.link, self.abort_port, self.max_recv = struct.unpack(">iiII", r)

    def write(self, text, end=True):
        r = self.core.call(11, struct.pack(">iIIi", self.link, 1000, 0, 8 if end else 0) + opaque(text))
        return struct.unpack(">iI", r)

    def read_args(self, request, timeout=1000):
        return struct.pack(">iIIIii", self.link, request, timeout, 0, 0, 0)

    def unread(self, r):
        error, reason, n = struct.unpack(">iii", r[:12])
        return error, reason, r[12:12 + n]

    def read(self, request=65536, timeout=1000):
        return self.unread(self.core.call(12, self.read_args(request, timeout)))

    def ask(self, text):
        assert self.write(text)[0] == 0
        data = b""
        while True:
            error, reason, part = self.read()
            assert error == 0, error
            data += part
            if reason & 4:
                return data
