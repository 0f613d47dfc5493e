# influxput-retry.t - servers that are busy, gone, slow, or of version 2: what goes over the wire
. "${0%/*}/lib.sh"
. "$top/t/influx.sh"
need /usr/bin/python3 faketime
ctrl_c="env --default-signal=INT" # a shell's background job would ignore it

# look EXPRESSION: evaluates it over r, the requests that the stub has had
look() {
	/usr/bin/python3 -c 'import json,sys
r = [json.loads(l) for l in open("stub.log")]
time_of = lambda x: int(x["lines"][0].split()[-1])
print(eval(sys.argv[1]))' "$1"
}
seq 1 12000 | sed 's/.*/m,a=b v=&.0 &/' >many
printf 'm v=1.0 1\n' >one
printf 'T0ken==\n' >token; chmod 600 token

# ---- InfluxDB 2 ----
stub_start
ok "a bucket" -- influxput -u "$url/" --bucket 'b 1' --org 'o&g' --token-file=token --gzip=yes many
is "$(look 'sorted({(x["method"], x["path"], x["query"]) for x in r})')" \
	"[('POST', '/api/v2/write', 'org=o%26g&bucket=b%201&precision=ns')]" "path and parameters of version 2"
is "$(look '{x["headers"]["authorization"] for x in r}')" "{'Token T0ken=='}" "the token in its header"
is "$(look '{x["headers"]["content-type"] for x in r}')" "{'text/plain; charset=utf-8'}" "text"
is "$(look '{(x["gzip"], x["headers"].get("content-encoding")) for x in r}')" "{(True, 'gzip')}" "compressed, and said so"
is "$(look '[len(x["lines"]) for x in sorted(r, key=time_of)]')" '[5000, 5000, 2000]' "batches of 5000 lines"
is "$(look 'sum((x["lines"] for x in sorted(r, key=time_of)), []) == open("many").read().splitlines()')" True \
	"each line once, byte for byte"
is "$(look 'len({x["headers"]["user-agent"] for x in r})')" 1 "from one program"
finish "$stub" TERM
ok "no token appears in the messages" -- sh -c '! grep -q T0ken err'

# ---- version 2 refuses a whole batch for one line ----
cat >v2.py <<'END'
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stored = []
    def log_message(self, *a): pass
    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
        bad = [l for l in lines if "v=bad" in l or 'v="' in l]
        text = b'{"code":"invalid","message":"unsupported input type for mean"}' if bad else b""
        if not bad: open("stored", "a").write("".join(l + "\n" for l in lines))
        self.send_response(400 if bad else 204); self.send_header("Content-Length", str(len(text))); self.end_headers()
        self.wfile.write(text)
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
print(f"v2: ready http://127.0.0.1:{s.server_port}", file=sys.stderr, flush=True); s.serve_forever()
END
start v2 /usr/bin/python3 v2.py
sed 's/v=\(777\|4242\|11999\)\.0/v="text"/' many >some-bad
exits 1 "three lines that the server does not want" -- influxput -u "$address" --bucket b some-bad
like err 'refused by the server: 400 unsupported input type for mean: m,a=b v="text" 4242' "the line and the reason"
like err '12000 lines in, 11997 out, 3 lost' "three, no more"
is "$(wc -l <stored)" 11997 "the others are stored, once"
finish "$pid" TERM

# ---- two requests at once: only where it is no matter which is stored first ----
seq 1 60000 | sed 's/.*/m,a=b v=&.0 &/' >more
stub_start '[[204, {}, ""], "meet"]'
ok "times that go up" -- influxput -u "$url" --db t more
is "$(look 'max(x["together"] for x in r)')" 2 "the second request is under way beside the first"
is "$(look 'r[0]["together"]')" 1 "once the server has shown that it takes them"
finish "$stub" TERM
awk '{ sub(/ [0-9]*$/, " " int((NR - 1) / 7)); print }' many >sevens
stub_start
ok "seven lines of each moment" -- influxput -u "$url" --db t sevens
is "$(look '(lambda s: s[1]["lines"][-1].split()[-1] < s[2]["lines"][0].split()[-1])(sorted(r, key=time_of))')" True \
	"a moment is not cut in two between requests that go together"
