# rotctl-faults.t - whatever breaks at the rotator is told, the motor rests, and ROTATING is down
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"

# rests WORDS: after each failure
rests() { is "$(truth moving) $(truth busy)" "0 0" "$*: it rests, ROTATING is down"; }
homed() { ok "home" -- rot home; }

sim --high=20 --start=1
homed

# ---- limit ----
exits 1 "a limit switch cuts the power" -- rot goto 23
like err 'the motor has fallen silent, and the dewar has swung: a limit switch has cut its power.*off and on, then: rotctl home' \
	"says so, and what to do"
rests "limit"
exits 4 "the status" -- rot status
like out '^limit or no power: ' "says it too"
rot status -O line >out
like out 'rotator,name=bolocam gear_count=[0-9]+i,state=4i,state_name="limit or no power" ' "what is not known is left out"
exits 4 "nothing moves without power" -- rot goto 3
tell power on
n=$(moves)
exits 4 "with power it does not home by itself" -- rot goto 3
like err 'not homed: the motor has lost its power, and with it the position: rotctl home' "but says what to do"
is "$(moves)" "$n" "and moves nothing"
homed
ok "then it works again" -- rot goto 3
stands 3 "where it should"

# ---- lost power ----
tell power off
tell power on
exits 4 "power lost at rest" -- rot goto 5
like err 'has lost its power' "is found out"
homed
tell drive off
exits 4 "a drive that was disabled" -- rot goto 5
like err "the motor's drive was disabled" "holds nothing"
homed
rotctl $rot_options goto -30 >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
tell power off
tell power on
finish $live
is "$status" 1 "power lost in a move, and back at once"
like live.err 'the motor has lost its power, and with it the position: rotctl home' "is found out"
rests "lost power"
homed
ok "go" -- rot goto -4
tell encoder-power cycle
exits 1 "the encoder's power, elsewhere" -- rot status
like out 'contradict each other: the belt has slipped, or the encoder has lost its power: rotctl home' "is found out"
exits 4 "nothing moves then" -- rot goto 1
homed
tell encoder-power cycle
exits 1 "the encoder's power, at home, where its count is right" -- rot goto -2
like err 'has not followed the motor' "is found out as soon as it should count"
rests "encoder without power"
ok "home, from a little below it" -- rot home --first=8

# ---- stall ----
tell block 4
exits 1 "something is in the way" -- rot goto 8
like err 'the motor has stalled at 4.0. degrees: see what blocks it' "says where"
rests "stall"
exits 1 "the status" -- rot status
like out '^fault at 4.0. degrees: the motor has stalled' "says it until the next move"
tell unblock
ok "when it is away" -- rot goto 8
stands 8 "it goes on"

# ---- slip ----
tell slip 1.5
exits 1 "the belt slips" -- rot goto 2
like err 'has not followed the motor, by -?1.[0-9] degrees: the belt slips' "says by how much"
rests "slip"
exits 4 "nothing moves then" -- rot goto 1
homed
ok "afterwards" -- rot goto 2
stands 2 "home has set it right"

# ---- the home tab ----
tell tab off
exits 1 "a tab that is never seen" -- rot home --search=5
like err 'no home tab within 5 degrees clockwise, so it was turned back.*--first=40.*IR sensor' "says what to do"
rests "no tab"
at=$(truth angle)
awk -v a="$at" 'BEGIN { exit !(a > 1 && a < 3) }'
tap $? "it is back where it was ($at)"
tell tab on
tell no-home on
exits 1 "error 82" -- rot home
like err 'home tab was not seen between the limits \(error 82\)' "is explained"
rests "error 82"
tell no-home off
homed
unsim
sim --start=-4
exits 1 "home from below home, unknown" -- rot home --search=5
ok "is found with --first" -- rot home --first=8
stands 0 "there"
unsim
sim --tab=0.3
exits 1 "a tab that is too narrow" -- rot home
like err 'the home tab is not seen 0.7 degrees behind its edge' "is not taken for home"
rests "narrow tab"
unsim

done_testing
