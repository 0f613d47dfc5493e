# seq-matrix.t - every call to the vendor's library fails, with every code: the message names the call,
# the symbol and what to do (make nightly does all of them, make check a part)
. "${0%/*}/lib.sh"
. "$top/t/lib-seq.sh"
lib=$FYKE_BUILD/t/fake-andor.so
cat >matrix.py <<'E2'
import concurrent.futures, os, re, subprocess, sys
lib, source, whole = sys.argv[1:]
calls = """GetAvailableCameras GetCameraHandle SetCurrentCamera Initialize GetDetector
GetTemperatureRange GetCapabilities GetMaximumBinning GetHeadModel GetCameraSerialNumber GetNumberAmp
GetNumberHSSpeeds GetHSSpeed GetFastestRecommendedVSSpeed GetNumberPreAmpGains SetTemperature CoolerON
SetCoolerMode SetImage GetTemperatureF SetReadMode SetAcquisitionMode SetTriggerMode SetADChannel
SetOutputAmplifier SetHSSpeed SetVSSpeed SetPreAmpGain SetShutter SetExposureTime GetAcquisitionTimings GetReadOutTime StartAcquisition
WaitForAcquisitionTimeOut GetStatus GetAcquiredData16 AbortAcquisition CoolerOFF ShutDown""".split()
# The table of codes, which a unit test compares with the documents' own; and a code that is in none.
text = open(source).read()
symbols = {int(c): s for c, s in re.findall(r'\{(2\d{4}), "(\w+)"', text)}
symbols[20500] = "UNKNOWN_CODE"
todo = {t for t in re.findall(r'"((?:[^"\\]|\\.)*\.)"', text)}
# What is no failure from that call.
good = {"GetTemperatureF": range(20034, 20041), "AbortAcquisition": (20073,), "SetCoolerMode": (20991,),
        "GetFastestRecommendedVSSpeed": (20991,), "GetNumberPreAmpGains": (20991,)}

def talk(call, code, dir):
    """Its standard output and standard error, and its exit status."""
    env = dict(os.environ, FAKE_ANDOR_FAULT="%s:%d" % (call, code), FAKE_ANDOR_LOG="/dev/null", FAKE_ANDOR_AMPS="2")
    p = subprocess.Popen(["seqd", "-i", "-b", "andor", "--dir=" + dir, "--camera=library=" + lib,
        "--margin=60ms", "--warm=-30"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=env)
    before, lines = "", "temp -10\nexpose 0.001\n"
    if call == "AbortAcquisition":
        p.stdin.write("expose 0.1\n")
        p.stdin.flush()
        while "integrating" not in before:
            before += p.stdout.readline()
        lines = "abort\n"
    out, err = p.communicate(lines, timeout=30)
    return before + out, err, p.returncode

def wrong(call, code, dir):
    """What is wrong with the message; "": nothing."""
    out, err, rc = talk(call, code, dir)
    symbol = symbols[code]
    if call == "WaitForAcquisitionTimeOut" and code == 20024: # an exposure that never ends
        told = [l for l in out.splitlines() if l.startswith("ERROR 00007 SEQ_TIMEOUT " + call)]
    else:
        told = [l for l in (out + err).splitlines() if call in l and "%d" % code in l and symbol in l and
                not l.startswith("* ")]
    why = ""
    # A camera that is not warmed up, or not put off, as it should be is an error at the end.
    if rc != (1 if call in ("GetTemperatureF", "CoolerOFF", "ShutDown") else 0):
        why = "exit %d" % rc
    elif not told:
        why = "not told"
    elif not any(t in l for l in told for t in todo):
        why = "not said what to do"
    elif any(l.startswith("NOTE") and " %s " % call in l and "%d" % code in l for l in out.splitlines()):
        why = "a failure that is a NOTE"
    return why and "%s:%d: %s\n%s%s" % (call, code, why, out, err)

pairs = [(c, k) for c in calls for k in symbols if k != 20002 and k not in good.get(c, ())]
if not whole:
    first = {"SetImage": 3, "StartAcquisition": 3, "Initialize": 3}
    pairs = [(c, k) for i, (c, k) in enumerate(pairs) if k == 20013 or (c in first and i % first[c] == 0)]
def one(pair):
    dir = "matrix%d" % (pairs.index(pair) % 1000000)
    os.mkdir(dir)
    return wrong(pair[0], pair[1], dir)
bad = 0
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for why in pool.map(one, pairs):
        if why:
            bad += 1
            print(why)
print("%d calls x %d codes, %d failures, %d not told" % (len(calls), len(symbols), len(pairs), bad))
sys.exit(bad != 0)
E2
whole=; nightly && whole=yes
if "$py" matrix.py "$lib" "$top/lib/cam/codes.c" "$whole" >matrix.txt 2>&1; then
	tap 0 "each failing call is named, with its symbol and what to do"
else
	tap 1 "each failing call is named, with its symbol and what to do"
	tail -n 30 matrix.txt | diag
fi
tail -n 1 matrix.txt | sed 's/^/# /'
done_testing
