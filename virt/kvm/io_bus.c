// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O bus of KVM: dispatch. Takes an access of the guest to its ioeventfd
 * or to an in-kernel device.
 *
 *	io_bus.c		dispatch, and the protocol of all these files
 *	io_bus_register.c	registration and lifetimes
 *	io_bus_list.c		lists of what is registered, for debugfs
 *	io_bus_fastpath.c	what exit handlers of an architecture call
 *
 * Order. A write signals the ioeventfd that it matches, and no device gets it.
 * An ioeventfd at the address of the write comes before one that covers a range.
 * Other accesses go to the devices with a range that holds the whole access.
 * The narrowest range comes first, and of equal ranges the one registered
 * first. The first device that accepts the access ends the search.
 *
 * Protocol of readers and writers:
 *
 *  what                 written under        read under  freed by
 *  -------------------  -------------------  ----------  ---------------------
 *  index of sets        kvm->ioeventfd_lock  RCU         kfree_rcu()
 *  sets, their tables   kvm->ioeventfd_lock  RCU         kfree_rcu()
 *  index of post ranges kvm->ioeventfd_lock  RCU         kfree_rcu()
 *  ioeventfds           kvm->ioeventfd_lock  RCU         kfree_rcu(), after
 *                                                        kvm_ioeventfd_kill()
 *  array of ranges      kvm->slots_lock      RCU         kvfree_rcu()
 *  devices              their owners         kvm->srcu   destructor, after
 *                                                        synchronize_srcu()
 *
 * A kick is one RCU read-side critical section: find the set, find the
 * ioeventfd, signal. It does not need kvm->srcu, and interrupts may be off. It
 * takes one lock, that of the ioeventfd (see ioeventfd_set.h). io_bus_index.h
 * and ioeventfd_set.h state the bounds of its cost.
 *
 * A lookup of a device is an RCU read-side critical section, too. The device is
 * called outside of it, because it may sleep. The caller holds kvm->srcu, which
 * keeps the device. After a device has declined, a new lookup finds the next
 * one.
 *
 * Registering publishes by stores with release order. It waits for no reader,
 * and leaves no grace period pending on kvm->srcu, for which other ioctls would
 * wait. A vCPU that has seen a consequence of a registration finds it:
 *
 *	registering task                   vCPU
 *	----------------                   ----
 *	publish                            the guest loads the consequence
 *	smp_mb() at the end                smp_rmb() before the lookup
 *	store the consequence              lookup
 *
 * Unregistering an ioeventfd waits for kicks of that ioeventfd only.
 * Unregistering a device waits for all readers of kvm->srcu. Both need no
 * memory.
 *
 * ioeventfd_lock is not slots_lock, because slots_lock is held while memslots
 * and devices wait for kvm->srcu. Tasks that hold ioeventfd_lock sleep only to
 * allocate memory. Their work is bounded, too: one path through an index, and
 * one table of KVM_IOEVENTFD_SLOTS_MAX slots. Listing all ioeventfds and
 * destroying them take longer. They give other tasks a chance in between.
 */
#include "io_bus_internal.h"

#include <linux/kvm_host.h>
#include <kvm/iodev.h>
#include <trace/events/kvm_ioeventfd.h>

#include "io_bus.h"
#include "io_bus_ranges.h"
#include "ioeventfd_post.h"
#include "ioeventfd_range.h"
#include "ioeventfd_set.h"

/* The ioeventfd of a range for a write that matches none at its own address. */
static struct kvm_kernel_ioeventfd *match_range(struct kvm *kvm, enum kvm_bus bus_idx,
						gpa_t addr, int len, const void *val)
{
	struct kvm_io_bus *bus = kvm_io_bus_of_ioeventfds(kvm, bus_idx);
	struct kvm_ioeventfd_set *set;

	set = kvm_ioeventfd_range_find(&bus->post_ranges, addr);
	return set ? kvm_ioeventfd_set_match(set, len, val) : NULL;
}

/* How often to make a page present that is taken away at once. */
#define POST_TRIES	16

