# seq-not.t - each failure that the Nordic Optical Telescope published, or that its own Andor sequencer was
# left with, as a test of its own: they must not happen here
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
need fitsverify faketime
hear
# not N WORDS: which failure the tests from here on are of
not() { failure="NOT $1"; echo "# $failure: $2"; }
# Every line of a test says which one it is of.
tap() {
	tap_n=$((tap_n + 1))
	if [ "$1" -eq 0 ]; then
		shift; echo "ok $tap_n - $failure: $*"
	else
		shift; echo "not ok $tap_n - $failure: $*"; tap_bad=$((tap_bad + 1)); return 1
	fi
}

not 1 '"exposure commands are ignored, and the script goes on" (report 56, 2012)'
# An exposure that is ignored or never ends: an error, no file, and the script stops.
SEQD_SIM_FAULT=WaitForAcquisitionTimeOut:20024 seqd_on --margin=200ms; d=$pid
exits 3 "an exposure that never ends is an error" -- seqcmd expose 0.1
like err '\[ERROR\]: SEQ_TIMEOUT: WaitForAcquisitionTimeOut 00007: the camera gave no image: 0.100 s' "a time-out with its own code"
is "$(wc -c <out) $(files)" "0 0" "no name, no file"
heard 'seq.expose\[[0-9]+\]: \[ERROR\]: SEQ_TIMEOUT' "the Talker has it as an ERROR"
printf 'set -e\nseqcmd expose 0.1\ntouch went-on\n' >script
exits 3 "a script with set -e" -- sh script
[ ! -e went-on ]
tap $? "stops there"
off "$d"

