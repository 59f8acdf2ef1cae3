// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks, and other events at the instruction that kicks: debuggers, traps,
 * interrupts, shadows, changes of memslots and of ioeventfds, a nested guest.
 * Each case runs with and without each short cut of KVM, and expects the same.
 */
#include <pthread.h>
#include <signal.h>

#include "apic.h"
#include "eventfd_util.h"
#include "kick_util.h"
#include "kvm_test_harness.h"
#include "svm_util.h"
#include "vmx.h"

#define IRQ_VECTOR	0x40
#define KICKS		500
#define STORM		3

#ifndef APIC_SELF_IPI
#define APIC_SELF_IPI	0x3f0
#endif

KICK(store, "movl %esi, (%rdi)");
KICK(out, "outb %al, %dx");

static uint64_t mode;		/* true for the port, false for the address */
static uint64_t seen_rip, seen_dr6, seen_irqs, seen_nmis, seen_dbs;
static uint64_t guest_value, storm_kicks;

static void kick(void)
{
	if (READ_ONCE(mode) == PIO)
		asm volatile("call do_out" : : "a"(1), "d"(DOOR_PORT) : "memory");
	else
		asm volatile("call do_store"
			     : : "D"(DOOR_GPA), "S"((uint32_t)READ_ONCE(guest_value))
			     : "memory");
}

static const struct {
	const char *name, *fastpath, *mmio;
} ways[] = {
	{ "ordinary", "0", "0" },
	{ "fault handler", "0", "1" },
	{ "fastpath", "1", "1" },
};

static bool set_parameter(const char *name, const char *text)
{
	char path[80];
	int fd, n;

	snprintf(path, sizeof(path), "/sys/module/kvm/parameters/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n > 0;
}

/* A kernel without the parameters has one way only. */
static bool go(unsigned int way)
{
	return (set_parameter("ioeventfd_fastpath", ways[way].fastpath) &&
		set_parameter("ioeventfd_mmio", ways[way].mmio)) || !way;
}

struct room {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd;
};

static void enter(struct room *r, void *guest, uint32_t bus)
{
	r->vm = vm_create_with_one_vcpu(&r->vcpu, guest);
	map_doors(r->vm);
	r->fd = new_eventfd();
	door_assign(r->vm, r->fd, bus ? DOOR_PORT : DOOR_GPA, bus ? 1 : 4, bus, 0);
	*(uint64_t *)addr_gva2hva(r->vm, (vm_vaddr_t)&mode) = bus;
}

static void leave(struct room *r)
{
	kvm_vm_free(r->vm);
	close(r->fd);
}

static void var(struct room *r, uint64_t *gva, uint64_t v)
{
	*(uint64_t *)addr_gva2hva(r->vm, (vm_vaddr_t)gva) = v;
}

static uint64_t get(struct room *r, uint64_t *gva)
{
	return *(uint64_t *)addr_gva2hva(r->vm, (vm_vaddr_t)gva);
}

#define to_sync(r) do { \
	struct ucall uc_; \
	vcpu_run((r)->vcpu); \
	ASSERT_EQ(UCALL_SYNC, get_ucall((r)->vcpu, &uc_)) \
		TH_LOG("exit %s", exit_reason_str((r)->vcpu->run->exit_reason)); \
} while (0)

#define EACH_WAY(way, bus) \
	for (unsigned int way = 0; way < ARRAY_SIZE(ways) && go(way); way++) \
		for (uint32_t bus = 0; bus <= PIO; bus += PIO)

static uint64_t after(uint32_t bus)
{
	return (uint64_t)(bus ? after_out : after_store);
}

static uint64_t here(uint32_t bus)
{
	return (uint64_t)(bus ? kick_out : kick_store);
}

/* Kicks that signal, and kicks that do not. */

static void plain_guest(void)
{
	for (;;) {
		kick();
		GUEST_SYNC(0);
	}
}

TEST(rings_or_leaves)
{
	struct room r;
	struct io_log log;

	EACH_WAY(w, bus) {
		enter(&r, plain_guest, bus);
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd));
		door_deassign(r.vm, r.fd, bus ? DOOR_PORT : DOOR_GPA,
			      bus ? 1 : 4, bus, 0);
		guest_run(r.vcpu, &log);
		EXPECT_EQ(1, log.nr) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(0, eventfd_take(r.fd));

		/* Another value or width goes to userspace. */
		door_assign(r.vm, r.fd, bus ? DOOR_PORT : DOOR_GPA,
			    bus ? 1 : 4, bus | DM, 7);
		guest_run(r.vcpu, &log);
		EXPECT_EQ(1, log.nr);
		EXPECT_EQ(bus ? DOOR_PORT : DOOR_GPA, log.exit[0].addr);
		EXPECT_EQ(bus ? 1 : 4, log.exit[0].len);
		door_deassign(r.vm, r.fd, bus ? DOOR_PORT : DOOR_GPA,
			      bus ? 1 : 4, bus | DM, 7);
		door_assign(r.vm, r.fd, bus ? DOOR_PORT : DOOR_GPA, 2, bus, 0);
		guest_run(r.vcpu, &log);
		EXPECT_EQ(1, log.nr);
		EXPECT_EQ(0, eventfd_take(r.fd));
		leave(&r);
	}
}

/* Ioeventfds that are assigned after a write has missed. */

static void two_values_guest(void)
{
	for (;;) {
		kick();
		kick();
		GUEST_SYNC(0);
	}
}

