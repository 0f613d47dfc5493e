# mangle.t - loss, duplicates and disorder on the network: evbuild's counters are the truth's
# san: yes
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"

# What the counters must be, reckoned from simdet's truth: a record that is sent first and in time
# is stored; again, it is a duplicate, with other bytes a conflict; late, it is late. Sequence
# numbers that are not stored between two that are, are missing. A copy of a late record may be
# called either, and a late one from before a restart a stray.
cat >mangled.py <<'E2'
import subprocess
import sys
from chain import *

SOURCES = {"chec": 32, "roach2c": 13, "./tubes.card": 3}
RECORD = {"chec": 144, "roach2c": 8192, "./tubes.card": 25}


def reckon(card, sent, caught, restart):
    n = dict.fromkeys(("in", "out", "late", "duplicate", "conflict", "unknown source", "malformed",
                       "empty", "reordered", "gaps", "missing", "restarts"), 0)
    stored, too_late, newest, numbers, per_event, copies, across = {}, set(), {}, {}, {}, 0, 0
    begun, last = False, -1
    n["restarts"] = int(any(t.event >= restart for t in sent))
    for t, p in zip(sent, caught):
        assert len(p.data) == t.bytes
        n["in"] += max(t.records, 1)
        if t.records == 0:
            n["empty" if t.bytes == 0 else "malformed"] += 1
        elif t.source < 0:
            n["unknown source"] += t.records
        for k in range(t.records if t.source >= 0 else 0):
            key = t.source, t.event + k
            segment = key[1] >= restart
            data = p.data[k * RECORD[card]:(k + 1) * RECORD[card]]
            begun |= segment
            if "late" in t.fault and key[1] <= last:
                copies += key in too_late
                across += begun and not segment
                too_late.add(key)
                n["late"] += 1
            elif key in stored:
                n["duplicate" if stored[key] == data else "conflict"] += 1
            else:
                stored[key] = data
                per_event.setdefault(key[1], set()).add(t.source)
                n["out"] += 1
                last = max(last, key[1])
                n["reordered"] += key[1] < newest.get((key[0], segment), -1)
                newest[key[0], segment] = max(key[1], newest.get((key[0], segment), -1))
                if t.sequence is not None:
                    numbers.setdefault((key[0], segment), []).append(key[1])
    for have in numbers.values():
        have.sort()
        jumps = [b - a - 1 for a, b in zip(have, have[1:]) if b > a + 1]
        n["gaps"] += len(jumps)
        n["missing"] += sum(jumps)
    n["events"] = len(per_event)
    n["complete"] = sum(len(s) == SOURCES[card] for s in per_event.values())
    n["incomplete"] = n["events"] - n["complete"]
    return n, per_event, copies, across


def compare(card, restart, what, further=False):
    sent = truth("truth.tsv")
    want, per_event, copies, across = reckon(card, sent, packets("run.pcapng"), restart)
    s = status("evbuild.json")
    got = {k: s["lost"].get(k, s["also"].get(k, s.get(k))) for k in want}
    strays = s["lost"]["stray"]
    again = want["late"] - strays - got["late"]
    if strays <= across and 0 <= again <= copies:
        other = min(max(got["conflict"] - want["conflict"], 0), again)
        want["conflict"] += other
        want["duplicate"] += again - other
        want["late"] = got["late"]
    different = {k: "%d, in truth %d" % (got[k], want[k]) for k in want if got[k] != want[k]}
    if s["held"]:
        different["held"] = s["held"]
    built = [set(np.flatnonzero(e.present)) for e in events("run.events")]
    if built != [per_event[k] for k in sorted(per_event)]:
        different["masks"] = "not those of the truth"
    if different:
        print(what, different)
    elif further:
        downstream(card, want, per_event, what)
    return not different


def run(command):
    subprocess.run(command.split() + ["--max-loss=1000000000"], check=True, stderr=subprocess.DEVNULL)


