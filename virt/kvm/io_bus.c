// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O bus of KVM: takes a guest's access to the ioeventfd or to the
 * in-kernel device that it belongs to.
 *
 * Order. A write rings the ioeventfd that it matches, and nobody else sees it.
 * Every other access is offered to the devices whose range holds all of it, the
 * narrowest range first and among equals the one that was registered first,
 * until one accepts.
 *
 * Protocol of readers and writers:
 *
 *  what                 written under       read under  freed by
 *  -------------------  ------------------  ----------  ---------------------
 *  index of sets       kvm->ioeventfd_lock  RCU         kfree_rcu()
 *  ioeventfds, values    kvm->ioeventfd_lock  RCU         kfree_rcu()
 *  ioeventfds            kvm->ioeventfd_lock  RCU         kfree_rcu(), after
 *                                                       ioeventfd->lock ended
 *  it
 *  array of ranges      kvm->slots_lock     RCU         kfree_rcu()
 *  devices              their owners        kvm->srcu   destructor, after
 *                                                       synchronize_srcu()
 *
 * A kick is one RCU read-side critical section: find the set, find the
 * ioeventfd, signal. It does not need kvm->srcu, may run with interrupts off
 * and takes one lock, the ioeventfd's own, for the reason that ioeventfd_set.h
 * gives. No set of addresses and values makes it dearer than the bounds that
 * io_bus_index.h and ioeventfd_set.h state.
 *
 * A device is found in an RCU read-side critical section and called outside of
 * it, because it may sleep; kvm->srcu, which the caller holds, keeps it. After
 * a device has declined, a new lookup finds the next one.
 *
 * Registering publishes by release stores and waits for nobody; it leaves no
 * grace period behind on kvm->srcu, which somebody else would have to wait
 * for. A vCPU that has seen any consequence of a registration finds it:
 *
 *	registering task                   vCPU
 *	----------------                   ----
 *	publish                            load of the guest sees the consequence
 *	smp_mb() at the end of register    smp_rmb() at the start of a search
 *	whatever comes of it, stored       search
 *
 * Unregistering an ioeventfd waits for kicks of that ioeventfd only,
 * unregistering a device for all readers of kvm->srcu. Neither needs memory.
 *
 * ioeventfd_lock is not slots_lock, since that one is held while memslots and
 * devices wait for kvm->srcu. Under it only memory is allocated. The work under
 * it is bounded too: one path through an index, and one table of
 * KVM_IOEVENTFD_SLOTS_MAX slots. What takes longer, to list all ioeventfds and
 * to destroy them, gives other tasks a chance in between.
 */
#include "io_bus_internal.h"

#include <linux/kvm_host.h>
#include <kvm/iodev.h>
#include <trace/events/kvm_ioeventfd.h>

#include "ioeventfd_set.h"
#include "io_bus_index.h"
#include "io_bus_ranges.h"

/* How many ioeventfds are listed without a chance for other writers. */
#define LIST_CHUNK 256

/*
 * Ioeventfds for any width are what the fast MMIO bus is for. They are not kept
 * twice: an access there has no width, and so rings just those of the MMIO bus.
 */
static __always_inline struct kvm_io_bus *ioeventfd_bus(struct kvm *kvm,
							enum kvm_bus bus_idx)
{
	if (bus_idx == KVM_FAST_MMIO_BUS)
		bus_idx = KVM_MMIO_BUS;
	return &kvm->buses[bus_idx];
}

/* Interrupts are off, but on PREEMPT_RT. */
static __always_inline bool ring_irqoff(struct kvm_kernel_ioeventfd *ioeventfd,
					enum kvm_bus bus_idx, gpa_t addr, int len)
{
	if (!kvm_ioeventfd_signal_irqoff(ioeventfd))
		return false;
	trace_kvm_ioeventfd_ring(bus_idx, addr, len);
	return true;
}

static __always_inline struct kvm_ioeventfd_set *find_set(struct kvm *kvm,
							  enum kvm_bus bus_idx,
							  gpa_t addr)
{
	return kvm_io_index_find(&ioeventfd_bus(kvm, bus_idx)->ioeventfds, addr);
}

