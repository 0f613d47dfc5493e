# seq-indi.t - the INDI back end against Debian's indiserver with its simulated camera
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
need indiserver indi_simulator_ccd fitsverify
hear
export HOME="$tmp" # where the driver keeps its settings
# indiserver cannot take port 0: a free one is found, and another tried if it is taken meanwhile.
for try in 1 2 3 4 5; do
	iport=$("$py" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	indiserver -p "$iport" -u "$tmp/indi$try" indi_simulator_ccd >indi.out 2>indi.err &
	ip=$!
	tap_pids="$tap_pids $ip"
	until_true 10 "$py" -c "import socket; socket.create_connection(('127.0.0.1', $iport))" && kill -0 "$ip" && break
done
start seqd seqd -l 127.0.0.1:0 -b indi --camera=server="127.0.0.1:$iport" --dir=img --warm=-90; d=$pid
export FYKE_SEQD="$address"
ok "the camera is started" -- seqcmd resetxy
says detector=1280x1024 "camera=CCD Simulator" backend=indi
tap $? "it is Debian's simulator"
ok "an image" -- seqcmd dark 0.2
f=$(cat out)
ok "is good FITS" -- fitsverify -q "$f"
is "$(value NAXIS1 "$f") $(value NAXIS2 "$f") $(value BACKEND "$f") $(value CAMERA "$f") $(value EXPTIME "$f")" "1280 1024 indi CCD Simulator 0.200000" "of the whole detector"
ok "bin 2" -- seqcmd bin 2
ok "a window" -- sh -c 'seqcmd xsize 200 && seqcmd ysize 100 && seqcmd xbeg 101 && seqcmd ybeg 51'
ok "an image of it" -- seqcmd expose 0.1
f=$(cat out)
is "$(value NAXIS1 "$f") $(value NAXIS2 "$f") $(value DETWIN1 "$f")" "100 50 [101:300,51:150]" "binned and windowed"
exits 4 "a binning that the camera has not" -- seqcmd bin 8
like err 'this camera bins 1 to 4 columns' "is refused with its range"
ok "a bias" -- seqcmd dark 0
is "$(value EXPTIME "$(cat out)")" 0.010000 "has the camera's shortest time"
ok "a series" -- seqcmd mexpose 0.05 3
is "$(wc -l <out)" 3 "of three"
exits 4 "addtime" -- seqcmd addtime 5
like err 'SEQ_NOTSUP: this camera cannot change the time' "is refused plainly"

# ---- abort ----
seqcmd expose 60 >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
exits 4 "a setting meanwhile is refused: this camera would take it" -- seqcmd bin 4
n=$(files)
ok "abort" -- seqcmd abort
wait $c
is "$? $(files)" "1 $n" "no image"
ok "the next one" -- seqcmd expose 0.1
is "$(value NAXIS1 "$(cat out)")" 100 "is as it should be"

# ---- two servers on one camera: INDI would let each change the other's exposure ----
mkdir two
start two seqd -l 127.0.0.1:0 -b indi --camera=server="127.0.0.1:$iport" --dir=two --warm=-90; d2=$pid two=$address
ok "a second server" -- seqcmd -s "$two" xbin 1
seqcmd expose 3 >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
exits 4 "its settings are refused while the first exposes" -- seqcmd -s "$two" bin 4
like err 'DRV_ACQUIRING: CCD_EXPOSURE 20072: an acquisition is running: another INDI client is exposing\. Wait' "and it says why"
exits 4 "and its exposures" -- seqcmd -s "$two" dark 0.1
is "$(find two -name '*.fits')" "" "without a file"
wait $c
is "$? $(value NAXIS1 "$(cat c.out)") $(value SHUTTER "$(cat c.out)")" "0 100 open" "the first has its image, as it asked for it"
ok "then it is the other one's turn" -- seqcmd -s "$two" dark 0.1
# What is no seqd does not ask.
iset() { indi_setprop -p "$iport" "CCD Simulator.$1" 2>>indi.err; }
meddle() { # meddle PROPERTY=VALUE: during an exposure; its status
	seqcmd expose 3 >c.out 2>c.err &
	c=$!
	until_true 10 says state=integrating
	iset "$1"
	wait $c
}
ok "the whole detector" -- seqcmd resetxy
meddle 'CCD_BINNING.HOR_BIN=4;VER_BIN=4'
is $? 0 "another client changes an exposure: the image is kept"
like c.err '^\[WARNING\]: .*the image came otherwise than was asked for: 4x4, full frame, 1280x1024 -> 320x256' "with a WARNING"
f=$(cat c.out)
is "$(value NAXIS1 "$f") $(value NAXIS2 "$f") $(value XBINNING "$f") $(value DETWIN1 "$f")" "320 256 4 [1:1280,1:1024]" "and a header that tells what it is"
ok "and is good FITS" -- fitsverify -q "$f"
ok "a window" -- sh -c 'seqcmd xsize 200 && seqcmd ysize 100 && seqcmd xbeg 101 && seqcmd ybeg 51'
meddle 'CCD_FRAME.X=0;Y=0;WIDTH=1280;HEIGHT=1024'
is $? 0 "and where it makes the image larger than was asked for"
like c.err '^\[WARNING\]: .*the image came otherwise than was asked for: 1x1, full frame, 1280x1024 -> 1280x1024' "it is kept whole"
is "$(value NAXIS1 "$(cat c.out)") $(value NAXIS2 "$(cat c.out)")" "1280 1024" "as what it is"
ok "the whole detector" -- seqcmd resetxy
ok "bin 2 again" -- seqcmd bin 2
exits 4 "a set point that this camera has not" -- seqcmd -s "$two" cooler on
like err 'cooler on: this camera can be set to -50 to 50 C, and the set point is -60.0 C. Use temp first' "and what to do"
finish "$d2" TERM
printf 'temp -90\ncooler on\n' >two/.seqd-ST.state
printf 'dark 0\ntemp -20\ndark 0\n' | seqd -i -b indi --camera=server="127.0.0.1:$iport" --dir=two --warm=-90 >said 2>err
is "$(grep '^[A-Z]' said | cut -d' ' -f1-2 | tr '\n' ,)" "ASTRO 20066,NOTE 20002,NOTE 20002," "a kept set point of another camera is refused, and can be changed"
like said 'CCD_TEMPERATURE temperature refused: CCD_TEMPERATURE_VALUE -90 is not in -50 to 50\. Use another temp\. The camera is off: start it with another temp' "it says how"

# ---- temperature ----
ok "temp -5" -- seqcmd temp -5
like err 'cooler on, set point -5.0 C' "is set"
exits 4 "temp -100" -- seqcmd temp -100
like err 'this camera can be set to -50 to 50 C' "is refused"
ok "temp" -- seqcmd temp
like err 'DRV_TEMPERATURE_(NOT_REACHED|STABILIZED): -?[0-9.]+ C' "is read"

# ---- the server goes ----
seqcmd expose 60 >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
kill "$ip"; wait "$ip" 2>/dev/null
wait $c
is $? 1 "an INDI server that goes is an error"
like c.err '\[ERROR\]: DRV_ERROR_ACK: .* 20013: .*the INDI server is gone' "named"
indiserver -p "$iport" -u "$tmp/again" indi_simulator_ccd >indi.out 2>indi.err &
ip=$!
tap_pids="$tap_pids $ip"
until_true 10 seqcmd dark 0
tap $? "when it is back, the camera is started again"
off "$d"

# ---- memory ----
mkdir big
iset 'CONNECTION.DISCONNECT=On'
until_true 10 sh -c "[ \"\$(indi_getprop -1 -p $iport 'CCD Simulator.CONNECTION.DISCONNECT')\" = On ]"
iset 'SIMULATOR_SETTINGS.SIM_XRES=4096;SIM_YRES=4096'
until_true 10 sh -c "[ \"\$(indi_getprop -1 -p $iport 'CCD Simulator.SIMULATOR_SETTINGS.SIM_YRES' | cut -d. -f1)\" = 4096 ]"
mkfifo big.in
(cd big && exec seqd -i -b indi --camera=server="127.0.0.1:$iport" --warm=-90) <big.in >big.out 2>big.err &
b=$!
tap_pids="$tap_pids $b"
exec 7>big.in
printf 'dark 0.05\n' >&7
until_true 60 grep -q '^NOTE\|^ERROR\|^ASTRO' big.out
is "$(sed -n 's/^\* saved //p' big.out | xargs stat -c %s)" 33560640 "an image of 4096 x 4096"
[ -n "$FYKE_SAN" ] || [ "$(peak $b)" -le 65536 ]
tap $? "two frames of memory, at most: $(peak $b) of 65536 kB"
exec 7>&-
wait $b

# ---- a camera without abort, whose image comes when nobody waits for it any more ----
cat >late.py <<'E2'
import base64, re, socket, struct, sys, threading
def fits(w, h, value):
    cards = ["SIMPLE  = %20s" % "T", "BITPIX  = %20d" % 16, "NAXIS   = %20d" % 2, "NAXIS1  = %20d" % w,
             "NAXIS2  = %20d" % h, "BZERO   = %20d" % 32768, "END"]
    data = "".join(c.ljust(80) for c in cards).ljust(2880).encode() + struct.pack(">H", value ^ 0x8000) * (w * h)
    return base64.b64encode(data + bytes(-len(data) % 2880)).decode()
def number(name, values, kind="def", state="Ok"):
    limits = {"CCD_BINNING": (1, 1), "CCD_EXPOSURE": (0, 3600)}.get(name, (0, 64))
    one = "".join('<%sNumber name="%s" min="%g" max="%g">%g</%sNumber>' % (("def" if kind == "def" else "one",
        k) + limits + (v, "def" if kind == "def" else "one")) for k, v in values.items())
    return '<%sNumberVector device="Late" name="%s" state="%s">%s</%sNumberVector>' % (kind, name, state, one, kind)
def blob(text):
    return '<setBLOBVector device="Late" name="CCD1" state="Ok"><oneBLOB name="CCD1" size="1" format=".fits">' + text
END = "</oneBLOB></setBLOBVector>" + number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0}, "set")
how = sys.argv[1]
aborts = how in ("alert", "goes", "soon", "takes", "other", "left")
s = socket.create_server(("127.0.0.1", 0))
print("late: ready 127.0.0.1:%d" % s.getsockname()[1], file=sys.stderr, flush=True)
c = s.accept()[0]
say = lambda text: c.sendall(text.encode())
frame, exposures, rest = {"X": 0, "Y": 0, "WIDTH": 64, "HEIGHT": 64}, 0, ""
for line in c.makefile():
    name = (re.search(r"name='(\w+)'", line) or [0, ""])[1]
    values = {k: float(v) for k, v in re.findall(r"<oneNumber name='(\w+)'>([^<]*)<", line)}
    if "getProperties" in line:
        say('<defSwitchVector device="Late" name="CONNECTION" state="Ok"/>')
        say('<defSwitchVector device="Late" name="CCD_FRAME_TYPE" state="Ok"/>')
        if aborts:
            say('<defSwitchVector device="Late" name="CCD_ABORT_EXPOSURE" state="Idle"/>')
        say(number("CCD_INFO", {"CCD_MAX_X": 64, "CCD_MAX_Y": 64}))
        say(number("CCD_BINNING", {"HOR_BIN": 1, "VER_BIN": 1}))
        say(number("CCD_FRAME", frame) + number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 1}))
    elif name == "CCD_ABORT_EXPOSURE": # after an Alert libindi says Alert of the exposure too
        state = "Ok" if how in ("goes", "takes", "left") else "Alert"
        say('<setSwitchVector device="Late" name="%s" state="%s"/>' % (name, state))
        if state == "Alert" or how == "takes":
            say(number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 3}, "set", "Alert" if state == "Alert" else "Idle"))
        if how in ("soon", "takes"):
            say(rest)
        elif how == "left": # aborted, and left in Alert
            say(number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0}, "set", "Alert"))
        elif how == "other": # ours ends without an image
            say(number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0}, "set") +
                number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 60}, "set", "Busy"))
            print("somebody else exposes", file=sys.stderr, flush=True)
        else:
            threading.Timer(1, say, [rest]).start()
    elif "newSwitchVector" in line:
        say('<setSwitchVector device="Late" name="%s" state="Ok"/>' % name)
    elif name == "CCD_FRAME" and how == "left": # before this comes, somebody else begins
        say(number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 60}, "set", "Busy") + number(name, values, "set"))
    elif name == "CCD_FRAME":
        frame = values
        say(number(name, values, "set") + number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0}, "set"))
    elif name == "CCD_EXPOSURE":
        exposures += 1
        say(rest + number(name, values, "set", "Busy")) # the rest of the one before, at the worst moment
        rest = ""
        wide = 100 if how == "wide" else int(frame["WIDTH"])
        text = fits(wide, int(frame["HEIGHT"]), 1000 * exposures)
        if aborts: # the image comes after the abort
            rest = blob(text) + END
        elif exposures == 1 and wide != 100: # half of it, and not the rest of it
            say(blob(text[:len(text) // 2]) if how == "half" else "")
            rest = (text[len(text) // 2:] if how == "half" else blob(text)) + END
        else:
            say(blob(text) + END)
E2
for how in half whole; do
	start late "$py" late.py $how
	mkdir "late-$how"
	mkfifo "late-$how.in"
	: >said
	seqd -i -b indi --camera=server="$address" --dir="late-$how" --margin=300ms <"late-$how.in" >said 2>err &
	b=$!
	tap_pids="$tap_pids $b"
	exec 7>"late-$how.in"
	printf 'xsize 32\nysize 32\nexpose 0.01\n' >&7
	until_true 20 grep -q '^ERROR 00007 SEQ_TIMEOUT CCD_EXPOSURE .*It could not be aborted' said
	tap $? "$how: an image that does not come in time is a time-out"
	printf 'ysize 64\nxsize 64\n' >&7
	until_true 20 grep -q '64x64 -> 64x64' said
	printf 'expose 0.01\n' >&7
	until_true 20 grep -q '^\* saved' said
	is "$(mean "$(sed -n 's/^\* saved //p' said)")" 2000 "the next one has its own pixels, not those that came late"
	exec 7>&-
	wait $b
	is $? 0 "all ends well"
done

# ---- a camera that may refuse an abort, or go on in spite of it: the image is kept ----
mkdir kept
for how in alert soon goes takes; do
	start late "$py" late.py $how
	: >said
	exec 7<>"late-half.in"
	seqd -i -b indi --camera=server="$address" --dir=kept <late-half.in 7>&- >said 2>err &
	b=$!
	tap_pids="$tap_pids $b"
	echo 'expose 5' >&7
	until_true 20 grep -q '^\* integrating' said
	echo abort >&7
	until_true 20 sh -c "[ \$(grep -c '^[A-Z]' said) -ge 2 ]"
	case $how in
	alert | soon)
		like said '^ERROR 20049 DRV_GENERAL_ERRORS CCD_ABORT_EXPOSURE .*the driver says Alert, and not why' "$how: a refused abort is told"
		want=1000 words="the exposure goes on, and its image is saved"
		;;
	goes)
		like said '^ERROR 20049 DRV_GENERAL_ERRORS CCD_ABORT_EXPOSURE .*the camera goes on exposing' "$how: an abort that does not abort is told"
		want=1000 words="and its image is saved"
		;;
	takes)
		like said '^WARNING 00006 SEQ_ABORTED' "$how: an abort that is taken is told"
		want='' words="and the image that comes still is thrown away"
		;;
	esac
	f=$(sed -n 's/^\* saved //p' said)
	is "${f:+$(mean "$f")}" "$want" "$words"
	exec 7>&-
	wait $b
	is $? 0 "all ends well"
done

# ---- a camera that is given up, and then exposed by somebody else ----
start late "$py" late.py other
: >said
exec 7<>"late-half.in"
seqd -i -b indi --camera=server="$address" --dir=kept --margin=300ms <late-half.in 7>&- >said 2>err &
b=$!
tap_pids="$tap_pids $b"
echo 'expose 0.01' >&7
until_true 20 grep -q '^ERROR 00007 SEQ_TIMEOUT CCD_EXPOSURE .*It could not be aborted' said
tap $? "an exposure that does not end, and cannot be aborted"
until_true 20 grep -q 'somebody else exposes' late.err
echo 'xsize 32' >&7
until_true 20 sh -c "[ \$(grep -c '^[A-Z]' said) -ge 2 ]"
like said '^ASTRO 20072 DRV_ACQUIRING CCD_EXPOSURE .*another INDI client is exposing' "what another client exposes after it is not taken for ours"
exec 7>&-
wait $b
start late "$py" late.py left
: >said
exec 7<>"late-half.in"
seqd -i -b indi --camera=server="$address" --dir=kept <late-half.in 7>&- >said 2>err &
b=$!
tap_pids="$tap_pids $b"
echo 'expose 5' >&7
until_true 20 grep -q '^\* integrating' said
echo abort >&7
until_true 20 grep -q '^WARNING 00006 SEQ_ABORTED' said
tap $? "an aborted exposure that the driver leaves in Alert"
echo 'xsize 32' >&7
until_true 20 sh -c "[ \$(grep -c '^[A-Z]' said) -ge 3 ]"
echo 'xsize 16' >&7
until_true 20 sh -c "[ \$(grep -c '^[A-Z]' said) -ge 4 ]"
like said '^ASTRO 20072 DRV_ACQUIRING CCD_EXPOSURE .*another INDI client is exposing' "what another client exposes then is not ours either"
exec 7>&-
wait $b

# ---- a camera that is lost while it is cold, or does not start ----
cat >cold.py <<'E2'
exec(open("late.py").read().split("how = ")[0])
how = sys.argv[1]
s = socket.create_server(("127.0.0.1", 0))
print("cold: ready 127.0.0.1:%d" % s.getsockname()[1], file=sys.stderr, flush=True)
log = open("sets", "w")
T = '<%sNumberVector device="Late" name="CCD_TEMPERATURE" state="Ok"><%sNumber name="CCD_TEMPERATURE_VALUE" min="-50" max="50">%s' \
    '</%sNumber></%sNumberVector>'
celsius = "20"
def serve(c):
    global celsius
    say = lambda text: c.sendall(text.encode())
    for line in c.makefile():
        name = (re.search(r"name='(\w+)'", line) or [0, ""])[1]
        values = {k: float(v) for k, v in re.findall(r"<oneNumber name='(\w+)'>([^<]*)<", line)}
        if "getProperties" in line:
            say('<defSwitchVector device="Late" name="CONNECTION" state="Ok"/>')
            say('<defSwitchVector device="Late" name="CCD_FRAME_TYPE" state="Ok"/>')
            say(number("CCD_INFO", {"CCD_MAX_X": 64, "CCD_MAX_Y": 64}) + number("CCD_BINNING", {"HOR_BIN": 1, "VER_BIN": 1}))
            say(number("CCD_FRAME", {"X": 0, "Y": 0, "WIDTH": 64, "HEIGHT": 64}) + T % ("def", "def", celsius, "def", "def"))
            say(number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 1}, state="Busy" if how == "busy" else "Ok"))
        elif name == "CCD_EXPOSURE":
            return
        elif name == "CCD_TEMPERATURE" and how != "deaf":
            celsius = "%g" % values["CCD_TEMPERATURE_VALUE"]
            print(celsius, file=log, flush=True)
            say(T % ("set", "one", celsius, "one", "set"))
        elif name == "CCD_TEMPERATURE":
            say(T.replace("Ok", "Alert") % ("set", "one", celsius, "one", "set"))
        elif "newSwitchVector" in line:
            say('<setSwitchVector device="Late" name="%s" state="Ok"/>' % name)
        elif values:
            say(number(name, values, "set"))
