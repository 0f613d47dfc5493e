# influxput.t - every line is stored, or kept, or told with its reason
. "${0%/*}/lib.sh"
. "$top/t/influx.sh"
need influxd /usr/bin/python3

# ---- what it is asked ----
exits 2 "no server" -- influxput
exits 2 "no database" -- influxput -u http://127.0.0.1:1
exits 2 "both kinds of database" -- influxput -u http://127.0.0.1:1 --db a --bucket b
like err 'give one' "says so"
exits 2 "no URL" -- influxput -u 127.0.0.1:8086 --db a
exits 2 "a password in the URL" -- influxput -u http://u:p@127.0.0.1:1 --db a
like err 'ps' "is seen by everyone, it says"
exits 2 "a unit that is none" -- influxput -u http://127.0.0.1:1 --db a --precision=m
echo secret >token; chmod 644 token
exits 2 "a token that others can read" -- influxput -u http://127.0.0.1:1 --db a --token-file=token
like err 'chmod 600' "and what to do"
exits 3 "an input that is not there" -- influxput -u http://127.0.0.1:1 --db a nonesuch

# ---- what is stored ----
influxd_start
create t
cat >lines <<'END'
# a comment

Temperature\ [K],location=Picosec\ gas val=295.42 1795159433125000001
hv,board=0,channel=3 vmon=250.0,stat=5i,on=true,note="a \"word\", = and more" 1795159433125000002
END
printf 'crlf v=1.0 1795159433125000003\r\nlast v=1.0 1795159433125000004' >>lines
ok "a file" -- influxput -u "$url" --db t lines
like err '4 lines in, 4 out, 0 lost' "every line is accounted for"
is "$(ask t 'select * from "Temperature [K]"')" '[1795159433125000001, "Picosec gas", 295.42]' \
	"names with spaces, to the nanosecond"
is "$(ask t 'select board,channel,note,"on",stat,vmon from hv')" \
	'[1795159433125000002, "0", "3", "a \"word\", = and more", true, 5, 250]' "every type"
is "$(ask t 'select v from crlf')$(ask t 'select v from last')" \
	'[1795159433125000003, 1][1795159433125000004, 1]' "CR LF, and a last line without its end"
printf 'now v=1.0\nnow v=2.0\n' | influxput --quiet -u "$url" --db t
is "$(ask t 'select count(v) from now' | sed 's/.*, //')" '2]' "lines without a time get one each"
printf 's v=1.0 1795159433\n' | influxput --quiet -u "$url" --db t --precision=s
printf 'u v=1.0 1795159433000000\n' | influxput --quiet -u "$url" --db t --precision=us
is "$(ask t 'select v from s')$(ask t 'select v from u')" \
	'[1795159433000000000, 1][1795159433000000000, 1]' "seconds and microseconds"
printf 'z v=1.0 1\n' | influxput --quiet -u "$url" --db t --gzip=yes
is "$(ask t 'select v from z')" '[1, 1]' "compressed"

# ---- what is refused, and why ----
printf 'a v=1.5 1\nnonsense\na v=2.5 2\na v=abc 3\n' >mixed
exits 1 "lines that are none" -- influxput -u "$url" --db t --refused=refused mixed
like err 'bad value.*a v=abc 3' "each told with its reason"
like err '4 lines in, 2 out, 2 lost \(bad line 2\)' "and counted"
is "$(ask t 'select count(v) from a')" '[0, 2]' "the good ones are stored"
like refused '^# no field$' "the reason stands in the file of --refused"
like refused '^nonsense$' "above the line"
/usr/bin/python3 - >conflict <<'END'
for i in range(100):
    print(f"c v={i}.0 {i + 1}" if i not in (17, 18, 80) else f"c v={i}i {i + 1}")
END
printf 'c v=1.0 0\n' | influxput --quiet -u "$url" --db t
exits 1 "the type of a field changes" -- influxput -u "$url" --db t --refused=conflicts conflict
like err 'refused by the server: 400 .*field type conflict.*: c v=17i 18' "the server's reason, for this line"
like err '100 lines in, 97 out, 3 lost \(refused 3\)' "only those three"
is "$(ask t 'select count(v) from c')" '[0, 98]' "every good line between them is stored"
is "$(grep -c '^c v=' conflicts)" 3 "the three are kept"
exits 4 "no such database" -- influxput -u "$url" --db nope lines
like err '404 database not found' "says the server"
exits 4 "InfluxDB 1 has no buckets" -- influxput -u "$url" --bucket b lines
like err -- '--db' "and a word on what to do"