static __always_inline bool ring(struct kvm *kvm, enum kvm_bus bus_idx,
				 gpa_t addr, int len, const void *val)
{
	struct kvm_kernel_ioeventfd *ioeventfd = NULL;
	struct kvm_ioeventfd_set *set;
	bool rung;

	rcu_read_lock();
	set = find_set(kvm, bus_idx, addr);
	if (set)
		ioeventfd = kvm_ioeventfd_set_match(set, len, val);
	rung = ioeventfd && kvm_ioeventfd_signal(ioeventfd);
	if (rung)
		trace_kvm_ioeventfd_ring(bus_idx, addr, len);
	rcu_read_unlock();
	return rung;
}

/* @len is not 0. */
static __always_inline u64 low_bytes(u64 value, int len)
{
	return value & ~0ULL >> (64 - 8 * len);
}

/* @set's ioeventfd for a write, or NULL. */
static __always_inline struct kvm_kernel_ioeventfd *
match(struct kvm_ioeventfd_set *set, int len, u64 value)
{
	struct kvm_kernel_ioeventfd *ioeventfd;

	ioeventfd = kvm_ioeventfd_set_match_len(set, len);
	if (!ioeventfd)
		ioeventfd = kvm_ioeventfd_set_match_value(set, len,
							  low_bytes(value, len));
	return ioeventfd;
}

/**
 * kvm_io_bus_ring_pio - ring the ioeventfd of a write to a port, if there is
 * one
 * @vcpu: the vCPU that writes
 * @port: the port
 * @len: width of the write in bytes: 1, 2, 4 or 8
 * @value: the value, in the lowest @len bytes; the rest is ignored
 *
 * Devices are not asked: if this returns false, the caller passes the access to
 * kvm_io_bus_write(), which searches again.
 *
 * Context: RCU read-side critical section; interrupts off, except on PREEMPT_RT.
 * Not under raw spinlocks. Needs no lock of KVM.
 * Return: true if an ioeventfd was rung.
 */
bool kvm_io_bus_ring_pio(struct kvm_vcpu *vcpu, gpa_t port, int len, u64 value)
{
	struct kvm_kernel_ioeventfd *ioeventfd = NULL;
	struct kvm_ioeventfd_set *set;

	/* Pairs with the smp_mb() of a registration. */
	smp_rmb();
	set = find_set(vcpu->kvm, KVM_PIO_BUS, port);
	if (set)
		ioeventfd = match(set, len, value);
	return ioeventfd && ring_irqoff(ioeventfd, KVM_PIO_BUS, port, len);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_ring_pio);

/**
 * kvm_io_bus_search_mmio - find the ioeventfds at an address
 * @vcpu: the vCPU that writes
 * @gpa: guest physical address of the write
 *
 * For a caller that has to decode an instruction to learn width and value of
 * the write, and need not do so if there is no ioeventfd.
 *
 * Context: RCU read-side critical section, as long as the result is used; any,
 * interrupts may be off.
 * Return: the ioeventfds at @gpa; NULL if there are none.
 */
struct kvm_ioeventfd_set *kvm_io_bus_search_mmio(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	/* Pairs with the smp_mb() of a registration. */
	smp_rmb();
	return find_set(vcpu->kvm, KVM_MMIO_BUS, gpa);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_search_mmio);

/**
 * kvm_io_bus_ring_found - ring one of the ioeventfds at an address
 * @set: what kvm_io_bus_search_mmio() returned for @gpa; not NULL
 * @gpa: guest physical address of the write
 * @len: width of the write in bytes: 1, 2, 4 or 8
 * @value: the value, in the lowest @len bytes; the rest is ignored
 *
 * Context: the RCU read-side critical section of the search; else as for
 * kvm_io_bus_ring_pio().
 * Return: true if an ioeventfd was rung. If not, the caller passes the access to
 * kvm_io_bus_write().
 */
bool kvm_io_bus_ring_found(struct kvm_ioeventfd_set *set, gpa_t gpa, int len,
			   u64 value)
{
	struct kvm_kernel_ioeventfd *ioeventfd = match(set, len, value);

	return ioeventfd && ring_irqoff(ioeventfd, KVM_MMIO_BUS, gpa, len);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_ring_found);

