/* replay.c - runs a fuzz target on files, for make check: replay FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		size_t n;
		char *data = io_slurp(argv[i], 1 << 24, &n);
		if (!data) {
			perror(argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)data, n);
		free(data);
	}
	printf("%d inputs\n", argc - 1);
	return 0;
}
