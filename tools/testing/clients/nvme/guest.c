// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only program of the VMM's guest, as /init: loads the drivers.  In each way that
 * the VMM has it fills the disk past the page cache, reads it back and compares it,
 * then reads single pages for the VMM to measure.  What fails ends the guest, with a
 * line on what it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/fs.h>
#include <unistd.h>

#include "protocol.h"

#define DEVICE		"/dev/nvme0n1"
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BLOCK		512
#define PAGE		4096
/* More than a command of the controller takes */
#define LARGEST		(256 * 1024)
#define DEPTH		16
/* Each interrupt may hang the guest, see tools/vm/README.rst: few of them. */
#define REQUESTS	128
/* Odd: the report takes the middle one. */
#define TIMES		3
#define WARM		64

static char buffer[LARGEST] __attribute__((aligned(PAGE)));

static void say(const char *text)
{
	for (; *text; text++)
		outb(*text, PORT_TEXT);
}

static void __attribute__((noreturn)) end(int status)
{
	outl(status, PORT_END);
	for (;;)
		pause();
}

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	char text[200];
	int error = errno;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say("guest: ");
	say(text);
	say(": ");
	say(strerror(error));
	say("\n");
	end(1);
}

static void load_drivers(void)
{
	FILE *list = fopen("/modules/list", "r");
	char name[64], path[80];
	int fd;

	if (!list)
		fail("no list of drivers");
	while (fscanf(list, "%63s", name) == 1) {
		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			fail("cannot load %s", name);
		close(fd);
	}
	fclose(list);
}

static int open_disk(void)
{
	int tries, fd;

	/* The driver looks for disks after it is loaded. */
	for (tries = 0; tries < 1000; tries++) {
		fd = open(DEVICE, O_RDWR | O_DIRECT);
		if (fd >= 0)
			return fd;
		usleep(10000);
	}
	fail("no disk");
}

static void fill(int seed, size_t at, size_t size)
{
	uint64_t *word = (uint64_t *)buffer;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		word[i] = disk_word(seed, at / sizeof(*word) + i);
}

static void compare(int seed, size_t at, size_t size)
{
	uint64_t *word = (uint64_t *)buffer;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		if (word[i] != disk_word(seed, at / sizeof(*word) + i))
			fail("the disk has %#lx at %zu", word[i], at + i * sizeof(*word));
}

/* All of the disk, in pieces of all sizes */
static void copy(int fd, size_t disk, int seed, int writes)
{
	static const size_t sizes[] = { BLOCK, PAGE, 3 * BLOCK, 2 * PAGE, 9 * PAGE + BLOCK,
					128 * 1024, LARGEST };
	size_t at, size, n;

	for (at = 0, n = 0; at < disk; at += size, n++) {
		size = sizes[n % ARRAY_SIZE(sizes)];
		if (size > disk - at)
			size = disk - at;
		if (writes)
			fill(seed, at, size);
		else
			memset(buffer, 0, size);
		if ((writes ? pwrite(fd, buffer, size, at) :
			      pread(fd, buffer, size, at)) != (ssize_t)size)
			fail("cannot %s %zu bytes at %zu", writes ? "write" : "read", size, at);
		if (!writes)
			compare(seed, at, size);
	}
	if (writes && fsync(fd))
		fail("cannot flush");
}

/* Single pages, so many at once, each submitted on its own; an end starts the next */
static void read_pages(aio_context_t context, int fd, size_t disk, int depth, int count)
{
	struct iocb iocb[DEPTH], *one;
	struct io_event event[DEPTH];
	int submitted = 0, done = 0, n, i;

	for (i = 0; i < depth; i++)
		event[i].data = i;
	for (n = depth; done < count; done += n) {
		for (i = 0; i < n && submitted < count; i++, submitted++) {
			one = &iocb[event[i].data];
			*one = (struct iocb) {
				.aio_data = event[i].data,
				.aio_lio_opcode = IOCB_CMD_PREAD,
				.aio_fildes = fd,
				.aio_buf = (uintptr_t)buffer + event[i].data * PAGE,
				.aio_nbytes = PAGE,
				.aio_offset = (uint64_t)submitted * 7 * PAGE % disk,
			};
			if (syscall(SYS_io_submit, context, 1, &one) != 1)
				fail("cannot submit a request");
		}
		n = syscall(SYS_io_getevents, context, 1, DEPTH, event, NULL);
		if (n <= 0)
			fail("no request ends");
		for (i = 0; i < n; i++)
			if (event[i].res != PAGE)
				fail("a request ends with %lld", event[i].res);
	}
}

int main(void)
{
	static const int depths[] = { 1, DEPTH };
	int fd, variant, variants, time;
	aio_context_t context = 0;
	uint64_t disk;
	size_t i;

	if (iopl(3))
		return 1;
	if (mount("dev", "/dev", "devtmpfs", 0, NULL))
		fail("no /dev");
	load_drivers();
	fd = open_disk();
	if (ioctl(fd, BLKGETSIZE64, &disk))
		fail("the disk has no size");
	if (syscall(SYS_io_setup, DEPTH, &context))
		fail("cannot set up requests");
	variants = inb(PORT_VARIANT);
	for (variant = 0; variant < variants; variant++) {
		outl(variant, PORT_VARIANT);
		copy(fd, disk, variant, 1);
		outl(variant, PORT_CHECK);
		copy(fd, disk, variant, 0);
		for (i = 0; i < ARRAY_SIZE(depths); i++) {
			read_pages(context, fd, disk, depths[i], WARM);
			for (time = 0; time < TIMES; time++) {
				outl(depths[i], PORT_MEASURE);
				read_pages(context, fd, disk, depths[i], REQUESTS);
				outl(0, PORT_MEASURE);
			}
		}
	}
	say("guest: the disk has what was written\n");
	end(0);
}
