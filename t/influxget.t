# influxget.t - what influxput stored comes back, as rows and as means
. "${0%/*}/lib.sh"
. "$top/t/influx.sh"
need influxd /usr/bin/python3

exits 2 "no measurement" -- influxget -u http://127.0.0.1:1 --db t
exits 2 "--every without --mean" -- influxget -u http://127.0.0.1:1 --db t -m gas --every=1m
exits 2 "a time that is none" -- influxget -u http://127.0.0.1:1 --db t -m gas --from=yesterday
exits 2 "a range that is none" -- influxget -u http://127.0.0.1:1 --db t -m gas --from=-1m --to=-1h
exits 2 "line protocol has no types to give back" -- influxget -u http://127.0.0.1:1 --db t -m gas -O line
exits 3 "no server" -- influxget -u http://127.0.0.1:1 --db t -m gas

# ---- InfluxDB 1 ----
influxd_start
create t
cat >lines <<'END'
Temperature\ [K],location=Picosec\ gas val=295.0 1795159380000000000
Temperature\ [K],location=Picosec\ gas val=296.0 1795159433125000000
Temperature\ [K],location=Picosec\ gas val=300.0 1795159440000000000
Temperature\ [K],location=elsewhere val=10.0 1795159433125000000
hv,board=0,channel=0 vmon=250.0,imon=0.5 1795159433125000000
hv,board=0,channel=1 vmon=500.0,imon=1.5 1795159433125000000
w,loc=it's\ "a",b=c\,d\=e s="tab	and \"quote\"",on=true 1795159433125000000
END
influxput --quiet -u "$url" --db t lines
get() { influxget -u "$url" --db t --from=2026-11-20T07:00:00Z --to=2026-11-20T08:00:00Z "$@"; }
ok "the original's question: one measurement, one tag, one field" -- \
	get -m 'Temperature [K]' --tag 'location=Picosec gas' --field val
cat >want <<'END'
# time	measurement	location	val
2026-11-20T07:23:00.000Z	Temperature [K]	Picosec gas	295.0
2026-11-20T07:23:53.125Z	Temperature [K]	Picosec gas	296.0
2026-11-20T07:24:00.000Z	Temperature [K]	Picosec gas	300.0
END
same out want "a table, oldest first"
ok "its mean" -- get -m 'Temperature [K]' --tag 'location=Picosec gas' --field val --mean
is "$(tail -n 1 out)" "$(printf '2026-11-20T07:00:00.000Z\tTemperature [K]\tPicosec gas\t297.0')" "from the start of the range"
ok "minute by minute" -- get -m 'Temperature [K]' --tag 'location=Picosec gas' --mean --every=1m
is "$(cut -f 1,4 out | tail -n 2)" "$(printf '2026-11-20T07:23:00.000Z\t295.5\n2026-11-20T07:24:00.000Z\t300.0')" "two means"
printf 'thirds v=0.1 %s000000000\nthirds v=0.2 %s000000000\n' 1795159380 1795159381 | influxput --quiet -u "$url" --db t
get -m thirds --mean >out 2>/dev/null
is "$(tail -n 1 out | cut -f 3)" 0.15 "a mean has no digits that are only rounding"
printf 'empty v=1\n' | influxput --quiet -u "$url" --db t
influxget -u "$url" --db t -m empty --field w >out 2>err
like err "no rows of 'empty' with these tags and fields in that time" "a field that is not there is no empty time"
ok "all fields, series by series" -- get -m hv -O json
is "$(head -n 1 out)" '{"time":"2026-11-20T07:23:53.125000000Z","measurement":"hv","tags":{"board":"0","channel":"0"},"fields":{"imon":0.5,"vmon":250.0}}' "JSON"
ok "means of all" -- get -m hv --mean
is "$(cut -f 4,5,6 out | tail -n 1)" "$(printf '1\t1.5\t500.0')" "channels are never mixed"
ok "every kind of text" -- get -m w -O json
is "$(/usr/bin/python3 -c 'import json; r = json.load(open("out")); print(r["tags"], r["fields"])')" \
	"{'b': 'c,d=e', 'loc': 'it\\'s \"a\"'} {'on': True, 's': 'tab\\tand \"quote\"'}" "comes back as it went"
