# raw2nc.t - what stands in the files: events and packets, as the common readers see it
# san: yes
. "${0%/*}/lib.sh"
need ncdump ncks ncra
py=/usr/bin/python3

# A generator that shares nothing with fyke: pcapng (draft-ietf-opsawg-pcapng), events as
# fyke-events(5) says, TARGET-C and ROACH2 C datagrams.
cat >gen.py <<'E2'
import struct, zlib, numpy as np
T0 = 1763623433_123456789                      # 2025-11-20T07:23:53.123456789Z
def opt(code, data): return struct.pack('<HH', code, len(data)) + data + bytes(-len(data) % 4)
def block(kind, body):
    return struct.pack('<II', kind, len(body) + 12) + body + struct.pack('<I', len(body) + 12)
def header(link, name='', text=''):
    o = (opt(2, name.encode()) if name else b'') + (opt(3, text.encode()) if text else b'')
    return block(0x0a0d0d0a, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1)) + \
        block(1, struct.pack('<HHI', link, 0, 0) + o + opt(9, b'\x09') + opt(0, b''))
def packet(t, data, dropped=0):
    o = opt(3, b'\x02' + struct.pack('<I', zlib.crc32(data)))
    if dropped: o += opt(4, struct.pack('<Q', dropped))
    return block(6, struct.pack('<IIIII', 0, t >> 32, t & 0xffffffff, len(data), len(data)) +
                 data + bytes(-len(data) % 4) + o + opt(0, b''))
def end(t, n, ifdrop=0, osdrop=0):
    return block(5, struct.pack('<III', 0, t >> 32, t & 0xffffffff) +
                 b''.join(opt(c, struct.pack('<Q', v)) for c, v in
                          ((4, n + ifdrop + osdrop), (5, ifdrop), (7, osdrop), (8, n))) + opt(0, b''))
def udp(src, data):
    u = struct.pack('>HHHH', 5000, 60000, 8 + len(data), 0) + data
    return struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(u), 0, 0, 64, 17, 0) + \
        bytes(map(int, src.split('.'))) + bytes([127, 0, 0, 1]) + u
def event(number, clock, slots, run=7, flags=0, nsrc=32, offs=lambda s: s):
    size = len(next(iter(slots.values())))
    return struct.pack('<IHHQIIqHHQ', 0x656b7966, 1, 44 + 4 * nsrc, number, run, flags, clock, nsrc,
                       len(slots), sum(1 << s for s in slots)) + \
        b''.join(struct.pack('<i', offs(s) if s in slots else -2**31) for s in range(nsrc)) + \
        b''.join(slots.get(s, bytes(size)) for s in range(nsrc))
def chec(tack, raw):                           # raw: what raw2nc should store, after the xor
    w = (np.asarray(raw).astype('u2') ^ 0x8000).astype('>u2')
    return struct.pack('>Q', tack) + w[:32].tobytes() + struct.pack('>Q', tack + 7) + w[32:].tobytes()
