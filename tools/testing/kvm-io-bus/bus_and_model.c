// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <linux/err.h>
#include <linux/uaccess.h>

#include "bus_and_model.h"

unsigned long nr_ops[OP_KINDS];
bool verbose;

const char *const op_name[OP_KINDS] = {
	[OP_ASSIGN] = "assign",
	[OP_DEASSIGN] = "deassign",
	[OP_ADD_DEV] = "register",
	[OP_DEL_DEV] = "unregister",
	[OP_WRITE] = "write",
	[OP_READ] = "read",
	[OP_RING] = "ring",
	[OP_COOKIE] = "write with cookie",
	[OP_GET_DEV] = "get device",
	[OP_CLOSE_FD] = "close fd",
	[OP_DESTROY] = "destroy",
};

static const char *const bus_name[] = { "mmio", "pio", "ccw", "fast" };

struct trace *trace_now;

void fail(const char *fmt, ...)
{
	va_list ap;

	if (shim_quiet)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void on_signal(struct eventfd_ctx *ctx)
{
	if (trace_now)
		trace_add(trace_now, '!', ctx->id);
}

static void on_store(unsigned long addr, int len, u64 value)
{
	if (!trace_now)
		return;
	if (len < 8)
		value &= (1ull << 8 * len) - 1;
	trace_add(trace_now, '=', addr);
	trace_add(trace_now, '#', value ^ value >> 32);
}

static struct hdev *to_hdev(struct kvm_io_device *dev)
{
	return container_of(dev, struct hdev, dev);
}

static int dev_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
		    gpa_t addr, int len, void *val)
{
	struct hdev *h = to_hdev(dev);

	SHIM_ASSERT(srcu_read_lock_held(&vcpu->kvm->srcu));
	/* It may sleep */
	SHIM_ASSERT(!rcu_read_lock_held());
	trace_add(trace_now, 'r', h->id);
	/* A change of the bus may come during the callback. */
	shim_reader_point();
	return dev_takes(h->behaviour, false, addr) ? 0 : -EOPNOTSUPP;
}

static int dev_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
		     gpa_t addr, int len, const void *val)
{
	struct hdev *h = to_hdev(dev);

	SHIM_ASSERT(srcu_read_lock_held(&vcpu->kvm->srcu));
	SHIM_ASSERT(!rcu_read_lock_held());
	trace_add(trace_now, 'w', h->id);
	shim_reader_point();
	return dev_takes(h->behaviour, true, addr) ? 0 : -EOPNOTSUPP;
}

static void dev_destructor(struct kvm_io_device *dev)
{
	struct hdev *h = to_hdev(dev);

	h->world->destroyed[h->id]++;
	h->world->dev[h->id] = NULL;
	free(h);
}

static struct hdev *hdev_new(struct world *w, unsigned int behaviour)
{
	struct hdev *h;

	if (w->nr_devs == W_MAX_DEVS)
		return NULL;
	h = calloc(1, sizeof(*h));
	SHIM_ASSERT(h);
	if (!(behaviour & DEV_HAS_NO_READ))
		h->ops.read = dev_read;
	if (!(behaviour & DEV_HAS_NO_WRITE))
		h->ops.write = dev_write;
	if (!(behaviour & DEV_HAS_NO_DESTRUCTOR))
		h->ops.destructor = dev_destructor;
	h->dev.ops = &h->ops;
	h->world = w;
	h->behaviour = behaviour;
	h->id = w->nr_devs;
	w->dev[w->nr_devs++] = h;
	return h;
}

void world_init(struct world *w)
{
	int i;

	memset(w, 0, sizeof(*w));
	w->nr_live_before = shim_nr_live;
	shim_on_signal = on_signal;
	shim_on_store = on_store;
	shim_srcu_init(&w->kvm.srcu);
	mutex_init(&w->kvm.slots_lock);
	/* The fields of a new VM are not all zero */
	memset(w->kvm.buses, 0x5a, sizeof(w->kvm.buses));
	kvm_io_bus_init(&w->kvm);
	kvm_eventfd_init(&w->kvm);
	w->vcpu.kvm = &w->kvm;
	model_init(&w->model);
	for (i = 0; i < 16; i++)
		shim_fd[i] = shim_eventfd_new(w->nr_eventfds++);
	/* One eventfd by two numbers, something else, and the rest closed */
	shim_fd[16] = shim_fd[0];
	eventfd_ctx_get(shim_fd[0]);
	shim_fd[17] = SHIM_FD_OTHER;
}

