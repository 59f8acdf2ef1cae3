// SPDX-License-Identifier: GPL-2.0-only
/*
 * The binary statistics (KVM_GET_STATS_FD) of ioeventfds and irqfds.
 */
#include "eventfd_util.h"
#ifdef __x86_64__
#include "irqfd_util.h"
#endif

#define RINGS		"ioeventfd_rings"
#define UNMATCHED	"ioeventfd_unmatched"

FIXTURE(vcpu) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[2];
	int fd;
};

FIXTURE_VARIANT(vcpu) {
	uint32_t bus;
	uint64_t addr;
};

FIXTURE_VARIANT_ADD(vcpu, mmio) {
	.addr = DOOR_GPA,
};

#ifdef __x86_64__
FIXTURE_VARIANT_ADD(vcpu, pio) {
	.bus = PIO,
	.addr = DOOR_PORT,
};
#endif

FIXTURE_SETUP(vcpu)
{
	self->vm = vm_create_with_vcpus(2, guest_op_loop, self->vcpu);
	map_doors(self->vm);
	self->fd = new_eventfd();
}

FIXTURE_TEARDOWN(vcpu)
{
	kvm_vm_free(self->vm);
	close(self->fd);
}

/* Each write that signals an eventfd counts once, for the vCPU that writes. */
TEST_F(vcpu, rings)
{
	int i;

	EXPECT_EQ(0, vcpu_stat(self->vcpu[0], RINGS));
	door_assign(self->vm, self->fd, variant->addr, 4, variant->bus, 0);
	door_assign(self->vm, self->fd, variant->addr, 2, variant->bus | DM, 3);
	for (i = 0; i < 5; i++)
		guest_write(self->vcpu[0], variant->bus, variant->addr, 4, i, NULL);
	guest_write(self->vcpu[0], variant->bus, variant->addr, 2, 3, NULL);
	guest_write(self->vcpu[1], variant->bus, variant->addr, 4, 1, NULL);
	EXPECT_EQ(7, eventfd_take(self->fd));
	EXPECT_EQ(6, vcpu_stat(self->vcpu[0], RINGS));
	EXPECT_EQ(1, vcpu_stat(self->vcpu[1], RINGS));
	EXPECT_EQ(0, vcpu_stat(self->vcpu[0], UNMATCHED));
	EXPECT_EQ(0, vcpu_stat(self->vcpu[1], UNMATCHED));
}

/* A kick whose width is not looked at counts once, too. */
TEST_F(vcpu, any_width)
{
	door_assign(self->vm, self->fd, variant->addr, 0, variant->bus, 0);
	guest_write(self->vcpu[0], variant->bus, variant->addr, 1, 0, NULL);
	guest_write(self->vcpu[0], variant->bus, variant->addr, 4, 0, NULL);
	EXPECT_EQ(2, eventfd_take(self->fd));
	EXPECT_EQ(2, vcpu_stat(self->vcpu[0], RINGS));
	EXPECT_EQ(0, vcpu_stat(self->vcpu[0], UNMATCHED));
}

/* Writes to an address with ioeventfds that match none of them, and no others. */
TEST_F(vcpu, unmatched)
{
	struct kvm_vcpu *vcpu = self->vcpu[0];

	EXPECT_EQ(0, vcpu_stat(vcpu, UNMATCHED));
	door_assign(self->vm, self->fd, variant->addr, 4, variant->bus | DM, 1);
	EXPECT_EQ(1, guest_write(vcpu, variant->bus, variant->addr, 4, 2, NULL));
	EXPECT_EQ(1, vcpu_stat(vcpu, UNMATCHED));
	EXPECT_EQ(1, guest_write(vcpu, variant->bus, variant->addr, 2, 1, NULL));
	EXPECT_EQ(2, vcpu_stat(vcpu, UNMATCHED));

	/* A read, a write beside it, a write after the last one is deassigned. */
	EXPECT_EQ(1, guest_read(vcpu, variant->bus, variant->addr, 4, NULL));
	EXPECT_EQ(1, guest_write(vcpu, variant->bus, variant->addr + 4, 4, 1, NULL));
	door_deassign(self->vm, self->fd, variant->addr, 4, variant->bus | DM, 1);
	EXPECT_EQ(1, guest_write(vcpu, variant->bus, variant->addr, 4, 1, NULL));
	EXPECT_EQ(2, vcpu_stat(vcpu, UNMATCHED));
	EXPECT_EQ(0, vcpu_stat(vcpu, RINGS));
	EXPECT_EQ(0, vcpu_stat(self->vcpu[1], UNMATCHED));
}

