# seqrun.t - scripts: checked whole, planned, stopped at the first failure, gone on with; seqterm, the
# installed names, and the two examples
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
hear
seqd_on --camera=mhz=0.01; d=$pid
cat >good.seq <<'E2'
# a script
defaults
bin 2
object "M 31"

mexpose 0.1 3
dark 0
E2
ok "-t is a dry run" -- seqrun -t good.seq
like err 'plan: 5 lines, 4 images: 0.3 s of exposure' "the plan: lines, images, time"
is "$(wc -c <out) $(files)" "0 0" "nothing was done"
says xbin=1
tap $? "nor set"
like err '0.3 s of exposure = 0.3s, and 4 read-outs, whose time is known after the first image' "a read-out that is not known is not taken for none"
seqcmd tint 100 2>/dev/null
printf 'expose\n' | seqrun -t 2>err
like err '100.0 s of exposure' "a dry run asks the server, where there is one, for what is set"
printf 'defaults\nexpose\nmult 3\nmexpose\n' | seqrun -t 2>err
like err '4 images: 4.0 s of exposure' "and knows what defaults sets"
ok "without a server as well" -- seqrun -s 127.0.0.1:1 -t good.seq
ok "a script" -- seqrun good.seq
is "$(sort out)" "$(ls "$tmp"/img/*.fits)" "standard output has the names"
is "$(wc -l <out)" 4 "of all images"
like err 'done: 5 of 5 lines, 4 of 4 images in [0-9.]+(ms|s): ST....0001.fits\.\.ST....0004.fits' "one summary"
like err 'good.seq:4: object "M 31": \[NOTE\]: SEQ_OK' "each line and its answer"
heard 'seq.seqrun\[[0-9]+\]: \[NOTE\]: done: 5 of 5 lines' "the Talker has the summary"
ok "from standard input" -- sh -c 'echo "expose 0" | seqrun'
seqcmd expose 0.1 >/dev/null 2>&1
seqrun -- good.seq >out 2>err
like err 'plan: 5 lines, 4 images: 0.3 s of exposure \+ 4 x 0\.[14] s read-out = [0-9]+' "the plan has the read-out of the camera"

# ---- what is wrong is seen before anything is done ----
printf 'xbin 2\nxbim 2\nexpose\nexpose 1 2 3\nmexpose ten 2\nobject "open\n' >bad.seq
n=$(files)
exits 2 "a bad script" -- seqrun bad.seq
like err 'bad.seq:2: \[ASTRO\]: SEQ_UNKNOWN: xbim: did you mean xbin' "each bad line, with its number"
like err 'bad.seq:4: \[ASTRO\]: SEQ_NARGS: expose: too many arguments; usage: expose' "and its usage"
like err 'bad.seq:5: \[ASTRO\]: SEQ_RANGE' "ranges"
like err 'bad.seq:6: \[ERROR\]: SEQ_LINE' "quotes"
like err '4 lines are wrong: nothing was done' "nothing was done"
says xbin=2 && [ "$(files)" = "$n" ]
tap $? "nothing at all"
seqcmd resetxy 2>/dev/null
printf 'xbin 3\nexpose 1\nxsize 63\nxbin 3\nxbeg 65\ntemp -200\nexpose 1\n' >camera.seq
exits 2 "what this camera cannot do" -- seqrun camera.seq
like err 'camera.seq:1: \[ASTRO\]: SEQ_RANGE: xbin 3: 64 is not a multiple of 3' "is seen beforehand, with its line"
like err 'camera.seq:5: .* the detector has 64 columns' "each of them"
like err 'camera.seq:6: .* this camera can be set to' "the set point too"
like err 'camera.seq: 3 lines are wrong: nothing was done' "but not what a line before it allows"
exits 2 "a dry run sees it" -- seqrun -t camera.seq
printf 'xbeg 5\nxsize 60\nxbin 3\nresetxy\n' | seqrun 2>err
tap $? "a window that reaches to the edge follows it"
exits 3 "no such script" -- seqrun none.seq
exits 3 "no server" -- seqrun -s 127.0.0.1:1 good.seq
like err 'Nothing was done' "nothing was done"

