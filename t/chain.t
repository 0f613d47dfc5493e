# chain.t - the main job: what the detector sent is in the netCDF, to the last value
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"

# Every record of the truth, and nothing else, with the bytes that the packets file holds; times
# by the anchor; accounting from stage to stage. Argument: the card.
cat >compare.py <<'E2'
import sys
import numpy as np
from chain import *

card = sys.argv[1]
sent, caught, built, stored = truth("truth.tsv"), packets("run.pcapng"), events("run.events"), nc("run.nc")

# What was sent was caught: per source the same clocks in the same order, and as many bytes.
want, got, arrival, payload = {}, {}, {}, {}
for t in sent:
    want.setdefault(t.source, []).extend(t.clock)
for p in caught:
    s = source_of(card, p.src)
    for clock, b in records_of(card, p.data):
        got.setdefault(s, []).append(clock)
        arrival.setdefault(clock, p.time)
        payload[s, clock] = b
assert want == got, "the packets are those that were sent"
assert len(want) == {"chec": 32, "roach2c": 13}[card], "from so many addresses"

# Every event: number, clocks, mask, and the bytes.
start = nc_start("run.nc")
clocks = sorted({c for s in want for c in want[s]})
n = len(clocks)
assert [e.number for e in built] == list(range(n)) == stored["number"].tolist()
assert stored["frames_written"] == n and not stored["loss_count"].any()
unit = {"chec": 1.0, "roach2c": 1e9 / 256e6}[card]
clock0 = clocks[0]
for i, (e, clock) in enumerate(zip(built, clocks)):
    assert abs(e.clock - clock * unit) <= 1 and stored["clock"][i] == e.clock, (e.clock, clock)
    assert e.present.all() and e.nrec == e.nsrc and not e.offset.any() and e.flags == 0
    assert stored["present"][i].all() and stored["nrec"][i] == e.nsrc and not stored["offset"][i].any()
    assert e.time == arrival[clock], "the first arrival"
    assert abs(start + round(float(stored["arrival"][i]) * 1e9) - arrival[clock]) < 100
    since = (clock - clock0) * unit
    assert abs(start + round(float(stored["time"][i]) * 1e9) - (arrival[clock0] + round(since))) < 1000
    for s in range(e.nsrc):
        assert e.slots[s].tobytes() == payload[s, clock], (i, s)
assert stored["anchor_clock"][0] == built[0].clock and stored["anchor_first"][0] == 0
assert not stored["segment"].any() and not stored["flags"].any() and not stored["dropped"].any()

# The values, decoded here by numpy from the bytes that were caught.
raw = np.array([[np.frombuffer(payload[s, c], "u1") for s in sorted(want)] for c in clocks])
if card == "chec":
    whole = np.ascontiguousarray(raw).view(">u8")
    words = np.ascontiguousarray(raw).view(">u2")
    pixels = np.concatenate([words[..., 4:36], words[..., 40:72]], axis=-1)
    assert (stored["amplitude"] == (pixels ^ 0x8000)).all()
    assert (stored["tack"] == whole[..., 0]).all() and (stored["tack_aux"] == whole[..., 9]).all()
else:
    w = np.ascontiguousarray(raw).view("<i4")
    c = np.arange(1024)
    place = (c & 1) * 1024 + c // 2
    lost = np.isin(c, (1013, 1015, 1017, 1019, 1021, 1023))
    assert (stored["I"] == w[..., place]).all()
    assert (stored["Q"][..., ~lost] == w[..., 512 + place[~lost]]).all()
    assert (stored["Q"][..., lost] == -2147483647).all()
    for name, at in (("pps_count", 8175), ("clock_count", 8179), ("packet_count", 8183), ("packet_info", 8187)):
        assert (stored[name] == np.ascontiguousarray(raw[..., at:at + 4]).view(">u4")[..., 0]).all(), name
    assert (stored["gpio"] == raw[..., 8191]).all()

# What goes out of one program comes into the next.
sim, udp, evb, out = (status(p + ".json") for p in ("simdet", "udp2raw", "evbuild", "raw2nc"))
records = len(clocks) * len(want)
assert sim["out"] == udp["in"] == udp["out"] == len(sent)
assert evb["in"] == evb["out"] == records and evb["also"]["complete"] == n == out["in"] == out["out"]
for s in (sim, udp, evb, out):
    assert s["state"] == "done" and s["held"] == 0 and not any(s["lost"].values()), s
print("good")
E2

whole_run() { # whole_run CARD EVENTS SIMDET-OPTIONS...
	card=$1 n=$2; shift 2
	live_build=--hold=3s # also for a machine that is busy with other tests
	live "$card" -n "$n" "$@"
	is "$(exit_of simdet udp2raw evbuild raw2nc)" "0 0 0 0" "$card: every program ends with 0" ||
		cat ./*.err | diag
	py "$card" <compare.py >got 2>&1
	is "$(tail -n 1 got)" good "$card: every record is in the netCDF with its bytes, mask and time" ||
		diag <got

	simdet -c "$card" -n "$n" "$@" -o predicted.pcapng 2>err
	py >got 2>&1 <<-'E2'
	from chain import *
	sent, caught = packets("predicted.pcapng"), packets("run.pcapng")
	assert sorted((p.src, p.data) for p in sent) == sorted((p.src, p.data) for p in caught)
	print("good")
	E2
	is "$(tail -n 1 got)" good "$card: the network changed no byte of what simdet says it sends"

	ok "$card: the packets are whole" -- evdump --check run.pcapng
	ok "$card: the events too" -- evdump --check run.events
	ok "$card: events again, from the file" -- evbuild -c "$card" $live_build -o again.events run.pcapng
	same again.events run.events "$card: the same bytes as live"
	cat run.events | raw2nc -o pipe.nc 2>err
	same pipe.nc run.nc "$card: and of the netCDF too"
	ok "$card: netCDF from a file" -- raw2nc -o file.nc run.events
	py >got 2>&1 <<-'E2'
	from chain import *
	live, again = nc("run.nc"), nc("file.nc")
	assert all(same_values(live[k], again[k]) for k in live | again)
	print("good")
	E2
	is "$(tail -n 1 got)" good "$card: has the same values"
	rm -f ./*.events ./*.nc ./*.pcapng
}

whole_run chec 200 --speed=100 --seed=11 --clock0=7000000000
whole_run roach2c 60 --seed=12 --clock0=1000 --seq0=77

# Nothing more comes: what waits for a module that is silent leaves all the same, and the events
# are those that the recording gives.
rm -f capture.out
mkfifo capture.out packets
tee quiet.pcapng <capture.out >packets &
teeing=$!
evbuild -c chec --hold=100ms -o quiet.events <packets 2>evbuild.err &
builder=$!
start capture udp2raw -l 127.0.0.1:0
simdet -c chec -n 10 -r max --drop=@5.3 -d "$address" 2>err || diag <err
until_true 10 sh -c '[ "$(evdump quiet.events 2>/dev/null | grep -c incomplete,held)" -eq 10 ]'
tap $? "events of a silent module leave while nothing comes"
finish "$pid" TERM
wait $builder; is $? 0 "and the builder ends well" || diag <evbuild.err
wait $teeing
evbuild -c chec --hold=100ms -o again.events --quiet quiet.pcapng 2>err
same again.events quiet.events "the recording gives the same bytes"
done_testing
