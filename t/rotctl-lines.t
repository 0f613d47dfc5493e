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
