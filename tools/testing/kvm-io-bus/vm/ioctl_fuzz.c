// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl_fuzz [ops=N] [threads=N] [seed=N]
 *
 * Random and nearly right KVM_IOEVENTFD, KVM_IRQFD, KVM_SET_GSI_ROUTING and
 * coalesced-zone ioctls on a few VMs, with fds of all kinds, from several
 * threads, while others close and replace the fds, signal the eventfds, raise
 * and acknowledge interrupts and scribble over the coalesced ring.
 *
 * What it looks for is the kernel's to say: run it on one that checks itself.
 * Of its own it fails if an ioctl returns an error that it has not got, if one
 * of powerpc's TCE ioctls is not refused with ENOTTY, and if an eventfd, a VM or
 * memory is left at the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "leaks.h"

#define NR_VMS	3
/* Caches of the kernel that grow on their own, while it is looked at */
#define SLAB_LIMIT	(512L << 10)
#define NR_FDS	24
/* fds that are replaced have these numbers, so that others can race for them */
#define FIRST_FD	200

/* What powerpc calls KVM_CREATE_SPAPR_TCE and its 64-bit kin */
struct tce { uint64_t liobn; uint32_t window_size; };
struct tce64 {
	uint64_t liobn;
	uint32_t page_shift, flags;
	uint64_t offset, size;
};
#define CREATE_SPAPR_TCE	_IOW(KVMIO, 0xa8, struct tce)
#define CREATE_SPAPR_TCE_64	_IOW(KVMIO, 0xa8, struct tce64)

static int kvm_fd;
static atomic_int vm_fd[NR_VMS];
static void *ring[NR_VMS];
static int page_size = 4096, run_size;
static atomic_ulong nr_done, nr_ok, nr_errors[200], nr_wrong, nr_tce;
static unsigned long ops_wanted = 100000;

