# merge-day.t - a night that is followed live ends with its day, also when the DAS was stopped before; a whole day at once
. "${0%/*}/lib.sh"
need faketime ncdump /usr/bin/python3
grep -E '^(set|line|trck_das|lst|ra |dec |rotangle|source_)' "$top/etc/bolocam.cal" >small.cal
fake=$(ls /usr/lib/*/faketime/libfaketime.so.1)
at() { # at TIME COMMAND...: begun at that UTC; a minute takes a quarter of a second
	when=$1; shift
	env LD_PRELOAD="$fake" NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME="@$when x240" "$@"
}
mkdir raw hdr enc hours again
simdas -o raw --seed=8 -n 12 --utc=2005-06-21T22:55:00Z --quiet
simtel -o hdr --enc=enc --seed=8 -n 13 --utc=2005-06-21T22:55:00Z --quiet
# The DAS was stopped at 23:07; merge runs on at 23:59.
ok "a night whose last hour was not recorded" -- at "2005-06-21 23:59:00" merge -ff 4 -cs small.cal -r raw -h hdr -e enc --utc=20050621 --out=hours
like err 'the day is over: nothing more is waited for' "ends half an hour behind midnight"
like err '12 minutes in, 12 out, 0 lost; hours 2' "with all that there is"
merge -ff 4 -cs small.cal -r raw -h hdr -e enc --utc=20050621 -nend 1386 --out=again --quiet
same hours/20050621_22.nc again/20050621_22.nc "which is the same"
same hours/20050621_23.nc again/20050621_23.nc "as offline"
exits 0 "--wait is waited for" -- at "2005-06-21 23:59:00" merge -ff 4 -cs small.cal -r raw -h hdr -e enc --utc=20050621 --out=hours --wait=40m
# An old day without -nend waits for the next raw file, as the original does.
rm -rf hours/merge_current* hours/*.nc
merge -ff 4 -cs small.cal -r raw -h hdr -e enc --utc=20050621 --out=hours 2>old.err &
pid=$!
tap_pids="$tap_pids $pid"
grows() { [ "$(readlink hours/merge_current.nc)" = 20050621_23.nc ] && [ "$(ncdump -v minute_state hours/20050621_23.nc | sed -n '/^ minute_state =/,$p' | tr -dc '1' | wc -c)" -eq 7 ]; }
until_true 20 grows; tap $? "an old day without -nend: what is there is merged"
kill -0 "$pid"; tap $? "and waits for the next raw file, as the original"
finish "$pid" TERM
is "$status" 0 "until a signal comes"

# A whole day in one command, in little memory: the last two minutes of each hour here, all of them
# with all bolometers in the nightly run.
rm -rf raw hdr enc hours
mkdir raw hdr enc hours
cal=small.cal holes=$(awk 'BEGIN { for (h = 0; h < 24; h++) printf "%s%d-%d", h ? "," : "", 60 * h, 60 * h + 57 }')
if nightly; then cal=$top/etc/bolocam.cal holes=; fi
simdas -o raw --seed=8 -n 1440 --utc=2005-06-21T00:00:00Z ${holes:+--missing="$holes"} --quiet
simtel -o hdr --enc=enc --seed=8 -n 1441 --utc=2005-06-21T00:00:00Z ${holes:+--missing="$holes" --enc-missing="$holes"} --quiet
ok "a whole day in one command, in less than 200 MiB" -- prlimit --as=209715200 \
    merge -ff 4 -cs "$cal" -r raw -h hdr -e enc -nend 1439 --out=hours --wait=0 --max-loss=1392 --status=st --report=rep.json
like err "minutes in, $(find raw -type f | wc -l) out" "every minute that there is"
is "$(find hours -name '20050621_*.nc' | wc -l)" 24 "24 hours"
is "$(/usr/bin/python3 -c 'import json; h = json.load(open("rep.json"))["hours"]; print(len(h), sum(x["final"] for x in h), sum(m["merged"] for x in h for m in x["minutes"]))')" \
    "24 24 $(find raw -type f | wc -l)" "all final"
done_testing
