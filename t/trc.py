# trc.py - reads .trc files by the table of the manual, for the tests of scopeget
import struct
import numpy as np


def trc(name):
    b = open(name, "rb").read()
    assert b[:2] == b"#9" and int(b[2:11]) == len(b) - 11, name
    b = b[11:]
    assert b[:8] == b"WAVEDESC"
    o = "<" if b[34] else ">"
    get = lambda at, t: struct.unpack_from(o + t, b, at)[0]
    lens = [get(at, "i") for at in range(36, 76, 4)]
    at = sum(lens[:3])
    segments = max(get(144, "i"), 1)
    times = np.frombuffer(b, o + "f8", lens[3] // 8, at).reshape(-1, 2)
    raw = np.frombuffer(b, o + ("i2" if get(32, "h") else "i1"), get(116, "i"), sum(lens[:6]))
    gain, offset = get(156, "f"), get(160, "f")
    second, minute, hour, day, month, year = struct.unpack_from(o + "d4Bh", b, 296)
    return dict(volts=(gain * raw.astype("f8") - offset).reshape(segments, -1), segments=segments,
                times=times, dx=get(176, "f"), x0=get(180, "d"), wanted=get(174, "h"),
                stamp=(year, month, day, hour, minute, second), source=get(344, "h"))
