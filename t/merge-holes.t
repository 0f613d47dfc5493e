# merge-holes.t - missing, short, torn, duplicate, stale and wrong files; midnight, year and leap second
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-merge.sh"
need /usr/bin/python3
folders() { rm -rf raw hdr enc tru hours; mkdir raw hdr enc tru hours; }
merge_all() { merge -ff 4 -cs small.cal -r raw -h hdr -e enc --out=hours --wait=0 "$@"; }

folders
simdas -o raw --truth=tru --seed=4 -n 60 --missing=485,520-522 --short=490 --torn=491 --duplicate=493 --quiet
simtel -o hdr --enc=enc --seed=4 -n 61 --missing=495 --short=496 --stale=497 --enc-missing=498 --quiet
printf 'nonsense\n' >>enc/20050621/enc_050621_0499.tsv
exits 5 "an hour with holes is merged, and it says that data were lost" -- merge_all -nend 0539 --report=rep.json
like err '60 minutes in, 53 out, 7 lost \(no raw file 4, no pointing 2, no housekeeping 1\)' "minutes in = out + lost"
like err 'duplicates 1, stale files 1' "and what else was wrong"
is "$(py hours/20050621_08.nc '
names = v["minute_quality"].flag_meanings.split()
print(*(str(m) + ":" + "+".join(n for i, n in enumerate(names) if q >> i & 1) for m, q in enumerate(v["minute_quality"][:], 480) if q))')" \
    "485:raw_missing 490:raw_short 491:raw_short+raw_torn 493:raw_duplicate 495:pointing_missing 496:pointing_short 497:pointing_missing+pointing_stale 498:housekeeping_missing 499:housekeeping_bad 520:raw_missing 521:raw_missing 522:raw_missing" \
    "each minute says what was wrong with it"
is "$(py hours/20050621_08.nc '
s = v["minute_state"][:]
q = v["quality"][:].reshape(60, 3000)
print("".join(map(str, s)), (q[10] & 1).sum(), (q[11] & 1).sum(), (q[5] & 1).sum(), (q[13] & 128 > 0).sum(), (q[15] & 2 > 0).sum() > 2900, (q[17] & 256 > 0).sum(), (q[18] & 8 > 0).sum() > 2900)')" \
    "111110111111111111111111111111111111111100011111111111111111 2000 100 3000 3000 True 3000 True" \
    "and so does each sample"
is "$(py hours/20050621_08.nc 'print(v["ut"][15001], v["lst"][15001], v["ra"][15001] > 9e36, v["frames_written"][:])')" "-1.0 -1.0 True 180000" "holes hold the invalid values that users know"
exits 0 "--max-loss makes that good" -- merge_all -nend 0539 --max-loss=7 --quiet
merged hours/20050621_08.nc raw tru
is "$(awk '$1 == "clock_worst_ms" { print ($2 < 10 && $2 > 0) }' facts)" 1 "the clock is right in spite of it"
# The stale file's name is right, its times are yesterday's: -fixut takes the name's word.
exits 5 "-fixut" -- merge_all -nend 0539 -fixut --quiet
is "$(py hours/20050621_08.nc 'print(v["minute_quality"][17])')" 0 "and the stale minute is used"

# The telescope holds MMMM.lck while it writes MMMM.
: >hdr/20050621/0501.lck
exits 5 "a pointing file that is locked" -- merge_all -nend 0539 --quiet
is "$(py hours/20050621_08.nc 'print(v["minute_quality"][21])')" 32 "is not read"

# Yesterday's housekeeping under today's name, and a name of yesterday in today's folder. UT1 of the
# minutes around it counts for the check of the sidereal time.
rm hdr/20050621/0501.lck
mkdir other
simtel -o other --enc=other --utc=2005-06-20T08:00:00Z --seed=4 -n 60 --quiet
mv enc/20050621/enc_050621_0508.tsv kept.tsv
cp other/20050620/enc_050620_0508.tsv enc/20050621/enc_050621_0508.tsv
cp raw/20050621/raw_050621_0486.bin raw/20050621/raw_050620_0485.bin
exits 5 "housekeeping of another day" -- merge_all -nend 0539 --quiet
is "$(py hours/20050621_08.nc 'print(v["minute_quality"][28], v["check_verdict"][:], "".join(map(str, v["minute_state"][4:7])))')" "2560 1 101" "is not used, and told; the checks are good; a raw file named for another day is not taken"
mv kept.tsv enc/20050621/enc_050621_0508.tsv
rm raw/20050621/raw_050620_0485.bin

