# seqd.t - the server: its line protocol by hand, state over restarts, clients of every kind
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
need nc
hear
seqd_on --min-free=100000T; d=$pid
port=${address##*:}
# say LINES: what a person with nc would see
say() { printf '%s\n' "$@" | nc -N 127.0.0.1 "$port" >said; }

until_true 5 grep -q "img: only [0-9]* MiB are free (--min-free)" seqd.err
tap $? "a disk with too little space is told"

# ---- by hand ----
say 'xbin 2'
is "$(tail -n 1 said)" 'NOTE 20002 DRV_SUCCESS SetImage All parameters accepted. (2x1, full frame, 64x64 -> 32x64)' "xbin 2"
like said '^\* starting the camera \(sim\)$' "the camera was off: it is started, with a progress line"
say 'xbin 1'
is "$(wc -l <said)" 1 "one final line"
printf 'xbin 1\r\n' | nc -N 127.0.0.1 "$port" >said
like said '^NOTE 20002' "CR LF as well"
say 'expose 0.2'
is "$(cut -d' ' -f1-2 said | uniq | tr '\n' ,)" '* plan,* integrating,* readout,* beep,* saving,* saved,NOTE 20002,' "an exposure, line by line"
like said '^NOTE 20002 DRV_SUCCESS GetAcquiredData16 saved /.*/img/ST....0001.fits exptime=0\.2000$' "and its final line"
say 'dark -t 100'
like said '^NOTE 00000 SEQ_OK - simulated' "-t as on the command line"
say 'expose -d 0.01'
is "$(sed -n 's/^\* call \([A-Za-z0-9]*\) .*/\1/p' said | grep -v -e Wait -e GetStatus | tr '\n' ' ')" \
	'SetReadMode SetAcquisitionMode SetTriggerMode SetADChannel SetHSSpeed SetVSSpeed SetPreAmpGain SetImage SetShutter SetExposureTime GetAcquisitionTimings GetReadOutTime GetTemperatureF StartAcquisition GetAcquiredData16 ' \
	"-d names each call, in the vendor's order"
say 'xbim 2'
is "$(cat said)" "ASTRO 00001 SEQ_UNKNOWN - xbim: did you mean xbin" "an unknown verb"
say 'xbin 1 2 3'
like said '^ASTRO 00002 SEQ_NARGS - xbin: too many arguments; usage: xbin \[-d\] N$' "too many arguments"
say 'help xbin'
is "$(cat said)" '* help xbin [-d] N - binning along the rows
NOTE 00000 SEQ_OK - done' "help of one verb"
say help
for v in expose exp dark mexpose mexp mdark abort addtime readout hold resume bin xbin ybin xbeg ybeg \
	xsize ysize resetxy defaults ampl gainh gainl autosave_on autosave_off beep_on beep_off comment \
	comment1 object imagetype filename filenamestd tint mult save temp cooler wait-camera-state status \
	log-comment help; do
	grep -q "^\* help $v \[-d\]" said || echo "$v"
done >lacking
is "$(cat lacking)" "" "help knows every command"
say version
like said '^NOTE 00000 SEQ_OK - fyke-seq/1 fyke ' "version"
say quit status
is "$(cat said)" 'NOTE 00000 SEQ_OK - good bye' "quit closes the connection"
say status
for k in state left xbin ybin temperature temperature_code cooler autosave next dir free backend can; do
	grep -q "^\* status $k=" said || echo "$k"
done >lacking
is "$(cat lacking)" "" "status has everything"
say 'xbin "2'
like said '^ERROR 00010 SEQ_LINE - the closing quote is missing$' "an open quote"
# A reply belongs to each line, whatever comes.
printf 'ybin 2\n\nybin 1\n' | nc -N 127.0.0.1 "$port" >said
is "$(cut -d' ' -f1-2 said | tr '\n' ,)" 'NOTE 20002,ERROR 00010,NOTE 20002,' "a reply for each line"

# ---- settings ----
say 'xsize 32' 'xbeg 17' 'ysize 16'
is "$(tail -n 1 said)" 'NOTE 20002 DRV_SUCCESS SetImage All parameters accepted. (1x1, window [17:48,1:16], 32x16 -> 32x16)' "a window"
say 'xbeg 40'
like said 'xbeg 40: the window would be 40 to 71, and the detector has 64 columns. Use xsize 25 first' "one beyond the edge"
say 'xbin 2' 'object "M 31, \"Andromeda\""' 'comment "once"' 'comment1 "always"' 'gainl' 'imagetype FLAT,SKY' 'expose 0.01'
f=img/$(sed -n 's/.*img\/\(.*fits\) exp.*/\1/p' said)
is "$(value NAXIS1 "$f") $(value NAXIS2 "$f") $(value DETWIN1 "$f") $(value XBINNING "$f") $(value DETXBIN "$f")" "16 16 [17:48,1:16] 2 2" "the file has the geometry"
is "$(value OBJECT "$f")" 'M 31, "Andromeda"' "and the object"
is "$(value IMAGETYP "$f") $(value GAINMODE "$f")" 'FLAT,SKY gainl' "the image type, the gain"
is "$(value COMMENT "$f" | tail -n 2)" 'always
once' "both comments"
say 'expose 0.01'
f=img/$(sed -n 's/.*img\/\(.*fits\) exp.*/\1/p' said)
is "$(value COMMENT "$f" | tail -n 1)" 'always' "comment was for one image, comment1 stays"
say 'ampl B'
like said '^ASTRO 00003 SEQ_RANGE - ampl B: this camera has amplifier A only' "an amplifier that is not there"
say 'filename test' 'expose 0'
like said 'saved .*/img/STtest0001.fits exptime=0\.0000' "another name"
say 'filename toolong'
like said '^ASTRO 00003 .* is not 4 letters' "of four characters"
say 'filename ../.'
like said '^ASTRO 00003' "and no path"
say filenamestd 'dark 0'
f=img/$(sed -n 's/.*img\/\(.*fits\) exp.*/\1/p' said)
is "$(value IMAGETYP "$f")" FLAT,SKY "imagetype stays"
say 'imagetype ""' 'dark 0' 'dark 0.1' 'expose 0'
is "$(value IMAGETYP "$(sed -n 's/^\* saved //p' said)")" "BIAS" "one exposure at a time, though"
like said '^ASTRO (20072|00004) ' "a line that comes meanwhile is refused"
say defaults
is "$(grep -c '^\* set ' said)" 12 "defaults prints the settings"
like said '^\* set xbin 1$' "which are the defaults"

# ---- autosave ----
n=$(files)
say autosave_off 'expose 0.01'
like said '^WARNING 20002 DRV_SUCCESS GetAcquiredData16 NOT SAVED \(autosave is off\): use save' "autosave off is a loud warning"
is "$(files)" "$n" "no file"
say save
like said '^NOTE 00000 SEQ_OK - saved .*/img/' "save"
say autosave_on
is "$(files)" $((n + 1)) "makes one"

# ---- LOGCOMME ----
say 'log-comment "clouds in the west"'
like said '^NOTE 00000 SEQ_OK - LOGCOMME added to ST' "log-comment"
f=$(find img -name '*.fits' ! -name 'STtest*' | sort | tail -n 1)
is "$(value LOGCOMME "$f")" 'clouds in the west' "is in the last file of the night"
ok "which is good FITS" -- fitsverify -q "$f"
cp -r img before
say "log-comment \"twice\" $(basename "$f" .fits) STtest0001 STnone0001"
like said 'img/STnone0001.fits: No such file or directory. No file was changed' "all files must exist"
diff -r before img >diffs
is "$(cat diffs)" "" "before one is changed"
say "log-comment \"again\" $(basename "$f" .fits) STtest0001"
is "$(value LOGCOMME "$f" | tail -n 1) $(value LOGCOMME img/STtest0001.fits)" "again again" "several files, .fits need not be typed"

# ---- temperature ----
say 'temp -60'
like said '^NOTE 20002 DRV_SUCCESS .* cooler on, set point -60\.0 C' "temp -60"
(umask 022; printf 'dark 0\n' | seqd -i --dir=img --state=umask --camera=size=8x8 >other 2>err)
is "$(stat -c %a "$(sed -n 's/^\* saved //p' other)")" 644 "who may read an image is a matter of the umask"
say status
like said '^\* status temperature_range=-100 to 20$' "status has the range of set points"
say 'temp -150'
like said '^ASTRO 00003 SEQ_RANGE - temp -150: this camera can be set to -100 to 20 C' "out of range"
say temp
like said '^NOTE 20037 DRV_TEMPERATURE_NOT_REACHED GetTemperatureF [0-9.]+ C, set point -60\.0 C' "temp reads it, with the camera's code"
say 'cooler off' temp
like said '^NOTE 20034 DRV_TEMPERATURE_OFF' "cooler off"

# ---- addtime, hold, readout ----
long() { seqcmd expose 60 >long.out 2>long.err & c=$!; until_true 10 says state=integrating; }
long
say hold
like said '^NOTE 00000 SEQ_OK - held' "hold"
until_true 5 says held=yes
tap $? "status says so"
say resume 'addtime 5.5'
is "$(sed -n 's/.* - //p' said)" 'the shutter is open again
+5.500 s' "resume, addtime"
until_true 5 says exposure=65.500
tap $? "the exposure is longer"
say readout
like said 'reading out now, the image is kept' "readout"
wait $c
is $? 0 "keeps the photons"
f=$(cat long.out)
is "$(value EXPREQ "$f") $(value ABORTED "$f")" "60.000000 T" "and the file tells"
"$py" -c "import sys; e, d = map(float, sys.argv[1:]); sys.exit(not 0 < e < 30 or e > d)" "$(value EXPTIME "$f")" "$(value DARKTIME "$f")"
tap $? "EXPTIME is the light, DARKTIME all of it"

long
say 'addtime -100'
wait $c
is "$(value ABORTED "$(cat long.out)")" T "and so does one that addtime ended"

mkfifo fault.in
SEQD_SIM_FAULT=ReadOut:20013 seqd -i --dir=img --state=fault --camera=size=8x8 <fault.in >fault.out 2>err &
b=$!
tap_pids="$tap_pids $b"
exec 7>fault.in
echo 'expose 0.5' >&7
until_true 10 grep -q integrating fault.out
echo readout >&7
exec 7>&-
wait $b
like fault.out '^ERROR 20013 DRV_ERROR_ACK ReadOut ' "a readout that fails"
is "$(value ABORTED "$(sed -n 's/^\* saved //p' fault.out)")" F "ends no exposure, by the file's word too"

# ---- kept over a restart ----
say 'xbin 4' 'ysize 32' 'object "NGC 7027"' 'comment1 "a ; b # c"' 'tint 7.25'
seqcmd status 2>/dev/null | grep -v -e free -e temperature -e left -e readout= >before.txt
off "$d"
seqd_on; d=$pid
port=${address##*:}
say 'ybin 1'
seqcmd status 2>/dev/null | grep -v -e free -e temperature -e left -e readout= >after.txt
same after.txt before.txt "a restart changes no setting"
kill -9 "$d"; wait "$d" 2>/dev/null
echo 'xbin nonsense' >>img/.seqd-ST.state
seqd_on --camera=size=30x30; d=$pid
port=${address##*:}
like seqd.err 'SEQ_RANGE: .*state: 1 lines are not understood' "a damaged state is told"
say status 'expose 0' status
like said '^\* status object=NGC 7027' "the rest is kept, after kill -9 too"
like said '^\* status xsize=30' "a window that the camera cannot have is reset"
heard 'SEQ_RANGE: kept settings: .* They are reset' "and told"
exits 4 "another server with this state is refused" -- seqd -i --dir=img
like err 'another seqd uses this: give this one a --state of its own' "the message says what to do"

printf 'mexpose 0 3\n' | SEQD_SIM_FAULT=StartAcquisition:20013@2 seqd -i --dir=img --state=some --camera=size=8x8 >other 2>err
like other '^ERROR 20013 .* 1 of 3 images were taken before\.$' "a series that fails says how many images there are"

# ---- usage ----
exits 2 "a back end that is none" -- seqd -b canon
exits 2 "an option that the back end does not know" -- seqd --camera=colour=red
exits 2 "a prefix of three letters" -- seqd --prefix=STX
exits 3 "a folder that is not there" -- seqd --dir=/nowhere
exits 4 "all the world, without saying who" -- seqd --dir=img --state=s -l 0.0.0.0:0
mkdir bare
exits 2 "no address" -- env -C bare seqd -l banana
is "$(ls -A bare)" "" "and nothing is left where it stood"
exits 3 "a port that is taken" -- seqd --dir=img --state=s -l "127.0.0.1:$port"
long
n=$(files)
kill -TERM "$d"
heard 'SEQ_OK: ending: the exposure under way is finished first' "SIGTERM: an exposure that ends soon is waited for"
say hold 'addtime 5'
is "$(grep -c '^ASTRO 00009 SEQ_OFF - seqd is ending: ' said)" 2 "and nothing makes it longer"
say readout
wait $c
is "$? $(files)" "0 $((n + 1))" "it is saved"
off "$d"
start race seqd -l 127.0.0.1:0 --dir=img --state=race --finish=1ms --camera=size=64x64; d=$pid
export FYKE_SEQD="$address"
seqcmd expose 15 >long.out 2>long.err & c=$!
until_true 10 says state=integrating
"$py" - "$d" "${address##*:}" >said <<'E2'
import os, signal, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
os.kill(int(sys.argv[1]), signal.SIGTERM)
while "ending: the exposure under way would take too long" not in open("race.err").read():
    pass
s.sendall(b"resume\n")
print(s.makefile().readline().strip())
E2
wait $c
like long.err 'SEQ_ABORTED: aborted after [0-9]' "an exposure that takes too long is aborted, though somebody asks for another thing at that moment"
like said '^ASTRO (20073|00004) ' "who is told that it came too late"
off "$d"
printf 'expose 0.05\n' | seqd -i -b sim --dir=img --camera=size=16x16 >out 2>err
is "$? $(tail -n 1 out | cut -c1-10)" "0 NOTE 20002" "printf 'expose 1\\n' | seqd -i"
seqd -i --dir=img </dev/null >/dev/full 2>err
is $? 0 "nothing asked, nothing said"
printf 'status\n' | seqd -i --dir=img >/dev/full 2>err
is $? 3 "a full standard output is an error"
done_testing
