"""cluster.py: three NATS nodes on loopback, three copies; one is killed while a run is published, and
comes back. Each event must be there once, in order. Prints a verdict."""
import atexit, random, os, socket, struct, subprocess, sys, time

from pcapng import blocks

rnd = random.Random(int(os.environ.get("FYKE_SEED", "1")))
log = open("cluster.log", "w")


def ports(n):
    s = [socket.socket() for _ in range(n)]
    for x in s:
        x.bind(("127.0.0.1", 0))
    p = [x.getsockname()[1] for x in s]
    for x in s:
        x.close()
    return p


CLIENT, ROUTE = ports(3), ports(3)
URL = "nats://" + ",".join("127.0.0.1:%d" % p for p in CLIENT) + "/RUNS/camera"


def start(*command, stdin=subprocess.DEVNULL):
    p = subprocess.Popen(command, stdin=stdin, stdout=log, stderr=log)
    atexit.register(lambda: p.poll() is None and p.kill())
    return p


def node(i):
    open(f"node{i}.conf", "w").write(f"""
host: 127.0.0.1
port: {CLIENT[i]}
server_name: n{i}
jetstream {{ store_dir: "{os.getcwd()}/node{i}" }}
cluster {{ name: C, host: 127.0.0.1, port: {ROUTE[i]}, routes: [{", ".join(f'"nats://127.0.0.1:{p}"' for p in ROUTE)}] }}
""")
    return start("nats-server", "-c", f"node{i}.conf")


def ends_well(p, what):
    status = p.wait(240)
    assert status == 0, f"{what}: exit {status}\n" + open("cluster.log").read()[-2000:]


def events(path):
    return [struct.unpack_from("<Q", b, 28)[0] for k, b in blocks(open(path, "rb").read()) if k == 6]


nodes = [node(i) for i in range(3)]
subprocess.check_call("simdet --quiet -c chec -n 30000 -o - | evbuild --quiet -c chec -o big.events", shell=True)
whole, half = open("big.events", "rb").read(), rnd.randrange(10_000_000, 100_000_000)
pub = start("evpub", URL + "?replicas=3", stdin=subprocess.PIPE)
pub.stdin.write(whole[:half])       # evpub holds what is in memory and pipe, so it is in the midst of it
victim = rnd.randrange(3)
nodes[victim].kill()
nodes[victim].wait()
pub.stdin.write(whole[half:])
pub.stdin.close()
ends_well(pub, "evpub")
sub = start("evsub", URL + "?durable=x", "--once", "-o", "all.events")
ends_well(sub, "evsub")
nodes[victim] = node(victim)
again = start("evpub", URL, "big.events")
ends_well(again, "evpub once more")
second = start("evsub", URL + "?start=all", "--once", "-o", "second.events")
ends_well(second, "evsub of the three nodes")
want, verdicts = events("big.events"), set()
for f in ("all.events", "second.events"):
    got = events(f)
    verdicts.add(f"lost {len(set(want) - set(got))}, doubled {len(got) - len(set(got))}, "
                 f"{'in order' if got == want else 'out of order'}")
print(*sorted(verdicts))
