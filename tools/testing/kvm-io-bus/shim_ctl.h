/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_CTL_H
#define SHIM_CTL_H

/* What tests ask of the shim beyond the kernel's own interfaces. */

void shim_srcu_init(struct srcu_struct *srcu);

/*
 * Called when a grace period would have to wait for a reader, so with one
 * thread for ever; returns whether to go on without it.
 */
extern bool (*shim_on_srcu_wait)(void);

/* No words about what must not happen: it is looked for over and over. */
extern bool shim_quiet;

/* A reader is stopped in a hook while a writer runs: it is not the writer's. */
extern bool shim_in_hook;

static inline bool shim_suspended(void)
{
	return shim_in_hook;
}

#endif /* SHIM_CTL_H */
