"""cluster.py: three NATS nodes on loopback, three copies; one is killed while a run is published, and
comes back. Each event must be there once, in order. Prints a verdict; what went wrong stands on stderr,
with the seed (FYKE_SEED), and in the folder: each program's *.log and each node's."""
import json, os, random, signal, struct, subprocess, sys, time

from pcapng import blocks
from programs import free_ports, how, start, until

SEED = int(os.environ.get("FYKE_SEED", "1"))
rnd = random.Random(SEED)
CLIENT, ROUTE = free_ports(3), free_ports(3)
URL = "nats://" + ",".join("127.0.0.1:%d" % p for p in CLIENT) + "/RUNS/camera"
began = time.monotonic()
programs = []


def tell(*words):
    print("%6.2f s:" % (time.monotonic() - began), *words, file=sys.stderr, flush=True)


def node(i):
    open(f"node{i}.conf", "w").write(f"""
host: 127.0.0.1
port: {CLIENT[i]}
server_name: n{i}
jetstream {{ store_dir: "{os.getcwd()}/node{i}" }}
cluster {{ name: C, host: 127.0.0.1, port: {ROUTE[i]}, routes: [{", ".join(f'"nats://127.0.0.1:{p}"' for p in ROUTE)}] }}
""")
    return start("nats-server", "-c", f"node{i}.conf", log=open(f"node{i}.log", "a"))


def run(name, *command, **more):
    tell(name, "begins")
    programs.append(start(*command, log=open(name + ".log", "w"), **more))
    return programs[-1]


def fail(why):
    for log in sorted(f for f in os.listdir() if f.endswith(".log")):
        tell(log + ":", *open(log).read().splitlines(True)[-12:])
    sys.exit(f"seed {SEED}: {why}")


def ends_well(p, name):
    status = p.wait()
    tell(name, "ended:", how(status))
    if status:
        fail(f"{name}: {how(status)}")


def stuck(*_):
    """A core, where they are kept, shows where each stands."""
    for p in programs:
        p.send_signal(signal.SIGABRT)
        p.wait()
    fail("not done in 10 minutes")


def events(path):
    return [struct.unpack_from("<Q", b, 28)[0] for k, b in blocks(open(path, "rb").read()) if k == 6]


def ranges(numbers):
    """"3-7 9" """
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(f"{a}-{b}" if a < b else str(a) for a, b in out[:10])


def judge(path, want):
    got = events(path)
    lost, doubled = set(want) - set(got), len(got) - len(set(got))
    if got != want:
        wrong = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        tell(f"seed {SEED}, {path}: {len(got)} events; lost {ranges(lost) or 'none'}; from place {wrong} on they are", got[wrong:wrong + 5])
    return f"lost {len(lost)}, doubled {doubled}, {'in order' if got == want else 'out of order'}"


def stored():
    """Events that evpub knows to be stored."""
    return os.path.exists("pub.json") and json.load(open("pub.json"))["out"]


signal.signal(signal.SIGALRM, stuck)
signal.alarm(600)
nodes = [node(i) for i in range(3)]
subprocess.check_call("simdet --quiet -c chec -n 30000 -o - | evbuild --quiet -c chec -o big.events", shell=True)
whole, half = open("big.events", "rb").read(), rnd.randrange(10_000_000, 100_000_000)
pub = run("evpub", "evpub", URL + "?replicas=3", "--status=pub.json", stdin=subprocess.PIPE)
first = 1_000_000
pub.stdin.write(whole[:first])
pub.stdin.flush()
until("three copies are made", stored, 60)  # that takes three nodes
pub.stdin.write(whole[first:half])          # evpub holds what is in memory and pipe: it is in the midst of it
victim = rnd.randrange(3)
nodes[victim].kill()
nodes[victim].wait()
tell(f"node {victim} was killed, after {half} of {len(whole)} bytes")
pub.stdin.write(whole[half:])
pub.stdin.close()
ends_well(pub, "evpub")
sub = run("evsub", "evsub", URL + "?durable=x", "--once", "-o", "all.events")
ends_well(sub, "evsub")
nodes[victim] = node(victim)
tell(f"node {victim} is back")
again = run("evpub-again", "evpub", URL, "big.events")
ends_well(again, "evpub-again")
second = run("evsub-second", "evsub", URL + "?start=all", "--once", "-o", "second.events")
ends_well(second, "evsub-second")
want = events("big.events")
print(*sorted({judge(f, want) for f in ("all.events", "second.events")}))
