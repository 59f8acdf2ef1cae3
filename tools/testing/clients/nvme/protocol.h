/* SPDX-License-Identifier: GPL-2.0-only */
/* What the guest's program and the VMM agree on: ports, and the content of the disk */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

/* A byte of text */
#define PORT_TEXT		0xe9
/* Written: go on in this way, from 0; read: how many there are (a byte) */
#define PORT_VARIANT		0x500
/* Begin to measure, with so many requests at once; 0 is the end */
#define PORT_MEASURE		0x504
/* Check the disk: all of it was written with this seed */
#define PORT_CHECK		0x508
/* The guest's end, with a status */
#define PORT_END		0x50c

/* A word of the disk, by its index from the first one on */
static inline uint64_t disk_word(uint64_t seed, uint64_t index)
{
	return (seed << 32 | (index + 1)) * 0x9e3779b97f4a7c15;
}

#endif /* PROTOCOL_H */
