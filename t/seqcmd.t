# seqcmd.t - the commands: names, options, what goes where, exit statuses, Ctrl-C, the Talker
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
need fitsverify
hear
seqd_on; d=$pid
mkdir bin
for v in xbin ybin bin expose dark status object temp addtime; do
	ln -s "$FYKE_BUILD/bin/seqcmd" "bin/stancam.$v"
	ln -s "$FYKE_BUILD/bin/seqcmd" "bin/$v"
done

# ---- names and options ----
ok "stancam.xbin 2" -- bin/stancam.xbin 2
is "$(tail -n 1 err)" "[NOTE]: DRV_SUCCESS: All parameters accepted. (2x1, full frame, 64x64 -> 32x64)" "the answer is in the Talker's shape, on standard error"
is "$(wc -c <out)" 0 "and nothing on standard output"
ok "xbin 2 -d, options after arguments" -- bin/xbin 2 -d
ok "seqcmd xbin 2" -- seqcmd xbin 2
ok "-d xbin" -- seqcmd -d ybin 2
ok "-h" -- bin/xbin -h
is "$(cat out)" "usage: xbin [-d] N
binning along the rows" "is the usage, on standard output"
ok "--help" -- bin/xbin --help
like out '^Usage: xbin \[OPTION...\] N$' "of the command by whose name it was called"
exits 2 "too many arguments are an error" -- bin/xbin 1 2
like err 'SEQ_NARGS: xbin: too many arguments; usage: xbin \[-d\] N' "and the usage"
is "$(wc -c <out)" 0 "not on standard output"
exits 2 "too few as well" -- bin/xbin
exits 2 "an unknown command" -- seqcmd xbim 2
like err 'did you mean xbin' "close matches are named"
exits 2 "an unknown option" -- bin/xbin -z 2
exits 4 "a value out of range" -- bin/xbin 99
like err 'this camera bins 1 to 16 columns' "the message has the range"
exits 4 "a word for a number" -- bin/xbin two
exits 4 "a binning that does not fit" -- bin/xbin 3
like err 'xbin 3: 64 is not a multiple of 3; 63 columns would be used. Use xsize 63 first.' "what, why, and what to do"
ok "bin takes one number" -- bin/stancam.bin 1
ok "or two" -- bin/bin 2 1
says xbin=2 ybin=1
tap $? "bin 2 1 is 2x1"
ok "back" -- seqcmd resetxy
for a in '-30' '-d -30' '-30 -d' '-.5' '-- -30'; do
	# shellcheck disable=SC2086
	exits 4 "addtime $a: a negative number is an argument" -- bin/addtime $a
	like err 'no integration is running' "and reached seqd"
done
ok "temp -60" -- bin/temp -60
exits 2 "a text of two words wants quotes" -- bin/object my target
exits 4 "-- ends options" -- seqcmd filename -- -x

