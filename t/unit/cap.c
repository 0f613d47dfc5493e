/* cap.c - capture streams: bytes typed from the pcapng draft, and what damage does */
#include "stream/cap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tap.h"
#include "base/io.h"

/* One section of one packet of 5 bytes "hello" at 2001-09-09T01:46:40.000000001Z, 3 dropped before
 * it, as draft-ietf-opsawg-pcapng 4.1, 4.2, 4.3 and 4.6 say. The CRC32 of "hello" is 3610a686. */
static const uint8_t file[] =
    "\x0a\x0d\x0d\x0a\x2c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
    "\x04\0\x06\0fyke t\0\0\0\0\0\0\x2c\0\0\0"
    "\x01\0\0\0\x24\0\0\0\x65\0\0\0\0\0\0\0\x02\0\x02\0pk\0\0\x09\0\x01\0\x09\0\0\0\x24\0\0\0"
    "\x06\0\0\0\x44\0\0\0\0\0\0\0\xb3\xb6\xe0\x0d\x01\0\x64\xa7\x05\0\0\0\x05\0\0\0hello\0\0\0"
    "\x03\0\x05\0\x02\x86\xa6\x10\x36\0\0\0\x04\0\x08\0\x03\0\0\0\0\0\0\0\0\0\0\0\x44\0\0\0"
    "\x05\0\0\0\x28\0\0\0\0\0\0\0\xb3\xb6\xe0\x0d\x01\0\x64\xa7\x08\0\x08\0\x01\0\0\0\0\0\0\0\0\0\0"
    "\0\x28\0\0\0";
static const size_t whole = sizeof file - 1;
#define EPB_AT (44 + 36)
#define ISB_AT (EPB_AT + 68)

/* An end mark with comments (option 1): losses by name, and what is none. */
static const uint8_t named[] =
    "\x05\0\0\0\x6c\0\0\0\0\0\0\0\xb3\xb6\xe0\x0d\x01\0\x64\xa7\x05\0\x08\0\x13\0\0\0\0\0\0\0"
    "\x08\0\x08\0\x01\0\0\0\0\0\0\0\x01\0\x06\0late 3\0\0\x01\0\x06\0a b 12\0\0"
    "\x01\0\x06\0late 4\0\0\x01\0\x08\0quite 2h\x01\0\x02\0 9\0\0\0\0\0\0\x6c\0\0\0";

/* The same packet in the other byte order, microseconds, no hash. */
static const uint8_t big[] =
    "\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x1c"
    "\0\0\0\x01\0\0\0\x14\0\x65\0\0\0\0\0\0\0\0\0\x14"
    "\0\0\0\x06\0\0\0\x28\0\0\0\0\0\x03\x8d\x7e\xa4\xc6\x80\x01\0\0\0\x05\0\0\0\x09hello\0\0\0\0\0"
    "\0\x28";

/* A classic pcap file with one record of 3 bytes at 1.000002 s. */
static const uint8_t classic[] = "\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0"
				 "\x01\0\0\0\x02\0\0\0\x03\0\0\0\x40\0\0\0xyz";

