# coord.t - 10,000 random positions in seven frames against astropy, within its tolerance
. "${0%/*}/lib.sh"
need /usr/bin/python3
/usr/bin/python3 -c 'import astropy' 2>/dev/null || skip_all "python3-astropy is not installed"
export HOME="$tmp" # astropy makes folders there
cat >check.py <<'EOF_PY'
import subprocess, sys, warnings
import erfa
import numpy as np
warnings.simplefilter("ignore")
from astropy import units as u
from astropy.coordinates import AltAz, BarycentricMeanEcliptic, EarthLocation, FK4, FK5, Galactic, ICRS, SkyCoord, TETE
from astropy.time import Time
from astropy.utils import iers
iers.conf.auto_download = False
table = iers.IERS_B.open()
iers.earth_orientation_table.set(table)

rng = np.random.default_rng(20050621)
HORIZON, IC, F5, F4, GAL, ECL, ECL2000 = range(7)
n = {HORIZON: 1500, IC: 2500, F5: 2000, F4: 1500, GAL: 1500, ECL: 0, ECL2000: 1000}
site = EarthLocation.from_geodetic(-155.4755, 19.8224444444444444, 4070)
total = 0
for frame, k in n.items():
    if not k:
        continue
    lon = rng.uniform(0, 360, k)
    lat = np.degrees(np.arcsin(rng.uniform(-0.999, 0.999, k)))
    if frame == HORIZON:
        lat = rng.uniform(5, 88, k)
    ns = rng.integers(1007164800, 1230768000, k) * 1000000000 # December 2001 to the end of 2008
    t = Time(ns // 1000000000, format="unix", scale="utc")
    t = Time(t.jd1, t.jd2, format="jd", scale="utc")
    xp, yp = table.pm_xy(t)
    dut1 = table.ut1_utc(t).to_value(u.s)
    t.delta_ut1_utc = dut1
    equinox = {F5: 2000.0, F4: 1950.0}.get(frame, 0.0)
    text = "".join(f"{frame} {equinox} {a!r} {b!r} {s} {d!r} {x!r} {y!r}\n" for a, b, s, d, x, y in
                   zip(lon.tolist(), lat.tolist(), ns.tolist(), dut1.tolist(), xp.to_value(u.arcsec).tolist(), yp.to_value(u.arcsec).tolist()))
    out = subprocess.run([sys.argv[1], "filter"], input=text, capture_output=True, text=True, check=True).stdout
    got = np.array([[float(x) for x in line.split()] for line in out.splitlines()])
    assert len(got) == k
    lon, lat = lon * u.deg, lat * u.deg
    if frame == HORIZON:
        want = SkyCoord(AltAz(az=lon, alt=lat, obstime=t, location=site, pressure=0 * u.hPa)).icrs
        mine = SkyCoord(got[:, 2] * u.deg, got[:, 3] * u.deg)
        limit = 10
    elif frame == F4:
        want = SkyCoord(FK4(lon, lat, obstime=t)).transform_to(FK5())
        mine = SkyCoord(got[:, 2] * u.deg, got[:, 3] * u.deg)
        limit = 10  # astropy's matrix and ERFA's differ by up to 7.5 mas over the sky
    else:
        c = {IC: lambda: ICRS(lon, lat), F5: lambda: FK5(lon, lat), GAL: lambda: Galactic(lon, lat),
             ECL2000: lambda: BarycentricMeanEcliptic(lon, lat)}[frame]()
        want = SkyCoord(c).transform_to(TETE(obstime=t))
        mine = SkyCoord(got[:, 0] * u.deg, got[:, 1] * u.deg)
        limit = {IC: 10, F5: 10, GAL: 25, ECL2000: 10}[frame]
    rad = lon.to_value(u.rad), lat.to_value(u.rad)
    tt = t.tt.jd1, t.tt.jd2
    if frame == HORIZON:
        ri, di = erfa.atoi13("A", rad[0], np.pi / 2 - rad[1], t.jd1, t.jd2, dut1, np.radians(-155.4755), np.radians(19.8224444444444444),
                             4070, xp.to_value(u.rad), yp.to_value(u.rad), 0, 0, 0, 1000)
        ra, dec = ri - erfa.eo06a(*tt), di
    else:
        icrs = {IC: lambda: rad, F5: lambda: erfa.fk5hz(*rad, *tt), F4: lambda: erfa.fk5hz(*erfa.fk45z(*rad, erfa.epb(*tt)), *tt),
                GAL: lambda: erfa.g2icrs(*rad), ECL2000: lambda: erfa.eceq06(2451545.0, 0.0, *rad)}[frame]()
        ri, dec, eo = erfa.atci13(*icrs, 0, 0, 0, 0, *tt)
        ra = ri - eo
    own = SkyCoord(ra * u.rad, dec * u.rad).separation(SkyCoord(got[:, 0] * u.deg, got[:, 1] * u.deg)).to_value(u.mas).max()
    print("ERFA", frame, "%.6f" % own, 1, int(own <= 1))
    sep = SkyCoord(want.ra, want.dec).separation(mine).to_value(u.mas)
    total += k
    print(["horizon", "ICRS", "FK5", "FK4", "Galactic", "ecliptic", "ecliptic of J2000"][frame], k, "%.6f" % sep.max(), limit, int(sep.max() <= limit))
print("total", total, 0, 0, 1)
EOF_PY
/usr/bin/python3 check.py "$FYKE_BUILD/t/coord" >result 2>err || diag <err
while IFS= read -r line; do
	tap $((1 - ${line##* })) "$line (frame, cases, worst mas, limit)"
done <result
is "$(awk '$1 == "total" { print $2 }' result)" 10000 "ten thousand cases"
done_testing