#ifdef __x86_64__
FIXTURE(irqfd) {
	struct quiet_vm q;
	int msi, pin;
};

FIXTURE_SETUP(irqfd)
{
	struct kvm_irq_routing *r = new_routing(2);

	self->q = quiet_vm_create(false);
	self->msi = new_eventfd();
	self->pin = new_eventfd();
	add_msi(r, MSI_GSI, VEC_A);
	add_pin(r, 5, 5);
	ASSERT_EQ(0, set_routing(self->q.vm, r));
	free(r);
}

FIXTURE_TEARDOWN(irqfd)
{
	quiet_vm_free(&self->q);
	close(self->msi);
	close(self->pin);
}

static void ring_often(int fd, int n)
{
	while (n--)
		eventfd_ring(fd, 1);
}

#define EXPECT_IRQFD(atomic, deferred) do { \
	struct kvm_vm *vm_ = self->q.vm; \
	EXPECT_EQ(atomic, take_stat(vm_get_stats_fd(vm_), "irqfd_atomic")); \
	EXPECT_EQ(deferred, take_stat(vm_get_stats_fd(vm_), "irqfd_deferred")); \
} while (0)

/* An MSI is injected at once, the pin of an I/O APIC by a work item. */
TEST_F(irqfd, counts)
{
	EXPECT_IRQFD(0, 0);
	ASSERT_EQ(0, irqfd_ioctl(self->q.vm, self->msi, MSI_GSI, 0, 0));
	ASSERT_EQ(0, irqfd_ioctl(self->q.vm, self->pin, 5, 0, 0));
	EXPECT_IRQFD(0, 0);
	ring_often(self->msi, 3);
	EXPECT_IRQFD(3, 0);
	ring_often(self->pin, 2);
	EXPECT_IRQFD(3, 2);
	ring_often(self->msi, 1);
	EXPECT_IRQFD(4, 2);
}

/* The end of an irqfd, by DEASSIGN or by close(), takes nothing back. */
TEST_F(irqfd, outlive)
{
	int i;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, irqfd_ioctl(self->q.vm, self->msi, MSI_GSI, 0, 0));
		ring_often(self->msi, 2);
		ASSERT_EQ(0, irqfd_ioctl(self->q.vm, self->msi, MSI_GSI,
					 KVM_IRQFD_FLAG_DEASSIGN, 0));
		EXPECT_IRQFD(2 * i, 0);
	}
	/* An event from before the assignment is left to the work item. */
	ring_often(self->pin, 1);
	ASSERT_EQ(0, irqfd_ioctl(self->q.vm, self->pin, MSI_GSI, 0, 0));
	close(self->pin);
	self->pin = new_eventfd();
	EXPECT_IRQFD(6, 1);
}

/* Zero in the file of debugfs clears what irqfds have counted so far. */
TEST_F(irqfd, cleared)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/irqfd_atomic",
		 getpid(), self->q.vm->fd);
	if (access("/sys/kernel/debug/kvm", R_OK))
		SKIP(return, "no debugfs");
	fd = open(path, O_WRONLY);
	ASSERT_LE(0, fd) TH_LOG("%s: errno %d", path, errno);
	ASSERT_EQ(0, irqfd_ioctl(self->q.vm, self->msi, MSI_GSI, 0, 0));
	ring_often(self->msi, 3);
	ASSERT_EQ(1, write(fd, "0", 1));
	EXPECT_IRQFD(0, 0);
	ring_often(self->msi, 1);
	EXPECT_IRQFD(1, 0);
	close(fd);
}
#endif /* __x86_64__ */

TEST_HARNESS_MAIN
