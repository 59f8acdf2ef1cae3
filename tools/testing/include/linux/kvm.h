/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system's <linux/kvm.h> with what the series adds to it, for programs that
 * are not built in the kernel's tree: -I tools/testing/include.
 */
#ifndef TESTING_LINUX_KVM_H
#define TESTING_LINUX_KVM_H

#define kvm_ioeventfd kvm_ioeventfd_of_the_system
#include_next <linux/kvm.h>
#undef kvm_ioeventfd

struct kvm_ioeventfd {
	__u64 datamatch;
	__u64 addr;
	__u32 len;
	__s32 fd;
	__u32 flags;
	__u32 pad0;
	__u64 post_addr;
	__u64 datamask;
	__u32 post_size;
	__u32 post_stride;
	__u8  pad[8];
};

#ifndef KVM_IOEVENTFD_FLAG_POST_WRITE
#define KVM_IOEVENTFD_FLAG_POST_WRITE	(1 << 5)
#define KVM_IOEVENTFD_FLAG_DATAMASK	(1 << 6)
#define KVM_IOEVENTFD_FLAG_POST_RANGE	(1 << 7)
#undef KVM_IOEVENTFD_VALID_FLAG_MASK
#define KVM_IOEVENTFD_VALID_FLAG_MASK	((1 << 8) - 1)

#define KVM_CAP_IOEVENTFD_POST_WRITE	1000
#define KVM_CAP_IOEVENTFD_DATAMASK	1001
#define KVM_CAP_IOEVENTFD_POST_RANGE	1002
#endif

#endif /* TESTING_LINUX_KVM_H */
