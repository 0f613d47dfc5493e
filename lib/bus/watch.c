/* watch.c - messages of a bus into a view */
#include "watch.h"

#include "base/tim.h"
#include "stream/cap.h"

#define ASK_EACH TIM_S /* between two times that one header is asked for */

static void see_header(struct view *v, const struct bus_msg *m)
{
	struct cap_reader *r = cap_reader_mem(m->block, m->size);
	struct cap_record record;

	if (r && cap_read(r, &record, 0) == CAP_NEW)
		view_section(v, cap_link(r), cap_text(r));
	cap_reader_free(r);
}

static enum bus_verdict see(struct watch *w, struct view *v, const struct bus_msg *m)
{
	struct cap_record r;
	uint64_t missed;
	enum bus_verdict verdict = bus_follow(&w->follow, m, &missed);

	v->missed += missed;
	w->ended = m->kind == BUS_END;
	if (verdict == BUS_JOIN)
		see_header(v, m);
	if (verdict == BUS_NEXT && m->kind == BUS_BLOCK && cap_unseal(m->block, m->size, &r))
		view_record(v, &r);
	return verdict;
}

/* Whether this one is to be asked for now. */
static bool ask(struct watch *w, uint64_t stream)
{
	bool before = w->asked && w->stream == stream;

	if (before && (w->bare || tim_mono() - w->asked < ASK_EACH))
		return false;
	w->bare = false;
	w->stream = stream;
	w->asked = tim_mono();
	return true;
}

bool watch_take(struct watch *w, struct view *v, const void *message, size_t n)
{
	struct bus_msg m;

	if (bus_decode(message, n, &m))
		return true;
	if (see(w, v, &m) == BUS_LOST)
		return !ask(w, m.stream);
	w->bare = false;
	return true;
}

void watch_join(struct watch *w, struct view *v, const void *header, size_t nheader,
    const void *message, size_t n)
{
	struct bus_msg h, m;

	if (bus_decode(header, nheader, &h) || bus_decode(message, n, &m) || h.stream != m.stream)
		return;
	w->bare = h.kind != BUS_HEADER; /* what comes first is stored first */
	if (w->bare)
		return;
	h.sequence = m.sequence;
	h.records = m.records;
	w->follow.joined = false;
	(void)see(w, v, &h);
	(void)see(w, v, &m);
}
