# merge-formats.t - the same sky in the records of three epochs, and without correction or pointing
. "${0%/*}/lib.sh"
. "$top/t/lib-merge.sh"
need /usr/bin/python3
mkdir raw hdr enc tru hours

simdas -o raw --truth=tru --seed=6 --offset=-3.7 -n 30 --quiet

# ---- record formats ----
for f in 0 1 2 3; do
	rm -rf hdr enc; mkdir hdr enc
	simtel -o hdr --enc=enc --seed=6 -n 31 --ff=$f --quiet
	ok "file format $f" -- merge -ff $f -cs small.cal -r raw -h hdr -e enc -nend 0509 --out=hours --quiet
	merged hours/20050621_08.nc raw tru
	atmost az_p99_arcsec 0.0505 "format $f merges to the truth: azimuth"
	atmost el_p99_arcsec 0.0505 "format $f: elevation"
	atmost ra_p99_arcsec 0.0755 "format $f: right ascension"
	atmost dec_p99_arcsec 0.0505 "format $f: declination"
	atmost clock_worst_ms 10 "format $f: the clock"
done
ok "a wrong -ff" -- merge -ff 0 -cs small.cal -r raw -h hdr -e enc -nend 0509 --out=hours --quiet
merged hours/20050621_08.nc raw tru
atmost az_p99_arcsec 0.0505 "the file's size is believed, not the code"

# ---- no correction, no pointing ----
ok "--no-sync" -- merge -ff 3 -cs small.cal -r raw -h hdr -e enc -nend 0509 --out=hours --no-sync --quiet
is "$(py hours/20050621_08.nc 'print(abs(v["time_offset"][:90000]).max(), v["clock_pieces"][:], v["quality"][:90000].max(), nc.clock_correction)')" \
    "0.0 0 0 none" "no offset, and nothing flagged for it"
ok "raw alone" -- merge -ff 3 -cs small.cal -r raw -nend 0509 --out=hours --quiet
is "$(py hours/20050621_08.nc 'print(v["clock_pieces"][:], v["quality"][:90000].min(), v["ra"][5] > 9e36, v["check_verdict"][:])')" \
    "0 26 True 0" "no edges: the file says so, and that pointing and housekeeping are missing"
done_testing
