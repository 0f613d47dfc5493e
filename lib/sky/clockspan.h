/*
 * clockspan.h - the DAS clock's model from the minute files of a span of time
 */
#ifndef FYKE_CLOCKSPAN_H
#define FYKE_CLOCKSPAN_H

#include <stdint.h>

#include "sky/calspec.h"
#include "sky/clockfit.h"
#include "sky/stream.h"

/* Fits the edges of minutes from .. to - 1 (since 1970, by the DAS). The model's times are seconds
 * since the midnight of day (since 1970), which is the stream's. 0, or -1: no memory, or
 * stream_why(). */
int clockspan_fit(struct stream *s, const struct calspec *cal, int64_t day, int64_t from,
    int64_t to, struct clock_model *model);

#endif