TEST(assigned_after_a_miss)
{
	struct room r;
	struct io_log log;
	unsigned int i;

	EACH_WAY(w, bus) {
		uint64_t addr = bus ? DOOR_PORT : DOOR_GPA;
		uint32_t len = bus ? 1 : 4;
		int other = new_eventfd();

		enter(&r, two_values_guest, bus);
		var(&r, &guest_value, 1);
		door_deassign(r.vm, r.fd, addr, len, bus, 0);
		for (i = 0; i < 3; i++) {
			/* Nothing at the address */
			guest_run(r.vcpu, &log);
			EXPECT_EQ(2, log.nr) TH_LOG("%s", ways[w].name);
			/* Another value than this one */
			door_assign(r.vm, other, addr, len, bus | DM, 7);
			guest_run(r.vcpu, &log);
			EXPECT_EQ(2, log.nr) TH_LOG("%s", ways[w].name);
			EXPECT_EQ(addr, log.exit[0].addr);
			EXPECT_EQ(len, log.exit[0].len);
			/* This value too */
			door_assign(r.vm, r.fd, addr, len, bus | DM, 1);
			to_sync(&r);
			EXPECT_EQ(2, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
			door_deassign(r.vm, r.fd, addr, len, bus | DM, 1);
			guest_run(r.vcpu, &log);
			EXPECT_EQ(2, log.nr);
			door_deassign(r.vm, other, addr, len, bus | DM, 7);
		}
		EXPECT_EQ(0, eventfd_take(r.fd));
		EXPECT_EQ(0, eventfd_take(other));
		leave(&r);
		close(other);
	}
}

static struct kvm_coalesced_mmio_ring *zone_ring(struct room *r)
{
	return (void *)((char *)r->vcpu->run +
			kvm_check_cap(KVM_CAP_COALESCED_MMIO) * getpagesize());
}

/* A write that matches no ioeventfd goes to the device at the address. */
TEST(missed_value_goes_on)
{
	struct kvm_coalesced_mmio_zone zone = { .size = 0x100 };
	struct kvm_coalesced_mmio_ring *ring;
	struct room r;

	if (!kvm_has_cap(KVM_CAP_COALESCED_MMIO) ||
	    !kvm_has_cap(KVM_CAP_COALESCED_PIO))
		SKIP(return, "no coalesced zones");

	EACH_WAY(w, bus) {
		uint64_t addr = bus ? DOOR_PORT : DOOR_GPA;
		uint32_t len = bus ? 1 : 4;

		enter(&r, two_values_guest, bus);
		door_deassign(r.vm, r.fd, addr, len, bus, 0);
		door_assign(r.vm, r.fd, addr, len, bus | DM, 7);
		zone.addr = addr;
		zone.pio = !!bus;
		vm_ioctl(r.vm, KVM_REGISTER_COALESCED_MMIO, &zone);
		ring = zone_ring(&r);
		ring->first = ring->last;
		var(&r, &guest_value, 1);
		to_sync(&r);
		EXPECT_EQ(0, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(ring->first + 2, ring->last) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(addr, ring->coalesced_mmio[ring->first].phys_addr);
		EXPECT_EQ(len, ring->coalesced_mmio[ring->first].len);
		EXPECT_EQ(1, ring->coalesced_mmio[ring->first].data[0]);
		vm_ioctl(r.vm, KVM_UNREGISTER_COALESCED_MMIO, &zone);
		leave(&r);
	}
}

/* A debugger of the host. */

TEST(single_step_of_the_host)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg[7] = 0x402,
	};
	struct kvm_run *run;
	unsigned int steps;
	bool breaks = true;
	struct room r;

	EACH_WAY(w, bus) {
		enter(&r, plain_guest, bus);
		run = r.vcpu->run;

		/*
		 * First a breakpoint on the kick, which stops the guest before
		 * the kick.
		 */
		debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
		debug.arch.debugreg[0] = here(bus);
		debug.arch.debugreg[7] = 0x402;
		vcpu_guest_debug_set(r.vcpu, &debug);
		vcpu_run(r.vcpu);
		if (!w && run->exit_reason != KVM_EXIT_DEBUG) {
			/* The software CPU ignores breakpoints of the host. */
			breaks = false;
			EXPECT_EQ(1, eventfd_take(r.fd));
		} else if (breaks) {
			ASSERT_EQ(KVM_EXIT_DEBUG, run->exit_reason);
			EXPECT_EQ(here(bus), run->debug.arch.pc);
			EXPECT_EQ(0, eventfd_take(r.fd));
		} else {
			EXPECT_EQ(1, eventfd_take(r.fd));
		}

		/* Then single steps, up to the kick and over it. */
		debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
		debug.arch.debugreg[7] = 0;
		vcpu_guest_debug_set(r.vcpu, &debug);
		for (steps = 0; steps < 5000; steps++) {
			vcpu_run(r.vcpu);
			if (run->exit_reason != KVM_EXIT_DEBUG)
				continue;
			if (run->debug.arch.pc == here(bus))
				EXPECT_EQ(0, eventfd_take(r.fd));
			if (run->debug.arch.pc == after(bus))
				break;
		}
		EXPECT_EQ(after(bus), run->debug.arch.pc) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(1, eventfd_take(r.fd));

		/* With other breakpoints only, and with none. */
		debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
		vcpu_guest_debug_set(r.vcpu, &debug);
		to_sync(&r);
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd));
		debug.control = 0;
		vcpu_guest_debug_set(r.vcpu, &debug);
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd));
		leave(&r);
	}
}

/* A debugger of the guest. */

static void on_db(struct ex_regs *regs)
{
	uint64_t dr6;

	asm volatile("mov %%dr6, %0" : "=r"(dr6));
	/* Only the first trap counts: TF causes more until it is cleared. */
	if (!seen_dbs++) {
		seen_rip = regs->rip;
		seen_dr6 = dr6;
	}
	regs->rflags &= ~BIT(8);
	/* Past a breakpoint on an instruction */
	regs->rflags |= BIT(16);
	asm volatile("mov %0, %%dr6" : : "r"(0ull));
	asm volatile("mov %0, %%dr7" : : "r"(0x400ull));
}

static void trap_guest(void)
{
	/* The trap comes after the instruction behind popf. */
	if (READ_ONCE(mode) == PIO)
		asm volatile("pushf; orl $0x100, (%%rsp); popf\n"
			     "outb %%al, %%dx\n"
			     ".globl trap_after_out\ntrap_after_out: nop"
			     : : "a"(1), "d"(DOOR_PORT) : "memory", "cc");
	else
		asm volatile("pushf; orl $0x100, (%%rsp); popf\n"
			     "movl %%esi, (%%rdi)\n"
			     ".globl trap_after_store\ntrap_after_store: nop"
			     : : "S"(1), "D"(DOOR_GPA) : "memory", "cc");
	GUEST_SYNC(0);
}

extern char trap_after_out[], trap_after_store[];

TEST(trap_flag_of_the_guest)
{
	struct room r;

	EACH_WAY(w, bus) {
		enter(&r, trap_guest, bus);
		vm_install_exception_handler(r.vm, DB_VECTOR, on_db);
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd));
		EXPECT_EQ(1, get(&r, &seen_dbs));
		EXPECT_EQ((uint64_t)(bus ? trap_after_out : trap_after_store),
			  get(&r, &seen_rip)) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(BIT(14), get(&r, &seen_dr6) & BIT(14));
		leave(&r);
	}
}

