/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small NVMe controller: as much of NVMe 1.4 as Linux' driver needs.  It has one
 * namespace in memory, the admin queues and one pair of queues for reads and writes.
 *
 * A thread of the vCPU calls nvme_read() and nvme_write() for the registers.  One
 * other thread calls nvme_serve(), and only that one touches queues.  The doorbells
 * are a page of memory; the controller does not know what writes it.
 */
#ifndef NVME_H
#define NVME_H

#include <stdatomic.h>

#include "../../guest/guest.h"

#define NVME_PAGE		4096
#define NVME_BLOCK		512
/* Pairs of queues; the first one is the admin's. */
#define NVME_PAIRS		2
/* The registers, and behind them the doorbells */
#define NVME_BAR		(2 * NVME_PAGE)
#define NVME_DOORBELLS		NVME_PAGE

/* A submission or a completion queue in the guest's memory; without entries none */
struct nvme_queue {
	char *entries;
	u32 size, head, tail;
	/* Completions: the bit that marks a new one; whether they interrupt */
	u16 phase;
	bool interrupts, posted;
};

struct nvme {
	char *memory;
	size_t memory_size;
	char *disk;
	u64 blocks;
	/* The tail of submission queue n at 2 * n, the head of completion queue n next */
	_Atomic u32 *doorbell;
	void (*interrupt)(void *arg);
	void *arg;

	_Atomic u32 config, status;
	u32 admin_sizes;
	u64 admin_submissions, admin_completions;

	bool enabled;
	struct nvme_queue submit[NVME_PAIRS], complete[NVME_PAIRS];
	/* What it has done: reads, writes and flushes */
	_Atomic u64 requests;
};

enum nvme_served { NVME_IDLE, NVME_BUSY,
		   /* A completion queue is full, and its doorbell wakes nothing */
		   NVME_BLOCKED };

u64 nvme_read(struct nvme *nvme, u32 offset, u32 size);
void nvme_write(struct nvme *nvme, u32 offset, u64 value, u32 size);
/* Do all that the registers and the doorbells ask for now. */
enum nvme_served nvme_serve(struct nvme *nvme);

#endif /* NVME_H */
