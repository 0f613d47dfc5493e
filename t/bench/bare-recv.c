/*
 * bare-recv.c - the bound for udp2raw: recvmmsg of 256 and one write per MiB, nothing else
 *
 * bare-recv PORT FILE RCVBUF [stamps]: until SIGINT; prints "ready" and, at the end, the datagrams
 * received. With stamps it also asks for what a recording needs of each: the kernel's time of
 * arrival and the sender's address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 256, ROOM = 2304, BLOCK = 1 << 20 };

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

int main(int argc, char **argv)
{
	static char in[BATCH][ROOM], out[BLOCK + BATCH * ROOM];
	static struct mmsghdr m[BATCH];
	static struct iovec iov[BATCH];
	static struct sockaddr_in from[BATCH];
	static char control[BATCH][128];
	struct sigaction act = {.sa_handler = on_signal};
	unsigned long received = 0;
	size_t used = 0;

	if (argc < 4)
		return 2;
	sigaction(SIGINT, &act, NULL);
	int s = socket(AF_INET, SOCK_DGRAM, 0), rcvbuf = atoi(argv[3]), stamps = argc > 4;
	int fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(argv[1])),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
	setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &stamps, sizeof stamps);
	if (fd < 0 || bind(s, (struct sockaddr *)&a, sizeof a) < 0)
		return 3;
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){in[i], ROOM};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	fprintf(stderr, "bare-recv: ready %s\n", argv[1]);
	while (!stop) {
		for (int i = 0;
		     stamps && i < BATCH && m[i].msg_hdr.msg_controllen != sizeof control[i]; i++) {
			m[i].msg_hdr.msg_name = &from[i];
			m[i].msg_hdr.msg_namelen = sizeof from[i];
			m[i].msg_hdr.msg_control = control[i];
			m[i].msg_hdr.msg_controllen = sizeof control[i];
		}
		int n = recvmmsg(s, m, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++, received++) {
			memcpy(out + used, in[i], m[i].msg_len);
			used += m[i].msg_len;
		}
		if (used < BLOCK)
			continue;
		if (write(fd, out, used) != (ssize_t)used)
			return 3;
		used = 0;
	}
	if (write(fd, out, used) != (ssize_t)used || close(fd) < 0)
		return 3;
	printf("%lu\n", received);
	return 0;
}
