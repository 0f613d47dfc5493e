# merge-live.t - a night while it is recorded: minutes as they come, companions that are late, the same bytes in the end
. "${0%/*}/lib.sh"
. "$top/t/lib-merge.sh"
need ncdump
mkdir -p from/raw from/hdr from/enc raw/20050621 hdr/20050621 enc/20050621 hours again
simdas -o from/raw --seed=8 -n 26 --utc=2005-06-21T08:50:00Z --quiet
simtel -o from/hdr --enc=from/enc --seed=8 -n 26 --utc=2005-06-21T08:50:00Z --quiet
bring() { # bring raw|hdr|enc MINUTE: a file arrives whole, as dirsync brings it
	case $1 in
	raw) name=raw_050621_0$2.bin ;;
	hdr) name=0$2 ;;
	enc) name=enc_050621_0$2.tsv ;;
	esac
	cp "from/$1/20050621/$name" "$1/.$name" && mv "$1/.$name" "$1/20050621/$name"
}
values() { # values FILE VARIABLE: on one line
	ncdump -v "$2" "$1" 2>/dev/null | sed -n "/^ $2 =/,\$p" | tr -dc '0-9,-'
}
state_of() { values "$1" minute_state | cut -d, -f$(($2 + 1)); }
quality_of() { values "$1" minute_quality | cut -d, -f$(($2 + 1)); }
state_is() { [ "$(state_of "$1" "$2")" = "$3" ]; }
quality_is() { [ "$(quality_of "$1" "$2")" = "$3" ]; }
count() { [ "$(grep -c "$1" live.err)" -eq "$2" ]; }
live() { merge -ff 4 -cs small.cal -r raw -h hdr -e enc --utc=20050621 --wait=4s --out=hours "$@"; }

merge -ff 4 -cs small.cal -r raw -h hdr -e enc --utc=20050621 --wait=4s --out=hours >live.out 2>live.err &
pid=$!
tap_pids="$tap_pids $pid"
until_true 5 test -e hours/.merge_20050621.lock
like live.err 'a day of the past without -nend: more is waited for until Ctrl-C' "that it waits is told"
exits 4 "a second merge of the same day is refused" -- live -nend 539
like err 'another merge works on 20050621' "and it says why"
f8=hours/20050621_08.nc f9=hours/20050621_09.nc

bring hdr 530; bring enc 530; bring raw 530
until_true 5 state_is $f8 50 1; tap $? "the first minute is merged within 5 s of its arrival"
is "$(values $f8 frames_written)" 153000 "frames_written reaches to it"
is "$(quality_of $f8 50)" 8192 "marked as provisional"
bring raw 531
until_true 5 grep -q 'minute 0531: waiting for its pointing log' live.err; tap $? "a raw file waits for its companions"
is "$(state_of $f8 51)" 0 "and is not merged yet"
bring enc 531; bring hdr 531
until_true 5 state_is $f8 51 1; tap $? "then it is merged"
bring enc 532; bring raw 532; bring raw 533
grows() { touch raw/20050621/raw_050621_0$1.bin; }
until_true 15 eval 'grows 533; state_is $f8 52 1'; tap $? "when --wait is over the hole is filled, and merge goes on"
is "$(quality_of $f8 52)" $((8192 + 32)) "the minute says that its pointing is missing"
like live.err 'minute 0532: no pointing log in time: it is merged without' "and so does merge"
until_true 5 grep -q 'minute 0533: waiting for its pointing log and housekeeping' live.err
tap $? "one that has grown all the while waits from its end"
bring hdr 532
until_true 12 quality_is $f8 52 8192; tap $? "the pointing log turns up: the minute is merged again in its place"
is "$(state_of $f8 50)$(state_of $f8 51)$(state_of $f8 52)" 111 "the others stay"
bring hdr 533; bring enc 533
for m in 535 536 537 538; do bring hdr $m; bring enc $m; bring raw $m; done
until_true 12 state_is $f8 58 1; tap $? "a missing raw file does not stop it"
is "$(state_of $f8 54)" 0 "its minute is empty"
bring hdr 534; bring enc 534; bring raw 534
until_true 12 state_is $f8 54 1; tap $? "until it comes"
for m in 539 540; do bring hdr $m; bring enc $m; bring raw $m; done
until_true 5 state_is $f9 0 1; tap $? "the next hour begins"
is "$(readlink hours/merge_current.nc)" 20050621_09.nc "a link names the file that grows"
for m in 541 542 543 544 545 546 547 548 549; do bring hdr $m; bring enc $m; bring raw $m; done
until_true 12 state_is $f9 9 1
is "$(quality_of $f8 50)" 8192 "the hour before is provisional still"
# Mounts come and go; what was merged stays.
mv hdr/20050621 hdr/away
until_true 12 grep -q 'files of [0-9]* merged minutes have gone, 0530 the first: what was merged of them stays' live.err
tap $? "the pointing log's folder is away: it is told"
mv hdr/away hdr/20050621
until_true 12 grep -q 'files that had gone are there again' live.err; tap $? "and so is its return"
is "$(quality_of $f9 5)" 8192 "meanwhile no minute was rewritten"
mv raw/20050621 raw/away
until_true 12 count 'have gone' 2; tap $? "the raw files' folder is away"
is "$(quality_of $f9 5) $(values $f9 frames_written)" "8192 30000" "no minute is blanked"
mv raw/away raw/20050621
until_true 12 count 'are there again' 2
mv raw away
until_true 12 grep -q 'raw: No such file or directory: waiting until that is over' live.err; tap $? "all of it is away"
mv away raw
bring hdr 550; bring enc 550; bring raw 550
until_true 12 quality_is $f8 50 0; tap $? "ten minutes after its end it is final"
mv raw/20050621/raw_050621_0531.bin kept.bin
touch hdr/20050621/0533
until_true 12 grep -q '20050621_08.nc: holds 1 minutes whose files have gone, 0531 the first: it stays as it is' live.err
tap $? "a final hour is not written anew when one of its raw files has gone"
is "$(state_of $f8 51)" 1 "its minute stays"
inode=$(stat -c %i $f8)
mv kept.bin raw/20050621/raw_050621_0531.bin
until_true 12 sh -c "[ \$(stat -c %i $f8) != $inode ]"; tap $? "it is when that is back"
for m in 551 552 553 554 555; do bring hdr $m; bring enc $m; bring raw $m; done
until_true 12 state_is $f9 15 1
finish "$pid" TERM
is "$status" 0 "SIGTERM: settles what it has, exit 0"
ok "the same offline" -- merge -ff 4 -cs small.cal -r raw -h hdr -e enc -nend 555 --out=again --quiet
same $f8 again/20050621_08.nc "gives the same bytes"
same $f9 again/20050621_09.nc "also for the hour that was cut"
done_testing
