# merge-kill.t - kill -9 at random moments: what is there always opens, and after the rerun it is byte-identical
. "${0%/*}/lib.sh"
need ncdump timeout
grep -Ev '^(ac_|dc_|ref_|rgrt|chop_enc|eaz|eel|secondary)' "$top/etc/bolocam.cal" >small.cal
mkdir raw hdr enc hours want
simdas -o raw --seed=9 -n 45 --utc=2005-06-21T08:30:00Z --quiet
simtel -o hdr --enc=enc --seed=9 -n 46 --utc=2005-06-21T08:30:00Z --quiet
run() { merge -ff 4 -cs small.cal -r raw -h hdr -e enc --wait=0 "$@"; }
run -nend 0554 --out=want --quiet
kills=30
! nightly || kills=1000
bad=0 unreadable=0 n=0
awk -v n=$kills 'BEGIN { srand(20050621); for (i = 0; i < n; i++) print 0.002 + 0.45 * rand() }' >moments
while read -r t; do
	# Every other one works live: in place, on a file that people see.
	end=-nend\ 0554
	[ $((n % 2)) -eq 0 ] || end=
	# shellcheck disable=SC2086 # two words
	timeout -s KILL "$t" merge -ff 4 -cs small.cal -r raw -h hdr -e enc --wait=0 --out=hours --quiet $end 2>/dev/null
	for f in hours/*.nc; do
		[ ! -e "$f" ] || ncdump -h "$f" >/dev/null 2>&1 || unreadable=$((unreadable + 1))
	done
	n=$((n + 1))
	if [ $((n % 5)) -eq 0 ]; then
		run -nend 0554 --out=hours --quiet 2>/dev/null || bad=$((bad + 1))
		cmp -s hours/20050621_08.nc want/20050621_08.nc && cmp -s hours/20050621_09.nc want/20050621_09.nc || bad=$((bad + 1))
		[ $((n % 10)) -eq 0 ] || rm -f hours/*.nc
	fi
done <moments
is "$unreadable" 0 "$n kills: no file that does not open"
is "$bad" 0 "and after each rerun the bytes of an undisturbed run"
is "$(find hours -name '*.part' | wc -l)" 0 "nothing is left beside them"
done_testing
