# merge-kill.t - kill -9 at random moments: what is there always opens, and after the rerun it is byte-identical
. "${0%/*}/lib.sh"
. "$top/t/lib-merge.sh"
need ncdump timeout /usr/bin/python3
mkdir raw hdr enc hours want
simdas -o raw --seed=9 -n 45 --utc=2005-06-21T08:30:00Z --quiet
simtel -o hdr --enc=enc --seed=9 -n 46 --utc=2005-06-21T08:30:00Z --quiet
run() { merge -ff 4 -cs small.cal -r raw -h hdr -e enc --wait=0 "$@"; }
run -nend 0554 --out=want --quiet
# Minutes that are marked as whole hold what the raw files hold.
cat >whole.py <<'E'
import glob, netCDF4, numpy as np
bad = 0
for p in glob.glob("hours/2*.nc"):
    d = netCDF4.Dataset(p)
    d.set_auto_maskandscale(False)
    hour = int(p[-5:-3])
    for k in np.flatnonzero(d["minute_state"][:] == 1):
        b = open("raw/20050621/raw_050621_%04d.bin" % (hour * 60 + k), "rb").read()[64:]
        raw = np.frombuffer(b, ">i2", len(b) // 768 * 384).reshape(-1, 384)[:3000, 25] * (10 / 32768)
        bad += not np.allclose(d["trck_das"][k * 3000:k * 3000 + len(raw)], raw, atol=1e-5)
        bad += bool((d["ut"][k * 3000:k * 3000 + 3000] < 0).any())
print(bad)
E
kills=30
torn=0
! nightly || kills=1000
bad=0 unreadable=0 n=0
awk -v n=$kills 'BEGIN { srand(20050621); for (i = 0; i < n; i++) print 0.002 + 0.45 * rand() }' >moments
while read -r t; do
	# Every other one works live: in place, on a file that people see.
	# --foreground: timeout waits until the killed one, and its lock, are gone.
	end=-nend\ 0554
	[ $((n % 2)) -eq 0 ] || end=
	# shellcheck disable=SC2086 # two words
	timeout --foreground -s KILL "$t" merge -ff 4 -cs small.cal -r raw -h hdr -e enc --wait=0 --out=hours --quiet $end 2>/dev/null
	for f in hours/*.nc; do
		[ ! -e "$f" ] || ncdump -h "$f" >/dev/null 2>&1 || unreadable=$((unreadable + 1))
	done
	[ $((n % 4)) -ne 3 ] || torn=$((torn + $(/usr/bin/python3 whole.py)))
	n=$((n + 1))
	if [ $((n % 5)) -eq 0 ]; then
		run -nend 0554 --out=hours --quiet 2>/dev/null || bad=$((bad + 1))
		cmp -s hours/20050621_08.nc want/20050621_08.nc && cmp -s hours/20050621_09.nc want/20050621_09.nc || bad=$((bad + 1))
		[ $((n % 10)) -eq 0 ] || rm -f hours/*.nc
	fi
done <moments
is "$unreadable" 0 "$n kills: no file that does not open"
is "$torn" 0 "no minute is marked as whole that is not"
is "$bad" 0 "and after each rerun the bytes of an undisturbed run"
is "$(find hours -name '*.part' | wc -l)" 0 "nothing is left beside them"
done_testing