static uint64_t rnd(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void count(const char *what, int ret, const int *known)
{
	int err = ret < 0 ? errno : 0;

	if (ret >= 0) {
		nr_ok++;
		return;
	}
	if (err < 200)
		nr_errors[err]++;
	for (; *known; known++) {
		if (*known == err)
			return;
	}
	fprintf(stderr, "%s: unexpected: %s\n", what, strerror(err));
	nr_wrong++;
}

static const int ioeventfd_errors[] = {
	EINVAL, EBADF, EEXIST, ENOENT, ENOMEM, ENOTTY, 0
};
static const int irqfd_errors[] = {
	EINVAL, EBADF, EBUSY, EAGAIN, ENOMEM, ENOTTY, 0
};
static const int other_errors[] = {
	EINVAL, EBADF, EBUSY, EEXIST, ENOENT, ENOMEM, ENOSPC, ENOTTY, EFAULT,
	ENXIO, EAGAIN, E2BIG, 0
};
static const int tce_errors[] = { ENOTTY, EBADF, 0 };

static int new_fd(uint64_t *seed)
{
	int p[2];

	switch (rnd(seed) % 40) {
	case 0:
		return timerfd_create(CLOCK_MONOTONIC, 0);
	case 1:
		return epoll_create1(0);
	case 2:
		if (pipe(p))
			return -1;
		close(p[1]);
		return p[0];
	case 3:
		return open("/dev/null", O_RDWR);
	case 4:
		return open("/", O_PATH);
	case 5:
		return eventfd(rnd(seed) % 3, EFD_SEMAPHORE);
	case 6:
		return dup(vm_fd[rnd(seed) % NR_VMS]);
	default:
		return eventfd(rnd(seed) % 3, rnd(seed) & 1 ? EFD_NONBLOCK : 0);
	}
}

static void new_vm(unsigned int i, uint64_t *seed)
{
	struct kvm_enable_cap split = {
		.cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24
	};
	struct kvm_pit_config pit = { .flags = 0 };
	int fd, old, vcpu;

	fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (fd < 0)
		return;
	ioctl(fd, KVM_SET_TSS_ADDR, 0xfffbd000);
	switch (rnd(seed) % 4) {
	case 0:
		break;
	case 1:
		ioctl(fd, KVM_ENABLE_CAP, &split);
		break;
	default:
		ioctl(fd, KVM_CREATE_IRQCHIP, 0);
		if (rnd(seed) & 1)
			ioctl(fd, KVM_CREATE_PIT2, &pit);
	}
	vcpu = ioctl(fd, KVM_CREATE_VCPU, 0);
	if (vcpu >= 0 && !ring[i] && run_size >= 3 * page_size) {
		void *p = mmap(NULL, run_size, PROT_READ | PROT_WRITE,
			       MAP_SHARED, vcpu, 0);

		/* It keeps the VM, too, for a while */
		if (p != MAP_FAILED)
			ring[i] = p;
	}
	if (vcpu >= 0)
		close(vcpu);
	old = atomic_exchange(&vm_fd[i], fd);
	if (old > 0)
		close(old);
}

static int some_fd(uint64_t *seed)
{
	switch (rnd(seed) % 16) {
	case 0:
		return -1;
	case 1:
		return 100000;
	case 2:
		return kvm_fd;
	default:
		return FIRST_FD + rnd(seed) % NR_FDS;
	}
}

static uint64_t some_addr(uint64_t *seed)
{
	static const uint64_t base[] = {
		0, 0x10, 0xcf8, 0xfffc, 0xd0000, 0xfee00000, 0xfffffff0,
		~0ull - 15, 1ull << 63,
	};

	return base[rnd(seed) % (sizeof(base) / sizeof(*base))] +
	       rnd(seed) % 16;
}

static uint32_t some_gsi(uint64_t *seed)
{
	static const uint32_t far[] = {
		1023, 1024, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
	};

	if (rnd(seed) % 8)
		return rnd(seed) % 26;
	return far[rnd(seed) % (sizeof(far) / sizeof(*far))];
}

/* Where values are posted: mostly memory, sometimes any address */
static void some_post(struct kvm_ioeventfd *args, uint64_t *seed)
{
	static uint64_t memory[64];
	static const uint64_t masks[] = { 0xff, 3, 0xffff, 0xf0, ~0ull, 0 };

	args->flags |= (rnd(seed) & 7) << 5;
	args->post_addr = (uintptr_t)&memory[rnd(seed) % 8];
	if (!(rnd(seed) % 8))
		args->post_addr = rnd(seed) >> rnd(seed) % 64;
	args->datamask = masks[rnd(seed) % (sizeof(masks) / sizeof(*masks))];
	if (!(rnd(seed) % 8))
		args->datamask = rnd(seed);
	args->post_stride = args->len << rnd(seed) % 3;
	args->post_size = args->post_stride * (rnd(seed) % 16);
	if (!(rnd(seed) % 8)) {
		args->post_stride = rnd(seed);
		args->post_size = rnd(seed);
	}
	/* A range has no value. */
	if (args->flags & KVM_IOEVENTFD_FLAG_POST_RANGE && rnd(seed) % 8)
		args->flags &= ~(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DATAMASK);
}

static void do_ioeventfd(int vm, uint64_t *seed)
{
	static const uint32_t lens[] = { 0, 1, 2, 4, 8, 2, 4, 3 };
	struct kvm_ioeventfd args = {
		.addr = some_addr(seed),
		.len = lens[rnd(seed) % 8],
		.fd = some_fd(seed),
		.datamatch = rnd(seed) % 4,
		.flags = rnd(seed) % 8,
	};

	if (rnd(seed) & 1)
		some_post(&args, seed);
	if (!(rnd(seed) % 16))
		args.flags = rnd(seed);
	if (!(rnd(seed) % 16))
		args.len = rnd(seed);
	if (!(rnd(seed) % 8))
		args.flags |= KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY;
	count("KVM_IOEVENTFD", ioctl(vm, KVM_IOEVENTFD, &args),
	      ioeventfd_errors);
}

static void do_irqfd(int vm, uint64_t *seed)
{
	struct kvm_irqfd args = {
		.fd = some_fd(seed),
		.gsi = some_gsi(seed),
		.flags = rnd(seed) & 3,
		.resamplefd = some_fd(seed),
	};

	if (!(rnd(seed) % 16))
		args.flags = rnd(seed);
	count("KVM_IRQFD", ioctl(vm, KVM_IRQFD, &args), irqfd_errors);
}

static void do_routing(int vm, uint64_t *seed)
{
	unsigned int i, n = rnd(seed) % 40;
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[40];
	} r = { .head = { .nr = n } };

	for (i = 0; i < n; i++) {
		struct kvm_irq_routing_entry *e = &r.entry[i];

		e->gsi = some_gsi(seed);
		if (rnd(seed) & 1) {
			e->type = KVM_IRQ_ROUTING_MSI;
			e->u.msi.address_lo = 0xfee00000;
			e->u.msi.data = rnd(seed) & 0xff;
		} else {
			e->type = KVM_IRQ_ROUTING_IRQCHIP;
			e->u.irqchip.irqchip = rnd(seed) % 3;
			e->u.irqchip.pin = rnd(seed) % 9;
		}
		if (!(rnd(seed) % 64))
			e->type = rnd(seed);
	}
	count("KVM_SET_GSI_ROUTING", ioctl(vm, KVM_SET_GSI_ROUTING, &r),
	      other_errors);
}

static void do_zone(int vm, uint64_t *seed)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = some_addr(seed),
		.size = rnd(seed) % 64,
		.pio = rnd(seed) % 3,
	};

	if (!(rnd(seed) % 8))
		zone.size = rnd(seed);
	count("coalesced zone",
	      ioctl(vm, rnd(seed) & 1 ? KVM_REGISTER_COALESCED_MMIO :
					KVM_UNREGISTER_COALESCED_MMIO, &zone),
	      other_errors);
}

