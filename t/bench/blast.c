/*
 * blast.c - sends N datagrams of a size at a rate by plain sendmmsg, and prints how many went out
 *
 *	blast HOST PORT SIZE RATE COUNT [SOURCE]
 *
 * RATE 0 is as fast as it goes. The first 8 bytes of a payload are its number, little-endian; the
 * rest is made from it. Paced by absolute times: it sleeps to within 100 us, then spins.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32

static int64_t now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void wait_until(int64_t t)
{
	int64_t left = t - now();
	if (left > 150000) {
		struct timespec ts = {.tv_sec = (left - 100000) / 1000000000,
		    .tv_nsec = (left - 100000) % 1000000000};
		nanosleep(&ts, NULL);
	}
	while (now() < t)
		;
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: blast HOST PORT SIZE RATE COUNT [SOURCE]\n");
		return 2;
	}
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
	struct sockaddr_in from = {.sin_family = AF_INET};
	size_t size = (size_t)atoi(argv[3]);
	double rate = atof(argv[4]);
	uint64_t count = strtoull(argv[5], NULL, 10), sent = 0, refused = 0;
	static uint8_t data[BATCH][65536];
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];

	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	if (argc > 6 && inet_pton(AF_INET, argv[6], &from.sin_addr) == 1)
		if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
			perror("bind");
	memset(msg, 0, sizeof msg);
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){data[i], size};
		msg[i].msg_hdr = (struct msghdr){
		    .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov[i], .msg_iovlen = 1};
		for (size_t k = 0; k < size; k++)
			data[i][k] = (uint8_t)(k * 7 + (size_t)i);
	}
	/* At low rates one at a time, as detectors do; else as many as 100 us want. */
	unsigned step = BATCH;
	if (rate > 0 && rate < 20000)
		step = 1;
	else if (rate > 0 && rate * 1e-4 < BATCH)
		step = (unsigned)(rate * 1e-4);
	int64_t start = now();
	while (sent < count) {
		unsigned n = count - sent < step ? (unsigned)(count - sent) : step;
		for (unsigned i = 0; i < n; i++) {
			uint64_t number = sent + i;
			memcpy(data[i], &number, size < 8 ? size : 8);
		}
		if (rate > 0)
			wait_until(start + (int64_t)((double)sent * 1e9 / rate));
		int k = sendmmsg(fd, msg, n, 0);
		if (k < 0) {
			refused++;
			if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR &&
			    errno != ECONNREFUSED) {
				perror("sendmmsg");
				return 1;
			}
			continue;
		}
		sent += (uint64_t)k;
	}
	double s = (double)(now() - start) / 1e9;
	printf("%llu sent in %.3f s, %.0f/s, %llu refused\n", (unsigned long long)sent, s,
	    (double)sent / s, (unsigned long long)refused);
	return 0;
}
