# merge.t - nights of simdas and simtel become right hour files; every kind of bad input is told
. "${0%/*}/lib.sh"
. "$top/t/lib-merge.sh"
need /usr/bin/python3 ncdump
cal=$top/etc/bolocam.cal
mkdir raw hdr enc tru hours

# ---- the original's usage ----
merge 2>err >out.txt; is $? 2 "merge alone: exit 2"
like err 'merge -ff fileformat -cs calspecfile -r rawdir \[-h headerdir\] \[-e encoderdir\]' "and the usage of the original"
merge -help >out.txt; is $? 2 "merge -help: exit 2"
like out.txt 'nstart start_das_num' "and the same usage"
exits 0 "--help is help" -- merge --help
exits 2 "no -ff" -- merge -cs small.cal -r raw
exits 2 "-ff 5" -- merge -ff 5 -cs small.cal -r raw
exits 2 "no -cs" -- merge -ff 4 -r raw
exits 2 "an unknown option" -- merge -ff 4 -cs small.cal -r raw -nonsense
exits 2 "-nstart behind -nend" -- merge -ff 4 -cs small.cal -r raw -nstart 0500 -nend 0480
exits 3 "a folder that is not there" -- merge -ff 4 -cs small.cal -r nowhere -nend 1
exits 3 "also where a night is followed" -- merge -ff 4 -cs small.cal -r nowhere --utc=20050621
exits 2 "an empty folder and no --utc" -- merge -ff 4 -cs small.cal -r raw -nend 1
exits 2 "no calspec" -- merge -ff 4 -r raw
like err "which calspec\\? \\(Bolocam's is .*/bolocam.cal\\)" "says where the shipped one is"
exits 2 "a calspec that is not there" -- merge -ff 4 -cs none.cal -r raw
like err 'merge: none.cal: cannot be read: No such file or directory' "is told"
exits 0 "--check of the shipped calspec" -- merge --check -cs "$cal"
printf 'set rate none\na das 1 short V poly 0 1\nb das 384 short V poly 0 1\nb sky 1 short V\n' >bad.cal
exits 2 "--check of a bad one" -- merge --check -cs bad.cal
is "$(grep -c 'bad.cal:[134]: ' err)" 3 "tells every mistake with its line"
exits 2 "a bad one stops a merge" -- merge -ff 4 -cs bad.cal -r raw -nend 1
like err 'bad.cal:1: rate' "at the first mistake"

# ---- a whole hour, all variables, against the truth ----
simdas -o raw --truth=tru --seed=6 --offset=-3.7 -n 72 --quiet
simtel -o hdr --enc=enc --seed=6 -n 72 --quiet
ok "an hour" -- merge -ff 4 -cs "$cal" -r raw -h hdr -e enc -nstart 0480 -nend 0539 --out=hours --report=rep.json
merged hours/20050621_08.nc raw tru
is "$(fact samples) $(fact wrong)" "180000 0" "every bolometer sample, rail flag and TTL voltage as in the raw files"
atmost clock_rms_ms 2 "corrected time, rms in ms"
atmost clock_worst_ms 10 "corrected time, worst in ms"
for q in dec pa az el; do atmost ${q}_p99_arcsec 0.0505 "$q within its quantum"; done
for q in ra lst; do atmost ${q}_p99_arcsec 0.0755 "$q within its quantum"; done
is "$(fact minute_states) $(fact frames_written) $(fact verdict)" "60 180000 1" "60 minutes, all frames, checks good"
is "$(py hours/20050621_08.nc '
bad = [n for n, x in v.items() if x.dtype.kind in "iuf" and not {"scale_factor", "add_offset", "units"} <= set(x.ncattrs())]
print(bad, v["ac_bolos"].dimensions, v["bolo"][0].tobytes()[:8], v["bolo"][143].tobytes()[:9], nc.data_model, nc.num_cleaned)')" \
    "[] ('time', 'bolodim') b'BOLO_A1\\x00' b'BOLO_F24\\x00' NETCDF3_64BIT_OFFSET 0" "names, dimensions and attributes that the IDL readers demand"
is "$(py hours/20050621_08.nc '
import numpy as np
t = v["time"][:]
print(t[0], round(float(t[-1]), 2), bool((np.diff(t) > 0).all()), "_FillValue" in v["time"].ncattrs(), v["time"].units)')" \
    "0.0 3599.98 True False seconds since 2005-06-21 08:00:00" "the time axis is complete and rises"
is "$(py hours/20050621_08.nc '
import re
bad, seen = [], set()
for n, x in v.items():
    a = {k: x.getncattr(k) for k in x.ncattrs()}
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", n) or n.lower() in seen: bad.append(n)
    seen.add(n.lower())
    if "_FillValue" in a and a["_FillValue"].dtype != x.dtype: bad.append(n + " fill")
    if "flag_masks" in a and (len(a["flag_masks"]) != len(a["flag_meanings"].split()) or a["flag_masks"].dtype != x.dtype or 0 in a["flag_masks"]): bad.append(n + " flags")
    if n in nc.dimensions and "_FillValue" in a: bad.append(n + " coordinate")
    if x.dtype.kind in "iuf" and (x.scale_factor.dtype != x.add_offset.dtype): bad.append(n + " packing")
    if x.dtype.kind != "S" and "units" not in a: bad.append(n + " units")
    for m in a.get("ancillary_variables", "").split():
        if m not in v: bad.append(n + " " + m)