static void breakpoint_guest(void)
{
	asm volatile("mov %0, %%dr0" : : "r"(READ_ONCE(mode) == PIO ?
					     kick_out : kick_store));
	asm volatile("mov %0, %%dr7" : : "r"(0x402ull));
	kick();
	GUEST_SYNC(0);
	/* Enabled, but elsewhere */
	asm volatile("mov %0, %%dr0" : : "r"(0x1234ull));
	asm volatile("mov %0, %%dr7" : : "r"(0x402ull));
	kick();
	GUEST_SYNC(0);
}

TEST(breakpoint_of_the_guest)
{
	struct room r;

	/*
	 * On a software CPU (QEMU 7.2), a breakpoint of a guest stays with the
	 * CPU that ran the guest when it was set. A vCPU that moves to another
	 * CPU misses it, and another vCPU on the old CPU hits it.
	 */
	kvm_pin_this_task_to_pcpu(sched_getcpu());
	EACH_WAY(w, bus) {
		enter(&r, breakpoint_guest, bus);
		vm_install_exception_handler(r.vm, DB_VECTOR, on_db);
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd));
		EXPECT_EQ(1, get(&r, &seen_dbs));
		EXPECT_EQ(here(bus), get(&r, &seen_rip)) TH_LOG("%s", ways[w].name);
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd));
		EXPECT_EQ(1, get(&r, &seen_dbs));
		leave(&r);
	}
}

/* Interrupts */

static void on_irq(struct ex_regs *regs)
{
	if (!seen_irqs++)
		seen_rip = regs->rip;
	x2apic_write_reg(APIC_EOI, 0);
}

static void on_nmi(struct ex_regs *regs)
{
	seen_nmis++;
}

/* An interrupt is pending, and must come only after the kick. */
static void shadow_guest(void)
{
	x2apic_enable();
	kick();
	asm volatile("cli");
	x2apic_write_reg(APIC_SELF_IPI, IRQ_VECTOR);
	if (READ_ONCE(mode) == PIO)
		asm volatile("sti; outb %%al, %%dx\n"
			     ".globl sti_after_out\nsti_after_out: nop; cli"
			     : : "a"(1), "d"(DOOR_PORT) : "memory", "cc");
	else
		asm volatile("sti; movl %%esi, (%%rdi)\n"
			     ".globl sti_after_store\nsti_after_store: nop; cli"
			     : : "S"(1), "D"(DOOR_GPA) : "memory", "cc");
	GUEST_SYNC(0);

	x2apic_write_reg(APIC_SELF_IPI, IRQ_VECTOR);
	seen_irqs = 0;
	if (READ_ONCE(mode) == PIO)
		asm volatile("mov %%ss, %%ebx; sti; mov %%ebx, %%ss\n"
			     "outb %%al, %%dx\n"
			     ".globl ss_after_out\nss_after_out: nop; cli"
			     : : "a"(1), "d"(DOOR_PORT) : "memory", "cc", "rbx");
	else
		asm volatile("mov %%ss, %%ebx; sti; mov %%ebx, %%ss\n"
			     "movl %%esi, (%%rdi)\n"
			     ".globl ss_after_store\nss_after_store: nop; cli"
			     : : "S"(1), "D"(DOOR_GPA) : "memory", "cc", "rbx");
	GUEST_SYNC(0);
}

extern char sti_after_out[], sti_after_store[], ss_after_out[], ss_after_store[];

/*
 * Returns the place of the interrupt, behind STI and behind MOV SS, when two
 * runs in a row agree. A software CPU (QEMU 7.2) forgets a shadow when the host
 * interrupts the guest in it. Then the interrupt comes before the kick.
 */
static void shadow_rips(struct __test_metadata *_metadata, uint32_t bus,
			uint64_t rip[2])
{
	uint64_t last[2] = { 0 };
	struct room r;
	int runs;

	for (runs = 0; runs < 8; runs++) {
		enter(&r, shadow_guest, bus);
		vm_install_exception_handler(r.vm, IRQ_VECTOR, on_irq);
		to_sync(&r);
		EXPECT_EQ(2, eventfd_take(r.fd));
		EXPECT_EQ(1, get(&r, &seen_irqs));
		rip[0] = get(&r, &seen_rip);
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd));
		EXPECT_EQ(1, get(&r, &seen_irqs));
		rip[1] = get(&r, &seen_rip);
		leave(&r);
		if (!memcmp(rip, last, sizeof(last)))
			return;
		memcpy(last, rip, sizeof(last));
	}
	EXPECT_GT(8, runs) TH_LOG("no two runs agree");
}

TEST(interrupt_shadows)
{
	uint64_t rip[ARRAY_SIZE(ways)][2][2];

	EACH_WAY(w, bus) {
		shadow_rips(_metadata, bus, rip[w][!!bus]);
		EXPECT_EQ((uint64_t)(bus ? sti_after_out : sti_after_store),
			  rip[w][!!bus][0]) TH_LOG("%s", ways[w].name);
		/* Processors differ in the length of both shadows in a row. */
		EXPECT_EQ(rip[0][!!bus][1], rip[w][!!bus][1])
			TH_LOG("%s", ways[w].name);
	}
}

/* Kicks until interrupts have come, however late the other thread begins. */
static void storm_guest(void)
{
	uint64_t i;

	x2apic_enable();
	GUEST_SYNC(0);
	asm volatile("sti");
	for (i = 0; i < KICKS || READ_ONCE(seen_irqs) < STORM ||
	     READ_ONCE(seen_nmis) < STORM; i++)
		kick();
	asm volatile("cli");
	WRITE_ONCE(storm_kicks, i);
	GUEST_SYNC(1);
}

struct storm {
	struct room *r;
	bool stop;
	unsigned int sent;
};

static void *storm(void *arg)
{
	struct storm *s = arg;
	struct kvm_msi irq = {
		.address_lo = APIC_DEFAULT_GPA,
		.data = IRQ_VECTOR,
	};
	struct kvm_msi nmi = {
		.address_lo = APIC_DEFAULT_GPA,
		.data = APIC_DM_NMI,
	};

	while (!READ_ONCE(s->stop)) {
		__vm_ioctl(s->r->vm, KVM_SIGNAL_MSI, &irq);
		__vm_ioctl(s->r->vm, KVM_SIGNAL_MSI, &nmi);
		s->sent++;
		usleep(200);
	}
	return NULL;
}

