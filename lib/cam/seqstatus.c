/* seqstatus.c - what the sequencer's server is asked: status, settings, help */
#include "cam/seqin.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "cam/night.h"

static void status_frame(struct seq *q, struct seq_conn *c)
{
	const struct cam_frame *f = &q->set.frame;

	seq_progress(q, c, "status xbin=%d", f->xbin);
	seq_progress(q, c, "status ybin=%d", f->ybin);
	seq_progress(q, c, "status xbeg=%d", f->x);
	seq_progress(q, c, "status ybeg=%d", f->y);
	if (!q->on)
		return;
	struct cam_frame w = settings_frame(&q->set, &q->info);
	seq_progress(q, c, "status xsize=%d", w.w);
	seq_progress(q, c, "status ysize=%d", w.h);
	seq_progress(q, c, "status columns=%d", cam_columns(&w));
	seq_progress(q, c, "status rows=%d", cam_rows(&w));
	seq_progress(q, c, "status detector=%dx%d", q->info.width, q->info.height);
	seq_progress(q, c, "status max_bin=%dx%d", q->info.max_xbin, q->info.max_ybin);
	seq_progress(q, c, "status amplifiers=%d", q->info.amps);
	seq_progress(q, c, "status camera=%s", q->info.model);
	seq_progress(q, c, "status serial=%s", q->info.serial);
}

static void status_disk(struct seq *q, struct seq_conn *c)
{
	char code[5] = "????", stem[8];
	const char *dir = q->o.shoot.dir;

	if (*q->set.filename)
		memcpy(code, q->set.filename, sizeof code);
	else
		(void)night_code(tim_now(), code);
	snprintf(stem, sizeof stem, "%.2s%.4s", q->o.shoot.prefix, code);
	seq_progress(q, c, "status next=%s%04d.fits", stem, night_number(dir, stem, true) + 1);
	seq_progress(q, c, "status dir=%s", dir);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	seq_progress(q, c, "status free=%.1f MB", fd < 0 ? 0.0 : (double)io_free_bytes(fd) / 1e6);
	if (fd >= 0)
		close(fd);
}

static void status_can(struct seq *q, struct seq_conn *c)
{
	static const struct {
		enum verb_id id;
		const char *name;
	} verbs[] = {{VERB_ABORT, "abort"}, {VERB_ADDTIME, "addtime"}, {VERB_HOLD, "hold"},
	    {VERB_READOUT, "readout"}};
	char can[200] = "";

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (!seq_cannot(q, verbs[i].id))
			snprintf(can + strlen(can), sizeof can - strlen(can), " %s", verbs[i].name);
	if (q->info.can & CAM_CAN_COOL)
		snprintf(can + strlen(can), sizeof can - strlen(can), " cooler");
	seq_progress(q, c, "status backend=%s", q->cam->back->name);
	seq_progress(q, c, "status can=%s", *can ? can + 1 : "");
}

void seq_status(struct seq *q, struct seq_conn *c)
{
	const struct settings *s = &q->set;

	seq_progress(q, c, "status state=%s",
	    q->job == SHOOT_EXPOSE || q->job == SHOOT_STOP || q->stopping ? seq_phases[q->phase]
		: !q->on && q->job != SHOOT_START                         ? "off"
									  : seq_phases[q->phase]);
	seq_progress(q, c, "status left=%.1f", seq_left(q));
	seq_progress(q, c, "status exposure=%.3f", q->job == SHOOT_EXPOSE ? q->total : 0);
	seq_progress(q, c, "status held=%s", q->held && q->job == SHOOT_EXPOSE ? "yes" : "no");
	seq_progress(q, c, "status readout=%.3f", q->readout);
	status_frame(q, c);
	seq_progress(q, c, "status ampl=%c", 'A' + s->amp);
	seq_progress(q, c, "status gain=%s", s->fast ? "gainl" : "gainh");
	if (!isnan(q->celsius)) {
		seq_progress(q, c, "status temperature=%.1f", q->celsius);
		seq_progress(
		    q, c, "status temperature_age=%.0f", (double)(tim_mono() - q->temp_at) / 1e9);
		seq_progress(q, c, "status temperature_code=%u %s", q->temp_code,
		    code_find("GetTemperatureF", q->temp_code).symbol);
	}
	seq_progress(q, c, "status set_temperature=%.1f", s->temp);
	if (q->on && (q->info.can & CAM_CAN_COOL))
		seq_progress(
		    q, c, "status temperature_range=%.0f to %.0f", q->info.t_min, q->info.t_max);
	seq_progress(q, c, "status cooler=%s", s->cooler ? "on" : "off");
	seq_progress(q, c, "status autosave=%s", s->autosave ? "on" : "off");
	seq_progress(q, c, "status beep=%s", s->beep ? "on" : "off");
	seq_progress(q, c, "status tint=%.3f", s->tint);
	seq_progress(q, c, "status mult=%d", s->mult);
	seq_progress(q, c, "status object=%s", s->object);
	seq_progress(q, c, "status imagetype=%s", s->imagetype);
	seq_progress(q, c, "status comment=%s", s->comment);
	seq_progress(q, c, "status comment1=%s", s->comment1);
	status_disk(q, c);
	status_can(q, c);
	seq_reply(q, c, SEQ_OK, "done");
}

void seq_help(struct seq *q, struct seq_conn *c, const struct verb_request *r)
{
	const struct verb *v;
	char usage[128], close[200];

	if (r->n > 0 && !verb_find(r->arg[0])) {
		verb_close(r->arg[0], close, sizeof close);
		seq_reply(q, c, SEQ_UNKNOWN, "%s: %s%s", r->arg[0],
		    *close ? "did you mean " : "no such command", close);
		return;
	}
	for (size_t i = 0; (v = verb_row(i)); i++)
		if (r->n == 0 || strcmp(r->arg[0], v->name) == 0)
			seq_progress(
			    q, c, "help %s - %s", verb_usage(v, usage, sizeof usage), v->help);
	seq_reply(q, c, SEQ_OK, "done");
}

void seq_list_settings(struct seq *q, struct seq_conn *c)
{
	char lines[SETTINGS_TEXT], *save = NULL;

	settings_lines(&q->set, lines);
	for (char *l = strtok_r(lines, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		seq_progress(q, c, "set %s", l);
}
