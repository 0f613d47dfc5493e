# merge-away.t - files that go, into an archive or with their mount, and come back: what was merged of them stays
. "${0%/*}/lib.sh"
. "$top/t/lib-merge.sh"
need ncdump
mkdir -p from/raw from/hdr from/enc raw/20050621 hdr/20050621 enc/20050621 kept hours again
simdas -o from/raw --seed=8 -n 53 --utc=2005-06-21T08:20:00Z --missing=501-534 --quiet
simtel -o from/hdr --enc=from/enc --seed=8 -n 53 --utc=2005-06-21T08:20:00Z --quiet
for d in hdr enc; do cp from/$d/20050621/* $d/20050621; done
raw=raw/20050621/raw_050621_0
bring() { # bring MINUTE...: their raw files arrive whole
	for m; do cp from/${raw}$m.bin raw/part && mv raw/part ${raw}$m.bin; done
}
values() { ncdump -v "$2" "$1" 2>/dev/null | sed -n "/^ $2 =/,\$p" | tr -dc '0-9,-'; }
is_now() { [ "$(values "$1" "$2" | cut -d, -f$(($3 + 1)))" = "$4" ]; }
count() { [ "$(grep -c "$1" live.err)" -eq "$2" ]; }
options='-ff 4 -cs small.cal -r raw -h hdr -e enc --utc=20050621 --wait=0 --max-loss=34'
run() { merge $options "$@"; }
live() { # live OPTIONS: in the background
	merge $options "$@" >live.out 2>live.err &
	pid=$!
	tap_pids="$tap_pids $pid"
}
looks() { # two looks for what came late
	for i in 1 2; do
		touch hdr/20050621/0544
		until_true 12 count 'minute 0544: a file came late or changed' $i
	done
}
f8=20050621_08.nc f9=20050621_09.nc

# ---- away when their hour is over ----
bring 500 535 536 537 538 539 540 541 542 543 544 545
live --out=hours
until_true 20 is_now hours/$f9 minute_state 5 1; tap $? "a night with two hours"
mv ${raw}500.bin ${raw}537.bin kept
until_true 12 count 'files of 2 merged minutes have gone, 0500 the first' 1; tap $? "two raw files go: told"
mv kept/raw_050621_0500.bin raw/20050621
bring 546
until_true 12 is_now hours/$f9 minute_state 6 1
looks
count 'are there again' 0; tap $? "one is back: nothing is said yet"
mv kept/raw_050621_0537.bin raw/20050621
until_true 12 count 'are there again' 1; tap $? "both are back: told"
mv ${raw}500.bin kept
bring 547 548 549 550
until_true 12 grep -q '20050621_08.nc: holds 1 minutes whose files have gone, 0500 the first: it stays as it is until they are back' live.err
tap $? "one is away ten minutes after the end of its hour: that stays as it is"
until_true 12 is_now hours/$f9 minute_state 10 1; tap $? "the night goes on"
is_now hours/$f8 minute_quality 57 8192; tap $? "and the hour is provisional"
mv kept/raw_050621_0500.bin raw/20050621
until_true 12 is_now hours/$f8 minute_quality 57 0; tap $? "until its file is back"
inode=$(stat -c %i hours/$f8)
kill -STOP "$pid"
touch hdr/20050621/0539
bring 551
kill -CONT "$pid"
until_true 12 is_now hours/$f9 minute_state 11 1
until_true 12 sh -c "[ \$(stat -c %i hours/$f8) != $inode ]"; tap $? "what came late together with a new minute is taken too"
finish "$pid" TERM
is "$status" 0 "exit 0"
ok "the same offline" -- run -nend 551 --out=again --quiet
same hours/$f8 again/$f8 "gives the same bytes"
same hours/$f9 again/$f9 "for both hours"

# ---- a second start in the same night, when an older hour is in the archive by parts ----
mv ${raw}500.bin kept
truncate -s 100M hdr/20050621/0543 # no such file is as long: it is not used
live --out=hours --max-loss=35
bring 552
until_true 20 is_now hours/$f9 minute_state 12 1; tap $? "a second start: the night goes on"
like live.err '20050621_08.nc: holds 1 minutes whose files have gone, 0500 the first: it stays' "behind an hour that stays as it is"
looks
count 'minute 053[5-9]: ' 0; tap $? "nothing of which is merged"
count 'minute 0543: a file came late or changed' 0; tap $? "a file that is not used does not come late"
finish "$pid" TERM
is "$status" 0 "exit 0"
same hours/$f8 again/$f8 "and that hour is as it was"
exits 4 "a range is refused then" -- run -nend 552 --out=hours
mv kept/* raw/20050621
cp from/hdr/20050621/0543 hdr/20050621

# ---- still away at the end ----
for gone in ${raw}536.bin hdr/20050621/0536; do
	rm -f again/* ${raw}55[0-2].bin
	live --out=again
	until_true 20 is_now again/$f9 minute_state 9 1
	mv $gone kept
	finish "$pid" TERM
	is "$status" 4 "$gone is away at the end: exit 4"
	like live.err '20050621_08.nc: is not final: 1 of its minutes have files that are away, 0536 the first' "and why"
	is_now again/$f8 minute_quality 56 8192; tap $? "its minute is as it was merged"
	bring 550 551 552
	mv kept/* ${gone%/*}
	ok "a run that has them again" -- run -nend 552 --out=again --quiet
	same again/$f8 hours/$f8 "makes it final"
done

# ---- killed before its hour was final, and a file is away when it is started again ----
rm -f again/* ${raw}55[0-2].bin
live --out=again
until_true 20 is_now again/$f9 minute_state 9 1
kill -9 "$pid"
wait "$pid" 2>/dev/null
mv ${raw}536.bin kept
bring 550 551
live --out=again
until_true 20 is_now again/$f9 minute_state 11 1
finish "$pid" TERM
is "$status" 4 "an hour that a killed run has left provisional, kept by the next: exit 4"
like live.err '20050621_08.nc: is not final: 1 of its minutes have files that are away, 0536 the first' "and why"
bring 552
mv kept/* raw/20050621

# ---- netCDF-4 ----
mkdir nc4
ok "an hour of four minutes as netCDF-4" -- run -nstart 0536 -nend 0551 --final=nc4 --out=nc4 --quiet
mv ${raw}537.bin kept
exits 4 "the last two again, when a raw file of the others is away" -- run -nstart 0538 -nend 0551 --out=nc4 --quiet
like err 'nc4/20050621_08.nc: holds 1 minutes whose raw files are not in raw, 0537 the first' "are refused"
is "$(ncdump -k nc4/$f8)" netCDF-4 "and the hour is as it was"
exits 3 "no room to look into it" -- env TMPDIR=/nowhere merge $options -nstart 0538 -nend 0551 --out=nc4 --quiet
like err 'nc4/20050621_08.nc: /nowhere/.*: No such file' "is told"
mv kept/* raw/20050621
ok "when it is back" -- run -nstart 0538 -nend 0551 --out=nc4 --quiet
is "$(values nc4/$f8 minute_state | tr -d ,)" 000000000000000000000000000000000000000000000000000000001111 "they are written, and the others stay"
done_testing
