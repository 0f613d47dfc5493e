# merge-nfs.t - -fixnfs: stale, half-visible and unreadable files on a network mount, and the same bytes in the end
. "${0%/*}/lib.sh"
need /usr/bin/python3
grep -E '^(set|line|trck_das|lst|ra |dec |rotangle|source_)' "$top/etc/bolocam.cal" >small.cal
mkdir raw hdr enc want hours
simdas -o raw --seed=12 -n 5 --quiet
simtel -o hdr --enc=enc --seed=12 -n 6 --quiet
run() { merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 484 --wait=0 --quiet "$@"; }
run --out=want
f=20050621_08.nc
faulty() { # faulty HOW TIMES NAME OPTIONS...: a merge on a mount that is not up to date
	how=$1 times=$2 at=$3
	shift 3
	rm -f mark
	NFS_HOW=$how NFS_TIMES=$times NFS_NAME=$at NFS_MARK=$tmp/mark LD_PRELOAD=$FYKE_BUILD/t/shim-nfs.so \
	    merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 484 --wait=0 --out=hours --quiet "$@"
}
quality() { /usr/bin/python3 -c "
import netCDF4
v = netCDF4.Dataset('hours/$f')['minute_quality']
v.set_auto_maskandscale(False)
names = v.flag_meanings.split()
print(*(n for i, n in enumerate(names) if v[:][$1] >> i & 1))"; }

for name in raw_050621_0482 0621/0482 enc_050621_0482; do
	case $name in raw*) kind='raw file' ;; enc*) kind=housekeeping ;; *) kind='pointing log' ;; esac
	case $kind in raw*) hows='stale short size' ;; h*) hows=short ;; *) hows=stale ;; esac
	for how in $hows; do
		rm -f hours/*.nc
		ok "-fixnfs: $kind, $how, three times" -- faulty $how 3 $name -fixnfs
		[ -e mark ]; tap $? "... which happened"
		same hours/$f want/$f "... gives the same bytes"
	done
	rm -f hours/*.nc
	case $kind in
	raw*) bits=raw_missing ;;
	h*) bits=housekeeping_missing ;;
	*) bits=pointing_missing ;;
	esac
	exits 5 "-fixnfs: $kind that can never be read" -- faulty gone 1000000 $name -fixnfs
	is "$(quality 2)" "$bits" "... is a hole, and the minute says so"
	is "$(quality 1)$(quality 3)" "" "... the others are whole"
	ok "... and later, when it can be read" -- run --out=hours
	same hours/$f want/$f "... it is filled"
done
exits 3 "without -fixnfs a file that cannot be read stops it" -- faulty gone 1000000 raw_050621_0482
like err 'raw_050621_0482.bin: Input/output error' "and is named"
same hours/$f want/$f "the old hour stays as it was"
done_testing
