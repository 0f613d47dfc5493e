/*
 * bare-zmq.c - the messages of a stream of events over libzmq and nothing else
 *
 *	bare-zmq pub tcp://127.0.0.1:PORT FILE	waits for one subscriber, sends one message a block
 *	bare-zmq sub tcp://127.0.0.1:PORT	receives up to an empty message
 *
 * PUB and SUB with XPUB_NODROP, high-water mark 10,000, as evpub's nodrop=1.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zmq.h>

int main(int argc, char **argv)
{
	void *context = zmq_ctx_new();
	int pub = argc > 2 && strcmp(argv[1], "pub") == 0, one = 1, mark = 10000, linger = -1;
	void *s = zmq_socket(context, pub ? ZMQ_XPUB : ZMQ_SUB);

	zmq_setsockopt(s, ZMQ_SNDHWM, &mark, sizeof mark);
	zmq_setsockopt(s, ZMQ_RCVHWM, &mark, sizeof mark);
	if (pub) {
		struct stat st;
		int fd = open(argv[3], O_RDONLY);
		char hello[16];
		fstat(fd, &st);
		const uint8_t *p =
		    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
		zmq_setsockopt(s, ZMQ_XPUB_NODROP, &one, sizeof one);
		zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
		if (zmq_bind(s, argv[2]) < 0)
			return 1;
		zmq_recv(s, hello, sizeof hello, 0);
		for (off_t at = 0; at < st.st_size;) {
			uint32_t head[2];
			memcpy(head, p + at, sizeof head);
			if (head[0] == 6)
				zmq_send(s, p + at, head[1], 0);
			at += head[1];
		}
		zmq_send(s, "", 0, 0);
	} else {
		zmq_msg_t m;
		unsigned long n = 0;
		zmq_setsockopt(s, ZMQ_SUBSCRIBE, "", 0);
		zmq_connect(s, argv[2]);
		zmq_msg_init(&m);
		while (zmq_msg_recv(&m, s, 0) > 0)
			n++;
		printf("%lu\n", n);
	}
	zmq_close(s);
	zmq_ctx_term(context);
	return 0;
}
