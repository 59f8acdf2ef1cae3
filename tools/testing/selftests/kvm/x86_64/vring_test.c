// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring of virtio that a guest shares with a vhost worker. Kicks use an
 * ioeventfd and calls use an irqfd, without a VMM in between.
 *
 * The guest sends frames through vhost-net to a tap, one at a time. It makes a
 * buffer available, kicks, and halts until the interrupt for the used buffer.
 * The test prints the cost of a round in nanoseconds. With a clock that counts
 * instructions, it is instructions.
 */
#include <net/if.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>

#include "irqfd_util.h"
#include "kvm_test_harness.h"

#define RING_GPA	0xb0000000ull
#define RING_SLOT	10
#define RING_PAGES	8
#define RING_SIZE	8
#define AVAIL		0x1000
#define USED		0x2000
#define FRAME		0x3000
#define FRAME_LEN	(sizeof(struct virtio_net_hdr_mrg_rxbuf) + 60)
#define TX		1	/* vhost-net's second ring */
#define ROUNDS		50
#define TURNS		7

static uint32_t guest_rounds;
static uint32_t guest_flags;	/* of the ioeventfd to kick */

/* The number of the queue, in 16 bits, as drivers write it. */
static void guest_kick(void)
{
	if (guest_flags & PIO)
		guest_out(DOOR_PORT, TX, 2);
	else
		guest_store(DOOR_GPA, TX, 2);
}

static void guest_code(void)
{
	struct vring_avail *avail = (void *)RING_GPA + AVAIL;
	struct vring_used *used = (void *)RING_GPA + USED;
	uint16_t sent = 0;
	uint32_t n;

	x2apic_enable();
	for (;;) {
		for (n = 0; n < guest_rounds; n++) {
			uint32_t calls = READ_ONCE(irq_count[VEC_A]);

			avail->ring[sent % RING_SIZE] = 0;
			asm volatile("" ::: "memory");
			WRITE_ONCE(avail->idx, ++sent);
			asm volatile("mfence" ::: "memory");
			guest_kick();
			while (READ_ONCE(irq_count[VEC_A]) == calls)
				asm volatile("sti; hlt; cli" ::: "memory");
			GUEST_ASSERT_EQ(READ_ONCE(used->idx), sent);
		}
		GUEST_SYNC(0);
	}
}

static int rescued;

static void on_alarm(int number)
{
}

FIXTURE(vring) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int vhost, tap;
	int kick, call;
	uint16_t sent;
	char ifname[IFNAMSIZ];
};

FIXTURE_VARIANT(vring) {
	const char *name;
	uint32_t len, flags;
	bool by_userspace;
};

FIXTURE_VARIANT_ADD(vring, mmio_any) {
	.name = "mmio-any",
};

FIXTURE_VARIANT_ADD(vring, mmio_data) {
	.name = "mmio-data", .len = 2, .flags = DM,
};

FIXTURE_VARIANT_ADD(vring, pio_data) {
	.name = "pio-data", .len = 2, .flags = PIO | DM,
};

/* The cost with neither: the VMM forwards the kick and the call. */
FIXTURE_VARIANT_ADD(vring, userspace) {
	.name = "userspace", .by_userspace = true,
};

static int open_tap(char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int size = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	int fd, sock;

	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &size))
		return -1;
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	ifr.ifr_flags = IFF_UP;
	TEST_ASSERT(!ioctl(sock, SIOCSIFFLAGS, &ifr), "tap up: errno %d", errno);
	close(sock);
	snprintf(name, IFNAMSIZ, "%s", ifr.ifr_name);
	return fd;
}

/* The frames that came out of the tap. */
static unsigned long frames(const char *ifname)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/rx_packets", ifname);
	fd = open(path, O_RDONLY);
	TEST_ASSERT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0,
		    "%s: errno %d", path, errno);
	close(fd);
	return strtoul(text, NULL, 10);
}

static void vhost(int fd, unsigned long request, void *arg, const char *name)
{
	TEST_ASSERT(!ioctl(fd, request, arg), "%s: errno %d", name, errno);
}

