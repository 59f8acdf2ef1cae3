// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-ring: the ring of coalesced writes, which userspace has mapped and may
 * write to. Whatever it puts into the indices, a guest's write goes to the entry
 * that the index names, or out to userspace, and nowhere else.
 */
#include "shim_ctl.h"
#include "coalesced_mmio.h"

#define ZONE	0x1000
#define MAX	((u32)KVM_COALESCED_MMIO_MAX)

#define TEST(cond) \
	do { \
		if (!(cond)) { \
			printf("  %s:%d: %s (last %#x, first %#x)\n", \
			       __FILE__, __LINE__, #cond, last, first); \
			return 1; \
		} \
	} while (0)

static struct kvm kvm;
static struct kvm_vcpu vcpu = { .kvm = &kvm };

static int guest_writes(u32 val)
{
	int idx, ret;

	idx = srcu_read_lock(&kvm.srcu);
	ret = kvm_io_bus_write(&vcpu, KVM_MMIO_BUS, ZONE + 8, 4, &val);
	srcu_read_unlock(&kvm.srcu, idx);
	return ret;
}

int main(void)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = ZONE, .size = 0x100 };
	static const u32 far[] = {
		0x100, 0xffff, 0x10000, 0x01000000, 0x0fffffff, 0x7fffffff,
		0x80000000, 0xf0000000, 0xfffffffe, 0xffffffff,
	};
	u32 value[2 * 4096], nr = 0, last = 0, first = 0, i, j, taken = 0, left = 0;
	static u8 before[PAGE_SIZE];
	struct kvm_coalesced_mmio_ring *ring;
	unsigned long live = shim_nr_live;

	shim_srcu_init(&kvm.srcu);
	mutex_init(&kvm.slots_lock);
	kvm_io_bus_init(&kvm);
	TEST(!kvm_coalesced_mmio_init(&kvm));
	TEST(!kvm_vm_ioctl_register_coalesced_mmio(&kvm, &zone));
	ring = kvm.coalesced_mmio_ring;

	/* All indices that there are, a page beyond, and some far away */
	for (i = 0; i < 2 * MAX; i++)
		value[nr++] = i;
	for (i = 0; i < sizeof(far) / sizeof(*far); i++)
		value[nr++] = far[i];

	for (i = 0; i < nr; i++) {
		for (j = 0; j < nr; j++) {
			last = value[i];
			first = value[j];
			ring->last = last;
			ring->first = first;
			memcpy(before, ring, PAGE_SIZE);
			if (guest_writes(i * nr + j)) {
				left++;
				TEST(last >= MAX || (last + 1) % MAX == first);
				TEST(!memcmp(before, ring, PAGE_SIZE));
				continue;
			}
			taken++;
			TEST(last < MAX && (last + 1) % MAX != first);
			TEST(ring->last == (last + 1) % MAX);
			TEST(ring->first == first);
			TEST(ring->coalesced_mmio[last].phys_addr == ZONE + 8);
			TEST(ring->coalesced_mmio[last].len == 4);
			TEST(!memcmp(ring->coalesced_mmio[last].data,
				     &(u32){ i * nr + j }, 4));
			/* And nothing else has changed. */
			ring->last = last;
			memcpy(&ring->coalesced_mmio[last],
			       before + ((u8 *)&ring->coalesced_mmio[last] -
					 (u8 *)ring),
			       sizeof(ring->coalesced_mmio[last]));
			TEST(!memcmp(before, ring, PAGE_SIZE));
		}
	}
	TEST(!kvm_vm_ioctl_unregister_coalesced_mmio(&kvm, &zone));
	TEST(guest_writes(0));
	kvm_io_bus_destroy(&kvm);
	kvm_coalesced_mmio_free(&kvm);
	TEST(shim_nr_live == live);
	printf("ring_index_out_of_range: %u pairs of indices, %u writes in the ring, %u left\n",
	       nr * nr, taken, left);
	return 0;
}
