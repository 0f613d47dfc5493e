/* sdk.c - a camera by the calls of Andor's SDK 2, each of them checked and named */
#include "cam/sdk.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/tim.h"
#include "cam/codes.h"

enum { IMAGE = 4, SINGLE = 1, INTERNAL = 0, TTL_HIGH = 1, SHUTTER_AUTO = 0, SHUTTER_CLOSED = 2 };
#define SHUTTER_MS 50 /* what open drivers use for both directions */

#define CALL(c, name, ...) cam_did(c, #name, ((struct sdk_state *)(c)->own)->call.name(__VA_ARGS__))
#define GOOD(c, name, ...) (CALL(c, name, __VA_ARGS__) == DRV_SUCCESS)

/* A feature that the camera may lack: then n stays 0. */
static bool lacks(unsigned code)
{
	return code == DRV_NOT_SUPPORTED;
}

/* ---- life ---- */

static int select_camera(struct cam *c)
{
	struct sdk_state *s = c->own;
	int n = 0, handle = 0;

	if (!GOOD(c, GetAvailableCameras, &n))
		return -1;
	if (n <= s->index)
		return cam_fail(c, "GetAvailableCameras", DRV_NOCAMERA,
		    "%d found, number %d wanted", n, s->index);
	if (!GOOD(c, GetCameraHandle, s->index, &handle) || !GOOD(c, SetCurrentCamera, handle))
		return -1;
	return 0;
}

static int find_speeds(struct cam *c)
{
	struct sdk_state *s = c->own;
	float mhz, slowest = INFINITY, fastest = 0, us;
	unsigned code;

	if (!GOOD(c, GetNumberAmp, &c->info.amps) || !GOOD(c, GetNumberHSSpeeds, 0, 0, &s->speeds))
		return -1;
	for (int i = 0; i < s->speeds; i++) {
		if (!GOOD(c, GetHSSpeed, 0, 0, i, &mhz))
			return -1;
		if (mhz < slowest)
			slowest = mhz, s->slow = i;
		if (mhz > fastest)
			fastest = mhz, s->fast = i;
	}
	code = CALL(c, GetFastestRecommendedVSSpeed, &s->vs_speed, &us);
	if (lacks(code))
		s->vs_speed = -1;
	else if (code != DRV_SUCCESS)
		return -1;
	code = CALL(c, GetNumberPreAmpGains, &s->gains);
	if (lacks(code))
		s->gains = 0;
	else if (code != DRV_SUCCESS)
		return -1;
	return 0;
}

static int read_properties(struct cam *c)
{
	struct sdk_state *s = c->own;
	struct cam_info *i = &c->info;
	struct sdk_capabilities cap = {.size = sizeof cap};
	int lo, hi, serial = 0;
	char model[260] = "";

	if (!GOOD(c, GetDetector, &i->width, &i->height) ||
	    !GOOD(c, GetTemperatureRange, &lo, &hi) || !GOOD(c, GetCapabilities, &cap))
		return -1;
	i->t_min = lo;
	i->t_max = hi;
	if (i->width < 1 || i->height < 1 || i->width > 65535 || i->height > 65535)
		return cam_fail(c, "GetDetector", DRV_GENERAL_ERRORS,
		    "a detector of %d x %d pixels", i->width, i->height);
	if (!GOOD(c, GetMaximumBinning, IMAGE, 0, &i->max_xbin) ||
	    !GOOD(c, GetMaximumBinning, IMAGE, 1, &i->max_ybin))
		return -1;
	if (s->call.GetHeadModel && !GOOD(c, GetHeadModel, model))
		return -1;
	if (s->call.GetCameraSerialNumber && !GOOD(c, GetCameraSerialNumber, &serial))
		return -1;
	snprintf(i->model, sizeof i->model, "%.60s", model);
	snprintf(i->serial, sizeof i->serial, "%d", serial);
	return find_speeds(c);
}

int sdk_start(struct cam *c)
{
	struct sdk_state *s = c->own;

	if (select_camera(c) < 0 || !GOOD(c, Initialize, s->dir))
		return -1;
	if (read_properties(c) == 0)
		return 0;
	/* A library that is left initialized can stay blocked: it is closed, and the first failure
	 * is what counts. */
	struct cam_said said = c->said;
	(void)CALL(c, ShutDown);
	c->said = said;
	return -1;
}

int sdk_stop(struct cam *c)
{
	return GOOD(c, ShutDown) ? 0 : -1;
}

/* ---- temperature ---- */

