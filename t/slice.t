# slice.t - observations cut out of merged hours: whole, in phase, across the hour
. "${0%/*}/lib.sh"
need /usr/bin/python3
# Two hours around an hour's end, without most bolometers; a hole in the housekeeping.
grep -Ev '^(dc_|ref_|rgrt|chop_enc|eaz|eel|secondary|wind|tau)' "$top/etc/bolocam.cal" | sed 's/^ac_bolos .*/ac_bolos das 0-23,64-87 short V poly 0 1 "six of them"/' >small.cal
mkdir raw hdr enc hours sl
simdas -o raw --utc=2005-06-21T08:45:00Z --seed=6 -n 30 --offset=4.3 --quiet
simtel -o hdr --enc=enc --utc=2005-06-21T08:45:00Z --seed=6 -n 30 --enc-missing=533 --quiet
merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nstart 0525 -nend 0554 --out=hours --wait=10ms --quiet 2>err || diag <err
a=hours/20050621_08.nc b=hours/20050621_09.nc

exits 2 "no files" -- slice -o out
exits 2 "no -o" -- slice $a
exits 2 "a margin that is not whole" -- slice -o sl --margin=1500ms $a
exits 3 "a file that is not there" -- slice -o sl nothing.nc
echo nonsense >bad.nc; exits 1 "a file that is no hour" -- slice -o sl bad.nc
head -c 100000 $a >cut.nc; exits 1 "one that is cut" -- slice -o sl cut.nc
exits 1 "the same hour twice" -- slice --list $a $a
exits 3 "a folder that is not there" -- slice -o nowhere $a
like err 'slice: -o nowhere: no such folder$' "is told"
is "$(wc -l <err)" 1 "once"
exits 1 "an observation that is not there" -- slice -o sl --obs=99 $a $b

ok "--list" -- slice --list $b $a
like err 'slice: [1-9][0-9]* observations in, [1-9][0-9]* out, 0 lost' "counts what it lists"
cp out list
/usr/bin/python3 - <<'E2' >facts 2>&1
"""What --list says, from the files by other means."""
import netCDF4, numpy as np
rows, runs, utc = [], [], {}
for h, p in ((8, "hours/20050621_08.nc"), (9, "hours/20050621_09.nc")):
    nc = netCDF4.Dataset(p)
    nc.set_auto_maskandscale(False)
    n, s = nc["obsnumber"][:], netCDF4.chartostring(nc["source_name"][:])
    utc.update((3600 * h + k, round(nc["ut"][50 * k] * 3600)) for k in range(3600) if nc["ut"][50 * k] > 0)
    rows += [(3600 * h + k, int(n[k]), str(s[k]).rstrip("\0 ")) for k in range(3600) if n[k] >= 0]
for t, n, s in rows:
    if runs and runs[-1][:2] == [n, s]:
        runs[-1][3] = t + 1
    else:
        runs.append([n, s, t, t + 1])
got = [l.split("\t") for l in open("list").read().splitlines()[1:]]
sec = lambda x: sum(int(v) * w for v, w in zip(x[11:19].split(":"), (3600, 60, 1)))
assert [[int(g[0]), g[1], sec(g[2]), sec(g[3])] for g in got] == \
    [[r[0], r[1], utc[r[2]], utc[r[3] - 1] + 1] for r in runs], (got, runs)
assert [int(g[4]) for g in got] == [r[3] - r[2] for r in runs]
assert sum(r[2] < 9 * 3600 < r[3] for r in runs) == 1
assert got[-1][5] == "open" and all(g[5] == "" for g in got[:-1])
print(len(runs), next(r[0] for r in runs if r[2] < 9 * 3600 < r[3]))
E2
tap $? "has every observation, also over the hour and over a hole in the housekeeping" || diag <facts
read -r count across <facts

