/*
 * simscope.c - a simulated oscilloscope on the network, with the faults that you ask for
 *
 * Answers as a LeCroy with VXI-11 does: its own port, an abort channel, and on request a
 * portmapper. What it measures is pulses of a photomultiplier.
 */
#include <errno.h>
#include <string.h>

#include "base/cli.h"
#include "base/conf.h"
#include "base/tim.h"
#include "dev/simvxi.h"

static const char *listen_at = "127.0.0.1:0", *mapper_at;
static int64_t duration;
static struct cli_list faults;
static struct simscope_options scope_options = {.seed = 1, .rate = 1000};
static int64_t channels = 4;

static struct tally tally = {.unit = "calls",
    .lost = {{"no reply", 0}, {"spoiled", 0}, {"hung up", 0}},
    .also = {{"acquisitions", 0}}};
static struct simvxi_options net_options = {.seed = 1, .chunk = 65536, .tally = &tally};

static const struct cli_option options[] = {
    {"listen", 'l', CLI_STR, &listen_at, "ADDR:PORT", "the instrument (127.0.0.1:0)", 0, 0},
    {"portmapper", 0, CLI_STR, &mapper_at, "ADDR:PORT", "be a portmapper there", 0, 0},
    {"channels", 0, CLI_INT, &channels, "N", "traces that are on (4)", 1, SIMSCOPE_CHANNELS},
    {"points", 0, CLI_INT, &scope_options.points, "N", "points of a segment (by TDIV)", 1, 8000000},
    {"rate", 0, CLI_REAL, &scope_options.rate, "HZ", "triggers a second (1000)", 0, 1000000},
    {"disk", 0, CLI_STR, &scope_options.disk, "DIR", "where STO stores its files", 0, 0},
    {"fault", 0, CLI_LIST, &faults, "KIND[@N]", "a fault, always or on the N-th call", 0, 0},
    {"delay", 0, CLI_TIME, &net_options.delay, "TIME", "reply so late", 0, TIM_MIN},
    {"chunk", 0, CLI_INT, &net_options.chunk, "N", "bytes of a piece of an answer (65536)", 1,
	1 << 20},
    {"seed", 0, CLI_INT, &scope_options.seed, "N", "what is measured follows from it (1)", 0, 0},
    {"duration", 't', CLI_TIME, &duration, "TIME", "end after so long", 1, INT64_MAX},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static const struct cli_program program = {.name = "simscope",
    .about = "a simulated oscilloscope (LeCroy, VXI-11)",
    .options = options,
    .tally = &tally};

/* KIND, or KIND@N for those of the network. */
static void read_fault(const char *text)
{
	const char *at = strchr(text, '@');
	size_t n = at ? (size_t)(at - text) : strlen(text);
	long long call = -1;

	if (at && conf_int(at + 1, 1, INT64_MAX, &call) < 0)
		cli_die(
		    EXIT_USAGE, "--fault=%.40s: after @ stands the number of a call, from 1", text);
	for (int f = 0; f < SIMVXI_FAULTS; f++) {
		if (strlen(simvxi_fault_name[f]) == n &&
		    strncmp(text, simvxi_fault_name[f], n) == 0) {
			net_options.fault[f] = call;
			return;
		}
	}
	for (int f = 0; !at && f < SIMSCOPE_FAULTS; f++) {
		if (strcmp(text, simscope_fault_name[f]) == 0) {
			scope_options.fault[f] = true;
			return;
		}
	}
	cli_die(EXIT_USAGE, "--fault=%.40s: no such fault; the page lists them", text);
}

static struct net_addr address(const char *text)
{
	char why[NET_WHY];
	struct net_spec spec;
	struct net_addr at;

	if (net_parse(text, NET_TCP, &spec, why) < 0)
		cli_die(EXIT_USAGE, "%s", why);
	if (spec.kind != NET_TCP || net_resolve(&spec, true, &at, 1, why) < 0)
		cli_die(EXIT_USAGE, "%.100s: no address to listen at", text);
	return at;
}

static void begin(struct simvxi *v)
{
	char why[NET_WHY], text[NET_TEXT], line[NET_TEXT + 16] = "portmapper ";
	struct net_addr at = address(listen_at);

	if (simvxi_listen(v, &at, why) < 0)
		cli_die(EXIT_SYSTEM, "%s", why);
	net_text(&at, text);
	if (mapper_at) {
		struct net_addr mapper = address(mapper_at);
		char mapper_text[NET_TEXT];
		if (simvxi_portmapper(v, &mapper, why) < 0)
			cli_die(EXIT_SYSTEM, "%s", why);
		strcat(line, net_text(&mapper, mapper_text));
		cli_ready(text);
		cli_ready(line);
	} else {
		cli_ready(text);
	}
}

int main(int argc, char **argv)
{
	cli_begin(argc, argv, &program);
	for (size_t i = 0; i < faults.n; i++)
		read_fault(faults.item[i]);
	if (scope_options.rate == 0) {
		scope_options.rate = 1;
		scope_options.fault[SIMSCOPE_NO_TRIGGER] = true;
	}
	scope_options.channels = (int)channels;
	net_options.seed = scope_options.seed;

	struct simscope *scope = simscope_new(&scope_options);
	struct simvxi *net = scope ? simvxi_new(scope, &net_options) : NULL;
	if (!net)
		cli_die(EXIT_SYSTEM, "out of memory");
	begin(net);
	int64_t end = duration ? tim_mono() + duration : INT64_MAX;
	while (!cli_stopping() && tim_mono() < end) {
		simvxi_serve(net, TIM_S / 4);
		tally.also[0].n = simscope_acquired(scope);
		cli_tick();
	}
	simvxi_free(net);
	simscope_free(scope);
	return cli_end(EXIT_DONE);
}
