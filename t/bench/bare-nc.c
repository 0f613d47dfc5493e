/*
 * bare-nc.c - the bound for raw2nc: a bare libnetcdf loop that writes the same bytes
 *
 * bare-nc lib|cdf5 OUT PACKETS: I and Q of 1,024 channels as CDF-5 record variables, in blocks of
 * at most 16 MiB; "lib" through libnetcdf, "cdf5" by hand (header from libnetcdf, then byte swap
 * and write), which is what a writer without the library could reach. Data come from memory.
 */
#include <fcntl.h>
#include <netcdf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHANNELS = 1024, BLOCK = 1024 /* packets: 4 MiB a variable */ };

static int check(int rc)
{
	if (rc == NC_NOERR)
		return rc;
	fprintf(stderr, "bare-nc: %s\n", nc_strerror(rc));
	exit(3);
}

int main(int argc, char **argv)
{
	static int32_t i[BLOCK][CHANNELS], q[BLOCK][CHANNELS], swapped[BLOCK][2][CHANNELS];
	static const char *const names[] = {"I", "Q"};
	int nc, dims[2], var[2];

	if (argc != 4)
		return 2;
	size_t packets = strtoul(argv[3], NULL, 10);
	for (int k = 0; k < BLOCK * CHANNELS; k++)
		i[k / CHANNELS][k % CHANNELS] = q[k / CHANNELS][k % CHANNELS] =
		    (int32_t)(k * 2654435u);
	check(nc_create(argv[2], NC_CLOBBER | NC_64BIT_DATA, &nc));
	check(nc_def_dim(nc, "time", NC_UNLIMITED, &dims[0]));
	check(nc_def_dim(nc, "channel", CHANNELS, &dims[1]));
	for (int v = 0; v < 2; v++)
		check(nc_def_var(nc, names[v], NC_INT, 2, dims, &var[v]));
	check(nc_set_fill(nc, NC_NOFILL, NULL));
	check(nc_enddef(nc));
	if (strcmp(argv[1], "lib") == 0) {
		for (size_t at = 0; at < packets; at += BLOCK) {
			size_t start[] = {at, 0}, count[] = {BLOCK, CHANNELS};
			check(nc_put_vara_int(nc, var[0], start, count, i[0]));
			check(nc_put_vara_int(nc, var[1], start, count, q[0]));
		}
		return check(nc_close(nc));
	}
	check(nc_close(nc));
	int fd = open(argv[2], O_WRONLY | O_APPEND);
	for (size_t at = 0; at < packets; at += BLOCK) {
		for (int k = 0; k < BLOCK; k++)
			for (int c = 0; c < CHANNELS; c++) {
				swapped[k][0][c] = (int32_t)__builtin_bswap32((uint32_t)i[k][c]);
				swapped[k][1][c] = (int32_t)__builtin_bswap32((uint32_t)q[k][c]);
			}
		if (write(fd, swapped, sizeof swapped) != (ssize_t)sizeof swapped)
			return 3;
	}
	return close(fd) < 0 ? 3 : 0;
}
