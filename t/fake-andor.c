/*
 * fake-andor.c - a library with the symbols of Andor's SDK 2, for tests: it refuses a wrong order
 * of calls, forgets settings after each image, and fails where it is told to
 *
 * FAKE_ANDOR_LOG    a file that gets the name and code of each call
 * FAKE_ANDOR_FAULT  CALL:CODE, or CALL:CODE@N for the N-th call only; commas between several
 * FAKE_ANDOR_LOCK   a file: only one process may be initialized with it (20992)
 * FAKE_ANDOR_TEMP   temperature at the start (20)
 * FAKE_ANDOR_SIZE   columns and rows (32)
 * FAKE_ANDOR_AMPS   output amplifiers (1)
 * FAKE_ANDOR_GATE   a FIFO: Initialize waits until somebody has opened it to write
 * FAKE_ANDOR_START  the same for StartAcquisition
 *
 * Written from the vendor's documentation, not from our own back end.
 */
/* clang-format off */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { OFF, IDLE, ACQUIRING };
enum { READ_MODE = 1, ACQ_MODE = 2, TRIGGER = 4, AD = 8, HS = 16, VS = 32, GAIN = 64, IMAGE = 128,
	SHUTTER = 256, TIME = 512, ALL = 1023 };

static int state = OFF, set, have, selected, cooler, target, lock = -1;
static int hbin, vbin, xa, xb, ya, yb, dark;
static double temperature = 20, exposure, started, cooled_at;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int size(void)
{
	const char *s = getenv("FAKE_ANDOR_SIZE");
	return s ? atoi(s) : 32;
}

static int amps(void)
{
	const char *s = getenv("FAKE_ANDOR_AMPS");
	return s ? atoi(s) : 1;
}

/* The code that was asked for, 0: none. */
static unsigned wanted(const char *call)
{
	static struct { char call[40]; int n; } seen[64];
	const char *p = getenv("FAKE_ANDOR_FAULT");
	int count = 0;

	for (int i = 0; i < 64; i++) {
		if (!seen[i].n)
			snprintf(seen[i].call, sizeof seen[i].call, "%s", call);
		if (!strcmp(seen[i].call, call)) {
			count = ++seen[i].n;
			break;
		}
	}
	for (; p && *p; p += strcspn(p, ","), p += *p == ',') {
		size_t n = strlen(call);
		unsigned code;
		int at = 0;
		if (strncmp(p, call, n) || p[n] != ':' || sscanf(p + n + 1, "%u@%d", &code, &at) < 1)
			continue;
		if (at == 0 || at == count)
			return code;
	}
	return 0;
}

static unsigned did(const char *call, unsigned code)
{
	const char *path = getenv("FAKE_ANDOR_LOG");
	FILE *f = path ? fopen(path, "ae") : NULL;

	if (f) {
		fprintf(f, "%s %u\n", call, code);
		fclose(f);
	}
	return code;
}

#define FAULT { unsigned f_ = wanted(__func__); if (f_) return did(__func__, f_); }
#define RETURN(code) return did(__func__, code)
#define NEED_ON { FAULT if (state == OFF) RETURN(20075); }
#define NEED_IDLE { NEED_ON if (state == ACQUIRING) RETURN(20072); }
/* A setting that only counts for the next image. */
#define SETTING(good, bit) { NEED_IDLE if (!(good)) RETURN(20066); set |= bit; RETURN(20002); }

#define SDK(args) \
	unsigned args; \
	unsigned args

/* Waits at the FIFO that this variable names. */
static void gate(const char *name)
{
	const char *path = getenv(name);

	if (path)
		close(open(path, O_RDONLY));
}

SDK(GetAvailableCameras(int *n)) { FAULT *n = 1; RETURN(20002); }
SDK(GetCameraHandle(int i, int *h)) { FAULT if (i) RETURN(20066); *h = 7; RETURN(20002); }
SDK(SetCurrentCamera(int h)) { FAULT if (h != 7) RETURN(20066); selected = 1; RETURN(20002); }

