// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two more ways to run a program: with memory that runs out at every point, and
 * with readers and writers stopped at every point to let the other side run.
 */
#include <setjmp.h>

#include "bus_and_model.h"

unsigned long nr_starved;
unsigned long nr_met_by_writer;
unsigned long nr_met_by_reader;

static bool changes(const struct op *op)
{
	return op->kind <= OP_DEL_DEV;
}

/* An access that @op, if it succeeds, makes a difference for */
static struct op access_of(const struct world *w, const struct op *op,
			   unsigned int variant)
{
	struct op r = {
		.kind = OP_WRITE,
		.bus = op->bus,
		.addr = op->addr,
		.len = op->len ? op->len : 1,
		.data = op->data,
	};
	unsigned int i;

	if (r.len > 8)
		r.len = 8;
	if (op->kind == OP_ASSIGN || op->kind == OP_DEASSIGN) {
		r.bus = op->flags & KVM_IOEVENTFD_FLAG_PIO ? M_PIO :
			op->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ?
			M_CCW : M_MMIO;
		if (variant & 1)
			r.kind = OP_RING;
		return r;
	}
	if (op->kind == OP_DEL_DEV) {
		for (i = 0; i < w->model.nr_devs; i++) {
			if (w->model.dev[i].id == op->size) {
				r.addr = w->model.dev[i].start;
				r.bus = w->model.dev[i].bus;
			}
		}
	}
	r.len = 1;
	if (variant & 1)
		r.kind = OP_READ;
	if (variant & 2)
		r.kind = OP_GET_DEV;
	return r;
}

/* Memory that runs out */

static bool some_of(struct world *w, const struct op *op, u64 *seed)
{
	unsigned int i;

	for (i = 0; i < 12; i++) {
		struct op r = access_of(w, op, i);

		if (i >= 4) {
			r.kind = i & 1 ? OP_WRITE : OP_READ;
			r.pick = rnd(seed) | 1;
		}
		if (!op_do(w, &r))
			return false;
	}
	return true;
}

bool program_starve(const struct program *p)
{
	static struct result got, want;
	static struct world w;
	unsigned int i, n;
	u64 seed = p->nr;

	world_init(&w);
	for (i = 0; i < p->nr; i++) {
		struct op op = op_resolve(&w, &p->op[i]);

		if (!changes(&op) || (op.kind == OP_ADD_DEV &&
				      op.fd >= W_MAX_DEVS)) {
			if (!op_do(&w, &p->op[i]))
				return false;
			continue;
		}
		for (n = 1;; n++) {
			struct model m;

			model_copy(&m, &w.model);
			op_model(&m, &w, &op, &want);
			shim_fail_at = shim_nr_allocs + n;
			op_real(&w, &op, &got);
			nr_ops[op.kind]++;
			if (shim_nr_allocs < shim_fail_at) {
				shim_fail_at = 0;
				model_exit(&w.model);
				w.model = m;
				break;
			}
			shim_fail_at = 0;
			nr_starved++;
			model_exit(&m);
			if (verbose) {
				op_print(&op);
				printf("  allocation %u of it fails: %ld\n", n,
				       got.ret);
			}
			if (op.kind != OP_ASSIGN && op.kind != OP_ADD_DEV) {
				fail("%s needs memory", op_name[op.kind]);
				return false;
			}
			/* An error that it would have met anyhow will do. */
			if (got.ret != -ENOMEM &&
			    (!want.ret || got.ret != want.ret)) {
				fail("without memory: %ld", got.ret);
				return false;
			}
			if (!some_of(&w, &op, &seed))
				return false;
		}
		if (!result_equal(&got, &want)) {
			fail("%s: %ld instead of %ld", op_name[op.kind],
			     got.ret, want.ret);
			return false;
		}
		op_after(&w, &op, got.ret);
		if (!some_of(&w, &op, &seed))
			return false;
	}
	return world_sweep(&w) && world_exit(&w);
}

/*
 * An access with interrupts off may leave a write to the ordinary path, if the
 * change makes it hit another ioeventfd. That of a range can store and signal
 * the same as the one that goes.
 */
static bool left_over(const struct op *access, const struct result *got,
		      const struct result want[2])
{
	return access->kind == OP_RING && !got->ret && !got->trace.nr &&
	       want[0].ret && want[1].ret &&
	       (!result_equal(&want[0], &want[1]) ||
		want[0].by_range != want[1].by_range);
}

/* Readers within a writer */

#define NR_PROBES	8

static struct {
	struct world *w;
	const struct model *before;
	const struct model *after;
	struct op op;
	struct op probe[NR_PROBES];
	bool seen_after[NR_PROBES];
	bool bad;
} writer;

static void probe_all(void)
{
	static struct result got, want[2];
	void (*hook)(void) = shim_writer_hook;
	unsigned int i;

	shim_writer_hook = NULL;
	for (i = 0; i < NR_PROBES && !writer.bad; i++) {
		bool before, after;

		op_model((struct model *)writer.before, writer.w,
			 &writer.probe[i], &want[0]);
		op_model((struct model *)writer.after, writer.w,
			 &writer.probe[i], &want[1]);
		op_real(writer.w, &writer.probe[i], &got);
		nr_ops[writer.probe[i].kind]++;
		nr_met_by_writer++;
		before = result_equal(&got, &want[0]);
		after = result_equal(&got, &want[1]);
		/* Once it is seen, it is seen for good. */
		if (after && !before)
			writer.seen_after[i] = true;
		if (after || (before && !writer.seen_after[i]) ||
		    left_over(&writer.probe[i], &got, want))
			continue;
		writer.bad = true;
		if (shim_quiet)
			continue;
		printf("while this goes on:\n");
		op_print(&writer.op);
		op_print(&writer.probe[i]);
		result_print("before", &want[0]);
		result_print("after ", &want[1]);
		result_print("got   ", &got);
	}
	shim_writer_hook = hook;
}

