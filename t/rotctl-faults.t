# rotctl-faults.t - a stall, a belt that slips, a tab that is not seen: told, the motor rests, ROTATING is down
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"

sim --start=1
homed

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

# ---- a gear encoder that stands still, near the target ----
tell stick 4.7
exits 1 "a counter that sticks 0.3 degrees before the target" -- rot goto 5
like err 'has not followed the motor, by 0.[5-9] degrees: the belt slips, or the' "says by how much"
rests "counter that sticks"
awk -v a="$(truth angle)" 'BEGIN { exit !(a < 6) }'
tap $? "corrections have not added up ($(truth angle))"
tell unstick
homed

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
