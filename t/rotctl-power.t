# rotctl-power.t - a limit, or power that was lost: told, never homed unasked, ROTATING is down
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"

sim --high=20 --start=1
homed

# ---- limit ----
exits 1 "a limit switch cuts the power" -- rot goto 23
like err 'the motor has fallen silent, and the dewar has moved: a limit switch has cut its power.*off and on, then: rotctl home' \
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
unsim
done_testing
