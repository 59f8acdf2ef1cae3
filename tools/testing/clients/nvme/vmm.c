// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small VMM: boots Linux with an NVMe disk, and measures what a request costs.
 *
 *	nvme_vmm KERNEL INITRD
 *
 * A thread of its own serves the disk.  The word of a doorbell comes to it in one page
 * of memory, in one of three ways:
 *
 * exits	the write leaves for userspace, where the vCPU's thread stores the word
 * posted	KVM stores it, and signals an eventfd if it is a submission queue's
 * silent	KVM stores it; nothing is signalled
 *
 * The thread polls that page, or sleeps until its eventfd is signalled.
 *
 * The guest's program (guest.c) says in which way it goes on, and when to measure.
 * Time is CLOCK_MONOTONIC, which counts instructions where tools/vm/vm --icount is
 * used.  After each way the disk must have what the guest has written.  Where KVM
 * stores the words, none may have left for userspace.
 */
#define _GNU_SOURCE
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "nvme.h"
#include "pci.h"
#include "protocol.h"

#define MIB			(1ull << 20)
#define MEMORY			(320 * MIB)
#define DISK			(2 * MIB)

/* How often the vCPU is looked at, and how often in a row it is hung: 4e9 instructions */
#define LOOK_SECONDS		1
#define LOOKS			4

/* Where things are in the guest's memory */
#define TABLES			0x10000
#define BOOT_PARAMS		0x20000
#define COMMAND_LINE		0x21000
#define LOW_MEMORY_END		0x9fc00
#define KERNEL			0x1000000
#define SETUP_HEADER		0x1f1
#define ENTRY_64		0x200

#define PORT_COM1		0x3f8
#define COM_LINE_STATUS		5
#define COM_EMPTY		0x60

#define CPUID_1_ECX_DEADLINE	(1u << 24)
#define CPUID_1_ECX_HYPERVISOR	(1u << 31)
#define PTE_LARGE		0x83

/*
 * No background work that the clock would count: the tests of cryptographic code, which
 * the driver brings along, and clearing of memory.
 */
static const char words[] =
	"loglevel=4 earlycon=uart8250,io,0x3f8 keep_bootcon acpi=off pci=conf1 panic=-1 "
	"reboot=t nokaslr mitigations=off init_on_alloc=0 cryptomgr.notests "
	"random.trust_cpu=on tsc=reliable";

enum way { EXITS, POSTED, SILENT };

static const struct variant {
	const char *name;
	enum way way;
	bool polls;
} variants[] = {
	{ "exits sleep", EXITS, false },
	{ "exits poll", EXITS, true },
	{ "posted sleep", POSTED, false },
	{ "posted poll", POSTED, true },
	{ "silent poll", SILENT, true },
};

static struct machine {
	struct vm vm;
	struct pci pci;
	struct nvme nvme;
	const struct variant *variant;
	/* What the thread that serves the disk does without work; what wakes it */
	_Atomic bool polls;
	int kick;
	/* KVM can store the words. */
	bool posts;
	pthread_t thread;
	atomic_bool stop;
	/* Writes of doorbells that came here; interrupts */
	u64 left;
	_Atomic u64 interrupts;
} machine;

struct times {
	u64 all, vcpu, device, requests, left, interrupts;
};

static u64 clock_now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static struct times times(struct machine *m)
{
	clockid_t device;

	pthread_getcpuclockid(m->thread, &device);
	return (struct times) {
		.all = clock_now(CLOCK_MONOTONIC),
		.vcpu = clock_now(CLOCK_THREAD_CPUTIME_ID),
		.device = clock_now(device),
		.requests = atomic_load(&m->nvme.requests),
		.left = m->left,
		.interrupts = atomic_load(&m->interrupts),
	};
}

/* Depth 0 ends a measurement; another one begins it. */
static void measure(struct machine *m, u32 depth)
{
	static struct times before;
	static u32 at_once;
	struct times now = times(m);
	u64 count = now.requests - before.requests;

	if (depth) {
		at_once = depth;
		before = times(m);
		return;
	}
	if (!count)
		die("the guest has measured nothing");
	printf("# cost nvme %s %u requests %llu all %llu vcpu %llu device %llu exits %llu interrupts %llu\n",
	       m->variant->name, at_once, count,
	       (now.all - before.all) / count, (now.vcpu - before.vcpu) / count,
	       (now.device - before.device) / count, now.left - before.left,
	       now.interrupts - before.interrupts);
	fflush(stdout);
}

