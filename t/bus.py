"""bus.py - messages of fyke's bus and of SSDAQ, read and made from the documents alone (fyke-bus(5);
sstcam/SSDAQ slowsignal_format.py as packets of the reference describe it), with zmq and struct."""
import struct, sys, time

import zmq

from pcapng import *

HEAD = struct.Struct("<4sHHQQQIIq")
HEADER, BLOCK, BEAT, END = 1, 2, 3, 4


def message(kind, stream, sequence, records, body, run=0, sent=None):
    sent = time.time_ns() if sent is None else sent
    return HEAD.pack(b"fykb", 1, kind, stream, sequence, records, run, 0, sent) + body


def publisher(kind=zmq.PUB):
    c = zmq.Context.instance()
    s = c.socket(kind)
    if kind == zmq.XPUB:
        s.setsockopt(zmq.XPUB_VERBOSER, 1)
    port = s.bind_to_random_port("tcp://127.0.0.1")
    print("test: ready zmq+tcp://127.0.0.1:%d" % port, file=sys.stderr, flush=True)
    return s


def await_subscriber(s, n=1):
    """On an XPUB socket. What evsub subscribes to when it has an end mark is longer."""
    while n > 0:
        assert s.poll(20000), "no subscriber came"
        m = s.recv()
        n -= m[:1] == b"\1" and len(m) <= 1 + len(b"fykb\1\0")


def subscriber(address, topic=b""):
    s = zmq.Context.instance().socket(zmq.SUB)
    s.setsockopt(zmq.SUBSCRIBE, topic)
    s.setsockopt(zmq.RCVHWM, 0)
    s.RCVTIMEO = 20000
    s.connect(address.replace("zmq+", ""))
    return s


def ssdaq_new(number, tack, seconds, ns, values):
    """SSReadout.pack of 2019: values[32][64], NaN where a module is absent."""
    return struct.pack("<4Q2048d", number, tack, seconds, ns, *[v for row in values for v in row])


def ssdaq_old(number, run, stamp, values, tacks):
    """v0.1.0."""
    return struct.pack("<3Q2048d64Q", number, run, stamp, *[v for row in values for v in row],
                       *[t for pair in tacks for t in pair])
