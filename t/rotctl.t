# rotctl.t - the rotator is homed, turned to the right angle, watched and stopped
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"

# ---- what is no command ----
for bad in "" "turn 10" "goto" "goto here" "goto nan" "goto 10x" "goto 1000" "scan" "status 3" "goto 1 2" \
	"home --first=-3" "status -O xml" "goto 1 --low=-60" "goto 1 --nonsense"; do
	exits 2 "rotctl $bad" -- rotctl --motor=m --encoder=e --state=state --control=unix:control $bad
done
exits 2 "no ports" -- rotctl --state=state --control=unix:control goto 1
like err 'no rotctl watch runs here: which ports\?' "asks for them"
exits 2 "one port for both" -- rotctl --state=state --control=unix:control --motor=p --encoder=p goto 1
like err '--motor and --encoder are both p: two ports' "is refused before anything is opened"
ok "a state folder that is not there yet is made" -- env XDG_STATE_HOME="$tmp/xdg" sh -c '! rotctl --motor=m --encoder=e --control=unix:control goto 1'
[ -e "$tmp/xdg/fyke/rotctl.state.lock" ]
tap $? "with its lock"
exits 3 "ports that are not there" -- rot goto 1
like err 'e: No such file or directory' "says which"

# ---- home first ----
sim --start=3
exits 4 "not homed" -- rot goto 10
like err 'not homed: no home is known: rotctl home$' "says what to do"
exits 4 "the status says the same" -- rot status
is "$(cat out)" "not homed: no home is known: rotctl home" "in a sentence"
is "$(moves)" 0 "and nothing has moved"
ok "home" -- rot home
is "$(cat out)" "still at 0.00 degrees" "says where it is"
stands 0 "home is where the tab ends"
is "$(truth motor_count) $(truth gear_count)" "0 0" "both encoders are zeroed"
like err 'uid [0-9]+ pid [0-9]+: home: unknown -> 0.00 degrees, done' "the move is audited"

# ---- angles, from both sides ----
for angle in 5 2.345 -7.5 -3.2; do
	ok "goto $angle" -- rot goto $angle
	stands $angle "stands at $angle"
	is "$(truth busy)" 0 "and ROTATING is down"
done
like err 'goto -3.200: -7.5[0-9] -> -3.[0-9]* degrees, done' "who, from, to"
grep ' < MA' j | tail -n 1 >last
ok "goto where it stands" -- rot goto -3.2
is "$(grep ' < MA' j | tail -n 1)" "$(cat last)" "moves nothing"
ok "home again, from below home" -- rot home --audit=audit
stands 0 "finds the tab"
like audit '^20[0-9-]*T.*Z uid [0-9]+ pid [0-9]+: home: -3.* -> 0.00 degrees, done$' "--audit: with the time"
is "$(wc -l <audit)" 2 "beginning and end"

# ---- speeds ----
for speed in --slow=0.05 "--fast=2 --slow=1" "--fast=0.4 --slow=0.2"; do
	ok "goto with $speed" -- rot goto 2 $speed
	stands 2 "$speed: there"
	ok "home with $speed" -- rot home $speed
	stands 0 "$speed: home"
done
exits 2 "slower than the motor can count" -- rot goto 1 --slow=0.02 --motor-counts=100

# ---- the range, and the symmetry of the array ----
n=$(moves)
exits 4 "beyond the upper end" -- rot goto 30
like err '30.00 is outside -36 to 24 degrees; the array looks the same at -30.00' "names the angle that is as good"
exits 4 "below the lower end" -- rot goto -36.5
is "$(moves)" "$n" "moves nothing"
ok "--symmetric takes it" -- rot goto --symmetric 63
stands 3 "63 degrees are 3"

# ---- scans ----
ok "scan" -- rot scan 108
rows 108 0
ok "scan on the sky" -- rot scan --parallactic=-20 88
rows 88 -20

# ---- status for programs ----
ok "line protocol" -- rot status -O line
is "$(sed 's/ [0-9]*$//' out)" "rotator,name=bolocam motor_count=$(truth motor_count)i,gear_count=$(truth gear_count)i,motor_angle=$(
	awk -v n="$(truth motor_count)" 'BEGIN { print int(n / (204800 / 360) * 1e4 + (n < 0 ? -0.5 : 0.5)) / 1e4 }'),gear_angle=$(
	awk -v n="$(truth gear_count)" 'BEGIN { print int(n * 45 / 4096 * 1e4 + (n < 0 ? -0.5 : 0.5)) / 1e4 }'),state=2i,state_name=\"still\"" \
	"counts, degrees, state"
ok "a table" -- rot status -O tsv
is "$(awk -F '\t' 'NR == 1 { n = NF } END { print NR, n == NF }' out)" "2 1" "with its head"
ok "JSON" -- rot status -O json
like out '^\{"time":"20.*"state":2,.*"state_name":"still"' "of the same"
rot status >/dev/full 2>err
is $? 3 "a full disk is no success"

# ---- one at a time, but status and stop always ----
rotctl $rot_options goto -30 >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
is "$(truth busy)" 1 "ROTATING is up while it turns"
ok "status meanwhile" -- rot status
like out '^moving, at -?[0-9.]+ degrees on the way to -30.00$' "says how far it is"
exits 4 "a second move" -- rot goto 5
like err 'at work for somebody else' "is refused"
exits 4 "also by who does not know its control socket" -- rotctl --motor=m --encoder=e --state=state --control=unix:other goto 5
like err 'another rotctl \(process [0-9]+\) holds the rotator' "says who has it"
exits 4 "or with another state file" -- rotctl --motor=m --encoder=e --state=other --control=unix:other goto 5
like err 'another program holds it' "the port itself is locked"
ok "stop" -- rot stop
like out '^stopped: still at' "says where it stands"
finish $live
is "$status" 130 "who had asked for the move is told"
is "$(truth moving) $(truth busy)" "0 0" "it rests, ROTATING is down"

env --default-signal=INT rotctl $rot_options goto 20 >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
finish $live INT
is "$status" 130 "Ctrl-C"
is "$(truth moving) $(truth busy)" "0 0" "stops the motor and drops ROTATING"
like live.err 'stopped: still at -?[0-9.]+ degrees$' "says where it stands"
like live.err 'goto 20.000: .*, stopped' "audited"
rotctl $rot_options goto -20 >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
kill -9 $live; finish $live
until_true 20 moving_is 0
is "$(truth busy)" 1 "killed in the middle of a move: ROTATING is left up"
ok "the next one" -- rot status
is "$(truth busy)" 0 "takes it down"
ok "and goes on" -- rot goto -20
stands -20 "where it should"
exits 3 "a state file that cannot be written" -- rotctl --motor=m --encoder=e --state=/proc/none/state --control=unix:control goto 1
like err 'state=FILE' "says what to do"

unsim
done_testing
