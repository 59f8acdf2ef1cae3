/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kicks against the removal of a doorbell (virt/kvm/ioeventfd_set.h). Doorbell
 * 0 is unregistered, while two vCPUs kick it or doorbell 1, which stays, on the
 * same register. Memory of the doorbell goes after a grace period; its eventfd
 * when the last reference is put.
 *
 *  - no signal after unregistering has returned;
 *  - no use of a doorbell that is freed, nor of an eventfd that is put;
 *  - a kick of the doorbell that stays signals;
 *  - unregistering waits for no kick of the other one (STUCK: a kick of that
 *    never ends, and unregistering does, or spin finds an invalid end).
 *
 * Broken variants: NO_LOCK NO_CHECK NO_GRACE WAIT_FOR_ALL (with STUCK)
 */
#define VCPUS 2

bool slot[2] = true;		/* in the register's table */
bool lock[2];			/* doorbell->lock */
bool eventfd[2] = true;		/* doorbell->eventfd */
bool freed;			/* doorbell 0 */
bool put;			/* its eventfd */
bool returned;			/* from unregistering it */
bool reading[VCPUS];		/* in an RCU read-side critical section */
bool stuck;

inline take(l)
{
	atomic { !lock[l] -> lock[l] = true }
}

proctype vcpu(byte me; byte which)
{
	bool late = returned, hit, alive;

	reading[me] = true;
	hit = slot[which];
	if
	:: hit ->
		assert(which != 0 || !freed);
		take(which);
#ifdef NO_CHECK
		alive = true;
#else
		alive = eventfd[which];
#endif
		if
		:: alive ->
			/* eventfd_signal() */
			assert(which != 0 || !returned);
			assert(which != 0 || !put);
			assert(!late || which != 0)
		:: else -> skip
		fi;
#ifdef STUCK
		/* The signal of the other one goes on for ever. */
		if
		:: which == 1 -> stuck = true; end: false
		:: else -> skip
		fi;
#endif
		assert(which != 0 || !freed);
		lock[which] = false
	:: else -> skip
	fi;
	assert(which == 0 || (hit && alive));
	reading[me] = false
}

proctype unregister()
{
	bool was[VCPUS];
	byte i;

	slot[0] = false;
#ifdef WAIT_FOR_ALL
	/* A grace period first */
	i = 0;
	do
	:: i < VCPUS -> !reading[i]; i++
	:: else -> break
	od;
#endif
#ifndef NO_LOCK
	take(0);
#endif
	eventfd[0] = false;
#ifndef NO_LOCK
	lock[0] = false;
#endif
	put = true;
	returned = true;

	/* kfree_rcu(): after the readers of now */
#ifndef NO_GRACE
	atomic {
		i = 0;
		do
		:: i < VCPUS -> was[i] = reading[i]; i++
		:: else -> break
		od
	};
	i = 0;
	do
	:: i < VCPUS && (!was[i] || !reading[i]) -> i++
	:: i == VCPUS -> break
#ifdef STUCK
	/* Nothing waits for it, so it may take any time. */
	:: stuck -> goto done
#endif
	od;
#endif
	freed = true;
done:
	skip
}

init
{
	atomic {
#ifdef STUCK
		run vcpu(0, 1);
#else
		if
		:: run vcpu(0, 0)
		:: run vcpu(0, 1)
		fi;
#endif
		run vcpu(1, 0);
		run unregister()
	}
}