# ---- stop, and go on ----
printf 'object one\nexpose 0\naddtime 3\nobject three\nexpose 0\n' >stop.seq
exits 4 "a line is refused" -- seqrun stop.seq
like err 'stop.seq:3: addtime 3: \[ASTRO\]: DRV_IDLE: no integration is running' "it says why"
like err 'stop.seq:3: stopped; go on with --from=3' "and how to go on"
like err 'stopped: 2 of 5 lines, 1 of 2 images' "the summary"
is "$(wc -l <out)" 1 "the image that there is"
says object=one
tap $? "nothing after the failure was done"
ok "--from" -- seqrun --from=4 stop.seq
says object=three
tap $? "goes on there"
exits 2 "--from beyond the end is a mistake, not a script that is done" -- seqrun --from=6 stop.seq
like err 'stop.seq: --from=6: there is no command from there on' "it says so"
command env --default-signal=INT seqrun good.seq >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
kill -INT $c
wait $c
is $? 130 "Ctrl-C aborts the exposure and the script"
like c.err 'SEQ_ABORTED' "with the server's word"
n=$(files)
printf 'expose 0.5\nexpose 0.5\n' >two.seq
command env --default-signal=HUP seqrun two.seq >c.out 2>c.err &
c=$!
until_true 10 says state=integrating
kill -HUP $c
wait $c
is $? 3 "a terminal that goes ends the script"
like c.err 'two.seq:1: expose 0.5: .* left without the answer: what is under way goes on' "it says so"
seqcmd wait-camera-state idle 20 2>/dev/null
is "$(files)" $((n + 1)) "and the image under way is saved"
printf 'expose -f 0.1\nxbin 1\n' >fast.seq
ok "the line after -f waits for the read-out" -- seqrun fast.seq
echo 'expose 0.3' >count.seq
"$py" -c 'import pty; pty.spawn(["seqrun", "count.seq"])' >tty.txt
like tty.txt 'integrating, 0\.[0-3] of 0\.3 s left' "a terminal has a countdown"
off "$d"

# ---- as it is installed ----
B=${FYKE_BUILD##*/}
# (what follows builds, and is not for sanitizers)
make -s -C "$top" B="$B" PREFIX=/opt/fyke DESTDIR="$tmp/root" SEQ_PREFIX=stancam install >make.txt 2>&1
tap $? "make install" || diag <make.txt
bin=$tmp/root/opt/fyke/bin
sed -n 's/.*{VERB_[A-Z0-9_]*, "\([a-z0-9_-]*\)".*/\1/p' "$top/lib/cam/verbs.c" >verbs
while read -r v; do
	case $v in version | quit) continue ;; esac
	[ -x "$bin/stancam.$v" ] && [ -x "$tmp/root/opt/fyke/lib/fyke/seq/$v" ] || echo "$v"
done <verbs >lacking
is "$(cat lacking)" "" "every command is there as stancam.NAME, and by its short name"
[ ! -e "$bin/status" ] && [ ! -e "$bin/bin" ]
tap $? "short names are not in bin"
is "$("$bin/seqterm" sh -c 'command -v status')" "$tmp/root/opt/fyke/lib/fyke/seq/status" "seqterm has them first in PATH"
is "$(printf 'command -v xbin\n' | SHELL=/bin/sh "$bin/seqterm")" "$tmp/root/opt/fyke/lib/fyke/seq/xbin" "in a shell as well"
mkdir tidy
is "$(printf 'command -v xbin\n' | TMPDIR=$tmp/tidy SHELL=/bin/bash "$bin/seqterm")" "$tmp/root/opt/fyke/lib/fyke/seq/xbin" "in bash"
TMPDIR=$tmp/tidy SHELL=/bin/bash HOME=$tmp "$py" -c '
import os, pty
said = [b"PATH=/bin:/usr/bin\n", b"command -v xbin; exit\n"]
open(os.environ["HOME"] + "/.bashrc", "wb").write(said[0])
pid, fd = pty.fork()
if pid == 0:
    os.execv("'"$bin"'/seqterm", ["seqterm"])
os.write(fd, said[1])
try:
    while (text := os.read(fd, 1000)):
        print(text.decode(), end="")
except OSError:
    pass
' >bash.txt
like bash.txt "root/opt/fyke/lib/fyke/seq/xbin" "on a terminal too, where .bashrc sets PATH anew"
is "$(ls tidy)" "" "and nothing is left behind"
seqd_on; d=$pid
is "$("$bin/seqterm" xbin 2 2>&1 | grep -c '^\[NOTE\]: DRV_SUCCESS: All parameters accepted')" 1 "seqterm xbin 2"
ok "seqterm --help" -- "$bin/seqterm" --help
like out '^usage: seqterm \[COMMAND' "tells how it is used"
exits 2 "an option that it does not have" -- "$bin/seqterm" -x
share=$tmp/root/opt/fyke/share/fyke/seq
n=$(files)
ok "the example script" -- env PATH="$bin:$PATH" "$share/focus-series" 0.01
is "$(wc -l <out) $(($(files) - n))" "5 5" "takes its five images"
ok "simulated" -- env PATH="$bin:$PATH" FYKE_SEQCMD_SIMULATE=yes "$share/focus-series" 100
is "$(($(files) - n))" 5 "takes none"
sed 's/mexpose 4 5/mexpose 0.01 5/' "$share/bias-and-flats.seq" >example.seq
ok "the example for seqrun" -- seqrun example.seq
is "$(wc -l <out)" 16 "takes sixteen"
ok "and its plan, as shipped" -- seqrun -t "$share/bias-and-flats.seq"
off "$d"
exits 3 "the script stops without a server" -- env PATH="$bin:$PATH" "$share/focus-series" 0.01
ok "make uninstall" -- make -s -C "$top" B="$B" PREFIX=/opt/fyke DESTDIR="$tmp/root" uninstall
is "$(find "$tmp/root" ! -type d)" "" "leaves nothing"
done_testing