static __always_inline int access_dev(struct kvm_vcpu *vcpu,
				      struct kvm_io_device *dev, gpa_t addr,
				      int len, void *val, bool write)
{
	return write ? kvm_iodevice_write(vcpu, dev, addr, len, val) :
		       kvm_iodevice_read(vcpu, dev, addr, len, val);
}

/*
 * Offers an access to the devices that hold it. Not inline, so that kicks and
 * buses without devices do not pay for it.
 */
static noinline int offer_to(struct kvm_vcpu *vcpu, struct kvm_io_ranges *ranges,
			     gpa_t addr, int len, void *val, bool write)
{
	struct kvm_io_candidate cand = {};
	bool found;

	RCU_LOCKDEP_WARN(!srcu_read_lock_held(&vcpu->kvm->srcu),
			 "KVM device accessed without kvm->srcu");

	for (;;) {
		rcu_read_lock();
		found = kvm_io_ranges_next_holding(ranges, addr, len, &cand);
		rcu_read_unlock();

		if (!found)
			return -EOPNOTSUPP;
		if (!access_dev(vcpu, cand.dev, addr, len, val, write))
			return 0;
	}
}

/* After an smp_rmb(), which pairs with the smp_mb() of whoever registers. */
static __always_inline int offer(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx,
				 gpa_t addr, int len, void *val, bool write)
{
	struct kvm_io_ranges *ranges = &vcpu->kvm->buses[bus_idx].ranges;

	if (!rcu_access_pointer(ranges->table))
		return -EOPNOTSUPP;
	return offer_to(vcpu, ranges, addr, len, val, write);
}

/**
 * kvm_io_bus_write - a guest's write
 * @vcpu: who writes
 * @bus_idx: the bus
 * @addr: guest physical address, port or subchannel id
 * @len: width in bytes; 0 on the fast MMIO bus
 * @val: @len bytes in host order, at any alignment
 *
 * Context: process context, may sleep as far as devices do; kvm->srcu held for
 * reading.
 * Return: 0 if an ioeventfd or a device took the write, else -EOPNOTSUPP.
 */
int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		     int len, const void *val)
{
	/* Pairs with the smp_mb() of whoever registers. */
	smp_rmb();
	if (ring(vcpu->kvm, bus_idx, addr, len, val))
		return 0;
	return offer(vcpu, bus_idx, addr, len, (void *)val, true);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_write);

/**
 * kvm_io_bus_write_cookie - a guest's write, with a hint from an earlier one
 * @vcpu: who writes
 * @bus_idx: the bus
 * @addr: guest physical address, port or subchannel id
 * @len: width in bytes
 * @val: @len bytes in host order, at any alignment
 * @cookie: what an earlier call returned, or anything else
 *
 * The virtio-ccw notification hypercall hands a cookie back to the guest, which
 * may pass it in next time to save a search. Finding an ioeventfd takes no
 * longer than checking such a number from a guest would, so it is not looked
 * at.
 *
 * Context: as for kvm_io_bus_write().
 * Return: the cookie for next time, not negative, if an ioeventfd or a device
 * took the write, else -EOPNOTSUPP.
 */
int kvm_io_bus_write_cookie(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx,
			    gpa_t addr, int len, const void *val, long cookie)
{
	return kvm_io_bus_write(vcpu, bus_idx, addr, len, val);
}

/**
 * kvm_io_bus_read - a guest's read
 * @vcpu: who reads
 * @bus_idx: the bus
 * @addr: guest physical address or port
 * @len: width in bytes
 * @val: room for @len bytes, written if a device takes the access
 *
 * Ioeventfds are never read.
 *
 * Context: as for kvm_io_bus_write().
 * Return: 0 if a device took the access, else -EOPNOTSUPP.
 */
int kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		    int len, void *val)
{
	/* Pairs with the smp_mb() of whoever registers. */
	smp_rmb();
	return offer(vcpu, bus_idx, addr, len, val, false);
}

/**
 * kvm_io_bus_get_dev - find the device at an address
 * @kvm: the VM
 * @bus_idx: the bus
 * @addr: guest physical address or port
 *
 * Context: kvm->srcu held for reading; the device stays as long as it is.
 * Return: the device that an access of one byte would be offered to first;
 * NULL if there is none.
 */