static void destroy(struct world *w)
{
	bool on_bus[W_MAX_DEVS] = {};
	unsigned int i;

	for (i = 0; i < w->model.nr_devs; i++)
		on_bus[w->model.dev[i].id] = true;
	kvm_io_bus_destroy(&w->kvm);
	for (i = 0; i < w->nr_devs; i++) {
		if (on_bus[i] && w->dev[i] &&
		    w->dev[i]->behaviour & DEV_HAS_NO_DESTRUCTOR) {
			free(w->dev[i]);
			w->dev[i] = NULL;
			w->destroyed[i]++;
		}
	}
}

bool world_exit(struct world *w)
{
	bool ok = true;
	unsigned int i;

	destroy(w);
	/* Devices that were never on the bus, or failed to get there */
	for (i = 0; i < w->nr_devs; i++) {
		if (w->destroyed[i] != 1) {
			fail("device %u was destroyed %u times", i,
			     w->destroyed[i]);
			ok = false;
		}
		if (w->dev[i])
			free(w->dev[i]);
	}
	for (i = 1; i < 16; i++) {
		if (shim_fd[i]->refs != 1) {
			fail("eventfd %u has %lu references too many", i,
			     shim_fd[i]->refs - 1);
			ok = false;
		}
		eventfd_ctx_put(shim_fd[i]);
	}
	if (shim_fd[0]->refs + (shim_fd[16]->refs) !=
	    (shim_fd[0] == shim_fd[16] ? 4 : 2)) {
		fail("eventfd 0 has references too many");
		ok = false;
	}
	eventfd_ctx_put(shim_fd[16]);
	eventfd_ctx_put(shim_fd[0]);
	shim_rcu_barrier();
	if (shim_nr_live != w->nr_live_before) {
		fail("%ld objects leaked", (long)(shim_nr_live -
						  w->nr_live_before));
		shim_nr_live = w->nr_live_before;
		ok = false;
	}
	model_exit(&w->model);
	return ok;
}

bool op_is_access(const struct op *op)
{
	return op->kind >= OP_WRITE && op->kind <= OP_GET_DEV;
}

struct op op_resolve(const struct world *w, const struct op *op)
{
	const struct model *m = &w->model;
	const struct m_bell *bell;
	const struct m_dev *dev;
	struct op r = *op;

	r.pick = 0;
	switch (op->kind) {
	case OP_ASSIGN:
	case OP_DEASSIGN:
	case OP_WRITE:
	case OP_RING:
	case OP_COOKIE:
		if (!op->pick || !m->nr_bells)
			break;
		bell = &m->bell[op->pick % m->nr_bells];
		r.bus = bell->bus;
		r.addr = bell->addr;
		r.data = bell->data;
		if (bell->len)
			r.len = bell->len;
		if (op->kind > OP_DEASSIGN) {
			/* Some register of the range, or just beside one */
			if (bell->size)
				r.addr += (op->pick >> 4 & 31) * (bell->stride / 2 ?: 1);
			/* Bits that may not be compared */
			if (op->pick & 0x2000)
				r.data ^= (u64)op->size << (op->pick & 31);
			break;
		}
		r.len = bell->len;
		r.flags = op->flags & ~0xefu;
		if (bell->match)
			r.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
		if (bell->match && bell->mask != ~0ull) {
			r.flags |= KVM_IOEVENTFD_FLAG_DATAMASK;
			r.mask = bell->mask;
		}
		if (bell->post)
			r.flags |= KVM_IOEVENTFD_FLAG_POST_WRITE;
		if (bell->size) {
			r.flags |= KVM_IOEVENTFD_FLAG_POST_RANGE;
			r.size = bell->size;
			r.stride = bell->stride;
		}
		if (bell->bus == M_PIO)
			r.flags |= KVM_IOEVENTFD_FLAG_PIO;
		if (bell->bus == M_CCW)
			r.flags |= KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY;
		for (r.fd = 0; r.fd < 16; r.fd++) {
			if (shim_fd[r.fd]->id == (int)bell->eventfd)
				break;
		}
		if (bell->eventfd == M_NO_EVENTFD)
			r.fd = -1;
		break;
	case OP_DEL_DEV:
	case OP_READ:
	case OP_GET_DEV:
		if (!op->pick || !m->nr_devs)
			break;
		dev = &m->dev[op->pick % m->nr_devs];
		r.bus = dev->bus;
		r.addr = dev->start;
		/* First byte, last byte, and those next to them */
		if (op->pick & 0x1000 && dev->size)
			r.addr += dev->size - 1;
		if (op->pick & 0x2000)
			r.addr += (op->pick & 0x4000) ? 1 : -1;
		if (op->kind == OP_DEL_DEV)
			r.size = dev->id;
		break;
	default:
		break;
	}
	if (op->kind == OP_DEASSIGN)
		r.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	else if (op->kind == OP_ASSIGN)
		r.flags &= ~KVM_IOEVENTFD_FLAG_DEASSIGN;
	/* Accesses there have no length */
	if (r.bus == M_FAST && op_is_access(op) && op->kind != OP_READ)
		r.len = 0;
	if (op->kind == OP_ADD_DEV)
		r.fd = w->nr_devs;
	/* Rung without a vCPU's ordinary exit are ports and MMIO only. */
	if (r.kind == OP_RING && r.bus != M_FAST) {
		r.bus = r.bus == M_PIO || r.bus == M_CCW ? M_PIO : M_MMIO;
		/* What an instruction writes has one of these widths. */
		if (!r.len || r.len > 8 || r.len & (r.len - 1))
			r.len = 1 << (r.len & 3);
	}
	return r;
}

