/*
 * cdf_events.h - an event stream into netCDF files (man5/fyke-netcdf.5, EVENT FILES)
 */
#ifndef FYKE_CDF_EVENTS_H
#define FYKE_CDF_EVENTS_H

#include "base/tally.h"
#include "file/cdf_run.h"
#include "stream/cap.h"

struct cdf_events;

/* The card is the caller's and must live as long. NULL with errno. t gets unit, losses and counts. */
struct cdf_events *cdf_events_new(
    const struct cdf_options *o, const struct card *c, struct tally *t);

/* One block of the stream. 0, or -1 with errno: cdf_events_why(). */
int cdf_events_add(struct cdf_events *e, const struct cap_record *rec);

/* A heartbeat: the stream has come to this time, and a file that ends before it is finished. */
int cdf_events_time(struct cdf_events *e, int64_t now);

/* The stream begins anew (two streams behind each other): a new clock segment. */
void cdf_events_again(struct cdf_events *e);

/* What the reader of the stream has met, for the loss table. */
void cdf_events_state(struct cdf_events *e, const struct cap_state *s);

int cdf_events_commit(struct cdf_events *e);
int cdf_events_close(struct cdf_events *e); /* the end of the data */
const char *cdf_events_why(const struct cdf_events *e);
int cdf_events_fd(const struct cdf_events *e); /* of the open file, or -1: for watching the disk */
void cdf_events_free(struct cdf_events *e);

#endif
