/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of level-triggered irqfds (virt/kvm/irqfd_resample.c). Both irqfds of
 * a GSI are shut down, while one more is assigned to it and the guest
 * acknowledges the interrupt now and then. Another process assigns an irqfd to
 * another GSI.
 *
 *  - no resampler is used after it is freed;
 *  - the line is not lowered for the old resampler while the new one has it up;
 *  - a process that waits for a grace period of kvm->irq_srcu does not delay
 *    another GSI. With STUCK the grace period does not end: then only the
 *    shutdowns and the next irqfd of this GSI may wait for ever.
 *
 * Broken variants: NO_GRACE NO_RETIRING WAIT_UNDER_MUTEX (with STUCK)
 */
bool mutex;			/* irqfds.resampler_lock */
byte irqfds = 2;		/* of the first resampler */
bool listed = true;		/* it is in resampler_list */
bool notifier = true;		/* its notifier is registered */
bool retiring;			/* it is on irqfds.retiring */
bool freed;
bool up;			/* the second one has the line up */
bool acking;			/* a reader of kvm->irq_srcu */

inline lock_mutex()
{
	atomic { !mutex -> mutex = true }
}

/* It waits for the readers there are, and there is one guest here. */
inline grace_period()
{
#ifdef STUCK
	false
#else
	!acking
#endif
}

proctype shutdown()
{
	bool last;

	lock_mutex();
	irqfds--;
	last = (irqfds == 0);
	if
	:: last -> atomic { listed = false; retiring = true }
	:: else -> skip
	fi;
#ifdef WAIT_UNDER_MUTEX
	grace_period();
#endif
	mutex = false;
	if
	:: last -> notifier = false
	:: else -> skip
	fi;
#if !defined(NO_GRACE) && !defined(WAIT_UNDER_MUTEX)
end:	grace_period();
#endif
	if
	:: last ->
		/* The last de-assertion */
		assert(!up);
		freed = true;
		retiring = false
	:: else -> skip
	fi
}

proctype assign()
{
	bool again = true;

	do
	:: again ->
#ifndef NO_RETIRING
end:		!retiring;
#endif
		lock_mutex();
		again = false;
#ifndef NO_RETIRING
		if
		:: retiring -> again = true; mutex = false
		:: else -> skip
		fi
#endif
	:: else -> break
	od;
	if
	:: listed -> irqfds++
	:: else -> up = true
	fi;
	mutex = false
}

proctype assign_elsewhere()
{
	lock_mutex();
	mutex = false
}

proctype guest()
{
	bool acked = false;

	do
	:: acking = true;
	   if
	   :: notifier ->
		/* It may take its time before it gets there. */
		assert(!freed);
		assert(!up);
		/* The line is down; the list is walked */
		assert(!freed)
	   :: else -> skip
	   fi;
	   acking = false
	:: acked -> break
	:: acked = true
	od
}

init
{
	atomic {
		run shutdown();
		run shutdown();
		run assign();
		run assign_elsewhere();
		run guest()
	}
}