is "$(look 'len({l for x in r for l in x["lines"]})')" 12000 "all of them"
finish "$stub" TERM
awk '{ sub(/ [0-9]*$/, " " 1000 + NR % 10); print }' many >mixed
stub_start
ok "batches with the same moments" -- influxput -u "$url" --db t mixed
is "$(look '{x["together"] for x in r}')" '{1}' "go one after the other"
is "$(look 'sum((x["lines"] for x in r), []) == open("mixed").read().splitlines()')" True "in order, byte for byte"
finish "$stub" TERM
stub_start '[[204, {}, ""], [503, {}, ""], [204, {}, ""], [400, {}, "{\"error\":\"partial write: dropped=1\"}"], [204, {}, ""]]'
ok "one of the two fails: it is sent again" -- influxput -u "$url" --db t --spool=pair more
like err '60000 lines in, 60000 out, 0 lost' "and all is stored"
is "$(look 'len({l for x in r for l in x["lines"]})')" 60000 "no line was left out"
finish "$stub" TERM

cat >one.py <<'END'
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_POST(self):
        open("stored", "ab").write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204); self.send_header("Content-Length", "0"); self.end_headers()
s = http.server.HTTPServer(("127.0.0.1", 0), H)
print(f"one: ready http://127.0.0.1:{s.server_port}", file=sys.stderr, flush=True); s.serve_forever()
END
rm -f stored
start one /usr/bin/python3 one.py
ok "a server that serves one connection" -- influxput -u "$address" --db t --patience=1s more
like err '60000 lines in, 60000 out, 0 lost; requests 1[2-5]' "is not kept waiting by a second one twice"
is "$(sort -u stored | wc -l)" 60000 "it has all"
finish "$pid" TERM

# ---- the end in the middle of a batch ----
stub_start '[[400, {}, "{\"error\":\"unable to parse\"}"], [204, {}, ""], [401, {}, ""]]'
head -n 4 many >four
exits 4 "a half is stored, then the token has run out" -- influxput -u "$url" --db t --spool=half four
like err '4 lines in, 2 out, 2 held, 0 lost' "what was stored and what waits is the whole"
like err '2 lines wait in half' "and said"
finish "$stub" TERM

# ---- busy, broken, slow ----
stub_start '[[503, {}, "busy"], [500, {}, ""], "reset", [429, {"Retry-After": "1"}, ""], [204, {}, ""]]'
ok "503, 500, a connection cut, 429, then good" -- influxput -u "$url" --db t one
is "$(look 'len(r)')" 5 "tried until it was stored"
is "$(look 'len({tuple(x["lines"]) for x in r})')" 1 "the same line each time"
is "$(look 'r[4]["t"] - r[3]["t"] >= 0.99')" True "Retry-After is obeyed"
is "$(look 'all(r[i+1]["t"] - r[i]["t"] >= 0.09 * 2 ** i for i in range(2))')" True "each wait twice the last"
like err 'busy; lines wait in memory' "said once"
is "$(grep -c 'trying again' err)" 1 "and only once"
like err 'answers again' "and when it is over"
finish "$stub" TERM
stub_start '["hang", [204, {}, ""]]'
ok "a server that does not answer is asked again" -- influxput -u "$url" --db t --patience=300ms one
finish "$stub" TERM
exits 3 "a server that is not there" -- influxput -u http://127.0.0.1:1 --db t --give-up=300ms one
like err '1 lost \(not sent 1\)' "what was not stored is counted"
stub_start '[[401, {}, "{\"code\":\"unauthorized\",\"message\":\"unauthorized access\"}"]]'
exits 4 "401 of version 2" -- influxput -u "$url" --bucket b --token-file=token one
like err '401 unauthorized access' "in its words"
is "$(look 'len(r)')" 1 "not tried again"
finish "$stub" TERM
stub_start '[[404, {}, "{\"code\":\"not found\",\"message\":\"bucket \\\"b\\\" not found\"}"]]'
exits 4 "404 of version 2" -- influxput -u "$url" --bucket b one
like err '404 bucket "b" not found' "in its words"
finish "$stub" TERM
stub_start '[[301, {"Location": "http://127.0.0.1:1/"}, ""]]'
exits 4 "a redirection is not followed with the token" -- influxput -u "$url" --bucket b --token-file=token one
finish "$stub" TERM
stub_start '[["max", 30000]]'
ok "413: split until it is taken" -- influxput -u "$url" --db t many
is "$(look 'len({l for x in r if len("\n".join(x["lines"])) < 30000 for l in x["lines"]})')" 12000 "all of it"
finish "$stub" TERM
stub_start '[["max", 3]]'
exits 1 "413 for a single line: refused" -- influxput -u "$url" --db t one
finish "$stub" TERM

