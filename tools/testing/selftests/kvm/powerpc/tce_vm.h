/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM with a small guest that makes hcalls, for the tests and the benchmark of TCE
 * tables. It needs only libc and the kernel's headers.
 */

#ifndef TCE_VM_H
#define TCE_VM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define H_SUCCESS		0L
#define H_PARAMETER		(-4L)
#define H_REMOVE		0x04
#define H_GET_TCE		0x1c
#define H_PUT_TCE		0x20
#define H_STUFF_TCE		0x138
#define H_PUT_TCE_INDIRECT	0x13c
#define H_PROD			0xe4
#define H_DONE			0xf008		/* used by this guest only */

/* The host's result for an hcall that exits to userspace */
#define H_USER			0x7e57L

#define TCE_READ		1UL
#define TCE_WRITE		2UL
#define TCE_PERM		3UL

#define GUEST_MEM		(16UL << 20)	/* slot 0, at 0 */
#define GUEST_MEM2_AT		0x40000000UL	/* slot 1 */
#define GUEST_MEM2		0x100000UL
#define GUEST_CODE		0x10000UL
#define GUEST_CTL(vcpu)		(0x20000UL + (vcpu) * 0x1000UL)
#define GUEST_CALLS(vcpu)	(0x100000UL + (vcpu) * 0x40000UL)
#define GUEST_MAX_CALLS		4096
#define GUEST_LISTS		0x400000UL	/* free for lists of entries */
#define GUEST_MAX_VCPUS		4

struct guest_ctl {
	uint64_t job;
	uint64_t count;
	uint64_t ptr;
	uint64_t arg[5];
	uint64_t step;
	uint64_t ticks;
	uint64_t failed;
	uint64_t stop;
	uint64_t done;
};

enum { JOB_CALLS, JOB_REPEAT, JOB_SCRIBBLE };

struct guest_call {
	uint64_t arg[5];	/* number, then arguments */
	uint64_t ret;
	uint64_t r4;
	uint64_t unused;
};

enum vm_kind {
	VM_HV_HASH,
	VM_HV_RADIX,
	VM_PR,
};

struct vcpu {
	struct vm *vm;
	int fd;
	int id;
	int stats_fd;
	struct kvm_run *run;
	struct guest_ctl *ctl;
	struct guest_call *calls;
	uint64_t user_exits;	/* hcalls other than H_DONE */
	pthread_t thread;
};

struct vm {
	int kvm_fd;
	int fd;
	enum vm_kind kind;
	void *mem;
	void *mem2;
	struct vcpu vcpu[GUEST_MAX_VCPUS];
	int nr_vcpus;
};

/* The kinds of VMs that this host can have; the default one first */
int vm_kinds(enum vm_kind *kinds);
const char *vm_kind_name(enum vm_kind kind);

/* On failure, these end the program with a message */
struct vm *vm_create(enum vm_kind kind, int nr_vcpus);
void vcpu_set_up(struct vm *vm, int id, int fd);	/* one more vCPU */
void vm_close_fds(struct vm *vm);	/* but not the guest's memory */
void vm_destroy(struct vm *vm);
void vcpu_run(struct vcpu *vcpu);	/* one job */
void vcpu_start(struct vcpu *vcpu);	/* one job, in a thread of its own */
void vcpu_join(struct vcpu *vcpu);
uint64_t vcpu_exits(struct vcpu *vcpu);	/* exits of the guest so far */

/* One hcall; the value of r4 afterwards in @r4 if not NULL */
long vcpu_hcall(struct vcpu *vcpu, uint64_t *r4, uint64_t nr, uint64_t a0,
		uint64_t a1, uint64_t a2, uint64_t a3);

/* The fd, or -errno */
int tce_create(struct vm *vm, uint64_t liobn, uint32_t page_shift,
	       uint64_t offset, uint64_t size);
int tce_create_old(struct vm *vm, uint64_t liobn, uint32_t window_size);

/* Host's address of guest memory */
void *gpa(struct vm *vm, uint64_t addr);

/* 1 if real mode may handle TCE hcalls, else 0; -1 if there is no real mode */
int tce_real_mode(void);
void tce_set_real_mode(bool on);

noreturn void die(const char *format, ...);

/* The guest: tce_guest.S */
extern const char guest_code[], guest_code_end[];

#endif /* TCE_VM_H */
