# merge-frames.t - sources in every frame with a rigorous route become apparent places by ERFA
. "${0%/*}/lib.sh"
need /usr/bin/python3
/usr/bin/python3 -c 'import erfa' 2>/dev/null || skip_all "python3-erfa is not installed"
grep -E '^(set|line|trck_das|lst|ra |dec |source_)' "$top/etc/bolocam.cal" >small.cal
mkdir raw hdr enc hours
simdas -o raw --seed=12 -n 1 --no-drift --steps=0 --quiet
simtel -o hdr --enc=enc --seed=12 -n 2 --quiet
cat >frames.py <<'E2'
"""frames.py edit ENC: six seconds get a source each. frames.py check HOUR ENC: where it is, by ERFA."""
import sys
import erfa
import netCDF4
import numpy as np

SOURCES = [(1, 1975.0), (1, 1950.0), (5, 2000.0), (6, 0.0), (4, 1950.0), (4, 1900.0)]  # coordinate_type, equinox
RA, DEC, APPARENT = 8.25, 21.5, (3.5, -7.25)
enc = sys.argv[-1]
rows = [r.split("\t") for r in open(enc).read().splitlines()]
col = {h.split("[")[0].lstrip("#"): i for i, h in enumerate(rows[0])}
if sys.argv[1] == "edit":
    for k, r in enumerate(rows[1:]):
        kind, equinox = SOURCES[k % 6]
        for name, value in (("coordinate_type", kind), ("source_epoch", equinox), ("source_ra", RA), ("source_dec", DEC),
                            ("source_name", "test%d" % (k % 6)), ("apparent_right_ascension", APPARENT[0]), ("apparent_declination", APPARENT[1])):
            r[col[name]] = str(value)
    open(enc, "w").write("".join("\t".join(r) + "\n" for r in rows))
    sys.exit()
v = netCDF4.Dataset(sys.argv[2]).variables
tai_utc = float(rows[1][col["tai_minus_utc"]])
tt = 2453542.5, (8 * 3600 + 30 + tai_utc + 32.184) / 86400
lon, lat = np.radians([RA * 15, DEC])


def fk5(equinox):
    p = erfa.pmat76(2451545.0, (equinox - 2000.0) * 365.25)
    return erfa.fk5hz(*erfa.c2s(p.T @ erfa.s2c(lon, lat)), *tt)


where = [fk5(1975.0), fk5(1950.0), erfa.eceq06(2451545.0, 0.0, lon, lat), erfa.eceq06(*tt, lon, lat),
         erfa.fk5hz(*erfa.fk45z(lon, lat, erfa.epb(*tt)), *tt)]
for k in range(6):
    if k < 5:
        ri, di, eo = erfa.atci13(*where[k], 0, 0, 0, 0, *tt)
        want = erfa.anp(ri - eo), di
    else:
        want = np.radians([APPARENT[0] * 15, APPARENT[1]])
    got = np.radians([v["source_ra_apparent"][6 + k] * 15, v["source_dec_apparent"][6 + k]])
    print(SOURCES[k], "%d" % (erfa.seps(*want, *got) * 206264806 < 1))
E2
/usr/bin/python3 frames.py edit enc/20050621/enc_050621_0480.tsv
ok "a minute" -- merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 0480 --wait=10ms --out=hours --quiet
/usr/bin/python3 frames.py check hours/20050621_08.nc enc/20050621/enc_050621_0480.tsv >places 2>&1
while IFS= read -r line; do
	case $line in
	*1900*) tap $((1 - ${line##* })) "FK4 1900: no rigorous route, so the telescope's own place" ;;
	*) tap $((1 - ${line##* })) "within 1 mas of ERFA: coordinate type and equinox ${line% *}" ;;
	esac
done <places
is "$(wc -l <places)" 6 "all of them" || diag <places

# ---- a telescope that does not point in celestial coordinates: right ascension by azimuth and elevation ----
simdas -o raw --seed=12 -n 5 --no-drift --steps=0 --quiet
simtel -o hdr --seed=12 -n 6 --quiet
mkdir horizon other
/usr/bin/python3 - <<'E2'
import os
os.mkdir("horizon/20050621")
for f in os.listdir("hdr/20050621"):
    b = bytearray(open("hdr/20050621/" + f, "rb").read())
    b[11::52] = bytes(x & 0xFE for x in b[11::52])      # no Celestial; and no places that could be taken
    for at in range(16, 24):
        b[at::52] = bytes(len(b) // 52)
    open("horizon/20050621/" + f, "wb").write(b)
E2
for h in hdr horizon; do
	merge -ff 4 -cs small.cal -r raw -h $h -nend 0484 --wait=10ms --no-sync --out=hours --quiet 2>err
	mv hours/20050621_08.nc other/$h.nc
done
/usr/bin/python3 - <<'E2' >places 2>&1
import netCDF4
import numpy as np
a, b = (netCDF4.Dataset("other/%s.nc" % n) for n in ("hdr", "horizon"))
a.set_auto_mask(False)
b.set_auto_mask(False)
ra, dec = ((a[n][:15000] - b[n][:15000]) * s for n, s in (("ra", 54000), ("dec", 3600)))
# The quantum of azimuth and elevation, and a source's change between two records.
worst = max(np.percentile(abs(ra * np.cos(np.radians(a["dec"][:15000]))), 98), np.percentile(abs(dec), 98))
print("good" if worst < 0.3 and len(ra) == 15000 else worst)
E2
is "$(cat places)" good "without the Celestial flag ra and dec follow from azimuth, elevation and sidereal time"
done_testing
