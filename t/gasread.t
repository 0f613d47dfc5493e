# gasread.t - a gas sensor over a serial line that loses bytes, resets, and is unplugged
. "${0%/*}/lib.sh"
need /usr/bin/python3 faketime

exits 2 "no port" -- gasread
exits 2 "two ports" -- gasread -p /dev/null -u 2341:0043
exits 2 "no USB identity" -- gasread -u 2341
exits 2 "a form that is none" -- gasread -p /dev/null -O xml
exits 2 "a tag without a value" -- gasread -p /dev/null --tag=location
exits 2 "names of nobody" -- gasread -p /dev/null --names=nobody
exits 2 "an end that is no time of day" -- gasread -p /dev/null --until=25:00Z
echo x >file
exits 3 "a file is no port" -- gasread -p file -t 300ms
like err 'is no serial port' "says so"
exits 3 "nothing there" -- gasread -p /dev/nonesuch -t 300ms
is "$(grep -c 'trying again' err)" 1 "said once, however often it looks"

# board OPTIONS: a simulated board that starts at once; gas OPTIONS: a reader for it
board() { start sim simgas --link=port --reset=0 --delay=1ms "$@"; }
# (on a busy machine a beat of 30 ms is missed now and then: that is no loss of this test's)
gas() { gasread -p port --settle=50ms --every=30ms --patience=300ms --max-loss=60 "$@"; }
stop() { finish "$pid" TERM; }

# ---- a good run ----
board
ok "three readings" -- gasread -p port --settle=50ms --every=300ms -n 3
is "$(grep -Ec '^gas temperature=29[0-9]\.[0-9]+,pressure=[0-9]+\.0,humidity=4[0-9]\.[0-9]+,voc=[0-9]+\.0,heating=1i [0-9]{19}$' out)" 3 \
	"line protocol, nanoseconds, reals with a point"
is "$(awk '{print $3}' out | sort -nc && echo sorted)" sorted "one after the other"
like err '3 readings in, 3 out, 0 lost; openings 1' "all accounted for"
ok "a table" -- gas -n 2 -O tsv --tag location=hut --burn-in=0
is "$(head -n 1 out)" "$(printf '# time\tmeasurement\tlocation\ttemperature [K]\tpressure [Pa]\thumidity [%%]\tvoc [Ohm]\theating')" \
	"names and units"
is "$(sed -n 2p out | awk -F '\t' '{print NF, $2, $3, $8}')" "8 gas hut 0" "RFC 3339, values, heated up"
ok "JSON" -- gas -n 2 -O json
ok "that others can read" -- /usr/bin/python3 -c 'import json
for l in open("out"): assert 290 < json.loads(l)["fields"]["temperature"] < 300'
ok "the names of the original" -- gas -n 1 --names=picosec
is "$(sed 's/=[0-9.]* [0-9]*$/=/' out)" 'Temperature\ [K],location=Picosec\ gas val=
Pressure\ [Pa],location=Picosec\ gas val=
Humidity\ [RH],location=Picosec\ gas val=
VOC\ [Ohm],location=Picosec\ gas val=' "measurement, tag and field, as existing dashboards ask for"
ok "an hour less a minute, and the like" -- gas --duration=200ms
exits 0 "until a time of day" -- gas --until="$(date -u -d '+2 seconds' +%H:%M:%SZ)"
gas </dev/null 2>err | head -n 1 >out
is "$(wc -l <out)" 1 "a reader that leaves"
gas -n 3 >/dev/full 2>err
is $? 3 "a full disk is no success"
rm -f live.out live.err
gasread -p port --settle=0 --every=1h >live.out 2>live.err & live=$!
until_true 5 test -s live.out
exits 3 "a port that another program has" -- gas -t 300ms
like err 'another program holds it' "says so"
finish $live TERM
is "$status" 0 "SIGTERM is a good end"
rm -f live.out live.err
env --default-signal=INT gasread -p port --settle=10s >live.out 2>live.err & live=$!
until_true 5 grep -q 'is open' live.err
finish $live INT
is "$status" 0 "Ctrl-C before the first reading too"
stop

# ---- answers that are none ----
board --cut=@2 --half=@5 --fail=@8 --silent=@11 --garble=@14
ok "partial lines, sensor errors, silence, garbage: asked again" -- gas -n 12
is "$(wc -l <out)" 12 "not one reading is lost"
like err 'asked again [4-5]' "and it says how often"
is "$(grep -Evc '^gas temperature=29[0-9]\.[0-9]+,pressure=9[0-9]{4}\.0,humidity=[0-9.]+,voc=[0-9]{5}\.0,heating=1i [0-9]+$' out)" 0 \
	"and nothing bad comes through"
