/*
 * show.h - packets and events as text: for people, as JSON, or as tab-separated columns
 *
 * Text goes to a descriptor through a buffer of 64 KiB. Values are taken out by the card and
 * given in its units (or as raw counts); elements that no piece of the card covers are "nan" in
 * columns and null in JSON.
 */
#ifndef FYKE_SHOW_H
#define FYKE_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cap.h"
#include "card.h"
#include "evt.h"
#include "pkt.h"

enum show_form { SHOW_TEXT, SHOW_JSON, SHOW_TSV };

struct show;

/* fields: names with commas between, whose values are shown; NULL: the least, mean and largest
 * value of each field that has several elements. raw: counts as they came. NULL with errno. */
struct show *show_new(int fd, enum show_form form, const char *fields, bool raw);

/* The card of what follows (NULL: none), kept by the caller until the next call; columns get a new
 * header. 0, or -1: the name of a field that it does not have is in show_why(). */
int show_card(struct show *s, const struct card *c);

/* One packet, or the reason why a record is none; the records in it where there is a card. */
void show_packet(
    struct show *s, const struct cap_record *r, const struct pkt *p, enum pkt_verdict v);

/* One event. 0, or -1 when it does not fit the card. */
int show_event(struct show *s, const struct cap_record *r, const struct evt *e);

/* Writes out what is gathered. 0, or -1 with errno, also for a write that failed before. */
int show_flush(struct show *s);

const char *show_why(const struct show *s);
void show_free(struct show *s);

#endif
