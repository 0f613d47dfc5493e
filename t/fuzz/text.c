/* text.c - any text as a time, a duration, an address, a network, a configuration */
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/net.h"
#include "base/tally.h"
#include "base/tim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int any_key(
    void *ctx, const char *section, const char *key, const char *value, int line, char *why)
{
	(void)ctx, (void)section, (void)key, (void)value, (void)line, (void)why;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char why[NET_WHY], conf_why[CONF_WHY], span[TIM_TEXT], escaped[64];
	struct net_spec spec;
	struct net_cidr net;
	int64_t t, again;

	(void)conf_read("fuzz", (const char *)data, n, any_key, NULL, conf_why);
	char *text = malloc(n + 1);
	if (!text)
		abort();
	memcpy(text, data, n);
	text[n] = '\0';
	if (tim_parse(text, &t) == 0)
		(void)tim_text(t, 9, span);
	if (tim_duration(text, &t) == 0 &&
	    (tim_duration(tim_span(t, span), &again) < 0 || again != t))
		abort();
	(void)tim_until(text, 0, &t);
	(void)net_parse(text, NET_UDP, &spec, why);
	(void)net_cidr(text, &net, why);
	if (tally_escape(escaped, sizeof escaped, text) != strlen(escaped))
		abort();
	free(text);
	return 0;
}
