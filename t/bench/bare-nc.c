/*
 * bare-nc.c - the bound for raw2nc: a bare libnetcdf loop that writes the same variables
 *
 * bare-nc lib|lib-iq|cdf5 OUT PACKETS: the record variables that raw2nc makes of ROACH2 packets, as
 * CDF-5, 4,096 packets a call: 16 MiB of I, 16 MiB of Q, and the rest. "lib" goes through
 * libnetcdf; "lib-iq" too, with I and Q alone, which is much less work for it: short variables
 * between long ones cost it a read and a write of every record. "cdf5" is by hand (header from
 * libnetcdf, then byte swap and write), which is what a writer without the library could reach.
 * Data come from memory.
 */
#include <fcntl.h>
#include <netcdf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHANNELS = 1024, BLOCK = 4096, AT_ONCE = 512 /* packets of a write by hand */ };
enum { FRONT = 5 * 8 + 3 * 4, BACK = 5 * 4 + 4 }; /* bytes of a record before I and after Q */

static const struct var {
	const char *name;
	nc_type type;
} vars[] = {{"time", NC_DOUBLE}, {"arrival", NC_DOUBLE}, {"clock", NC_INT64},
    {"sequence", NC_INT64}, {"missing", NC_INT64}, {"dropped", NC_UINT}, {"segment", NC_INT},
    {"flags", NC_INT}, {"I", NC_INT}, {"Q", NC_INT}, {"checksum", NC_UINT}, {"pps_count", NC_UINT},
    {"clock_count", NC_UINT}, {"packet_count", NC_UINT}, {"packet_info", NC_UINT},
    {"gpio", NC_UBYTE}};
enum { VARS = sizeof vars / sizeof vars[0], I = 8, Q = 9 };

static int32_t samples[BLOCK][CHANNELS]; /* I, and Q too */
static uint64_t numbers[BLOCK];          /* what the short variables hold, whatever their type */

static int check(int rc)
{
	if (rc == NC_NOERR)
		return rc;
	fprintf(stderr, "bare-nc: %s\n", nc_strerror(rc));
	exit(3);
}

static int by_library(int nc, const int *id, size_t packets, int first, int last)
{
	for (size_t at = 0; at < packets; at += BLOCK) {
		size_t n = packets - at < BLOCK ? packets - at : BLOCK;
		size_t start[] = {at, 0}, count[] = {n, CHANNELS};
		for (int v = first; v <= last; v++) {
			const void *from =
			    v == I || v == Q ? (const void *)samples : (const void *)numbers;
			check(nc_put_vara(nc, id[v], start, count, from));
		}
	}
	return check(nc_close(nc));
}

static int by_hand(const char *path, size_t packets)
{
	static struct {
		uint8_t front[FRONT];
		int32_t samples[2][CHANNELS];
		uint8_t back[BACK];
	} out[AT_ONCE];
	uint64_t records = __builtin_bswap64(packets);
	int fd = open(path, O_WRONLY);

	if (pwrite(fd, &records, sizeof records, 4) != sizeof records || lseek(fd, 0, SEEK_END) < 0)
		return 3;
	for (size_t at = 0, n; at < packets; at += n) {
		n = packets - at < AT_ONCE ? packets - at : AT_ONCE;
		for (size_t k = 0; k < n; k++) {
			size_t from = (at + k) % BLOCK;
			for (size_t b = 0; b < FRONT; b += 4)
				memcpy(out[k].front + b, &numbers[from], 4);
			for (int v = 0; v < 2; v++)
				for (int c = 0; c < CHANNELS; c++)
					out[k].samples[v][c] =
					    (int32_t)__builtin_bswap32((uint32_t)samples[from][c]);
			for (size_t b = 0; b < BACK; b += 4)
				memcpy(out[k].back + b, &numbers[from], 4);
		}
		if (write(fd, out, n * sizeof out[0]) != (ssize_t)(n * sizeof out[0]))
			return 3;
	}
	return close(fd) < 0 ? 3 : 0;
}

int main(int argc, char **argv)
{
	int nc, dims[2], id[VARS];

	if (argc != 4)
		return 2;
	size_t packets = strtoul(argv[3], NULL, 10);
	for (int k = 0; k < BLOCK * CHANNELS; k++)
		samples[k / CHANNELS][k % CHANNELS] = (int32_t)(k * 2654435u);
	check(nc_create(argv[2], NC_CLOBBER | NC_64BIT_DATA, &nc));
	check(nc_def_dim(nc, "time", NC_UNLIMITED, &dims[0]));
	check(nc_def_dim(nc, "channel", CHANNELS, &dims[1]));
	int iq = strcmp(argv[1], "lib-iq") == 0, first = iq ? I : 0, last = iq ? Q : VARS - 1;
	for (int v = first; v <= last; v++)
		check(nc_def_var(
		    nc, vars[v].name, vars[v].type, v == I || v == Q ? 2 : 1, dims, &id[v]));
	check(nc_set_fill(nc, NC_NOFILL, NULL));
	check(nc_enddef(nc));
	if (argv[1][0] == 'l')
		return by_library(nc, id, packets, first, last);
	check(nc_close(nc));
	return by_hand(argv[2], packets);
}
