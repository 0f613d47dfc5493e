/* andor.c - Andor cameras by the vendor's SDK 2, loaded at run time */
#include "cam/andor.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "cam/codes.h"
#include "cam/sdk.h"

struct andor {
	struct sdk_state sdk; /* first: sdk.c knows only this */
	char library[256];
	void *handle;
};

static struct andor *own(struct cam *c)
{
	if (!c->own) {
		struct andor *a = c->own = calloc(1, sizeof *a);
		const char *library = getenv("ANDOR_SDK");
		if (!a)
			return NULL;
		snprintf(a->library, sizeof a->library, "%s", library ? library : "libandor.so");
		snprintf(a->sdk.dir, sizeof a->sdk.dir, "/usr/local/etc/andor");
	}
	return c->own;
}

static int option(struct cam *c, const char *key, const char *value, char why[CAM_TEXT])
{
	struct andor *a = own(c);
	long long n;

	if (!a) {
		snprintf(why, CAM_TEXT, "no memory");
		return -1;
	}
	if (strcmp(key, "library") == 0 && strlen(value) < sizeof a->library) {
		strcpy(a->library, value);
	} else if (strcmp(key, "dir") == 0 && strlen(value) < sizeof a->sdk.dir) {
		strcpy(a->sdk.dir, value);
	} else if (strcmp(key, "index") == 0 && conf_int(value, 0, 63, &n) == 0) {
		a->sdk.index = (int)n;
	} else {
		snprintf(why, CAM_TEXT,
		    "%.40s=%.40s: andor knows library=FILE, dir=DIR, index=0 to 63", key, value);
		return -1;
	}
	return 0;
}

static int load(struct cam *c)
{
	struct andor *a = own(c);

	if (!a)
		return cam_fail(c, "dlopen", DRV_NOT_INITIALIZED, "no memory");
	if (a->handle)
		return 0;
	a->handle = dlopen(a->library, RTLD_NOW | RTLD_LOCAL);
	if (!a->handle)
		return cam_fail(c, "dlopen", DRV_NOT_INITIALIZED, "%s", dlerror());
	const char *missing = NULL;
#define LOAD(name, args, must)                                                                     \
	*(void **)&a->sdk.call.name = dlsym(a->handle, #name);                                     \
	if (!a->sdk.call.name && (must))                                                           \
		missing = #name;
	SDK_CALLS(LOAD)
	if (!missing)
		return 0;
	dlclose(a->handle);
	a->handle = NULL;
	return cam_fail(c, "dlsym", DRV_NOT_INITIALIZED, "%.100s lacks %s", a->library, missing);
}

static int start(struct cam *c)
{
	if (load(c) < 0 || sdk_start(c) < 0)
		return -1;
	/* With the internal trigger SDK 2 cannot change an exposure under way, and an abort throws
	 * its data away: no addtime, hold or readout. */
	const struct sdk_state *s = c->own;
	c->info.can = CAM_CAN_ABORT | CAM_CAN_COOL | (c->info.amps > 1 ? CAM_CAN_AMPL : 0) |
	    (s->speeds > 1 || s->gains > 1 ? CAM_CAN_GAIN : 0);
	return 0;
}

static void release(struct cam *c)
{
	struct andor *a = c->own;

	if (a && a->handle)
		dlclose(a->handle);
	free(a);
}

const struct cam_back cam_andor = {.name = "andor",
    .no = DRV_NOT_SUPPORTED,
    .option = option,
    .load = load,
    .start = start,
    .frame = sdk_frame,
    .cool = sdk_cool,
    .temperature = sdk_temperature,
    .prepare = sdk_prepare,
    .expose = sdk_expose,
    .wait = sdk_wait,
    .fetch = sdk_fetch,
    .abort = sdk_abort,
    .stop = sdk_stop,
    .free = release};