print(bad, nc.Conventions)')" "[] CF-1.8 ACDD-1.3" "names, fill values, flags and packing by the CF rules"
is "$(/usr/bin/python3 -c '
import xarray; d = xarray.open_dataset("hours/20050621_08.nc"); print(str(d.time.values[50])[:23], d.ac_bolos.dtype, d.ac_bolos.units)')" \
    "2005-06-21T08:00:01.000 float32 V" "xarray opens it"
is "$(/usr/bin/python3 -c '
import json; h = json.load(open("rep.json"))["hours"][0]
print(h["file"], h["verdict"], len(h["minutes"]), h["rails"], h["minutes"][0]["raw"]["size"], len(h["minutes"][0]["raw"]["crc32"]))')" \
    "20050621_08.nc good 60 60 2304064 8" "the report is JSON with inputs, checks and clock"
/usr/bin/python3 - <<'E' >sources.bad 2>&1
import glob, erfa, netCDF4, numpy as np
v = netCDF4.Dataset("hours/20050621_08.nc").variables
name = [x.tobytes().split(b"\0")[0].decode() for x in v["source_name"][:]]
ra, dec = v["source_ra_apparent"][:], v["source_dec_apparent"][:]
place = {}
for p in glob.glob("enc/20050621/*.tsv"):
    rows = [x.rstrip("\n").split("\t") for x in open(p)]
    head = [c.split("[")[0].lstrip("#") for c in rows[0]]
    for r in rows[1:]:
        place[r[head.index("source_name")]] = {h: float(r[i]) for i, h in enumerate(head) if h not in ("time", "source_name", "pointing_file_name")}
kinds = set()
for k in range(3600):
    if not name[k]:
        continue
    s = place[name[k]]
    tt = 2453542.5, (8 * 3600 + k // 60 * 60 + 30 + s["tai_minus_utc"] + 32.184) / 86400
    r, d = np.radians([s["source_ra"] * 15, s["source_dec"]])
    kind = int(s["coordinate_type"])
    kinds.add(kind)
    if kind == 3:
        want = s["apparent_right_ascension"], s["apparent_declination"]
    else:
        if kind == 2:
            c = erfa.g2icrs(*np.radians([s["galactic_longitude"], s["galactic_latitude"]]))
        else:
            c = erfa.fk5hz(*((r, d) if kind == 1 else erfa.fk45z(r, d, erfa.epb(*tt))), *tt)
        ri, di, eo = erfa.atci13(*c, 0, 0, 0, 0, *tt)
        want = np.degrees((ri - eo) % (2 * np.pi)) / 15, np.degrees(di)
    bad = max(abs(want[0] - ra[k]) * 54e6, abs(want[1] - dec[k]) * 3.6e6)
    if not bad < 1:
        print(k, name[k], bad, "mas")
print("kinds", sorted(kinds))
E
is "$(head -n 5 sources.bad)" "kinds [1, 2, 3, 4]" "catalogue positions in J2000, B1950 and Galactic coordinates become apparent places within 1 mas of ERFA"
cp hours/20050621_08.nc first.nc
ok "the same again" -- merge -ff 4 -cs "$cal" -r raw -h hdr -e enc -nend 0539 --out=hours --quiet
same hours/20050621_08.nc first.nc "gives the same bytes"
cd hours || exit 99
ok "folders of the day itself, output here" -- merge -ff 4 -cs "$cal" -r ../raw/20050621 -h ../hdr/20050621 -e ../enc/20050621 -nend 539 --quiet
cd ..
same hours/20050621_08.nc first.nc "give the same bytes"
ok "--final=nc4" -- merge -ff 4 -cs "$cal" -r raw -h hdr -e enc -nend 0539 --out=hours --final=nc4 --quiet
is "$(ncdump -k hours/20050621_08.nc)" "netCDF-4" "a compressed netCDF-4 file"
is "$(/usr/bin/python3 - first.nc hours/20050621_08.nc <<'E'
import netCDF4, sys
a, b = (netCDF4.Dataset(p) for p in sys.argv[1:])
a.set_auto_maskandscale(False); b.set_auto_maskandscale(False)
print([n for n in a.variables if a[n][...].tobytes() != b[n][...].tobytes()], list(a.variables) == list(b.variables), b["ac_bolos"].chunking())
E
)" "[] True [3000, 144]" "of the same content, in chunks of a minute"
prlimit --as=209715200 merge -ff 4 -cs "$cal" -r raw -h hdr -e enc -nend 0539 --out=hours --status=st --quiet 2>err
is $? 0 "an hour in less than 200 MiB of memory"
like st '"state":"done","unit":"minutes","in":60,"out":60' "--status tells the minutes"
same hours/20050621_08.nc first.nc "and the same bytes"
exits 3 "a report for which there is no folder is refused at once" -- merge -ff 4 -cs "$cal" -r raw -nend 0539 --out=hours --report=nowhere/rep.json
exits 5 "a range without raw files" -- merge -ff 4 -cs "$cal" -r raw -nstart 0300 -nend 0302 --out=hours
like err 'minutes 0300 to 0302: no raw files in raw: nothing is merged' "is told"
rm -f first.nc hours/*.nc

done_testing
