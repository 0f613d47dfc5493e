#include "nats.h"
#include <stdlib.h>
#pragma GCC diagnostic ignored "-Wunused-parameter"
struct npub *npub_new(const struct bus_url *u, const struct bus_secrets *keys)
{
	return NULL;
}
int npub_turn(struct npub *p)
{
	return 0;
}
int npub_put(struct npub *p, const struct bus_head *head, const uint8_t *block, size_t n)
{
	return 0;
}
int npub_wait(struct npub *p, int fd, int64_t timeout_ns)
{
	return 0;
}
size_t npub_waiting(const struct npub *p)
{
	return 0;
}
uint64_t npub_records(const struct npub *p)
{
	return 0;
}
uint64_t npub_known(const struct npub *p)
{
	return 0;
}
bool npub_ready(const struct npub *p)
{
	return 0;
}
const char *npub_why(const struct npub *p)
{
	return "";
}
void npub_free(struct npub *p)
{
}
struct nsub *nsub_new(const struct bus_url *u, const struct bus_secrets *keys)
{
	return NULL;
}
void nsub_after(struct nsub *s, uint64_t sequence)
{
}
int nsub_next(struct nsub *s, const uint8_t **message, size_t *n, int64_t timeout_ns)
{
	return 0;
}
bool nsub_more(const struct nsub *s)
{
	return 0;
}
uint64_t nsub_sequence(const struct nsub *s)
{
	return 0;
}
int nsub_ack(struct nsub *s)
{
	return 0;
}
bool nsub_ready(const struct nsub *s)
{
	return 0;
}
const char *nsub_why(const struct nsub *s)
{
	return "";
}
void nsub_free(struct nsub *s)
{
}