# ---- exposures ----
ok "expose" -- bin/stancam.expose 0.1
is "$(cat out)" "$(ls "$tmp"/img/*.fits)" "standard output has the file's name, and only that"
like err 'plan 1 x 0.100 s \+ 1 x [0-9.]+ s read-out, 1x1, full frame, 64x64 -> 64x64, autosave on -> ST....0001.fits' "the plan comes first"
like err '^\[NOTE\]: DRV_SUCCESS: saved .*/ST....0001.fits exptime=0.1000' "and the answer last"
grep -q integrating err
is $? 1 "no countdown where no terminal is"
ok "fitsverify finds nothing" -- fitsverify -q img/*.fits
exits 2 "-f is for exposures" -- bin/xbin -f 1
like err 'has no option -f; usage: xbin' "and the usage"
ok "-t exposes nothing" -- bin/expose -t 100
is "$(wc -c <out) $(files)" "0 1" "and makes no file"
like err 'plan 1 x 100.000 s' "but plans"
ok "a whole script of them" -- env FYKE_SEQCMD_SIMULATE=yes bin/expose 100
is "$(files)" 1 "FYKE_SEQCMD_SIMULATE=yes"
for v in save abort 'addtime 5' hold resume readout 'temp -90' 'cooler on' 'wait-camera-state readout' 'log-comment simulated'; do
	# shellcheck disable=SC2086
	ok "a simulated $v" -- seqcmd -t $v
	like err '^\[NOTE\]: SEQ_OK: simulated: not done' "does nothing"
done
ok "a simulated setting" -- seqcmd -t xbin 2
says xbin=2 set_temperature=-60.0 && [ "$(files)" = 1 ]
tap $? "is done, so that plans are right"
ok "back again" -- seqcmd -t xbin 1
ok "expose without time" -- sh -c 'seqcmd tint 0.05 && bin/expose'
is "$(value EXPTIME "$(tail -n 1 out)")" 0.050000 "is what tint says"
ok "mexp 0.05 2" -- seqcmd mexp 0.05 2
is "$(wc -l <out)" 2 "two names"
like err 'plan 2 x 0.050 s = 0.1 s \+ 2 x .* -> ST....0003..0004' "the plan has the sum and the names"
ok "-f comes back at the read-out" -- seqcmd dark -f 0.05
is "$(wc -c <out)" 0 "without a name"
seqcmd wait-camera-state idle 20 2>/dev/null
is "$(value SHUTTER "$(find img -name '*0005.fits')")" closed "and the file comes, a dark"

# On a terminal there is a countdown, and a bell.
"$py" - >tty.txt <<'E2'
import os, pty, sys
pty.spawn(["seqcmd", "expose", "0.3"])
E2
like tty.txt 'integrating, 0\.[0-3] of 0\.3 s left' "a terminal has a countdown"
grep -q "$(printf '\a')" tty.txt
tap $? "and a bell at the end of the read-out"
seqcmd beep_off 2>/dev/null
"$py" -c 'import pty; pty.spawn(["seqcmd", "expose", "0.05"])' >tty.txt
grep -q "$(printf '\a')" tty.txt
is $? 1 "beep_off"

# ---- Ctrl-C ----
command env --default-signal=INT seqcmd expose 30 >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
n=$(files)
kill -INT $c
wait $c
is $? 130 "Ctrl-C aborts: 130"
like c.err 'aborting, shutter closing' "it says so"
like c.err '\[WARNING\]: SEQ_ABORTED: aborted after' "and has the server's word"
is "$(wc -c <c.out) $(files)" "0 $n" "no file"
says state=idle
tap $? "the camera is idle"
command env --default-signal=INT seqcmd mexpose 1 3 >c.out 2>c.err &
c=$!
until_true 10 sh -c '[ $(grep -c saving c.err) -ge 1 ]'
until_true 10 says state=integrating
kill -INT $c
wait $c
is $? 130 "Ctrl-C in a series"
like c.err "SEQ_ABORTED: aborted after $(wc -l <c.out) of 3 images and [0-9.]+ s, which are thrown away" "what was saved is named, and counted"
for s in HUP TERM; do
	command env --default-signal=HUP seqcmd expose 1 >c.out 2>c.err &
	c=$!
	until_true 10 says state=integrating
	n=$(files)
	kill -$s $c
	wait $c
	is $? 3 "SIG$s, a terminal that goes or a caller's time-out, is no abort"
	like c.err 'left without the answer: the exposure goes on' "it says so"
	seqcmd wait-camera-state idle 20 2>/dev/null
	is "$(files)" $((n + 1)) "and the image is saved"
done
seqcmd expose 30 >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
ok "abort, from another client" -- seqcmd abort
like err 'AbortAcquisition|aborted: the shutter is closed' "is confirmed"
wait $c
is $? 1 "who waited for the exposure exits 1"
ok "abort of nothing is harmless" -- seqcmd abort
like err 'DRV_IDLE: nothing was running' "and says so"

# ---- states ----
seqcmd expose -f 2 >/dev/null 2>&1 &
c=$!
ok "wait-camera-state integrating" -- seqcmd wait-camera-state integrating 10
exits 4 "a setting during an exposure is refused" -- seqcmd xbin 2
like err '\[ASTRO\]: DRV_ACQUIRING: SetImage 20072: refused: exposure running, [0-9.]+ s left. Wait, or use abort.' "at once, with the time left"
exits 4 "and a second exposure" -- seqcmd expose 1
exits 3 "a wait has an end" -- seqcmd wait-camera-state idle 0.2
like err 'SEQ_TIMEOUT: not idle in time: the camera is integrating' "with the state"
ok "addtime" -- seqcmd addtime -0.1
like err 'SEQ_OK: -0.100 s$' "says what was added"
ok "more than there is left" -- seqcmd addtime -100
like err '-100.000 s: the exposure ends now, and the image is kept' "says what comes of it"
ok "wait-camera-state not-integrating" -- seqcmd wait-camera-state not-integrating 10
wait $c
is $? 0 "-f ends well"
ok "wait-camera-state idle" -- seqcmd wait-camera-state idle 10

# ---- the Talker ----
heard '^<133>[A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8} seq.xbin\[[0-9]+\]: \[NOTE\]: DRV_SUCCESS: All parameters accepted\. \(2x1' "the Talker has the answer: local0.notice is <133>"
heard '^<132>.* seq.xbin\[[0-9]+\]: \[ASTRO\]: SEQ_RANGE: xbin 3' "warnings and what the observer must change"
heard '^<135>.* seq.xbin\[[0-9]+\]: \[DEBUG\]: call SetImage 20002 DRV_SUCCESS' "with -d each call"
is "$(grep -c 'seq.mexp\[' talker.txt)" 1 "without it a command is one line"
heard 'seq.seqd\[[0-9]+\]: \[NOTE\]: DRV_SUCCESS: camera is on: sim simulated' "seqd tells what no client could"
ok "another facility" -- seqcmd --facility=local1 beep_off
until_true 5 grep -q '^<141>' talker.txt
tap $? "local1.notice is <141>"
exits 2 "a facility that is none" -- seqcmd --facility=lokal beep_off
ok "no Talker changes nothing" -- seqcmd --talker=/nowhere/log beep_off
is "$(grep -c 'no Talker at /nowhere/log' err)" 1 "but is told once"

# ---- no server ----
exits 3 "nobody there" -- seqcmd -s 127.0.0.1:1 xbin 2
like err 'SEQ_TIMEOUT: seqd does not answer at 127.0.0.1:1: Connection refused' "it says where"
exits 2 "an address that is none" -- seqcmd -s nonsense:x:y xbin 2
off "$d"
exits 3 "nor there, by FYKE_SEQD" -- seqcmd xbin 2
# Somebody who never answers.
start mute "$py" -c '
import socket, sys, time
s = socket.create_server(("127.0.0.1", 0))
print("mute: ready 127.0.0.1:%d" % s.getsockname()[1], file=sys.stderr, flush=True)
c = []
while True: c.append(s.accept())
'
exits 3 "a server that says nothing" -- seqcmd -s "$address" --timeout=300ms xbin 2
like err 'no word from seqd in time' "is given up"
start liar "$py" -c '
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print("liar: ready 127.0.0.1:%d" % s.getsockname()[1], file=sys.stderr, flush=True)
while True:
    c = s.accept()[0]
    c.sendall(b"nonsense\n")
    c.recv(1000)
'
exits 3 "one that says nonsense" -- seqcmd -s "$address" xbin 2
like err 'no answer: is that seqd' "is not believed"
done_testing
