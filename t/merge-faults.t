# merge-faults.t - a write, sync or rename that fails: exit 3, the old file stays as it was, never silence
. "${0%/*}/lib.sh"
grep -E '^(set|line|trck_das|lst|ra |dec |rotangle|source_)' "$top/etc/bolocam.cal" >small.cal
mkdir raw hdr enc hours
simdas -o raw --seed=12 -n 4 --quiet
simtel -o hdr --enc=enc --seed=12 -n 5 --quiet
run() { merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 483 --wait=0 --out=hours --report=hours/rep.json --quiet; }
f=hours/20050621_08.nc
run && cp $f want.nc && rm -f hours/rep.json
mkdir none
exits 3 "the disk is full from the first byte" -- env FAIL_CALL=write FAIL_AT=1 FAIL_HOW=ENOSPC FAIL_STICKY=1 LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" \
	merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 483 --wait=0 --out=none
like err '4 minutes in, 0 out, 4 held, 0 lost' "the raw files wait; those before the night are not called lost"
fails() { # fails CALL AT HOW STICKY: counts what is not as it should be
	rm -f mark
	FAIL_CALL=$1 FAIL_AT=$2 FAIL_HOW=$3 FAIL_STICKY=$4 FAIL_MARK=$tmp/mark LD_PRELOAD=$FYKE_BUILD/t/shim-fail.so \
	    merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 483 --wait=0 --out=hours --report=hours/rep.json --quiet 2>err
	rc=$?
	[ -e mark ] || return 1
	tried=$((tried + 1))
	case $3 in
	SHORT | EINTR) [ $rc -eq 0 ] || bad="$bad $1:$2:$3:$rc" ;;
	*) [ $rc -eq 3 ] || bad="$bad $1:$2:$3:$rc" ;;
	esac
	cmp -s $f want.nc || bad="$bad $1:$2:$3:bytes"
	[ "$(find hours -name '.2*.part' | wc -l)" -eq 0 ] || bad="$bad $1:$2:$3:part"
	return 0
}
count() { # count CALL: how many such calls a run makes
	lo=1 hi=1
	while fails "$1" $hi SHORT ""; do lo=$hi hi=$((hi * 2)); done
	while [ $((hi - lo)) -gt 1 ]; do
		mid=$(((lo + hi) / 2))
		if fails "$1" $mid SHORT ""; then lo=$mid; else hi=$mid; fi
	done
	calls=$lo
}
bad='' tried=0
count write
is "$bad" "" "short writes are gone on with ($tried of $calls tried)"
step=$((calls / 24 + 1))
! nightly || step=1
bad='' tried=0 n=1
while [ $n -le "$calls" ]; do
	fails write $n ENOSPC 1
	fails write $n EIO ""
	n=$((n + step))
done
is "$bad" "" "a full or failing disk: exit 3, and the old file is as it was ($tried tried)"
for call in sync name; do
	bad='' tried=0 n=1
	while fails $call $n EIO ""; do n=$((n + 1)); [ $n -lt 40 ] || break; done
	is "$(echo "$bad" | tr ' ' '\n' | grep -v ':bytes' | grep -c .)" 0 "$call: all $tried failures are told"
done

# In place, in an hour that people see: what is marked as whole is whole, and the rerun repairs it.
cat >whole.py <<'E2'
import netCDF4, sys
got, want = (netCDF4.Dataset(p) for p in sys.argv[1:])
got.set_auto_maskandscale(False)
want.set_auto_maskandscale(False)
whole = [k for k in range(60) if got["minute_state"][k] == 1]
assert len(whole) < 4, whole
for k in whole:
    for n in ("trck_das", "ra", "dec"):
        assert (abs(got[n][3000 * k:3000 * k + 2000] - want[n][3000 * k:3000 * k + 2000]) < 1e-3).all(), (k, n)
E2
bad='' tried=0
for more in 4 12 20; do
	rm -f $f mark
	FAIL_CALL=write FAIL_AT=$((calls + more)) FAIL_HOW=ENOSPC FAIL_STICKY=1 FAIL_MARK=$tmp/mark LD_PRELOAD=$FYKE_BUILD/t/shim-fail.so \
	    timeout 30 merge -ff 4 -cs small.cal -r raw -h hdr -e enc --wait=0 --out=hours --quiet 2>err
	rc=$?
	[ -e mark ] && [ $rc -eq 3 ] && grep -q 'No space left' err || bad="$bad $more:$rc"
	/usr/bin/python3 whole.py $f want.nc >>bad.out 2>&1 || bad="$bad $more:marked"
	run && cmp -s $f want.nc || bad="$bad $more:rerun"
	tried=$((tried + 1))
done
is "$bad" "" "a disk that fills up live: exit 3, no minute is marked that is not whole, and the rerun repairs it ($tried tried)" || diag <bad.out
run
same $f want.nc "afterwards all is as before"

# Two hours, and no room for the second: its minutes are held, and not said to lack their files.
mkdir raw2 hdr2 enc2 two
simdas -o raw2 --seed=12 -n 4 --utc=2005-06-21T08:58:00Z --quiet
simtel -o hdr2 --enc=enc2 --seed=12 -n 5 --utc=2005-06-21T08:58:00Z --quiet
at=$((calls / 2))
while rm -f two/*.nc; [ $at -lt $((3 * calls)) ]; do
	FAIL_CALL=write FAIL_AT=$at FAIL_HOW=ENOSPC FAIL_STICKY=1 LD_PRELOAD=$FYKE_BUILD/t/shim-fail.so \
	    merge -ff 4 -cs small.cal -r raw2 -h hdr2 -e enc2 -nend 541 --wait=0 --out=two 2>err
	rc=$?
	[ ! -e two/20050621_08.nc ] || break
	at=$((at + calls / 4))
done
is "$rc" 3 "no room for a second hour"
like err '4 minutes in, 2 out, 2 held, 0 lost' "its minutes are counted as not merged yet"
done_testing
