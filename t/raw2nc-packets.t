# raw2nc-packets.t - packet streams: a file for each source, in order, with what is missing marked
# san: yes
. "${0%/*}/lib.sh"
py=/usr/bin/python3
head_of() { sed -n '/^cat >gen.py/,/^E2$/p' "$top/t/raw2nc.t" | sed '1d;$d'; }
head_of >gen.py # the generator of raw2nc.t

cat >packets.py <<'E2'
from gen import *
def frame(i, board=0, clock0=4_200_000_000, scale=1):
    I = np.arange(1024) * 10 + i; Q = -np.arange(1024) * 10 - i - board
    return udp('192.168.40.%d' % (71 + board), roach(I, Q, 100 + i // 488, clock0 + i * 524288, 1000 + i))
def at(i): return T0 + i * 2048000
def write(name, list):                         # (arrival, frame, dropped)
    with open(name, 'wb') as f:
        f.write(header(101))
        for p in list: f.write(packet(*p))
        f.write(end(list[-1][0], len(list)))
write('one.pcapng', [(at(i), frame(i)) for i in range(200)])
write('later.pcapng', [(at(i), frame(i)) for i in range(100)] +
      [(at(i) + 1000 * b, frame(i, b)) for i in range(100, 200) for b in range(2)])
write('two.pcapng', [(at(i) + 1000 * b, frame(i, b)) for i in range(200) for b in range(2)])
# Out of order, twice, missing, late; a datagram of a stranger, one too short, a piece of one, one
# that is not all there; and a packet that is no UDP.
order = list(range(100))
order[10], order[11] = 11, 10                  # swapped
order.insert(21, 20)                           # twice
del order[order.index(40):order.index(43)]     # 40, 41, 42 missing
order = [i for i in order if i != 30]; order.append(30)     # late: 140 ms after its place
trouble = [(at(n), frame(i)) for n, i in enumerate(order)]
trouble.insert(50, (at(50), udp('192.168.40.3', bytes(8192))))
trouble.insert(51, (at(50), udp('192.168.40.71', bytes(8191))))
whole = bytearray(frame(50)); whole[6] = 0x20  # more fragments
trouble.insert(52, (at(50), bytes(whole)))
trouble.insert(53, (at(50), frame(50)[:-1]))
icmp = bytearray(frame(50)[:60]); icmp[2:4] = (0, 60); icmp[9] = 1
trouble.insert(54, (at(50), bytes(icmp)))
trouble[72] = trouble[72] + (5,)
write('trouble.pcapng', trouble)
write('many.pcapng', [(at(0) + b, udp('192.168.40.%d' % b, bytes(4))) for b in range(1, 101)])
write('other.pcapng', [(at(i), frame(i)) for i in range(100)] + [(at(100), bytes(icmp))] * 3)
write('restart.pcapng', [(at(i), frame(i + 5000)) for i in range(50)] +
      [(at(i) + 10**9, frame(i, clock0=0)) for i in range(50, 80)])
with open('told.pcapng', 'wb') as f:           # drops that the end mark tells, a second after all else
    f.write(header(101) + b''.join(packet(at(i), frame(i)) for i in range(50)) +
            end(at(50) + 2 * 10**9, 50) + end(at(50) + 3 * 10**9, 50, 0, 7))
# A number is missing where a file begins; drops are told with a datagram that is not stored.
write('edge.pcapng', [(T0 - T0 % 10**9 + i * 100_000_000, frame(i)) for i in range(30) if i != 20])
list = [(at(i), frame(i)) for i in range(20)]; list[7] = (at(7), udp('192.168.40.71', bytes(8191)), 5)
list[12] = (at(12), frame(11), 4)              # a duplicate
write('refused.pcapng', list)
# The host's clock is set back by ten seconds.
write('back.pcapng', [(at(i) - (10**10 if i >= 50 else 0), frame(i)) for i in range(90)])
# The clock of 2^32 ticks wraps each 16.777 s: a packet each 5 s, and one gap of 40 s.
ticks = [0, 5, 10, 15, 20, 60, 65, 70]
write('wrap.pcapng', [(T0 + s * 10**9, udp('192.168.40.71', roach(0, 0, s, s * 256_000_000, n)))
                      for n, s in enumerate(ticks)])
E2
$py packets.py || { echo "Bail out! the generator failed"; exit 1; }

ok "one board" -- raw2nc -c roach2c -o one.nc one.pcapng
ok "two boards" -- raw2nc -c roach2c -o two.nc two.pcapng
is "$(echo two*.nc)" "two_s00.nc two_s01.nc" "a file for each"
ok "a second board that comes later" -- raw2nc -c roach2c -o later.nc later.pcapng
like err 'source 1 sends too: the file of source 0 is now later_s00.nc' "the rename is said"
is "$(echo later*.nc)" "later_s00.nc later_s01.nc" "a file for each, again"
ok "once more, over these files" -- raw2nc -c roach2c --overwrite -o later.nc later.pcapng
is "$(echo later*.nc)" "later_s00.nc later_s01.nc" "and nothing else is left"
rm later_s01.nc
exits 4 "not without being asked" -- raw2nc -c roach2c -o later.nc later.pcapng
like err 'later_s00.nc: exists, and is not overwritten' "in words"
ok "the classic types" -- raw2nc -c roach2c --types=classic -o classic.nc one.pcapng
exits 5 "a stream with all kinds of trouble" -- raw2nc -c roach2c -o trouble.nc trouble.pcapng
like err 'wrong length 1, unknown source 1, truncated 1, fragment 1, duplicate 1, late 1\)' "what was not kept"
like err 'missing 4, reordered [12].*, other traffic 1$' "and what was found" || diag <err
like err '192.168.40.3:5000: an unknown source: roach2c has sources 0 to 12 \(addresses that end in .71 to .83\)' "the stranger is named"
like err 'a datagram of 8191 bytes from 192.168.40.71:5000: card roach2c has 8192' "the short one too"
ok "--max-loss makes it 0" -- raw2nc -c roach2c --max-loss=6 --overwrite -o trouble.nc trouble.pcapng
ok "other traffic in a capture is no loss" -- raw2nc -c roach2c -o other.nc other.pcapng
like err '100 records in, 100 out, 0 lost; .*other traffic 3$' "but is counted"
ok "a board that starts anew" -- raw2nc -c roach2c -o restart.nc restart.pcapng
ok "a clock that wraps" -- raw2nc -c roach2c -o wrap.nc wrap.pcapng
ok "one clock that is garbled" -- sh -c 'simdet --quiet -c rfsoc -m 1 -n 2000 --records=1 --garble=@500 -o garbled.pcapng &&
	simdet --quiet -c rfsoc -m 1 -n 2000 --records=1 -o good.pcapng && raw2nc --quiet -c rfsoc -o good.nc good.pcapng &&
	raw2nc -c rfsoc -o garbled.nc garbled.pcapng'
like err "times not the clock's 1\$" "it is counted"
ok "a host's clock that is set back" -- raw2nc -c roach2c -o back.nc back.pcapng
mkdir edge
ok "a number that is missing where a file begins" -- raw2nc -c roach2c --rotate=1s --dir=edge edge.pcapng
ok "drops told with datagrams that are not stored" -- raw2nc -c roach2c --max-loss=9 -o refused.nc refused.pcapng
mkdir told
ok "drops that are told after the last file was finished" -- raw2nc -c roach2c --rotate=1s --dir=told told.pcapng
ok "names of TolTEC" -- raw2nc -c roach2c --names=toltec -o toltec.nc one.pcapng
ok "the same where the PPS comes, at another phase than UTC's second" -- sh -c 'simdet --quiet -c roach2c -m 1 -n 2000 \
	--start=2026-01-01T00:00:00.1Z --clock0=153600000 -o phase.pcapng && raw2nc -c roach2c --names=toltec -o phase.nc phase.pcapng'
ok "the same of a detector without a PPS count" -- sh -c 'simdet --quiet -c rfsoc -m 1 -n 4000 -o - | raw2nc -c rfsoc --names=toltec -o nopps.nc'
ok "names of roach2pcp" -- raw2nc -c roach2c --names=kid -o kid.nc one.pcapng
is "$(ncdump -k kid.nc)" "64-bit offset" "which are CDF-2"
exits 2 "these names need I and Q" -- sh -c 'simdet --quiet -c chec -n 1 -o - | raw2nc -c chec --names=toltec -o x.nc'
ok "TARGET-C datagrams of ten records" -- sh -c 'simdet --quiet -c chec -m 2 -n 40 -o - | raw2nc -c chec -o chec.nc'
is "$(ncdump -v frames_written chec_s01.nc | sed -n 's/^ frames_written = \(.*\) ;/\1/p')" 40 "40 records of each module"
cat >many.card <<'E2'
[card]
name = many
byteorder = big
record = 4
window = 5ms
hold = 200ms
[source]
by = address
byte = last
first = 1
count = 100
[clock]
field = ticks
unit = 1us
[field ticks]
at = 0 u32
E2
mkdir many
ok "more sources than the limit of open files has room for" -- sh -c 'ulimit -S -n 64 && raw2nc -c ./many.card -o many/b.nc many.pcapng'
is "$(ls many | wc -l)" 100 "each has its file"
mkdir rot
ok "rotation of several boards" -- raw2nc -c roach2c --rotate=1s --dir=rot two.pcapng
is "$(cd rot && echo roach2c_s*)" "roach2c_s00_20251120T072353Z.nc roach2c_s01_20251120T072353Z.nc" "named by board and time"
mkdir again
ok "a file that begins with a restart" -- raw2nc -c roach2c --rotate=1s --dir=again restart.pcapng
is "$(ncdump -v anchor_first again/*54Z.nc | sed -n 's/^ anchor_first = \(0, -*[0-9]*\),.*/\1/p')" "0, -1" \
	"has no anchor of the segment before"
[ -L rot/current_s00 ] && [ -L rot/current_s01 ]; tap $? "a current link for each"

cat >check.py <<'E2'
import numpy as np, netCDF4, xarray as xr, warnings
warnings.simplefilter('ignore')
T0 = 1763623433_123456789
ns = lambda v: v.values.astype('datetime64[ns]').astype(int)
def losses(name):
    d = netCDF4.Dataset(name); d.set_auto_mask(False)
    return {k: int(v) for k, v in zip(netCDF4.chartostring(d['loss_name'][:]), d['loss_count'][:])}
c = np.arange(1024)
lost = (c >= 1013) & (c % 2 == 1)              # Q under the trailer, even/odd map
for name, board in (('one.nc', 0), ('two_s00.nc', 0), ('two_s01.nc', 1), ('classic.nc', 0)):
    ds = xr.open_dataset(name)
    assert ds.dims['time'] == 200 and ds.frames_written == 200
    i = np.arange(200)[:, None]
    assert (ds.I.values == c * 10 + i).all(), name
    q = -(c * 10.) - i - board; q[:, lost] = np.nan
    assert np.array_equal(ds.Q.values, q, equal_nan=True), name
    assert (ns(ds.time) == T0 + 1000 * board + np.arange(200) * 2048000).all(), name
    assert (ds.sequence.values == 1000 + np.arange(200)).all() and (ds.missing.values == 0).all()
    assert (np.diff(ds.clock.values) == 2048000).all() and (ds.segment.values == 0).all()
    assert (ds.pps_count.values == 100).all() and (ds.gpio.values == 6).all()
    assert (ds.packet_count.values == 1000 + np.arange(200)).all(), name
    assert ds.source_number == board
    print(name, 'good')
ds = xr.open_dataset('trouble.nc')
i = ds.sequence.values - 1000
assert list(i) == [k for k in range(100) if k not in (30, 40, 41, 42)], i
assert (ds.I.values[:, 5] == 50 + i).all() and (np.diff(ns(ds.time)) > 0).all()
at = {k: n for n, k in enumerate(i)}
assert ds.missing.values[at[43]] == 3 and ds.missing.values[at[31]] == 1 and ds.missing.values.sum() == 4
flags = ds.flags.values
assert flags[0] & 16 and flags[at[43]] & 128 and flags[at[10]] >> 17 & 1, flags
assert ds.dropped.values.sum() == 5
l = losses('trouble.nc')
assert [l[k] for k in ('records missing by sequence number', 'duplicates, not stored', 'records too late, not stored',
    'records out of line, not stored', 'stream: datagrams of a wrong length', 'stream: records of unknown sources',
    'stream: truncated datagrams', 'stream: fragments of datagrams', 'stream: other traffic',
    'stream: datagrams dropped by the receiver')] == [4, 1, 1, 0, 1, 1, 1, 1, 1, 5], l
print('trouble good')
ds = xr.open_dataset('restart.nc')
assert ds.dims['time'] == 80 and list(np.unique(ds.segment.values, return_counts=True)[1]) == [50, 30]
t = ns(ds.time)
assert (np.diff(t) > 0).all() and t[50] == T0 + 50 * 2048000 + 10**9
assert list(ds.anchor_first.values[:3]) == [0, 50, -1] and (ds.missing.values == 0).all()
print('restart good')
good, ds = xr.open_dataset('good.nc'), xr.open_dataset('garbled.nc')
assert (ns(ds.time) == ns(good.time)).all() and (ds.segment.values == 0).all()
assert list(np.flatnonzero(ds.flags.values >> 18 & 1)) == list(np.flatnonzero(ds.clock != good.clock)) == [500]
assert losses('garbled.nc')["times that are not the clock's"] == 1
ds = xr.open_dataset('back.nc')                # the new segment begins before the end of the old one
assert ds.dims['time'] == 90 and (np.diff(ns(ds.time)) > 0).all() and list(ds.anchor_first.values[:3]) == [0, 50, -1]
assert list(np.flatnonzero(ds.flags.values >> 18 & 1)) == list(range(50, 90))
assert losses('back.nc')["times that are not the clock's"] == 40
import glob
for f in glob.glob('edge/roach2c_*.nc'):
    assert losses(f)['records missing by sequence number'] == netCDF4.Dataset(f)['missing'][:].sum(), f
assert sum(losses(f)['records missing by sequence number'] for f in glob.glob('edge/roach2c_*.nc')) == 1
ds = xr.open_dataset('refused.nc'); i = ds.sequence.values - 1000
assert {int(k): int(n) for k, n in zip(i, ds.dropped.values) if n} == {8: 5, 11: 4}, (i, ds.dropped.values)
files = sorted(glob.glob('told/roach2c_*.nc'))
assert [int(netCDF4.Dataset(f)['frames_written'][:]) for f in files] == [50, 0], files
assert losses(files[1])["stream: kernel drops, as of its end mark"] == 7
print('times and what is told late good')
ds = xr.open_dataset('wrap.nc')
assert list((ns(ds.time) - T0) // 10**9) == [0, 5, 10, 15, 20, 60, 65, 70] and (ds.segment.values == 0).all()
assert list(ds.clock.values // 10**9) == [0, 5, 10, 15, 20, 60, 65, 70]
print('wrap good')
# As citlali and TolTEC's programs read their files.
d = netCDF4.Dataset('toltec.nc')
I, Q, ts = d['Data.Toltec.Is'][:], d['Data.Toltec.Qs'][:], d['Data.Toltec.Ts'][:].astype(float)
assert I.dtype == 'i4' and d['Data.Toltec.Is'].dimensions == ('time', 'iqlen') and I.shape == (200, 1024)
assert (I == c * 10 + np.arange(200)[:, None]).all()
f = float(d['Header.Toltec.FpgaFreq'][:]); assert f == 256e6
assert round(float(d['Header.Toltec.SampleFreq'][:]), 3) == 488.281 and int(d['Header.Toltec.AccumLen'][:]) == 524288
assert int(d['Header.Toltec.RoachIndex'][:]) == 0 and d['Header.Toltec.ToneFreq'].shape == (1, 1024)
def times(d):
    ts, f = d['Data.Toltec.Ts'][:].astype(float), float(d['Header.Toltec.FpgaFreq'][:])
    dt = (ts[:, 2] - ts[:, 4]) / f
    dt[dt < 0] += (2.**32 - 1) / f
    return int(ts[0, 0] + ts[0, 5] * 1e-9 - 0.5) + ts[:, 1] + dt
t = times(d)
assert np.abs(t - (1763623433.123456789 + np.arange(200) * 2.048e-3)).max() < 1e-6, t[:3]
for name, rate, seconds in ('phase.nc', 256e6, 5), ('nopps.nc', 1e9, 9):
    e = netCDF4.Dataset(name)
    t, want = times(e), ns(xr.open_dataset(name).time) / 1e9
    assert np.abs(t - want).max() < 1e-6, (name, np.abs(t - want).max())
    assert float(e['Header.Toltec.FpgaFreq'][:]) == rate and len(np.unique(e['Data.Toltec.Ts'][:, 1])) == seconds, name
assert (np.diff(ts[:, 3]) == 1).all()
assert np.abs(d['Data.Toltec.RecvTime'][:] - times(d)).max() < 1e-5
print('toltec good')
# As roach2pcp's test writer lays them out.
d = netCDF4.Dataset('kid.nc')
assert d['iqdata'].dimensions == ('time', 'ntones') and d['iqdata'].dtype == 'f8' and d['timestamps'].dtype == 'f8'
assert np.abs(d['timestamps'][:] - (1763623433.123456789 + np.arange(200) * 2.048e-3)).max() < 1e-6
assert np.allclose(d['iqdata'][7, :1000], np.hypot(c[:1000] * 10 + 7, -(c[:1000] * 10.) - 7))
assert np.ma.is_masked(d['iqdata'][0, 1013])
assert 'roach2pcp' in d.description and 'one.pcapng' in d.history
print('kid good')
E2
$py check.py >got 2>&1
is "$(wc -l <got)" 10 "xarray and netCDF4 find all values" || diag <got
tail -n 1 got | grep -q 'kid good'; tap $? "to the last"

# ---- the captured frame ----

if [ -r "${FYKE_SAMPLES:-/nowhere}/roach2c-frame.bin" ]; then
	$py - "$FYKE_SAMPLES/roach2c-frame.bin" <<'E2'
import struct, sys
f = open(sys.argv[1], 'rb').read()
open('frame.pcap', 'wb').write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1) +
                               struct.pack('<IIII', 1521849600, 250000, len(f), len(f)) + f)
E2
	ok "a frame captured from a real ROACH2, in a pcap" -- raw2nc -c roach2c -o frame.nc frame.pcap
	ncdump -v pps_count,clock_count,packet_count,packet_info,gpio frame.nc | sed -n '/^data:/,$p' | tr -d ' \n' >line
	is "$(sed 's/.*data://' line)" "pps_count=0;clock_count=2364414018;packet_count=52156;packet_info=0;gpio=0;}" "has the values that are known"
else
	skip "FYKE_SAMPLES holds no roach2c-frame.bin"
fi
done_testing
