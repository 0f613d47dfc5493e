/* telinfo.c - any bytes as the telescope's answer to a call, on TCP, and as the record inside */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tim.h"
#include "sky/telinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct telinfo_at at;
	struct telinfo t = TELINFO_INIT;
	uint8_t record[RPC_SIZE];
	struct hk_row row;
	char line[8192], text[64], why[NET_WHY];
	int pair[2];

	size_t cut = n < sizeof text - 1 ? n : sizeof text - 1;
	memcpy(text, data, cut);
	text[cut] = '\0';
	(void)telinfo_address(text, &at, why);
	if (n > 60000 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 0;
	if (send(pair[1], data, n, MSG_NOSIGNAL) < 0 || shutdown(pair[1], SHUT_WR) < 0)
		abort();
	at.direct = true;
	at.udp = false;
	t.at = &at;
	t.fd = pair[0];
	t.onc.xid = 0x11223343; /* the call's is one more */
	if (onc_ready(&t.onc) == 0 && telinfo_ask(&t, record, 10 * TIM_S) == 0 &&
	    hk_from_rpc(record, &row) == 0 && hk_line(&row, line, sizeof line) >= sizeof line)
		abort();
	telinfo_close(&t);
	close(pair[1]);
	return 0;
}