static bool change_probed(struct world *w, const struct op *op, u64 *seed)
{
	static struct result got, want;
	struct model before;
	unsigned int i;

	model_copy(&before, &w->model);
	writer.w = w;
	writer.op = *op;
	writer.bad = false;
	for (i = 0; i < NR_PROBES; i++) {
		struct op r = access_of(w, op, i);

		if (i >= 4) {
			r.kind = i & 1 ? OP_WRITE : OP_READ;
			r.pick = rnd(seed) | 1;
		}
		writer.probe[i] = op_resolve(w, &r);
		writer.seen_after[i] = false;
	}
	op_model(&w->model, w, op, &want);
	writer.before = &before;
	writer.after = &w->model;
	shim_writer_hook = probe_all;
	op_real(w, op, &got);
	shim_writer_hook = NULL;
	nr_ops[op->kind]++;
	model_exit(&before);
	if (writer.bad)
		return false;
	if (!result_equal(&got, &want)) {
		fail("%s: %ld instead of %ld", op_name[op->kind], got.ret,
		     want.ret);
		return false;
	}
	op_after(w, op, got.ret);
	return true;
}

/* A writer within a reader */

static struct {
	struct world *w;
	struct op op;
	unsigned int countdown;
	bool ran;
	bool waits;
	struct result res;
	jmp_buf enough;
} reader;

/*
 * The grace period of an unregistration cannot end before the reader does:
 * leave it there, and do the rest when the reader has ended.
 */
static bool waits_for_reader(void)
{
	longjmp(reader.enough, 1);
}

static void change_now(void)
{
	struct trace *volatile outer = trace_now;

	if (reader.ran || --reader.countdown)
		return;
	reader.ran = true;
	shim_in_hook = true;
	shim_reader_hook = NULL;
	shim_on_srcu_wait = waits_for_reader;
	if (!setjmp(reader.enough)) {
		op_real(reader.w, &reader.op, &reader.res);
	} else {
		mutex_unlock(&reader.w->kvm.slots_lock);
		reader.waits = true;
		trace_now = outer;
	}
	shim_on_srcu_wait = NULL;
	shim_in_hook = false;
}

static bool access_met(struct world *w, const struct op *access,
		       const struct op *op, u64 *seed)
{
	static struct result got, want[2], changed;
	bool ok;

	reader.w = w;
	reader.op = *op;
	reader.countdown = 1 + rnd(seed) % 12;
	reader.ran = false;
	reader.waits = false;

	op_model(&w->model, w, access, &want[0]);
	shim_reader_hook = change_now;
	op_real(w, access, &got);
	shim_reader_hook = NULL;
	nr_ops[access->kind]++;

	/* Too late: the access was over before. */
	if (!reader.ran) {
		if (result_equal(&got, &want[0]))
			return change_probed(w, op, seed);
		fail("%s: %ld", op_name[access->kind], got.ret);
		return false;
	}
	if (reader.waits && w->dev[op->size]->ops.destructor)
		w->dev[op->size]->ops.destructor(&w->dev[op->size]->dev);
	nr_met_by_reader++;
	nr_ops[op->kind]++;
	op_model(&w->model, w, op, &changed);
	op_model(&w->model, w, access, &want[1]);
	ok = result_equal(&got, &want[0]) || result_equal(&got, &want[1]) ||
	     left_over(access, &got, want);
	if (!ok && !shim_quiet) {
		printf("while this goes on:\n");
		op_print(access);
		op_print(op);
		result_print("before", &want[0]);
		result_print("after ", &want[1]);
		result_print("got   ", &got);
	}
	if (!reader.waits && reader.res.ret != changed.ret) {
		fail("%s: %ld instead of %ld", op_name[op->kind],
		     reader.res.ret, changed.ret);
		ok = false;
	}
	op_after(w, op, changed.ret);
	return ok;
}

bool program_interleave(const struct program *p)
{
	static struct world w;
	unsigned int i;
	u64 seed = p->nr;

	world_init(&w);
	for (i = 0; i < p->nr; i++) {
		struct op op = op_resolve(&w, &p->op[i]);

		if (!changes(&op) || (op.kind == OP_ADD_DEV &&
				      op.fd >= W_MAX_DEVS)) {
			if (!op_do(&w, &p->op[i]))
				return false;
		} else if (rnd(&seed) & 1) {
			if (!change_probed(&w, &op, &seed))
				return false;
		} else {
			struct op access = access_of(&w, &op, rnd(&seed));

			if (!(rnd(&seed) & 3))
				access.pick = rnd(&seed) | 1;
			access = op_resolve(&w, &access);
			if (!access_met(&w, &access, &op, &seed))
				return false;
		}
	}
	return world_sweep(&w) && world_exit(&w);
}
