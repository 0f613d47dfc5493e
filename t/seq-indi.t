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
iset() { indi_setprop -p "$iport" "CCD Simulator.$1" 2>>indi.err; }
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
is "$(sed -n 's/^\* saved //p' big.out | xargs -I{} stat -c %s big/{})" 33560640 "an image of 4096 x 4096"
[ -n "$FYKE_SAN" ] || [ "$(peak $b)" -le 65536 ]
tap $? "two frames of memory, at most: $(peak $b) of 65536 kB"
exec 7>&-
wait $b

printf 'expose 1\n' | seqd -i -b indi --camera=server=127.0.0.1:1 --dir=img >said 2>err
like said '^ERROR 20990 DRV_ERROR_NOCAMERA connect .*INDI server: 127.0.0.1:1: Connection refused' "no server: an error that says where"
done_testing