static struct cap_reader *reader(const void *bytes, size_t n)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);
	if (fd < 0 || io_writeall(fd, bytes, n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		exit(99);
	return cap_reader_new(fd);
}

/* Reads all; the last record is copied to *r, its data to text. Returns how many records. */
static int drain(struct cap_reader *c, struct cap_record *r, char text[8])
{
	struct cap_record next;
	enum cap_next got;
	int n = 0;

	while ((got = cap_read(c, &next, -1)) > CAP_END) {
		if (got != CAP_RECORD)
			continue;
		*r = next;
		snprintf(text, 8, "%.*s", (int)next.caplen, (const char *)next.data);
		n++;
	}
	return got == CAP_ERROR ? -1 : n;
}

static void good_input(void)
{
	struct cap_record r = {0};
	char text[8];

	struct cap_reader *c = reader(file, whole);
	is_int(drain(c, &r, text), 1, "a section by hand: one record");
	is_str(text, "hello", "its data");
	is_int(r.time, 1000000000000000001, "its time in nanoseconds");
	is_int(r.dropped, 3, "its drop count");
	ok(r.hashed && cap_link(c) == CAP_LINK_RAW, "its hash is right, its link type raw IP");
	is_str(cap_name(c), "pk", "the name of the interface");
	ok(cap_state(c)->cut == 0 && cap_state(c)->damaged == 0, "nothing is wrong with it");
	is_int(cap_state(c)->usrdeliv, 1, "the end mark's count");
	cap_reader_free(c);

	c = reader(big, sizeof big - 1);
	is_int(drain(c, &r, text), 1, "big-endian: one record");
	is_int(r.time, 1000000000000001000, "microseconds become nanoseconds");
	ok(r.origlen == 9 && !r.hashed, "a record that was captured short, without a hash");
	is_int(cap_state(c)->cut, 0, "no hash, no end mark needed");
	cap_reader_free(c);

	c = reader(classic, sizeof classic - 1);
	is_int(drain(c, &r, text), 1, "classic pcap: one record");
	ok(r.time == 1000002000 && r.link == CAP_LINK_ETHERNET && r.origlen == 64, "its header");
	cap_reader_free(c);
}

static void joined_input(void)
{
	uint8_t two[2 * sizeof file];
	struct cap_record r;
	char text[8];

	memcpy(two, file, whole);
	memcpy(two + whole, big, sizeof big - 1);
	struct cap_reader *c = reader(two, whole + sizeof big - 1);
	is_int(drain(c, &r, text), 2, "cat of two sections is one stream");
	ok(cap_state(c)->sections == 2 && cap_state(c)->cut == 0, "and nothing is wrong with it");
	cap_reader_free(c);

	memcpy(two + ISB_AT - 3, file, whole);
	c = reader(two, ISB_AT - 3 + whole);
	is_int(drain(c, &r, text), 1, "a section cut inside a block hides no later one");
	is_int(cap_state(c)->cut + cap_state(c)->damaged > 0, 1, "and it is said");
	cap_reader_free(c);
}

static void named_losses(void)
{
	uint8_t one[sizeof file + sizeof named];
	struct cap_record r;
	char text[8];

	memcpy(one, file, ISB_AT);
	memcpy(one + ISB_AT, named, sizeof named - 1);
	struct cap_reader *c = reader(one, ISB_AT + sizeof named - 1);
	const struct cap_state *s = cap_state(c);
	is_int(drain(c, &r, text), 1, "an end mark with names");
	ok(s->ended == 1 && s->damaged == 0 && s->cut == 0 && s->ifdrop == 19, "is one");
	ok(strcmp(s->lost[0].name, "late") == 0 && s->lost[0].n == 7, "a loss is summed by name");
	ok(strcmp(s->lost[1].name, "a b") == 0 && s->lost[1].n == 12, "a name may have a blank");
	is_str(s->lost[2].name, "", "what is no loss is passed over");
	cap_reader_free(c);

	memcpy(one + 28, "Fyke", 4);
	c = reader(one, ISB_AT + sizeof named - 1);
	is_int(drain(c, &r, text), 1, "another program's comments");
	is_str(cap_state(c)->lost[0].name, "", "are no losses");
	cap_reader_free(c);
}

/* Cut anywhere: what is whole is kept, and it is said. */
static void cut_input(void)
{
	int wrong = 0;

	for (size_t n = 1; n < whole; n++) {
		struct cap_record r;
		char text[8];
		struct cap_reader *c = reader(file, n);
		int got = drain(c, &r, text);
		if (n < 4 ? got != -1 : got != (n >= ISB_AT))
			wrong++;
		else if (n >= 4 && n != 44 && n != EPB_AT && cap_state(c)->cut == 0)
			wrong++;
		cap_reader_free(c);
	}
	is_int(wrong, 0, "cut at every byte: the whole records, and the cut is said");
}

/* One byte wrong anywhere: never a wrong record's data, never silence where a hash can tell. */
static void flipped_input(void)
{
	uint8_t bad[sizeof file];
	int wrong = 0, silent = 0;

	for (size_t i = 0; i < whole; i++) {
		struct cap_record r;
		char text[8] = "hello";
		memcpy(bad, file, whole);
		bad[i] ^= 0x55;
		struct cap_reader *c = reader(bad, whole);
		int got = drain(c, &r, text);
		wrong += strcmp(text, "hello") != 0;
		bool said = got < 0 || cap_state(c)->cut || cap_state(c)->damaged;
		silent += got == 0 && !said;
		cap_reader_free(c);
	}
	is_int(wrong, 0, "flipped at every byte: no record with wrong data");
	is_int(silent, 0, "flipped at every byte: no record is lost in silence");
}

static void foreign_input(void)
{
	struct cap_record r;

	struct cap_reader *c = reader("", 0);
	is_int(cap_read(c, &r, -1), CAP_ERROR, "an empty input is an error");
	is_str(cap_why(c), "the input is empty: the program before it wrote nothing",
	    "and it says so");
	cap_reader_free(c);
	c = reader("\x1f\x8b\x08\0\0\0", 6);
	is_int(cap_read(c, &r, -1), CAP_ERROR, "gzip is refused");
	is_str(cap_why(c), "this is gzip: pipe it through zcat first", "with what to do");
	cap_reader_free(c);
}

/* Of a write that fails it is known what came out whole. */
static void unwritten(void)
{
	char data[100] = {0};
	struct rlimit size, none;
	const uint8_t *block;
	size_t at = 0;
	int n = 0, fd = memfd_create("full", MFD_CLOEXEC);

	struct cap_writer *w = cap_writer_new(fd, CAP_LINK_RAW, "test", "packets", NULL);
	off_t head = lseek(fd, 0, SEEK_END);
	for (int i = 0; i < 5; i++) {
		data[0] = (char)('0' + i);
		memcpy(cap_room(w, sizeof data), data, sizeof data);
		cap_put(w, sizeof data, sizeof data, i, 0);
		cap_put_beat(w, i);
	}
	size_t each = cap_pending(w) / 5;
	getrlimit(RLIMIT_FSIZE, &none);
	size = none;
	size.rlim_cur = (rlim_t)head + 2 * each + each / 2; /* two whole ones, and a part */
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &size);
	is_int(cap_flush(w), -1, "a disk that is full");
	is_int(errno, EFBIG, "is an error");
	while ((block = cap_unwritten(w, &at)))
		is_int(block[0], '2' + n++, "not written");
	is_int(n, 3, "all that are not");
	setrlimit(RLIMIT_FSIZE, &none);
	is_int(cap_flush(w), 0, "room again: it goes on where it stopped");
	is_int(lseek(fd, 0, SEEK_CUR), head + (off_t)(5 * each), "with all");
	at = 0;
	ok(cap_unwritten(w, &at) == NULL, "and nothing is left");
	cap_writer_free(w);
	close(fd);
}

