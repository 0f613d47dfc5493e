# slow-chain.t - supply, hvmux, hvmon, influxput, influxd; the last and the second are restarted: nothing is lost
# shellcheck disable=SC2016 # requests begin with a dollar
. "${0%/*}/hvlib.sh"
. "${0%/*}/lib.sh"
. "$top/t/influx.sh"
need influxd socat /usr/bin/python3

sim
supply=$port
hvset -s "127.0.0.1:$supply" -c 2 -v 500 -i 20 --on >/dev/null 2>&1
mux --cache=0 --timeout=2s
influxd_start
server=$port
create lab

mkfifo beat
tee lines <beat | influxput -u "$url" --db lab --spool=spool >put.out 2>put.err & put=$!
tap_pids="$tap_pids $put"
hvmon -s "unix:$tmp/hv.sock" --every=50ms --label=0.2=mesh --max-loss=1000000 >beat 2>mon.err & mon=$!
tap_pids="$tap_pids $mon"
grown() { # grown N: that many more readings have come
	grown_to=$(($(wc -l <lines) + $1))
	until_true 20 sh -c "[ \$(wc -l <lines) -ge $grown_to ]"
}
stored() { [ "$(ask lab 'select count(vmon) from hv' | sed 's/.*, //; s/]//')" -ge "$1" ]; }
ok "readings are stored while they come" -- until_true 20 stored 40

# The database is killed; meanwhile hvmux is ended and started again.
influxd_stop KILL
ok "without a database" -- until_true 20 grep -q 'lines wait in spool, trying again' put.err
grown 40
tap $? "readings go on"
unmux
ok "without hvmux" -- until_true 20 grep -q '^hv_board,board=0 up=0i' lines
port=$supply mux --cache=0 --timeout=2s
ok "hvmux is back" -- until_true 20 sh -c "grep -A1000000 'up=0i' lines | grep -q '^hv,board=0,channel=2,name=mesh'"
grown 40
before=$(wc -l <lines)
influxd_start "$server"
ok "the database is back" -- until_true 40 grep -q 'answers again' put.err
grown 40
kill -TERM "$mon"
wait "$mon"
is $? 0 "hvmon ends"
finish "$put"
is "$status" 0 "and with it influxput, which has stored all"
like put.err "$(wc -l <lines) lines in, $(wc -l <lines) out, 0 lost" "to the last line"
ok "much of it came while the database was away" -- test "$before" -ge 120

/usr/bin/python3 - "$url" lines >compared <<'END'
"""Every reading that hvmon wrote is in the database, with its time and its values, and nothing else."""
import json, re, sys, urllib.parse, urllib.request
def rows(q):
    data = urllib.parse.urlencode({"db": "lab", "q": q, "epoch": "ns"}).encode()
    series = json.load(urllib.request.urlopen(sys.argv[1] + "/query", data))["results"][0].get("series", [])
    return sorted(tuple(r) for s in series for r in s["values"])
hv, board = [], []
for line in open(sys.argv[2]):
    key, fields, time = re.fullmatch(r'(\S+) (.*) (\d+)\n', line).groups()
    f = dict(re.findall(r'(\w+)=("[^"]*"|[^,]+)', fields))
    if key.startswith("hv,"):
        hv.append((int(time), re.search(r"channel=(\d)", key)[1], float(f["vmon"]), float(f["imon"]), int(f["stat"][:-1])))
    else:
        board.append((int(time), int(f["up"][:-1])))
print("readings", "same" if rows("select channel, vmon, imon, stat from hv") == sorted(hv) else "differ", len(hv))
print("boards", "same" if rows("select up from hv_board") == sorted(board) else "differ", len(board))
END
like compared '^readings same' "the database has every reading of every channel"
like compared '^boards same' "and every gap"
is "$(ls spool)" lock "the spool is empty"
ok "the mesh went up meanwhile" -- test "$(ask lab "select max(vmon) from hv where \"name\" = 'mesh'" | sed 's/.*, //; s/\..*//; s/]//')" -gt 0
unmux
finish "$sim" TERM
influxd_stop
done_testing