# Files that are far too long, empty, or a folder.
rm raw/20050621/raw_050621_0502.bin
truncate -s 100M raw/20050621/raw_050621_0502.bin
truncate -s 100M hdr/20050621/0503
truncate -s 100M enc/20050621/enc_050621_0504.tsv
: >raw/20050621/raw_050621_0505.bin
: >hdr/20050621/0506
rm raw/20050621/raw_050621_0507.bin; mkdir raw/20050621/raw_050621_0507.bin
exits 5 "absurd files do not stop it" -- merge_all -nend 0539 --quiet
is "$(py hours/20050621_08.nc 'print(list(v["minute_quality"][22:28]), "".join(map(str, v["minute_state"][22:28])))')" "[5, 288, 2560, 2, 288, 1] 011110" "each minute says what it was"

# Part of an hour now, part later: nothing of the first run is lost.
folders
simdas -o raw --seed=4 -n 30 --quiet
simtel -o hdr --enc=enc --seed=4 -n 31 --quiet
ok "minutes 480 to 489" -- merge_all -nend 489 --quiet
is "$(py hours/20050621_08.nc 'print(v["minute_state"][:].sum(), v["frames_written"][:])')" "10 30000" "ten minutes"
ok "then 495 to 509" -- merge_all -nstart 0495 -nend 0509 --quiet
is "$(py hours/20050621_08.nc 'print("".join(map(str, v["minute_state"][:])), v["frames_written"][:])')" "111111111100000111111111111111000000000000000000000000000000 90000" "are added to them"
cp hours/20050621_08.nc whole.nc

# A folder that has few of the hour's raw files.
mkdir -p few/20050621
cp raw/20050621/raw_050621_0500.bin few/20050621
few() { merge -ff 4 -cs small.cal -r few -h hdr -e enc --out=hours --wait=0 --utc=20050621 "$@"; }
exits 4 "one minute again, when the others' raw files are elsewhere" -- few -nstart 0500 -nend 0500
like err 'hours/20050621_08.nc: holds 24 minutes whose raw files are not in few, 0480 the first: they would be lost' "is refused"
exits 4 "also without -nstart" -- few -nend 0509
like err 'holds 15 minutes whose raw files' "for the minutes that are not asked for"
same hours/20050621_08.nc whole.nc "and nothing is lost"
for how in noise cut flipped; do
	case $how in
	noise) head -c 100000 /dev/urandom >hours/20050621_08.nc ;;
	cut) head -c 3000000 whole.nc >hours/20050621_08.nc ;;
	flipped) /usr/bin/python3 -c '
import random
r, b = random.Random(3), bytearray(open("whole.nc", "rb").read())
for _ in range(300): b[r.randrange(r.choice((200, 20000, len(b))))] = r.randrange(256)
open("hours/20050621_08.nc", "wb").write(b)' ;;
	esac
	ok "a damaged file of an earlier run ($how)" -- merge_all -nend 509 --quiet
	is "$(py hours/20050621_08.nc 'print(v["minute_state"][:].sum())')" 30 "is replaced"
done
(ulimit -f 4000; merge_all -nend 509 --quiet 2>err)
is $? 3 "no room on the disk: exit 3"
is "$(py hours/20050621_08.nc 'print(v["minute_state"][:].sum())')" 30 "and the old file stays"
is "$(find hours -name '*.part' | wc -l)" 0 "with nothing beside it"

# What is asked for by number and is not there is lost; without -nstart the first file is the first.
exits 5 "a range that begins before the first raw file" -- merge_all -nstart 0470 -nend 0509
like err '40 minutes in, 30 out, 10 lost .no raw file 10' "lacks what it asks for"

