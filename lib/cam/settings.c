/* settings.c - what an observer has set: changed by requests, kept as lines of requests */
#include "cam/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cam/codes.h"

void settings_default(struct settings *s)
{
	*s = (struct settings){.frame = {1, 1, 1, 1, 0, 0},
	    .autosave = true,
	    .beep = true,
	    .tint = SETTINGS_TINT,
	    .mult = SETTINGS_MULT,
	    .temp = -60};
}

enum settings_of settings_of(enum verb_id id)
{
	switch (id) {
	case VERB_BIN:
	case VERB_XBIN:
	case VERB_YBIN:
	case VERB_XBEG:
	case VERB_YBEG:
	case VERB_XSIZE:
	case VERB_YSIZE:
	case VERB_RESETXY:
	case VERB_DEFAULTS:
		return SETTINGS_FRAME;
	case VERB_AMPL:
	case VERB_GAINH:
	case VERB_GAINL:
		return SETTINGS_CAMERA;
	case VERB_TEMP:
	case VERB_COOLER:
		return SETTINGS_COOLER;
	case VERB_AUTOSAVE_ON:
	case VERB_AUTOSAVE_OFF:
	case VERB_BEEP_ON:
	case VERB_BEEP_OFF:
	case VERB_COMMENT:
	case VERB_COMMENT1:
	case VERB_OBJECT:
	case VERB_IMAGETYPE:
	case VERB_FILENAME:
	case VERB_FILENAMESTD:
	case VERB_TINT:
	case VERB_MULT:
		return SETTINGS_OURS;
	default:
		return SETTINGS_NONE;
	}
}

struct cam_frame settings_frame(const struct settings *s, const struct cam_info *info)
{
	struct cam_frame f = s->frame;

	if (f.w == 0)
		f.w = info->width - f.x + 1;
	if (f.h == 0)
		f.h = info->height - f.y + 1;
	return f;
}

char *settings_geometry(
    const struct cam_frame *f, const struct cam_info *info, char *buf, size_t size)
{
	char window[64] = "full frame";

	if (f->w != info->width || f->h != info->height)
		snprintf(window, sizeof window, "window [%d:%d,%d:%d]", f->x, f->x + f->w - 1, f->y,
		    f->y + f->h - 1);
	snprintf(buf, size, "%dx%d, %s, %dx%d -> %dx%d", f->xbin, f->ybin, window, f->w, f->h,
	    cam_columns(f), cam_rows(f));
	return buf;
}

