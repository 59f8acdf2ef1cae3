// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tce_vm.h"

#define REAL_MODE_SWITCH "/sys/module/book3s_64_vio_rm/parameters/enabled"

#define MSR_SF		0x8000000000000000UL
#define MSR_ME		0x1000UL
#define MSR_LE		1UL

#define INSN_SC1	0x44000022U
#define INSN_FAKE_SC1	0x7c000268U

void die(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap of %zu bytes: %s", size, strerror(errno));
	return p;
}

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/kvm: %s", strerror(errno));
	return fd;
}

const char *vm_kind_name(enum vm_kind kind)
{
	static const char * const names[] = { "HV hash", "HV radix", "PR" };

	return names[kind];
}

int vm_kinds(enum vm_kind *kinds)
{
	int kvm = open_kvm(), n = 0, vm;

	vm = ioctl(kvm, KVM_CREATE_VM, KVM_VM_PPC_HV);
	if (vm >= 0) {
		if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PPC_MMU_RADIX) > 0)
			kinds[n++] = VM_HV_RADIX;
		if (!n || ioctl(kvm, KVM_CHECK_EXTENSION,
				KVM_CAP_PPC_MMU_HASH_V3) > 0)
			kinds[n++] = VM_HV_HASH;
		close(vm);
	} else {
		vm = ioctl(kvm, KVM_CREATE_VM, KVM_VM_PPC_PR);
		if (vm >= 0) {
			kinds[n++] = VM_PR;
			close(vm);
		}
	}
	close(kvm);
	if (!n)
		die("this host has neither HV nor PR KVM");
	return n;
}

static void add_memory(struct vm *vm, int slot, uint64_t at, size_t size,
		       void *mem)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		die("KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
}

static void enable_hcall(struct vm *vm, uint64_t nr)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PPC_ENABLE_HCALL,
		.args = { nr, 1 },
	};

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		die("cannot enable hcall %#lx: %s", (long)nr, strerror(errno));
}

static unsigned int processor(void)
{
	unsigned int pvr;

	asm volatile("mfspr %0, 287" : "=r" (pvr));
	return pvr;
}

void vcpu_set_up(struct vm *vm, int id, int fd)
{
	struct kvm_enable_cap papr = { .cap = KVM_CAP_PPC_PAPR };
	struct vcpu *vcpu = &vm->vcpu[id];
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int size;

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = fd;
	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("mmap of the vCPU: %s", strerror(errno));
	vcpu->stats_fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS: %s", strerror(errno));
	if (vm->kind == VM_PR) {
		/* The same as the host's processor */
		sregs.pvr = processor();
		if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
			die("KVM_SET_SREGS: %s", strerror(errno));
	}
	if (ioctl(vcpu->fd, KVM_ENABLE_CAP, &papr))
		die("KVM_CAP_PPC_PAPR: %s", strerror(errno));

	memset(&regs, 0, sizeof(regs));
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		die("KVM_GET_REGS: %s", strerror(errno));
	regs.pc = GUEST_CODE;
	regs.msr = MSR_SF | MSR_ME | MSR_LE;
	regs.gpr[29] = GUEST_CTL(id);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS: %s", strerror(errno));

	vcpu->ctl = gpa(vm, GUEST_CTL(id));
	vcpu->calls = gpa(vm, GUEST_CALLS(id));
}

static void put_code(struct vm *vm)
{
	size_t i, words = (guest_code_end - guest_code) / 4;
	uint32_t *to = gpa(vm, GUEST_CODE);

	memcpy(to, guest_code, words * 4);
	for (i = 0; vm->kind == VM_PR && i < words; i++)
		if (to[i] == INSN_SC1)
			to[i] = INSN_FAKE_SC1;
	__builtin___clear_cache((char *)to, (char *)(to + words));
}

struct vm *vm_create(enum vm_kind kind, int nr_vcpus)
{
	const char *first = getenv("FIRST_VCPU");
	struct vm *vm = calloc(1, sizeof(*vm));
	uint32_t order = 18;
	int i, fd;

	vm->kvm_fd = open_kvm();
	vm->kind = kind;
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM,
		       kind == VM_PR ? KVM_VM_PPC_PR : KVM_VM_PPC_HV);
	if (vm->fd < 0)
		die("KVM_CREATE_VM: %s", strerror(errno));

	vm->mem = map(GUEST_MEM);
	vm->mem2 = map(GUEST_MEM2);
	add_memory(vm, 0, 0, GUEST_MEM, vm->mem);
	add_memory(vm, 1, GUEST_MEM2_AT, GUEST_MEM2, vm->mem2);
	put_code(vm);

	if (kind == VM_HV_HASH &&
	    ioctl(vm->fd, KVM_PPC_ALLOCATE_HTAB, &order))
		die("KVM_PPC_ALLOCATE_HTAB: %s", strerror(errno));

	enable_hcall(vm, H_GET_TCE);
	enable_hcall(vm, H_PUT_TCE);
	enable_hcall(vm, H_PUT_TCE_INDIRECT);
	enable_hcall(vm, H_STUFF_TCE);

	vm->nr_vcpus = nr_vcpus;
	for (i = 0; i < nr_vcpus; i++) {
		/* On POWER7 and 8 the number selects the thread of a core */
		fd = ioctl(vm->fd, KVM_CREATE_VCPU,
			   i + (first ? atoi(first) : 0));
		if (fd < 0)
			die("KVM_CREATE_VCPU: %s", strerror(errno));
		vcpu_set_up(vm, i, fd);
	}
	return vm;
}