/*
 * A write that stores its value, that a range may take, or whose ioeventfd was
 * unregistered after it was found. This is not inline: other writes would save
 * registers for it. Returns as signal_match().
 *
 * @ioeventfd is what the first search has found, or NULL. The ioeventfd, its address
 * and the memory there may change at any time, so each later try begins with a
 * search. The caller is in an RCU read-side critical section, which this interrupts
 * to wait for a page.
 */
static noinline int write_slowly(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx,
				 gpa_t addr, int len, const void *val,
				 struct kvm_kernel_ioeventfd *ioeventfd)
{
	struct kvm_ioeventfd_set *set = NULL;
	unsigned long post;
	bool present;
	int err, i;

	for (i = 1; ; i++) {
		if (!ioeventfd) {
			set = kvm_io_bus_find_set(vcpu->kvm, bus_idx, addr);
			ioeventfd = set ? kvm_ioeventfd_set_match(set, len, val) : NULL;
		}
		if (!ioeventfd)
			ioeventfd = match_range(vcpu->kvm, bus_idx, addr, len, val);
		if (!ioeventfd) {
			if (set && len)
				++vcpu->stat.generic.ioeventfd_unmatched;
			return -ENOENT;
		}

		post = (unsigned long)addr + ioeventfd->post_offset;
		if (READ_ONCE(ioeventfd->posts))
			err = kvm_ioeventfd_post(ioeventfd, addr,
						 kvm_ioeventfd_load(val, len));
		else
			err = kvm_ioeventfd_signal(ioeventfd) ? 0 : -ENOENT;
		if (!err) {
			++vcpu->stat.generic.ioeventfd_rings;
			trace_kvm_ioeventfd_ring(bus_idx, addr, len);
			return 0;
		}
		if (i == POST_TRIES)
			return -EOPNOTSUPP;
		if (err == -EFAULT) {
			rcu_read_unlock();
			present = kvm_ioeventfd_post_fault_in(post, len);
			rcu_read_lock();
			if (!present)
				return -EOPNOTSUPP;
		}
		ioeventfd = NULL;
	}
}

/*
 * Returns 0 if the write has signalled an ioeventfd; -ENOENT if it matches none, and
 * devices may take it; -EOPNOTSUPP if there is no memory for its value.
 */
static __always_inline int signal_match(struct kvm_vcpu *vcpu,
					enum kvm_bus bus_idx, gpa_t addr,
					int len, const void *val)
{
	struct kvm_io_bus *bus = kvm_io_bus_of_ioeventfds(vcpu->kvm, bus_idx);
	struct kvm_kernel_ioeventfd *ioeventfd;
	struct kvm_ioeventfd_set *set;
	int ret;

	/* Otherwise the compiler computes the address once more for each use. */
	OPTIMIZER_HIDE_VAR(bus);
	if (!rcu_access_pointer(bus->ioeventfds.root) &&
	    !rcu_access_pointer(bus->post_ranges.root))
		return -ENOENT;

	rcu_read_lock();
	set = kvm_io_index_find(&bus->ioeventfds, addr);
	ioeventfd = set ? kvm_ioeventfd_set_match(set, len, val) : NULL;
	if (ioeventfd && kvm_ioeventfd_signal(ioeventfd)) {
		++vcpu->stat.generic.ioeventfd_rings;
		trace_kvm_ioeventfd_ring(bus_idx, addr, len);
		rcu_read_unlock();
		return 0;
	}
	if (unlikely(ioeventfd || rcu_access_pointer(bus->post_ranges.root))) {
		ret = write_slowly(vcpu, bus_idx, addr, len, val, ioeventfd);
		rcu_read_unlock();
		return ret;
	}
	/* A write of unknown width comes again, with its width. */
	if (set && len)
		++vcpu->stat.generic.ioeventfd_unmatched;
	rcu_read_unlock();
	return -ENOENT;
}

static __always_inline int access_dev(struct kvm_vcpu *vcpu,
				      struct kvm_io_device *dev, gpa_t addr,
				      int len, void *val, bool write)
{
	return write ? kvm_iodevice_write(vcpu, dev, addr, len, val) :
		       kvm_iodevice_read(vcpu, dev, addr, len, val);
}