void op_print(const struct op *op)
{
	printf("%s", op_name[op->kind]);
	switch (op->kind) {
	case OP_ASSIGN:
	case OP_DEASSIGN:
		printf(" addr %#llx len %u flags %#x datamatch %#llx fd %d",
		       op->addr, op->len, op->flags, op->data, op->fd);
		printf(" mask %#llx post %#llx size %#x stride %u",
		       op->mask, op->post, (u32)op->size, op->stride);
		break;
	case OP_ADD_DEV:
		printf(" %s [%#llx + %#llx] as %d, behaviour %#x",
		       bus_name[op->bus], op->addr, op->size, op->fd,
		       op->behaviour);
		break;
	case OP_DEL_DEV:
		printf(" %s device %llu", bus_name[op->bus], op->size);
		break;
	case OP_CLOSE_FD:
		printf(" %d", op->fd);
		break;
	case OP_DESTROY:
		break;
	default:
		printf(" %s %#llx len %u data %#llx at %u", bus_name[op->bus],
		       op->addr, op->len, op->data, op->align);
	}
	printf("\n");
}

void result_print(const char *who, const struct result *res)
{
	unsigned int i;

	printf("  %s: %ld", who, res->ret);
	for (i = 0; i < res->trace.nr && i < M_MAX_EVENTS; i++)
		printf(" %c%u", res->trace.event[i].what,
		       res->trace.event[i].id);
	printf("\n");
}

bool result_equal(const struct result *a, const struct result *b)
{
	unsigned int i;

	if (a->ret != b->ret || a->trace.nr != b->trace.nr)
		return false;
	for (i = 0; i < a->trace.nr && i < M_MAX_EVENTS; i++) {
		if (a->trace.event[i].what != b->trace.event[i].what ||
		    a->trace.event[i].id != b->trace.event[i].id)
			return false;
	}
	return true;
}

/*
 * The data of an access, at the end of an object of its own: code that reads a
 * byte too many is seen.
 */
static unsigned char *access_data(const struct op *op, void **mem)
{
	unsigned int i, len = op->len < 16 ? op->len : 16;
	unsigned char *buf = malloc(op->align + len + 1);
	u64 data = op->data;

	SHIM_ASSERT(buf);
	*mem = buf;
	/* One byte at least, so that there is an object; shift to its end */
	buf += op->align + 1;
	for (i = 0; i < len && i < 8; i++)
		buf[i] = 0;
	if (len == 1) {
		buf[0] = data;
	} else if (len == 2) {
		u16 v = data;

		memcpy(buf, &v, 2);
	} else if (len == 4) {
		u32 v = data;

		memcpy(buf, &v, 4);
	} else if (len) {
		memset(buf, 0, len);
		memcpy(buf, &data, len < 8 ? len : 8);
	}
	return buf;
}

