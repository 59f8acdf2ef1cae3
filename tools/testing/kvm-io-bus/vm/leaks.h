/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LEAKS_H
#define LEAKS_H

/*
 * Whether the kernel keeps anything of what a program has closed:
 *
 *  - eventfds. Each has a number of its own (eventfd-id in its fdinfo), the
 *    lowest that is free. Before and after, new eventfds get the same numbers,
 *    unless a reference to one is still held.
 *  - VMs, which have a folder in debugfs while they live.
 *  - objects of the kernel's general slab caches, by /proc/slabinfo, within what
 *    these counts fluctuate anyway. A kernel with kmemleak searches exactly, and
 *    KASAN holds on to what is freed: there they are not counted.
 *
 * Some of that is freed by work items and after grace periods, so it has time.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LEFT_EVENTFDS	400
#define LEFT_SECONDS	60

struct left {
	int id[LEFT_EVENTFDS];
	int vms;
	long slab;
};

static int left_eventfd_id(int fd)
{
	char path[64], line[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "eventfd-id: %d", &id) == 1)
			break;
	}
	fclose(f);
	return id;
}

static int left_vms(void)
{
	DIR *dir = opendir("/sys/kernel/debug/kvm");
	struct dirent *e;
	int n = 0;

	if (!dir)
		return -1;
	/* PID-FD */
	while ((e = readdir(dir)))
		n += strchr(e->d_name, '-') && e->d_name[0] >= '0' &&
		     e->d_name[0] <= '9';
	closedir(dir);
	return n;
}

/*
 * Free objects of the slabs that processors hold count as active. This takes the
 * slabs from them.
 */
static void left_shrink(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *e;
	char path[300];
	int fd;

	while (dir && (e = readdir(dir))) {
		if (strncmp(e->d_name, "kmalloc-", 8))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink",
			 e->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "1", 1) != 1)
			fprintf(stderr, "%s cannot be shrunk\n", e->d_name);
		close(fd);
	}
	if (dir)
		closedir(dir);
}

/* Bytes of active objects in kmalloc's caches. */
static long left_slab(void)
{
	unsigned long active, all, size;
	char line[512], name[128];
	long sum = 0;
	FILE *f;

	if (!access("/sys/kernel/debug/kmemleak", F_OK))
		return 0;
	left_shrink();
	f = fopen("/proc/slabinfo", "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%127s %lu %lu %lu", name, &active, &all,
			   &size) == 4 && !strncmp(name, "kmalloc-", 8))
			sum += active * size;
	}
	fclose(f);
	return sum;
}

static bool left_look(struct left *l)
{
	int fd[LEFT_EVENTFDS], i;
	bool ok = true;

	for (i = 0; i < LEFT_EVENTFDS; i++) {
		fd[i] = eventfd(0, 0);
		l->id[i] = fd[i] < 0 ? -1 : left_eventfd_id(fd[i]);
		ok = ok && l->id[i] >= 0;
	}
	for (i = 0; i < LEFT_EVENTFDS; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
	}
	l->vms = left_vms();
	l->slab = left_slab();
	if (!ok)
		fprintf(stderr, "eventfds have no numbers here\n");
	return ok;
}

/*
 * Compares with how it was, waiting for what is under way. @slab_limit is by how
 * many bytes objects of the slab caches may have grown.
 */
static bool left_nothing(const struct left *before, long slab_limit)
{
	int held = 0, i, tries;
	struct left now;

	for (tries = 0; tries < LEFT_SECONDS; tries++) {
		if (!left_look(&now))
			return false;
		for (held = i = 0; i < LEFT_EVENTFDS; i++)
			held += now.id[i] != before->id[i];
		if (!held && now.vms <= before->vms &&
		    now.slab - before->slab <= slab_limit)
			break;
		sleep(1);
	}
	printf("left: %s, %d VMs", held ? "references to eventfds" : "no eventfd",
	       now.vms - before->vms);
	if (now.slab)
		printf(", %ld bytes of slab objects more", now.slab - before->slab);
	printf("\n");
	return tries < LEFT_SECONDS;
}

#endif /* LEAKS_H */
