# writelog-merge.t - a telescope, its DAS and a rotator; writelog's rows stand in the merged hour
. "${0%/*}/lib.sh"
. "$top/t/lib-merge.sh"
need /usr/bin/python3
mkdir raw hdr enc hours
# Not within the last seconds of a day: a merge is of one day.
until_true 30 sh -c '[ "$(date -u +%H%M%S)" -lt 235940 ]'

# Live: the telescope answers, the rotator tells, the observers count.
start tel simtel -o hdr --utc=now --seed=5 -n 3 --serve-rpc=0 --quiet; tel=$pid at=$address
/usr/bin/python3 "$top/t/rotator.py" rot.sock 2>rot.err & tap_pids="$tap_pids $!"
until_true 10 grep -q ready rot.err
echo "obsnumber 12" >obs
ok "four rows of a night that is going on" -- writelog -o enc --source="$at" --source=rotator:unix:rot.sock --source=file:obs -n 4
finish "$tel" TERM
file=$(ls enc/*/*.tsv | head -n 1)
first=$(sed -n '2s/\(.\{16\}\).*/\1:00Z/p' "$file") # the minute of the first row
minute() { basename "$1" .tsv | sed 's/.*_0*//; s/^$/0/'; }
last=$(ls enc/*/*.tsv | tail -n 1)

# The same night, whole: what the DAS wrote, and the pointing log.
ok "the DAS" -- simdas -o raw --utc="$first" --seed=5 -n 2 --no-drift --steps=0
ok "the pointing log" -- simtel -o hdr --utc="$first" --seed=5 -n 2
ok "merge takes all three" -- merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nstart "$(minute "$file")" -nend "$(minute "$last")" \
    --wait=0 --out=hours --quiet
/usr/bin/python3 - enc hours <<'P' >facts 2>&1
import csv, datetime, glob, netCDF4, sys
hour = {}
for p in glob.glob("hours/*.nc"):
    nc = netCDF4.Dataset(p)
    hour[p.split("/")[-1]] = nc
    nc.set_auto_maskandscale(False)
rows = wrong = 0
for p in sorted(glob.glob("enc/*/*.tsv")):
    lines = [l.rstrip("\n").split("\t") for l in open(p)]
    head = [c.split("[")[0].lstrip("#") for c in lines[0]]
    for l in lines[1:]:
        r = dict(zip(head, l))
        t = datetime.datetime.strptime(r["time"], "%Y-%m-%dT%H:%M:%SZ")
        nc = hour[t.strftime("%Y%m%d_%H.nc")]
        k = t.minute * 60 + t.second
        name = nc["source_name"][k].tobytes().split(b"\0")[0].decode()
        got = name, int(nc["obsnumber"][k]), round(float(nc["rotangle"][k]), 2), round(float(nc["ut1_minus_utc"][k]), 4)
        want = r["source_name"], 12, 10.68, -0.6158
        rows += 1
        if got != want or not name:
            wrong += 1
            print(r["time"], got, want)
print(rows, "rows", wrong, "wrong", {nc.dut1_source for nc in hour.values()})
P
is "$(cat facts)" "4 rows 0 wrong {'housekeeping'}" "source name, observation number, rotator angle and UT1-UTC stand in the hour, and its sidereal times use them"
done_testing