static long real_write(struct world *w, const struct op *op)
{
	unsigned char *val;
	long ret;
	void *mem;

	val = access_data(op, &mem);
	if (op->kind == OP_RING) {
		rcu_read_lock();
		if (op->bus == KVM_FAST_MMIO_BUS)
			ret = ring_any(&w->vcpu, op->addr);
		else
			ret = ring_irqoff(&w->vcpu, op->bus, op->addr, op->len,
					  op->data);
		rcu_read_unlock();
	} else {
		int idx = srcu_read_lock(&w->kvm.srcu);

		if (op->kind == OP_WRITE)
			ret = kvm_io_bus_write(&w->vcpu, op->bus, op->addr,
					       op->len, op->len ? val : NULL);
		else
			ret = kvm_io_bus_write_cookie(&w->vcpu, op->bus,
						      op->addr, op->len,
						      op->len ? val : NULL,
						      op->size);
		/* Any number that is not negative is a cookie. */
		if (op->kind == OP_COOKIE && ret > 0)
			ret = 0;
		srcu_read_unlock(&w->kvm.srcu, idx);
	}
	free(mem);
	return ret;
}

static struct kvm_ioeventfd ioctl_args(const struct op *op)
{
	return (struct kvm_ioeventfd) {
		.addr = op->addr,
		.len = op->len,
		.flags = op->flags,
		.datamatch = op->data,
		.fd = op->fd,
		.post_addr = op->post,
		.datamask = op->mask,
		.post_size = op->size,
		.post_stride = op->stride,
	};
}

void op_real(struct world *w, const struct op *op, struct result *res)
{
	struct trace *outer = trace_now;
	struct kvm_io_device *dev;
	struct kvm_ioeventfd args;
	unsigned long nr = shim_nr_allocs;
	unsigned long nr_sync = w->kvm.srcu.nr_sync;
	u64 val = 0;
	int idx;

	trace_now = &res->trace;
	res->trace.nr = 0;
	res->ret = 0;
	switch (op->kind) {
	case OP_ASSIGN:
	case OP_DEASSIGN:
		args = ioctl_args(op);
		res->ret = kvm_ioeventfd(&w->kvm, &args);
		/* It does not wait */
		SHIM_ASSERT(w->kvm.srcu.nr_sync == nr_sync);
		break;
	case OP_ADD_DEV:
		/* The number was set aside by op_resolve(). */
		if (op->fd >= W_MAX_DEVS)
			break;
		if ((unsigned int)op->fd == w->nr_devs)
			hdev_new(w, op->behaviour);
		mutex_lock(&w->kvm.slots_lock);
		res->ret = kvm_io_bus_register_dev(&w->kvm, op->bus, op->addr,
						   op->size,
						   &w->dev[op->fd]->dev);
		mutex_unlock(&w->kvm.slots_lock);
		SHIM_ASSERT(w->kvm.srcu.nr_sync == nr_sync);
		break;
	case OP_DEL_DEV:
		if (op->size >= w->nr_devs || !w->dev[op->size])
			break;
		mutex_lock(&w->kvm.slots_lock);
		kvm_io_bus_unregister_dev(&w->kvm, op->bus,
					  &w->dev[op->size]->dev);
		mutex_unlock(&w->kvm.slots_lock);
		break;
	case OP_WRITE:
	case OP_RING:
	case OP_COOKIE:
		res->ret = real_write(w, op);
		break;
	case OP_READ:
		idx = srcu_read_lock(&w->kvm.srcu);
		res->ret = kvm_io_bus_read(&w->vcpu, op->bus, op->addr,
					   op->len, &val);
		srcu_read_unlock(&w->kvm.srcu, idx);
		break;
	case OP_GET_DEV:
		idx = srcu_read_lock(&w->kvm.srcu);
		dev = kvm_io_bus_get_dev(&w->kvm, op->bus, op->addr);
		res->ret = dev ? (long)to_hdev(dev)->id : -1;
		srcu_read_unlock(&w->kvm.srcu, idx);
		break;
	case OP_CLOSE_FD:
		/* The number is used again, for another one */
		eventfd_ctx_put(shim_fd[op->fd]);
		shim_fd[op->fd] = shim_eventfd_new(w->nr_eventfds++);
		break;
	case OP_DESTROY:
		destroy(w);
		break;
	default:
		BUG();
	}
	w->nr_allocs = shim_nr_allocs - nr;
	trace_now = outer;
}

static u64 all_bits(u32 len)
{
	return len == 8 ? ~0ull : (1ull << 8 * len) - 1;
}

