/*
 * bare-nats.c - the messages of a stream of events into JetStream by libnats and nothing else
 *
 *	bare-nats nats://127.0.0.1:PORT STREAM FILE
 *
 * js_PublishAsync as libnats's own benchmark uses it: file storage, window of 4,096, no message
 * ids.
 */
#include <fcntl.h>
#include <nats/nats.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int bad(natsStatus s, const char *what)
{
	if (s == NATS_OK)
		return 0;
	fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(s));
	return 1;
}

int main(int argc, char **argv)
{
	natsConnection *nc = NULL;
	natsOptions *o = NULL;
	jsCtx *js = NULL;
	jsOptions jo;
	jsStreamConfig c;
	const char *subject = "bare";
	struct stat st;

	if (argc != 4)
		return 2;
	int fd = open(argv[3], O_RDONLY);
	fstat(fd, &st);
	const uint8_t *p =
	    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	natsOptions_Create(&o);
	natsOptions_SetURL(o, argv[1]);
	if (bad(natsConnection_Connect(&nc, o), "connect"))
		return 1;
	jsOptions_Init(&jo);
	jo.PublishAsync.MaxPending = 4096;
	jo.PublishAsync.StallWait = 60000;
	natsConnection_JetStream(&js, nc, &jo);
	jsStreamConfig_Init(&c);
	c.Name = argv[2];
	c.Subjects = &subject;
	c.SubjectsLen = 1;
	c.Storage = js_FileStorage;
	if (bad(js_AddStream(NULL, js, &c, NULL, NULL), "stream"))
		return 1;
	for (off_t at = 0; at < st.st_size;) {
		uint32_t head[2];
		memcpy(head, p + at, sizeof head);
		if (head[0] == 6 &&
		    bad(js_PublishAsync(js, subject, p + at, (int)head[1], NULL), "publish"))
			return 1;
		at += head[1];
	}
	return bad(js_PublishAsyncComplete(js, NULL), "complete");
}
