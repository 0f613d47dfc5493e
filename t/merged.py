#!/usr/bin/python3
"""merged.py HOUR.nc RAWDIR TRUTHDIR: a merged hour against the raw files, read here by other means,
and against the truth that simdas wrote. Prints "name value" lines for a shell test."""
import os
import sys

import netCDF4
import numpy as np

path, rawdir, truthdir = sys.argv[1:4]
nc = netCDF4.Dataset(path)
nc.set_auto_maskandscale(False)
v = nc.variables
hour = os.path.basename(path)
day, hh = hour[:8], int(hour[9:11])
FILL = 9e36


def show(name, value):
    print(name, f"{value:.6g}" if isinstance(value, float) else value)


def files(prefix, folder, suffix):
    for k in range(60):
        m = hh * 60 + k
        p = f"{folder}/{day}/{prefix}_{day[2:]}_{m:04d}.{suffix}"
        if os.path.exists(p):
            yield k, p


channels = np.concatenate([np.arange(64 * h, 64 * h + 24) for h in range(6)])
wrong = samples = 0
for k, p in files("raw", rawdir, "bin"):
    b = open(p, "rb").read()
    header = 64
    n = min((len(b) - header) // 768, 3000)
    raw = np.frombuffer(b, ">i2", n * 384, header).reshape(n, 384)
    for name, ch in (("ac_bolos", channels), ("dc_bolos", channels + 32)):
        if name not in v:
            continue
        got = v[name][k * 3000:k * 3000 + 3000]
        wrong += int((got[:n] != np.maximum(raw[:, ch], -32767)).sum()) + int((got[n:] != -32768).sum())
    samples += n
    if "flags" not in v:
        continue
    flags = v["flags"][k * 3000:k * 3000 + 3000]
    rails = (np.abs(raw[:, channels].astype(int) + 0.5) > 32767) * 1 + (np.abs(raw[:, channels + 32].astype(int) + 0.5) > 32767) * 2
    wrong += int((flags[:n] != rails).sum()) + int((flags[n:] != 4).sum())
    trck = raw[:, 25] * (10 / 32768)
    wrong += int((np.abs(v["trck_das"][k * 3000:k * 3000 + n] - trck) > 1e-5).sum())
show("samples", samples)
show("wrong", wrong)

t = np.full((180000, 10), np.nan)
for k, p in files("truth", truthdir, "f64"):
    x = np.fromfile(p, "<f8").reshape(-1, 10)[:3000]
    t[k * 3000:k * 3000 + len(x)] = x
quality = v["quality"][:]
have = np.isfinite(t[:, 0]) & (quality & 1 == 0)
jd, ut = v["jd"][:], v["ut"][:]
ok = have & (ut >= 0)
err = (jd[ok] - 40587.0) * 86400 + ut[ok] * 3600 - t[ok, 0]
free = quality[ok] & (16 | 32 | 64) == 0
show("timed", int(ok.sum()))
show("flagged", int((~free).sum()))
if free.any():
    show("clock_rms_ms", float(np.sqrt((err[free] ** 2).mean()) * 1e3))
    show("clock_worst_ms", float(np.abs(err[free]).max() * 1e3))
show("offset_worst_ms", float(np.abs(v["time_offset"][:][ok][free] - t[ok, 1][free]).max() * 1e3) if free.any() else -1.0)

# Pointing: the clock's error times the rate is taken out, so that what is left is the records'
# quantum; where the rate itself changes within a sample nothing can be said.
point = ok & (quality & (2 | 4 | 16 | 32 | 64) == 0)
dt = (jd[point] - 40587.0) * 86400 + ut[point] * 3600 - t[point, 0]
for name, col, scale, turn in (("lst", 2, 54000.0, 24), ("ra", 3, 54000.0, 24), ("dec", 4, 3600.0, 0), ("pa", 5, 3600.0, 360),
                               ("az", 6, 3600.0, 360), ("el", 7, 3600.0, 0)):
    step = np.diff(t[:, col], prepend=np.nan)
    if turn:
        step = np.remainder(step + turn / 2, turn) - turn / 2
    rate = (step / np.diff(t[:, 0], prepend=np.nan))[point]
    d = v[name][:][point] - t[point, col]
    if turn:
        d = np.remainder(d + turn / 2, turn) - turn / 2
    d = (d - rate * dt) * scale
    bend = np.abs(np.diff(step, prepend=np.nan)) + np.abs(np.diff(step, append=np.nan))
    d = d[bend[point] * scale < 0.01]
    show(f"{name}_p99_arcsec", float(np.percentile(np.abs(d), 99)) if len(d) else -1.0)
show("pointed", int(point.sum()))
show("minute_states", int(v["minute_state"][:].sum()))
show("frames_written", int(v["frames_written"][:]))
show("pieces", int(v["clock_pieces"][:]))
show("verdict", int(v["check_verdict"][:]))
