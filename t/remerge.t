# remerge.t - many nights by GNU parallel: what is done is not done again, what fails is named and tried again
. "${0%/*}/lib.sh"
need parallel flock /usr/bin/python3
umask 022 # a configuration that others may write is refused
mkdir stub raw hdr enc merged home
PATH=$tmp/stub:$top/scripts:$PATH
HOME=/nonexistent
export HOME
grep -E '^(set|line|trck_das|lst|ra |dec |rotangle|source_|obsn)' "$top/etc/bolocam.cal" >small.cal
printf '[paths]\nrawdir=%s/raw\nheaderdir=%s/hdr\nencdir=%s/enc\nmerged=%s/merged\ncalspec=%s/small.cal\n[merge]\nff=4\nwait=0\n' \
    "$tmp" "$tmp" "$tmp" "$tmp" "$tmp" >night.conf
for d in 19 21 22 23; do
	simdas -o raw --utc=2005-06-${d}T08:00:00Z --seed="$d" -n 3 --quiet
	simtel -o hdr --enc=enc --utc=2005-06-${d}T08:00:00Z --seed="$d" -n 4 --quiet
done
mkdir raw/20050620 # a folder without files is no night
re() { remerge --config=night.conf "$@"; }
echo 0 >calls
began() { # how many nights the log has more than before
	began_now=$(grep -c 'utc=2005' merged/remerge.log)
	echo $((began_now - $(cat calls)))
	echo "$began_now" >calls
}

exits 2 "no nights" -- remerge --config=night.conf
exits 2 "a day that is none" -- re 20050619 20050631
exits 2 "the last before the first" -- re 20050621 20050619
exits 2 "--jobs=0" -- re --jobs=0 20050619 20050623
exits 1 "a span without files" -- re 20060101 20060131
like err 'no night from 20060101 to 20060131' "is told"
printf '#!/bin/sh\necho "parallel (moreutils)"\n' >stub/parallel; chmod +x stub/parallel
exits 3 "another program of that name" -- re 20050619 20050623
like err 'GNU parallel is not installed' "is not taken for it"
rm stub/parallel

# One night cannot be merged: something that is no file stands where its hour should.
mkdir -p merged/20050622_08.nc/x
exits 1 "nights, one of which fails" -- re --jobs=2 20050619 20050623
like err '^remerge: nights from 20050619 to 20050623: 4, to be merged: 4' "the nights that have files"
like err '^remerge: FAILED: 20050622: ' "the failed one is named at the end"
like err '^20050622	.*merge: .*20050622_08.nc' "and what merge said of it has its night before it"
is "$(began)" 4 "each was begun once"
is "$(ls merged/*.nc -d | tr '\n' ' ')" "merged/20050619_08.nc merged/20050621_08.nc merged/20050622_08.nc merged/20050623_08.nc " "the others are there"
is "$(/usr/bin/python3 -c 'import json; print(*(len(json.load(open("merged/200506%d_report.json" % d))["hours"]) for d in (19, 21, 23)))')" "1 1 1" "with a report each"
merge -ff 4 -cs small.cal -r raw -h hdr -e enc --utc=20050621 -nend 482 --wait=0 --quiet
same 20050621_08.nc merged/20050621_08.nc "and as merge does them"

exits 1 "again" -- re 20050619 20050623
is "$(began)" 1 "only the failed one is begun again"
rm -r merged/20050622_08.nc
ok "when it can be merged" -- re 20050619 20050623
is "$(began)" 1 "it is"
ok "and then there is nothing to do" -- re 20050619 20050623
is "$(began)" 0 "and nothing is done"
ok "--again" -- re --again 20050619 20050621
is "$(began)" 2 "does those that it names, and no others"
rm raw/20050623/raw_050623_0481.bin
exits 5 "a night with a hole" -- re --again 20050623 20050623
like err 'with holes in the data: 20050623' "is named, and done"
began >/dev/null
ok "so that it" -- re 20050619 20050623
is "$(began)" 0 "is not done again"
is "$(re --again 20050621 20050621 -nstart 0481 --out=home 2>&1 | grep -c FAILED)" 0 "merge's own options go through"
[ -s home/20050621_08.nc ]; tap $? "to merge"
began >/dev/null

# Two at once; stopped in the middle; gone on with.
cat >stub/merge <<E2
#!/bin/sh
echo x >>$tmp/at.work
until [ -e $tmp/go ]; do command sleep 0.02; done
exec $FYKE_BUILD/bin/merge "\$@"
E2
chmod +x stub/merge
slow() { # in the background, with one night in work
	rm -f at.work go
	env --default-signal=INT remerge --config=night.conf --again --jobs=1 20050619 20050623 2>first.err &
	pid=$!
	tap_pids="$tap_pids $pid"
	until_true 20 test -s at.work
}
slow
exits 4 "a second one meanwhile" -- re 20050619 20050623
kill -INT "$pid"
until_true 20 grep -q 'stopping when' first.err; tap $? "Ctrl-C is said to be heard"
: >go
finish "$pid"
is "$status $(began)" "130 1" "the night in work is done, no other is begun: exit 130"
like first.err 'not begun or not finished: 20050621 20050622 20050623' "which are named"
slow
kill -INT "$pid"
until_true 20 grep -q 'stopping when' first.err
rm first.err
finish "$pid" INT
is "$status $(began)" "130 0" "twice: it is killed"
slow
parallel=$(ps -o pid= --ppid "$pid")
kill -9 "$pid"
wait "$pid" 2>/dev/null
exits 4 "kill -9 of it: as long as parallel works, a second one is refused" -- re 20050619 20050623
kill -HUP $parallel
: >go
until_true 20 flock -n merged/remerge.log true; tap $? "parallel ends what it had begun"
is "$(began)" 1 "and no more"
rm stub/merge
sed -i '/utc=20050623/d' merged/remerge.log
grep -c 'utc=2005' merged/remerge.log >calls
re 20050619 20050623 2>err; is $? 5 "the next one goes on"
is "$(began)" 1 "with the nights that the log does not have"
done_testing
