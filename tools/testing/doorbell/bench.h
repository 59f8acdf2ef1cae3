/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations, and the groups that measure them.
 *
 * An operation is one line of the result.  A group is what shares a setup: it
 * runs if any of its operations is wanted, and gives each of them samples, a
 * failure (a ring was lost, or one too many came) or a reason why it cannot
 * be measured here.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>

#include "jobs.h"

#define MAX_REPEAT	100
#define MAX_KICKS	1000000
#define MAX_OPS		24

struct op {
	char name[48];
	char text[96];
	bool wanted;
	int samples;
	/* Nanoseconds, or ticks, per operation. */
	double sample[MAX_REPEAT];
	char failure[160];
	char skipped[96];
};

struct group {
	void (*run)(struct group *group);
	int arg[3];
	int ops;
	struct op op[MAX_OPS];
	struct group *next;
};

struct options {
	int repeat;
	unsigned int kicks;
	/* now() counts ticks of the TSC. */
	bool ticks;
	/* Descriptor of the module's device, or -1. */
	int device;
};

extern struct options options;

/* All groups there are, in the order to run them. */
struct group *all_groups(void);

u64 now(void);

/* One sample of count operations by now(); the negative rounds are for warmth. */
void op_sample(struct op *op, int round, u64 ns, unsigned int count);
__printf(2, 3) void op_fail(struct op *op, const char *format, ...);
__printf(2, 3) void op_skip(struct op *op, const char *format, ...);

/* What groups share (cases.c) */
struct group *add_group(void (*run)(struct group *), int a, int b, int c);
__printf(3, 4) void add_op(struct group *group, const char *text,
			   const char *name, ...);
int new_eventfd(int flags);
/* What an eventfd has counted since the last call. */
u64 take(int fd);
void check_count(struct op *op, const char *what, u64 count, u64 expected);
/*
 * Have the guest do a job, so many times; *ns is how long that takes in all.  False
 * if something else came of it, which is the op's failure.
 */
bool guest_does(struct op *op, struct vm *vm, const struct job *job,
		unsigned int count, u64 *ns);
/* A kick that does not leave for userspace, and one that does, each time */
bool guest_rings(struct op *op, struct vm *vm, const struct kick *kick,
		 unsigned int count, u64 *ns);
bool guest_exits(struct op *op, struct vm *vm, const struct kick *kick,
		 unsigned int count, u64 *ns);

/* Groups for the grace periods that others wait for (grace.c) */
void add_grace(void);

/* Groups for the bounds of a kick's cost (bounds.c) */
void add_bounds(void);

/* Groups for kicks that post the written value (posted.c) */
void add_posted(void);

#endif /* BENCH_H */
