// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program of the small guest: reads sectors of a disk past the page cache,
 * each on its own and one after the other, from the first on.
 *
 *	read_sectors DISK COUNT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR	512

static char buffer[SECTOR] __attribute__((aligned(4096)));

int main(int argc, char **argv)
{
	int fd, i, count;

	if (argc != 3)
		return 2;
	count = atoi(argv[2]);
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0) {
		printf("%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	for (i = 0; i < count; i++) {
		if (pread(fd, buffer, SECTOR, (off_t)i * SECTOR) != SECTOR) {
			printf("sector %d: %s\n", i, strerror(errno));
			return 1;
		}
	}
	return 0;
}
