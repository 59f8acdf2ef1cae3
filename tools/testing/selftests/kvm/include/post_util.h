/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the tests of ioeventfds that store the value of a write: a VM whose
 * guest writes by MMIO or PIO, in the exit fastpath or on the ordinary path.
 */
#ifndef SELFTEST_KVM_POST_UTIL_H
#define SELFTEST_KVM_POST_UTIL_H

#include <sys/mman.h>

#include "eventfd_util.h"

/* What the tests map, whatever the size of a page is. */
#define POST_PAGE	SZ_64K

#define POST	KVM_IOEVENTFD_FLAG_POST_WRITE
#define MASK	KVM_IOEVENTFD_FLAG_DATAMASK
#define RANGE	KVM_IOEVENTFD_FLAG_POST_RANGE

static inline int post_ioctl(struct kvm_vm *vm, struct kvm_ioeventfd args)
{
	return __vm_ioctl(vm, KVM_IOEVENTFD, &args) ? -errno : 0;
}

static inline void post_assign(struct kvm_vm *vm, struct kvm_ioeventfd args)
{
	int ret = post_ioctl(vm, args);

	TEST_ASSERT(!ret, "assign addr 0x%llx len %u flags 0x%x post 0x%llx: %d",
		    args.addr, args.len, args.flags, args.post_addr, ret);
}

static inline int post_deassign(struct kvm_vm *vm, struct kvm_ioeventfd args)
{
	args.flags |= DEASSIGN;
	return post_ioctl(vm, args);
}

/* Of one write of 4 bytes, which stores to @post. */
static inline struct kvm_ioeventfd post_args(uint32_t bus, uint64_t at, int fd,
					     void *post)
{
	return (struct kvm_ioeventfd) {
		.addr = at, .len = 4, .fd = fd, .flags = POST | bus,
		.post_addr = (uintptr_t)post,
	};
}

/*
 * With a debugger the exit fastpath leaves each write to the ordinary path.
 */
static inline void use_ordinary_path(struct kvm_vcpu *vcpu)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE };

	vcpu_guest_debug_set(vcpu, &debug);
}

/* A page of memory at @at, or anywhere. */
static inline void *map_page(void *at, int fd)
{
	void *page = mmap(at, POST_PAGE, PROT_READ | PROT_WRITE,
			  (at ? MAP_FIXED : 0) |
			  (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED), fd, 0);

	TEST_ASSERT(page != MAP_FAILED, "mmap: errno %d", errno);
	return page;
}

#endif /* SELFTEST_KVM_POST_UTIL_H */
