// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the doorbell module alone: counting, errors and, most of all, that
 * neither side keeps hold of the other when one of them goes.  TAP output.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doorbell_ioctl.h"

#define RACES		2000
#define SIGNALS		100000

static int tests, failures;

static void result(bool ok, const char *what)
{
	tests++;
	failures += !ok;
	printf("%sok %d - %s\n", ok ? "" : "not ", tests, what);
	fflush(stdout);
}

static void bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static int bell_open(void)
{
	int fd = open("/dev/" DOORBELL_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		bail("cannot open /dev/" DOORBELL_DEVICE);
	return fd;
}

static int event_open(int count, int flags)
{
	int fd = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK | flags);

	if (fd < 0)
		bail("cannot create an eventfd");
	return fd;
}

static void signal_event(int fd, __u64 value)
{
	if (write(fd, &value, sizeof(value)) != sizeof(value))
		bail("cannot write an eventfd");
}

static __u64 count_of(int bell)
{
	__u64 count = ~0ULL;

	if (ioctl(bell, DOORBELL_COUNT, &count))
		bail("cannot read the counter");
	return count;
}

/* An ioctl that should fail, and how. */
static bool refused(int bell, unsigned int command, unsigned long arg,
		    int error)
{
	return ioctl(bell, command, arg) == -1 && errno == error;
}

static void test_counting(void)
{
	int bell = bell_open(), other = bell_open(), event = event_open(3, 0);
	__u64 count = 0;
	char byte;
	int i;

	for (i = 0; i < 5; i++)
		ioctl(bell, DOORBELL_RING);
	result(count_of(bell) == 5, "five direct rings are five");
	result(count_of(other) == 0, "another open file counts for itself");
	result(read(bell, &count, sizeof(count)) == sizeof(count) && count == 5,
	       "read gives the same count");
	result(read(bell, &byte, 1) == -1 && errno == EINVAL,
	       "a short read is EINVAL");

	result(!ioctl(bell, DOORBELL_BIND, event), "bind");
	result(count_of(bell) == 8, "what was pending at bind is counted");
	signal_event(event, 1);
	signal_event(event, 1);
	signal_event(event, 10);
	result(count_of(bell) == 20, "each signal is counted with its value");
	result(read(event, &count, sizeof(count)) == -1 && errno == EAGAIN,
	       "nothing is left in the eventfd");
	result(!ioctl(bell, DOORBELL_UNBIND), "unbind");
	signal_event(event, 1);
	result(count_of(bell) == 20, "no ring comes after unbind");
	close(event);
	close(bell);

	event = event_open(2, EFD_SEMAPHORE);
	result(!ioctl(other, DOORBELL_BIND, event) && count_of(other) == 2,
	       "a semaphore is emptied at bind");
	signal_event(event, 4);
	result(count_of(other) == 6, "a semaphore is emptied by a signal");
	close(event);
	close(other);
}

static void test_errors(void)
{
	int bell = bell_open(), event = event_open(0, 0);
	int second = event_open(0, 0);

	result(refused(bell, DOORBELL_UNBIND, 0, ENOENT),
	       "unbind of nothing is ENOENT");
	result(refused(bell, DOORBELL_BIND, -1UL, EBADF),
	       "bind of no file is EBADF");
	result(refused(bell, DOORBELL_BIND, bell, EINVAL),
	       "bind of a file that is no eventfd is EINVAL");
	result(refused(bell, _IO(0xdb, 99), 0, ENOTTY),
	       "an unknown ioctl is ENOTTY");
	result(refused(bell, DOORBELL_COUNT, 1, EFAULT),
	       "a bad pointer is EFAULT");
	ioctl(bell, DOORBELL_BIND, event);
	result(refused(bell, DOORBELL_BIND, second, EBUSY),
	       "a second bind is EBUSY");
	result(refused(bell, DOORBELL_BIND, event, EBUSY),
	       "the same once more is EBUSY");
	close(event);
	close(second);
	close(bell);
}

