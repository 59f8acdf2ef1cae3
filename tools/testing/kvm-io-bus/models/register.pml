/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registering and searching (top of virt/kvm/io_bus.c). A task registers and
 * then lets the guest know; a vCPU that knows makes an access. It has to find
 * what was registered.
 *
 * Memory is weak: without a barrier between them, two stores of a task reach
 * memory, and two loads of a vCPU are done, in either order. A table is filled
 * before it is published (release), and looked into through the pointer (address
 * dependency), so these two stay in order in any variant.
 *
 * Broken variants: NO_MB NO_RMB
 */

bool filled, published, told;
bool knew, found, looked_into_empty;

proctype registering_task()
{
	filled = true;
#ifdef NO_MB
	if
	:: published = true; told = true
	:: told = true; published = true
	fi
#else
	published = true;
	/* smp_mb() */
	told = true
#endif
}

proctype vcpu()
{
	bool t, p;

#ifdef NO_RMB
	if
	:: t = told; p = published
	:: p = published; t = told
	fi;
#else
	t = told;
	/* smp_rmb() */
	p = published;
#endif
	if
	:: p -> looked_into_empty = !filled; found = filled
	:: else -> skip
	fi;
	knew = t;
	assert(!looked_into_empty);
	assert(!knew || found)
}

init
{
	atomic {
		run registering_task();
		run vcpu()
	}
}