static void interrupt(void *arg)
{
	struct machine *m = arg;
	struct kvm_msi msi = pci_msi(&m->pci);

	atomic_fetch_add_explicit(&m->interrupts, 1, memory_order_relaxed);
	if (msi.address_lo && ioctl(m->vm.fd, KVM_SIGNAL_MSI, &msi) < 0)
		die_errno("cannot send an interrupt");
}

static void kick(struct machine *m)
{
	if (eventfd_write(m->kick, 1))
		die_errno("cannot wake the disk's thread");
}

static void *serve(void *arg)
{
	struct machine *m = arg;
	struct pollfd pollfd = { .fd = m->kick, .events = POLLIN };
	enum nvme_served served;
	eventfd_t count;

	while (!atomic_load_explicit(&m->stop, memory_order_relaxed)) {
		served = nvme_serve(&m->nvme);
		if (atomic_load_explicit(&m->polls, memory_order_relaxed))
			continue;
		/* The head of a completion queue moves without a wakeup. */
		if (served == NVME_BLOCKED)
			poll(&pollfd, 1, 1);
		else
			eventfd_read(m->kick, &count);
	}
	return NULL;
}

static void bar_write(struct machine *m, u32 offset, u64 value, u32 size)
{
	u32 index = (offset - NVME_DOORBELLS) / 4;

	if (offset < NVME_DOORBELLS) {
		nvme_write(&m->nvme, offset, value, size);
		kick(m);
		return;
	}
	m->left++;
	if (m->variant->way != EXITS)
		die("a write of the doorbell at %#x has left for userspace", offset);
	if (size != 4)
		return;
	atomic_store_explicit(&m->nvme.doorbell[index], value, memory_order_release);
	if (!(index & 1) && !m->variant->polls)
		kick(m);
}

/* The words of submission queues signal; those of completion queues never do. */
static void set_posted(struct machine *m, enum way way, u32 deassign)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = PCI_NVME_BAR + NVME_DOORBELLS,
		.len = sizeof(*m->nvme.doorbell),
		.fd = -1,
		.flags = KVM_IOEVENTFD_FLAG_POST_WRITE | KVM_IOEVENTFD_FLAG_POST_RANGE | deassign,
		.post_addr = (uintptr_t)m->nvme.doorbell,
		.post_size = NVME_PAGE,
		.post_stride = sizeof(*m->nvme.doorbell),
	};
	int id;

	if (way == EXITS)
		return;
	if (ioctl(m->vm.fd, KVM_IOEVENTFD, &ioeventfd))
		die_errno("cannot %s the doorbells", deassign ? "deassign" : "assign");
	ioeventfd.fd = m->kick;
	ioeventfd.flags &= ~KVM_IOEVENTFD_FLAG_POST_RANGE;
	for (id = 0; id < NVME_PAIRS && way == POSTED; id++) {
		if (ioctl(m->vm.fd, KVM_IOEVENTFD, &ioeventfd))
			die_errno("cannot %s a doorbell", deassign ? "deassign" : "assign");
		ioeventfd.addr += 2 * sizeof(*m->nvme.doorbell);
		ioeventfd.post_addr += 2 * sizeof(*m->nvme.doorbell);
	}
}

/* The guest does nothing with its disk meanwhile. */
static void set_variant(struct machine *m, const struct variant *variant)
{
	struct sched_param param = { .sched_priority = 0 };

	/* With one processor, a thread that polls gives way to the vCPU. */
	if (pthread_setschedparam(m->thread, variant->polls ? SCHED_IDLE : SCHED_OTHER,
				  &param))
		die("cannot change how the disk's thread is scheduled");
	set_posted(m, m->variant->way, KVM_IOEVENTFD_FLAG_DEASSIGN);
	set_posted(m, variant->way, 0);
	m->variant = variant;
	atomic_store(&m->polls, variant->polls);
	kick(m);
}

static u8 variants_there(const struct machine *m)
{
	u8 there = 0, i;

	for (i = 0; i < ARRAY_SIZE(variants); i++)
		if (variants[i].way == EXITS || m->posts)
			there = i + 1;
	return there;
}