static void do_tce(int vm, uint64_t *seed)
{
	struct tce tce = { rnd(seed), rnd(seed) };
	struct tce64 tce64 = {
		rnd(seed), 8 + rnd(seed) % 32, rnd(seed) & 1, rnd(seed) & 4096,
		1ull << rnd(seed) % 64,
	};
	int ret;

	ret = ioctl(vm, CREATE_SPAPR_TCE, &tce);
	count("KVM_CREATE_SPAPR_TCE", ret, tce_errors);
	if (ret < 0) {
		ret = ioctl(vm, CREATE_SPAPR_TCE_64, &tce64);
		count("KVM_CREATE_SPAPR_TCE_64", ret, tce_errors);
	}
	nr_tce += 2;
	if (ret >= 0) {
		fprintf(stderr, "a TCE table where there are none\n");
		nr_wrong++;
	}
}

static void *worker(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (nr_done++ < ops_wanted) {
		unsigned int i = rnd(&seed) % NR_VMS;
		int vm = vm_fd[i], fd;
		uint64_t one = 1;

		switch (rnd(&seed) % 32) {
		case 0 ... 9:
			do_ioeventfd(vm, &seed);
			break;
		case 10 ... 18:
			do_irqfd(vm, &seed);
			break;
		case 19:
			do_routing(vm, &seed);
			break;
		case 20 ... 21:
			do_zone(vm, &seed);
			break;
		case 22:
			do_tce(vm, &seed);
			break;
		case 23: {
			struct kvm_irq_level level = {
				.irq = some_gsi(&seed), .level = rnd(&seed) & 1
			};

			ioctl(vm, KVM_IRQ_LINE, &level);
			break;
		}
		case 24: {
			struct kvm_msi msi = {
				.address_lo = 0xfee00000, .data = rnd(&seed) & 0xff
			};

			ioctl(vm, KVM_SIGNAL_MSI, &msi);
			break;
		}
		case 25 ... 27:
			/* Signalled, unless it is something else */
			fd = FIRST_FD + rnd(&seed) % NR_FDS;
			fcntl(fd, F_SETFL, O_NONBLOCK);
			if (write(fd, &one, sizeof(one)) < 0)
				errno = 0;
			break;
		case 28 ... 29:
			/* Closed, and another one by its number */
			fd = new_fd(&seed);
			if (fd < 0)
				break;
			dup2(fd, FIRST_FD + rnd(&seed) % NR_FDS);
			close(fd);
			break;
		case 30:
			if (rnd(&seed) % 4)
				break;
			close(FIRST_FD + rnd(&seed) % NR_FDS);
			break;
		default:
			if (!(rnd(&seed) % 8)) {
				new_vm(i, &seed);
			} else if (ring[i]) {
				/* The coalesced ring, with any index */
				uint32_t *r = (uint32_t *)((char *)ring[i] +
							   2 * page_size);

				r[rnd(&seed) & 1] = rnd(&seed);
			}
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long threads = 4, seed = 1, i;
	static struct left before;
	pthread_t thread[64];
	uint64_t s;
	int a;

	for (a = 1; a < argc; a++) {
		if (sscanf(argv[a], "ops=%lu", &ops_wanted) != 1 &&
		    sscanf(argv[a], "threads=%lu", &threads) != 1 &&
		    sscanf(argv[a], "seed=%lu", &seed) != 1) {
			fprintf(stderr, "usage: ioctl_fuzz [ops=N] [threads=N] [seed=N]\n");
			return 2;
		}
	}
	if (!threads || threads > 64)
		return 2;
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0) {
		perror("/dev/kvm");
		return 2;
	}
	run_size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (!left_look(&before))
		return 2;
	s = seed;
	for (i = 0; i < NR_VMS; i++)
		new_vm(i, &s);
	for (i = 0; i < NR_FDS; i++) {
		int fd = eventfd(0, EFD_NONBLOCK);

		dup2(fd, FIRST_FD + i);
		close(fd);
	}
	for (i = 0; i < threads; i++) {
		if (pthread_create(&thread[i], NULL, worker,
				   (void *)(uintptr_t)(seed * 1000 + i)))
			return 2;
	}
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < NR_VMS; i++) {
		if (ring[i])
			munmap(ring[i], run_size);
		close(vm_fd[i]);
	}
	for (i = 0; i < NR_FDS; i++)
		close(FIRST_FD + i);
	if (!left_nothing(&before, SLAB_LIMIT))
		nr_wrong++;
	printf("ioctl_fuzz: %lu operations by %lu threads, %lu of them refused TCE tables, %lu succeeded;",
	       ops_wanted, threads, nr_tce, nr_ok);
	for (i = 0; i < 200; i++) {
		if (nr_errors[i])
			printf(" %s %lu", strerrorname_np(i), nr_errors[i]);
	}
	printf("; %lu unexpected\n", nr_wrong);
	return nr_wrong != 0;
}
