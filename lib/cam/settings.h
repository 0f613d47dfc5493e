/*
 * settings.h - what an observer has set: changed by requests, kept as lines of requests
 */
#ifndef FYKE_SETTINGS_H
#define FYKE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "cam/cam.h"
#include "cam/verbs.h"

#define SETTINGS_TEXT 2048 /* a buffer for all of them as lines */
#define SETTINGS_TINT 1    /* defaults: s, images */
#define SETTINGS_MULT 1

struct settings {
	struct cam_frame frame; /* w, h 0: up to the edge */
	int amp;
	bool fast, autosave, beep, cooler;
	char object[VERB_TEXT + 1], imagetype[VERB_TEXT + 1];
	char comment[VERB_TEXT + 1], comment1[VERB_TEXT + 1];
	char filename[5]; /* "": the date of the night */
	double tint, temp;
	int mult;
};

void settings_default(struct settings *s);

/* What a setting concerns. */
enum settings_of { SETTINGS_NONE, SETTINGS_OURS, SETTINGS_FRAME, SETTINGS_CAMERA, SETTINGS_COOLER };
enum settings_of settings_of(enum verb_id id);

/* Changes s by a request that verb_check() passed. Without info (the camera is off) ranges that
 * only the camera knows are not checked. SEQ_OK with what was done in say, or a code, a sentence
 * there, and s as it was. */
unsigned settings_apply(struct settings *s, const struct verb_request *r,
    const struct cam_info *info, char say[VERB_WHY]);

/* Whether the camera can have the geometry: as settings_apply(). what is named in the sentence. */
unsigned settings_check(
    const struct settings *s, const struct cam_info *info, const char *what, char say[VERB_WHY]);

/* The window with its edges filled in. */
struct cam_frame settings_frame(const struct settings *s, const struct cam_info *info);

/* "2x1, full frame, 1024x1024 -> 512x1024" */
char *settings_geometry(
    const struct cam_frame *f, const struct cam_info *info, char *buf, size_t size);

/* All settings as lines of requests. Returns buf. */
char *settings_lines(const struct settings *s, char buf[SETTINGS_TEXT]);

/* Reads such lines into s, on top of the defaults. Lines that are no settings are left out. How
 * many were left out; why tells of the first. */
int settings_read(struct settings *s, const char *text, size_t n, char why[VERB_WHY]);

#endif