stop
board --fail=1
exits 3 "a sensor that always fails" -- gas -t 500ms
like err 'the sensor failed to read' "says so"
is "$(grep -c 'failed to read' err)" 1 "once"
is "$(wc -c <out)" 0 "and nothing is invented"
stop
board --no-sensor
exits 3 "a board without its sensor" -- gasread -p port --settle=0 --every=50ms --patience=50ms -t 1s
like err 'check the wiring|no answer in time' "says so"
like err 'the board is reset' "and resets it, as a person would"
stop
start sim simgas --link=port --reset=500ms --delay=1ms --stale
ok "a board that resets when it is opened" -- gasread -p port --settle=700ms --every=300ms -n 2
stop
like sim.err '2 questions in, 2 out, 0 lost' "is not asked before it can hear"

# ---- unplugged ----
board --unplug=@3 --gone=300ms
exits 5 "unplugged in mid-line, and plugged in again" -- gas -n 6 --max-loss=0
is "$(wc -l <out)" 6 "it goes on"
like err 'lost \(.*no port' "and counts what it missed"
like err 'openings 2' "with a second opening"
stop
rm -f live.out live.err
gasread -p port --settle=0 --every=50ms -n 2 >live.out 2>live.err & live=$!
until_true 5 grep -q 'trying again' live.err
board
finish $live
is "$(wc -l <live.out)" 2 "a port that comes late"
stop

# ---- by USB identity: the number in the name changes ----
start one simgas --reset=0 --delay=1ms; one=$address onepid=$pid
start two simgas --reset=0 --delay=1ms --seed 2; two=$address twopid=$pid
usb() { env LD_PRELOAD="$FYKE_BUILD/t/shim-usb.so" FAKE_USB=usb.txt gasread --settle=0 --every=50ms --max-loss=60 "$@"; }
echo "2341 0043 7573 $one" >usb.txt
ok "the board with this identity" -- usb -u 2341:0043 -n 1
like err "$one is open" "is found"
echo "2341 0043 9999 $two" >>usb.txt
exits 3 "two of them" -- usb -u 2341:0043 -t 200ms
like err 'give the serial number' "need the serial number"
ok "with it" -- usb -u 2341:0043:9999 -n 1
like err "$two is open" "the right one"
rm -f live.out live.err
env LD_PRELOAD="$FYKE_BUILD/t/shim-usb.so" FAKE_USB=usb.txt gasread --settle=0 --every=50ms --max-loss=60 \
	-u 2341:0043:7573 >live.out 2>live.err & live=$!
until_true 5 test -s live.out
echo "2341 0043 7573 $two" >usb.txt
finish "$onepid" TERM
ok "unplugged, and back under another name" -- until_true 10 grep -q "$two is open" live.err
finish $live TERM
finish "$twopid" TERM

# ---- a file of answers ----
printf '295.42;96731;42.10;51234\r\n295.42;96731\r\n296;96731;42;5\r\n' >answers
exits 1 "answers from a file, one of them cut" -- gasread -f answers
like err 'answers: answer [0-9]+: ' "which one is told"
is "$(wc -l <out)" 2 "the good ones"
like err '3 readings in, 2 out, 1 lost \(bad answer 1\)' "counted"
printf '295.42;96731;42.10;51234\r\n295.4' | gasread -f - >out 2>err
is $? 1 "an end in mid-line is bad input"
exits 3 "a file that cannot be read" -- gasread -f "$tmp"
like err 'Is a directory' "is no end of file"

# ---- the clock is set ----
board
echo '+0' >offset
rm -f live.out live.err
FAKETIME_TIMESTAMP_FILE=$tmp/offset FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 \
	LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) \
	gasread -p port --settle=0 --every=100ms --max-loss=20 -n 20 >live.out 2>live.err & live=$!
until_true 5 grep -q . live.out
echo '-3600' >offset
until_true 5 grep -q . live.out && until_true 5 sh -c "[ \$(wc -l <live.out) -ge 10 ]"
echo '+3600' >offset
finish $live
is "$status $(wc -l <live.out)" "0 20" "an hour back, two forward: the beat stays"
is "$(/usr/bin/python3 -c 'print(len({round((int(l.split()[-1]) // 10**9) / 3600) for l in open("live.out")}))')" 3 \
	"each reading with the clock's time"
stop

# ---- what it costs ----
board
nightly && many=100000 || many=300
rm -f live.out live.err
gasread -p port --settle=0 --every=10ms --patience=1s >live.out 2>live.err & live=$!
rss() { sed -n 's/VmRSS:[^0-9]*\([0-9]*\).*/\1/p' /proc/$live/status; }
lines() { [ "$(wc -l <live.out)" -ge "$1" ]; }
until_true 30 lines $((many / 10)); before=$(rss)
until_true 3000 lines "$many"; after=$(rss)
ticks=$(awk '{print $14 + $15}' /proc/$live/stat)
finish $live TERM
[ "$after" -le $((before + 64)) ]; tap $? "memory is flat over $many readings ($before kB, then $after kB)"
# at one reading in 10 s: ticks of 10 ms / readings / 10 s must stay below 0.5 %
[ $((ticks * 10 * 1000)) -lt $((many * 10 * 5 * 1000)) ]
tap $? "far below 0.5 % of a core: $((ticks * 10000 / many)) us for a reading"
stop
done_testing
