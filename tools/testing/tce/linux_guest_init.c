// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first and only program of the Linux guest: reads the disk that the host
 * has filled, writes it, and reads it back, past the page cache, so that every
 * page goes through the window of the disk's bus. Ends with one line.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK	(1UL << 20)
#define CHUNKS	16UL

/* What the host has put there, and what we put there */
static uint64_t given(uint64_t i)
{
	return i * 0x9e3779b97f4a7c15UL;
}

static uint64_t ours(uint64_t i)
{
	return ~given(i + 1);
}

static unsigned long check(int fd, uint64_t *buf, uint64_t (*want)(uint64_t))
{
	unsigned long wrong = 0, k, i;

	for (k = 0; k < CHUNKS; k++) {
		if (pread(fd, buf, CHUNK, k * CHUNK) != (ssize_t)CHUNK) {
			perror("read");
			return -1UL;
		}
		for (i = 0; i < CHUNK / 8; i++)
			wrong += buf[i] != want(k * CHUNK / 8 + i);
	}
	return wrong;
}

int main(void)
{
	unsigned long first = -1UL, second = -1UL, k, i;
	int fd = -1, tries;
	uint64_t *buf;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	for (tries = 0; fd < 0 && tries < 600; tries++) {
		fd = open("/dev/sda", O_RDWR | O_DIRECT);
		if (fd < 0)
			usleep(100000);
	}

	buf = aligned_alloc(65536, CHUNK);
	if (fd >= 0 && buf) {
		first = check(fd, buf, given);
		printf("\nguest: %lu words wrong of %lu MiB read\n", first, CHUNKS);
		for (k = 0; k < CHUNKS; k++) {
			for (i = 0; i < CHUNK / 8; i++)
				buf[i] = ours(k * CHUNK / 8 + i);
			if (pwrite(fd, buf, CHUNK, k * CHUNK) != (ssize_t)CHUNK)
				perror("write");
		}
		second = check(fd, buf, ours);
		printf("guest: %lu words wrong of %lu MiB written\n", second,
		       CHUNKS);
	} else {
		printf("\nguest: no disk\n");
	}
	printf("guest: %s\n", first || second ? "FAILED" : "PASSED");
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