def roach(I, Q, pps, clock, count):
    w = np.zeros(2048, '<i4'); c = np.arange(1024)
    w[(c & 1) * 1024 + c // 2] = I
    w[512 + (c & 1) * 1024 + c // 2] = Q
    b = bytearray(w.tobytes()); b[8171:] = struct.pack('>IIIIIB', 0, pps, clock % 2**32, count, 5, 6)
    return bytes(b)
E2
cat >events.py <<'E2'
import os, sys
from gen import *
card = open(os.environ['FYKE_CARDS'] + '/chec.card').read()
def stream(n, first=0, clock0=5 * 10**9, t0=T0, ends=True):
    out = header(147, 'fyke-events/1', card)
    for i in range(n):
        clock = clock0 + i * 100_000_000
        mods = [m for m in range(32) if m != 9 and not (i % 10 == 3 and m == 5)]
        slots = {m: chec(clock + m, np.arange(64) * 100 + m + i) for m in mods}
        if i == 7: slots[2] = chec(clock + 2, [65535] + [0] * 63)
        out += packet(t0 + i * 100_000_000 + 1000 * (i % 3),
                      event(first + i, clock, slots, flags=1 if i % 10 == 3 else 0), dropped=2 if i == 20 else 0)
    return out + (end(t0 + n * 100_000_000, n, 3, 2) if ends else b'')
open('events.pcapng', 'wb').write(stream(50))
open('two.pcapng', 'wb').write(stream(10) + stream(10, clock0=10**9, t0=T0 + 30 * 10**9))
open('rot.pcapng', 'wb').write(stream(100, t0=T0 - T0 % (10 * 10**9) + 5 * 10**9))
s = stream(50)
open('cut.pcapng', 'wb').write(s[:len(s) // 2])
open('other.pcapng', 'wb').write(stream(10).replace(b'title = CHEC-S', b'title = CHEC-T'))
b = bytearray(stream(100)); b[len(b) // 5] ^= 1
open('early.pcapng', 'wb').write(bytes(b))     # damaged in its second second
open('told.pcapng', 'wb').write(stream(10, ends=False) + end(T0 + 3 * 10**9, 10) + end(T0 + 4 * 10**9, 10, 0, 7))
card = card.replace('name = module\n', '')
open('old.pcapng', 'wb').write(stream(10))
b = bytearray(s); b[len(s) // 2] ^= 1
open('flip.pcapng', 'wb').write(bytes(b))
E2
$py events.py || { echo "Bail out! the generator failed"; exit 1; }

# ---- events ----

ok "events to netCDF" -- raw2nc -o ev.nc events.pcapng
like err '50 events in, 50 out, 0 lost' "and the accounting"
ok "the same with the classic types" -- raw2nc -o classic.nc --types=classic events.pcapng
ok "channel-major" -- raw2nc -o chan.nc --layout=channel events.pcapng
ok "finished as netCDF-4" -- raw2nc -o nc4.nc --final=nc4 events.pcapng
ok "finished as netCDF-4, channel-major" -- raw2nc -o nc4c.nc --final=nc4 --layout=channel events.pcapng
is "$(ncdump -k ev.nc) $(ncdump -k classic.nc) $(ncdump -k chan.nc) $(ncdump -k nc4.nc)" \
    "cdf5 64-bit offset cdf5 netCDF-4" "the kinds"
is "$(find . -name '.*' -type f)" "" "no temporary file is left"
cat >check.py <<'E2'
import numpy as np, netCDF4, xarray as xr, warnings
warnings.simplefilter('ignore')
def want(i):
    a = np.full((32, 64), np.nan)
    for m in range(32):
        if m == 9 or (i % 10 == 3 and m == 5): continue
        a[m] = np.arange(64) * 100 + m + i
    if i == 7: a[2] = 0; a[2, 0] = np.nan
    return a * 0.0763
for name in ('ev.nc', 'classic.nc', 'chan.nc', 'nc4.nc', 'nc4c.nc'):
    with warnings.catch_warnings():
        warnings.simplefilter('error')      # it opens, and nobody is warned of anything
        ds = xr.open_dataset(name).load()
    amp = ds.amplitude.transpose('event', 'module', 'pixel').values
    assert np.allclose(amp, [want(i) for i in range(50)], atol=1e-3, equal_nan=True), name
    t = ds.time.values.astype('datetime64[ns]').astype(int)
    assert (t == 1763623433_123456789 + np.arange(50) * 100_000_000).all(), (name, t)
    a = ds.arrival.values.astype('datetime64[ns]').astype(int)
    assert (a == t + 1000 * (np.arange(50) % 3)).all(), name
    assert (ds.clock.values == 5 * 10**9 + np.arange(50) * 100_000_000).all(), name
    assert ds.present.values.sum() == 50 * 31 - 5, name
    off = ds.offset.transpose('event', 'module').values
    assert off[0, 8] == 8 and np.isnan(off[0, 9]), name
    assert ds.flags.values[3] == 1 and ds.flags.values[7] == 1 << 16 and ds.flags.values[4] == 0, name
    assert (ds.nrec.values[:4] == [31, 31, 31, 30]).all() and (ds.run.values == 7).all(), name
    assert (ds.number.values == np.arange(50)).all() and ds.dropped.values[20] == 2, name
    assert ds.frames_written.values == 50, name
    raw = netCDF4.Dataset(name); raw.set_auto_mask(False)
    loss = {k: int(v) for k, v in zip(netCDF4.chartostring(raw['loss_name'][:]), raw['loss_count'][:])}
    assert loss['incomplete events'] == 5 and loss['sources absent from incomplete events'] == 10, loss
    assert loss['datagrams dropped before an event'] == 2, loss
    assert loss["kernel drops, as of the stream's end mark"] == 2, loss
    assert loss['measured values equal to the fill value'] == 1, loss
    assert raw['anchor_clock'][0] == 5 * 10**9 and list(raw['anchor_first'][:2]) == [0, -1]
    assert abs(raw['anchor_time'][0] - 26633.123456789) < 1e-9
    assert raw.Conventions.startswith('CF-') and raw.card.startswith('# chec.card') and raw.run == 7
    assert raw.date_created == '2025-11-20T07:23:53.123456789Z'
    assert raw.time_coverage_start == '2025-11-20T07:23:53.123456789Z'
    assert raw.time_coverage_end == '2025-11-20T07:23:58.023457789Z', raw.time_coverage_end
    print(name, 'good')
# The full-scale sample is not lost: the raw value stands in the file.
raw = netCDF4.Dataset('ev.nc'); raw.set_auto_maskandscale(False)
assert raw['amplitude'][7, 2, 0] == 65535 and raw['present'][7, 2] == 1
assert raw['tack'][4, 3] == 5_400_000_003 and raw['tack'].dtype == 'u8'
print('raw good')
E2
$py check.py >got 2>&1
is "$(tail -n 6 got)" "$(printf '%s good\n' ev.nc classic.nc chan.nc nc4.nc nc4c.nc raw)" "xarray and netCDF4 find all values" || diag <got
ok "a stream whose card does not say what a source is called" -- raw2nc -o old.nc old.pcapng
is "$(ncdump -h old.nc | grep -c '^.source = 32 ;')" 1 "has the dimension source"
ok "ncks reads one module" -- ncks -O -d module,4 -v amplitude,time ev.nc one.nc
ok "ncra averages" -- ncra -O -v amplitude ev.nc mean.nc
ncks -C -H -s '%f' --unpack -v amplitude -d module,4 -d pixel,1 mean.nc 2>/dev/null >out || ncdump -v amplitude mean.nc >out
[ -s out ]; tap $? "and the mean is there"
is "$(ncdump -h ev.nc | grep -c 'flag_m')" 2 "flags carry masks and meanings"
is "$(ncdump -v time -t ev.nc | sed -n 's/^ time = \("[^"]*"\).*/\1/p')" '"2025-11-20 07:23:53.123457"' "ncdump decodes the time"
is "$(ncdump -hs nc4.nc | grep -c 'amplitude:_ChunkSizes = 50, 1, 16')" 1 "netCDF-4 has explicit chunks"
is "$(ncdump -hs nc4.nc | grep -cE 'amplitude:_(Shuffle = "true"|DeflateLevel = 1)')" 2 "shuffle and deflate 1"

ok "two streams behind each other" -- raw2nc -o two.nc two.pcapng
is "$(ncdump -v segment two.nc | tr -d ' \n' | sed 's/.*segment=//')" \
    "0,0,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1,1;}" "two segments"
is "$(ncdump -v anchor_first two.nc | tr -d ' \n' | sed 's/.*anchor_first=//' | cut -c1-8)" "0,10,-1," "each with its anchor"

# ---- a card whose author knew nothing of the other names ----

cat >names.card <<'E2'
[card]
name = names
window = 5ms
hold = 200ms
rate = 100
byteorder = big
datagram = 24
[source]
by = field source
count = 2
[clock]
field = clock
unit = 1us
[field clock]
at = 0 u32
[field event]
at = 4 u32
[field source]
at = 8 u16
[field time]
at = 10 u16
[field card_time]
at = 12 u16
[field loss]
at = 14 u16 2
axis = run
[field anchor]
at = 18 u16 3
axis = card_run
E2
ok "names that the file has already" -- sh -c 'simdet --quiet -c ./names.card -m 2 -n 20 -o names.pcapng &&
	evbuild --quiet -c ./names.card names.pcapng | raw2nc -o names.nc && raw2nc -c ./names.card -o named.nc names.pcapng'
cat >names.py <<'E2'
import xarray as xr
for name, rest in ('names.nc', ('event', 'source')), ('named_s00.nc', ('time',)):
    ds = xr.open_dataset(name).load()
    assert ds.sizes[rest[0]] == 20
    for of, own in ('clock', ()), ('event', ()), ('source', ()), ('time', ()), ('card_time', ()), ('loss', (2,)), ('anchor', (3,)):
        of = next(n for n in ('card_card_' + of, 'card_' + of, of) if n in ds.variables)
        assert ds[of].dims[:len(rest)] == rest and ds[of].shape[len(rest):] == own, (name, of)
    assert {n for n in ds.variables if n in ds.sizes} <= {'time'}
    print(*sorted(n for n in ds.variables if n.startswith('card_')))
E2
is "$($py names.py 2>&1 | tail -n 2)" "card_anchor card_card_time card_clock card_event card_loss card_source card_time
card_anchor card_card_time card_clock card_loss card_time" "the card's get another, and xarray opens the files"

# ---- the same input gives the same bytes ----

ok "again" -- raw2nc -o again.nc events.pcapng
same again.nc ev.nc "the same bytes from a file"
ok "from a pipe" -- sh -c 'raw2nc -o pipe1.nc <events.pcapng'
ok "from a slow pipe, with many commits" -- sh -c 'dd if=events.pcapng bs=777 2>/dev/null | raw2nc --every=1ms -o pipe2.nc -'
same pipe1.nc pipe2.nc "the same bytes however they come"
ok "netCDF-4 again" -- raw2nc -o nc4again.nc --final=nc4 events.pcapng
same nc4again.nc nc4.nc "netCDF-4 too"

# ---- the reader of the page ----

sed -n '/reader-begin/,/reader-end/p' "$top/man5/fyke-netcdf.5" | grep -v '^\.' >reader.py
simdet --quiet -c roach2c -m 1 -n 30 --drop=@7 -o roach.pcapng
raw2nc --quiet -c roach2c -o roach.nc roach.pcapng
cat >same.py <<'E2'
import runpy, sys
import numpy as np, netCDF4
from pathlib import Path

for path, rows in ('ev.nc', 'event'), ('chan.nc', 'event'), ('roach.nc', 'time'):
    sys.argv[1:] = [path]
    d = netCDF4.Dataset(path); d.set_auto_maskandscale(False)
    g = runpy.run_path('reader.py'); data = g['data']
    def same(atts, theirs):
        assert list(atts) == theirs.ncattrs()
        for k, v in atts.items():
            v = bytes(v).decode() if v.dtype == 'S1' else v
            assert np.array_equal(v, theirs.getncattr(k) if isinstance(v, str) else np.ravel(theirs.getncattr(k))), k
    assert list(data) == list(d.variables) and len(d.dimensions[rows]) > 20
    for n, a in data.items():
        theirs = d[n][:]
        assert a.shape == theirs.shape and a.dtype.newbyteorder('=') == theirs.dtype and a.tobytes() == theirs.astype(a.dtype).tobytes(), n
        same(g['variables'][n][1], d[n])
    same(g['about'], d)
# What is not yet safe is not shown.
sys.argv[1:] = ['ev.nc']
b, at = bytearray(Path('ev.nc').read_bytes()), runpy.run_path('reader.py')['variables']['frames_written'][4]
safe = int.from_bytes(b[at:at + 8], 'big') - 7
b[at:at + 8] = safe.to_bytes(8, 'big')
Path('live.nc').write_bytes(b)
sys.argv[1:] = ['live.nc']
assert runpy.run_path('reader.py')['data']['amplitude'].shape == (safe, 32, 64)
E2
ok "the reader of fyke-netcdf(5), in numpy alone, agrees with netCDF4" -- $py same.py
is "$(grep -c . reader.py)" 15 "in 15 lines"

# ---- bad input ----

exits 1 "a cut stream" -- raw2nc -o cut.nc cut.pcapng
like err 'what was whole is kept' "is said"
n=$(ncdump -v frames_written cut.nc | sed -n 's/^ frames_written = \(.*\) ;/\1/p')
[ "$n" -ge 24 ] && [ "$n" -le 25 ]; tap $? "and what was whole is there: $n events"
exits 1 "a flipped bit" -- raw2nc -o flip.nc flip.pcapng
is "$(ncdump -v frames_written flip.nc | sed -n 's/^ frames_written = \(.*\) ;/\1/p')" 49 "one event is missing"
ncdump -v loss_count flip.nc >out
tr -d ' \n' <out | sed 's/.*loss_count=//' >line
is "$(cut -d, -f3 line) $(cut -d, -f11 line)" "1 1" "the loss table says: 1 event missing, 1 damaged place"
exits 1 "no stream at all" -- raw2nc -o none.nc check.py
exits 1 "an empty input" -- raw2nc -o none.nc /dev/null
[ ! -e none.nc ]; tap $? "and no file is made"
exits 1 "events and packets in one" -- sh -c 'simdet --quiet -c chec -n 1 -o - | cat events.pcapng - | raw2nc -o mix.nc'
is "$(ncdump -v frames_written mix.nc | sed -n 's/^ frames_written = \(.*\) ;/\1/p')" 50 "what came before is kept"
exits 1 "events of two detectors" -- sh -c 'cat events.pcapng other.pcapng | raw2nc -o mix2.nc'
is "$(ncdump -v frames_written mix2.nc | sed -n 's/^ frames_written = \(.*\) ;/\1/p')" 50 "the first one's are kept"

# ---- files are never lost ----

cp ev.nc before.nc
exits 4 "an old file is not overwritten" -- raw2nc -o ev.nc two.pcapng
like err 'ev.nc: exists, and is not overwritten' "and the message says so"
same ev.nc before.nc "it is as it was"
ok "but when asked" -- raw2nc --overwrite -o ev.nc events.pcapng
same ev.nc before.nc "it is replaced"
ln -s before.nc link.nc
exits 4 "a symbolic link neither" -- raw2nc -o link.nc two.pcapng
# A chain that is started in the evening is told then, and not when the first datum comes: nothing
# is written into this pipe.
mkfifo silent
silence() { wanted=$1; shift; exits "$wanted" "before any datum: $*" -- sh -c 'exec 3<>silent; exec raw2nc "$@" <silent' - "$@"; }
silence 4 -o ev.nc
like err 'ev.nc: exists, and is not overwritten: choose another name, or --overwrite' "with what to do"
silence 3 -o nowhere/x.nc
silence 3 --dir=nowhere
like err 'nowhere: no such folder' "which one"
silence 2 -o -
silence 2 -o ''
silence 2 -o x.nc --layout=x
like err 'layout=x: is time or channel' "with what there is"
silence 2 --overwrite --dir=.
exits 3 "a disk that is full at once" -- prlimit --fsize=30000 raw2nc --overwrite -o ev.nc events.pcapng
[ "$(ncdump -v frames_written ev.nc | sed -n 's/^ frames_written = \(.*\) ;/\1/p')" -gt 0 ]; tap $? "the old file stays, or has records"
cp before.nc ev.nc
mkdir linked
: >linked/current
ok "a link that cannot be made" -- raw2nc --dir=linked events.pcapng
like err 'goes on without this link' "is told"
$py - linked/chec_*.nc before.nc <<'E2'
import sys, netCDF4, numpy as np
a, b = (netCDF4.Dataset(n) for n in sys.argv[1:])
assert all(np.array_equal(a[v][:], b[v][:]) for v in ('time', 'amplitude', 'flags'))
E2
tap $? "and costs no record"

# ---- rotation ----

mkdir rot
ok "a file each 10 s of the data" -- raw2nc --rotate=10s --dir=rot rot.pcapng
is "$(cd rot && echo chec_*)" "chec_20251120T072355Z.nc chec_20251120T072400Z.nc" "named by the time of their first event" 
is "$(readlink rot/current)" "chec_20251120T072400Z.nc" "current is the newest"
is "$(cat rot/current.cur)" "$(cd rot && pwd -P)/chec_20251120T072400Z.nc" "and current.cur says where it is"
sum=0
for f in rot/chec_*.nc; do
	n=$(ncdump -v frames_written "$f" | sed -n 's/^ frames_written = \(.*\) ;/\1/p')
	sum=$((sum + n))
done
is $sum 100 "together they hold every event"
is "$(ncdump -v anchor_clock rot/chec_20251120T072400Z.nc | sed -n 's/^ anchor_clock = \([0-9]*\),.*/\1/p')" 5000000000 \
    "the second one knows the segment's anchor"
is "$(ncdump -v time rot/chec_20251120T072400Z.nc | sed -n 's/^ time = \([0-9]*\).*/\1/p')" 26640 "and its times go on"

mkdir again
for s in 0 5; do simdet --quiet -c roach2c -m 1 -n 200 --start=2026-01-01T00:00:0${s}Z -o $s.pcapng; done
ok "a file that begins with a restart" -- sh -c 'cat 0.pcapng 5.pcapng | evbuild --quiet -c roach2c --sources=0 |
	raw2nc --rotate=1s --dir=again'
is "$(ncdump -v anchor_first again/*05Z.nc | sed -n 's/^ anchor_first = \(0, -*[0-9]*\),.*/\1/p')" "0, -1" \
    "has no anchor of the segment before"

mkdir told
ok "drops that are told after the last file was finished" -- raw2nc --rotate=1s --dir=told --final=nc4 told.pcapng
is "$(cd told && echo chec_*)" "chec_20251120T072353Z.nc chec_20251120T072354Z.nc chec_20251120T072357Z.nc" \
    "have a file of their own"
is "$(ncdump -v loss_count told/*57Z.nc | sed -n '/ loss_count =/,/;/p' | tr -cd '0-9,' | tr -s ,0 ' ')" " 7 " "that counts them"

mkdir early
exits 1 "a stream that is damaged" -- raw2nc --rotate=1s --dir=early early.pcapng
where=$(cd early && for f in chec_*.nc; do
	echo "$(ncdump -v loss_count "$f" | sed -n '/ loss_count =/,/;/p' | tr -cd '0-9,' | cut -d, -f11)"
done | tr '\n' ' ')
is "$where" "0 1 0 0 0 0 0 0 0 0 0 " "the file of that second counts it, however fast the stream is read"

# Rotated files wait in line for their last layout, beside the data.
mkdir packed
ok "rotation with netCDF-4" -- raw2nc --rotate=2s --dir=packed --final=nc4 rot.pcapng
n=0
for f in packed/chec_*.nc; do
	[ "$(ncdump -k "$f")" = netCDF-4 ] && n=$((n + 1))
done
is $n 6 "every file is finished"
[ -e packed/current ]; tap $? "and current still points to one"

# ---- usage ----

exits 2 "no output" -- raw2nc events.pcapng
exits 2 "both outputs" -- raw2nc -o x.nc --dir=rot events.pcapng
exits 2 "--rotate without --dir" -- raw2nc -o x.nc --rotate=1h events.pcapng
exits 2 "a layout that is none" -- raw2nc -o x.nc --layout=row events.pcapng
exits 2 "--names for events" -- raw2nc -o x.nc --names=kid events.pcapng
exits 2 "packets without a card" -- sh -c 'simdet --quiet -c chec -n 1 -o - | raw2nc -o x.nc'
like err '-c CARD' "and the message says what to do"
exits 2 "a card that is none" -- sh -c 'simdet --quiet -c chec -n 1 -o - | raw2nc -c none -o x.nc'
is "$(echo x*.nc)" "x*.nc" "none of these made a file"
done_testing