#define vhost_do(fd, request, ...)					\
	vhost(fd, request, &(__VA_ARGS__), #request)

static void start_ring(FIXTURE_DATA(vring) *self)
{
	void *hva = addr_gpa2hva(self->vm, RING_GPA);
	struct vring_desc *desc = hva;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} mem = {
		.head.nregions = 1,
		.region = {
			.guest_phys_addr = RING_GPA,
			.memory_size = RING_PAGES * getpagesize(),
			.userspace_addr = (uintptr_t)hva,
		},
	};
	struct vhost_vring_addr addr = {
		.index = TX,
		.desc_user_addr = (uintptr_t)hva,
		.avail_user_addr = (uintptr_t)hva + AVAIL,
		.used_user_addr = (uintptr_t)hva + USED,
	};
	uint64_t features = 1ull << VIRTIO_F_VERSION_1;

	/* A broadcast of an unused protocol. */
	desc[0].addr = RING_GPA + FRAME;
	desc[0].len = FRAME_LEN;
	memset(hva + FRAME + sizeof(struct virtio_net_hdr_mrg_rxbuf), 0xff, 6);
	memcpy(hva + FRAME + sizeof(struct virtio_net_hdr_mrg_rxbuf) + 12,
	       "\x88\xb5", 2);

	vhost(self->vhost, VHOST_SET_OWNER, NULL, "VHOST_SET_OWNER");
	vhost_do(self->vhost, VHOST_SET_FEATURES, features);
	vhost_do(self->vhost, VHOST_SET_MEM_TABLE, mem);
	vhost_do(self->vhost, VHOST_SET_VRING_NUM,
		 (struct vhost_vring_state) { TX, RING_SIZE });
	vhost_do(self->vhost, VHOST_SET_VRING_BASE,
		 (struct vhost_vring_state) { TX, 0 });
	vhost_do(self->vhost, VHOST_SET_VRING_ADDR, addr);
	vhost_do(self->vhost, VHOST_SET_VRING_KICK,
		 (struct vhost_vring_file) { TX, self->kick });
	vhost_do(self->vhost, VHOST_SET_VRING_CALL,
		 (struct vhost_vring_file) { TX, self->call });
	vhost_do(self->vhost, VHOST_NET_SET_BACKEND,
		 (struct vhost_vring_file) { TX, self->tap });
}

FIXTURE_SETUP(vring)
{
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	if (access("/dev/vhost-net", F_OK) || access("/dev/net/tun", F_OK))
		(void)!system("modprobe -qa tun vhost_net 2>/dev/null");
	self->vhost = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	if (self->vhost < 0)
		SKIP(return, "no vhost-net here");
	self->tap = open_tap(self->ifname);
	if (self->tap < 0)
		SKIP(return, "no tap here");

	self->vm = vm_create_with_one_vcpu(&self->vcpu, guest_code);
	vm_install_exception_handler(self->vm, VEC_A, count_irq);
	map_doors(self->vm);
	vm_userspace_mem_region_add(self->vm, VM_MEM_SRC_ANONYMOUS, RING_GPA,
				    RING_SLOT, RING_PAGES, 0);
	virt_map(self->vm, RING_GPA, RING_GPA, RING_PAGES);
	route_msi(self->vm, MSI_GSI, VEC_A);

	self->kick = new_eventfd();
	self->call = new_eventfd();
	self->sent = 0;
	write_guest_global(self->vm, guest_flags, *(uint32_t *)&variant->flags);
	if (!variant->by_userspace) {
		door_assign(self->vm, self->kick,
			    variant->flags & PIO ? DOOR_PORT : DOOR_GPA,
			    variant->len, variant->flags, TX);
		TEST_ASSERT(!irqfd_ioctl(self->vm, self->call, MSI_GSI, 0, 0),
			    "irqfd: errno %d", errno);
	}
	start_ring(self);
}

FIXTURE_TEARDOWN(vring)
{
	close(self->vhost);
	close(self->tap);
	kvm_vm_free(self->vm);
	close(self->kick);
	close(self->call);
}

static void pass_on(FIXTURE_DATA(vring) *self)
{
	struct pollfd call = { .fd = self->call, .events = POLLIN };
	struct kvm_msi msi = { .address_lo = APIC_DEFAULT_GPA, .data = VEC_A };

	eventfd_ring(self->kick, 1);
	TEST_ASSERT(poll(&call, 1, 20000) == 1, "no call after a kick");
	eventfd_take(self->call);
	TEST_ASSERT(__vm_ioctl(self->vm, KVM_SIGNAL_MSI, &msi) >= 0,
		    "KVM_SIGNAL_MSI: errno %d", errno);
}

