/*
 * cdf_sink.h - the netCDF files of a stream of either kind: events, or packets, or nothing yet
 */
#ifndef FYKE_CDF_SINK_H
#define FYKE_CDF_SINK_H

#include "file/cdf_events.h"
#include "file/cdf_packets.h"

/* At most one of them is there. The caller makes it; cdf_sink_free() ends it. */
struct cdf_sink {
	struct cdf_events *events;
	struct cdf_packets *packets;
};

/* As the functions of cdf_events.h and cdf_packets.h that are named alike; without a stream they do
 * nothing, and return 0 (the descriptor: -1). */
int cdf_sink_add(struct cdf_sink *s, const struct cap_record *rec);
int cdf_sink_time(struct cdf_sink *s, int64_t now);
void cdf_sink_state(struct cdf_sink *s, const struct cap_state *state);
int cdf_sink_commit(struct cdf_sink *s);
int cdf_sink_close(struct cdf_sink *s);
const char *cdf_sink_why(const struct cdf_sink *s);
int cdf_sink_fd(const struct cdf_sink *s);
void cdf_sink_free(struct cdf_sink *s);

#endif
