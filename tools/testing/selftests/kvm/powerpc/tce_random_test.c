// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random programs of TCE hcalls, compared with a model. For each hcall, the model
 * predicts the result, whether it exits to userspace, and the entries afterwards.
 * The model is the same for real mode, virtual mode and each kind of VM. If there
 * is a real mode, it is switched on and off between programs.
 *
 *   tce_random_test [hcalls] [seed]     default 100000 for each kind of VM, 1
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "tce_vm.h"

#define MAX_TABLES	6
#define BATCH		200
#define LISTS		16
#define U64_MAX		(~0UL)

struct model_table {
	bool exists;
	uint64_t liobn;
	uint32_t shift;
	uint64_t offset, size;
	uint64_t *want;			/* what each entry should be */
	uint64_t *have;			/* the mapping */
	int fd;
};

static struct model_table tables[MAX_TABLES];
static uint64_t rng_state;
static struct vm *vm;
static struct vcpu *cpu;

static uint64_t rnd(void)
{
	/* splitmix64 */
	uint64_t z = rng_state += 0x9e3779b97f4a7c15UL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

/*
 * The model
 */

static bool is_memory(uint64_t gpa)
{
	return gpa < GUEST_MEM ||
	       (gpa >= GUEST_MEM2_AT && gpa < GUEST_MEM2_AT + GUEST_MEM2);
}

static bool entry_good(const struct model_table *t, uint64_t tce)
{
	uint64_t gpa = tce & ~TCE_PERM;

	if (!(tce & TCE_PERM))
		return true;
	return gpa % (1UL << t->shift) == 0 && is_memory(gpa);
}

/* In pages, in 128 bits, so that no sum wraps */
static bool range_good(const struct model_table *t, uint64_t ioba, uint64_t n)
{
	__uint128_t first = ioba >> t->shift, end = first + n;

	return ioba % (1UL << t->shift) == 0 && first >= t->offset &&
	       end <= (__uint128_t)t->offset + t->size;
}

static long model(const uint64_t *arg, uint64_t *r4)
{
	uint64_t ioba = arg[2], tce = arg[3], n = arg[4], i, at;
	struct model_table *t = NULL;

	for (i = 0; i < MAX_TABLES; i++)
		if (tables[i].exists && tables[i].liobn == arg[1])
			t = &tables[i];
	if (!t)
		return H_USER;
	at = (ioba >> t->shift) - t->offset;

	switch (arg[0]) {
	case H_PUT_TCE:
		if (!range_good(t, ioba, 1))
			return H_PARAMETER;
		if (!entry_good(t, tce))
			return H_USER;
		t->want[at] = tce;
		return H_SUCCESS;

	case H_PUT_TCE_INDIRECT:
		if (n > 512 || tce % 4096 || !range_good(t, ioba, n))
			return H_PARAMETER;
		if (!is_memory(tce))
			return H_USER;
		for (i = 0; i < n; i++)
			if (!entry_good(t, be64toh(((uint64_t *)gpa(vm, tce))[i])))
				return H_USER;
		for (i = 0; i < n; i++)
			t->want[at + i] = be64toh(((uint64_t *)gpa(vm, tce))[i]);
		return H_SUCCESS;

	case H_STUFF_TCE:
		if (!range_good(t, ioba, n) || tce & TCE_PERM)
			return H_PARAMETER;
		for (i = 0; i < n; i++)
			t->want[at + i] = tce;
		return H_SUCCESS;

	case H_GET_TCE:
		if (!range_good(t, ioba, 1))
			return H_PARAMETER;
		*r4 = t->want[at];
		return H_SUCCESS;
	}
	die("%#lx is no hcall of ours", (long)arg[0]);
}

/*
 * The programs
 */

static uint64_t random_gpa(void)
{
	switch (below(12)) {
	case 0:
		return GUEST_MEM - 4096 * below(3);
	case 1:
		return GUEST_MEM2_AT + 4096 * (below(3) - 1);
	case 2:
		return GUEST_MEM2_AT + GUEST_MEM2 - 4096 * below(3);
	case 3:
		return rnd();
	case 4:
		return rnd() >> below(64);
	case 5:
		return GUEST_MEM2_AT + below(GUEST_MEM2);
	default:
		return below(GUEST_MEM);
	}
}

static uint64_t random_tce(const struct model_table *t)
{
	uint64_t tce = random_gpa() & ~TCE_PERM;

	if (!one_in(10))
		tce &= ~((1UL << t->shift) - 1);
	if (one_in(12))
		return 0;
	return tce | below(4);
}

/* Mostly arguments that are good */
static uint64_t random_ioba(const struct model_table *t)
{
	uint64_t page;

	switch (below(20)) {
	case 0:
		return rnd();
	case 1:
		page = t->offset - 1 - below(3);
		break;
	case 2:
		page = t->offset + t->size + below(3);
		break;
	case 3:
		page = t->offset + t->size - 1 - below(t->size < 5 ? t->size : 5);
		break;
	case 4:
		page = t->offset;
		break;
	case 5:
		page = rnd() >> below(64);
		break;
	default:
		page = t->offset + below(t->size);
		break;
	}
	page <<= t->shift;
	if (one_in(30))
		page += 1UL << below(t->shift);
	return page;
}

static uint64_t random_count(const struct model_table *t, uint64_t ioba)
{
	uint64_t left = t->offset + t->size - (ioba >> t->shift);

	switch (below(16)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return left;
	case 3:
		return left + 1;
	case 4:
		return left - 1;
	case 5:
		return 511 + below(3);
	case 6:
		return rnd() >> below(64);
	case 7:
		return U64_MAX - below(4);
	case 8:
		return 0 - (ioba >> t->shift) + below(t->size + 1);
	case 9:
		return t->size;
	case 10:
		return 1UL << below(64);
	default:
		return 1 + below(512);
	}
}

static uint64_t list_page(unsigned int i)
{
	/* One list at the end of each memslot */
	if (i == 0)
		return GUEST_MEM - 4096;
	if (i == 1)
		return GUEST_MEM2_AT + GUEST_MEM2 - 4096;
	return GUEST_LISTS + i * 4096;
}

static void random_call(uint64_t *arg)
{
	static const uint64_t numbers[] = {
		H_PUT_TCE, H_PUT_TCE, H_PUT_TCE_INDIRECT, H_PUT_TCE_INDIRECT,
		H_STUFF_TCE, H_GET_TCE,
	};
	const struct model_table *t = &tables[below(MAX_TABLES)];

	arg[0] = numbers[below(6)];
	arg[1] = t->liobn;
	if (one_in(40))
		arg[1] ^= 1UL << below(64);
	arg[2] = random_ioba(t);
	arg[3] = random_tce(t);
	arg[4] = random_count(t, arg[2]);

	if (arg[0] == H_PUT_TCE_INDIRECT) {
		arg[3] = list_page(below(LISTS));
		if (one_in(20))
			arg[3] = random_gpa() & ~4095UL;
		if (one_in(30))
			arg[3] += below(4096);
		if (!one_in(8))
			arg[4] = 1 + below(t->size < 512 ? t->size : 512);
	} else if (arg[0] == H_STUFF_TCE) {
		if (!one_in(8))
			arg[3] &= ~TCE_PERM;
	}
}

/* Most lists are good for one of the tables, some have a bad entry */
static void random_lists(void)
{
	unsigned int i, k;

	for (i = 0; i < LISTS; i++) {
		const struct model_table *t = &tables[below(MAX_TABLES)];
		uint64_t *list = gpa(vm, list_page(i));
		uint64_t page = 1UL << t->shift;

		for (k = 0; k < 512; k++) {
			uint64_t slots = GUEST_MEM / page;

			list[k] = htobe64((slots ? below(slots) * page : 0) |
					  below(4));
		}
		for (k = below(4); k; k--)
			list[below(512)] = htobe64(random_tce(t));
	}
}

static void drop_table(struct model_table *t)
{
	munmap(t->have, t->size * 8);
	if (t->fd >= 0)
		close(t->fd);
	free(t->want);
	t->exists = false;
}

static void new_table(struct model_table *t, unsigned int i)
{
	uint64_t max;

	t->shift = one_in(2) ? 12 + below(23) : 12 + 4 * below(2);
	max = U64_MAX >> t->shift;
	switch (below(4)) {
	case 0:
		t->size = 1 + below(20);
		break;
	case 1:
		t->size = 1 + below(2000);
		break;
	case 2:
		t->size = 1 + below(40000);
		break;
	default:
		t->size = 1UL << below(15);
		break;
	}
	switch (below(5)) {
	case 0:
		t->offset = 0;
		break;
	case 1:
		t->offset = max - t->size;
		break;
	case 2:
		t->offset = below(max - t->size + 1);
		break;
	case 3:
		t->offset = 1UL << (59 - t->shift);
		break;
	default:
		t->offset = below(100);
		break;
	}
	t->liobn = one_in(2) ? 0x80000000UL + i : rnd() << 3 | i;

	t->fd = tce_create(vm, t->liobn, t->shift, t->offset, t->size);
	if (t->fd < 0)
		die("cannot create a table: shift %u offset %#lx size %#lx: %s",
		    t->shift, t->offset, t->size, strerror(-t->fd));
	t->have = mmap(NULL, t->size * 8, PROT_READ | PROT_WRITE, MAP_SHARED,
		       t->fd, 0);
	if (t->have == MAP_FAILED)
		die("mmap of a table: %s", strerror(errno));
	t->want = calloc(t->size, 8);
	t->exists = true;

	/* Clear half of the tables, as QEMU does; the guest uses the others first */
	if (one_in(2))
		memset(t->have, 0, t->size * 8);
	/* A mapping keeps the table like a descriptor */
	if (one_in(4)) {
		close(t->fd);
		t->fd = -1;
	}
}

static void show(unsigned int i, const struct guest_call *call, long want,
		 uint64_t want_r4)
{
	CHECK(0, "call %u: %#lx(%#lx, %#lx, %#lx, %#lx)", i, call->arg[0],
	      call->arg[1], call->arg[2], call->arg[3], call->arg[4]);
	CHECK(0, "returns %ld (r4 %#lx), should return %ld (r4 %#lx)",
	      (long)call->ret, call->r4, want, want_r4);
}

/* Run one program; returns the number of hcalls in it */
static unsigned int program(unsigned long *counts)
{
	unsigned int n = 1 + below(BATCH), i, k;

	if (one_in(4)) {
		k = below(MAX_TABLES);
		drop_table(&tables[k]);
		new_table(&tables[k], k);
	}
	random_lists();

	/* Userspace stores into the tables as well */
	for (k = below(8); k; k--) {
		struct model_table *t = &tables[below(MAX_TABLES)];
		uint64_t at = below(t->size);

		t->want[at] = rnd();
		t->have[at] = t->want[at];
	}

	for (i = 0; i < n; i++) {
		memset(&cpu->calls[i], 0, sizeof(cpu->calls[i]));
		random_call(cpu->calls[i].arg);
	}
	*cpu->ctl = (struct guest_ctl){
		.job = JOB_CALLS, .count = n, .ptr = GUEST_CALLS(cpu->id),
	};
	vcpu_run(cpu);

	for (i = 0; i < n; i++) {
		struct guest_call *call = &cpu->calls[i];
		uint64_t r4 = call->r4;
		long want = model(call->arg, &r4);

		counts[want == H_SUCCESS ? 0 : want == H_PARAMETER ? 1 : 2]++;
		if ((long)call->ret != want || call->r4 != r4)
			show(i, call, want, r4);
	}
	for (k = 0; k < MAX_TABLES; k++) {
		struct model_table *t = &tables[k];

		if (!memcmp(t->have, t->want, t->size * 8))
			continue;
		for (i = 0; t->have[i] == t->want[i]; i++)
			;
		CHECK(0, "table %u (shift %u offset %#lx size %#lx)", k,
		      t->shift, t->offset, t->size);
		CHECK(0, "entry %u is %#lx, should be %#lx", i, t->have[i],
		      t->want[i]);
		memcpy(t->want, t->have, t->size * 8);
	}
	return n;
}

static void run(unsigned long hcalls, bool switch_mode)
{
	unsigned long counts[3] = { 0 }, done = 0, real = 0, programs = 0;
	bool mode = true;
	unsigned int k, n;

	for (k = 0; k < MAX_TABLES; k++)
		new_table(&tables[k], k);
	while (done < hcalls) {
		if (switch_mode) {
			mode = one_in(2);
			tce_set_real_mode(mode);
		}
		n = program(counts);
		done += n;
		real += mode && switch_mode ? n : 0;
		programs++;
	}
	if (switch_mode)
		tce_set_real_mode(true);
	for (k = 0; k < MAX_TABLES; k++)
		drop_table(&tables[k]);

	printf("# %lu hcalls in %lu programs (%lu with real mode on)\n", done,
	       programs, real);
	printf("# %lu succeed, %lu H_PARAMETER, %lu to userspace\n", counts[0],
	       counts[1], counts[2]);
	CHECK(counts[0] > done / 4 && counts[1] > done / 20 &&
	      counts[2] > done / 50, "the programs test too little");
}

int main(int argc, char **argv)
{
	unsigned long hcalls = argc > 1 ? strtoul(argv[1], NULL, 0) : 100000;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	enum vm_kind kinds[3];
	int n = vm_kinds(kinds), i;
	bool switch_mode;

	for (i = 0; i < n; i++) {
		rng_state = seed;
		vm = vm_create(kinds[i], 1);
		cpu = &vm->vcpu[0];
		switch_mode = kinds[i] == VM_HV_HASH && tce_real_mode() == 1;
		printf("# seed %lu\n", seed);
		tap_begin();
		run(hcalls, switch_mode);
		tap_end("random_programs", vm_kind_name(kinds[i]));
		vm_destroy(vm);
	}
	return tap_done();
}