struct kvm_io_device *kvm_io_bus_get_dev(struct kvm *kvm, enum kvm_bus bus_idx,
					 gpa_t addr)
{
	struct kvm_io_candidate first = {};
	bool found;

	lockdep_assert_held(&kvm->srcu);

	/* Pairs with the smp_mb() of whoever registers. */
	smp_rmb();

	rcu_read_lock();
	found = kvm_io_ranges_next_holding(&kvm->buses[bus_idx].ranges, addr, 1,
					   &first);
	rcu_read_unlock();
	return found ? first.dev : NULL;
}
EXPORT_SYMBOL_GPL(kvm_io_bus_get_dev);

/**
 * kvm_io_bus_register_dev - put a device on a bus
 * @kvm: the VM
 * @bus_idx: the bus
 * @addr: start of the device's range
 * @len: size of the range in bytes
 * @dev: the device
 *
 * Waits for no reader.
 *
 * Context: process context, may sleep; kvm->slots_lock.
 * Return: 0; -EINVAL if the range runs past the end of the address space;
 * -ENOSPC if the bus has KVM_IO_BUS_MAX_DEVS devices; -ENOMEM. After an error
 * nothing has changed.
 */
int kvm_io_bus_register_dev(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr,
			    u64 len, struct kvm_io_device *dev)
{
	int ret;

	lockdep_assert_held(&kvm->slots_lock);

	ret = kvm_io_ranges_add(&kvm->buses[bus_idx].ranges, addr, len, dev);
	/* Pairs with the smp_rmb() of a search: see the top of this file. */
	smp_mb();
	return ret;
}

static void destruct(struct kvm_io_device *dev)
{
	if (dev->ops->destructor)
		dev->ops->destructor(dev);
}

/**
 * kvm_io_bus_unregister_dev - take a device off a bus and destroy it
 * @kvm: the VM
 * @bus_idx: the bus
 * @dev: the device
 *
 * Calls the device's destructor once no vCPU is in its callbacks any more.
 * Does nothing if the device is not on the bus. Needs no memory, cannot fail,
 * and leaves all other devices alone.
 *
 * Context: process context, sleeps for a grace period of kvm->srcu, so not
 * under kvm->srcu; kvm->slots_lock.
 */
void kvm_io_bus_unregister_dev(struct kvm *kvm, enum kvm_bus bus_idx,
			       struct kvm_io_device *dev)
{
	lockdep_assert_held(&kvm->slots_lock);

	if (!kvm_io_ranges_del(&kvm->buses[bus_idx].ranges, dev))
		return;

	/* Pairs with the caller's srcu_read_lock() around offer(). */
	synchronize_srcu_expedited(&kvm->srcu);
	destruct(dev);
}

/**
 * kvm_io_bus_register_ioeventfd - let writes signal an eventfd
 * @kvm: the VM
 * @bus_idx: the bus; on KVM_MMIO_BUS an ioeventfd for any width is found by
 *	accesses of the fast MMIO bus, too
 * @key: which writes
 * @eventfd: the eventfd; the caller's reference goes over to the ioeventfd if
 *	there is no error
 *
 * Waits for no reader.
 *
 * Context: process context, may sleep. Takes kvm->ioeventfd_lock.
 * Return: 0; -EEXIST if some write would ring an ioeventfd that is there
 * already as well; -ENOSPC if the VM has KVM_MAX_IOEVENTFDS; -ENOMEM. After an
 * error nothing has changed.
 */
int kvm_io_bus_register_ioeventfd(struct kvm *kvm, enum kvm_bus bus_idx,
				  const struct kvm_ioeventfd_key *key,
				  struct eventfd_ctx *eventfd)
{
	struct kvm_io_index *index = &ioeventfd_bus(kvm, bus_idx)->ioeventfds;
	struct kvm_io_index_place place;
	struct kvm_kernel_ioeventfd *ioeventfd;
	struct kvm_ioeventfd_set *set;
	int ret;

	ioeventfd = kvm_ioeventfd_alloc(key, eventfd);
	if (!ioeventfd)
		return -ENOMEM;

