# seq-andor.t - the Andor back end against a library of our own with the vendor's symbols: the order
# of calls, failing ones, the end in the cold, two servers on one camera
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
need fitsverify strace
hear
lib=$FYKE_BUILD/t/fake-andor.so
export FAKE_ANDOR_LOG="$tmp/calls" FAKE_ANDOR_LOCK="$tmp/lock"
andor() { seqd -i -b andor --dir=img --camera=library="$lib" "$@"; }

# ---- one image ----
printf 'expose 0.02\nabort -d\n' | sed 2d | andor >said 2>err
is "$?" 0 "an exposure"
f=$(sed -n 's/^\* saved //p' said)
ok "its file is good" -- fitsverify -q "$f"
is "$(value CAMERA "$f") $(value CAMSER "$f") $(value BACKEND "$f") $(value SIMULATE "$f")" "FAKE-1 1234 andor F" "and names the camera"
is "$(mean "$f")" "40511" "pixels above 32767 are what the camera gave"
is "$(sed 's/ .*//' calls | uniq | tr '\n' ' ')" "GetAvailableCameras GetCameraHandle SetCurrentCamera Initialize \
GetDetector GetTemperatureRange GetCapabilities GetMaximumBinning GetHeadModel GetCameraSerialNumber GetNumberAmp \
GetNumberHSSpeeds GetHSSpeed GetFastestRecommendedVSSpeed GetNumberPreAmpGains SetImage GetTemperatureF SetReadMode \
SetAcquisitionMode SetTriggerMode SetADChannel SetHSSpeed SetVSSpeed SetPreAmpGain SetImage SetShutter SetExposureTime \
GetAcquisitionTimings GetReadOutTime GetTemperatureF StartAcquisition WaitForAcquisitionTimeOut GetAcquiredData16 \
GetTemperatureF CoolerOFF ShutDown " "the calls, in the vendor's order"
printf 'mexpose 0.01 3\n' | andor >said 2>err
is "$(grep -c '^\* saved' said)" 3 "settings are set again for each image of a series: the SDK forgets them"
printf 'dark 0\n' | andor >said 2>err
is "$(mean "$(sed -n 's/^\* saved //p' said)") $(value EXPTIME "$(sed -n 's/^\* saved //p' said)")" "100 0.001000" "a bias: shutter closed, the camera's shortest time"

# ---- what SDK 2 cannot do ----
printf 'expose 0.3\naddtime 3\nhold\nreadout\nresume\n' | andor >said 2>err
is "$(grep -c '^ASTRO 20991 DRV_NOT_SUPPORTED - this camera cannot .*: the exposure goes on' said)" 4 "addtime, hold, resume, readout are refused plainly"
like said '^NOTE 20002 DRV_SUCCESS GetAcquiredData16 saved' "and the exposure goes on"
mkfifo lines
: >said
andor <lines >said 2>err &
a=$!
exec 8>lines
echo 'expose 5' >&8
until_true 10 grep -q integrating said
echo abort >&8
exec 8>&-
wait $a
like said '^NOTE 20002 DRV_SUCCESS AbortAcquisition aborted' "abort aborts"
like said '^WARNING 00006 SEQ_ABORTED - aborted after' "and the exposure says so"

# ---- a call that fails (t/seq-matrix.t has all of them) ----
unset FAKE_ANDOR_LOCK
fault() { # fault FAULT LINE OPTIONS...
	f=$1 l=$2; shift 2
	printf '%s\n' "$l" | FAKE_ANDOR_FAULT=$f andor "$@" >said 2>err
}
fault StartAcquisition:20013 'expose 1'
like said '^ERROR 20013 DRV_ERROR_ACK StartAcquisition no reply from the camera/card \(cable, power\)\. Check the camera.s power and cable, then try again\. No file was written\.$' "what, where, and what to do"
fault StartAcquisition:20099 'expose 1'
like said '^ASTRO 20099 DRV_BINNING_ERROR StartAcquisition' "the binning error is of StartAcquisition, not of SetExposureTime"
fault SetExposureTime:20066 'expose 1'
like said '^ASTRO 20066 DRV_P1INVALID SetExposureTime exposure time refused' "20066 means the time here"
fault SetImage:20066@2 'expose 1'
like said '^ASTRO 20066 DRV_P1INVALID SetImage horizontal binning refused' "and the binning there"
n=$(files)
fault WaitForAcquisitionTimeOut:20024 'expose 0' --margin=50ms
fault GetStatus:20018@3 'expose 0.2'
like said '^ERROR 20018 DRV_ACQ_BUFFER GetStatus .*the camera ended the exposure itself' "what the camera ended itself"
is "$(files)" "$n" "no failure leaves a file"