# What we refuse is what this InfluxDB refuses, and nothing else: random lines of a small alphabet.
create v
cat >fuzz.py <<'END'
import json, random, re, subprocess, sys, urllib.error, urllib.request
url, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
parts = ["m", "a", "v", ",", ",", "=", "=", " ", " ", "1", "1.5", "1i", "t", "true", '"', '"', "\\", "\\\\", "-", "+", ".",
         "e5", "nan", "1e400", "#", "17", "m,a=b v=1", "m v=1", "time", "9223372036854775807", "k=v"]
lines = ["".join(random.choices(parts, k=random.randint(1, 9))) for _ in range(count)]
lines += ['m v="a"b', 'm v="a".,w=1', "m,a=b,c=d v=1 5", "m,a=b,a=c v=1", "m v=9223372036854775808i", "m v=1 9223372036854775806", "m v=1 9223372036854775807",
          "m v=1 -9223372036854775806", "m v=1  5", "m  v=1", "m v=1 ", " m v=1", "m v=\"x", "m v=\"x\\\"", "m v=\"a\tb\"", "m,a=b\\ v=1 w=2"]
# of v="a"b InfluxDB stores a": that is refused here
mangled = re.compile(r'="(?:[^"\\]|\\.)*"[^, ]')
def theirs(line):
    try:
        urllib.request.urlopen(url + "/write?db=v", line.encode())
        return True
    except urllib.error.HTTPError as e:
        text = e.read().decode()
        return "conflict" in text  # a line like any other
open("fuzz.lines", "w").write("\n".join(lines) + "\n")
p = subprocess.run(["influxput", "--quiet", "-u", url, "--db", "v", "--refused=fuzz.refused", "fuzz.lines"], stderr=subprocess.DEVNULL)
refused, why = {}, None
for l in open("fuzz.refused"):
    if l.startswith("# ") and not l[2:5].isdigit() and why is None: why = l.strip()
    elif l.startswith("# ") and why is None: why = "server"
    else: refused[l.rstrip("\n")] = why; why = None
bad = 0
for line in lines:
    if not line.strip() or line.lstrip().startswith("#"): continue
    mine = refused.get(line) in (None, "server")
    their = theirs(line)
    if mine and not their and refused.get(line) == "server": continue  # told all the same
    if not mine and their and "more behind it" in refused.get(line) and mangled.search(line): continue
    if mine != their:
        bad += 1
        print(("taken here" if mine else "refused here (%s)" % refused.get(line)), "|", line)
print(f"{len(lines)} lines, {bad} judged otherwise", file=sys.stderr)
sys.exit(bad > 0)
END
nightly && many=20000 || many=1500
ok "random lines are judged as InfluxDB judges them" -- /usr/bin/python3 fuzz.py "$url" 1 "$many"
diag <out

# ---- 413: too large ----
influxd_stop
max_body=60000 influxd_start
create t
seq 1 3000 | sed 's/.*/big,where=somewhere v=&.0 &/' >big
ok "a server that takes 60 kB at once gets less at once" -- influxput -u "$url" --db t big
is "$(ask t 'select count(v) from big')" '[0, 3000]' "and all of it"
influxd_stop

# ---- 401 ----
auth=true influxd_start
ask "" "CREATE USER admin WITH PASSWORD 'pw' WITH ALL PRIVILEGES" >/dev/null
exits 4 "no token where one is wanted" -- influxput -u "$url" --db t big
like err '401 unable to parse authentication credentials' "the reason"
printf 'admin:pw\n' >token; chmod 600 token
ok "user:password from a file" -- influxput -u "$url" --db t --token-file=token big
printf 'admin:wrong\n' >token
exits 4 "a wrong password" -- influxput -u "$url" --db t --token-file=token big
like err '401 authorization failed' "the reason"
influxd_stop
done_testing
