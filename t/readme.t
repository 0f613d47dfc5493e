# readme.t - the commands of README do what it says
# san: yes
. "${0%/*}/lib.sh"
readme=$top/README
indented() { grep -E "^    $1" "$readme" | sed 's/^    //'; }

# In two terminals: to the letter, but for the port.
receive=$(indented 'udp2raw -l 2009 -n') play=$(indented 'simdet ')
sh -c "$(echo "$receive" | sed 's/2009/0/')" >live.out 2>live.err & live=$!
until_true 10 grep -q 'udp2raw: ready' live.err
port=$(sed -n 's/.*udp2raw: ready .*:\([0-9]*\)$/\1/p' live.err | head -n 1)
ok "simdet plays the camera" -- sh -c "$(echo "$play" | sed "s/2009/$port/")"
wait $live; is $? 0 "the receiving side ends well" || diag <live.err
is "$(grep -c ' 32 sources' live.out)" 1000 "every event is shown, with all modules" || head -n 3 live.out | diag

# The pipelines at the top, which Ctrl-C ends.
cat >ctrl-c.py <<'P'
"""The pipeline in a process group of its own, as a shell with job control has it; Ctrl-C when the
detector has sent everything."""
import os, re, signal, subprocess, sys, time

receive, play = sys.argv[1:]
err = open("top.err", "wb")
p = subprocess.Popen(["sh", "-c", "trap : INT; " + receive], stderr=err, start_new_session=True,
                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
end, port = time.monotonic() + 20, None
while not port:
    assert time.monotonic() < end, open("top.err").read()
    port = re.search(r"udp2raw: ready .*:(\d+)$", open("top.err").read(), re.M)
    time.sleep(0.01)
subprocess.run(play.replace("2009", port[1]).split(), check=True, stderr=subprocess.DEVNULL)
os.killpg(p.pid, signal.SIGINT)
p.wait(20)
P
whole() {
	/usr/bin/python3 -c '
import netCDF4, sys
d = netCDF4.Dataset(sys.argv[1])
assert d["frames_written"][...] == 100 and d["present"][:].all()' "$1"
}
play="simdet -c chec -d localhost:2009 -n 100 -r 200"
line=$(indented 'udp2raw -l 2009 \| evbuild -c chec \| raw2nc' | sed 's/2009/0/')
ok "Ctrl-C ends the pipeline" -- /usr/bin/python3 ctrl-c.py "$line" "$play"
ok "nothing is lost" -- whole run.nc
simdet --quiet -c chec -n 5 -o - | evbuild --quiet -c chec >again.events
exits 4 "typed again, its end refuses" -- sh -c "${line##*| } again.events"
ok "and the first run is still there" -- whole run.nc
line=$(grep -A 1 -F '    R=$(date' "$readme" | sed 's/2009/0/')
ok "the one that keeps the packets" -- /usr/bin/python3 ctrl-c.py "$line" "$play"
is "$(printf '%s\n' ./*Z.pcapng | grep -c '^./20[0-9]*T[0-9]*Z.pcapng$')" 1 "gives a run its own name"
ok "nothing is lost: the packets" -- evdump --check ./*Z.pcapng
like out 'good: 320 packets' "all of them"
ok "and the file" -- whole ./*Z.nc

ok "evbuild --list" -- evbuild --list
for c in "$top"/etc/cards/*.card; do
	like out "^$(basename "$c" .card) " "$(basename "$c" .card) is listed"
done
awk -F'`' '/^\| `/ { print $2 }' "$readme" >programs
missing=
while read -r p; do
	[ -e "$FYKE_BUILD/bin/$p" ] || [ -e "$top/scripts/$p" ] || missing="$missing $p"
done <programs
is "$missing" "" "each program of the table is there"
done_testing