# A raw file whose time lies ahead: another machine's clock, or a mount that takes local time for UT.
rm enc/20050621/enc_050621_0509.tsv
touch -d '1 day' raw/20050621/raw_050621_0509.bin
exits 5 "a raw file of tomorrow" -- timeout 20 merge -ff 4 -cs small.cal -r raw -h hdr -e enc --out=hours --wait=0.2s -nend 0509
like err 'minute 0509: no housekeeping in time: it is merged without' "waits for its companions no longer than others"

# A DAS clock minutes off.
folders
simdas -o raw --truth=tru --seed=5 -n 40 --offset=-185.5 --no-drift --quiet
simtel -o hdr --enc=enc --seed=5 -n 44 --quiet
ok "a DAS clock three minutes slow" -- merge_all -nend 519 --quiet
merged hours/20050621_08.nc raw tru
is "$(awk '$1 == "clock_worst_ms" { print ($2 < 10 && $2 > 0) } $1 == "pointed" { print ($2 > 115000) }' facts | tr '\n' ' ')" "1 1 " "is set right, and the pointing found"

# A TTL line that chatters (and thresholds at which no other line has edges).
sed 's/^line rotate .*/line rotate das 40 log out.7/; s/^set ttl_low.*/set ttl_low -2.962/; s/^set ttl_high.*/set ttl_high -2.956/' small.cal >noisy.cal
ok "a channel that is noise" -- merge -ff 4 -cs noisy.cal -r raw -h hdr -e enc --out=hours --wait=0 -nend 519 --quiet
is "$(py hours/20050621_08.nc 'print(v["clock_das_edges"][:])')" 0 "is left out of the clock"

# Midnight and a new year.
folders
simdas -o raw --truth=tru --seed=6 -n 40 --utc=2005-12-31T23:40:00Z --quiet
simtel -o hdr --enc=enc --seed=6 -n 42 --utc=2005-12-31T23:40:00Z --quiet
exits 2 "two days in one folder need --utc" -- merge_all
ok "the last hour of the year ends by itself" -- merge_all --utc=20051231 --quiet
ok "the first of the next" -- merge_all --utc=20060101 -nend 0019 --quiet
for h in 20051231_23 20060101_00; do
	merged hours/$h.nc raw tru
	is "$(awk '$1 == "clock_worst_ms" { print ($2 < 10 && $2 > 0) } $1 == "samples" || $1 == "timed" { print $2 }' facts | tr '\n' ' ')" "60000 60000 1 " "$h: all samples, and right times across midnight"
	is "$(awk '$1 == "pointed" { print ($2 > 58000) }' facts)" 1 "and pointing"
done

# An hour without edges: what came before is looked for.
folders
simdas -o raw --truth=tru --seed=13 -n 75 --utc=2005-06-21T08:20:00Z --no-drift --quiet
simtel -o hdr --enc=enc --seed=13 -n 76 --utc=2005-06-21T08:20:00Z --missing=510-600 --quiet
exits 5 "an hour whose pointing is missing" -- merge_all -nstart 0540 -nend 0574 --quiet
merged hours/20050621_09.nc raw tru
is "$(py hours/20050621_09.nc 'print(v["clock_pieces"][:], v["clock_matched"][:] > 8, (v["quality"][:105000] & 64 > 0).all(), abs(v["time_offset"][50000]) < 0.05)')" "1 True True True" "takes the clock of the hour before, and says that it is extrapolated"
cp hours/20050621_09.nc alone.nc
exits 5 "the same in one run with the hour before" -- merge_all -nend 0574 --quiet
same hours/20050621_09.nc alone.nc "gives the same bytes"

# A leap second: 2016-12-31T23:59:60.
folders
simdas -o raw --seed=7 -n 20 --utc=2016-12-31T23:50:00Z --quiet
simtel -o hdr --enc=enc --seed=7 -n 20 --utc=2016-12-31T23:50:00Z --quiet
is "$(wc -c <hdr/20161231/1439)" 317200 "the pointing log has 6100 records in that minute"
ok "an hour that ends in a leap second" -- merge_all --utc=20161231 -nend 1439 --quiet
is "$(py hours/20161231_23.nc 'print(v["minute_quality"][59], bool((np.diff(v["time"][:]) > 0).all()), v["ut"][:].max() < 24)')" "4096 True True" "is recorded, and the time axis stays what it is"
done_testing