void vm_close_fds(struct vm *vm)
{
	int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->vcpu[i].run,
		       ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0));
		if (vm->vcpu[i].stats_fd >= 0)
			close(vm->vcpu[i].stats_fd);
		close(vm->vcpu[i].fd);
	}
	close(vm->fd);
	close(vm->kvm_fd);
}

void vm_destroy(struct vm *vm)
{
	vm_close_fds(vm);
	munmap(vm->mem, GUEST_MEM);
	munmap(vm->mem2, GUEST_MEM2);
	free(vm);
}

void *gpa(struct vm *vm, uint64_t addr)
{
	if (addr < GUEST_MEM)
		return (char *)vm->mem + addr;
	if (addr >= GUEST_MEM2_AT && addr < GUEST_MEM2_AT + GUEST_MEM2)
		return (char *)vm->mem2 + addr - GUEST_MEM2_AT;
	die("no guest memory at %#lx", (long)addr);
}

void vcpu_run(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, NULL)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			die("KVM_RUN: %s", strerror(errno));
		}
		if (run->exit_reason == KVM_EXIT_INTR)
			continue;
		if (run->exit_reason != KVM_EXIT_PAPR_HCALL)
			die("the guest stopped with exit reason %u",
			    run->exit_reason);

		run->papr_hcall.ret = H_USER;
		if (run->papr_hcall.nr == H_DONE)
			return;
		vcpu->user_exits++;
	}
}

static void *vcpu_thread(void *arg)
{
	vcpu_run(arg);
	return NULL;
}

void vcpu_start(struct vcpu *vcpu)
{
	if (pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu))
		die("no thread for a vCPU");
}

void vcpu_join(struct vcpu *vcpu)
{
	pthread_join(vcpu->thread, NULL);
}

uint64_t vcpu_exits(struct vcpu *vcpu)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	uint64_t value = 0;
	size_t size;
	uint32_t i;

	if (vcpu->stats_fd < 0 ||
	    pread(vcpu->stats_fd, &head, sizeof(head), 0) != sizeof(head))
		die("no statistics of the vCPU");
	size = sizeof(*desc) + head.name_size;
	desc = malloc(size);
	for (i = 0; i < head.num_desc; i++) {
		if (pread(vcpu->stats_fd, desc, size,
			  head.desc_offset + i * size) != (ssize_t)size)
			die("no statistics of the vCPU");
		if (strcmp(desc->name, "sum_exits"))
			continue;
		if (pread(vcpu->stats_fd, &value, sizeof(value),
			  head.data_offset + desc->offset) != sizeof(value))
			die("no statistics of the vCPU");
		break;
	}
	free(desc);
	return value;
}

long vcpu_hcall(struct vcpu *vcpu, uint64_t *r4, uint64_t nr, uint64_t a0,
		uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct guest_call *call = vcpu->calls;

	*call = (struct guest_call){ .arg = { nr, a0, a1, a2, a3 } };
	vcpu->ctl->job = JOB_CALLS;
	vcpu->ctl->count = 1;
	vcpu->ctl->ptr = GUEST_CALLS(vcpu->id);
	vcpu_run(vcpu);
	if (r4)
		*r4 = call->r4;
	return call->ret;
}

int tce_create(struct vm *vm, uint64_t liobn, uint32_t page_shift,
	       uint64_t offset, uint64_t size)
{
	struct kvm_create_spapr_tce_64 args = {
		.liobn = liobn,
		.page_shift = page_shift,
		.offset = offset,
		.size = size,
	};
	int fd = ioctl(vm->fd, KVM_CREATE_SPAPR_TCE_64, &args);

	return fd < 0 ? -errno : fd;
}

int tce_create_old(struct vm *vm, uint64_t liobn, uint32_t window_size)
{
	struct kvm_create_spapr_tce args = {
		.liobn = liobn,
		.window_size = window_size,
	};
	int fd = ioctl(vm->fd, KVM_CREATE_SPAPR_TCE, &args);

	return fd < 0 ? -errno : fd;
}

int tce_real_mode(void)
{
	int fd = open(REAL_MODE_SWITCH, O_RDONLY);
	unsigned int version = processor() >> 16;
	char c = 0;

	if (fd < 0)
		return -1;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	/* POWER7, POWER7+, and three kinds of POWER8 have a real mode */
	if (version != 0x3f && version != 0x4a &&
	    (version < 0x4b || version > 0x4d))
		return -1;
	return c == 'Y';
}

void tce_set_real_mode(bool on)
{
	int fd = open(REAL_MODE_SWITCH, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, on ? "Y" : "N", 1) != 1)
		die("%s: %s", REAL_MODE_SWITCH, strerror(errno));
	close(fd);
}
