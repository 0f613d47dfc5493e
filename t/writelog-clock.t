# writelog-clock.t - rows when the clock is set, at a leap second, and when the disk fails
. "${0%/*}/lib.sh"
[ -e "$FYKE_BUILD/t/shim-clock.so" ] || skip_all "no preloading here"
mkdir leap set
rows() { sed -s 1d "$@" | cut -f 1; }
clock() { echo "$1" >clock.new && mv clock.new clock; }
# Preloads a clock that is set by the file clock, and a kernel with an announced leap second ($1 is 1).
on_clock() {
	state=$1; shift
	exec env LD_PRELOAD="$FYKE_BUILD/t/shim-clock.so $FYKE_BUILD/t/shim-adjtimex.so" SHIM_CLOCK="$tmp/$set_by" ADJ_STATE="$state" "$@"
}
many() { [ "$(cat set/*/*.tsv | wc -l)" -ge "$1" ]; }

# The end of 2016 had 61 seconds.
echo "obsnumber 7" >obs
echo $(($(date -ud 2016-12-31T23:59:57Z +%s) - $(date +%s))) >leaping
(set_by=leaping; on_clock 1 writelog -o leap --source=file:obs -n 6 2>leap.err) & leaping=$!

# A disk that fails while it is written to: by call, number, kind.
fails() { # fails DIR CALL AT HOW
	mkdir "$1"
	exec env LD_PRELOAD="$FYKE_BUILD/t/shim-fail.so" FAIL_CALL="$2" FAIL_AT="$3" FAIL_HOW="$4" writelog -o "$1" --source=file:obs --min-free=0 -n 3 2>"$1.err"
}
(fails nospace write 3 ENOSPC) & nospace=$!
(fails short write 2 SHORT) & short=$!
(fails intr write 2 EINTR) & intr=$!
(fails sync sync 3 EIO) & sync=$!
mkdir gone
writelog -o gone --source=file:obs 2>gone.err & gone=$!
tap_pids="$tap_pids $gone"

# ---- set while it runs ----
clock 0
(set_by=clock; on_clock 0 writelog -o set --source=file:obs 2>set.err) & log=$!
tap_pids="$tap_pids $log"
until_true 10 many 3
first=$(rows set/*/*.tsv | head -n 1)
clock 30
until_true 10 grep -q 'rows came late' set.err
until_true 10 many 33
like set.err '(29|3[0-2]) rows came late' "set forward by 30 s: the seconds between are written, and it is said"
clock 15
until_true 10 grep -q 'set back' set.err
like set.err 'the clock was set back by 1[4-6] s: seconds that have a row already are passed over' "set back is said"
before=$(cat set/*/*.tsv | wc -l)
clock 33
until_true 10 many $((before + 1))
clock 7200
until_true 10 grep -q 'get no rows' set.err
like set.err '7[01][0-9][0-9] seconds from .* on get no rows: they are more than --fill' "more than --fill is a hole, and said"
last=$(cat set/*/*.tsv | wc -l)
until_true 10 many $((last + 2))
kill -TERM "$log"; wait "$log"; is $? 0 "it ends well"
rows set/*/*.tsv >times
sort -uc times; is $? 0 "no second comes twice, none before another"
/usr/bin/python3 - <<'E2' >gaps
import datetime
t = [datetime.datetime.strptime(x.strip(), "%Y-%m-%dT%H:%M:%SZ") for x in open("times") if x[0] == "2"]
print(sum((b - a).seconds != 1 for a, b in zip(t, t[1:])))
E2
is "$(cat gaps)" 1 "there is one hole, the one that was told"
for f in set/*/*.tsv; do
	minute=$(date -ud "$(rows "$f" | head -n 1)" +%y%m%d_%H:%M)
	h=${minute#*_}; h=${h%:*}; m=${minute#*:}
	[ "$(basename "$f")" = "$(printf 'enc_%s_%04d.tsv' "${minute%_*}" $((${h#0} * 60 + ${m#0})))" ] || echo "$f $minute"
done >misplaced
is "$(cat misplaced)" "" "each row stands in the file of its minute"
[ "$(sed -s 1d set/*/*.tsv | cut -f 2 | grep -c 7)" -lt "$(($(wc -l <times) - 25))" ]
tap $? "seconds that were jumped over hold no values"

# ---- the leap second ----
wait "$leaping"; is $? 0 "across the end of 2016"
is "$(rows leap/20161231/enc_161231_1439.tsv | tail -n 2 | tr '\n' ' ')" "2016-12-31T23:59:59Z 2016-12-31T23:59:60Z " "the minute has its second 60"
is "$(rows leap/20170101/enc_170101_0000.tsv | head -n 1)" "2017-01-01T00:00:00Z" "and midnight comes after it"

# ---- the disk ----
wait "$nospace"; is $? 3 "a disk that is full while it runs"
like nospace.err 'nospace/.*tsv: No space left on device' "ends it with a sentence"
is "$(rows nospace/*/*.tsv | wc -l) $(tail -c 1 "$(ls nospace/*/*.tsv | tail -n 1)" | od -An -c | tr -d ' \n')" "2 \n" "with what was written whole"
wait "$short"; is "$? $(rows short/*/*.tsv | sort -u | wc -l)" "0 3" "half a write is finished"
wait "$intr"; is "$? $(rows intr/*/*.tsv | sort -u | wc -l)" "0 3" "one that was interrupted is done again"
wait "$sync"; is $? 3 "a file that cannot be synchronised"
like sync.err 'sync/.*: Input/output error' "is told"
until_true 10 sh -c 'ls gone/*/*.tsv'
rm -r gone/2*
until_true 10 sh -c 'ls gone/*/*.tsv'; tap $? "a day's folder that is removed comes again"
until_true 10 grep -q 'was removed; it is begun again' gone.err; tap $? "and that is told"
rm -r gone
wait "$gone"; is $? 3 "a folder that is removed ends it"
like gone.err 'gone/[0-9]*: No such file or directory' "with a sentence"
done_testing