static unsigned refuse(char say[VERB_WHY], unsigned code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static unsigned refuse(char say[VERB_WHY], unsigned code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(say, VERB_WHY, format, ap);
	va_end(ap);
	return code;
}

/* One axis of the geometry. */
static unsigned check_axis(const char *what, char axis, int bin, int first, int size, int all,
    int max_bin, char say[VERB_WHY])
{
	const char *unit = axis == 'x' ? "columns" : "rows";

	if (bin > max_bin)
		return refuse(
		    say, SEQ_RANGE, "%s: this camera bins 1 to %d %s", what, max_bin, unit);
	if (first > all)
		return refuse(say, SEQ_RANGE, "%s: the detector has %d %s", what, all, unit);
	if (size > all - first + 1)
		return refuse(say, SEQ_RANGE,
		    "%s: the window would be %d to %d, and the detector has %d %s. Use %csize %d "
		    "first.",
		    what, first, first + size - 1, all, unit, axis, all - first + 1);
	if (size < bin)
		return refuse(say, SEQ_RANGE, "%s: %d %s are less than one bin of %d. Use resetxy.",
		    what, size, unit, bin);
	if (size % bin)
		return refuse(say, SEQ_RANGE,
		    "%s: %d is not a multiple of %d; %d %s would be used. Use %csize %d first.",
		    what, size, bin, size - size % bin, unit, axis, size - size % bin);
	return SEQ_OK;
}

unsigned settings_check(
    const struct settings *s, const struct cam_info *info, const char *what, char say[VERB_WHY])
{
	const struct cam_frame *f = &s->frame;
	struct cam_frame whole = settings_frame(s, info);

	unsigned code = check_axis(what, 'x', f->xbin, f->x, f->x > info->width ? 1 : whole.w,
	    info->width, info->max_xbin, say);
	if (code == SEQ_OK)
		code = check_axis(what, 'y', f->ybin, f->y, f->y > info->height ? 1 : whole.h,
		    info->height, info->max_ybin, say);
	if (code == SEQ_OK && s->amp >= (info->amps > 0 ? info->amps : 1))
		return refuse(say, SEQ_RANGE, "%s: this camera has %s", what,
		    info->amps > 1 ? "fewer amplifiers" : "amplifier A only");
	return code;
}

/* ---- changing ---- */

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

static unsigned needs(
    const struct cam_info *info, unsigned bit, const char *what, char say[VERB_WHY])
{
	if (!info || (info->can & bit))
		return SEQ_OK;
	return refuse(say, SEQ_NOTSUP, "%s: this camera has none", what);
}

static unsigned change_cooler(struct settings *s, const struct verb_request *r,
    const struct cam_info *info, char say[VERB_WHY])
{
	unsigned code = needs(info, CAM_CAN_COOL, "cooler", say);

	if (code != SEQ_OK)
		return code;
	if (r->verb->id == VERB_COOLER) {
		s->cooler = strcmp(r->arg[0], "on") == 0;
		if (s->cooler && info && (s->temp < info->t_min || s->temp > info->t_max))
			return refuse(say, SEQ_RANGE,
			    "cooler on: this camera can be set to %.0f to %.0f C, and the set "
			    "point is %.1f C. Use temp first.",
			    info->t_min, info->t_max, s->temp);
		snprintf(say, VERB_WHY, "cooler %s, set point %.1f C", s->cooler ? "on" : "off",
		    s->temp);
		return SEQ_OK;
	}
	double t = verb_real(r->arg[0]);
	if (info && (t < info->t_min || t > info->t_max))
		return refuse(say, SEQ_RANGE, "temp %s: this camera can be set to %.0f to %.0f C",
		    r->arg[0], info->t_min, info->t_max);
	s->temp = t;
	s->cooler = true;
	snprintf(say, VERB_WHY, "cooler on, set point %.1f C", t);
	return SEQ_OK;
}

static unsigned change_frame(struct settings *s, const struct verb_request *r)
{
	struct cam_frame *f = &s->frame;
	int n = r->n > 0 ? verb_int(r->arg[0]) : 0;

	switch (r->verb->id) {
	case VERB_BIN:
		f->xbin = n;
		f->ybin = r->n > 1 ? verb_int(r->arg[1]) : n;
		break;
	case VERB_XBIN:
		f->xbin = n;
		break;
	case VERB_YBIN:
		f->ybin = n;
		break;
	case VERB_XBEG:
		f->x = n;
		break;
	case VERB_YBEG:
		f->y = n;
		break;
	case VERB_XSIZE:
		f->w = n;
		break;
	case VERB_YSIZE:
		f->h = n;
		break;
	default:
		*f = (struct cam_frame){1, 1, 1, 1, 0, 0};
	}
	return SEQ_OK;
}

static unsigned change_ours(struct settings *s, const struct verb_request *r, char say[VERB_WHY])
{
	const char *arg = r->n > 0 ? r->arg[0] : "";
	enum verb_id id = r->verb->id;

	switch (id) {
	case VERB_AUTOSAVE_ON:
	case VERB_AUTOSAVE_OFF:
		s->autosave = id == VERB_AUTOSAVE_ON;
		snprintf(say, VERB_WHY, "%s",
		    s->autosave ? "images are saved"
				: "images stay in memory until save, or until the next one");
		break;
	case VERB_BEEP_ON:
	case VERB_BEEP_OFF:
		s->beep = id == VERB_BEEP_ON;
		snprintf(say, VERB_WHY, "beep %s", s->beep ? "on" : "off");
		break;
	case VERB_COMMENT:
		copy(s->comment, sizeof s->comment, arg);
		snprintf(say, VERB_WHY, "for the next image: %s", arg);
		break;
	case VERB_COMMENT1:
		copy(s->comment1, sizeof s->comment1, arg);
		snprintf(say, VERB_WHY, "for all images: %s", arg);
		break;
	case VERB_OBJECT:
		copy(s->object, sizeof s->object, arg);
		snprintf(say, VERB_WHY, "object is \"%s\"", arg);
		break;
	case VERB_IMAGETYPE:
		copy(s->imagetype, sizeof s->imagetype, arg);
		snprintf(say, VERB_WHY, "image type is %s%s%s", *arg ? "\"" : "what fits", arg,
		    *arg ? "\"" : "");
		break;
	case VERB_FILENAME:
	case VERB_FILENAMESTD:
		copy(s->filename, sizeof s->filename, arg);
		snprintf(say, VERB_WHY, "file names have %s", *arg ? arg : "the date of the night");
		break;
	case VERB_TINT:
		if (*arg)
			s->tint = verb_real(arg);
		snprintf(say, VERB_WHY, "%.3f s", s->tint);
		break;
	default:
		if (*arg)
			s->mult = verb_int(arg);
		snprintf(say, VERB_WHY, "%d image%s", s->mult, s->mult > 1 ? "s" : "");
	}
	return SEQ_OK;
}

static unsigned change_readout(struct settings *s, const struct verb_request *r,
    const struct cam_info *info, char say[VERB_WHY])
{
	unsigned code;

	if (r->verb->id != VERB_AMPL) {
		code = needs(info, CAM_CAN_GAIN, "a choice of gain and speed", say);
		s->fast = r->verb->id == VERB_GAINL;
		if (code == SEQ_OK)
			snprintf(
			    say, VERB_WHY, "%s", s->fast ? "low gain, fast" : "high gain, slow");
		return code;
	}
	code = needs(info, CAM_CAN_AMPL, "a choice of amplifiers", say);
	if (code != SEQ_OK)
		return code;
	s->amp = r->arg[0][0] - 'A';
	if (r->arg[0][1])
		return refuse(say, SEQ_NOTSUP, "ampl %s: one amplifier at a time", r->arg[0]);
	snprintf(say, VERB_WHY, "amplifier %s", r->arg[0]);
	return SEQ_OK;
}

unsigned settings_apply(struct settings *s, const struct verb_request *r,
    const struct cam_info *info, char say[VERB_WHY])
{
	struct settings old = *s;
	unsigned code = SEQ_OK;
	char what[64], text[80];

	snprintf(
	    what, sizeof what, "%s%s%.20s", r->verb->name, r->n ? " " : "", r->n ? r->arg[0] : "");
	switch (settings_of(r->verb->id)) {
	case SETTINGS_OURS:
		code = change_ours(s, r, say);
		break;
	case SETTINGS_COOLER:
		code = change_cooler(s, r, info, say);
		break;
	case SETTINGS_CAMERA:
		code = change_readout(s, r, info, say);
		if (code == SEQ_OK && info)
			code = settings_check(s, info, what, say);
		break;
	case SETTINGS_FRAME:
		if (r->verb->id == VERB_DEFAULTS) {
			settings_default(s);
			s->temp = old.temp;
			s->cooler = old.cooler;
		} else {
			code = change_frame(s, r);
		}
		if (info && (code = settings_check(s, info, what, say)) == SEQ_OK) {
			struct cam_frame f = settings_frame(s, info);
			snprintf(
			    say, VERB_WHY, "(%s)", settings_geometry(&f, info, text, sizeof text));
		}
		break;
	case SETTINGS_NONE:
		break;
	}
	if (code != SEQ_OK)
		*s = old;
	return code;
}

/* ---- as lines ---- */

static void add_line(char *buf, const char *verb, const char *arg)
{
	char line[VERB_LINE + 1] = "";
	size_t k = strlen(buf);

	if (verb_add(line, verb) && (!arg || verb_add(line, arg)) &&
	    k + strlen(line) + 2 < SETTINGS_TEXT)
		snprintf(buf + k, SETTINGS_TEXT - k, "%s\n", line);
}

static void add_number(char *buf, const char *verb, double v)
{
	char text[40];

	snprintf(text, sizeof text, "%.10g", v);
	add_line(buf, verb, text);
}

char *settings_lines(const struct settings *s, char buf[SETTINGS_TEXT])
{
	const char amp[2] = {(char)('A' + s->amp), '\0'};

	*buf = '\0';
	add_number(buf, "xbin", s->frame.xbin);
	add_number(buf, "ybin", s->frame.ybin);
	add_number(buf, "xbeg", s->frame.x);
	add_number(buf, "ybeg", s->frame.y);
	if (s->frame.w)
		add_number(buf, "xsize", s->frame.w);
	if (s->frame.h)
		add_number(buf, "ysize", s->frame.h);
	add_line(buf, "ampl", amp);
	add_line(buf, s->fast ? "gainl" : "gainh", NULL);
	add_number(buf, "temp", s->temp);
	add_line(buf, "cooler", s->cooler ? "on" : "off");
	add_line(buf, s->autosave ? "autosave_on" : "autosave_off", NULL);
	add_line(buf, s->beep ? "beep_on" : "beep_off", NULL);
	add_number(buf, "tint", s->tint);
	add_number(buf, "mult", s->mult);
	if (*s->object)
		add_line(buf, "object", s->object);
	if (*s->imagetype)
		add_line(buf, "imagetype", s->imagetype);
	if (*s->comment)
		add_line(buf, "comment", s->comment);
	if (*s->comment1)
		add_line(buf, "comment1", s->comment1);
	if (*s->filename)
		add_line(buf, "filename", s->filename);
	return buf;
}

int settings_read(struct settings *s, const char *text, size_t n, char why[VERB_WHY])
{
	struct verb_request r;
	char say[VERB_WHY];
	int bad = 0;

	settings_default(s);
	for (size_t at = 0, len; at < n; at += len + 1) {
		const char *end = memchr(text + at, '\n', n - at);
		len = end ? (size_t)(end - text) - at : n - at;
		if (len == 0)
			continue;
		unsigned code = verb_parse(text + at, len, &r, say);
		if (code == SEQ_OK && settings_of(r.verb->id) == SETTINGS_NONE)
			code = refuse(say, SEQ_RANGE, "%s is no setting", r.verb->name);
		if (code == SEQ_OK)
			code = settings_apply(s, &r, NULL, say);
		if (code != SEQ_OK && !bad++)
			copy(why, VERB_WHY, say);
	}
	return bad;
}
