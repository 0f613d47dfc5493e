# simdas.t - the simulated DAS: files by the document, its clock, its faults
# san: yes
. "${0%/*}/lib.sh"
mkdir raw tru
sizes() { wc -c raw/20050621/*.bin | awk '!/total/ { print $1 }' | tr '\n' ' '; }

exits 2 "it wants to know where to" -- simdas
exits 2 "a list of minutes is one" -- simdas -o raw --missing=480,
exits 2 "a minute is whole" -- simdas -o raw --utc=2005-06-21T08:00:30Z
exits 2 "or now" -- simdas -o raw --utc=soon
like err 'not a whole minute \(2005-06-21T08:00:00Z\), nor now' "as it says"
mkdir live
minute() { date -u +'%H %M' | awk '{ printf "live/*/raw_*_%04d.bin", 60 * $1 + $2 }'; }
simdas -o live --utc=now -n 2 2>/dev/null & das=$!
# shellcheck disable=SC2046 # a pattern
this_minute() { ls $(minute); }
until_true 10 this_minute >/dev/null 2>&1
tap $? "now: the file of this minute grows in real time"
finish "$das" TERM
exits 2 "a byte order is big or little" -- simdas -o raw --order=middle
exits 3 "a missing folder: the DAS stops" -- simdas -o nowhere -n 1
like err 'nowhere: no such folder: the DAS stops' "and says why"
ok "three minutes" -- simdas -o raw --truth=tru -n 3 --seed=3 --no-drift
is "$(sizes)" "2304064 2304064 2304064 " "are 3000 frames of 384 channels and a header each"
is "$(ls raw/20050621)" "raw_050621_0480.bin
raw_050621_0481.bin
raw_050621_0482.bin" "named by day and minute"
cp -r raw again
ok "the same seed" -- simdas -o raw -n 3 --seed=3 --no-drift
ok "the same bytes" -- diff -r raw again
rm -rf raw/*
ok "another seed" -- simdas -o raw -n 3 --seed=4 --no-drift
exits 1 "other bytes" -- cmp raw/20050621/raw_050621_0480.bin again/20050621/raw_050621_0480.bin
rm -rf raw/*
ok "faults" -- simdas -o raw -n 6 --seed=3 --missing=481 --short=482 --torn=483 --duplicate=485 --header=0 --no-drift --steps=0
is "$(sizes)" "2304000 768000 2227500 2304000 2304000 " "a missing, a short and a torn file"
same raw/20050621/raw_050621_0485.bin raw/20050621/raw_050621_0484.bin "one that repeats the minute before"
rm -rf raw/*
ok "a clock that is stepped" -- simdas -o raw -n 40 --seed=3 --steps=2 --header=0
is "$(sizes | tr ' ' '\n' | grep -vc '^2304000$\|^$')" 2 "makes two files short or long"
rm -rf raw/*
simdas -o raw -n 1 --seed=3 --order=little --no-drift --quiet
is "$(od -An -td2 --endian=little -j 66 -N 2 raw/20050621/raw_050621_0480.bin)" "$(od -An -td2 --endian=big -j 66 -N 2 again/20050621/raw_050621_0480.bin)" "little-endian on request"
ok "two seconds of it at thirty times real time" -- simdas -o raw -n 1 --speed=30 --late=480
(ulimit -f 100; simdas -o raw -n 1 2>err); is $? 3 "a full disk: the DAS stops"
is "$(wc -c <tru/20050621/truth_050621_0480.f64)" 240000 "the truth has ten numbers a frame"
done_testing
