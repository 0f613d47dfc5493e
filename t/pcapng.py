# pcapng.py - what is in a stream of packets, read from the documents alone (fyke-streams(5), RFC 791,
# RFC 768, draft-ietf-opsawg-pcapng). Tests import it as a second opinion.
import struct
import zlib
from collections import namedtuple

Packet = namedtuple("Packet", "time source port to_port data dropped")


def blocks(raw):
    """(kind, body) of each block; every length is checked."""
    at = 0
    while at < len(raw):
        kind, length = struct.unpack_from("<II", raw, at)
        assert length % 4 == 0 and at + length <= len(raw), f"length of the block at {at}"
        assert struct.unpack_from("<I", raw, at + length - 4)[0] == length, f"second length at {at}"
        yield kind, raw[at + 8:at + length - 4]
        at += length


def options(body):
    at = 0
    while at + 4 <= len(body):
        code, n = struct.unpack_from("<HH", body, at)
        if code == 0:
            return
        yield code, body[at + 4:at + 4 + n]
        at += 4 + (n + 3) // 4 * 4


def packets(path):
    """All packets of a file, whose hashes, headers and end mark must be right."""
    out, delivered = [], None
    for kind, body in blocks(open(path, "rb").read()):
        if kind == 0x0A0D0D0A:
            assert struct.unpack_from("<I", body)[0] == 0x1A2B3C4D
            delivered = None
        elif kind == 1:
            assert struct.unpack_from("<H", body)[0] == 101, "link type raw IP"
            assert (9, b"\x09") in list(options(body[8:])), "nanoseconds"
        elif kind == 6:
            _, high, low, n, full = struct.unpack_from("<5I", body)
            data, found = body[20:20 + n], dict(options(body[20 + (n + 3) // 4 * 4:]))
            assert n == full
            assert found[3] == b"\x02" + struct.pack("<I", zlib.crc32(data)), "epb_hash"
            dropped = struct.unpack("<Q", found[4])[0] if 4 in found else 0
            out.append(udp(high << 32 | low, data, dropped))
        elif kind == 5:
            stats = dict(options(body[12:]))
            if 8 in stats:
                delivered = struct.unpack("<Q", stats[8])[0]
    assert delivered == len(out), f"end mark says {delivered}, there are {len(out)}"
    return out


def udp(time, ip, dropped=0):
    assert ip[0] == 0x45 and ip[9] == 17 and struct.unpack_from(">H", ip, 2)[0] == len(ip)
    total = sum(struct.unpack(">10H", ip[:20]))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF, "IP checksum"
    sport, dport, length, _ = struct.unpack_from(">4H", ip, 20)
    assert length == len(ip) - 20
    return Packet(time, ".".join(map(str, ip[12:16])), sport, dport, ip[28:], dropped)


def truth(path):
    """The lines of simdet --truth as dictionaries."""
    names, rows = None, []
    for line in open(path):
        cells = line.rstrip("\n").split("\t")
        if line.startswith("# "):
            names = line[2:].rstrip("\n").split("\t")
            continue
        row = dict(zip(names, cells))
        for k in ("index", "source", "event", "records", "time", "bytes"):
            row[k] = int(row[k])
        row["clock"] = [] if row["clock"] == "-" else row["clock"].split(",")
        row["fault"] = [] if row["fault"] == "-" else row["fault"].split(",")
        rows.append(row)
    return rows


# ---- writing: for tests that need a stream which no program of ours made ----

def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    n = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + n + body + n


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def head(link=101, name=b"", text=b""):
    """A section, and an interface with nanoseconds."""
    opts = (option(2, name) if name else b"") + (option(3, text) if text else b"")
    return (block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + option(4, b"fyke test") + bytes(4))
            + block(1, struct.pack("<HHI", link, 0, 0) + opts + option(9, b"\x09") + bytes(4)))


def record(time, data, dropped=0):
    opts = option(4, struct.pack("<Q", dropped)) if dropped else b""
    opts += option(3, b"\x02" + struct.pack("<I", zlib.crc32(data))) + bytes(4)
    return block(6, struct.pack("<5I", 0, time >> 32, time & 0xFFFFFFFF, len(data), len(data))
                 + data + b"\0" * (-len(data) % 4) + opts)


def end(time, n, osdrop=0, ifdrop=0):
    counts = ((4, n + osdrop + ifdrop), (5, ifdrop), (7, osdrop), (8, n))
    stats = b"".join(option(c, struct.pack("<Q", v)) for c, v in counts)
    return block(5, struct.pack("<3I", 0, time >> 32, time & 0xFFFFFFFF) + stats + bytes(4))


def datagram(source, to_port, data, port=4000):
    """IPv4 and UDP headers around data, from SOURCE to 127.0.0.1."""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(data), 0, 0x4000, 64, 17, 0,
                     bytes(map(int, source.split("."))), b"\x7f\0\0\1")
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + ip[12:]
    return ip + struct.pack(">4H", port, to_port, 8 + len(data), 0) + data


def event(number, clock, slots, offsets, run=7, flags=0):
    """The body of fyke-events(5): slots and offsets by source, None where it is absent."""
    n, size = len(slots), max(len(s) for s in slots if s)
    mask = sum(1 << i for i, s in enumerate(slots) if s)
    words = (n + 63) // 64
    head_len = 36 + 8 * words + 4 * n
    body = b"fyke" + struct.pack("<HHQIIqHH", 1, head_len, number, run, flags, clock, n,
                                 sum(s is not None for s in slots))
    body += mask.to_bytes(8 * words, "little")
    body += b"".join(struct.pack("<i", -2**31 if o is None else o) for o in offsets)
    return body + b"".join(s or bytes(size) for s in slots)