	mutex_lock(&kvm->ioeventfd_lock);
	set = kvm_io_index_locate(index, key->addr, &place);
	if (kvm->nr_ioeventfds == KVM_MAX_IOEVENTFDS) {
		ret = -ENOSPC;
	} else if (set) {
		ret = kvm_ioeventfd_set_add(set, ioeventfd);
	} else {
		ret = -ENOMEM;
		set = kvm_ioeventfd_set_alloc();
		if (set) {
			ret = kvm_ioeventfd_set_add(set, ioeventfd);
			if (!ret)
				ret = kvm_io_index_insert(index, key->addr, set,
							  &place);
			if (ret)
				kvm_ioeventfd_set_free(set);
		}
	}
	if (!ret)
		kvm->nr_ioeventfds++;
	mutex_unlock(&kvm->ioeventfd_lock);

	if (ret)
		kfree(ioeventfd);
	/* Pairs with the smp_rmb() of a search: see the top of this file. */
	smp_mb();
	return ret;
}

/**
 * kvm_io_bus_unregister_ioeventfd - end what kvm_io_bus_register_ioeventfd()
 * began
 * @kvm: the VM
 * @bus_idx: the bus
 * @key: the key that it was registered with
 * @eventfd: the eventfd that it was registered with
 *
 * When it has returned, no write that starts later signals, and none that
 * started earlier is still signalling. Waits for kicks of this ioeventfd only.
 * Needs no memory.
 *
 * Context: process context, may sleep. Takes kvm->ioeventfd_lock.
 * Return: 0, or -ENOENT if there is no such registration.
 */
int kvm_io_bus_unregister_ioeventfd(struct kvm *kvm, enum kvm_bus bus_idx,
				    const struct kvm_ioeventfd_key *key,
				    struct eventfd_ctx *eventfd)
{
	struct kvm_io_index *index = &ioeventfd_bus(kvm, bus_idx)->ioeventfds;
	struct kvm_kernel_ioeventfd *ioeventfd = NULL;
	struct kvm_io_index_place place;
	struct kvm_ioeventfd_set *set;

	mutex_lock(&kvm->ioeventfd_lock);
	set = kvm_io_index_locate(index, key->addr, &place);
	if (set)
		ioeventfd = kvm_ioeventfd_set_lookup(set, key);
	if (!ioeventfd || ioeventfd->eventfd != eventfd) {
		mutex_unlock(&kvm->ioeventfd_lock);
		return -ENOENT;
	}

	kvm->nr_ioeventfds--;
	kvm_ioeventfd_set_del(set, ioeventfd);
	if (!set->nr) {
		kvm_io_index_remove(index, &place);
		kvm_ioeventfd_set_free(set);
	}
	mutex_unlock(&kvm->ioeventfd_lock);

	kvm_ioeventfd_kill(ioeventfd);
	return 0;
}

static struct kvm_io_device *range_dev(struct kvm *kvm,
				       const struct kvm_io_range *range)
{
	return rcu_dereference_protected(range->dev,
					 lockdep_is_held(&kvm->slots_lock));
}

/* How far a list of all ioeventfds has come. */
struct list_cursor {
	enum kvm_bus bus;
	u64 addr;
	struct kvm_ioeventfd_set_cursor set;
};

/* Lists some ioeventfds at one address. Returns false if there is none. */
static bool list_chunk(struct kvm *kvm, struct list_cursor *cursor,
		       struct kvm_ioeventfd_info *info, unsigned long max,
		       unsigned long *nr)
{
	struct kvm_kernel_ioeventfd *ioeventfd;
	struct kvm_ioeventfd_set *set;
	u64 addr = cursor->addr;
	unsigned int i;

	set = kvm_io_index_next(&kvm->buses[cursor->bus].ioeventfds, &cursor->addr);
	if (!set)
		return false;
	/* The one that the list has come to is gone. */
	if (cursor->addr != addr)
		cursor->set = (struct kvm_ioeventfd_set_cursor) {};

	for (i = 0; i < LIST_CHUNK; i++) {
		ioeventfd = kvm_ioeventfd_set_next(set, &cursor->set);
		if (!ioeventfd) {
			cursor->set = (struct kvm_ioeventfd_set_cursor) {};
			/* No address is above the last of all. */
			return ++cursor->addr;
		}
		if (*nr < max)
			info[*nr] = (struct kvm_ioeventfd_info) {
				.bus = cursor->bus,
				.key.addr = cursor->addr,
				.key.data = ioeventfd->data,
				.key.len = ioeventfd->len,
				.key.match = ioeventfd->match,
				.rings = READ_ONCE(ioeventfd->rings),
			};
		++*nr;
	}
	return true;
}