/* Blocks of others are passed on up to a length that is more than what we make. */
static void passed(void)
{
	static uint8_t block[CAP_PASS_MAX + 4];
	int fd = memfd_create("passed", MFD_CLOEXEC);

	struct cap_writer *w = cap_writer_bare(fd);
	for (int i = 0; i < 3; i++)
		is_int(
		    cap_pass(w, block, i % 2 ? CAP_PASS_MAX : CAP_PASS_MAX / 2), 0, "a long one");
	is_int(cap_pass(w, block, CAP_PASS_MAX + 4), -1, "one that is longer");
	is_int(errno, EMSGSIZE, "is refused");
	is_int(cap_put_beat(w, 1), 0, "and our own have room after it");
	is_int(cap_flush(w), 0, "all is written");
	is_int(lseek(fd, 0, SEEK_CUR), 2 * CAP_PASS_MAX + 24, "with all");
	cap_writer_free(w);
	close(fd);
}

static void written(void)
{
	char data[] = "0123456789", text[8];
	struct cap_record r;
	int fd = memfd_create("stream", MFD_CLOEXEC);

	struct cap_writer *w = cap_writer_new(fd, CAP_LINK_RAW, "test", "packets", NULL);
	for (size_t n = 0; n <= 5; n++) {
		memcpy(cap_room(w, n), data, n);
		cap_put(w, n, n, 7 + (int64_t)n, n);
	}
	is_int(cap_put_beat(w, 100), 0, "a heartbeat");
	const struct tally_item lost[] = {{"late", 0}, {"unknown source", 4}, {NULL, 0}};
	is_int(cap_finish(w, 101, 12, 4, 2, 6, lost), 0, "an end mark");
	cap_writer_free(w);
	lseek(fd, 0, SEEK_SET);
	struct cap_reader *c = cap_reader_new(fd);
	is_int(drain(c, &r, text), 6, "what was written is read");
	ok(r.time == 12 && r.dropped == 5 && strcmp(text, "01234") == 0,
	    "with time, drops and data");
	ok(cap_state(c)->beats && cap_state(c)->ended == 1 && cap_state(c)->cut == 0,
	    "heartbeat and end mark are told apart");
	ok(cap_state(c)->ifrecv == 12 && cap_state(c)->osdrop == 2, "the counts of the end mark");
	ok(strcmp(cap_state(c)->lost[0].name, "unknown source") == 0 &&
		cap_state(c)->lost[0].n == 4 && cap_state(c)->lost[1].name[0] == '\0',
	    "and its losses, but those of 0");
	cap_reader_free(c);

	/* A heartbeat is no end mark: a stream that stops after one was cut. */
	off_t all = lseek(fd, 0, SEEK_END);
	is_int(ftruncate(fd, all - (24 + 4 * 12 + 4 + 16 + 4)), 0, "without the end mark");
	lseek(fd, 0, SEEK_SET);
	c = cap_reader_new(fd);
	is_int(drain(c, &r, text), 6, "all records are there");
	is_int(cap_state(c)->cut, 1, "but the stream was cut");
	cap_reader_free(c);
}

int main(void)
{
	good_input();
	joined_input();
	named_losses();
	cut_input();
	flipped_input();
	foreign_input();
	written();
	unwritten();
	passed();
	return done_testing();
}