TEST(interrupts_while_kicking)
{
	struct storm s;
	pthread_t thread;
	struct room r;

	EACH_WAY(w, bus) {
		enter(&r, storm_guest, bus);
		vm_install_exception_handler(r.vm, IRQ_VECTOR, on_irq);
		vm_install_exception_handler(r.vm, NMI_VECTOR, on_nmi);
		to_sync(&r);
		s = (struct storm) { .r = &r };
		ASSERT_EQ(0, pthread_create(&thread, NULL, storm, &s));
		to_sync(&r);
		WRITE_ONCE(s.stop, true);
		pthread_join(thread, NULL);
		EXPECT_EQ(get(&r, &storm_kicks), eventfd_take(r.fd))
			TH_LOG("%s", ways[w].name);
		leave(&r);
	}
}

/* Kicks without end: the host must still get its CPU back. */

static void endless_guest(void)
{
	for (;;)
		kick();
}

static void on_signal(int number)
{
}

TEST(signals_while_kicking)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct room r;
	int i;

	sigaction(SIGALRM, &action, NULL);
	EACH_WAY(w, bus) {
		uint64_t rung = 0;

		enter(&r, endless_guest, bus);
		/* A slow machine may need some time for the first kick. */
		for (i = 0; i < 600 && !rung; i++) {
			ualarm(100000, 0);
			EXPECT_EQ(-1, __vcpu_run(r.vcpu));
			EXPECT_EQ(EINTR, errno) TH_LOG("%s", ways[w].name);
			rung = eventfd_take(r.fd);
		}
		EXPECT_LT(0, rung);
		r.vcpu->run->immediate_exit = 1;
		EXPECT_EQ(-1, __vcpu_run(r.vcpu));
		EXPECT_EQ(EINTR, errno);
		r.vcpu->run->immediate_exit = 0;
		leave(&r);
	}
}

/* What is at the address changes. */

