# seq-faults.t - what may happen to a server: clients that go, kills, full disks, two servers in one
# folder, control characters, a clock that is set. (What the telescope published: t/seq-not.t.)
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
need fitsverify strace faketime prlimit
hear

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
until_true 5 grep -q 'seq.seqd.*saved .*/img/' talker.txt
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
	grep -q '^NOTE 20002.*saved .*/cut/STkill000' said2 || bad=$((bad + 1))
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
f=$(cat out)
ok "the image is whole" -- fitsverify -q "$f"
prlimit --pid "$d" --fsize="$(stat -c %s "$f")":
for k in $(seq 40); do
	cp "$f" before.fits
	seqcmd log-comment "$k" >out 2>err || break
done
like err '\[ERROR\]: SEQ_DISK: .*cfitsio [0-9]*: File too large.* 0 of 1 files were changed' "a comment for which there is no room: what cfitsio says, and why"
ok "the file is as it was" -- cmp "$f" before.fits
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

# ---- a clock that is set while an image is taken ----
mkdir clock
: >step
mkfifo clock.in
command env SHIM_CLOCK="$tmp/step" LD_PRELOAD="$FYKE_BUILD/t/shim-clock.so" \
	seqd -i --dir=clock --camera=size=64x64 <clock.in >clock.out 2>clock.err &
b=$!
tap_pids="$tap_pids $b"
exec 7>clock.in
set_clock() { # set_clock SECONDS REGEX: when the server says REGEX for the next time
	n=$(grep -c "$2" clock.out)
	echo 'expose 0.5' >&7
	until_true 10 sh -c "[ \$(grep -c '$2' clock.out) -gt $n ]"
	echo "$1" >step
	n=$(grep -c '^[A-Z]* 20002' clock.out)
	until_true 10 sh -c "[ \$(grep -c '^[A-Z]* 20002' clock.out) -gt $n ]"
	f=$(sed -n 's/^\* saved //p' clock.out | tail -n 1)
}
from=$(date -u +%s)
set_clock 7200 '^. integrating'
like clock.out '^WARNING 20002 .*exptime=0.5000; the clock was set by .7200.0 s during the exposure: DATE-OBS is by the clock before, see CLKSTEP' "set forward: told"
is "$(value EXPTIME "$f") $(value DARKTIME "$f") $(value CLKSTEP "$f")" "0.500000 0.500000 7200.000" "no second of exposure more, and the header has the step"
"$py" - "$from" "$(value DATE-OBS "$f")" "$(value DATE-AVG "$f")" <<'E2'
import datetime, sys
a, m = (datetime.datetime.fromisoformat(t + "+00:00").timestamp() for t in sys.argv[2:])
sys.exit(not (-1 < a - int(sys.argv[1]) < 60 and abs(m - a - 0.25) < 0.0011))
E2
tap $? "DATE-OBS is what the clock said when the shutter opened"
set_clock 0 '^. integrating'
is "$(value EXPTIME "$f") $(value CLKSTEP "$f")" "0.500000 -7200.000" "set back"
echo 'expose 0.1' >&7
until_true 10 sh -c '[ $(grep -c "^[A-Z]* 20002" clock.out) -ge 3 ]'
is "$(tail -n 1 clock.out | cut -d' ' -f1) $(value CLKSTEP "$(sed -n 's/^\* saved //p' clock.out | tail -n 1)")" "NOTE " "an exposure during which nobody sets it says nothing"
ok "the files are good" -- sh -c 'fitsverify -q clock/*.fits'
exec 7>&-
wait $b
is $? 0 "and nothing waits for a clock"
printf 'expose 0\n' | faketime -f '@1970-01-02 00:00:00' seqd -i --dir=clock --camera=size=8x8 >said 2>err
is "$(grep -c -e '^\* plan' -e '^\* integrating' said)" 0 "a clock for which there are no file names: nothing is exposed"
like said '^ERROR 00008 SEQ_DISK - file names have letters for 1991 to 2042 only: set the clock, or choose four characters by filename' "once, and with what to do"
printf 'filename boot\nexpose 0\n' | faketime -f '@1970-01-02 00:00:00' seqd -i --dir=clock --camera=size=8x8 >said 2>err
is "$(sed -n 's/^\* saved .*\///p' said)" STboot0001.fits "which helps"

# ---- the last number ----
mkdir last
: >last/STlast9998.fits
printf 'filename last\nmexpose 0 2\n' | seqd -i --dir=last --camera=size=8x8 >said 2>err
is "$(grep '^[A-Z]' said | tail -n 1)" "ERROR 00008 SEQ_DISK - STlast9998 is there, and 9999 is the last number: choose four other characters by filename." "a series that would go beyond 9999 is refused before"
printf 'expose 0\n' | seqd -i --dir=last --camera=size=8x8 >said 2>err
is "$(sed -n 's/^\* saved .*\///p' said)" STlast9999.fits "9999 itself is taken"

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