# ---- pipes, signals ----
stub_start
mkfifo pipe
$ctrl_c influxput -u "$url" --db t <pipe >live.out 2>live.err &
live=$!; tap_pids="$tap_pids $live"
exec 3>pipe
printf 'm v=1.0 1\n' >&3
ok "a line waits a second for company, not for the end" -- until_true 5 grep -q 'm v=1.0 1' stub.log
printf 'm v=2.0 2\nm v=3.0 3' >&3
kill -INT "$live"
printf '\nm v=4.0 4\n' >&3
exec 3>&-
finish "$live"
is "$status" 0 "Ctrl-C lets a pipe drain"
is "$(look 'sum((x["lines"] for x in r), [])')" "['m v=1.0 1', 'm v=2.0 2', 'm v=3.0 3', 'm v=4.0 4']" "nothing is lost"
$ctrl_c influxput -u "$url" --db t <pipe >live.out 2>live.err &
live=$!; tap_pids="$tap_pids $live"
exec 3>pipe
printf 'm v=5.0 5\n' >&3
until_true 5 grep -q 'm v=5.0 5' stub.log
printf 'm v=6.0 6\n' >&3
kill -TERM "$live"
finish "$live"
exec 3>&-
is "$status" 0 "SIGTERM sends what is there, though the pipe stays open"
is "$(look 'r[-1]["lines"]')" "['m v=6.0 6']" "the last line too"
finish "$stub" TERM
$ctrl_c influxput -u http://127.0.0.1:1 --db t <pipe >live.out 2>live.err &
live=$!; tap_pids="$tap_pids $live"
exec 3>pipe
printf 'm v=7.0 7\n' >&3
until_true 5 grep -q 'trying again' live.err
until_true 5 sh -c "! kill -INT $live" # until it has gone: two signals at once are one
finish "$live"
exec 3>&-
is "$status" 130 "a second Ctrl-C ends it"
stub_start

# ---- the clock is set ----
echo '+0' >offset
FAKETIME_TIMESTAMP_FILE=$tmp/offset FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 \
	LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) \
	influxput -u "$url" --db t <pipe >live.out 2>live.err &
live=$!; tap_pids="$tap_pids $live"
exec 3>pipe
for offset in +0 -3600 -3600 +3600; do
	echo "$offset" >offset
	printf 'clock v=1.0\nclock v=2.0\n' >&3
	before=${before:-0}
	until_true 5 sh -c "[ \$(grep -o 'clock v=2.0' stub.log | wc -l) -gt $before ]"
	tap $? "offset $offset s: lines go on within seconds"
	before=$((before + 1))
done
exec 3>&-
finish "$live"
is "$status" 0 "a clock that is set back and forth is no trouble"
is "$(look '[round((int(l.split()[-1]) - int(r[0]["lines"][0].split()[-1])) / 3.6e12) for x in r for l in x["lines"]]')" \
	'[0, 0, -1, -1, -1, -1, 1, 1]' "each line has the time that the clock showed"
is "$(look 'len({l.split()[-1] for x in r for l in x["lines"]})')" 8 "no two the same"
ok "status file" -- influxput -u "$url" --db t --status=status.json many
is "$(field in status.json) $(field out status.json) $(field held status.json)" "12000 12000 0" "in = out + held"
finish "$stub" TERM
done_testing