while True:
    c = s.accept()[0]
    serve(c)
    if how in ("away", "warm"):
        s.close()
    c.shutdown(socket.SHUT_RDWR)
E2
cold() { # cold HOW LINE [COOLER]: the server's answers in said, its exit status in $status
	start cold "$py" cold.py "$1"
	mkdir "cold-$1"
	printf 'temp -20\ncooler %s\n' "${3:-on}" >"cold-$1/.seqd-ST.state"
	echo "$2" | seqd -i -b indi --camera=server="$address" --dir="cold-$1" >said 2>err
	status=$?
}
cold back 'expose 1'
like said '^ERROR 20013 .*the INDI server is gone' "a server that goes with the cooler on"
is "$status $(tr '\n' ' ' <sets)" "0 -20 20 " "at the end it is sought once more, and the cooler switched off"
cold away 'expose 1'
is "$status $(tr '\n' ' ' <sets)" "1 -20 " "one that stays away is an error"
like err '\[ERROR\]: DRV_ERROR_NOCAMERA: connect 20990: the cooler cannot be switched off, and may still be on: .*Connection refused' "which says that the cooler may still be on"
cold warm 'expose 1' off
is "$status $(cat sets)" "0 " "one that was never cooled is no error"
like said '^ERROR 20013 .*the INDI server is gone' "but that it was lost"
cold busy 'bin 1'
like said '^ASTRO 20072 DRV_ACQUIRING CCD_EXPOSURE .*another INDI client is exposing.* The camera is off\.$' "a camera that another client exposes does not start"
is "$status $(cat sets)" "0 " "and its cooler is not switched on"
cold deaf 'bin 1'
like said '^ERROR 20049 DRV_GENERAL_ERRORS CCD_TEMPERATURE .* The camera is off, but its cooler may still be on\.$' "a cooler of which nobody knows whether it is on"
is $status 1 "is not taken for one that is off"
start late "$py" late.py wide
printf 'expose 0.01\n' | seqd -i -b indi --camera=server="$address" --dir=img >said 2>err
like said '^ERROR 20049 DRV_GENERAL_ERRORS CCD1 .*100 x 64 pixels, and 64 x 64 were asked for' "an image larger than the detector is an error that names both sizes"
printf 'expose 1\n' | seqd -i -b indi --camera=server=127.0.0.1:1 --dir=img >said 2>err
like said '^ERROR 20990 DRV_ERROR_NOCAMERA connect .*INDI server: 127.0.0.1:1: Connection refused' "no server: an error that says where"
done_testing