static void set_memory(struct kvm_vm *vm, void *mem, bool there)
{
	struct kvm_userspace_memory_region region = {
		.slot = 50,
		.guest_phys_addr = DOOR_GPA,
		.memory_size = there ? getpagesize() : 0,
		.userspace_addr = (uintptr_t)mem,
	};

	vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

TEST(memory_comes_and_goes)
{
	uint32_t *mem = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct room r;
	unsigned int i;

	for (unsigned int w = 0; w < ARRAY_SIZE(ways) && go(w); w++) {
		enter(&r, plain_guest, 0);
		for (i = 1; i <= 5; i++) {
			var(&r, &guest_value, i);
			to_sync(&r);
			EXPECT_EQ(1, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
			EXPECT_EQ(i - 1, mem[0]);

			set_memory(r.vm, mem, true);
			to_sync(&r);
			EXPECT_EQ(0, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
			EXPECT_EQ(i, mem[0]);
			set_memory(r.vm, mem, false);
		}
		leave(&r);
		mem[0] = 0;
	}
}

struct changer {
	struct room *r;
	void *mem;
	bool stop;
	unsigned int rounds;
};

static void *change_memory(void *arg)
{
	struct changer *c = arg;

	while (!READ_ONCE(c->stop)) {
		set_memory(c->r->vm, c->mem, true);
		set_memory(c->r->vm, c->mem, false);
		c->rounds++;
	}
	return NULL;
}

static void many_guest(void)
{
	unsigned int i;

	for (;;) {
		for (i = 0; i < KICKS; i++)
			kick();
		GUEST_SYNC(0);
	}
}

TEST(memory_changes_while_kicking)
{
	void *mem = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct changer c;
	pthread_t thread;
	struct room r;

	for (unsigned int w = 0; w < ARRAY_SIZE(ways) && go(w); w++) {
		enter(&r, many_guest, 0);
		c = (struct changer) { .r = &r, .mem = mem };
		ASSERT_EQ(0, pthread_create(&thread, NULL, change_memory, &c));
		to_sync(&r);
		WRITE_ONCE(c.stop, true);
		pthread_join(thread, NULL);
		EXPECT_GE(KICKS, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		to_sync(&r);
		EXPECT_EQ(KICKS, eventfd_take(r.fd));
		leave(&r);
	}
}

static void *change_door(void *arg)
{
	struct changer *c = arg;

	while (!READ_ONCE(c->stop)) {
		uint32_t bus = get(c->r, &mode);

		door_deassign(c->r->vm, c->r->fd, bus ? DOOR_PORT : DOOR_GPA,
			      bus ? 1 : 4, bus, 0);
		usleep(100);
		door_assign(c->r->vm, c->r->fd, bus ? DOOR_PORT : DOOR_GPA,
			    bus ? 1 : 4, bus, 0);
		usleep(100);
		c->rounds++;
	}
	return NULL;
}

TEST(ioeventfd_changes_while_kicking)
{
	struct changer c;
	pthread_t thread;
	struct room r;

	EACH_WAY(w, bus) {
		uint64_t exits = 0;
		struct ucall uc;

		enter(&r, many_guest, bus);
		c = (struct changer) { .r = &r };
		ASSERT_EQ(0, pthread_create(&thread, NULL, change_door, &c));
		for (;;) {
			vcpu_run(r.vcpu);
			if (get_ucall(r.vcpu, &uc) == UCALL_SYNC)
				break;
			exits++;
		}
		WRITE_ONCE(c.stop, true);
		pthread_join(thread, NULL);
		/* Each kick is counted at exactly one place. */
		EXPECT_EQ(KICKS, eventfd_take(r.fd) + exits) TH_LOG("%s", ways[w].name);
		to_sync(&r);
		EXPECT_EQ(KICKS, eventfd_take(r.fd));
		leave(&r);
	}
}

/*
 * Private memory without a memslot: neither MMIO nor memory, so userspace gets
 * it.
 */

TEST(private_memory)
{
	struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = KVM_X86_SW_PROTECTED_VM,
	};
	unsigned int i;
	struct room r;

	if (!(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SW_PROTECTED_VM)))
		SKIP(return, "no VMs with private memory");

	for (unsigned int w = 0; w < ARRAY_SIZE(ways) && go(w); w++) {
		r.vm = vm_create_shape_with_one_vcpu(shape, &r.vcpu, plain_guest);
		map_doors(r.vm);
		r.fd = new_eventfd();
		door_assign(r.vm, r.fd, DOOR_GPA, 4, 0, 0);
		vm_mem_set_private(r.vm, DOOR_GPA, getpagesize());
		for (i = 0; i < 3; i++) {
			EXPECT_EQ(-1, _vcpu_run(r.vcpu)) TH_LOG("%s", ways[w].name);
			EXPECT_EQ(EFAULT, errno);
			EXPECT_EQ(KVM_EXIT_MEMORY_FAULT, r.vcpu->run->exit_reason);
			EXPECT_EQ(DOOR_GPA, r.vcpu->run->memory_fault.gpa);
			EXPECT_EQ(0, eventfd_take(r.fd));
		}
		vm_mem_set_shared(r.vm, DOOR_GPA, getpagesize());
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		leave(&r);
	}
}

/* A nested guest */

static uint64_t nested_exits, nested_iopm, nested_npt;

#define NPT_TABLE	7ull
#define NPT_LARGE	0x87ull

static void l2_guest(void)
{
	kick();
	kick();
	asm volatile("vmmcall");
}

static void l1_guest(struct svm_test_data *svm)
{
	static unsigned long stack[64];
	struct vmcb_control_area *ctrl = &svm->vmcb->control;

	generic_svm_setup(svm, l2_guest, &stack[60]);
	if (READ_ONCE(nested_iopm)) {
		ctrl->intercept |= BIT_ULL(INTERCEPT_IOIO_PROT);
		ctrl->iopm_base_pa = nested_iopm;
	}
	if (READ_ONCE(nested_npt)) {
		ctrl->nested_ctl |= BIT(0);
		ctrl->nested_cr3 = nested_npt;
	}
	for (;;) {
		run_guest(svm->vmcb, svm->vmcb_gpa);
		if (ctrl->exit_code == SVM_EXIT_IOIO) {
			svm->vmcb->save.rip = ctrl->exit_info_2;
		} else if (ctrl->exit_code == SVM_EXIT_NPF) {
			GUEST_ASSERT_EQ(ctrl->exit_info_2, DOOR_GPA);
			svm->vmcb->save.rip = (uint64_t)after_store;
		} else {
			break;
		}
		nested_exits++;
	}
	GUEST_ASSERT_EQ(ctrl->exit_code, SVM_EXIT_VMMCALL);
	GUEST_SYNC(0);
}

/* The hypervisor intercepts all ports. */
static void own_ports(struct room *r)
{
	vm_vaddr_t iopm = vm_vaddr_alloc(r->vm, 3 * getpagesize(), 0x600000);

	memset(addr_gva2hva(r->vm, iopm), 0xff, 3 * getpagesize());
	var(r, &nested_iopm, addr_gva2gpa(r->vm, iopm));
}

/*
 * Page tables for the nested guest: the first GiB, and the ioeventfds on
 * request. They have as many levels as those of the hypervisor.
 */
static void own_tables(struct room *r, bool doors)
{
	vm_paddr_t t[5];
	uint64_t *table[5];
	struct kvm_sregs sregs;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		vm_vaddr_t gva = vm_vaddr_alloc_page(r->vm);

		t[i] = addr_gva2gpa(r->vm, gva);
		table[i] = addr_gva2hva(r->vm, gva);
		memset(table[i], 0, getpagesize());
	}
	table[0][0] = t[1] | NPT_TABLE;
	table[1][0] = t[2] | NPT_TABLE;
	table[1][DOOR_GPA >> 30] = t[3] | NPT_TABLE;
	for (i = 0; i < 512; i++)
		table[2][i] = (uint64_t)i << 21 | NPT_LARGE;
	if (doors)
		table[3][0] = DOOR_GPA | NPT_LARGE;
	table[4][0] = t[0] | NPT_TABLE;
	vcpu_sregs_get(r->vcpu, &sregs);
	var(r, &nested_npt, t[sregs.cr4 & X86_CR4_LA57 ? 4 : 0]);
}

static void nested_enter(struct room *r, uint32_t bus)
{
	vm_vaddr_t svm;

	enter(r, l1_guest, bus);
	vcpu_alloc_svm(r->vm, &svm);
	vcpu_args_set(r->vcpu, 1, svm);
}

/* The hypervisor of the nested guest does not intercept the first half. */
TEST(nested_guest)
{
	struct room r;

	if (!kvm_cpu_has(X86_FEATURE_SVM))
		SKIP(return, "no nested SVM");

	EACH_WAY(w, bus) {
		nested_enter(&r, bus);
		to_sync(&r);
		EXPECT_EQ(2, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		leave(&r);
		if (!bus)
			continue;

		nested_enter(&r, bus);
		own_ports(&r);
		to_sync(&r);
		EXPECT_EQ(0, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(2, get(&r, &nested_exits));
		leave(&r);
	}
}

/* With page tables of the hypervisor, which gets the faults. */
TEST(nested_guest_with_nested_paging)
{
	struct room r;

	if (!kvm_cpu_has(X86_FEATURE_SVM) || !kvm_cpu_has(X86_FEATURE_NPT))
		SKIP(return, "no nested SVM with nested paging");

	EACH_WAY(w, bus) {
		nested_enter(&r, bus);
		own_tables(&r, true);
		to_sync(&r);
		EXPECT_EQ(2, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(0, get(&r, &nested_exits));
		leave(&r);
		if (bus)
			continue;

		nested_enter(&r, bus);
		own_tables(&r, false);
		to_sync(&r);
		EXPECT_EQ(0, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(2, get(&r, &nested_exits)) TH_LOG("%s", ways[w].name);
		leave(&r);
	}
}

/* The same on Intel, where the guest is left by VMCALL */

static void l2_vmx_guest(void)
{
	kick();
	kick();
	vmcall();
}

static void l1_vmx_guest(struct vmx_pages *vmx)
{
	static unsigned long stack[64];
	uint64_t reason;

	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_vmx_guest, &stack[60]);
	if (READ_ONCE(nested_iopm))
		vmwrite(CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_UNCOND_IO_EXITING |
			vmreadz(CPU_BASED_VM_EXEC_CONTROL));
	GUEST_ASSERT(!vmlaunch());
	for (;;) {
		reason = vmreadz(VM_EXIT_REASON);
		if (reason == EXIT_REASON_IO_INSTRUCTION) {
			vmwrite(GUEST_RIP, (uint64_t)after_out);
		} else if (reason == EXIT_REASON_EPT_VIOLATION) {
			GUEST_ASSERT_EQ(vmreadz(GUEST_PHYSICAL_ADDRESS), DOOR_GPA);
			vmwrite(GUEST_RIP, (uint64_t)after_store);
		} else {
			break;
		}
		nested_exits++;
		GUEST_ASSERT(!vmresume());
	}
	GUEST_ASSERT_EQ(reason, EXIT_REASON_VMCALL);
	GUEST_SYNC(0);
}

static struct vmx_pages *nested_enter_vmx(struct room *r, uint32_t bus)
{
	struct vmx_pages *vmx;
	vm_vaddr_t gva;

	enter(r, l1_vmx_guest, bus);
	vmx = vcpu_alloc_vmx(r->vm, &gva);
	vcpu_args_set(r->vcpu, 1, gva);
	return vmx;
}

TEST(nested_guest_of_vmx)
{
	struct room r;

	if (!kvm_cpu_has(X86_FEATURE_VMX))
		SKIP(return, "no nested VMX");

	EACH_WAY(w, bus) {
		nested_enter_vmx(&r, bus);
		to_sync(&r);
		EXPECT_EQ(2, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		leave(&r);
		if (!bus)
			continue;

		nested_enter_vmx(&r, bus);
		var(&r, &nested_iopm, 1);
		to_sync(&r);
		EXPECT_EQ(0, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		EXPECT_EQ(2, get(&r, &nested_exits));
		leave(&r);
	}
}

TEST(nested_guest_of_vmx_with_ept)
{
	struct vmx_pages *vmx;
	struct room r;

	if (!kvm_cpu_has(X86_FEATURE_VMX) || !kvm_cpu_has_ept())
		SKIP(return, "no nested VMX with EPT");

	EACH_WAY(w, bus) {
		for (unsigned int doors = 0; doors < 2; doors++) {
			vmx = nested_enter_vmx(&r, bus);
			prepare_eptp(vmx, r.vm, 0);
			nested_map_memslot(vmx, r.vm, 0);
			if (doors)
				nested_map(vmx, r.vm, DOOR_GPA, DOOR_GPA,
					   getpagesize());
			to_sync(&r);
			EXPECT_EQ(doors || bus ? 2 : 0, eventfd_take(r.fd))
				TH_LOG("%s", ways[w].name);
			EXPECT_EQ(doors || bus ? 0 : 2, get(&r, &nested_exits))
				TH_LOG("%s", ways[w].name);
			leave(&r);
		}
	}
}

/* System management mode: 16-bit code in memory of its own */

#define SMRAM_GPA	0x1000000ull
#define SMRAM_PAGES	16
#define SMRAM_SLOT	(BIT(16) | BIT(0))

/* mov $DOOR_PORT, %dx; out %al, %dx twice; rsm */
static const uint8_t smi_out[] = {
	0xba, DOOR_PORT & 0xff, DOOR_PORT >> 8, 0xee, 0xee, 0x0f, 0xaa,
};

/* mov %esi, DOOR_GPA with an address of 32 bits, twice; rsm */
static const uint8_t smi_store[] = {
	0x67, 0x66, 0x89, 0x35, 0, 0, 0, DOOR_GPA >> 24,
	0x67, 0x66, 0x89, 0x35, 0, 0, 0, DOOR_GPA >> 24,
	0x0f, 0xaa,
};

TEST(system_management_mode)
{
	struct kvm_vcpu *vcpu;
	struct room r;

	if (!kvm_has_cap(KVM_CAP_X86_SMM))
		SKIP(return, "no system management mode");

	EACH_WAY(w, bus) {
		enter(&r, plain_guest, bus);
		vm_userspace_mem_region_add(r.vm, VM_MEM_SRC_ANONYMOUS,
					    SMRAM_GPA, SMRAM_SLOT, SMRAM_PAGES, 0);
		memcpy((char *)addr_gpa2hva(r.vm, SMRAM_GPA) + 0x8000,
		       bus ? smi_out : smi_store,
		       bus ? sizeof(smi_out) : sizeof(smi_store));
		vcpu = r.vcpu;
		vcpu_set_msr(vcpu, MSR_IA32_SMBASE, SMRAM_GPA);
		to_sync(&r);
		EXPECT_EQ(1, eventfd_take(r.fd));
		/* Two kicks of the handler, one of the guest */
		vcpu_ioctl(vcpu, KVM_SMI, NULL);
		to_sync(&r);
		EXPECT_EQ(3, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		vcpu_ioctl(vcpu, KVM_SMI, NULL);
		to_sync(&r);
		EXPECT_EQ(3, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		leave(&r);
	}
}

/*
 * Protection keys that forbid all access to pages of userspace. The guest has no such
 * pages. The host reads the guest's code from its own, and the guest's keys may be in
 * force then.
 */
static void keys_guest(void)
{
	set_cr4(get_cr4() | X86_CR4_PKE);
	for (;;) {
		asm volatile("wrpkru" : : "a"(0x55555555), "c"(0), "d"(0));
		kick();
		kick();
		asm volatile("wrpkru" : : "a"(0), "c"(0), "d"(0));
		GUEST_SYNC(0);
	}
}

TEST(protection_keys)
{
	struct room r;

	if (!kvm_cpu_has(X86_FEATURE_PKU))
		SKIP(return, "no protection keys");

	EACH_WAY(w, bus) {
		enter(&r, keys_guest, bus);
		to_sync(&r);
		to_sync(&r);
		EXPECT_EQ(4, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		leave(&r);
	}
}

/* Statistics */

TEST(statistics)
{
	uint64_t exits[2] = { 0 }, io[2] = { 0 }, before, io_before, d;
	struct room r;

	EACH_WAY(w, bus) {
		enter(&r, many_guest, bus);
		to_sync(&r);
		before = vcpu_stat(r.vcpu, "exits");
		io_before = vcpu_stat(r.vcpu, "io_exits");
		to_sync(&r);
		EXPECT_EQ(2 * KICKS, eventfd_take(r.fd));
		d = vcpu_stat(r.vcpu, "io_exits") - io_before;
		if (!w)
			io[!!bus] = d;
		EXPECT_EQ(io[!!bus], d) TH_LOG("%s", ways[w].name);
		/* Ticks of the host are exits, too. */
		d = vcpu_stat(r.vcpu, "exits") - before;
		if (!w)
			exits[!!bus] = d;
		EXPECT_LE(KICKS, d);
		EXPECT_GT(exits[!!bus] + KICKS, d);
		leave(&r);
	}
}

TEST(rings_are_counted)
{
	int64_t rings, in_fastpath;
	struct room r;

	EACH_WAY(w, bus) {
		enter(&r, many_guest, bus);
		to_sync(&r);
		rings = vcpu_stat(r.vcpu, "ioeventfd_rings");
		in_fastpath = vcpu_stat(r.vcpu, "ioeventfd_fastpath_rings");
		EXPECT_EQ(KICKS, rings);
		to_sync(&r);
		EXPECT_EQ(2 * KICKS, eventfd_take(r.fd));
		EXPECT_EQ(rings + KICKS, vcpu_stat(r.vcpu, "ioeventfd_rings"));
		/* By now, the page tables mark the page as MMIO. */
		EXPECT_EQ(in_fastpath + (w == 2 ? KICKS : 0),
			  vcpu_stat(r.vcpu, "ioeventfd_fastpath_rings"))
			TH_LOG("%s", ways[w].name);
		EXPECT_EQ(0, vcpu_stat(r.vcpu, "ioeventfd_unmatched"));
		leave(&r);
	}
}

/*
 * Another instruction at the same place, which no short cut decodes, and back.
 */

TEST(instruction_replaced)
{
	static const uint8_t movnti[] = { 0x0f, 0xc3, 0x37 };
	static const uint8_t mov_nop[] = { 0x89, 0x37, 0x90 };
	uint64_t before, d;
	struct room r;
	unsigned int i;
	void *code;

	for (unsigned int w = 0; w < ARRAY_SIZE(ways) && go(w); w++) {
		enter(&r, many_guest, 0);
		code = addr_gva2hva(r.vm, (vm_vaddr_t)kick_store);
		ASSERT_EQ(0, memcmp(code, mov_nop, sizeof(mov_nop)));
		to_sync(&r);
		EXPECT_EQ(KICKS, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		for (i = 0; i < 3; i++) {
			memcpy(code, movnti, sizeof(movnti));
			to_sync(&r);
			EXPECT_EQ(KICKS, eventfd_take(r.fd))
				TH_LOG("%s", ways[w].name);
			memcpy(code, mov_nop, sizeof(mov_nop));
			before = vcpu_stat(r.vcpu, "insn_emulation");
			to_sync(&r);
			EXPECT_EQ(KICKS, eventfd_take(r.fd))
				TH_LOG("%s", ways[w].name);
			/* The short cuts, if there are any, decode it again. */
			d = vcpu_stat(r.vcpu, "insn_emulation") - before;
			if (w && (!host_cpu_is_intel || fast_mmio()))
				EXPECT_GT(260, d) TH_LOG("%s", ways[w].name);
		}
		leave(&r);
	}
}

/*
 * A virtual PMU with the MSRs of AMD: it counts a kick as one instruction. The
 * counters of the host stand still in the VM of this test. So a counter of the
 * guest has only what KVM adds.
 */

#define EVENT(n)	(0xc0010000 + (n))
#define COUNTER(n)	(0xc0010004 + (n))
#define GLOBAL_STATUS	0xc0000300
#define GLOBAL_CTL	0xc0000301

#define INSNS		0xc0ull
#define CYCLES		0x76ull
#define USER		BIT_ULL(16)
#define KERNEL		BIT_ULL(17)
#define ON		BIT_ULL(22)
#define BOTH		(USER | KERNEL | ON)

static bool has_still_pmu(void)
{
	return !access("/sys/bus/event_source/devices/still", F_OK);
}

static void set_msr(struct room *room, uint32_t index, uint64_t value)
{
	vcpu_set_msr(room->vcpu, index, value);
}

/* With the second version of AMD's PMU, which has GLOBAL_CTL */
static void second_pmu(struct room *r)
{
	const struct kvm_cpuid2 *old = kvm_get_supported_cpuid();
	struct kvm_cpuid2 *cpuid = allocate_kvm_cpuid2(old->nent + 1);
	unsigned int i;

	cpuid->nent = 0;
	for (i = 0; i < old->nent; i++)
		if (old->entries[i].function != 0x80000022)
			cpuid->entries[cpuid->nent++] = old->entries[i];
	cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2) {
		.function = 0x80000022, .eax = 1, .ebx = 6,
	};
	vcpu_init_cpuid(r->vcpu, cpuid);
	free(cpuid);
}

static void filter_event(struct room *r, uint64_t event)
{
	struct kvm_pmu_event_filter *f = calloc(1, sizeof(*f) + sizeof(event));

	f->action = KVM_PMU_EVENT_DENY;
	f->nevents = 1;
	f->events[0] = event;
	vm_ioctl(r->vm, KVM_SET_PMU_EVENT_FILTER, f);
	free(f);
}

/* The count of a counter in one more run of the guest. */
static uint64_t pmu_count(struct __test_metadata *_metadata, struct room *r,
			  unsigned int n)
{
	uint64_t value;

	set_msr(r, COUNTER(n), 0);
	to_sync(r);
	value = vcpu_get_msr(r->vcpu, COUNTER(n));
	/* The count may include the OUT that ends the run. */
	return value == KICKS + 1 ? KICKS : value;
}

TEST(pmu_counts_what_it_is_told_to)
{
	static const struct {
		const char *name;
		uint64_t event;
		unsigned int n;
		bool counts;
	} cases[] = {
		{ "instructions", INSNS | BOTH, 0, true },
		{ "the last counter", INSNS | BOTH, 3, true },
		{ "in the kernel", INSNS | KERNEL | ON, 1, true },
		{ "in userspace", INSNS | USER | ON, 0, false },
		{ "at no level", INSNS | ON, 0, false },
		{ "off", INSNS | USER | KERNEL, 0, false },
		{ "cycles", CYCLES | BOTH, 0, false },
		{ "another unit", 0x100 | INSNS | BOTH, 0, false },
		{ "instructions again", INSNS | BOTH, 0, true },
	};
	struct room r;
	unsigned int i;

	if (!has_still_pmu())
		SKIP(return, "the PMU is none whose counters stand still");

	EACH_WAY(w, bus) {
		enter(&r, many_guest, bus);
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			set_msr(&r, EVENT(cases[i].n), cases[i].event);
			EXPECT_EQ(cases[i].counts ? KICKS : 0,
				  pmu_count(_metadata, &r, cases[i].n))
				TH_LOG("%s, %s", ways[w].name, cases[i].name);
			set_msr(&r, EVENT(cases[i].n), 0);
		}
		/* A second counter, which counts another event. */
		set_msr(&r, EVENT(2), CYCLES | BOTH);
		set_msr(&r, EVENT(1), INSNS | BOTH);
		EXPECT_EQ(KICKS, pmu_count(_metadata, &r, 1))
			TH_LOG("%s", ways[w].name);
		EXPECT_EQ(0, vcpu_get_msr(r.vcpu, COUNTER(2)));
		/* A filter comes and goes while the counter stays as it is. */
		filter_event(&r, INSNS);
		EXPECT_EQ(0, pmu_count(_metadata, &r, 1)) TH_LOG("%s", ways[w].name);
		filter_event(&r, CYCLES);
		EXPECT_EQ(KICKS, pmu_count(_metadata, &r, 1))
			TH_LOG("%s", ways[w].name);
		EXPECT_EQ((ARRAY_SIZE(cases) + 3) * KICKS, eventfd_take(r.fd));
		leave(&r);
	}
}

TEST(pmu_of_the_second_version)
{
	const uint64_t mask = BIT_ULL(48) - 1;
	struct room r;

	if (!has_still_pmu())
		SKIP(return, "the PMU is none whose counters stand still");

	EACH_WAY(w, bus) {
		enter(&r, many_guest, bus);
		second_pmu(&r);
		if (_vcpu_set_msr(r.vcpu, GLOBAL_CTL, 0x3f) != 1) {
			leave(&r);
			SKIP(return, "KVM has only the first version of AMD's PMU");
		}
		set_msr(&r, EVENT(0), INSNS | BOTH);
		EXPECT_EQ(KICKS, pmu_count(_metadata, &r, 0))
			TH_LOG("%s", ways[w].name);
		set_msr(&r, GLOBAL_CTL, 0x3e);
		EXPECT_EQ(0, pmu_count(_metadata, &r, 0)) TH_LOG("%s", ways[w].name);
		set_msr(&r, GLOBAL_CTL, 1);
		EXPECT_EQ(KICKS, pmu_count(_metadata, &r, 0))
			TH_LOG("%s", ways[w].name);

		/* The counter overflows during the kicks. */
		EXPECT_EQ(0, vcpu_get_msr(r.vcpu, GLOBAL_STATUS));
		set_msr(&r, COUNTER(0), -(KICKS / 2) & mask);
		to_sync(&r);
		EXPECT_LE(KICKS / 2, vcpu_get_msr(r.vcpu, COUNTER(0)))
			TH_LOG("%s", ways[w].name);
		EXPECT_GE(KICKS / 2 + 1, vcpu_get_msr(r.vcpu, COUNTER(0)));
		EXPECT_EQ(1, vcpu_get_msr(r.vcpu, GLOBAL_STATUS));
		leave(&r);
	}
}

/*
 * KVM can give a guest the counters themselves while the inner run loop lasts, and can
 * count nothing in that time.
 */
static bool counters_are_hardware(void)
{
	char on = 'N';
	int fd = open("/sys/module/kvm_amd/parameters/enable_mediated_pmu", O_RDONLY);

	if (fd >= 0) {
		TEST_ASSERT_EQ(read(fd, &on, 1), 1);
		close(fd);
	}
	return on == 'Y';
}

/* A kick takes the exit fastpath if KVM can count it there. */
TEST(pmu_and_fastpath)
{
	uint64_t before, d;
	struct room r;

	if (!has_still_pmu())
		SKIP(return, "the PMU is none whose counters stand still");

	EACH_WAY(w, bus) {
		enter(&r, many_guest, bus);
		/* Then the page tables mark the page as MMIO. */
		to_sync(&r);
		for (unsigned int i = 0; i < 3; i++) {
			bool counts = i == 1;

			set_msr(&r, EVENT(0), counts ? INSNS | BOTH : 0);
			before = vcpu_stat(r.vcpu, "ioeventfd_fastpath_rings");
			EXPECT_EQ(counts ? KICKS : 0, pmu_count(_metadata, &r, 0))
				TH_LOG("%s, %u", ways[w].name, i);
			d = vcpu_stat(r.vcpu, "ioeventfd_fastpath_rings") - before;
			EXPECT_EQ(w == 2 && !(counts && counters_are_hardware()) ?
				  KICKS : 0, d) TH_LOG("%s, %u", ways[w].name, i);
		}
		EXPECT_EQ(4 * KICKS, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		leave(&r);
	}
}

static void switching_guest(void)
{
	kick();
	kick();
	wrmsr(EVENT(0), INSNS | BOTH);
	kick();
	kick();
	kick();
	wrmsr(EVENT(0), 0);
	kick();
	GUEST_SYNC(0);
}

/* The guest switches its counter on and off; kicks that ring and that do not */
TEST(pmu_switched_by_the_guest)
{
	uint64_t count, first[2][2] = { 0 };
	struct io_log log;
	struct room r;

	if (!has_still_pmu())
		SKIP(return, "the PMU is none whose counters stand still");

	EACH_WAY(w, bus) {
		for (unsigned int miss = 0; miss < 2; miss++) {
			uint64_t addr = bus ? DOOR_PORT : DOOR_GPA;
			uint32_t len = bus ? 1 : 4;

			enter(&r, switching_guest, bus);
			if (miss) {
				door_deassign(r.vm, r.fd, addr, len, bus, 0);
				door_assign(r.vm, r.fd, addr, len, bus | DM, 7);
			}
			guest_run(r.vcpu, &log);
			EXPECT_EQ(miss ? 6 : 0, log.nr) TH_LOG("%s", ways[w].name);
			EXPECT_EQ(miss ? 0 : 6, eventfd_take(r.fd));
			count = vcpu_get_msr(r.vcpu, COUNTER(0));
			/* The WRMSR that switches it on may be counted. */
			EXPECT_LE(3, count) TH_LOG("%s", ways[w].name);
			EXPECT_GE(4, count);
			if (!w)
				first[!!bus][miss] = count;
			EXPECT_EQ(first[!!bus][miss], count)
				TH_LOG("%s", ways[w].name);
			leave(&r);
		}
	}
}

/* With a ring of dirty pages */

TEST(dirty_ring)
{
	struct kvm_vcpu *vcpu;
	struct room r;

	if (!kvm_has_cap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL) &&
	    !kvm_has_cap(KVM_CAP_DIRTY_LOG_RING))
		SKIP(return, "no dirty ring");

	for (unsigned int w = 0; w < ARRAY_SIZE(ways) && go(w); w++) {
		struct kvm_dirty_gfn *gfn;
		unsigned int i;

		r.vm = vm_create(1);
		vm_enable_dirty_ring(r.vm, 4096 * sizeof(*gfn));
		vcpu = vm_vcpu_add(r.vm, 0, many_guest);
		r.vcpu = vcpu;
		map_doors(r.vm);
		r.fd = new_eventfd();
		door_assign(r.vm, r.fd, DOOR_GPA, 4, 0, 0);
		vm_mem_region_set_flags(r.vm, 0, KVM_MEM_LOG_DIRTY_PAGES);
		to_sync(&r);
		EXPECT_EQ(KICKS, eventfd_take(r.fd)) TH_LOG("%s", ways[w].name);
		gfn = vcpu_map_dirty_ring(vcpu);
		for (i = 0; i < 4096 && gfn[i].flags; i++)
			EXPECT_NE(DOOR_GPA >> 12, gfn[i].offset);
		leave(&r);
	}
}

TEST_HARNESS_MAIN