not 2 '"files without content, because there was no telescope data" (report 44, 2006)'
# No telescope data: never at the cost of pixels.
printf "RA = 83.633 / degrees\nDEC = -5.375\nTELFOCUS= 23\nAIRMASS = '1.2'\n" >tel.txt
seqd_on --telescope=tel.txt; d=$pid
ok "telescope there" -- seqcmd expose 0.01
f=$(cat out)
is "$(value RA "$f") $(value DEC "$f") $(value TELSTAT "$f")" "83.633 -5.375 OK" "its keywords are in the file"
tail -n 1 err >last
like last '^\[NOTE\]' "a NOTE"
touch -d '1 hour ago' tel.txt
ok "telescope dead: keywords are stale" -- seqcmd expose 0.01
like err '^\[WARNING\]: DRV_SUCCESS: GetAcquiredData16 20002: saved .* keywords of the telescope: tel.txt: is (1h|60m).* old' "a WARNING"
is "$(value TELSTAT "$(cat out)")" STALE "and a keyword says so"
printf 'RA = here\nDEC = 2\nNAXIS = 9\nOBJECT = 3\nB\033D = 1\n' >tel.txt
ok "nonsense from the telescope" -- seqcmd expose 0.01
like err 'lines left out, line 1: the value is no number' "a WARNING"
f=$(cat out)
is "$(value DEC "$f") $(value NAXIS "$f")" "2 2" "what is good of it is taken, what is seqd's own is not"
rm tel.txt
ok "telescope absent" -- seqcmd expose 0.01
like err '^\[WARNING\].* tel.txt: No such file' "a WARNING"
is "$(value TELSTAT "$(cat out)")" MISSING "and a keyword"
seqcmd mexpose 0.5 3 >c.out 2>c.err &
c=$!
until_true 10 grep -q saving c.err
printf 'RA = 1\n' >tel.txt
wait $c
is $? 0 "telescope absent for a part of a series"
like c.err '^\[WARNING\].*; [12] of 3 images: keywords of the telescope: tel.txt: No such file' "a WARNING, though the last image has its keywords"
is "$(value TELSTAT "$(tail -n 1 c.out)")" OK "(which it has)"
rm tel.txt
mkfifo tel.txt
ok "telescope that never answers" -- seqcmd expose 0.01
like err 'tel.txt: is no ordinary file' "a WARNING, without a wait"
ok "every one of these files is good" -- fitsverify -q img/*.fits
off "$d"

not 3 '"DATE-OBS is the end of the read-out, and of the wrong day" (FITS header pages)'
# DATE-OBS is the start, over midnight, over the end of the year.
printf 'filename nuit\nexpose 4\n' | faketime -f '@2026-12-31 23:59:57 x4' seqd -i --dir=img --camera=size=64x64 --camera=mhz=0.002048 >said 2>err
f=$(sed -n 's/^\* saved //p' said)
value DATE-OBS "$f" | grep -q '^2026-12-31T23:59:5[789]'
tap $? "DATE-OBS is of the day on which the shutter opened" || value DATE-OBS "$f" | diag
/usr/bin/python3 - "$(value DATE-OBS "$f")" "$(value DATE-AVG "$f")" "$(value EXPTIME "$f")" <<'E2'
import datetime, sys
a, b = map(datetime.datetime.fromisoformat, sys.argv[1:3])
sys.exit(abs((b - a).total_seconds() - float(sys.argv[3]) / 2) > 0.0011)
E2
tap $? "DATE-AVG is in the middle: DATE-OBS + EXPTIME/2"
like said '1 x 4.000 s \+ 1 x 2.0 s read-out' "(with 2 s of read-out)"
printf 'filenamestd\ndark 0\n' | faketime -f '@2026-12-31 11:59:30' seqd -i --dir=img --camera=size=8x8 >said 2>err
printf 'dark 0\n' | faketime -f '@2026-12-31 12:00:01' seqd -i --dir=img --camera=size=8x8 >>said 2>err
is "$(sed -n 's/^\* saved .*\///p' said | tr '\n' ' ')" "STJl300001.fits STJl310001.fits " "the night begins at noon"

not 4 '"an abort hangs the controller, and Ctrl-C still sends one" (report 62)'
# A camera that cannot abort.
seqd_on --camera=no=abort; d=$pid
command env --default-signal=INT seqcmd -d expose 1 >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
exits 4 "abort is refused" -- seqcmd abort
like err 'this camera cannot abort: the exposure goes on' "it says that the exposure goes on"
kill -INT $c
until_true 5 grep -q 'goes on' c.err
tap $? "Ctrl-C says so too"
wait $c
is $? 0 "and waits for the image"
[ -s "$(cat c.out)" ]
tap $? "which is saved"
grep -q AbortAcquisition c.err
is $? 1 "no abort reached the camera"
command env --default-signal=INT seqcmd expose 3 >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
kill -INT $c
until_true 5 grep -q 'goes on' c.err
kill -INT $c
wait $c
is $? 130 "a second Ctrl-C leaves"
like c.err 'left without seqd.s word: the camera may still be exposing' "and says what the camera does"
off "$d"

not 5 '"scripts of observers mishandle errors" (report 59)'
# Each exit status of the commands, in a script that looks at it, and in one with set -e.
SEQD_SIM_FAULT=StartAcquisition:20013 seqd_on --margin=200ms; d=$pid
cat >statuses <<'E2'
seqcmd xbin 2; echo $?
seqcmd expose 1; echo $?
seqcmd xbin 2 2; echo $?
seqcmd -s 127.0.0.1:1 xbin 2; echo $?
seqcmd xbin 99; echo $?
E2
is "$(sh statuses 2>err | tr '\n' ' ')" "0 1 2 3 4 " "done, camera, usage, system, refused: each has its number"
off "$d"
seqd_on; d=$pid
command env --default-signal=INT seqcmd expose 30 >out 2>err &
c=$!
until_true 10 says state=integrating
kill -INT $c
wait $c
is $? 130 "and Ctrl-C has its own"
mkdir path
for v in defaults bin autosave_on wait-camera-state object comment expose; do ln -s "$FYKE_BUILD/bin/seqcmd" "path/stancam.$v"; done
ok "the example script that is shipped runs" -- env PATH="$PWD/path:$PATH" "$top/etc/seq/focus-series" 0.01
is "$(wc -l <out)" 5 "with a line for each image"
off "$d"
exits 3 "and stops at the first failure" -- env PATH="$PWD/path:$PATH" "$top/etc/seq/focus-series" 0.01
is "$(wc -l <out)" 0 "without a word of success"

not 6 '"scripts depend on what somebody else has set" (report 53)'
# What somebody else has set is seen.
seqd_on; d=$pid
seqcmd defaults 2>/dev/null
seqcmd xbin 2 2>/dev/null
seqcmd expose 0 >out 2>err
like err 'plan .*, 2x1, full frame, 64x64 -> 32x64' "the plan shows another client's binning"
seqcmd defaults 2>/dev/null
seqcmd expose 0 >out 2>err
like err 'plan .*, 1x1, full frame, 64x64 -> 64x64' "defaults takes it back"

not 7 '"a script that cannot fit begins all the same" (reports 62, 63)'
# The plan comes before the shutter opens; a disk that is too small is seen before.
seqcmd mexpose 0.1 5 >out 2>err
is "$(grep -o -e plan -e readout err | head -n 1)" plan "mexpose says what it will do, first"
like err 'plan 5 x 0.100 s = 0.5 s \+ 5 x 0.0 s read-out, .* autosave on -> ST' "count, time, read-out, names"
off "$d"
seqd_on --camera=size=16384x16384; d=$pid
n=$(files)
exits 3 "too little disk" -- seqcmd mexpose 10 9999
like err 'SEQ_DISK: .*/img: 9999 images need [0-9.]+ MB, and [0-9.]+ MB are free. Nothing was exposed: make room first' "is seen before"
says state=idle && [ "$(files)" = "$n" ]
tap $? "and nothing was exposed"
off "$d"

not 8 '"the port is sometimes blocked for no obvious reason" (the Andor sequencer)'
# The two causes are reproduced and cured at length in t/seq-clients.t; this is the observer's side.
seqd_on; d=$pid
port=${address##*:}
"$py" - "$port" >held.txt 2>&1 <<'E2' &
import socket, sys
c = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for i in range(3)]
c[1].sendall(b"xbi")
c[2].sendall(b"version\n")
c[2].recv(1000)
print("held", flush=True)
c[2].recv(1000) # until the server has gone
E2
h=$!
until_true 10 grep -q held held.txt
ok "a silent client and half a line block nobody" -- seqcmd xbin 1
kill -9 "$d"; wait "$d" 2>/dev/null
start again seqd -l "127.0.0.1:$port" --dir=img --camera=size=64x64; d=$pid
is "$address" "tcp:127.0.0.1:$port" "killed with clients connected, it has its port again at once"
wait $h
ok "and answers" -- seqcmd xbin 1
off "$d"

not 9 '"a failed exposure is always put down to SetExposureTime" (the Andor sequencer)'
# A failure is that of its call, not of SetExposureTime.
SEQD_SIM_FAULT=StartAcquisition:20013 seqd_on; d=$pid
exits 1 "a failing call" -- seqcmd expose 1
like err '\[ERROR\]: DRV_ERROR_ACK: StartAcquisition 20013: no reply' "is named, with its code"
heard 'seq.expose\[[0-9]+\]: \[ERROR\]: DRV_ERROR_ACK: StartAcquisition 20013' "at the Talker too"
off "$d"
done_testing