static void test_ends(void)
{
	int bell = bell_open(), other, event = event_open(0, 0);

	/* The eventfd goes first. */
	ioctl(bell, DOORBELL_BIND, event);
	signal_event(event, 7);
	close(event);
	result(count_of(bell) == 7, "the count outlives the eventfd");
	event = event_open(0, 0);
	result(!ioctl(bell, DOORBELL_BIND, event),
	       "after its eventfd is closed a bell takes another");
	signal_event(event, 1);
	result(count_of(bell) == 8, "and counts it");

	/* Both bells hear a signal, but it is taken only once. */
	other = bell_open();
	ioctl(other, DOORBELL_BIND, event);
	signal_event(event, 1);
	result(count_of(bell) + count_of(other) == 9,
	       "two bells on one eventfd share its signals");
	close(other);
	signal_event(event, 1);
	result(count_of(bell) >= 9, "one goes, the other is still rung");

	/* The bell goes first. */
	close(bell);
	signal_event(event, 1);
	result(true, "an eventfd outlives its bell");
	close(event);

	/* Closed at once, in either order, with the entry on the queue. */
	bell = bell_open();
	event = event_open(0, 0);
	ioctl(bell, DOORBELL_BIND, event);
	close(event);
	result(!ioctl(bell, DOORBELL_UNBIND),
	       "unbind after the eventfd is closed");
	result(refused(bell, DOORBELL_UNBIND, 0, ENOENT), "but only once");
	close(bell);
}

struct race {
	int event;
	atomic_bool stop;
	__u64 sent;
};

static void *signal_thread(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		signal_event(race->event, 1);
		race->sent++;
	}
	return NULL;
}

/* Bind, unbind and close while another thread signals without a pause. */
static void test_races(void)
{
	struct race race = { .event = event_open(0, 0) };
	__u64 heard = 0, rest = 0;
	pthread_t thread;
	int bell, i;

	if (pthread_create(&thread, NULL, signal_thread, &race))
		bail("cannot start a thread");
	for (i = 0; i < RACES; i++) {
		bell = bell_open();
		if (ioctl(bell, DOORBELL_BIND, race.event))
			bail("cannot bind in a race");
		if (i % 16 == 0)
			usleep(100);
		if (ioctl(bell, DOORBELL_UNBIND))
			bail("cannot unbind in a race");
		heard += count_of(bell);
		close(bell);
	}
	/* Closed without unbind: what it heard is lost, and nothing else. */
	for (i = 0; i < RACES; i++) {
		bell = bell_open();
		if (ioctl(bell, DOORBELL_BIND, race.event))
			bail("cannot bind in a race");
		close(bell);
	}
	result(true, "bind, unbind and close while signalled");

	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	if (read(race.event, &rest, sizeof(rest)) != sizeof(rest))
		rest = 0;
	result(heard + rest <= race.sent, "no signal is counted twice");
	close(race.event);
}

static void *count_thread(void *arg)
{
	struct race *race = arg;
	int i;

	for (i = 0; i < SIGNALS; i++)
		signal_event(race->event, 1);
	return NULL;
}

static void test_no_loss(void)
{
	struct race race = { .event = event_open(0, 0) };
	int bell = bell_open(), other = bell_open(), i;
	pthread_t thread[2];
	__u64 rest = 0;

	ioctl(bell, DOORBELL_BIND, race.event);
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, count_thread, &race))
			bail("cannot start a thread");
	for (i = 0; i < RACES; i++) {
		ioctl(other, DOORBELL_BIND, race.event);
		ioctl(other, DOORBELL_UNBIND);
	}
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	if (read(race.event, &rest, sizeof(rest)) != sizeof(rest))
		rest = 0;
	result(count_of(bell) + count_of(other) + rest == 2 * SIGNALS,
	       "no signal is lost while bells come and go");
	close(bell);
	close(other);
	close(race.event);
}

/* The last file of the eventfd is closed as the bell lets go of it. */
static void *close_thread(void *arg)
{
	close(*(int *)arg);
	return NULL;
}

static void test_hang_up(void)
{
	pthread_t thread;
	int bell, event, i;

	for (i = 0; i < RACES; i++) {
		bell = bell_open();
		event = event_open(0, 0);
		if (ioctl(bell, DOORBELL_BIND, event))
			bail("cannot bind in a race");
		if (pthread_create(&thread, NULL, close_thread, &event))
			bail("cannot start a thread");
		if (i & 1)
			ioctl(bell, DOORBELL_UNBIND);
		close(bell);
		pthread_join(thread, NULL);
	}
	result(true, "bell and eventfd closed at the same time");
}

int main(int argc, char **argv)
{
	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr, "usage: module_test [MODULE TO LOAD]\n");
		return 2;
	}
	if (argc == 2) {
		int fd = open(argv[1], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			bail("cannot open the module");
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			bail("cannot load the module");
		close(fd);
	}

	printf("TAP version 13\n");
	test_counting();
	test_errors();
	test_ends();
	test_races();
	test_no_loss();
	test_hang_up();
	if (argc == 2)
		result(!syscall(SYS_delete_module, DOORBELL_DEVICE, 0),
		       "the module unloads");
	printf("1..%d\n", tests);
	return failures ? 1 : 0;
}