mkdir cuts margins
ok "all of them" -- slice -o cuts $a $b
is "$(find cuts -name '050621_o[0-9][0-9]_raw.nc' | wc -l)" "$count" "one file each, FIELD/YYMMDD_oNN_raw.nc"
is "$(find cuts -type f | wc -l)" "$count" "and nothing else"
ok "one, with margins" -- slice -o margins --margin=60 --obs="$across" $a $b
/usr/bin/python3 - <<'E2' >facts 2>&1
import glob, netCDF4, numpy as np
def read(p):
    nc = netCDF4.Dataset(p)
    nc.set_auto_maskandscale(False)
    return nc
h = [read("hours/20050621_%02d.nc" % k) for k in (8, 9)]
files = glob.glob("cuts/*/*.nc") + glob.glob("margins/*/*.nc")
covered = np.zeros(7200, int)
for p in files:
    s = read(p)
    n = s.dimensions["onehertz"].size
    assert s.dimensions["time"].size == 50 * n and s["frames_written"][...] == 50 * n, p
    t = s["time"][:]
    base = sum(int(x) * w for x, w in zip(s["time"].units[-8:].split(":"), (3600, 60, 1)))
    k = round(base - 8 * 3600 + float(t[0]))   # second from 08:00
    assert abs(t[0] - round(float(t[0]))) == 0, "begins on a whole second"
    assert np.allclose(np.diff(t), 0.02, atol=1e-9) and (np.diff(t) > 0).all(), p
    seen = 0
    e = np.concatenate([x["edge_time"][:] + 3600 * i for i, x in enumerate(h)])
    r = np.concatenate([x["edge_residual"][:] for x in h])
    mine = (e >= k) & (e < k + n)
    if mine.any():      # the clock's edges come along, counted from where time does
        assert np.allclose(s["edge_time"][:], e[mine] - (3600 if k >= 3600 else 0), atol=1e-9), p
        assert np.array_equal(s["edge_residual"][:], r[mine]) and (np.diff(s["edge_time"][:]) >= 0).all(), p
    else:
        assert "edge" not in s.dimensions, p
    for name, v in s.variables.items():
        if not v.dimensions or v.dimensions[0] not in ("time", "onehertz") or name == "time":
            continue
        w = 50 if v.dimensions[0] == "time" else 1
        whole = np.concatenate([x[name][:] for x in h])
        assert np.array_equal(v[:], whole[w * k:w * (k + n)]), (p, name)
        assert {"scale_factor", "add_offset", "units"} <= set(v.ncattrs()) or v.dtype.kind == "S", name
        for a in v.ncattrs():
            assert np.array_equal(v.getncattr(a), h[0][name].getncattr(a)), (name, a)
        seen += 1
    assert seen > 20, seen
    assert np.array_equal(s["bolo"][:], h[0]["bolo"][:])
    assert s.data_model == "NETCDF3_64BIT_OFFSET" and "fyke slice" in s.history and s.num_cleaned == 0
    o = s["obsnumber"][:]
    first, last = int(s.observation_start), int(s.observation_end)
    assert set(o[first:last][o[first:last] >= 0]) == {s.observation}, p
    if p[:4] == "cuts":
        assert (first, last) == (0, n)
        covered[k:k + n] += 1
    else:
        assert (first, n - last) == (60, 60), (first, n, last)
have = np.concatenate([x["obsnumber"][:] for x in h]) >= 0
assert covered.max() == 1 and (covered[have] == 1).all(), "no second is lost or there twice"
E2
tap $? "samples, seconds and attributes are the hours', in phase, none lost where hours meet" || diag <facts
# The reader that fyke-merged(5) shows.
sed -n '/reader-begin/,/reader-end/p' "$top/man5/fyke-merged.5" | grep -v '^\.' >reader.py
/usr/bin/python3 - <<'E2' >facts 2>&1
import glob, io, contextlib, runpy, sys
import netCDF4, numpy as np
sys.argv = ["reader.py", sorted(glob.glob("margins/*/*.nc"))[0]]
said = io.StringIO()
with contextlib.redirect_stdout(said):
    read = runpy.run_path("reader.py")["read"]
