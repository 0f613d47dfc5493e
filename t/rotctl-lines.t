# rotctl-lines.t - serial lines that spoil and swallow never move the rotator wrongly
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"

sim --start=1 --baud=9600
homed
tell garbage motor 3
tell garbage encoder 3
ok "garbage before the answers" -- rot goto 2
stands 2 "is read over"
tell partial on
ok "answers in pieces" -- rot goto 3
stands 3 "are put together"
tell partial off
tell silent motor 3
tell silent encoder 2
ok "answers that do not come" -- rot goto 1
stands 1 "are asked for again"
tell unplug encoder 1s
ok "stop does without the encoder" -- rot stop
until_true 10 test -e e
tell silent encoder 100000
exits 3 "an encoder that says nothing" -- rot goto 1
like err 'the encoder interface does not answer' "is waited for, but not for ever"
tell silent encoder 0
tell silent motor 100000
exits 4 "a motor that says nothing" -- rot goto 1
like err 'the motor does not answer: is its power on' "too"
tell silent motor 0

# ---- commands arrive, answers do not ----
rotctl $rot_options goto -30 --fast=0.2 --slow=0.05 >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
tell silent motor 100000
finish $live
is "$status" 1 "a motor that falls silent in a move"
like live.err 'a limit switch has cut its power, or its line is broken.*told to stop, unheard: if it turns, switch it off$' "says what may be"
ok "is told to stop, and does" -- until_true 10 moving_is 0
awk -v a="$(truth angle)" 'BEGIN { exit !(a > -29) }'
tap $? "on its way ($(truth angle))"
tell silent motor 0
ok "with answers" -- rot stop
rests "answers again"
rotctl $rot_options goto 20 --fast=0.2 --slow=0.05 >live.out 2>live.err 4>&- & live=$!
ok "turning" -- until_true 10 moving_is 1
tell silent motor 100000
kill -9 $live; finish $live
exits 3 "stop, said to a motor that does not answer" -- rot stop
like err 'does not answer.*; it was told to stop, unheard' "says what is not known"
ok "stops it" -- until_true 10 moving_is 0
awk -v a="$(truth angle)" 'BEGIN { exit !(a < 10) }'
tap $? "on its way ($(truth angle))"
unsim
sim --start=1 --fault="keep-count on"
printf '' >out
ok "an encoder that takes no preset" -- rot home
ok "is as good" -- rot goto 5
stands 5 "its count at home is remembered"

# ---- the state file ----
printf 'fyke rotctl state 1\nhomed 1\n' >state
exits 4 "a state file that was cut" -- rot goto 1
like err 'counts as not homed' "is told"
homed
sed 's/^token .*/token 77/' state >state.new && mv state.new state
exits 4 "a state file of another rotator" -- rot goto 1
like err 'not homed: the motor has lost its power' "is no home"
unsim
done_testing