def downstream(card, want, per_event, what):
    """The next programs: the events as raw2nc and evdump have them, the packets as raw2nc has them."""
    subprocess.run("rm -f run*.nc", shell=True)
    run("raw2nc -o run.nc --status=raw2nc.json run.events")
    s, v = status("raw2nc.json"), nc("run.nc")
    loss = dict(zip((bytes(n).rstrip(b"\0").decode() for n in v["loss_name"]), v["loss_count"]))
    masks = [per_event[k] for k in sorted(per_event)]
    assert s["in"] == s["out"] == len(v["time"]) == v["frames_written"] == want["events"], what
    assert [set(np.flatnonzero(p)) for p in v["present"]] == masks, what
    assert loss["incomplete events"] == s["also"]["incomplete"] == want["incomplete"], what
    assert loss["sources absent from incomplete events"] == len(masks) * SOURCES[card] - want["out"]
    text = subprocess.run("evdump -O json --status=evdump.json run.events".split(), check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    shown = [set(range(SOURCES[card])) - set(json.loads(e)["missing"]) for e in text.splitlines()]
    s = status("evdump.json")
    assert s["in"] == s["out"] == want["events"] and shown == masks, what
    run("raw2nc -c %s -o run_s.nc --status=raw2nc.json run.pcapng" % card)
    s, stored, lost = status("raw2nc.json"), 0, 0
    for f in os.listdir("."):
        if f.startswith("run_s"):
            v = nc(f)
            stored += int(v["frames_written"])
            assert (np.diff(v["time"]) > 0).all(), what
            lost += int(v["missing"].sum())
    assert s["in"] == want["in"] and s["out"] == stored and lost == s["also"]["missing"], what
    assert s["lost"]["wrong length"] == want["malformed"] + want["empty"], what
    assert s["lost"]["unknown source"] == want["unknown source"], what


if __name__ == "__main__":
    card, percent, seeds = sys.argv[1], sys.argv[2], range(*map(int, sys.argv[3].split("-")))
    more = sys.argv[4:]
    restart = int(more[more.index("--restart-at") + 1]) if "--restart-at" in more else 1 << 62
    good = True
    for seed in seeds:
        command = "simdet -c CARD -o run.pcapng --truth=truth.tsv --quiet --seed=%d" % seed
        faults = ["--%s=%s" % (f, percent) for f in ("drop", "dup", "swap", "late")]
        for old in ("run.pcapng", "truth.tsv", "run.events"):
            if os.path.exists(old):
                os.unlink(old)
        subprocess.run(command.replace("CARD", card).split() + faults + more, check=True)
        subprocess.run(["evbuild", "-c", card, "-o", "run.events", "--status=evbuild.json", "--quiet",
                        "--max-loss=1000000000", "run.pcapng"], check=True, stderr=subprocess.DEVNULL)
        good &= compare(card, restart, "%s, seed %d:" % (percent, seed), seed == seeds[0])
    print("good" if good else "bad")
E2

mangled() { # mangled WORDS -- CARD PERCENT SEEDS SIMDET-OPTIONS...
	words=$1; shift 2
	/usr/bin/python3 mangled.py "$@" >got 2>&1
	is "$(tail -n 1 got)" good "$words" || head -n 6 got | diag
}

last=4; ! nightly || last=100
for p in 0.1% 1% 10%; do
	mangled "chec, $p of everything" -- chec $p 1-$last -n 300
	mangled "roach2c, $p of everything, while clock and sequence wrap" -- \
		roach2c $p 1-$last -n 120 --clock0=-10000000 --seq0=-50
done
mangled "chec: conflicts, short ones, runts, empty ones, strangers" -- chec 1% 1-$last -n 300 \
	--conflict=2% --short=2% --runt=2% --empty=2% --stranger=2%
mangled "chec: the camera is restarted" -- chec 1% 1-$last -n 300 --restart-at 150
mangled "roach2c: the boards are restarted" -- roach2c 1% 1-$last -n 120 --restart-at 60 --seq0=1000000
mangled "roach2c: three boards alone are restarted: what comes late is no third segment" -- \
	roach2c 5% 1-$last -n 120 -m 3 --restart-at 60 --seq0=1000000

# One module of many is restarted: the others go on, and what it sends is told from late records.
for card in chec roach2c; do
	simdet -c $card -n 400 --restart-at=200.5 --quiet -o alone.pcapng
	exits 5 "$card: one module is restarted" -- evbuild -c $card -o alone.events --status=st.json alone.pcapng
	like err 'source 5 was restarted alone' "$card: it is said"
	like st.json '"late":0,.*"stray":200,.*"sources restarted alone":1' "$card: its records are strays, not late ones"
	rm -f alone.*
done

# Here the source is a byte of the record, and what changes places is one source's own records.
tubes 3 9
mangled "a card of the test: three boxes, whose numbers wrap at 512" -- ./tubes.card 10% 1-$last -n 900
mangled "one box" -- ./tubes.card 10% 1-$last -n 900 -m 1

# The same over real sockets: what one program gives, the next one has taken.
live_build="--hold=3s --max-loss=1000000"
for card in chec roach2c; do
	live $card -n 200 $([ $card = roach2c ] || echo --speed=100) --drop=2% --dup=2% --swap=2% \
		--conflict=2% --stranger=2% --runt=2% --empty=2%
	py $card <<-'E2' >got 2>&1
	import sys
	from mangled import *
	sim, udp, evb, out = (status(p + ".json") for p in ("simdet", "udp2raw", "evbuild", "raw2nc"))
	assert sim["out"] == udp["in"] == udp["out"] == len(packets("run.pcapng"))
	assert evb["also"]["events"] == out["in"] == out["out"] == len(nc("run.nc")["time"])
	assert nc("run.nc")["nrec"].sum() == evb["out"] == nc("run.nc")["present"].sum()
	assert compare(sys.argv[1], 1 << 62, "live")
	print("good")
	E2
	is "$(tail -n 1 got)" good "$card, live: the counters of each program are the truth's" || diag <got
	is "$(exit_of simdet udp2raw evbuild raw2nc)" "0 0 0 0" "$card, live: all end with 0"
done
done_testing
