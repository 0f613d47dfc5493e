# merge-formats.t - the same sky in the records of three epochs, and without correction or pointing
. "${0%/*}/lib.sh"
need /usr/bin/python3
# Without the bolometers a merged hour is a tenth as large.
grep -Ev '^(ac_|dc_|ref_|rgrt|chop_enc|eaz|eel|secondary)' "$top/etc/bolocam.cal" >small.cal
mkdir raw hdr enc tru hours
merged() { /usr/bin/python3 "$top/t/merged.py" "$@" >facts 2>&1 || diag <facts; }
fact() { sed -n "s/^$1 //p" facts; }
atmost() { # atmost FACT LIMIT WORDS
	awk -v a="$(fact "$1")" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 >= 0 && a + 0 <= b + 0) }'
	tap $? "$3: $(fact "$1") (at most $2)" || diag <facts
}
py() { /usr/bin/python3 -c "import netCDF4, sys; nc = netCDF4.Dataset(sys.argv[1]); nc.set_auto_maskandscale(False); v = nc.variables
$2" "$1" 2>&1; }

simdas -o raw --truth=tru --seed=6 --offset=-3.7 -n 30 --quiet

# ---- record formats ----
for f in 0 1 2 3; do
	rm -rf hdr enc; mkdir hdr enc
	simtel -o hdr --enc=enc --seed=6 -n 31 --ff=$f --quiet
	ok "file format $f" -- merge -ff $f -cs small.cal -r raw -h hdr -e enc -nend 0509 --out=hours --quiet
	merged hours/20050621_08.nc raw tru
	atmost az_p99_arcsec 0.0505 "format $f merges to the truth: azimuth"
	atmost ra_p99_arcsec 0.0755 "format $f: right ascension"
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
