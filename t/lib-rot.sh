# lib-rot.sh - a simulated rotator, and what tests of rotctl say to it. Source it after lib.sh.

# sim OPTIONS: simrot, twenty times as fast as life, on lines that take no time
sim() {
	rm -f sim.in j truth state state.lock control
	mkfifo sim.in
	exec 4<>sim.in
	start sim simrot --motor=m --encoder=e --truth=truth --journal=j --speed=20 --baud=0 --start=2 --rest=2 "$@"
	sim_pid=$pid
	until_true 5 test -e e
}
unsim() { finish "$sim_pid" TERM; exec 4>&-; }

# tell COMMAND: to the simulator, done when it returns
tell() {
	told=$(wc -l <sim.out)
	echo "$*" >&4
	until_true 10 sh -c "[ \$(wc -l <sim.out) -gt $told ]"
}

rot_options="--motor=m --encoder=e --state=state --control=unix:control"
rot() { rotctl $rot_options "$@" 4>&-; }

# truth COLUMN: angle shaft gear motor_count gear_count powered moving busy ready tab
truth() {
	awk -F '\t' -v name="$1" 'NR == 1 {
		sub(/^# /, ""); for (i = 1; i <= NF; i++) { split($i, w, " "); column[w[1]] = i } }
		NR == 2 { print $column[name] }' truth
}

# stands DEG WORDS: the dewar truly stands there, within a twentieth of a degree
stands() {
	stands_at=$(truth angle)
	awk -v a="$stands_at" -v b="$1" 'BEGIN { exit !(a - b <= 0.05 && b - a <= 0.05) }'
	stands_not=$?
	shift
	tap $stands_not "$* (truly $stands_at)"
}
# rests WORDS: after each failure
rests() { is "$(truth moving) $(truth busy)" "0 0" "$*: it rests, ROTATING is down"; }
homed() { ok "home" -- rot home; }
moves() { grep -Ec ' < (MA|MR|SL|HM)' j; }
busy_is() { [ "$(truth busy)" = "$1" ]; }
moving_is() { [ "$(truth moving)" = "$1" ]; }

# rows PA PARALLACTIC: they stand as they should, 70.7 + q - rot = (PA - 90) + or - 10.7, modulo 60
rows() {
	awk -v a="$(truth angle)" -v pa="$1" -v q="$2" 'BEGIN {
		d = 70.7 + q - a - (pa - 90); d -= 60 * int(d / 60); if (d > 30) d -= 60; if (d < -30) d += 60
		if (d < 0) d = -d; exit !(d > 10.65 && d < 10.75) }'
	tap $? "rows stand at 10.7 degrees to scans along $1, parallactic angle $2 (rotator at $(truth angle))"
}
