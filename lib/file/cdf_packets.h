/*
 * cdf_packets.h - a packet stream into netCDF files, one for each source (man5/fyke-netcdf.5,
 * PACKET FILES)
 */
#ifndef FYKE_CDF_PACKETS_H
#define FYKE_CDF_PACKETS_H

#include "base/tally.h"
#include "file/cdf_run.h"
#include "stream/cap.h"

struct cdf_packets;

/* The card is the caller's and must live as long. t gets unit, losses and counts. NULL with a
 * sentence: no memory, or the card lacks what the names need. */
struct cdf_packets *cdf_packets_new(
    const struct cdf_options *o, const struct card *c, struct tally *t, char why[CDF_WHY]);

/* One captured datagram; a heartbeat's time: what waited long enough goes on, and files that end
 * before it are finished. 0, or -1 with errno: cdf_packets_why(). */
int cdf_packets_add(struct cdf_packets *p, const struct cap_record *rec);
int cdf_packets_time(struct cdf_packets *p, int64_t now);

void cdf_packets_state(struct cdf_packets *p, const struct cap_state *s);
int cdf_packets_commit(struct cdf_packets *p);
int cdf_packets_close(struct cdf_packets *p); /* the end of the data */
const char *cdf_packets_why(const struct cdf_packets *p);
int cdf_packets_fd(const struct cdf_packets *p);
void cdf_packets_free(struct cdf_packets *p);

#endif
