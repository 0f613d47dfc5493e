# seq-faults.t - what went wrong at telescopes before, each as a test of its own; and what else may
# happen to a server: kills, full disks, clients that go
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
need fitsverify strace faketime prlimit
hear

# 1. An exposure that is ignored or never ends: an error, no file, and the script stops.
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

# 2. No telescope data: never at the cost of pixels.
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
mkfifo tel.txt
ok "telescope that never answers" -- seqcmd expose 0.01
like err 'tel.txt: is no ordinary file' "a WARNING, without a wait"
ok "every one of these files is good" -- fitsverify -q img/*.fits
off "$d"

# 3. DATE-OBS is the start, over midnight, over the end of the year.
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
is "$(sed -n 's/^\* saved img\///p' said | tr '\n' ' ')" "STJl300001.fits STJl310001.fits " "the night begins at noon"

# 4. A camera that cannot abort.
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

# 6. What somebody else has set is seen.
seqd_on; d=$pid
seqcmd xbin 2 2>/dev/null
seqcmd expose 0 >out 2>err
like err 'plan .*, 2x1, full frame, 64x64 -> 32x64' "the plan shows another client's binning"
seqcmd defaults 2>/dev/null
seqcmd expose 0 >out 2>err
like err 'plan .*, 1x1, full frame, 64x64 -> 64x64' "defaults takes it back"

# 7. The plan comes before the shutter opens; a disk that is too small is seen before.
seqcmd mexpose 0.1 5 >out 2>err
is "$(grep -o -e plan -e readout err | head -n 1)" plan "mexpose says what it will do, first"
like err 'plan 5 x 0.100 s = 0.5 s \+ 5 x 0.0 s read-out, .* autosave on -> ST' "count, time, read-out, names"
off "$d"
seqd_on --camera=size=16384x16384; d=$pid
n=$(files)
exits 3 "too little disk" -- seqcmd mexpose 10 9999
like err 'SEQ_DISK: img: 9999 images need [0-9.]+ MB, and [0-9.]+ MB are free. Nothing was exposed: make room first' "is seen before"
says state=idle && [ "$(files)" = "$n" ]
tap $? "and nothing was exposed"
off "$d"

# 9. A failure is that of its call, not of SetExposureTime.
SEQD_SIM_FAULT=StartAcquisition:20013 seqd_on; d=$pid
exits 1 "a failing call" -- seqcmd expose 1
like err '\[ERROR\]: DRV_ERROR_ACK: StartAcquisition 20013: no reply' "is named, with its code"
heard 'seq.expose\[[0-9]+\]: \[ERROR\]: DRV_ERROR_ACK: StartAcquisition 20013' "at the Talker too"
off "$d"

# ---- a client that goes in mid-exposure ----
seqd_on; d=$pid
seqcmd expose 0.5 >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
kill -9 $c
wait $c 2>/dev/null
n=$(files)
seqcmd wait-camera-state idle 10 2>/dev/null
is "$(files)" $((n + 1)) "a client is killed: its picture is saved"
heard "seq.seqd\[[0-9]+\]: \[WARNING\]: SEQ_OK: the client of 'expose \"?0.5\"?' has gone; the exposure goes on" "the Talker is warned"
until_true 5 grep -q 'seq.seqd.*saved img' talker.txt
tap $? "and told when it is on disk"
kill -9 "$d"; wait "$d" 2>/dev/null

# ---- kill -9: in mid-exposure, at read-out, at each step of writing ----
for state in integrating readout; do
	seqd_on --camera=mhz=0.004; d=$pid
	seqcmd ybin 2 2>/dev/null
	seqcmd expose 0.3 >c.out 2>c.err &
	c=$!
	seqcmd wait-camera-state $state 10 2>/dev/null
	n=$(files)
	kill -9 "$d"; wait "$d" 2>/dev/null
	wait $c
	is "$? $(wc -c <c.out)" "3 0" "kill -9 while $state: the client has an error, and no name"
	is "$(files)" "$n" "no file appears"
	seqd_on; d=$pid
	says ybin=2
	tap $? "settings are as they were"
	ok "the next exposure works" -- seqcmd expose 0
	finish "$d" TERM
done
k=0 bad=0 calls=pwrite64,sync_file_range,fsync,renameat2,newfstatat,lseek,getdents64
mkdir cut
printf 'filename kill\n' | seqd -i --dir=cut --state=state >said 2>err
while :; do
	k=$((k + 1))
	printf 'expose 0\n' | timeout 20 strace -f -qq -o /dev/null -e trace="$calls" \
		-e inject="$calls:signal=KILL:when=$k" \
		seqd -i --dir=cut --state=state --camera=size=64x64 >said 2>err
	rc=$?
	for f in cut/STkill*.fits; do
		[ ! -e "$f" ] || fitsverify -q "$f" >/dev/null 2>&1 || bad=$((bad + 1))
	done
	printf 'expose 0\n' | seqd -i --dir=cut --state=state --camera=size=64x64 >said2 2>err
	grep -q '^NOTE 20002.*saved cut/STkill000' said2 || bad=$((bad + 1))
	fitsverify -q cut/STkill*.fits >/dev/null 2>&1 || bad=$((bad + 1))
	if grep -q '^NOTE.*saved' said || [ $rc -eq 0 ] || [ $k -ge 80 ]; then break; fi
	rm -f cut/*.fits cut/.ST*
done
[ $k -gt 8 ]
tap $? "killed at each of $((k - 1)) system calls of writing"
is $bad 0 "never a half file under a final name, always a free next number"

# ---- full disk ----
n=$(files)
start full sh -c 'ulimit -S -f 8; exec seqd -l 127.0.0.1:0 --dir=img --camera=size=128x128'; d=$pid
export FYKE_SEQD="$address"
exits 3 "a full disk" -- seqcmd expose 0.01
like err '\[ERROR\]: SEQ_DISK: .*(File too large|No space).* The image is still in memory: make room, then use save' "says what to do"
is "$(wc -c <out) $(files)" "0 $n" "no name, no file"
prlimit --pid "$d" --fsize=unlimited
ok "save, when there is room" -- seqcmd save
ok "the image is whole" -- fitsverify -q "$(cat out)"
off "$d"
for call in sync name; do
	printf 'expose 0\n' | LD_PRELOAD=$FYKE_BUILD/t/shim-fail.so FAIL_CALL=$call FAIL_AT=1 FAIL_HOW=EIO \
		seqd -i --dir=cut --state=state2 --camera=size=32x32 >said 2>err
	like said '^ERROR 00008 SEQ_DISK - .*Input/output error' "$call fails: an error"
	grep -q '^\* saved' said
	is $? 1 "and no name"
done

# ---- two servers in one folder ----
mkdir two
for i in 1 2 3 4; do
	printf 'filename twos\nmexpose 0 25\n' | seqd -i --dir=two --state="two.$i" --camera=size=16x16 >"two.$i.said" 2>"two.$i.err" &
	eval "p$i=\$!"
done
for i in 1 2 3 4; do eval "wait \$p$i"; done
is "$(cat two.?.said | grep -c '^\* saved')" 100 "four servers in one folder: each image is saved"
is "$(cat two.?.said | sed -n 's/^\* saved //p' | sort -u | wc -l) $(find two -name '*.fits' | wc -l)" "100 100" "each in a file of its own"
"$py" - two/*.fits <<'E2'
import os, sys
for f in sys.argv[1:]:
    head = open(f, "rb").read(8640).decode("latin-1")
    assert ("FILENAME= '%s'" % os.path.basename(f)) in head, f
E2
tap $? "which has its own name in it"

# ---- control characters ----
seqd_on; d=$pid
"$py" - "${address##*:}" <<'E2' >said
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b'object "a\n[ERROR]: forged"\nobject "\x1b[31mred"\nobject "caf\xc3\xa9"\nobject "nul\0"\nxbin\t2\nquit\n')
print(b"".join(iter(lambda: s.recv(4096), b"")).decode("latin-1"))
E2
is "$(grep -c '^ERROR 00010 SEQ_LINE - byte 0x' said)" 4 "control bytes and other letters are refused"
exits 2 "by the client too" -- seqcmd object "$(printf 'a\n[ERROR]: forged')"
LC_ALL=C grep -q '[^ -~]' seqd.err talker.txt
is $? 1 "none reached a log"
is "$(grep -c '^\[ERROR\]' talker.txt)" 0 "and no line of the Talker is forged"
ok "an expose after all that" -- seqcmd expose 0
is "$(value OBJECT "$(cat out)")" "" "no FITS card has them"
off "$d"
done_testing
