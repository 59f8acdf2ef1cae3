/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BUS_AND_MODEL_H
#define BUS_AND_MODEL_H

/*
 * A VM with the bus under test, the model beside it, and what can be done to
 * both.
 */
#include <linux/kvm_host.h>
#include <kvm/iodev.h>

#include "irqoff.h"
#include "model.h"
#include "shim_ctl.h"

enum op_kind {
	OP_ASSIGN,
	OP_DEASSIGN,
	OP_ADD_DEV,
	OP_DEL_DEV,
	OP_WRITE,
	OP_READ,
	OP_RING,
	OP_COOKIE,
	OP_GET_DEV,
	OP_CLOSE_FD,
	OP_DESTROY,
	OP_KINDS
};

/*
 * One operation. If @pick is not zero and something is registered, what is
 * meant is the registration numbered @pick, and its address, length and data
 * are used.
 */
struct op {
	enum op_kind kind;
	int bus;
	unsigned int pick;
	u64 addr;
	u64 data;
	u64 size;
	u32 len;
	u32 flags;
	u64 mask;
	u64 post;
	u32 stride;
	int fd;
	unsigned int behaviour;
	/* Where in its buffer the data of an access begins */
	unsigned int align;
};

struct hdev {
	struct kvm_io_device dev;
	struct kvm_io_device_ops ops;
	struct world *world;
	unsigned int id;
	unsigned int behaviour;
};

#define W_MAX_DEVS	4096

struct world {
	struct kvm kvm;
	struct kvm_vcpu vcpu;
	struct model model;
	unsigned int nr_devs;
	struct hdev *dev[W_MAX_DEVS];
	/* How often the destructor ran */
	unsigned char destroyed[W_MAX_DEVS];
	unsigned int nr_eventfds;
	unsigned long nr_live_before;
	/* Allocations of the last operation on the bus */
	unsigned long nr_allocs;
};

struct result {
	long ret;
	struct trace trace;
	/* Of an access with interrupts off, in the model */
	bool by_range;
};

/* Of all worlds */
extern unsigned long nr_ops[OP_KINDS];
extern unsigned long nr_starved;
extern unsigned long nr_met_by_writer;
extern unsigned long nr_met_by_reader;
extern const char *const op_name[OP_KINDS];

void world_init(struct world *w);
/* Checks that nothing is left; false with a message if something is. */
bool world_exit(struct world *w);

/* An operation with nothing left to be picked */
struct op op_resolve(const struct world *w, const struct op *op);
/* These take resolved ones. */
void op_print(const struct op *op);
bool op_is_access(const struct op *op);
void op_real(struct world *w, const struct op *op, struct result *res);
void op_model(struct model *m, const struct world *w, const struct op *op,
	      struct result *res);
bool result_equal(const struct result *a, const struct result *b);
void result_print(const char *who, const struct result *res);

/* Does it to both; false with a message if they differ. */
bool op_do(struct world *w, const struct op *op);
/* What the owner of a device does once the operation is over. */
void op_after(struct world *w, const struct op *op, long ret);
/* Tries what is registered from all sides. */
bool world_sweep(struct world *w);

/* Where rings and calls of devices are noted */
extern struct trace *trace_now;

/* What the test says when something is wrong */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What is done is printed */
extern bool verbose;

/* Programs */
struct program {
	unsigned int nr;
	unsigned int max;
	struct op *op;
};

void program_random(struct program *p, u64 *seed, unsigned int max);
bool program_from_bytes(struct program *p, const u8 *data, size_t size);
/* Checks: each runs a program, false if anything is not as it must be. */
bool program_run(const struct program *p);
bool program_starve(const struct program *p);
bool program_interleave(const struct program *p);

void program_exit(struct program *p);
struct op op_from_words(const u32 word[4], unsigned int profile);
u64 rnd(u64 *seed);

#define GEN_PROFILES	8

#endif /* BUS_AND_MODEL_H */