int sdk_cool(struct cam *c, bool on, double celsius)
{
	const struct sdk_state *s = c->own;

	if (!on)
		return GOOD(c, CoolerOFF) ? 0 : -1;
	if (!GOOD(c, SetTemperature, (int)lround(celsius)) || !GOOD(c, CoolerON))
		return -1;
	/* 0: back to ambient after ShutDown; seqd warms up itself before. */
	unsigned code = s->call.SetCoolerMode ? CALL(c, SetCoolerMode, 0) : DRV_SUCCESS;
	return code == DRV_SUCCESS || lacks(code) ? 0 : -1;
}

int sdk_temperature(struct cam *c, double *celsius)
{
	float t = 0;
	unsigned code = CALL(c, GetTemperatureF, &t);

	*celsius = (double)t;
	return code >= DRV_TEMP_OFF && code <= DRV_TEMP_DRIFT ? 0 : -1;
}

/* ---- one image ---- */

int sdk_frame(struct cam *c, const struct cam_frame *f)
{
	return GOOD(c, SetImage, f->xbin, f->ybin, f->x, f->x + f->w - 1, f->y, f->y + f->h - 1)
	    ? 0
	    : -1;
}

/* The SDK forgets settings, and has no getters for most: all of it again, each time. */
int sdk_prepare(struct cam *c, const struct cam_setup *s, struct cam_timing *t)
{
	struct sdk_state *st = c->own;
	float exposure = 0, accumulate, kinetic, readout = 0;

	if (!GOOD(c, SetReadMode, IMAGE) || !GOOD(c, SetAcquisitionMode, SINGLE) ||
	    !GOOD(c, SetTriggerMode, INTERNAL) || !GOOD(c, SetADChannel, 0))
		return -1;
	if (c->info.amps > 1 && !GOOD(c, SetOutputAmplifier, s->amp))
		return -1;
	if (st->speeds > 0 && !GOOD(c, SetHSSpeed, s->amp, s->fast ? st->fast : st->slow))
		return -1;
	if (st->vs_speed >= 0 && !GOOD(c, SetVSSpeed, st->vs_speed))
		return -1;
	if (st->gains > 0 && !GOOD(c, SetPreAmpGain, s->fast ? 0 : st->gains - 1))
		return -1;
	if (sdk_frame(c, &s->frame) < 0)
		return -1;
	if (!GOOD(c, SetShutter, TTL_HIGH, s->dark ? SHUTTER_CLOSED : SHUTTER_AUTO, SHUTTER_MS,
		SHUTTER_MS))
		return -1;
	if (!GOOD(c, SetExposureTime, (float)s->seconds) ||
	    !GOOD(c, GetAcquisitionTimings, &exposure, &accumulate, &kinetic))
		return -1;
	if (st->call.GetReadOutTime && !GOOD(c, GetReadOutTime, &readout))
		return -1;
	t->exposure = (double)exposure;
	t->readout = (double)readout;
	st->exposure = t->exposure;
	st->npixels = (size_t)cam_columns(&s->frame) * (size_t)cam_rows(&s->frame);
	return 0;
}

int sdk_expose(struct cam *c, uint16_t *pixels, size_t n)
{
	struct sdk_state *s = c->own;

	(void)n; /* the SDK wants to hear of the image's own number */
	s->pixels = pixels;
	if (!GOOD(c, StartAcquisition))
		return -1;
	s->begun = tim_mono();
	return 0;
}

int sdk_wait(struct cam *c, int64_t ns, struct cam_progress *p)
{
	const struct sdk_state *s = c->own;
	unsigned code = CALL(c, WaitForAcquisitionTimeOut, (int)(ns / TIM_MS));
	int status = 0;

	if (code != DRV_SUCCESS && code != DRV_NO_NEW_DATA)
		return -1;
	if (!GOOD(c, GetStatus, &status))
		return -1;
	p->total = s->exposure;
	p->held = false;
	p->elapsed = (double)(tim_mono() - s->begun) / 1e9 * c->pace;
	p->phase = p->elapsed < p->total ? CAM_INTEGRATING : CAM_READING;
	if (p->elapsed > p->total)
		p->elapsed = p->total;
	if (status == DRV_IDLE)
		p->phase = CAM_READY;
	else if (status != DRV_ACQUIRING)
		return cam_fail(
		    c, "GetStatus", (unsigned)status, "the camera ended the exposure itself");
	c->said.call = "WaitForAcquisitionTimeOut"; /* what a time-out is put down to */
	return 0;
}

int sdk_fetch(struct cam *c)
{
	const struct sdk_state *s = c->own;

	return GOOD(c, GetAcquiredData16, s->pixels, (unsigned)s->npixels) ? 0 : -1;
}

int sdk_abort(struct cam *c)
{
	unsigned code = CALL(c, AbortAcquisition);

	return code == DRV_SUCCESS || code == DRV_IDLE ? 0 : -1;
}
