# rotctl-noise.t - bytes that change on the line, either way, never move the rotator where it should not
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-rot.sh"

sim --start=1 --seed=7
ok "home" -- rot home
n=$(grep -c 'power cut' j)
tell noise 0.01
for angle in 5 -3; do
	rot goto $angle >out 2>err
	case $? in
	0) stands $angle "noise in both directions: arrived at $angle" ;;
	*) like err 'rotctl: ' "noise in both directions: given up with a word" ;;
	esac
done
tell noise 0
until_true 10 moving_is 0
awk -F ' < R2=' 'NF == 2 { a = $2 / 568.889; if (a < -37.6 || a > 24.6) exit 1 }' j
tap $? "no target was outside the range"
is "$(grep -c 'power cut' j)" "$n" "and it has met no limit"
unsim
done_testing