ok "a tag with quotes" -- get -m w --tag "loc=it's \"a\""
is "$(grep -vc '^#' out)" 1 "is found"
ok "the edges of the range" -- influxget -u "$url" --db t -m hv --from=2026-11-20T07:23:53.125Z --to=2026-11-20T07:23:53.125000001Z
is "$(grep -vc '^#' out)" 2 "the first moment belongs to it"
ok "and after it" -- influxget -u "$url" --db t -m hv --from=2026-11-20T07:00:00Z --to=2026-11-20T07:23:53.125Z
like err "no rows of 'hv' in that time" "the last does not; nothing there is said"
exits 4 "a database that is not there" -- influxget -u "$url" --db nope -m hv
like err 'database not found' "though the server answers 200 and nothing"
exits 0 "a name that would be a command" -- get -m 'x" ; DROP DATABASE t ; "'
is "$(ask t 'select count(vmon) from hv')" '[0, 2]' "is only a name"
get -m hv >/dev/full 2>err
is $? 3 "a full disk is no success"
influxd_stop

# ---- InfluxDB 2, played ----
csv=',result,table,_start,_stop,_time,_value,_field,_measurement,location\r\n,_result,0,2026-11-20T07:00:00Z,2026-11-20T08:00:00Z,2026-11-20T07:23:53.125Z,295.42,temperature,gas,hut\r\n\r\n'
printf 'T0ken\n' >token; chmod 600 token
stub_start "[[200, {\"Content-Type\": \"text/csv\"}, \"$csv\"]]"
ok "version 2" -- influxget -u "$url" --bucket lab --org o --token-file=token -m gas --tag location=hut \
	--from=2026-11-20T07:00:00Z --to=2026-11-20T08:00:00Z
is "$(tail -n 1 out)" "$(printf '2026-11-20T07:23:53.125Z\tgas\thut\t295.42')" "a row"
look() { /usr/bin/python3 -c 'import json,sys
r = json.loads(open("stub.log").readline()); print(eval(sys.argv[1]))' "$1"; }
is "$(look 'r["method"], r["path"], r["query"], r["headers"]["authorization"], r["headers"]["content-type"], r["headers"]["accept"]')" \
	"('POST', '/api/v2/query', 'org=o', 'Token T0ken', 'application/vnd.flux', 'application/csv')" "asked as its documents say"
is "$(look '"\n".join(r["lines"])')" \
	'from(bucket: "lab") |> range(start: 2026-11-20T07:00:00.000000000Z, stop: 2026-11-20T08:00:00.000000000Z) |> filter(fn: (r) => r._measurement == "gas" and r["location"] == "hut")' "in Flux"
finish "$stub" TERM
stub_start '[[401, {}, "{\"code\":\"unauthorized\",\"message\":\"unauthorized access\"}"]]'
exits 4 "a token that is not good" -- influxget -u "$url" --bucket lab --token-file=token -m gas
like err '401 unauthorized access' "the reason"
finish "$stub" TERM
stub_start '[[200, {}, "<html>hello</html>\n"]]'
exits 1 "a server that is something else" -- influxget -u "$url" --db t -m gas
finish "$stub" TERM

# ---- VictoriaMetrics ----
if command -v victoria-metrics >/dev/null; then
	n=0
	while [ $n -lt 20 ]; do
		n=$((n + 1))
		port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
		victoria-metrics -storageDataPath="$tmp/vm" -httpListenAddr="127.0.0.1:$port" -retentionPeriod=10y >vm.log 2>&1 &
		vm=$! url=http://127.0.0.1:$port
		tap_pids="$tap_pids $vm"
		until_true 15 /usr/bin/python3 -c "import urllib.request; urllib.request.urlopen('$url/health')" && break
	done
	t=$(date +%s)
	printf 'gas,location=hut voc=%s.0 %s000000000\n' 100 $((t - 90)) 300 $((t - 80)) >vm.lines
	ok "lines to VictoriaMetrics" -- influxput -u "$url" --db t vm.lines
	printf 'gas note="text"\n' | influxput -u "$url" --db t 2>err
	like err 'VictoriaMetrics' "which stores no text, and we say so"
	# what it has taken in shows after its next flush; this asks for one
	/usr/bin/python3 -c "import urllib.request; urllib.request.urlopen('$url/internal/force_flush').read()"
	ok "are found" -- until_true 10 sh -c "influxget --quiet -u $url --db t -m gas --field voc | grep -q 300"
	influxget --quiet -u "$url" --db t -m gas --field voc >out
	is "$(cut -f 5 out | tail -n 2 | tr '\n' ' ')" "100.0 300.0 " "as they went"
	ok "their mean" -- influxget -u "$url" --db t -m gas --field voc --mean
	is "$(tail -n 1 out | cut -f 5)" 200.0 "taken here"
	finish "$vm" TERM
else
	skip "victoria-metrics is not installed"
fi
done_testing