# ---- Ctrl-C while the camera starts ----
mkfifo gate
FAKE_ANDOR_GATE=$tmp/gate start slow seqd -l 127.0.0.1:0 -b andor --dir=img --state=slow --camera=library="$lib"; d=$pid
export FYKE_SEQD="$address"
n=$(files)
command env --default-signal=INT seqcmd expose 60 >c.out 2>c.err &
c=$!
until_true 10 grep -q 'starting the camera' c.err
kill -INT $c
wait $c
is $? 130 "Ctrl-C while the camera starts: 130"
like c.err '\[WARNING\]: SEQ_ABORTED: aborted before it began: nothing was exposed' "with the server's word"
: >gate
ok "the camera goes on starting" -- seqcmd bin 2
says state=idle
tap $? "and takes no image"
ok "the next exposure is taken" -- seqcmd expose 0.01
is "$(files)" $((n + 1)) "that one, and no other"
off "$d"

# ---- a kept cooler that keeps the camera from starting ----
printf 'temp -60\n' | andor --warm=-90 --state=cold >said 2>err
FAKE_ANDOR_FAULT=CoolerON:20013 start cold seqd -l 127.0.0.1:0 -b andor --dir=img --state=cold --camera=library="$lib"; d=$pid
export FYKE_SEQD="$address"
exits 1 "a cooler that has failed" -- seqcmd expose 0.01
like err 'DRV_ERROR_ACK: CoolerON 20013: .* The camera is off: start it with another temp, or with cooler off' "says how to go on without it"
ok "which can be done" -- seqcmd cooler off
ok "and then there are images" -- seqcmd expose 0.01
off "$d"

# ---- one process a camera ----
export FAKE_ANDOR_LOCK="$tmp/lock"
start first seqd -l 127.0.0.1:0 -b andor --dir=img --camera=library="$lib"; d=$pid
FYKE_SEQD=$address seqcmd xbin 2 2>/dev/null
mkdir other
printf 'xbin 2\n' | seqd -i -b andor --dir=other --camera=library="$lib" >said 2>err
like said '^ERROR 20992 DRV_NOT_AVAILABLE Initialize not available: another program may hold the camera' "a second server is refused by the camera: an ERROR"
like said 'End the other program that holds the camera' "what to do"
export FYKE_SEQD="$address"
ok "the first goes on" -- seqcmd expose 0.01

# ---- the end in the cold ----
ok "cold" -- seqcmd temp -60
until_true 20 sh -c 'seqcmd temp 2>&1 | grep -q STABILIZED'
: >calls
kill -TERM "$d"
until_true 10 grep -q CoolerOFF calls
kill -TERM "$d"
exits 4 "no exposure any more" -- seqcmd expose 1
like err 'SEQ_OFF: seqd is ending' "it says why"
wait "$d"
is $? 0 "SIGTERM, twice"
is "$(grep -v GetTemp calls | tr '\n' ,)" "CoolerOFF 20002,ShutDown 20002," "first the cooler, then the power"
grep -q WRONG calls
is $? 1 "and not before the detector was warm"
heard '\[NOTE\]: DRV_SUCCESS: warming up: -[0-9.]+ C, power goes off above -20.0 C' "the Talker follows"
: >calls
printf 'temp -60\n' | FAKE_ANDOR_TEMP=-60 andor --no-warm-up >said 2>err
like calls WRONG "--no-warm-up, and only that, cuts it short"

# ---- the reader of -i goes: as safe an end ----
mkfifo gone.in gone.pipe
exec 8<>gone.in 9<>gone.pipe
start gone sh -c 'exec seqd -i -l 127.0.0.1:0 -b andor --dir=img --camera=library="$1" >gone.pipe 8>&- 9>&-' sh "$lib"; d=$pid
export FYKE_SEQD="$address"
n=$(files)
: >calls
printf 'temp -60\nexpose 3\n' >&8
line=
until [ "${line#'* integrating'}" != "$line" ]; do read -r line <&9; done
exec 9<&-
until_true 10 grep -q 'Broken pipe' gone.err
ok "when the reader of -i has gone, the others are served" -- seqcmd status
exec 8>&-
wait "$d"
is $? 3 "that is an error"
like gone.err 'standard input or output: Broken pipe: ending' "which is told"
is "$(files)" $((n + 1)) "the exposure is finished first, and saved"
is "$(grep -v GetTemp calls | tail -n 2 | tr '\n' ,) $(grep -c WRONG calls)" "CoolerOFF 20002,ShutDown 20002, 0" "then cooler off, warm-up, power off"

