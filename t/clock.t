# clock.t - clocks that step, midnights and far years: events and files stay right
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"

# Twelve seconds of a camera, and of two boards, with other stamps of arrival.
simdet -c chec -n 120 -o chec.pcapng --quiet
simdet -c roach2c -n 300 -m 2 -o boards.pcapng --quiet
evbuild -c chec --quiet -o want.events chec.pcapng
cat >restamp.py <<'E2'
"""restamp.py FROM TO START [STEP [PART]]: arrivals begin at START, and step by STEP hours after PART
of the packets"""
import calendar
import sys
import time
from chain import *

source, to, start, step, part = sys.argv[1:] + ["0", "0.5"][len(sys.argv) - 4:]
begin = calendar.timegm(time.strptime(start, "%Y-%m-%dT%H:%M:%SZ")) * 10**9
old = packets(source)
moved = [p.time - old[0].time + begin + (i >= len(old) * float(part)) * int(float(step) * 3600e9)
         for i, p in enumerate(old)]
with open(to, "wb") as f:
    f.write(section())
    for p, t in zip(old, moved):
        f.write(record(t, ip(p.src, p.data, p.dst, p.sport, p.dport)))
    f.write(endmark(moved[-1], len(old)))
E2
restamp() { rm -f "$2"; /usr/bin/python3 restamp.py "$@"; }

# same_events FILE WORDS: those of the clock that did not step
same_events() {
	py "$1" >got 2>&1 <<-'E2'
	import sys
	from chain import *
	got, want = events(sys.argv[1]), events("want.events")
	key = lambda e: (e.number, e.clock, e.nrec, e.flags, e.slots.tobytes())
	assert list(map(key, got)) == list(map(key, want))
	print("good")
	E2
	is "$(tail -n 1 got)" good "$2" || diag <got
}

for step in 1 -1 24 -0.0005; do
	restamp chec.pcapng step.pcapng 2026-03-01T12:00:00Z $step
	rm -f step.events step.nc
	ok "the receiver's clock steps by $step h" -- evbuild -c chec -o step.events step.pcapng
	same_events step.events "by $step h: the same events"
	ok "by $step h: netCDF" -- raw2nc -o step.nc step.events
	py <<-'E2' >got 2>&1
	from chain import *
	v = nc("step.nc")
	assert len(v["time"]) == 120 and abs(np.diff(v["time"]) - 0.1).max() < 1e-6, "time goes on by the device's clock"
	assert (v["segment"] == 0).all()
	print("good")
	E2
	is "$(tail -n 1 got)" good "by $step h: the time of the events does not step" || diag <got
done

# An event with a missing record leaves after its hold in any year.
simdet -c chec -n 120 -o holes.pcapng --drop=@30.5,@60.6 --quiet
for year in 1970 2026 2044 2100 2250; do
	restamp holes.pcapng step.pcapng $year-01-01T00:00:00Z
	rm -f $year.events
	evbuild -c chec -o $year.events --quiet step.pcapng
	cp 1970.events want.events
	same_events $year.events "$year: the same events leave at the same moments"
done

# In the middle of an event its rest is late, or not: but all is counted.
for step in 1 -1; do
	restamp chec.pcapng step.pcapng 2026-03-01T12:00:00Z $step 0.52
	rm -f step.events
	evbuild -c chec -o step.events --status=st.json --quiet step.pcapng 2>err
	py >got 2>&1 <<-'E2'
	from chain import *
	s = status("st.json")
	assert s["in"] == 3840 and s["out"] + s["lost"]["late"] == 3840 and s["out"] >= 3840 - 320, s
	assert sum(e.nrec for e in events("step.events")) == s["out"]
	print("good")
	E2
	is "$(tail -n 1 got)" good "a step of $step h within an event: every record is stored, or counted as late" || diag <got
done

# Wrapping clocks are told by sequence numbers, whatever the receiver's clock does.
restamp boards.pcapng step.pcapng 2026-03-01T12:00:00Z -1
ok "boards whose clock wraps" -- evbuild -c roach2c --sources=0,1 -o boards.events --status=st.json step.pcapng
py >got 2>&1 <<-'E2'
from chain import *
s = status("st.json")
assert s["out"] == 600 and s["also"]["complete"] == 300 and s["also"]["restarts"] == 0, s
print("good")
E2
is "$(tail -n 1 got)" good "all events are complete" || diag <got

# dated START WORDS XARRAY: files of 3 s, whose names, units and values are those of the calendar
dated() {
	restamp chec.pcapng date.pcapng "$1"
	rm -rf date.events nights; mkdir nights
	evbuild -c chec -o date.events --quiet date.pcapng
	ok "$2" -- raw2nc --dir=nights --rotate=3s date.events
	py "$1" >got 2>&1 <<-'E2'
	import calendar
	import sys
	import time
	from chain import *
	begin = calendar.timegm(time.strptime(sys.argv[1], "%Y-%m-%dT%H:%M:%SZ")) * 10**9
	names = sorted(f for f in os.listdir("nights") if f.endswith(".nc") and not os.path.islink("nights/" + f))
	assert len(names) in (4, 5), names
	whole = []
	for f in names:
	    v = nc("nights/" + f)
	    start = nc_start("nights/" + f)
	    assert start % 86400000000000 == 0
	    whole += [start + round(s * 1e9) for s in v["arrival"]]
	    stamp = calendar.timegm(time.strptime(f.split("_")[-1][:16], "%Y%m%dT%H%M%SZ")) * 10**9
	    assert abs(stamp - (start + round(v["arrival"][0] * 1e9))) <= 3 * 10**9, f
	want = [e.time for e in events("date.events")]
	assert len(whole) == 120 and max(abs(a - b) for a, b in zip(whole, want)) < 1000, "arrivals"
	assert want[0] == begin
	assert os.readlink("nights/current.nc" if os.path.islink("nights/current.nc") else "nights/current") == names[-1]
	print("good")
	E2
	is "$(tail -n 1 got)" good "$2: names, units and times are right" || diag <got
	evdump -O tsv date.events 2>err | cut -f1 | sed 1d >shown
	py "$1" >got 2>&1 <<-'E2'
	import sys
	from datetime import datetime, timezone
	from chain import *
	text = lambda t: datetime.fromtimestamp(t // 10**9, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + ".%09dZ" % (t % 10**9)
	shown = open("shown").read().split()
	assert shown == [text(e.time) for e in events("date.events")] and shown[0][:20] == sys.argv[1][:-1] + "."
	print("good")
	E2
	is "$(tail -n 1 got)" good "$2: evdump shows these times" || diag <got
	[ "$3" ] || return 0
	ok "$2: xarray reads the dates" -- py "$1" <<-'E2'
	import glob
	import sys
	import numpy as np
	import xarray
	first = min(glob.glob("nights/*Z*.nc"))
	t = xarray.open_dataset(first)["arrival"].values[0]
	assert abs(t - np.datetime64(sys.argv[1][:-1])) < np.timedelta64(1, "ms"), t
	E2
}
dated 2026-12-31T23:59:54Z "over the end of a year" ""
dated 2028-02-28T23:59:54Z "into a leap day" xarray
dated 2028-02-29T23:59:54Z "out of it" ""
dated 2027-02-28T23:59:54Z "into March of an ordinary year" ""
dated 2038-01-19T03:14:02Z "over the end of 32-bit time" ""
dated 2106-02-07T06:28:10Z "over the end of unsigned 32-bit time" xarray
dated 2016-12-31T23:59:54Z "over a leap second" ""
dated 1970-01-01T00:00:00Z "at the beginning of time" xarray
done_testing