SDK(Initialize(char *dir))
{
	const char *path = getenv("FAKE_ANDOR_LOCK"), *t = getenv("FAKE_ANDOR_TEMP");

	FAULT
	gate("FAKE_ANDOR_GATE");
	if (!selected || !dir)
		RETURN(20003);
	if (path) {
		lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (flock(lock, LOCK_EX | LOCK_NB) < 0)
			RETURN(20992);
	}
	if (t)
		temperature = atof(t);
	cooled_at = now();
	state = IDLE;
	RETURN(20002);
}

static void drift(void)
{
	double t = now(), goal = cooler ? target : 20, step = (t - cooled_at) * 60;
	temperature += fmax(-step, fmin(step, goal - temperature));
	cooled_at = t;
}

SDK(ShutDown(void))
{
	FAULT
	drift();
	if (state != OFF && (cooler || temperature < -20.5))
		did("WRONG: power off while it is cold", 20049);
	if (lock >= 0)
		close(lock);
	lock = -1;
	state = OFF;
	RETURN(20002);
}

SDK(GetDetector(int *x, int *y)) { NEED_ON *x = *y = size(); RETURN(20002); }
SDK(GetTemperatureRange(int *lo, int *hi)) { NEED_ON *lo = -80; *hi = 10; RETURN(20002); }
SDK(GetCapabilities(unsigned *c)) { NEED_ON if (c[0] != 52) RETURN(20066); RETURN(20002); }
SDK(GetHeadModel(char *name)) { NEED_ON strcpy(name, "FAKE-1"); RETURN(20002); }
SDK(GetCameraSerialNumber(int *n)) { NEED_ON *n = 1234; RETURN(20002); }
SDK(GetMaximumBinning(int mode, int axis, int *n)) { NEED_ON if (mode != 4 || axis > 1) RETURN(20066); *n = 8; RETURN(20002); }
SDK(GetNumberAmp(int *n)) { NEED_ON *n = amps(); RETURN(20002); }
SDK(GetNumberHSSpeeds(int ch, int amp, int *n)) { NEED_ON if (ch || amp) RETURN(20066); *n = 2; RETURN(20002); }
SDK(GetHSSpeed(int ch, int amp, int i, float *mhz)) { NEED_ON if (ch || amp || i > 1) RETURN(20068); *mhz = i ? 0.05f : 2; RETURN(20002); }
SDK(GetFastestRecommendedVSSpeed(int *i, float *us)) { NEED_ON *i = 1; *us = 16; RETURN(20002); }
SDK(GetNumberPreAmpGains(int *n)) { NEED_ON *n = 2; RETURN(20002); }

SDK(SetTemperature(int t)) { NEED_IDLE if (t < -80 || t > 10) RETURN(20066); drift(); target = t; RETURN(20002); }
SDK(CoolerON(void)) { NEED_IDLE drift(); cooler = 1; RETURN(20002); }
SDK(CoolerOFF(void)) { NEED_IDLE drift(); cooler = 0; RETURN(20002); }
SDK(SetCoolerMode(int mode)) { NEED_IDLE if (mode < 0 || mode > 1) RETURN(20066); RETURN(20002); }

/* Never 20002. */
SDK(GetTemperatureF(float *t))
{
	NEED_IDLE
	drift();
	*t = (float)temperature;
	RETURN(!cooler ? 20034 : fabs(temperature - target) < 0.5 ? 20036 : 20037);
}

SDK(SetReadMode(int m)) SETTING(m == 4, READ_MODE)
SDK(SetAcquisitionMode(int m)) SETTING(m == 1, ACQ_MODE)
SDK(SetTriggerMode(int m)) SETTING(m == 0, TRIGGER)
SDK(SetADChannel(int i)) SETTING(i == 0, AD)
SDK(SetOutputAmplifier(int i)) SETTING(i >= 0 && i < amps(), 0)
SDK(SetHSSpeed(int amp, int i)) SETTING(amp >= 0 && amp < amps() && i >= 0 && i < 2, HS)
SDK(SetVSSpeed(int i)) SETTING(i == 1, VS)
SDK(SetPreAmpGain(int i)) SETTING(i >= 0 && i < 2, GAIN)

