# scopeget-faults.t - when a write, a sync or a name fails: exit 3, and no file that is not whole
. "${0%/*}/lib.sh"

start sim simscope --rate=2000 --points=400
direct=$address
get() { scopeget -d "$direct" -c 1,2 --segments=5 "$@"; }

# The k-th call of each kind fails, until there are no more such calls.
check() { # check OUTPUT CALL HOW [STICKY]
	rm -rf o mark; mkdir o
	FAIL_CALL=$2 FAIL_AT=$k FAIL_HOW=$3 FAIL_STICKY=${4:-} FAIL_MARK=$tmp/mark \
	    LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" scopeget -d "$direct" -c 1,2 -n 2 --segments=5 -o "$1" 2>err
	got=$?
	[ -e mark ] || return 1
	echo "$got" >>statuses
	/usr/bin/python3 - "$1" "$got" <<'E2' >>wrong 2>&1 || echo "$1 $2@$k $3 $got: $(tail -n 1 err)" >>wrong
import glob, os, sys
sys.path.insert(0, os.environ["TOP"] + "/t")
from trc import trc
import netCDF4
name, code = sys.argv[1], int(sys.argv[2])
assert code in (0, 3), "exit %d" % code
for f in glob.glob("o/*.trc"):
    assert trc(f)["volts"].shape == (5, 400), f
for f in glob.glob("o/*.nc"):
    d = netCDF4.Dataset(f)
    n = int(d["frames_written"][...])
    assert n in (0, 5, 10) and len(d.dimensions["event"]) >= n, n
    assert not n or float(abs(d["C1"][:n]).max()) < 1
if code == 0:
    assert len(glob.glob("o/*.trc")) == 4 if name.endswith("trc") else n == 10, os.listdir("o")
assert not glob.glob("o/.*part"), os.listdir("o")
E2
	return 0
}
export TOP="$top"
export PYTHONDONTWRITEBYTECODE=1
step=3
nightly && step=1
for output in o/x.trc o/x.nc; do
	: >wrong; : >statuses
	for how in "write ENOSPC" "write ENOSPC 1" "sync EIO" "name EIO" "write SHORT"; do
		k=1
		# shellcheck disable=SC2086 # two or three words
		while [ "$k" -lt 60 ] && check $output $how; do k=$((k + step)); done
	done
	is "$(cat wrong)" "" "$output: $(wc -l <statuses) failures, none gives a wrong file"
	[ "$(grep -c 3 statuses)" -gt 5 ]; tap $? "$output: $(grep -c 3 statuses) of them exit 3"
done

mkdir full
exits 3 "the disk is full" -- sh -c "ulimit -f 4; exec scopeget -d $direct -c 1,2 --segments=5 -o full/x.trc"
is "$(ls -A full)" "" "nothing is left"
exits 3 "the folder is not there" -- get -o nowhere/x.nc
if [ "$(id -u)" -ne 0 ]; then
	mkdir shut; chmod 555 shut
	exits 3 "the folder is not ours" -- get -o shut/x.nc
fi
ln -s target link.nc
exits 4 "a symbolic link is not followed" -- get -o link.nc
[ ! -e target ]; tap $? "nothing was written through it"
done_testing