# ---- the reader of -i is stuck: it does not keep the camera on ----
mkfifo stuck.in stuck.pipe
exec 8<>stuck.in 9<>stuck.pipe
start stuck sh -c 'exec seqd -i -l 127.0.0.1:0 -b andor --dir=img --camera=library="$1" <stuck.in >stuck.pipe 8>&- 9>&-' sh "$lib"; d=$pid
: >calls
printf 'temp -60\n' >&8
seq 100 | sed 's/.*/help/' >&8
until_true 20 "$py" -c '
import array, fcntl, sys, termios
n = array.array("i", [0])
fcntl.ioctl(9, termios.FIONREAD, n)
sys.exit(n[0] < 60000)'
kill -TERM "$d"
until_true 10 grep -q ShutDown calls
tap $? "at SIGTERM the camera is put off, though nobody reads what -i writes"
exec 9<&- 8>&-
wait "$d"
is $? 3 "which is an error"
like stuck.err 'standard input or output: does not read its answers: ending' "and told"
is "$(grep -v GetTemp calls | tail -n 2 | tr '\n' ,) $(grep -c WRONG calls)" "CoolerOFF 20002,ShutDown 20002, 0" "cooler off, warm-up, power off"

# ---- a server that cannot go on ----
: >calls
printf 'temp -60\n' >poll.in
timeout 60 strace -f -qq -o /dev/null -e trace=ppoll -e inject=ppoll:error=ENOMEM:when=2+ \
	seqd -i -b andor --dir=img --camera=library="$lib" <poll.in >said 2>err
is "$? $(grep -v GetTemp calls | tail -n 2 | tr '\n' ,) $(grep -c WRONG calls)" "3 CoolerOFF 20002,ShutDown 20002, 0" \
	"a server that can serve nobody any more: cooler off, warm-up, power off"
like err 'clients cannot be served: Cannot allocate memory: ending' "and an error"

# ---- SIGTERM as an exposure begins ----
mkfifo shutter
: >calls
FAKE_ANDOR_START=$tmp/shutter start late seqd -l 127.0.0.1:0 -b andor --dir=img --camera=library="$lib" --finish=1s; d=$pid
export FYKE_SEQD="$address"
seqcmd expose 30 >c.out 2>c.err &
c=$!
until_true 10 sh -c 'grep -q GetReadOutTime calls && tail -n 1 calls | grep -q GetTemperatureF'
kill -TERM "$d"
until_true 10 sh -c 'seqcmd bin 2 2>&1 | grep -q SEQ_OFF'
: >shutter
wait $c
is $? 1 "one that takes longer than --finish is aborted, though it began after the SIGTERM"
like c.err '\[WARNING\]: SEQ_ABORTED: aborted after 0\.[0-9] s: no file' "the client is told"
wait "$d"
is $? 0 "the server ends well"
is "$(grep -c 'SEQ_.*: ending: ' late.err)" 1 "and says once what becomes of the exposure"
like late.err 'SEQ_ABORTED: ending: the exposure under way would take too long, and is aborted' "that it is aborted"

# ---- memory ----
mkfifo big.in
FAKE_ANDOR_SIZE=4096 seqd -i -b andor --dir=img --camera=library="$lib" <big.in >big.out 2>err &
b=$!
tap_pids="$tap_pids $b"
exec 7>big.in
printf 'expose 0\nsave\n' >&7
until_true 60 grep -q '^[A-Z].* saved' big.out
[ -n "$FYKE_SAN" ] || [ "$(peak $b)" -le 65536 ]
tap $? "a frame of 4096 x 4096 takes the memory of two, at most: $(peak $b) of 65536 kB"
exec 7>&-
wait $b

# ---- no library ----
exits 3 "without the vendor's library there is an error" -- seqd -i -b andor --camera=library=/nowhere/libandor.so
like err 'the vendor.s library cannot be loaded: /nowhere/libandor.so: .* Install it, or name it' "which says what to do"
printf '' | ANDOR_SDK=$lib seqd -i -b andor --dir=img >said 2>err
is $? 0 "ANDOR_SDK names it"
exits 3 "another library is not taken" -- seqd -i -b andor --camera=library="$FYKE_BUILD/t/shim-fail.so"
done_testing
