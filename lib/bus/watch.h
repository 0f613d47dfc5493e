/*
 * watch.h - messages of a bus into a view: what goes on in a stream, without keeping any of it
 */
#ifndef FYKE_WATCH_H
#define FYKE_WATCH_H

#include "bus.h"
#include "view.h"

/* All zero at the start. */
struct watch {
	struct bus_follow follow;
	bool ended;      /* the last message was an end mark */
	bool bare;       /* it is of a run whose header is not stored: nothing of it can be read */
	uint64_t stream; /* whose header was asked for, at tim_mono() */
	int64_t asked;
};

/* false: the header of this message's stream is missing, and should be asked for: not again where
 * there is none, and not soon where nobody has answered. What is none of our messages is passed
 * over. */
bool watch_take(struct watch *w, struct view *v, const void *message, size_t n);

/* With the header of this message's stream: what was before it is not missed. Another message of
 * the stream says that there is no header; nheader may be 0: there was no answer. */
void watch_join(struct watch *w, struct view *v, const void *header, size_t nheader,
    const void *message, size_t n);

#endif
