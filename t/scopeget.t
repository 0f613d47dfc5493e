# scopeget.t - waveforms of an oscilloscope, whole and of one trigger, or a reason why not
# san: yes
. "${0%/*}/lib.sh"
export PYTHONPATH="$top/t" PYTHONDONTWRITEBYTECODE=1

py() { # py WORDS: the script on standard input passes
	/usr/bin/python3 - >pyout 2>&1
	tap $? "$@" || diag <pyout
}
# scope [OPTION...]: a simulator; its address in $address
scope() { start sim simscope --rate=2000 "$@"; sim=$pid; }

# ---- usage ----
exits 2 "no oscilloscope" -- scopeget -o x.nc
exits 2 "nothing to do" -- scopeget -d 127.0.0.1:1
like err 'say -o NAME' "with what to say"
exits 2 "an address that is none" -- scopeget -d '' -o x.nc
exits 2 "a port that is none" -- scopeget -d scope:99999 -o x.nc
exits 2 "a channel that is none" -- scopeget -d 127.0.0.1:1 -c 9 -o x.nc
exits 2 "a channel twice" -- scopeget -d 127.0.0.1:1 -c 1,C1 -o x.nc
exits 2 "no events" -- scopeget -d 127.0.0.1:1 -n 0 -o x.nc
exits 3 "nobody listens" -- scopeget -d 127.0.0.1:1 -o x.nc
like err '127.0.0.1.*nothing listens' "is said"
exits 3 "a host without a portmapper" -- scopeget -d 127.0.0.1 --portmapper=1 --patience=300ms -o x.nc
like err 'portmapper does not answer: .* \(HOST:PORT asks none\)' "is said, and what does without"

# ---- arms, waits, transfers all channels of the same trigger ----
mkdir disk
scope --portmapper=127.0.0.1:0 --disk=disk --points=500
mapper=$(sed -n 's/.*ready portmapper .*:\([0-9]*\)$/\1/p' sim.err)
printf 'C2:OFST 30MV\nC1:VDIV 50MV\n' >offset
ok "-c 1,2 -n 3: netCDF" -- scopeget -d "$address" -c 1,2 -n 3 --segments=1 --setup=offset -o run.nc
like err '3 acquisitions in, 3 out, 0 lost; triggers 3' "accounts for them"
like err 'LECROY,WR610ZI,LCRY12345' "and says what it talked to"
printf 'STO ALL_DISPLAYED,HDD\n' >store
scopeget -d "$address" --setup=store >out 2>err || diag <err
py "volts and seconds are those that the oscilloscope stored itself" <<'E2'
import netCDF4, numpy as np
from trc import trc
d = netCDF4.Dataset("run.nc")
assert d.data_model == "NETCDF3_64BIT_DATA", d.data_model
assert d["frames_written"][...] == 3 and list(d["acquisition"][:]) == [1, 2, 3]
assert abs(d["C2"].vertical_offset + 0.03) < 1e-6
assert "C3" not in d.variables and d["C1"].units == "V" and d["sample"].units == "s"
for name in "C1", "C2":
    t = trc("disk/%s00000.trc" % name)           # of the last acquisition
    assert np.abs(d[name][2] - t["volts"][0]).max() < 1e-7
    assert d[name].sample_interval == t["dx"] and d[name + "_first"][2] == t["x0"]
    assert np.allclose(d["sample"][:], np.arange(500) * t["dx"], rtol=1e-12, atol=0)
    assert t["volts"].min() < -0.05, "there is a pulse"
stamp = trc("disk/C100000.trc")["stamp"]
assert stamp[:5] == (2024, 2, 29, 0, 0), stamp   # past midnight of a leap year's February
assert d["time"].units == "seconds since 2024-02-28 00:00:00"
assert abs(d["time"][2] - (86400 + stamp[5])) < 1e-9
assert d["time"][0] < 86400 < d["time"][2], "time goes on over midnight"
E2
ok "xarray reads the file" -- /usr/bin/python3 -c '
import xarray
d = xarray.open_dataset("run.nc")
assert d["C1"].dims == ("event", "sample") and str(d["time"].values[2]).startswith("2024-02-29T00:00:00")'

# ---- never overwrites ----
cp run.nc kept.nc
exits 4 "a file that is there is not written again" -- scopeget -d "$address" -o run.nc
same run.nc kept.nc "and stays as it was"
like err 'run.nc: exists' "with the reason"