/* The arguments of the flags from POST_WRITE on; the length is valid. */
static bool model_new_args(const struct op *op)
{
	u32 size = op->size;
	u64 end = op->post + op->len;

	if (op->flags & KVM_IOEVENTFD_FLAG_DATAMASK) {
		if (!(op->flags & KVM_IOEVENTFD_FLAG_DATAMATCH) || op->mask == 0 ||
		    (op->mask | all_bits(op->len)) != all_bits(op->len) ||
		    (op->data & op->mask) != op->data)
			return false;
	}
	if (op->flags & KVM_IOEVENTFD_FLAG_POST_RANGE) {
		if (!(op->flags & KVM_IOEVENTFD_FLAG_POST_WRITE) ||
		    op->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
			return false;
		if (__builtin_popcount(op->stride) != 1 || op->stride < op->len ||
		    !size || size % op->stride || size > UINT64_MAX - op->addr)
			return false;
		end = op->post + size;
	}
	if (!(op->flags & KVM_IOEVENTFD_FLAG_POST_WRITE))
		return true;
	return op->len && op->post && op->post % op->len == 0 &&
	       op->post <= 0x7ffffffff000ull && end <= 0x7ffffffff000ull;
}

static bool model_args(const struct op *op, struct m_bell *bell, long *ret)
{
	bool remove = op->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;

	if (!remove) {
		*ret = -EINVAL;
		if (op->len != 0 && op->len != 1 && op->len != 2 &&
		    op->len != 4 && op->len != 8)
			return false;
		if (op->len > UINT64_MAX - op->addr)
			return false;
		if (op->flags & ~0xffu)
			return false;
		if (!op->len && op->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
			return false;
		if (!model_new_args(op))
			return false;
	}
	if (op->fd == -1 && op->flags & KVM_IOEVENTFD_FLAG_POST_RANGE)
		goto known;
	*ret = -EBADF;
	if (op->fd < 0 || op->fd > 17)
		return false;
	*ret = -EINVAL;
	if (op->fd == 17)
		return false;
known:
	/* What no assignment can have had */
	*ret = -ENOENT;
	if (op->flags & KVM_IOEVENTFD_FLAG_DATAMASK &&
	    (!(op->flags & KVM_IOEVENTFD_FLAG_DATAMATCH) || !op->mask ||
	     (op->len < 8 && op->mask >> 8 * op->len)))
		return false;
	if (op->flags & KVM_IOEVENTFD_FLAG_POST_RANGE &&
	    (op->flags & KVM_IOEVENTFD_FLAG_DATAMATCH || !(u32)op->size))
		return false;
	bell->bus = op->flags & KVM_IOEVENTFD_FLAG_PIO ? M_PIO :
		    op->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ? M_CCW :
		    M_MMIO;
	bell->addr = op->addr;
	bell->len = op->len;
	bell->match = op->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;
	bell->data = op->data;
	bell->mask = ~0ull;
	/* A mask of all bits of the width is none. */
	if (op->flags & KVM_IOEVENTFD_FLAG_DATAMASK &&
	    (op->len > 8 || op->mask != all_bits(op->len)))
		bell->mask = op->mask;
	bell->post = op->flags & KVM_IOEVENTFD_FLAG_POST_WRITE ? op->post : 0;
	bell->size = bell->stride = 0;
	if (op->flags & KVM_IOEVENTFD_FLAG_POST_RANGE) {
		bell->size = (u32)op->size;
		bell->stride = op->stride;
	}
	bell->eventfd = op->fd == -1 ? M_NO_EVENTFD : (unsigned int)shim_fd[op->fd]->id;
	return true;
}

void op_model(struct model *m, const struct world *w, const struct op *op,
	      struct result *res)
{
	unsigned char *val;
	struct m_bell bell;
	struct m_dev dev;
	void *mem;

	res->trace.nr = 0;
	res->by_range = false;
	res->ret = 0;
	switch (op->kind) {
	case OP_ASSIGN:
		if (model_args(op, &bell, &res->ret))
			res->ret = model_assign(m, &bell);
		break;
	case OP_DEASSIGN:
		if (model_args(op, &bell, &res->ret))
			res->ret = model_deassign(m, &bell);
		break;
	case OP_ADD_DEV:
		if (op->fd >= W_MAX_DEVS)
			break;
		dev.bus = op->bus;
		dev.start = op->addr;
		dev.size = op->size;
		dev.id = op->fd;
		dev.behaviour = op->behaviour;
		res->ret = model_add_dev(m, &dev);
		break;
	case OP_DEL_DEV:
		model_del_dev(m, op->bus, op->size);
		break;
	case OP_WRITE:
	case OP_COOKIE:
	case OP_RING:
		val = access_data(op, &mem);
		if (op->kind == OP_RING)
			res->ret = model_ring(m, op->bus, op->addr, op->len,
					      val, &res->trace, &res->by_range);
		else
			res->ret = model_write(m, op->bus, op->addr, op->len,
					       val, &res->trace);
		free(mem);
		break;
	case OP_READ:
		res->ret = model_read(m, op->bus, op->addr, op->len,
				      &res->trace);
		break;
	case OP_GET_DEV:
		res->ret = model_get_dev(m, op->bus, op->addr);
		break;
	case OP_CLOSE_FD:
		break;
	case OP_DESTROY:
		m->nr_bells = 0;
		m->nr_devs = 0;
		break;
	default:
		BUG();
	}
}

void op_after(struct world *w, const struct op *op, long ret)
{
	struct hdev *h;

	if (op->kind == OP_ADD_DEV && op->fd < W_MAX_DEVS && ret) {
		/* Not taken: still its owner's */
		free(w->dev[op->fd]);
		w->dev[op->fd] = NULL;
		w->destroyed[op->fd]++;
	}
	if (op->kind == OP_DEL_DEV && op->size < w->nr_devs) {
		unsigned int i;

		h = w->dev[op->size];
		if (!h || !(h->behaviour & DEV_HAS_NO_DESTRUCTOR))
			return;
		for (i = 0; i < w->model.nr_devs; i++) {
			if (w->model.dev[i].id == op->size)
				return;
		}
		free(h);
		w->dev[op->size] = NULL;
		w->destroyed[op->size]++;
	}
}

bool op_do(struct world *w, const struct op *unresolved)
{
	static struct result got, want;
	struct op op = op_resolve(w, unresolved);
	bool ok;

	if (op.kind == OP_CLOSE_FD && (op.fd < 0 || op.fd > 16))
		return true;
	if (op.kind == OP_DESTROY) {
		/* The model says which devices are on the bus. */
		op_real(w, &op, &got);
		op_model(&w->model, w, &op, &want);
	} else {
		op_model(&w->model, w, &op, &want);
		op_real(w, &op, &got);
	}
	nr_ops[op.kind]++;
	ok = result_equal(&got, &want);
	if (verbose || (!ok && !shim_quiet)) {
		op_print(&op);
		result_print("want", &want);
		result_print("got ", &got);
	}
	if ((op.kind == OP_DEASSIGN || op.kind == OP_DEL_DEV ||
	     op.kind == OP_DESTROY || op_is_access(&op)) && w->nr_allocs) {
		fail("%s allocates memory", op_name[op.kind]);
		ok = false;
	}
	op_after(w, &op, got.ret);
	return ok;
}

static bool try_write(struct world *w, int bus, u64 addr, unsigned int len,
		      u64 data)
{
	struct op op = {
		.kind = OP_WRITE,
		.bus = bus,
		.addr = addr,
		.len = bus == M_FAST ? 0 : len,
		.data = data,
	};

	if (!op_do(w, &op))
		return false;
	op.kind = OP_RING;
	return op_do(w, &op);
}

static int bell_before(const void *a, const void *b)
{
	const struct m_bell *x = a, *y = b;

	if (x->bus != y->bus)
		return x->bus < y->bus ? -1 : 1;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->data < y->data ? -1 : x->data > y->data;
}

/* What is listed is what is there, in order; the list may be cut short. */
static bool listed(struct world *w)
{
	struct model *m = &w->model;
	unsigned long i, nr, max = m->nr_bells;
	struct kvm_ioeventfd_info *info = calloc(max + 1, sizeof(*info));
	struct kvm_io_dev_info *devs = calloc(m->nr_devs + 1, sizeof(*devs));
	struct m_bell *want = calloc(max + 1, sizeof(*want));
	struct m_bell *got = calloc(max + 1, sizeof(*got));
	bool ok = true;

	SHIM_ASSERT(info && devs && want && got);
	nr = kvm_io_bus_list_ioeventfds(&w->kvm, info, max / 2);
	ok &= nr == max && !info[max / 2].key.len && !info[max / 2].key.addr;
	nr = kvm_io_bus_list_ioeventfds(&w->kvm, info, max);
	ok &= nr == max;
	for (i = 0; ok && i < max; i++) {
		/* By bus, then ranges behind the others, then by address */
		if (i && (info[i].bus < info[i - 1].bus ||
			  (info[i].bus == info[i - 1].bus &&
			   (!info[i].key.size < !info[i - 1].key.size ? false :
			    !info[i].key.size > !info[i - 1].key.size ||
			    info[i].key.addr < info[i - 1].key.addr))))
			ok = false;
		got[i].bus = info[i].bus;
		got[i].addr = info[i].key.addr;
		got[i].len = info[i].key.len;
		got[i].match = info[i].key.match;
		got[i].data = info[i].key.match ? info[i].key.data : 0;
		got[i].mask = info[i].key.match ? info[i].key.mask : 0;
		got[i].post = info[i].key.post;
		got[i].size = info[i].key.size;
		got[i].stride = info[i].key.stride;
		want[i] = m->bell[i];
		if (!want[i].match)
			want[i].data = want[i].mask = 0;
		else if (want[i].mask == ~0ull)
			want[i].mask = all_bits(want[i].len);
	}
	qsort(got, max, sizeof(*got), bell_before);
	qsort(want, max, sizeof(*want), bell_before);
	for (i = 0; ok && i < max; i++)
		ok = !bell_before(&got[i], &want[i]) &&
		     got[i].match == want[i].match &&
		     got[i].mask == want[i].mask && got[i].post == want[i].post &&
		     got[i].stride == want[i].stride;

	nr = kvm_io_bus_list_devs(&w->kvm, devs, m->nr_devs / 2);
	ok &= nr == m->nr_devs && !devs[m->nr_devs / 2].ops;
	nr = kvm_io_bus_list_devs(&w->kvm, devs, m->nr_devs);
	ok &= nr == m->nr_devs;
	for (i = 0; ok && i < nr; i++) {
		const struct hdev *h = container_of(devs[i].ops, struct hdev, ops);
		unsigned int j;

		for (j = 0; j < m->nr_devs && m->dev[j].id != h->id; j++)
			;
		ok = j < m->nr_devs && m->dev[j].bus == (int)devs[i].bus &&
		     m->dev[j].start == devs[i].start &&
		     m->dev[j].size == devs[i].size;
		if (i && devs[i].bus == devs[i - 1].bus)
			ok &= devs[i].start >= devs[i - 1].start;
	}
	free(info);
	free(devs);
	free(want);
	free(got);
	if (!ok)
		fail("the list is not what is registered");
	return ok;
}

bool world_sweep(struct world *w)
{
	struct model *m = &w->model;
	unsigned int i, j;

	if (!listed(w))
		return false;

	for (i = 0; i < m->nr_bells; i++) {
		struct m_bell b = m->bell[i];

		for (j = 1; j <= 8; j <<= 1) {
			if (!try_write(w, b.bus, b.addr, j, b.data))
				return false;
		}
		if (!try_write(w, b.bus, b.addr, b.len, b.data ^ 1) ||
		    !try_write(w, b.bus, b.addr + 1, b.len, b.data) ||
		    !try_write(w, b.bus, b.addr - 1, b.len, b.data) ||
		    !try_write(w, M_FAST, b.addr, 0, 0) ||
		    !try_write(w, b.bus, b.addr, b.len, b.data | ~b.mask))
			return false;
		for (j = 0; b.size && j < 8; j++) {
			u64 at[] = { b.stride, b.stride / 2, b.size - b.stride,
				     b.size - 1, b.size, b.size + b.stride,
				     b.size / 2, -b.stride };

			if (!try_write(w, b.bus, b.addr + at[j], b.len, b.data))
				return false;
		}
	}
	for (i = 0; i < m->nr_devs && i < 64; i++) {
		struct m_dev d = m->dev[i];
		u64 at[] = { d.start, d.start - 1, d.start + d.size - 1,
			     d.start + d.size };

		for (j = 0; j < 8; j++) {
			struct op op = {
				.kind = j & 1 ? OP_READ : OP_WRITE,
				.bus = d.bus,
				.addr = at[j / 2],
				.len = 1,
			};

			if (!op_do(w, &op))
				return false;
		}
	}
	return true;
}
