# merge-faults.t - a write, sync or rename that fails: exit 3, the old file stays as it was, never silence
. "${0%/*}/lib.sh"
grep -E '^(set|line|trck_das|lst|ra |dec |rotangle|source_)' "$top/etc/bolocam.cal" >small.cal
mkdir raw hdr enc hours
simdas -o raw --seed=12 -n 4 --quiet
simtel -o hdr --enc=enc --seed=12 -n 5 --quiet
run() { merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 483 --wait=0 --out=hours --report=hours/rep.json --quiet; }
f=hours/20050621_08.nc
run && cp $f want.nc && rm -f hours/rep.json
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
run
same $f want.nc "afterwards all is as before"
done_testing