# ---- .trc, byte-identical to what the scope writes ----
rm disk/*
ok "by the portmapper, all channels that are on: .trc" -- scopeget -d 127.0.0.1 --portmapper="$mapper" --segments=20 -o seq.trc
scopeget -d "$address" --setup=store >out 2>err || diag <err
for c in 1 2 3 4; do
	same C$c-seq.trc disk/C${c}0000*.trc "C$c-seq.trc is what the oscilloscope stores"
done
is "$(find . -name '.*.part')" "" "nothing else is left"
rm disk/*
ok "16 bits, in another folder, two acquisitions" -- scopeget -d tcp:"$address" -c C2 -n 2 --word -o disk/w
is "$(ls disk)" "C2-w-00001.trc
C2-w-00002.trc" "numbered"
scopeget -d "$address" --setup=store >out 2>err || diag <err
! cmp -s disk/C2-w-00001.trc disk/C2-w-00002.trc
tap $? "each of its own trigger"
exits 4 "one file in the way is found before anything is measured" -- scopeget -d "$address" -c 1,2 -n 2 -o disk/w
is "$(find disk -name "*w*" | wc -l)" 2 "and no other was made"

# ---- sequence mode with trigger times ----
ok "--segments=100" -- scopeget -d "$address" -c 1,2 -n 2 --segments=100 -o seq.nc
ok "and .trc of the same length" -- scopeget -d "$address" -c 2 --segments=100 -o seq100
py "every segment is a record, with its trigger time and its first sample's" <<'E2'
import netCDF4, numpy as np
from trc import trc
d = netCDF4.Dataset("seq.nc")
assert len(d.dimensions["event"]) == 200
assert list(d["segment"][:]) == 2 * list(range(100))
assert list(d["acquisition"][:]) == 100 * [1] + 100 * [2]
t = d["since_first"][:]
assert t[0] == t[100] == 0 and (np.diff(t[:100]) > 0).all() and (np.diff(t[100:]) > 0).all()
assert np.abs((d["time"][:100] - d["time"][0]) - t[:100]).max() < 1e-10
x = trc("C2-seq100.trc")
assert x["segments"] == 100 == x["wanted"] and x["volts"].shape == (100, 500)
assert (np.diff(x["times"][:, 0]) > 0).all() and len(set(x["times"][:, 1])) == 100
E2

# ---- a portmapper that knows UDP only, and loses the first datagram ----
cat >mapper.py <<'E3'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
s.settimeout(30)
print("mapper: ready %d" % s.getsockname()[1], file=sys.stderr, flush=True)
s.recv(512)
m, peer = s.recvfrom(512)
assert struct.unpack(">14I", m)[1:] == (0, 2, 100000, 2, 3, 0, 0, 0, 0, 0x0607AF, 1, 6, 0), m
s.sendto(m[:4] + struct.pack(">6I", 1, 0, 0, 0, 0, int(sys.argv[1])), peer)
E3
direct=$address
start mapper /usr/bin/python3 mapper.py "${address##*:}"
ok "GETPORT by UDP" -- scopeget -d 127.0.0.1 --portmapper="$address" -c 1 --segments=1 -o udp.nc
finish "$pid"
is "$status" 0 "was asked as RFC 1833 says"
address=$direct

# ---- --setup sends remote commands and reads back ----
cat >setup <<'E3'
# how we see single photons; and no command
TDIV 50NS; C2:VDIV 20 MV
C2:TRLV -0.01;C2:TRSL NEG

TRSE EDGE,SR,C2
*IDN?
TDIV?
E3
ok "--setup alone" -- scopeget -d "$address" --setup=setup
printf 'TDIV 50NS\t5E-08\nC2:VDIV 20 MV\t0.02\nC2:TRLV -0.01\t-0.01\nC2:TRSL NEG\tNEG\nTRSE EDGE,SR,C2\tEDGE,SR,C2\n*IDN?\tLECROY,WR610ZI,LCRY12345,7.9.0\nTDIV?\t5E-08\n' >want
same out want "shows what the oscilloscope has now"
ok "the setup in etc/scope" -- scopeget -d "$address" --setup="$top/etc/scope/picosec.setup"
like out '^BWL C2,OFF	C1,ON,C2,OFF,C3,ON,C4,ON$' "is taken"
is "$(wc -l <err)" 2 "without a doubt"
printf 'TDIV 3NS\n' >adapted
exits 4 "a value that it takes otherwise" -- scopeget -d "$address" --setup=adapted -o never.nc
like err 'TDIV 3NS: the oscilloscope took 5E-09 instead' "is said"
[ ! -e never.nc ]; tap $? "and nothing is measured"
printf 'TDVI 3NS\nTDIV 50NS\n' >unknown
exits 1 "a command that it does not know" -- scopeget -d "$address" --setup=unknown --patience=400ms
like err 'TDVI 3NS: the oscilloscope does not know it' "is said"
like out 'TDIV 50NS' "and the next ones are sent"
exits 3 "a setup that is not there" -- scopeget -d "$address" --setup=nowhere
exits 3 "read-backs into a full disk" -- sh -c "exec scopeget -d $address --setup=setup >/dev/full"
ok "--status" -- scopeget -d "$address" -c 1 --segments=3 -o status.nc --status=st.json
is "$(field in st.json) $(field out st.json) $(field triggers st.json) $(field 'not stored' st.json)" "1 1 3 0" "counts"
finish "$sim" TERM

# ---- no trigger in time ----
scope --fault=no-trigger
direct=$address
exits 3 "no trigger in time" -- scopeget -d "$address" -c 1,2 --segments=5 --timeout=300ms -o none.nc
like err 'no trigger in 300ms: acquisition 1 of 1 did not happen' "is said"
exits 3 "nor for .trc" -- scopeget -d "$address" -c 1,2 --timeout=100ms -o none
is "$(find . -name '*none*')" "" "no file appears"
printf 'TRMD?\n' >mode
ok "it is left" -- scopeget -d "$address" --setup=mode
like out 'STOP' "stopped, not armed"

py "progress on a terminal; Ctrl-C ends it and stops the oscilloscope" <<E2
import os, pty, select, signal, subprocess, time
master, slave = pty.openpty()
p = subprocess.Popen(["scopeget", "-d", "$address", "-c", "1", "--timeout=60s", "-o", "ctrlc.nc"],
                     stderr=slave, stdout=subprocess.DEVNULL)
os.close(slave)
seen, end = b"", time.monotonic() + 20
while b"1 of 1: waiting for a trigger" not in seen and time.monotonic() < end:
    if select.select([master], [], [], 1)[0]:
        seen += os.read(master, 4096)
p.send_signal(signal.SIGINT)
code = p.wait(20)
try:
    while True:
        seen += os.read(master, 4096)
except OSError:
    pass
assert b"waiting for a trigger, 0 of 60 s" in seen, seen
assert code == 130, (code, seen)
assert b"stopped after 0 of 1" in seen, seen
assert not os.path.exists("ctrlc.nc")
E2
printf 'ARM\nWAIT 60\n*OPC?\n' >long
start held simscope --rate=0 --status=held.json
held=$pid
py "Ctrl-C aborts a read that the oscilloscope is still to answer" <<E2
import json, signal, subprocess, time
p = subprocess.Popen(["scopeget", "-d", "$address", "--setup=long", "--patience=60s"],
                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
end = time.monotonic() + 20
while json.load(open("held.json"))["held"] != 1 and time.monotonic() < end:
    time.sleep(0.02)
t = time.monotonic()
p.send_signal(signal.SIGINT)
code = p.wait(20)
assert (code, time.monotonic() - t < 1) == (130, True), (code, time.monotonic() - t, p.stderr.read())
E2
ok "it is free for others" -- scopeget -d "$address" --setup=mode
like out 'STOP' "and stopped"
finish "$held" TERM
is "$(field 'hung up' held.json)" 0 "no call was cut off"
address=$direct

ok "after Ctrl-C" -- scopeget -d "$address" --setup=mode
like out 'STOP' "it is stopped"
finish "$sim" TERM

scope --fault=partial
exits 3 "a sequence that does not end" -- scopeget -d "$address" -c 1 --segments=10 --timeout=300ms -o part.nc
like err 'only 5 of 10 segments came in 300ms: these are stored' "is said, and what came is kept"
is "$(ncdump -v segment part.nc | tr -d '\n' | sed 's/.*segment = \(.*\) ;}/\1/')" "0, 1, 2, 3, 4" "five segments"
finish "$sim" TERM

# More points than a record of netCDF takes: .trc has no such limit.
start sim simscope --points=5000000
exits 4 "5 million points for netCDF" -- scopeget -d "$address" -c 1 --segments=1 -o huge.nc
like err '5000000 samples .* use .trc' "are refused"
[ ! -e huge.nc ]; tap $? "and there is no file"
finish "$pid" TERM

start sim simscope --points=500 --delay=10ms --chunk=700
py "progress of a transfer on a terminal; a reader of standard output that leaves" <<E2
import os, pty, signal, subprocess
master, slave = pty.openpty()
p = subprocess.Popen(["scopeget", "-d", "$address", "-c", "3", "--segments=50", "-o", "pty.nc"],
                     stderr=slave, stdout=subprocess.DEVNULL)
os.close(slave)
seen = b""
try:
    while True:
        seen += os.read(master, 4096)
except OSError:
    pass
assert p.wait(20) == 0, seen
assert b"1 of 1: C3, 0.0 of 0.0 MB" in seen, seen
r, w = os.pipe()
os.close(r)
p = subprocess.Popen(["scopeget", "-d", "$address", "--setup=setup"], stdout=w, stderr=subprocess.PIPE)
os.close(w)
err = p.communicate(timeout=20)[1]
assert p.returncode == -signal.SIGPIPE, (p.returncode, err)
E2
finish "$pid" TERM
done_testing
