# nats.t - evpub and evsub over NATS JetStream: nothing lost, nothing doubled, whatever happens
. "${0%/*}/lib.sh"
need python3 nats-server
py() { PYTHONPATH=$top/t PYTHONDONTWRITEBYTECODE=1 timeout 3000 /usr/bin/python3 "$@"; }
last() { tail -n 1 err | sed 's/^.*ev[ps]ub: //'; }
free_port() { py -c 'from programs import *; print(*free_ports(1))'; }
answers() { nc -z 127.0.0.1 "$1"; }
broker() { # broker PORT STORE [CONFIG]: in $pid
	printf 'host: 127.0.0.1\nport: %s\njetstream { store_dir: "%s" %s }\n%s\n' "$1" "$tmp/$2" "${4:-}" "${3:-}" >"nats-$2.conf"
	nats-server -c "nats-$2.conf" >"nats-$2.log" 2>&1 &
	pid=$!
	tap_pids="$tap_pids $pid"
	until_true 20 answers "$1"
}
same_events() { # same_events FILE WORDS
	evdump -O json "$1" 2>/dev/null >a.json
	same a.json run.json "$2"
}

simdet --quiet -c chec -n 500 -o run.pcapng
evbuild --quiet -c chec --run=7 -o run.events run.pcapng
evbuild --quiet -c chec --run=8 -o next.events run.pcapng
evdump -O json run.events >run.json 2>/dev/null
p=$(free_port)
url=nats://127.0.0.1:$p/RUNS/camera

# ---- a broker that comes later ----
evpub "$url" run.events 2>early.err &
early=$!
until_true 20 grep -q 'nobody answers there; what comes waits' early.err
tap $? "a broker that is absent is told"
broker "$p" one
one=$pid
finish $early
is "$status" 0 "evpub waits for it, and ends when everything is acknowledged"
like early.err '500 records in, 500 out, 0 lost' "with everything counted"
ok "evsub, which ends at once with the run," -- timeout 4 evsub "$url?durable=first" --once -o first.events
same_events first.events "brings the same events"
evdump --check first.events >out 2>err
like out 'good: 500 events' "and its stream is whole"

# ---- a second publication of the same run is harmless ----
ok "the same run again" -- evpub "$url" run.events
is "$(last)" "500 records in, 500 out, 0 lost; stored before 500" "was stored before"
ok "under a new run number" -- evpub "$url" next.events
is "$(last)" "500 records in, 500 out, 0 lost" "it is another run"
ok "a new subscriber" -- evsub "$url" -n 1000 -o both.events
is "$(evdump -O json both.events 2>/dev/null | sed 's/.*"run":\([0-9]*\).*/\1/' | uniq -c | tr -s ' \n' ' ')" " 500 7 500 8 " \
	"gets each run once"
head -c 1000000 run.events >part.events
d=$(free_port)
broker "$d" dup
dup=$pid
exits 1 "half a run (the stream was cut)" -- evpub "nats://127.0.0.1:$d/D/x?duplicates=100ms" part.events
sleep_past_window() { [ "$(($(date +%s%N) - t0))" -gt 300000000 ]; }
t0=$(date +%s%N)
until_true 5 sleep_past_window
ok "the whole run, after the broker's window for duplicates" -- evpub "nats://127.0.0.1:$d/D/x?duplicates=100ms" run.events
like err 'stored before [0-9]+' "goes on with what is missing"
ok "a subscriber" -- evsub "nats://127.0.0.1:$d/D/x" -n 500 -o once.events
same_events once.events "gets each event once"
finish "$dup" TERM

# ---- where to begin ----
ok "durable=first goes on where it was" -- evsub "$url?durable=first" --once -o second.events
like err '500 records in, 500 out, 0 lost; streams 1' "with the second run"
ok "start=seq:" -- evsub "$url?start=seq:400" -n 10 -o seq.events
is "$(evdump -O json seq.events 2>/dev/null | head -n 1 | sed 's/.*"event":\([0-9]*\).*/\1/')" 398 \
	"begins in the middle of a run, with the card, and misses nothing"
evsub "$url?start=new" -n 1 -o new.events 2>new.err &
new=$!
until_true 3 test -e new.events
t=$(date -u -d '+1 second' +%Y-%m-%dT%H:%M:%SZ)
until_true 2 false
evbuild --quiet -c chec --run=9 -o third.events run.pcapng
ok "a third run" -- evpub "$url" third.events
finish $new
is "$(evdump -O json new.events 2>/dev/null | sed 's/.*"run":\([0-9]*\).*/\1/')" 9 "start=new begins with it"
ok "start=time:" -- evsub "$url?start=time:$t" -n 1 -o time.events
is "$(evdump -O json time.events 2>/dev/null | sed 's/.*"run":\([0-9]*\).*/\1/')" 9 "begins there too"

