# quicklook.t - a picture of every kind of file that raw2nc makes
. "${0%/*}/lib.sh"
need gnuplot ncks
PATH=$top/scripts:$PATH
mkdir temporary
TMPDIR=$tmp/temporary
export TMPDIR

simdet --quiet -c chec -n 60 --drop=0.02 -o run.pcapng || exit 99
evbuild --quiet -c chec run.pcapng >events.pcapng || exit 99
raw2nc --quiet -o run.nc events.pcapng || exit 99
simdet --quiet -c roach2c -m 1 -n 200 --drop=0.02 -o roach.pcapng || exit 99

# size FILE: width and height of a PNG, from its header (PNG specification, IHDR)
size() { od -An -tu1 -j16 -N8 "$1" | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }'; }
value() { ncdump -v loss_count "$1" | tr -d ' \n' | sed 's/.*loss_count=//' | cut -d, -f"$2"; }

ok "events" -- env QUICKLOOK_KEEP=kept quicklook run.nc
is "$(size run.png)" "1500 950" "one page"
read -r from to width <kept/span
is "$(awk -v w="$width" '{ n += $2 * w; p += $3 * w } END { printf "%.0f %.0f", n, p }' kept/rate)" "60 $(value run.nc 1)" \
    "the rate holds every event, and every incomplete one"
is "$(grep -c . kept/map)" 2048 "the map has every pixel"
is "$(awk '{ print NF; exit }' kept/streams) $(wc -l <kept/streams)" "7 60" "six streams of all events"
is "$(head -n 1 kept/losses)" "$(value run.nc 1)|incomplete events" "the loss table"
mean=$(awk '$1 == 5 && $2 == 7 { print $3 }' kept/map)
/usr/bin/python3 - "$mean" <<'E2'
import netCDF4, numpy as np, sys
m = netCDF4.Dataset('run.nc')['amplitude'][:, 7, 5].mean()
sys.exit(int(abs(m - float(sys.argv[1])) > 1e-4 * m))
E2
tap $? "a mean is right ($mean mV)"
raw2nc --quiet -o half.nc --layout=channel events.pcapng && ok "channel-major" -- quicklook -o chan.png half.nc
raw2nc --quiet -o nc4.nc --final=nc4 events.pcapng && ok "netCDF-4" -- quicklook nc4.nc -o nc4.png
raw2nc --quiet -o classic.nc --types=classic events.pcapng && ok "classic types" -- quicklook classic.nc
raw2nc --quiet -c roach2c -o roach.nc roach.pcapng && ok "packets" -- env QUICKLOOK_KEEP=kept2 quicklook roach.nc
is "$(awk '{ n += $4 } END { print n }' kept2/rate)" "$(value roach.nc 1)" "what is missing stands where it is missing"
raw2nc --quiet -c roach2c --names=toltec -o toltec.nc roach.pcapng && ok "TolTEC's names" -- quicklook toltec.nc
raw2nc --quiet -c roach2c --names=kid -o kid.nc roach.pcapng && ok "roach2pcp's names" -- quicklook kid.nc
# 1,003 records are no multiple of 200 bins.
simdet --quiet -c rfsoc -m 1 -n 1003 --drop=@500 -o level.pcapng && raw2nc --quiet -c rfsoc -o level.nc level.pcapng
ok "a constant rate" -- env QUICKLOOK_KEEP=level quicklook level.nc
is "$(cut -d' ' -f2 level/rate | sort -n | uniq -c | awk '{ printf "%d of %.6g  ", $1, $2 }')" "1 of 390.917  199 of 488.281  " \
    "is level but where a record is missing"
simdet --quiet -c rfsoc -m 1 -n 1 -o one.pcapng && raw2nc --quiet -c rfsoc -o one.nc one.pcapng &&
    ok "a single record" -- quicklook one.nc
cp run.nc "it's a \$(file).nc"
ok "a name with quotes" -- quicklook "it's a \$(file).nc"
[ -s "it's a \$(file).png" ]; tap $? "has its picture"

