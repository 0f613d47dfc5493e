/* sim.c - a simulated camera, with the calls of Andor's SDK 2 and the faults that you ask for */
#include "cam/sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/random.h"
#include "base/tim.h"
#include "cam/codes.h"
#include "cam/sdk.h"

#define FAULTS    16
#define MAX_BIN   16
#define TAU       180.0 /* s in which a temperature difference falls to 1/e */
#define AMBIENT   20.0
#define T_MIN     (-100)
#define T_MAX     20
#define EXP_MIN   1e-5 /* s; the SDK rounds up to such a time too */
#define BIAS      1000.0
#define READNOISE 4.0
#define SKY       2.0 /* counts per second and pixel */
#define DARK_20   5.0 /* at 20 C; a tenth at 23 degrees less */
#define STARS     60
#define STAR_HALF 7   /* pixels of a star on each side */
#define STAR_S    1.6 /* sigma, pixels */

/* The SDK knows no handles: there is one camera in a process. */
static struct {
	int width, height, amps;
	uint64_t seed;
	double speed, mhz;

	bool on, cooler;
	double temp, set_point;
	int64_t temp_at;

	int xbin, ybin, x1, x2, y1, y2;
	bool image_set, closed, fast;
	double exposure;

	enum { NOTHING, INTEGRATING, READING, DATA } state;
	double total, light;    /* s asked, and collected up to `since` */
	int64_t since, read_at; /* tim_mono() */
	bool held;
	uint64_t images;

	unsigned cannot;
	struct fault {
		char call[40];
		unsigned code;
		int at, seen; /* at 0: always */
	} fault[FAULTS];
	int nfaults;
} sim;

static unsigned fault(const char *call)
{
	for (int i = 0; i < sim.nfaults; i++) {
		struct fault *f = &sim.fault[i];
		if (strcmp(f->call, call) == 0 && (++f->seen == f->at || f->at == 0))
			return f->code;
	}
	return 0;
}

#define FAULT                                                                                      \
	do {                                                                                       \
		unsigned fault_code = fault(__func__);                                             \
		if (fault_code)                                                                    \
			return fault_code;                                                         \
	} while (0)
#define ON                                                                                         \
	do {                                                                                       \
		FAULT;                                                                             \
		if (!sim.on)                                                                       \
			return DRV_NOT_INITIALIZED;                                                \
	} while (0)
/* What may not be set while an image is taken. */
#define IDLE                                                                                       \
	do {                                                                                       \
		ON;                                                                                \
		advance();                                                                         \
		if (sim.state == INTEGRATING || sim.state == READING)                              \
			return DRV_ACQUIRING;                                                      \
	} while (0)

/* ---- time ---- */

static double passed(int64_t since, int64_t now)
{
	return (double)(now - since) / 1e9 * sim.speed;
}

static double readout_time(void)
{
	double n = (double)((sim.x2 - sim.x1 + 1) / sim.xbin) * ((sim.y2 - sim.y1 + 1) / sim.ybin);

	return n / (sim.mhz * (sim.fast ? 2e6 : 1e6));
}

static double collected(int64_t now)
{
	return sim.light + (sim.held ? 0 : passed(sim.since, now));
}

/* Brings the state up to this moment. */
static void advance(void)
{
	int64_t now = tim_mono();

	if (sim.state == INTEGRATING && collected(now) >= sim.total) {
		double over = collected(now) - sim.total;
		sim.read_at = now - (sim.held ? 0 : (int64_t)(over / sim.speed * 1e9));
		sim.light = sim.total;
		sim.state = READING;
	}
	if (sim.state == READING && passed(sim.read_at, now) >= readout_time())
		sim.state = DATA;
}

/* ---- life ---- */

static unsigned GetAvailableCameras(int *n)
{
	FAULT;
	*n = 1;
	return DRV_SUCCESS;
}