# ---- files that are continued ----
ok "the first 200" -- timeout 4 evsub "$url?durable=parts" --append -o parts.events -n 200
ok "and the rest" -- evsub "$url?durable=parts" --append -o parts.events --once --ack-after=fsync
same_events parts.events "are the run"
evdump --check parts.events >out 2>err
like out 'good: 500 events, 500 hashes verified, 2 of 2 sections' "in two sections, both whole"
ok "the second run begins" -- evsub "$url?durable=parts" --append -o parts.events -n 100

exits 2 "--append without durable=" -- evsub "$url" --append -o torn.events
evsub "$url?durable=parts" --once >/dev/null 2>held.err &
held=$!
finish $held
is "$status" 0 "the subscriber may go and come"
timeout 20 evsub "$url?durable=two" -o two.events 2>two.err &
two=$!
until_true 10 grep -q connected two.err
ok "a second subscriber under the same name" -- evsub "$url?durable=two" --duration=1s -o second.two
finish $two
is "$status" 4 "takes the place of the first,"
like two.err 'another program reads with durable=two now' "which says so"

# ---- kills ----
if nightly; then kills=100; else kills=3; fi
mkdir kills && cd kills || exit 99
simdet --quiet -c chec -n 2000 -o - | evbuild --quiet -c chec -o run.events
py "$top/t/kills.py" $kills "${FYKE_SEED:-1}" >../verdict 2>../kills.err
cd .. || exit 99
is "$(cat verdict)" "lost 0, doubled 0, in order" "$kills times kill -9 of publisher, subscriber or broker" || diag <kills.err

# ---- a broker that goes away, and one that stays away ----
ok "a broker that is restarted" -- sh -c "
	evpub '$url' run.events 2>/dev/null; kill -9 $one; exit 0"
exits 3 "timeout=1s: it stays away" -- evpub "$url?timeout=1s" run.events
like err 'nobody answers there' "is told"
exits 3 "evsub too" -- evsub "$url?timeout=1s" -o none.events
like err 'nobody answers there' "is told"

# ---- what it refuses ----
p=$(free_port)
broker "$p" auth 'authorization { user: camera, password: "right" }'
auth=$pid
url=nats://127.0.0.1:$p/RUNS/camera
secret() { (umask 077; printf 'user = camera\npassword = %s\n' "$2" >"$1"); }
secret right.key right
secret wrong.key wrong
exits 4 "no credentials" -- evpub "$url" run.events
like err 'it asks for a name or key \(--credentials=FILE\)' "what to do is told"
like err ' 0 out, [0-9]{1,3} held, 0 lost$' "and what it had is counted as held"
: >empty.key && chmod 600 empty.key
exits 4 "an empty file of credentials" -- evpub "$url" --credentials=empty.key run.events
like err 'empty.key: no user and password, no token, no secret key in it' "is told"
exits 4 "wrong credentials" -- evpub "$url" --credentials=wrong.key run.events
like err 'name and password or key are wrong' "is told"
exits 4 "wrong ones of a subscriber" -- evsub "$url" --credentials=wrong.key -o no.events
ok "the right ones" -- evpub "$url" --credentials=right.key run.events
ok "of the subscriber too" -- evsub "$url" --credentials=right.key --once -o yes.events
grep -rq 'right$' right.key && chmod 640 right.key
exits 4 "credentials that others may read" -- evpub "$url" --credentials=right.key run.events
finish "$auth" TERM

p=$(free_port)
broker "$p" small 'max_payload: 2000'
small=$pid
exits 4 "events longer than the broker takes" -- evpub "nats://127.0.0.1:$p/R/x" run.events
like err 'takes no messages of [0-9]+ bytes \(max_payload\)' "are told"
finish "$small" TERM

p=$(free_port)
broker "$p" full '' ', max_file_store: 500000'
full=$pid
exits 3 "a broker whose disk is full" -- evpub "nats://127.0.0.1:$p/R/x?timeout=1500ms" run.events
is "$(grep -c 'does not store: insufficient resources.*; what comes waits in memory' err)" 1 "is told while evpub waits, once"
finish "$full" TERM

# ---- three nodes ----
if nightly; then
	mkdir cluster && cd cluster || exit 99
	py "$top/t/cluster.py" >../verdict 2>../cluster.err
	cd .. || exit 99
	is "$(cat verdict)" "lost 0, doubled 0, in order" "three nodes, of which one is killed" || diag <cluster.err
fi
done_testing
