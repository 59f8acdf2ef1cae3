// SPDX-License-Identifier: GPL-2.0-only
/*
 * What TCE hcalls cost, in ticks of the guest's timebase, as the guest sees it.
 * Prints one line of JSON for each kind of VM that the host can have.
 *
 * A figure is the best of ROUNDS averages of CALLS calls: the machine below is
 * emulated and shares its processors, what else runs there can only add.
 *
 * Figures are integers in tenths: floating point registers of the thread that
 * runs a vCPU do not survive KVM_RUN in the base kernel.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tce_vm.h"

#define LIOBN	0x80004000UL
#define NOBODY	0x80005000UL
#define ENTRIES	16384UL

static struct vm *vm;
static struct vcpu *cpu;
static int rounds = 100;

struct job {
	uint64_t nr, liobn, ioba, tce, n, step, calls;
};

static uint64_t once(const struct job *j)
{
	*cpu->ctl = (struct guest_ctl){
		.job = JOB_REPEAT, .count = j->calls, .step = j->step,
		.arg = { j->nr, j->liobn, j->ioba, j->tce, j->n },
	};
	vcpu_run(cpu);
	return cpu->ctl->ticks * 10 / cpu->ctl->done;
}

static uint64_t best(const struct job *j, bool may_fail)
{
	uint64_t ticks = ~0UL, t;
	int i;

	for (i = 0; i < rounds; i++) {
		t = once(j);
		if (cpu->ctl->failed && !may_fail)
			die("hcall %#lx failed", (long)j->nr);
		if (t < ticks)
			ticks = t;
	}
	return ticks;
}

static void show(const char *what, uint64_t tenths)
{
	printf(", \"%s\": %lu.%lu", what, tenths / 10, tenths % 10);
}

static void measure(const char *mode)
{
	const struct job put = { H_PUT_TCE, LIOBN, 0, 0x5003, 0, 4096, 128 };
	const struct job get = { H_GET_TCE, LIOBN, 0, 0, 0, 4096, 128 };
	const struct job one = { H_STUFF_TCE, LIOBN, 0, 0, 1, 4096, 128 };
	const struct job stuff = { H_STUFF_TCE, LIOBN, 0, 0, 512, 0, 64 };
	const struct job list = { H_PUT_TCE_INDIRECT, LIOBN, 0, GUEST_LISTS,
				  512, 0, 64 };
	const struct job user = { H_PUT_TCE, NOBODY, 0, 0x5003, 0, 4096, 128 };
	/* Refused at first sight: what a hash guest's way in and out costs */
	const struct job refused = { H_REMOVE, 0, ~0UL, 0, 0, 0, 128 };
	const struct job fill = { H_PUT_TCE, LIOBN, 0, 0x6003, 0, 4096, ENTRIES };
	const struct job clear = { H_STUFF_TCE, LIOBN, 0, 0, ENTRIES, 0, 8 };
	uint64_t i, *lists = gpa(vm, GUEST_LISTS);
	uint64_t first, again = ~0UL, t;
	int fd;

	fd = tce_create(vm, LIOBN, 12, 0, ENTRIES);
	if (fd < 0)
		die("cannot create a table");
	for (i = 0; i < 512; i++)
		lists[i] = htobe64(i << 12 | 3);

	/* The first fill finds no pages of entries */
	once(&fill);
	first = cpu->ctl->ticks;
	for (i = 0; i < 5; i++) {
		once(&fill);
		t = cpu->ctl->ticks;
		if (t < again)
			again = t;
	}

	printf("{\"vm\": \"%s\", \"mode\": \"%s\"", vm_kind_name(vm->kind), mode);
	printf(", \"fill_first\": %lu, \"fill\": %lu", first, again);
	show("put", best(&put, false));
	show("get", best(&get, vm->kind == VM_PR));
	show("stuff_1", best(&one, false));
	show("stuff_512", best(&stuff, false));
	show("stuff_16384", best(&clear, false));
	show("indirect_512", best(&list, false));
	show("put_user", best(&user, true));
	show("refused", best(&refused, true));
	printf("}\n");
	fflush(stdout);
	close(fd);
}

int main(int argc, char **argv)
{
	enum vm_kind kinds[3];
	int n = vm_kinds(kinds), i;
	bool real;

	if (argc > 1)
		rounds = atoi(argv[1]);

	for (i = 0; i < n; i++) {
		vm = vm_create(kinds[i], 1);
		cpu = &vm->vcpu[0];
		real = kinds[i] == VM_HV_HASH && tce_real_mode() == 1;
		if (real) {
			measure("real");
			tce_set_real_mode(false);
		}
		measure("virtual");
		if (real)
			tce_set_real_mode(true);
		vm_destroy(vm);
	}
	return 0;
}
