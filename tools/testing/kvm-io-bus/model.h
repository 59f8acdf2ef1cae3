/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MODEL_H
#define MODEL_H

/*
 * What the bus must do, as plainly as it can be said: lists of what is
 * registered, walked from one end to the other. It has no line of code, no
 * type and no constant in common with virt/kvm.
 */
#include <stdbool.h>
#include <stdint.h>

enum { M_MMIO, M_PIO, M_CCW, M_FAST, M_BUSES };

#define M_MAX_DEVS	1000
#define M_MAX_EVENTS	1100

/* What was told of an access, in order */
struct trace {
	unsigned int nr;
	struct {
		/* '!' rung, 'w' written to, 'r' read from; '=' stored at, '#' value */
		char what;
		unsigned int id;
	} event[M_MAX_EVENTS];
};

static inline void trace_add(struct trace *trace, char what, unsigned int id)
{
	if (trace->nr < M_MAX_EVENTS) {
		trace->event[trace->nr].what = what;
		trace->event[trace->nr].id = id;
	}
	trace->nr++;
}

struct m_bell {
	int bus;
	uint64_t addr;
	unsigned int len;
	bool match;
	uint64_t data;
	uint64_t mask;		/* bits to compare, if match */
	uint64_t post;		/* where to store the value, or 0 */
	uint64_t size;		/* bytes of a range, or 0 */
	uint64_t stride;
	unsigned int eventfd;
};

#define M_NO_EVENTFD	999999u

/* What a page of userspace does with a store; page number modulo 4 */
enum { M_THERE, M_AWAY, M_GONE, M_FLEETING };

/* What a device does with an access */
#define DEV_TAKES_WRITES	0x1
#define DEV_TAKES_READS		0x2
#define DEV_TAKES_ODD		0x4	/* addresses, and no others */
#define DEV_HAS_NO_WRITE	0x8
#define DEV_HAS_NO_READ		0x10
#define DEV_HAS_NO_DESTRUCTOR	0x20

struct m_dev {
	int bus;
	uint64_t start;
	uint64_t size;
	unsigned int id;
	unsigned int behaviour;
};

struct model {
	unsigned int nr_bells;
	unsigned int max_bells;
	struct m_bell *bell;
	/* In the order of registration */
	unsigned int nr_devs;
	unsigned int max_devs;
	struct m_dev *dev;
};

void model_init(struct model *m);
void model_copy(struct model *to, const struct model *from);
void model_exit(struct model *m);

int model_assign(struct model *m, const struct m_bell *bell);
int model_deassign(struct model *m, const struct m_bell *bell);
int model_add_dev(struct model *m, const struct m_dev *dev);
bool model_del_dev(struct model *m, int bus, unsigned int id);

/* val[0..len) is the access's data; the number in it is host order */
int model_write(const struct model *m, int bus, uint64_t addr, int len,
		const unsigned char *val, struct trace *trace);
int model_read(const struct model *m, int bus, uint64_t addr, int len,
	       struct trace *trace);
/* @by_range: whether the ioeventfd of a range serves the write */
bool model_ring(const struct model *m, int bus, uint64_t addr, int len,
		const unsigned char *val, struct trace *trace, bool *by_range);
/* The device's id, or -1 */
int model_get_dev(const struct model *m, int bus, uint64_t addr);

bool dev_takes(unsigned int behaviour, bool write, uint64_t addr);
bool dev_has(unsigned int behaviour, bool write);

#endif /* MODEL_H */
