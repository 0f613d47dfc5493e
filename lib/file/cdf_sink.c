/*
 * cdf_sink.c - the netCDF files of a stream of either kind
 */
#include "file/cdf_sink.h"

int cdf_sink_add(struct cdf_sink *s, const struct cap_record *rec)
{
	if (s->events)
		return cdf_events_add(s->events, rec);
	return s->packets ? cdf_packets_add(s->packets, rec) : 0;
}

int cdf_sink_time(struct cdf_sink *s, int64_t now)
{
	if (s->events)
		return cdf_events_time(s->events, now);
	return s->packets ? cdf_packets_time(s->packets, now) : 0;
}

void cdf_sink_state(struct cdf_sink *s, const struct cap_state *state)
{
	if (s->events)
		cdf_events_state(s->events, state);
	if (s->packets)
		cdf_packets_state(s->packets, state);
}

int cdf_sink_commit(struct cdf_sink *s)
{
	if (s->events)
		return cdf_events_commit(s->events);
	return s->packets ? cdf_packets_commit(s->packets) : 0;
}

int cdf_sink_close(struct cdf_sink *s)
{
	if (s->events)
		return cdf_events_close(s->events);
	return s->packets ? cdf_packets_close(s->packets) : 0;
}

const char *cdf_sink_why(const struct cdf_sink *s)
{
	if (s->events)
		return cdf_events_why(s->events);
	return s->packets ? cdf_packets_why(s->packets) : "";
}

int cdf_sink_fd(const struct cdf_sink *s)
{
	if (s->events)
		return cdf_events_fd(s->events);
	return s->packets ? cdf_packets_fd(s->packets) : -1;
}

void cdf_sink_free(struct cdf_sink *s)
{
	cdf_events_free(s->events);
	cdf_packets_free(s->packets);
	*s = (struct cdf_sink){0};
}
