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
simdet --quiet -c rfsoc -m 1 -n 1 -o one.pcapng && raw2nc --quiet -c rfsoc -o one.nc one.pcapng &&
    ok "a single record" -- quicklook one.nc
cp run.nc "it's a \$(file).nc"
ok "a name with quotes" -- quicklook "it's a \$(file).nc"
[ -s "it's a \$(file).png" ]; tap $? "has its picture"

exits 2 "no file" -- quicklook
exits 3 "a file that is not there" -- quicklook nothing.nc
exits 1 "no netCDF" -- quicklook run.pcapng
printf 'netcdf other {\ndimensions: x = 2 ;\nvariables: int v(x) ;\n}\n' | ncgen -o other.nc
exits 1 "another program's netCDF" -- quicklook other.nc
like err "none of raw2nc's files" "is told"
exits 3 "a picture that cannot be written" -- quicklook -o /nowhere/x.png run.nc
is "$(ls temporary)" "" "no temporary folder is left"
done_testing