static void check_disk(const struct machine *m, u32 seed)
{
	const u64 *word = (const u64 *)m->nvme.disk;
	u64 i;

	for (i = 0; i < DISK / sizeof(*word); i++)
		if (word[i] != disk_word(seed, i))
			die("%s: the disk has %#llx at %#llx", m->variant->name, word[i],
			    i * sizeof(*word));
}

static void mmio(struct machine *m, struct kvm_run *run)
{
	u64 offset = run->mmio.phys_addr - PCI_NVME_BAR, value = 0;

	if (offset >= NVME_BAR) {
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	} else if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, run->mmio.len);
		bar_write(m, offset, value, run->mmio.len);
	} else {
		value = nvme_read(&m->nvme, offset, run->mmio.len);
		memcpy(run->mmio.data, &value, run->mmio.len);
	}
}

/* Returns false when the guest has come to its end; then @status is its own. */
static bool port(struct machine *m, struct kvm_run *run, u32 *status)
{
	char *data = (char *)run + run->io.data_offset;
	u16 port = run->io.port;
	u32 size = run->io.size, value = 0;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, 0xff, size * run->io.count);
		if (port >= PCI_ADDRESS && port < PCI_DATA + 4)
			pci_read(&m->pci, port, data, size);
		else if (port == PORT_COM1 + COM_LINE_STATUS)
			*data = COM_EMPTY;
		else if (port == PORT_VARIANT)
			*data = variants_there(m);
		return true;
	}
	memcpy(&value, data, size);
	switch (port) {
	case PCI_ADDRESS ... PCI_DATA + 3:
		pci_write(&m->pci, port, data, size);
		break;
	case PORT_COM1:
	case PORT_TEXT:
		fwrite(data, 1, size * run->io.count, stdout);
		break;
	case PORT_VARIANT:
		if (value < ARRAY_SIZE(variants))
			set_variant(m, &variants[value]);
		break;
	case PORT_MEASURE:
		measure(m, value);
		break;
	case PORT_CHECK:
		check_disk(m, value);
		break;
	case PORT_END:
		*status = value;
		return false;
	}
	return true;
}

static void look(int signal)
{
	(void)signal;
}

/* SIGALRM is for the thread of the vCPU only. */
static void take_alarms(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

static void begin_to_look(void)
{
	struct sigaction action = { .sa_handler = look, .sa_flags = SA_RESTART };
	struct itimerval often = { { LOOK_SECONDS, 0 }, { LOOK_SECONDS, 0 } };

	if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &often, NULL))
		die_errno("cannot set a timer");
	take_alarms(SIG_UNBLOCK);
}

/*
 * The only vCPU spins with interrupts off: it waits for a lock that it holds itself.
 * QEMU's software CPU has delivered an interrupt a second time, while the handler ran
 * with interrupts off (tools/vm/README.rst). tools/test/run knows these words.
 */
static void check_not_hung(struct machine *m)
{
	static unsigned int looks;
	static u64 requests;
	u64 now = atomic_load(&m->nvme.requests);

	looks = now && now == requests && !m->vm.run->if_flag ? looks + 1 : 0;
	requests = now;
	if (looks == LOOKS)
		die("the emulator's own error: an interrupt is delivered twice");
}

static u32 run_guest(struct machine *m)
{
	u32 status = 1;

	begin_to_look();
	for (;;) {
		switch (vm_run(&m->vm)) {
		case KVM_EXIT_IO:
			if (!port(m, m->vm.run, &status))
				return status;
			break;
		case KVM_EXIT_MMIO:
			mmio(m, m->vm.run);
			break;
		case KVM_EXIT_INTR:
			check_not_hung(m);
			break;
		default:
			die("the guest ended with %s", vm_exit_text(&m->vm));
		}
	}
}

/* A file, at an address or, if that is 0, at the end of memory; returns its size. */
static size_t load(struct vm *vm, const char *path, u64 *addr, size_t skip)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t size, done = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		die_errno("cannot open %s", path);
	size = st.st_size - skip;
	if (!*addr)
		*addr = (vm->size - size) & ~(NVME_PAGE - 1ull);
	if (*addr > vm->size || size > vm->size - *addr)
		die("%s is too large", path);
	while (done < size) {
		n = pread(fd, vm->memory + *addr + done, size - done, skip + done);
		if (n <= 0)
			die_errno("cannot read %s", path);
		done += n;
	}
	close(fd);
	return size;
}