/**
 * kvm_io_bus_list_ioeventfds - look at all ioeventfds of a VM
 * @kvm: the VM
 * @info: filled with one entry per ioeventfd, in order of bus and address
 * @max: how many @info takes
 *
 * Takes the lock for a part of the list at a time. An ioeventfd that comes or
 * goes meanwhile may be listed or not; one that stays is listed once or, if
 * others come at its address, twice.
 *
 * Context: process context, may sleep. Takes kvm->ioeventfd_lock.
 * Return: how many ioeventfds there are, also if more than @max.
 */
unsigned long kvm_io_bus_list_ioeventfds(struct kvm *kvm,
					 struct kvm_ioeventfd_info *info,
					 unsigned long max)
{
	struct list_cursor cursor;
	unsigned long nr = 0;
	unsigned int i;
	bool more;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		cursor = (struct list_cursor) { .bus = i };
		do {
			mutex_lock(&kvm->ioeventfd_lock);
			more = list_chunk(kvm, &cursor, info, max, &nr);
			mutex_unlock(&kvm->ioeventfd_lock);
			cond_resched();
		} while (more);
	}
	return nr;
}

/**
 * kvm_io_bus_list_devs - look at all devices of a VM
 * @kvm: the VM
 * @info: filled with one entry per device, in order of bus and address
 * @max: how many @info takes
 *
 * Context: process context, may sleep. Takes kvm->slots_lock.
 * Return: how many devices there are, also if more than @max.
 */
unsigned long kvm_io_bus_list_devs(struct kvm *kvm,
				   struct kvm_io_dev_info *info,
				   unsigned long max)
{
	const struct kvm_io_range *range;
	unsigned long nr = 0;
	unsigned int i, pos;

	mutex_lock(&kvm->slots_lock);
	for (i = 0; i < KVM_NR_BUSES; i++) {
		pos = 0;
		while ((range = kvm_io_ranges_next(&kvm->buses[i].ranges, &pos))) {
			if (nr < max)
				info[nr] = (struct kvm_io_dev_info) {
					.bus = i,
					.start = range->start,
					.size = range->size,
					.ops = range_dev(kvm, range)->ops,
				};
			nr++;
		}
	}
	mutex_unlock(&kvm->slots_lock);
	return nr;
}

/**
 * kvm_io_bus_init - make the buses of a new VM
 * @kvm: the VM
 *
 * Context: any; nobody else knows @kvm yet.
 */
void kvm_io_bus_init(struct kvm *kvm)
{
	unsigned int i;

	memset(kvm->buses, 0, sizeof(kvm->buses));
	for (i = 0; i < KVM_NR_BUSES; i++)
		kvm_io_index_init(&kvm->buses[i].ioeventfds);
	mutex_init(&kvm->ioeventfd_lock);
	kvm->nr_ioeventfds = 0;
}

/**
 * kvm_io_bus_destroy - empty the buses of a VM that nobody runs any more
 * @kvm: the VM
 *
 * Ends all ioeventfds and calls all devices' destructors. The buses stay
 * usable, empty: owners may still ask for a device to be unregistered.
 *
 * Context: process context, may sleep; no reader and no other writer left.
 */
void kvm_io_bus_destroy(struct kvm *kvm)
{
	const struct kvm_io_range *range;
	unsigned int i, pos;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		struct kvm_io_bus *bus = &kvm->buses[i];

		kvm_io_index_destroy(&bus->ioeventfds, kvm_ioeventfd_set_destroy);

		pos = 0;
		while ((range = kvm_io_ranges_next(&bus->ranges, &pos)))
			destruct(rcu_dereference_protected(range->dev, 1));
		kvm_io_ranges_destroy(&bus->ranges);
	}
	kvm->nr_ioeventfds = 0;
}
