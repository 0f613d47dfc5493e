# faults.t - every write, sync, name and close fails in turn: nothing is lost without a word
. "${0%/*}/lib.sh"
. "$top/t/lib-chain.sh"
[ -z "${FYKE_SAN:-}" ] || skip_all "an injector is preloaded"

# Inputs and what they give when nothing fails.
simdet -c chec -n 300 -o run.pcapng --quiet
evbuild -c chec -o run.events --quiet run.pcapng
raw2nc -o run.nc --quiet run.events
evdump -O tsv -f amplitude -n 60 run.events >run.tsv 2>err
simdet -c roach2c -m 2 -n 6 -o boards.pcapng --quiet
raw2nc -c roach2c -o boards.nc --quiet boards.pcapng
: >senders.tsv

cat >fault.py <<'E2'
"""fault.py CASE PART: the case again and again, another call failing each time (later ones in
steps of a PARTth)"""
import itertools
import shutil
import signal
import socket
import subprocess
import sys
from chain import *

SHIM = os.environ["FYKE_BUILD"] + "/t/shim-fail.so"
REASON = {"ENOSPC": "No space left", "EIO": "Input/output error", "EINTR": "Interrupted"}


def same(got, want):
    return lambda: slurp("try/" + got) == slurp(want)


def same_nc(got, want):
    def check():
        try:
            a, b = nc("try/" + got), nc(want)
        except OSError:
            return False
        return a.keys() == b.keys() and all(same_values(a[k], b[k]) for k in a)
    return check


def prefix_nc(got, want):
    """A netCDF file that people see opens, and is right as far as it says."""
    def check():
        if not os.path.exists("try/" + got):
            return True
        a, b = nc("try/" + got), nc(want)
        n = int(a["frames_written"])
        return all(same_values(a[k][:n], b[k][:n]) for k in ("time", "clock", "tack", "amplitude") if k in b)
    return check


def prefix(got, want):
    return lambda: slurp(want).startswith(slurp("try/" + got))


def whole_folder():
    """Only whole captures have final names."""
    return all(subprocess.run(["evdump", "--check", "try/" + f], stdout=subprocess.DEVNULL).returncode == 0
               for f in os.listdir("try") if f.endswith(".pcapng") and ".cut." not in f and f[0] != ".")


def folder_has_all():
    names = [f for f in os.listdir("try") if f.endswith(".pcapng") and ".cut." not in f and f[0] != "."]
    return sum(len(packets("try/" + f)) for f in names) == 8


def capture_has_all():
    return len(packets("try/out")) == 8 and subprocess.run(
        ["evdump", "--check", "try/out"], stdout=subprocess.DEVNULL).returncode == 0


# command; where standard output goes; everything is there; what is there is no lie; the name in messages
CASES = {
    "simdet": ("simdet -c chec -n 300 -o try/out --quiet", None, same("out", "run.pcapng"), prefix("out", "run.pcapng"), "try/out"),
    "simdet-pipe": ("simdet -c chec -n 300 -o - --quiet", "pipe", same("out", "run.pcapng"), prefix("out", "run.pcapng"), "standard output"),
    "evbuild": ("evbuild -c chec -o try/out --quiet run.pcapng", None, same("out", "run.events"), prefix("out", "run.events"), "try/out"),
    "evbuild-file": ("evbuild -c chec --quiet run.pcapng", "file", same("out", "run.events"), prefix("out", "run.events"), "standard output"),
    "evbuild-pipe": ("evbuild -c chec --quiet run.pcapng", "pipe", same("out", "run.events"), prefix("out", "run.events"), "standard output"),
    "raw2nc": ("raw2nc -o try/out.nc --quiet --every=1ms run.events", None, same_nc("out.nc", "run.nc"), prefix_nc("out.nc", "run.nc"), "out.nc"),
    "raw2nc-boards": ("raw2nc -c roach2c -o try/out.nc --quiet boards.pcapng", None, same_nc("out_s00.nc", "boards_s00.nc"), prefix_nc("out_s00.nc", "boards_s00.nc"), "out"),
    "raw2nc-channel": ("raw2nc -c roach2c -o try/out.nc --layout=channel --quiet boards.pcapng", None, same_nc("out_s00.nc", "channel_s00.nc"), prefix_nc("out_s00.nc", "channel_s00.nc"), "out"),
    "raw2nc-nc4": ("raw2nc -o try/out.nc --final=nc4 --quiet run.events", None, same_nc("out.nc", "final.nc"), prefix_nc("out.nc", "run.nc"), "out"),
    "evdump-file": ("evdump -O tsv -f amplitude -n 60 run.events", "file", same("out", "run.tsv"), prefix("out", "run.tsv"), "standard output"),
    "evdump-pipe": ("evdump -O tsv -f amplitude -n 60 run.events", "pipe", same("out", "run.tsv"), prefix("out", "run.tsv"), "standard output"),
    "udp2raw": ("udp2raw -l 127.0.0.1:0 -n 8 --quiet --min-free=0 -o try/out", "socket", capture_has_all, lambda: True, "try/out"),
    "udp2raw-pipe": ("udp2raw -l 127.0.0.1:0 -n 8 --quiet --min-free=0", "socket pipe", capture_has_all, lambda: True, "output"),
    "udp2raw-folder": ("udp2raw -l 127.0.0.1:0 -n 8 --quiet --min-free=0 --dir=try --rotate=1h", "socket", folder_has_all, whole_folder, "try"),
}
name, part = sys.argv[1], int(sys.argv[2])
command, output, everything, truthful, called = CASES[name]