SDK(SetImage(int hb, int vb, int a, int b, int c, int d))
{
	NEED_IDLE
	if (hb < 1 || hb > 8)
		RETURN(20066);
	if (vb < 1 || vb > 8)
		RETURN(20067);
	if (a < 1 || a > size())
		RETURN(20068);
	if (b < a || b > size())
		RETURN(20069);
	if (c < 1 || c > size())
		RETURN(20076);
	if (d < c || d > size())
		RETURN(20077);
	hbin = hb, vbin = vb, xa = a, xb = b, ya = c, yb = d;
	set |= IMAGE;
	RETURN(20002);
}

SDK(SetShutter(int type, int mode, int closing, int opening))
{
	NEED_IDLE
	if (type < 0 || type > 1)
		RETURN(20066);
	if (mode != 0 && mode != 2)
		RETURN(20067);
	if (closing < 0 || opening < 0)
		RETURN(20068);
	dark = mode == 2;
	set |= SHUTTER;
	RETURN(20002);
}

SDK(SetExposureTime(float s)) { NEED_IDLE if (s < 0) RETURN(20066); exposure = s < 0.001f ? 0.001 : (double)s; set |= TIME; RETURN(20002); }
SDK(GetAcquisitionTimings(float *e, float *a, float *k)) { NEED_IDLE if (!(set & TIME)) RETURN(20078); *e = *a = *k = (float)exposure; RETURN(20002); }
SDK(GetReadOutTime(float *s)) { NEED_IDLE *s = 0.02f; RETURN(20002); }

SDK(StartAcquisition(void))
{
	NEED_IDLE
	if (set != ALL)
		RETURN(20017);
	if ((xb - xa + 1) % hbin || (yb - ya + 1) % vbin)
		RETURN(20099);
	gate("FAKE_ANDOR_START");
	have = 0;
	started = now();
	state = ACQUIRING;
	RETURN(20002);
}

static void look(void)
{
	if (state == ACQUIRING && now() - started >= exposure + 0.02) {
		state = IDLE;
		have = 1;
	}
}

SDK(WaitForAcquisitionTimeOut(int ms))
{
	double until = now() + ms / 1e3;
	unsigned fault = wanted(__func__);

	if (fault && fault != 20024)
		RETURN(fault);
	if (state == OFF)
		RETURN(20075);
	for (look(); state == ACQUIRING && now() < until; look())
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	if (fault) { /* an image that never ends */
		state = ACQUIRING;
		started = now();
		return 20024;
	}
	if (state == IDLE && have)
		RETURN(20002);
	return 20024;
}

SDK(GetStatus(int *s))
{
	/* A fault here is what the camera says of itself. */
	unsigned fault = wanted(__func__);

	look();
	*s = state == ACQUIRING ? 20072 : 20073;
	if (!fault || fault == 20002)
		return 20002;
	did(__func__, fault);
	if (fault == 20013 || fault == 20018 || fault == 20019 || fault == 20022 || fault == 20023 || fault == 20026) {
		*s = (int)fault;
		state = IDLE;
		return 20002;
	}
	return fault;
}

SDK(AbortAcquisition(void)) { NEED_ON if (state != ACQUIRING) RETURN(20073); state = IDLE; set = have = 0; RETURN(20002); }

SDK(GetAcquiredData16(unsigned short *px, unsigned n))
{
	NEED_IDLE
	look();
	int w = (xb - xa + 1) / hbin, h = (yb - ya + 1) / vbin;
	if (!have)
		RETURN(20024);
	if (!px)
		RETURN(20066);
	if (n != (unsigned)(w * h))
		RETURN(20067);
	for (unsigned i = 0; i < n; i++)
		px[i] = (unsigned short)(dark ? 100 : 40000 + i);
	set = have = 0;
	RETURN(20002);
}