/* Put Linux there as Documentation/arch/x86/boot.rst asks a 64-bit loader to. */
static void load_linux(struct vm *vm, const char *kernel, const char *initrd)
{
	struct boot_params *params = (void *)(vm->memory + BOOT_PARAMS);
	struct setup_header *header = &params->hdr;
	u64 kernel_at = KERNEL, initrd_at = 0, addr;
	int fd = open(kernel, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, header, sizeof(*header), SETUP_HEADER) != sizeof(*header))
		die_errno("cannot read %s", kernel);
	close(fd);
	if (memcmp(&header->header, "HdrS", 4) || !(header->xloadflags & XLF_KERNEL_64))
		die("%s is no Linux of 64 bits", kernel);
	load(vm, kernel, &kernel_at, (header->setup_sects + 1) * 512);
	header->type_of_loader = 0xff;
	header->cmd_line_ptr = COMMAND_LINE;
	header->ramdisk_size = load(vm, initrd, &initrd_at, 0);
	header->ramdisk_image = initrd_at;
	vm_put(vm, COMMAND_LINE, words, sizeof(words));
	params->e820_entries = 2;
	params->e820_table[0] = (struct boot_e820_entry) { 0, LOW_MEMORY_END, 1 };
	params->e820_table[1] = (struct boot_e820_entry) { MIB, vm->size - MIB, 1 };

	vm_clear_tables(vm, TABLES);
	for (addr = 0; addr < vm->size; addr += 2 * MIB)
		vm_map(vm, LONG64_LARGE, addr, addr | PTE_LARGE, true);
	vm_set_mode(vm, LONG64_LARGE, NULL);
	vm_set_regs(vm, &(struct kvm_regs) {
		.rip = KERNEL + ENTRY_64, .rsi = BOOT_PARAMS, .rflags = 2,
	});
}

/* A hypervisor, for the sake of its clock, and a timer that needs no calibration */
static void add_cpuid(struct vm *vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} cpuid = { .head.nent = 256 };
	u32 i;

	vm_set_cpuid(vm);
	if (ioctl(vm->vcpu, KVM_GET_CPUID2, &cpuid))
		die_errno("cannot get what CPUID tells");
	for (i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entry[i].function == 1)
			cpuid.entry[i].ecx |= CPUID_1_ECX_DEADLINE | CPUID_1_ECX_HYPERVISOR;
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, &cpuid))
		die_errno("cannot set what CPUID tells");
}

static void *anonymous(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die_errno("cannot map %zu bytes", size);
	return p;
}

static void machine_create(struct machine *m, const char *kernel, const char *initrd)
{
	struct kvm_pit_config pit = { 0 };

	kvm_open();
	vm_create(&m->vm, MEMORY, false);
	vm_create_irqchip(&m->vm);
	if (ioctl(m->vm.fd, KVM_CREATE_PIT2, &pit))
		die_errno("cannot create the timer");
	vm_create_vcpu(&m->vm);
	add_cpuid(&m->vm);
	load_linux(&m->vm, kernel, initrd);
	pci_create(&m->pci);
	m->nvme = (struct nvme) {
		.memory = m->vm.memory,
		.memory_size = m->vm.size,
		.disk = anonymous(DISK),
		.blocks = DISK / NVME_BLOCK,
		.doorbell = anonymous(NVME_PAGE),
		.interrupt = interrupt,
		.arg = m,
	};
	m->variant = &variants[0];
	m->posts = kvm_capability(KVM_CAP_IOEVENTFD_POST_RANGE);
	m->kick = eventfd(0, EFD_CLOEXEC);
	if (m->kick < 0)
		die_errno("cannot create an eventfd");
}

int main(int argc, char **argv)
{
	struct machine *m = &machine;
	u32 status;

	if (argc != 3) {
		fprintf(stderr, "usage: nvme_vmm KERNEL INITRD\n");
		return 2;
	}
	machine_create(m, argv[1], argv[2]);
	take_alarms(SIG_BLOCK);
	if (pthread_create(&m->thread, NULL, serve, m))
		die("cannot start a thread");
	status = run_guest(m);
	atomic_store(&m->stop, true);
	kick(m);
	pthread_join(m->thread, NULL);
	if (status)
		die("the guest's program ended with status %u", status);
	vm_destroy(&m->vm);
	return 0;
}