def send(p):
    """Eight datagrams for a capture, as soon as it is ready."""
    lines = []
    for line in p.stderr:
        line = line.decode()
        lines.append(line)
        if ": ready " in line:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            host, port = line.split()[-1].rsplit(":", 1)
            for i in range(8):
                s.sendto(bytes([i]) * 144, (host, int(port)))
            s.close()
            break
    return "".join(lines)


def run(call, how, at, sticky):
    shutil.rmtree("try", ignore_errors=True)
    os.mkdir("try")
    env = dict(os.environ, LD_PRELOAD=SHIM, FAIL_CALL=call, FAIL_HOW=how, FAIL_AT=str(at), FAIL_MARK="try/mark")
    if sticky:
        env["FAIL_STICKY"] = "1"
    where = subprocess.PIPE if output and "pipe" in output else \
        open("try/out", "wb") if output == "file" else subprocess.DEVNULL
    # unbuffered: what send() does not take is left for communicate()
    p = subprocess.Popen(command.split(), env=env, stdin=subprocess.DEVNULL, stdout=where,
                         stderr=subprocess.PIPE, bufsize=0)
    first = send(p) if output and "socket" in output else ""
    try:
        if where == subprocess.PIPE:
            data = p.stdout.read()
            with open("try/out", "wb") as f:
                f.write(data)
            text = p.stderr.read()
            p.wait(20)
        else:
            _, text = p.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        return True, "hangs"
    text = first + text.decode()
    code = p.returncode
    if not os.path.exists("try/mark"):
        return False, None
    os.unlink("try/mark")
    good = everything() if code in (0, 5) or how in ("EINTR", "SHORT") else None
    if code in (0, 5):
        return True, None if good else "ends with %d, but not everything is there" % code
    if code != 3:
        return True, "ends with %d: %s" % (code, text)
    if how == "SHORT" or how == "EINTR" and "nc4" not in name:  # there libnetcdf writes by itself
        return True, "gives up: %s" % text
    if not truthful():
        return True, "left something under its final name that is not whole"
    if "nc4" in name and "whole in its first layout" in text:  # its library names other reasons, or crashes
        return True, None
    reason = REASON["EIO"] if call == "close" else REASON[how]
    if reason not in text or called not in text:
        return True, "does not say %s and %s: %s" % (called, reason, text)
    return True, None


bad, calls = 0, {}
for call, hows in (("write", ("ENOSPC", "EIO", "EINTR", "SHORT")), ("sync", ("EIO", "ENOSPC", "EINTR")),
                   ("name", ("EIO", "ENOSPC")), ("close", ("EIO",))):
    for how, sticky in itertools.product(hows, (False, True)):
        if sticky and how in ("EINTR", "SHORT") or "nc4" in name and part == 1 and how != "ENOSPC":
            continue
        at = 1
        while True:
            failed, why = run(call, how, at, sticky)
            if not failed:
                break
            calls[call] = at
            if why:
                bad += 1
                print("%s %s number %d%s: %s" % (how, call, at, " and all after it" if sticky else "", why.strip()))
            at += max(1, at // part)
print("calls that failed:", calls)
print("bad" if bad or not calls else "good")
E2
raw2nc -o final.nc --final=nc4 --quiet run.events
raw2nc -c roach2c -o channel.nc --layout=channel --quiet boards.pcapng

part=1; ! nightly || part=1000000
cases="simdet simdet-pipe evbuild evbuild-file evbuild-pipe raw2nc raw2nc-boards raw2nc-channel
	raw2nc-nc4 evdump-file evdump-pipe udp2raw udp2raw-pipe udp2raw-folder"
for case in ${FYKE_FAULTS:-$cases}; do
	here=$part
	[ "$case" != raw2nc-channel ] || ! nightly || here=40 # it writes each channel by itself: thousands
	/usr/bin/python3 fault.py "$case" "$here" >got 2>&1
	is "$(tail -n 1 got)" good "$case: whatever fails, it says so, or nothing is missing" || head -n 12 got | cut -c 1-300 | diag
	[ -z "${FYKE_FAULTS_VERBOSE:-}" ] || tail -n 2 got | diag
done
done_testing
