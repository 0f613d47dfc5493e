# rotctl-gone.t - a serial line that is gone is looked for; a move goes on, or is told to have failed
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"

sim --start=1
homed
rotctl $rot_options goto 12 >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
tell unplug motor 300ms
finish $live
is "$status" 0 "the motor's line gone and back in a move"
stands 12 "the move goes on"
like live.err "serial line is gone; looking for it" "said"
rotctl $rot_options goto 2 >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
tell unplug encoder 300ms
finish $live
is "$status" 0 "the encoder's line gone and back"
stands 2 "the move goes on"
rotctl $rot_options goto 12 --patience=100ms >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
tell unplug encoder 3s
finish $live
is "$status" 3 "the encoder's line gone for longer"
rests "no encoder"
until_true 10 test -e e
rotctl $rot_options goto -12 --patience=100ms >live.out 2>live.err 4>&- & live=$!
until_true 10 moving_is 1
tell unplug motor 1s
finish $live
is "$status" 3 "the motor's line gone for longer"
like live.err 'it finishes the order it has, and ROTATING may stay up: plug the line in, then rotctl stop' "says what that means"
until_true 10 test -e m
until_true 10 moving_is 0
ok "once it is back" -- rot stop
rests "line back"
unsim
done_testing
