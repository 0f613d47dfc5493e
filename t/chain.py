"""chain.py - what the tests of the main job share

Readers and writers of the streams, made from the pages of section 5 and the pcapng draft alone:
nothing here knows fyke's own code. Run a script of a test with PYTHONPATH at this folder (the
shell function py of lib-chain.sh does).
"""
import json
import os
import struct
import zlib
from collections import namedtuple

import numpy as np

Packet = namedtuple("Packet", "time src sport dst dport data dropped")
Event = namedtuple("Event", "time number run flags clock nsrc nrec present offset slots dropped")
Truth = namedtuple("Truth", "index source event records clock sequence time bytes fault")

INCOMPLETE, HELD, OVERFLOW, FLUSHED, SEGMENT, DUPLICATE, CONFLICT, GAP, DROPS = \
    (1 << i for i in range(9))


# ---- reading ----

def blocks(data):
    """(type, body, offset) of every block of a pcapng stream; stops at one that is not whole."""
    at = 0
    while len(data) - at >= 12:
        kind, length = struct.unpack_from("<II", data, at)
        if length < 12 or length % 4 or at + length > len(data):
            return
        yield kind, data[at + 8:at + length - 4], at
        at += length


def options(body, at):
    found = {}
    while at + 4 <= len(body):
        code, n = struct.unpack_from("<HH", body, at)
        if code == 0:
            break
        found[code] = body[at + 4:at + 4 + n]
        at += 4 + (n + 3 & ~3)
    return found


def records(data):
    """(link, if_name, text, time, caplen, origlen, bytes, options) of every Enhanced Packet Block."""
    link = name = text = None
    for kind, body, _ in blocks(data):
        if kind == 1:
            link = struct.unpack_from("<H", body)[0]
            o = options(body, 8)
            name, text = o.get(2, b"").decode(), o.get(3, b"").decode()
            assert o.get(9) == b"\x09", "nanoseconds"
        elif kind == 6:
            _, high, low, caplen, origlen = struct.unpack_from("<5I", body)
            o = options(body, 20 + (caplen + 3 & ~3))
            got = body[20:20 + caplen]
            if 3 in o:
                assert o[3][0] == 2 and struct.unpack("<I", o[3][1:5])[0] == zlib.crc32(got)
            yield link, name, text, high << 32 | low, caplen, origlen, got, o


def dropped(o):
    return struct.unpack("<Q", o[4])[0] if 4 in o else 0


def slurp(path):
    with open(path, "rb") as f:
        return f.read()


def packets(path):
    """Packets of IPv4 of a stream that udp2raw or simdet wrote."""
    out = []
    for link, _, _, time, _, _, b, o in records(slurp(path)):
        assert link == 101 and b[0] == 0x45 and b[9] == 17, "IPv4 and UDP without IP options"
        sport, dport, n = struct.unpack_from(">HHH", b, 20)
        out.append(Packet(time, ".".join(map(str, b[12:16])), sport, ".".join(map(str, b[16:20])),
                          dport, bytes(b[28:20 + n]), dropped(o)))
    return out


def event(time, b, o=None):
    magic, version, header, number, run, flags, clock, nsrc, nrec = struct.unpack_from("<IHHQIIqHH", b)
    assert magic == 0x656b7966 and version == 1
    words = (nsrc + 63) // 64
    mask = int.from_bytes(b[36:36 + 8 * words], "little")
    offset = np.frombuffer(b, "<i4", nsrc, 36 + 8 * words)
    assert header == 36 + 8 * words + 4 * nsrc and (len(b) - header) % nsrc == 0
    slots = np.frombuffer(b, "u1", len(b) - header, header).reshape(nsrc, -1)
    present = np.array([mask >> s & 1 for s in range(nsrc)], bool)
    return Event(time, number, run, flags, clock, nsrc, nrec, present, offset, slots,
                 dropped(o or {}))


def events(path):
    out = []
    for link, name, _, time, _, _, b, o in records(slurp(path)):
        assert link == 147 and name == "fyke-events/1"
        out.append(event(time, b, o))
    return out


def truth(path):
    out = []
    for line in open(path):
        if line[0] == "#":
            continue
        f = line.rstrip("\n").split("\t")
        clock = [] if f[4] == "-" else [int(c.split(":")[-1]) for c in f[4].split(",")]
        out.append(Truth(int(f[0]), int(f[1]), int(f[2]), int(f[3]), clock,
                         None if f[5] == "-" else int(f[5]), int(f[6]), int(f[7]),
                         set(f[8].split(",")) - {"-"}))
    return out


def status(path):
    """A --status file, whose counters must sum."""
    s = json.load(open(path))
    assert s["in"] == s["out"] + s["held"] + sum(s["lost"].values()), s
    return s


def nc(path):
    """All variables of a netCDF file as they are stored, without masks or scales."""
    import netCDF4
    with netCDF4.Dataset(path) as d:
        d.set_auto_maskandscale(False)
        return {name: v[...] for name, v in d.variables.items()}


def same_values(a, b):
    """Whether two arrays hold the same, NaN where the other has it too."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def nc_start(path):
    """UTC in ns from which the variable time of a file counts its seconds."""
    import calendar
    import time
    import netCDF4
    with netCDF4.Dataset(path) as d:
        units = d["time"].units
    return calendar.timegm(time.strptime(units, "seconds since %Y-%m-%d %H:%M:%S UTC")) * 10**9


# ---- writing ----

def block(kind, body):
    n = len(body) + 12
    return struct.pack("<II", kind, n) + body + struct.pack("<I", n)


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(link=101, name="", text="", order="<"):
    shb = struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)
    idb = struct.pack("<HHI", link, 0, 0) + option(9, b"\x09")
    idb += option(2, name.encode()) if name else b""
    idb += option(3, text.encode()) if text else b""
    return block(0x0a0d0d0a, shb) + block(1, idb + bytes(4))


def record(time, data, hashed=True, origlen=None):
    body = struct.pack("<5I", 0, time >> 32 & 0xffffffff, time & 0xffffffff, len(data),
                       len(data) if origlen is None else origlen)
    body += data + bytes(-len(data) % 4)
    if hashed:
        body += option(3, b"\x02" + struct.pack("<I", zlib.crc32(data))) + bytes(4)
    return block(6, body)


def endmark(time, n):
    body = struct.pack("<3I", 0, time >> 32, time & 0xffffffff)
    for code, v in ((4, n), (5, 0), (7, 0), (8, n)):
        body += option(code, struct.pack("<Q", v))
    return block(5, body + bytes(4))


def ip(src, payload, dst="127.0.0.1", sport=40000, dport=2009):
    address = lambda a: bytes(map(int, a.split(".")))
    head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0)
    return head + address(src) + address(dst) + \
        struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def write_packets(path, list_of, hashed=True):
    """A packets file of (time, source address, payload)."""
    with open(path, "wb") as f:
        f.write(section())
        for time, src, payload in list_of:
            f.write(record(time, ip(src, payload), hashed))
        if hashed:
            f.write(endmark(list_of[-1][0] if list_of else 0, len(list_of)))


# ---- comparing ----

def records_of(kind, payload):
    """What a card's datagram holds, by its documents: (clock ticks, bytes) of each record."""
    if kind == "chec":
        return [(int.from_bytes(payload[i:i + 8], "big"), payload[i:i + 144])
                for i in range(0, len(payload), 144)]
    if kind == "roach2c":
        return [(int.from_bytes(payload[8179:8183], "big"), payload)]
    raise KeyError(kind)


def source_of(kind, address):
    last = int(address.split(".")[3])
    return last % 100 if kind == "chec" else last - 71