/*
 * STI holds interrupts off for one more instruction. The software CPU forgets
 * that across an exit. Then the interrupt can come just before HLT, and none
 * comes after it. So the test now and then lets a halted guest count again. The
 * guest continues only if the interrupt came, so a lost interrupt is still
 * found.
 */
static void run_awake(struct kvm_vcpu *vcpu)
{
	static const struct itimerval on = { { 2, 0 }, { 2, 0 } }, off;
	struct kvm_mp_state state;

	setitimer(ITIMER_REAL, &on, NULL);
	while (__vcpu_run(vcpu)) {
		TEST_ASSERT(errno == EINTR, "KVM_RUN: errno %d", errno);
		vcpu_mp_state_get(vcpu, &state);
		if (state.mp_state != KVM_MP_STATE_HALTED)
			continue;
		state.mp_state = KVM_MP_STATE_RUNNABLE;
		vcpu_mp_state_set(vcpu, &state);
		rescued++;
	}
	setitimer(ITIMER_REAL, &off, NULL);
}

/* Sends frames; returns the time that they took. */
static uint64_t send_frames(FIXTURE_DATA(vring) *self, uint32_t rounds, int *exits)
{
	struct ucall uc;
	uint64_t start;

	*exits = 0;
	write_guest_global(self->vm, guest_rounds, rounds);
	start = now_ns();
	for (;;) {
		run_awake(self->vcpu);
		if (self->vcpu->run->exit_reason == KVM_EXIT_MMIO) {
			++*exits;
			pass_on(self);
			continue;
		}
		switch (get_ucall(self->vcpu, &uc)) {
		case UCALL_SYNC:
			self->sent += rounds;
			return now_ns() - start;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
		default:
			TEST_FAIL("exit reason %u (%s)", self->vcpu->run->exit_reason,
				  exit_reason_str(self->vcpu->run->exit_reason));
		}
	}
}

/*
 * Every kick makes one frame at the tap, every frame one call. A software CPU
 * delivers about one of 10,000 interrupts twice, also with the KVM of the base.
 */
TEST_F_TIMEOUT(vring, kick_to_call, 100)
{
	struct vring_used *used = addr_gpa2hva(self->vm, RING_GPA + USED);
	uint64_t ns[TURNS];
	int turn, exits;

	for (turn = 0; turn < TURNS; turn++) {
		ns[turn] = send_frames(self, ROUNDS, &exits) / ROUNDS;
		EXPECT_EQ(variant->by_userspace ? ROUNDS : 0, exits);
	}
	EXPECT_EQ(self->sent, READ_ONCE(used->idx));
	EXPECT_LE(self->sent, irqs(self->vm, VEC_A));
	EXPECT_GE(self->sent + TURNS, irqs(self->vm, VEC_A));
	EXPECT_EQ(self->sent, frames(self->ifname));
	printf("# cost kick-to-call %s", variant->name);
	for (turn = 0; turn < TURNS; turn++)
		printf(" %lu", ns[turn]);
	printf("\n");
	if (rescued)
		printf("# halted guests looked at: %d\n", rescued);
}

/* Without the ioeventfd the kick exits; with it again the ring continues. */
TEST_F(vring, ioeventfd_goes_and_comes)
{
	uint64_t addr = variant->flags & PIO ? DOOR_PORT : DOOR_GPA;
	struct kvm_run *run = self->vcpu->run;
	int exits;

	if (variant->by_userspace)
		SKIP(return, "no ioeventfd to take away");
	send_frames(self, 3, &exits);
	door_deassign(self->vm, self->kick, addr, variant->len, variant->flags, TX);
	write_guest_global(self->vm, guest_rounds, 1);
	run_awake(self->vcpu);
	EXPECT_EQ(variant->flags & PIO ? KVM_EXIT_IO : KVM_EXIT_MMIO, run->exit_reason);
	EXPECT_EQ(3, irqs(self->vm, VEC_A));

	door_assign(self->vm, self->kick, addr, variant->len, variant->flags, TX);
	eventfd_ring(self->kick, 1);
	self->sent -= 2;
	send_frames(self, 3, &exits);
	EXPECT_EQ(0, exits);
}

TEST_HARNESS_MAIN