static unsigned GetCameraHandle(int i, int *handle)
{
	FAULT;
	*handle = 100;
	return i == 0 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned SetCurrentCamera(int handle)
{
	FAULT;
	return handle == 100 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned Initialize(char *dir)
{
	(void)dir;
	FAULT;
	sim.on = true;
	sim.state = NOTHING;
	sim.image_set = false;
	sim.temp_at = tim_mono();
	return DRV_SUCCESS;
}

static unsigned ShutDown(void)
{
	FAULT;
	sim.on = false;
	return DRV_SUCCESS;
}

static unsigned GetDetector(int *x, int *y)
{
	ON;
	*x = sim.width;
	*y = sim.height;
	return DRV_SUCCESS;
}

static unsigned GetCapabilities(struct sdk_capabilities *c)
{
	ON;
	if (c->size != sizeof *c)
		return DRV_P1INVALID;
	c->camera_type = 19; /* AC_CAMERATYPE_SIMCAM */
	return DRV_SUCCESS;
}

static unsigned GetHeadModel(char *name)
{
	ON;
	strcpy(name, "simulated");
	return DRV_SUCCESS;
}

static unsigned GetCameraSerialNumber(int *n)
{
	ON;
	*n = 1;
	return DRV_SUCCESS;
}

static unsigned GetMaximumBinning(int mode, int axis, int *n)
{
	ON;
	(void)mode, (void)axis;
	*n = MAX_BIN;
	return DRV_SUCCESS;
}

/* ---- temperature ---- */

static double temperature(void)
{
	int64_t now = tim_mono();
	double goal = sim.cooler ? sim.set_point : AMBIENT;

	sim.temp = goal + (sim.temp - goal) * exp(-passed(sim.temp_at, now) / TAU);
	sim.temp_at = now;
	return sim.temp;
}

static unsigned GetTemperatureRange(int *lo, int *hi)
{
	ON;
	*lo = T_MIN;
	*hi = T_MAX;
	return DRV_SUCCESS;
}

static unsigned SetTemperature(int t)
{
	IDLE;
	if (t < T_MIN || t > T_MAX)
		return DRV_P1INVALID;
	(void)temperature();
	sim.set_point = t;
	return DRV_SUCCESS;
}

static unsigned CoolerON(void)
{
	IDLE;
	(void)temperature();
	sim.cooler = true;
	return DRV_SUCCESS;
}

static unsigned CoolerOFF(void)
{
	IDLE;
	(void)temperature();
	sim.cooler = false;
	return DRV_SUCCESS;
}

static unsigned SetCoolerMode(int mode)
{
	ON;
	return mode == 0 || mode == 1 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned GetTemperatureF(float *t)
{
	IDLE;
	*t = (float)temperature();
	if (!sim.cooler)
		return DRV_TEMP_OFF;
	double off = fabs((double)*t - sim.set_point);
	return off < 0.1 ? DRV_TEMP_STABILIZED
	    : off < 1    ? DRV_TEMP_NOT_STABILIZED
			 : DRV_TEMP_NOT_REACHED;
}

/* ---- settings ---- */

static unsigned GetNumberAmp(int *n)
{
	ON;
	*n = sim.amps;
	return DRV_SUCCESS;
}

static unsigned GetNumberHSSpeeds(int channel, int type, int *n)
{
	ON;
	(void)channel, (void)type;
	*n = 2;
	return DRV_SUCCESS;
}

static unsigned GetHSSpeed(int channel, int type, int i, float *mhz)
{
	ON;
	(void)channel, (void)type;
	*mhz = (float)(i == 0 ? 2 * sim.mhz : sim.mhz);
	return DRV_SUCCESS;
}

static unsigned GetFastestRecommendedVSSpeed(int *i, float *us)
{
	ON;
	*i = 0;
	*us = 10;
	return DRV_SUCCESS;
}

static unsigned GetNumberPreAmpGains(int *n)
{
	ON;
	*n = 2;
	return DRV_SUCCESS;
}

static unsigned SetReadMode(int mode)
{
	IDLE;
	return mode == 4 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned SetAcquisitionMode(int mode)
{
	IDLE;
	return mode == 1 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned SetTriggerMode(int mode)
{
	IDLE;
	return mode == 0 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned SetADChannel(int i)
{
	IDLE;
	return i == 0 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned SetOutputAmplifier(int i)
{
	IDLE;
	return i >= 0 && i < sim.amps ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned SetHSSpeed(int type, int i)
{
	IDLE;
	if (type < 0 || type >= sim.amps)
		return DRV_P1INVALID;
	if (i < 0 || i > 1)
		return DRV_P2INVALID;
	sim.fast = i == 0;
	return DRV_SUCCESS;
}

static unsigned SetVSSpeed(int i)
{
	IDLE;
	return i == 0 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned SetPreAmpGain(int i)
{
	IDLE;
	return i == 0 || i == 1 ? DRV_SUCCESS : DRV_P1INVALID;
}

static unsigned SetImage(int hbin, int vbin, int x1, int x2, int y1, int y2)
{
	IDLE;
	if (hbin < 1 || hbin > MAX_BIN)
		return DRV_P1INVALID;
	if (vbin < 1 || vbin > MAX_BIN)
		return DRV_P2INVALID;
	if (x1 < 1 || x1 > sim.width)
		return DRV_P3INVALID;
	if (x2 < x1 || x2 > sim.width)
		return DRV_P4INVALID;
	if (y1 < 1 || y1 > sim.height)
		return DRV_P5INVALID;
	if (y2 < y1 || y2 > sim.height)
		return DRV_P6INVALID;
	sim.xbin = hbin, sim.ybin = vbin;
	sim.x1 = x1, sim.x2 = x2, sim.y1 = y1, sim.y2 = y2;
	sim.image_set = true;
	return DRV_SUCCESS;
}

static unsigned SetShutter(int type, int mode, int closing, int opening)
{
	IDLE;
	(void)closing, (void)opening;
	if (type < 0 || type > 1)
		return DRV_P1INVALID;
	sim.closed = mode == 2;
	return DRV_SUCCESS;
}

static unsigned SetExposureTime(float s)
{
	IDLE;
	if (!(s >= 0))
		return DRV_P1INVALID;
	sim.exposure = (double)s > EXP_MIN ? (double)s : EXP_MIN;
	return DRV_SUCCESS;
}

static unsigned GetAcquisitionTimings(float *exposure, float *accumulate, float *kinetic)
{
	IDLE;
	*exposure = (float)sim.exposure;
	*accumulate = *kinetic = (float)(sim.exposure + readout_time());
	return DRV_SUCCESS;
}

static unsigned GetReadOutTime(float *s)
{
	IDLE;
	*s = (float)readout_time();
	return DRV_SUCCESS;
}

/* ---- one image ---- */

static unsigned StartAcquisition(void)
{
	IDLE;
	if (!sim.image_set)
		return 20017;
	if ((sim.x2 - sim.x1 + 1) % sim.xbin || (sim.y2 - sim.y1 + 1) % sim.ybin)
		return DRV_BINNING_ERROR;
	sim.total = sim.exposure;
	sim.light = 0;
	sim.held = false;
	sim.since = tim_mono();
	sim.state = INTEGRATING;
	return DRV_SUCCESS;
}

/* When the image will be there; INT64_MAX while it is held. */
static int64_t ready_at(void)
{
	int64_t now = tim_mono();

	if (sim.state == READING)
		return sim.read_at + (int64_t)(readout_time() / sim.speed * 1e9);
	if (sim.state != INTEGRATING)
		return now;
	if (sim.held)
		return INT64_MAX;
	return now + (int64_t)((sim.total - collected(now) + readout_time()) / sim.speed * 1e9);
}

static unsigned WaitForAcquisitionTimeOut(int ms)
{
	unsigned code = fault(__func__);
	int64_t until = tim_mono() + ms * TIM_MS, ready = ready_at();

	if (!sim.on)
		return DRV_NOT_INITIALIZED;
	if (code && code != DRV_NO_NEW_DATA)
		return code;
	(void)tim_sleep_until(!code && ready < until ? ready : until);
	advance();
	/* The fault "no new data" is a camera that never ends. */
	if (code) {
		sim.state = READING;
		sim.read_at = tim_mono();
	}
	return sim.state == DATA ? DRV_SUCCESS : DRV_NO_NEW_DATA;
}

static unsigned GetStatus(int *status)
{
	ON;
	advance();
	*status = sim.state == INTEGRATING || sim.state == READING ? DRV_ACQUIRING : DRV_IDLE;
	return DRV_SUCCESS;
}

static unsigned AbortAcquisition(void)
{
	ON;
	bool was = sim.state == INTEGRATING || sim.state == READING;
	sim.state = NOTHING;
	return was ? DRV_SUCCESS : DRV_IDLE;
}

/* ---- pixels ---- */

static uint16_t clip(double v)
{
	return (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
}

/* Bias, dark current, sky; the sum of 64 random bits has the variance 16. */
static void background(uint16_t *px, size_t n, double level, double sigma, uint64_t random)
{
	int32_t scale = (int32_t)(sigma / 4 * 256), mean = (int32_t)(level * 256);
	uint64_t s = random;

	for (size_t i = 0; i < n; i++) {
		int32_t v = mean + (__builtin_popcountll(random_next(&s)) - 32) * scale;
		v >>= 8;
		px[i] = (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
	}
}

static void star(uint16_t *px, int columns, int rows, double x, double y, double flux)
{
	for (int j = (int)y - STAR_HALF; j <= (int)y + STAR_HALF; j++) {
		for (int i = (int)x - STAR_HALF; i <= (int)x + STAR_HALF; i++) {
			if (i < sim.x1 || i > sim.x2 || j < sim.y1 || j > sim.y2)
				continue;
			int c = (i - sim.x1) / sim.xbin, r = (j - sim.y1) / sim.ybin;
			if (c >= columns || r >= rows)
				continue;
			double d2 = (i - x) * (i - x) + (j - y) * (j - y);
			uint16_t *p = &px[(size_t)r * (size_t)columns + (size_t)c];
			*p = clip(*p + flux * exp(-d2 / (2 * STAR_S * STAR_S)));
		}
	}
}

static unsigned GetAcquiredData16(unsigned short *px, unsigned n)
{
	IDLE;
	int columns = (sim.x2 - sim.x1 + 1) / sim.xbin, rows = (sim.y2 - sim.y1 + 1) / sim.ybin;
	if (sim.state != DATA)
		return DRV_NO_NEW_DATA;
	if (!px)
		return DRV_P1INVALID;
	if (n != (unsigned)columns * (unsigned)rows)
		return DRV_P2INVALID;
	double area = sim.xbin * sim.ybin;
	double signal = DARK_20 * pow(10, (temperature() - 20) / 23) * sim.light * area;
	if (!sim.closed)
		signal += SKY * sim.light * area;
	uint64_t stars = sim.seed;
	background(px, n, BIAS + signal, sqrt(READNOISE * READNOISE + signal),
	    sim.seed * 1000003 + ++sim.images);
	for (int i = 0; i < STARS && !sim.closed; i++) {
		double x = 1 + random_fraction(&stars) * sim.width;
		double y = 1 + random_fraction(&stars) * sim.height;
		star(px, columns, rows, x, y, 20 / (0.01 + random_fraction(&stars)) * sim.light);
	}
	return DRV_SUCCESS;
}

/* ---- the back end ---- */

static int add_fault(const char *text, char why[CAM_TEXT])
{
	struct fault f = {.at = 0};
	char end;

	int n = sscanf(text, "%39[A-Za-z0-9]:%5u@%d%c", f.call, &f.code, &f.at, &end);
	if (sim.nfaults == FAULTS || n < 2 || n > 3) {
		snprintf(why, CAM_TEXT, "%.80s: a fault is CALL:CODE or CALL:CODE@N, at most %d",
		    text, FAULTS);
		return -1;
	}
	sim.fault[sim.nfaults++] = f;
	return 0;
}

static void set_defaults(struct cam *c)
{
	static struct sdk_state state;
#define FIELD(name, args, must) .name = name,
	static const struct sdk calls = {SDK_CALLS(FIELD)};

	if (c->own)
		return;
	memset(&sim, 0, sizeof sim);
	sim.width = sim.height = 1024;
	sim.amps = 1;
	sim.seed = 1;
	sim.speed = sim.mhz = 1;
	sim.temp = AMBIENT;
	sim.xbin = sim.ybin = 1;
	memset(&state, 0, sizeof state);
	state.call = calls;
	c->own = &state;
}

static int cannot(const char *what)
{
	static const struct {
		const char *name;
		unsigned bit;
	} names[] = {{"abort", CAM_CAN_ABORT}, {"addtime", CAM_CAN_ADDTIME}, {"hold", CAM_CAN_HOLD},
	    {"readout", CAM_CAN_READOUT}, {"gain", CAM_CAN_GAIN}, {"cooler", CAM_CAN_COOL}};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i].name, what) == 0) {
			sim.cannot |= names[i].bit;
			return 0;
		}
	}
	return -1;
}

static int option(struct cam *c, const char *key, const char *value, char why[CAM_TEXT])
{
	double v = 0;
	int w, h, bad = 0;
	char end;

	set_defaults(c);
	if (strcmp(key, "fault") == 0)
		return add_fault(value, why);
	if (strcmp(key, "no") == 0)
		bad = cannot(value);
	else if (strcmp(key, "size") == 0) {
		bad = sscanf(value, "%5dx%5d%c", &w, &h, &end) != 2 || w < 1 || h < 1 ||
		    w > 16384 || h > 16384;
		if (!bad)
			sim.width = w, sim.height = h;
	} else if (conf_real(value, &v) < 0)
		bad = 1;
	else if (strcmp(key, "seed") == 0)
		sim.seed = (uint64_t)fabs(v);
	else if (strcmp(key, "speed") == 0 && v > 0 && v <= 1e6)
		c->pace = sim.speed = v;
	else if (strcmp(key, "mhz") == 0 && v > 0 && v <= 1e6)
		sim.mhz = v;
	else if (strcmp(key, "temp") == 0 && v >= T_MIN && v <= 50)
		sim.temp = v;
	else if (strcmp(key, "amps") == 0 && v >= 1 && v <= 4)
		sim.amps = (int)v;
	else
		bad = 1;
	if (bad)
		snprintf(why, CAM_TEXT,
		    "%.40s=%.40s: sim knows size=WxH, seed, speed, mhz, temp, amps, no=WHAT, "
		    "fault=CALL:CODE",
		    key, value);
	return bad ? -1 : 0;
}

static int start(struct cam *c)
{
	const char *more = getenv("SEQD_SIM_FAULT");
	char why[CAM_TEXT], one[80];

	set_defaults(c);
	while (sim.nfaults == 0 && more && *more) {
		size_t n = strcspn(more, ",");
		snprintf(one, sizeof one, "%.*s", (int)n, more);
		if (add_fault(one, why) < 0)
			return cam_fail(c, "SEQD_SIM_FAULT", DRV_GENERAL_ERRORS, "%s", why);
		more += n + (more[n] == ',');
	}
	if (sdk_start(c) < 0)
		return -1;
	c->info.can = (CAM_CAN_ABORT | CAM_CAN_ADDTIME | CAM_CAN_HOLD | CAM_CAN_READOUT |
			  CAM_CAN_AMPL | CAM_CAN_GAIN | CAM_CAN_COOL) &
	    ~sim.cannot;
	return 0;
}

static int wait_slice(struct cam *c, int64_t ns, struct cam_progress *p)
{
	if (sdk_wait(c, ns, p) < 0)
		return -1;
	p->total = sim.total;
	p->held = sim.held;
	p->elapsed = sim.state == INTEGRATING ? collected(tim_mono()) : sim.light;
	if (p->phase != CAM_READY)
		p->phase = sim.state == READING ? CAM_READING : CAM_INTEGRATING;
	return 0;
}

/* -1: somebody wanted this to fail. */
static int may(struct cam *c, const char *call)
{
	unsigned code = fault(call);

	return code ? cam_fail(c, call, code, "%s", "") : 0;
}

static int addtime(struct cam *c, double seconds)
{
	if (may(c, "AddTime") < 0)
		return -1;
	advance();
	if (sim.state != INTEGRATING)
		return cam_fail(c, "AddTime", DRV_IDLE, "no integration is running");
	double now = collected(tim_mono());
	sim.total += seconds;
	if (sim.total < now)
		sim.total = now;
	(void)cam_did(c, "AddTime", DRV_SUCCESS);
	return 0;
}

static int hold(struct cam *c, bool on)
{
	int64_t now = tim_mono();

	if (may(c, "Hold") < 0)
		return -1;
	advance();
	if (sim.state != INTEGRATING)
		return cam_fail(c, "Hold", DRV_IDLE, "no integration is running");
	sim.light = collected(now);
	sim.since = now;
	sim.held = on;
	(void)cam_did(c, "Hold", DRV_SUCCESS);
	return 0;
}

static int readout(struct cam *c)
{
	if (may(c, "ReadOut") < 0)
		return -1;
	advance();
	if (sim.state == INTEGRATING)
		sim.total = collected(tim_mono());
	advance();
	(void)cam_did(c, "ReadOut", DRV_SUCCESS);
	return 0;
}

static void release(struct cam *c)
{
	c->own = NULL;
}

const struct cam_back cam_sim = {.name = "sim",
    .no = SEQ_NOTSUP,
    .option = option,
    .start = start,
    .frame = sdk_frame,
    .cool = sdk_cool,
    .temperature = sdk_temperature,
    .prepare = sdk_prepare,
    .expose = sdk_expose,
    .wait = wait_slice,
    .fetch = sdk_fetch,
    .cancel = sdk_abort,
    .addtime = addtime,
    .hold = hold,
    .readout = readout,
    .stop = sdk_stop,
    .free = release};