n, good, lengths = said.getvalue().split(" ", 2)
assert int(n) > 0 and 0 < int(good) <= int(n) - 6000 and lengths == "{%s}\n" % n, said.getvalue()
for p in glob.glob("margins/*/*.nc") + glob.glob("cuts/*/*.nc"):
    d, nc = read(p), netCDF4.Dataset(p)
    for name in ("ac_bolos", "ra", "ut", "trck_das"):     # netCDF4's own unpacking, to a bit of a float
        want = np.ma.filled(nc[name][:].astype(float), np.nan)
        assert np.allclose(d[name], want, rtol=1e-6, equal_nan=True), (p, name)
    o = nc["obsnumber"][:]
    for s in range(len(o)):
        assert o.mask is not np.ma.nomask and np.ma.is_masked(o[s]) or (d["obsnumber"][50 * s:50 * s + 50] == o[s]).all(), (p, s)
    assert set(d["obsnumber"][d["good"]]) == {nc.observation}, p
E2
tap $? "fyke-merged(5) reads them: samples, seconds in their phase, which are good" || diag <facts
sum=$(cat cuts/*/* | cksum)
exits 4 "old files" -- slice -o cuts $a $b
like err 'exists, and is not overwritten' "are kept"
ok "--overwrite" -- slice -o cuts --overwrite $b $a
is "$(cat cuts/*/* | cksum)" "$sum" "gives the same bytes, in whatever order the hours come"
mkdir one; ok "one hour of the two" -- slice -o one --obs="$across" $a
like err 'it may go on in the next hour' "says so"

# ---- hours that were finished as netCDF-4 ----
mkdir four fourcuts
for f in $a $b; do nccopy -k nc4 -d 1 $f four/"${f##*/}"; done
ok "netCDF-4 hours: --list" -- slice --list four/*.nc
same out list "is the same"
TMPDIR=$tmp/nc4tmp; mkdir "$TMPDIR"; export TMPDIR
ok "netCDF-4 hours: all of them, with margins" -- slice -o fourcuts --margin=20 four/*.nc
mkdir twocuts; slice -o twocuts --margin=20 $a $b --quiet
ok "give the same bytes" -- diff -r twocuts fourcuts
mkdir mixed; ok "one of each" -- slice -o mixed --margin=20 $a four/20050621_09.nc
ok "too" -- diff -r twocuts mixed
head -c 300000 four/20050621_08.nc >cut4.nc
exits 1 "one that is cut" -- slice --list cut4.nc
like err 'cut4.nc: cannot be read as netCDF-4' "is told"
/usr/bin/python3 - <<'E2'
import random
b = open("four/20050621_08.nc", "rb").read()
for n in range(12):
    r = random.Random(n)
    c = bytearray(b)
    for _ in range(40):
        c[r.randrange(r.choice((4000, 200000, len(c))))] = r.randrange(256)
    open("bad4-%d.nc" % n, "wb").write(c)
E2
crashed=''
for n in 0 1 2 3 4 5 6 7 8 9 10 11; do
	mkdir "bad4-$n"
	timeout 60 slice -o "bad4-$n" --quiet "bad4-$n.nc" >/dev/null 2>&1
	case $? in 0 | 1 | 3) ;; *) crashed="$crashed $n" ;; esac
	rm -rf "bad4-$n" "bad4-$n.nc"
done
is "$crashed" "" "damaged ones crash nobody but a child"
is "$(ls "$TMPDIR")" "" "nothing is left in TMPDIR"
unset TMPDIR
mkdir full; for at in 1 2 5; do
	exits 3 "a full disk, write $at" -- env LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" FAIL_CALL=write FAIL_AT=$at FAIL_STICKY=1 FAIL_HOW=ENOSPC \
	    slice -o full --obs="$across" $a $b
	like err 'full/.*_raw\.nc.*: No space left' "says where"
	is "$(find full -type f | wc -l)" 0 "leaves nothing"
done
done_testing