/*
 * Offers an access to the devices that hold it. This is not inline: kicks, and
 * buses without devices, would pay for it.
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

/*
 * The caller has executed smp_rmb(), which pairs with that of a registration.
 */
static __always_inline int offer(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx,
				 gpa_t addr, int len, void *val, bool write)
{
	struct kvm_io_ranges *ranges = &vcpu->kvm->buses[bus_idx].ranges;

	if (!rcu_access_pointer(ranges->table))
		return -EOPNOTSUPP;
	return offer_to(vcpu, ranges, addr, len, val, write);
}

/**
 * kvm_io_bus_write - dispatch a write of the guest
 * @vcpu: the vCPU that writes
 * @bus_idx: the bus
 * @addr: guest physical address, port or subchannel id
 * @len: width in bytes; 0 on the fast MMIO bus
 * @val: @len bytes in host order, at any alignment
 *
 * Context: process context; sleeps if a device does, or if an ioeventfd stores
 * the value to a page that is not there; kvm->srcu held for reading.
 * Return: 0 if an ioeventfd or a device took the write, else -EOPNOTSUPP.
 */
int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		     int len, const void *val)
{
	int err;

	/* Pairs with the smp_mb() of a registration. */
	smp_rmb();
	err = signal_match(vcpu, bus_idx, addr, len, val);
	if (err != -ENOENT)
		return err;
	return offer(vcpu, bus_idx, addr, len, (void *)val, true);
}
EXPORT_SYMBOL_GPL(kvm_io_bus_write);

/**
 * kvm_io_bus_write_cookie - dispatch a write of the guest, with a hint
 * @vcpu: the vCPU that writes
 * @bus_idx: the bus
 * @addr: guest physical address, port or subchannel id
 * @len: width in bytes
 * @val: @len bytes in host order, at any alignment
 * @cookie: the result of an earlier call, or any other number
 *
 * The virtio-ccw notification hypercall returns a cookie to the guest. The
 * guest may pass it to the next hypercall, to save a lookup. A lookup costs no
 * more than checking such a number from a guest, so the cookie is ignored.
 *
 * Context: as for kvm_io_bus_write().
 * Return: the next cookie, not negative, if an ioeventfd or a device took the
 * write, else -EOPNOTSUPP.
 */
int kvm_io_bus_write_cookie(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx,
			    gpa_t addr, int len, const void *val, long cookie)
{
	return kvm_io_bus_write(vcpu, bus_idx, addr, len, val);
}

/**
 * kvm_io_bus_read - dispatch a read of the guest
 * @vcpu: the vCPU that reads
 * @bus_idx: the bus
 * @addr: guest physical address or port
 * @len: width in bytes
 * @val: room for @len bytes, written if a device takes the access
 *
 * Reads never match ioeventfds.
 *
 * Context: as for kvm_io_bus_write().
 * Return: 0 if a device took the access, else -EOPNOTSUPP.
 */
int kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		    int len, void *val)
{
	/* Pairs with the smp_mb() of a registration. */
	smp_rmb();
	return offer(vcpu, bus_idx, addr, len, val, false);
}

/**
 * kvm_io_bus_get_dev - find the device at an address
 * @kvm: the VM
 * @bus_idx: the bus
 * @addr: guest physical address or port
 *
 * Context: kvm->srcu held for reading, as long as the result is used.
 * Return: the first device that holds an access of one byte, in the order of
 * dispatch; NULL if there is none.
 */
struct kvm_io_device *kvm_io_bus_get_dev(struct kvm *kvm, enum kvm_bus bus_idx,
					 gpa_t addr)
{
	struct kvm_io_candidate first = {};
	bool found;

	lockdep_assert_held(&kvm->srcu);

	/* Pairs with the smp_mb() of a registration. */
	smp_rmb();

	rcu_read_lock();
	found = kvm_io_ranges_next_holding(&kvm->buses[bus_idx].ranges, addr, 1,
					   &first);
	rcu_read_unlock();
	return found ? first.dev : NULL;
}
EXPORT_SYMBOL_GPL(kvm_io_bus_get_dev);
