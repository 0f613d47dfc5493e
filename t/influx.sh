# influx.sh - a time-series database of a test's own, real or played. Source it after lib.sh.

# influxd_start [PORT [CONFIG LINES OF [http]]]: Debian's InfluxDB 1 in this test's folder, on a free
# port of the loopback interface (or PORT again, after influxd_stop). Sets $url and $influxd.
influxd_start() {
	cat >influxd.conf <<-END
	reporting-disabled = true
	bind-address = "127.0.0.1:0"
	[meta]
	  dir = "$tmp/influxd/meta"
	[data]
	  dir = "$tmp/influxd/data"
	  wal-dir = "$tmp/influxd/wal"
	[monitor]
	  store-enabled = false
	[http]
	  bind-address = "127.0.0.1:${1:-0}"
	  log-enabled = false
	  max-body-size = ${max_body:-25000000}
	  auth-enabled = ${auth:-false}
	[continuous_queries]
	  enabled = false
	END
	: >influxd.log
	influxd run -config "$tmp/influxd.conf" >influxd.log 2>&1 3>&- &
	influxd=$!
	tap_pids="$tap_pids $influxd"
	until_true 30 grep -q 'Listening on HTTP' influxd.log || { diag <influxd.log; return 1; }
	port=$(sed -n 's/.*Listening on HTTP.*addr=127.0.0.1:\([0-9]*\).*/\1/p' influxd.log)
	url=http://127.0.0.1:$port
}

influxd_stop() { kill -"${1:-TERM}" "$influxd" 2>/dev/null; wait "$influxd" 2>/dev/null; }

# ask DB QUERY: values, a row a line, as JSON lists without the time
ask() {
	/usr/bin/python3 - "$url" "$1" "$2" <<-'END'
	import json, sys, urllib.error, urllib.parse, urllib.request
	url, db, q = sys.argv[1:]
	data = urllib.parse.urlencode({"db": db, "q": q, "epoch": "ns"}).encode()
	try:
	    r = json.load(urllib.request.urlopen(url + "/query", data))
	except urllib.error.HTTPError as e:
	    r = json.load(e)
	for s in r.get("results", [r]):
	    if "error" in s:
	        print("error:", s["error"])
	    for t in s.get("series", []):
	        for v in t["values"]:
	            print(json.dumps(v))
	END
}

create() { ask "" "CREATE DATABASE $1" >/dev/null; }

# stub_start [SCRIPT]: plays a server; see influx-stub.py. Sets $url; requests go to stub.log.
stub_start() {
	start stub /usr/bin/python3 "$top/t/influx-stub.py" stub.log "${1:-}"
	url=$address stub=$pid
}