# ---- hours of merge, and slices of them ----
mkdir raw hdr enc hours sl
sed 's/^[ad]c_bolos .*//' "$top/etc/bolocam.cal" >few.cal
echo 'ac_bolos das 0-23,64-87,128-151,192-215,256-279,320-343 short V poly 0 1' >>few.cal
simdas -o raw --seed=9 -n 30 --steps=1 --missing=500-501 --utc=2005-06-21T08:10:00Z --quiet
simtel -o hdr --enc=enc --seed=9 -n 32 --missing=510 --enc-missing=512 --utc=2005-06-21T08:10:00Z --quiet
merge -ff 4 -cs few.cal -r raw -h hdr -e enc -nend 0519 --out=hours --wait=0 --max-loss=9 --quiet
ok "a merged hour" -- env QUICKLOOK_KEEP=kept3 quicklook -o hour.png hours/20050621_08.nc
is "$(size hour.png)" "1500 1000" "its page"
is "$(awk '{ n[$2]++ } END { print n[3] + 0, (n[2] > 115 && n[2] < 125) }' kept3/wrong)" "720 1" "12 minutes without raw data (10 not recorded), 2 without pointing or housekeeping"
/usr/bin/python3 - <<'E2' >facts 2>&1
import netCDF4, numpy as np
v = netCDF4.Dataset("hours/20050621_08.nc").variables
e = np.loadtxt("kept3/edges", ndmin=2)
start = 1119340800    # 2005-06-21T08:00:00Z
t = v["edge_time"][:].compressed()
assert len(e) == len(t) > 50 and np.allclose(e[:, 0], start + t, atol=2e-3), "every edge, at its time"
assert np.allclose(e[:, 1], v["edge_residual"][:].compressed() * 1000, atol=1e-3), "in ms"
n = [l.split() for l in open("kept3/observations")]
number = v["obsnumber"][:]
assert [int(x[0]) for x in n] == list(dict.fromkeys(number.compressed())), "the observations"
rms = np.loadtxt("kept3/spread")
assert rms.shape == (144, 3)
ac = v["ac_bolos"][:120000:34][:, 3 * 24 + 6].std()
got = rms[(rms[:, 0] == 7) & (rms[:, 1] == 3)][0, 2]
assert abs(got - ac) < 1e-3 * ac, (got, ac)
p = np.array([l.split() for l in open("kept3/pattern") if l.strip()], float)
p = p[p[:, 2] > 0]
assert len(p) > 2000
s = np.repeat(np.arange(3600), 50)
x = (v["ra"][:] - v["source_ra_apparent"][:][s]) * 15 * np.cos(np.radians(v["dec"][:])) * 60
ok = (v["quality"][:].astype(int) & 3 == 0) & (v["acq_tel"][:] == 1)
x = np.ma.filled(np.ma.masked_array(x, ~ok), np.nan)
assert abs(np.nanmax(x) - p[:, 0].max()) < 0.3 and abs(np.nanmin(x) - p[:, 0].min()) < 0.3, (np.nanmax(x), p[:, 0].max())
print("good")
E2
is "$(tail -n 1 facts)" good "edges, observations, pattern and spread are the file's" || diag <facts
like kept3/page.gp 'DAS clock [+-][0-9.]+ s to [+-][0-9.]+ s, [0-9]+ edges, [0-9.]+ ms rms' "the clock in words"
like kept3/unsure '^11193' "where the clock stepped is shaded"
slice -o sl --margin=10 --quiet hours/20050621_08.nc
set -- sl/*/*
ok "a slice" -- env QUICKLOOK_KEEP=kept4 quicklook -o slice.png "$2"
is "$(awk '{ print $1 }' kept4/observations | grep -cFx "$(ncdump -h "$2" | sed -n 's/.*:observation = \([0-9]*\) ;/\1/p')")" 1 "with its observation"
grep -vE '^(ac_|dc_|source|obs|ra |dec |el |acq_tel)' few.cal >bare.cal
mkdir bare; merge -ff 4 -cs bare.cal -r raw -h hdr -nend 0519 --out=bare --wait=0 --max-loss=9 --quiet
ok "an hour without bolometers, pointing and housekeeping" -- quicklook bare/20050621_08.nc

exits 2 "no file" -- quicklook
ok "--help" -- quicklook --help
like out "without -o: FILE.png" "says what it writes"
exits 2 "an option that there is not" -- quicklook -x run.nc
is "$(cat err)" "usage: quicklook [-o PNG] FILE.nc      (without -o: FILE.png)" "gets the usage and no word of the shell's"
exits 3 "a file that is not there" -- quicklook nothing.nc
like err 'nothing.nc: no such file' "is told so"
exits 3 "a folder" -- quicklook temporary
exits 1 "a stream" -- quicklook run.pcapng
like err 'run.pcapng: this is a stream: make it netCDF with raw2nc first' "is told what to do"
echo text >text.nc
exits 1 "no netCDF" -- quicklook text.nc
like err 'text.nc: no netCDF: Unknown file format' "and why"
cp run.nc qq.nc; ln qq.nc link.png
exits 4 "the picture never takes the place of its file" -- quicklook -o qq.nc qq.nc
exits 4 "nor by another name" -- quicklook -o link.png qq.nc
exits 4 "nor of another netCDF file" -- quicklook -o chan.nc run.nc
same qq.nc run.nc "which is as it was"
printf 'netcdf other {\ndimensions: x = 2 ;\nvariables: int v(x) ;\n}\n' | ncgen -o other.nc
exits 1 "another program's netCDF" -- quicklook other.nc
like err "none of raw2nc's, scopeget's, merge's or slice's files" "is told"
exits 3 "a picture that cannot be written" -- quicklook -o /nowhere/x.png run.nc
is "$(cat err)" "quicklook: /nowhere/x.png: cannot be written: No such file or directory" "is told once, and why"
is "$(ls temporary)" "" "no temporary folder is left"
done_testing
