// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

typedef unsigned __int128 wide;

void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
}

void model_copy(struct model *to, const struct model *from)
{
	*to = *from;
	to->max_bells = from->nr_bells;
	to->max_devs = from->nr_devs;
	to->bell = calloc(from->nr_bells + 1, sizeof(*to->bell));
	to->dev = calloc(from->nr_devs + 1, sizeof(*to->dev));
	assert(to->bell && to->dev);
	if (from->nr_bells)
		memcpy(to->bell, from->bell, from->nr_bells * sizeof(*to->bell));
	if (from->nr_devs)
		memcpy(to->dev, from->dev, from->nr_devs * sizeof(*to->dev));
}

void model_exit(struct model *m)
{
	free(m->bell);
	free(m->dev);
}

/* Doorbells */

static bool collide(const struct m_bell *a, const struct m_bell *b)
{
	if (a->bus != b->bus || !a->size != !b->size)
		return false;
	if (a->size)
		return a->addr < (wide)b->addr + b->size &&
		       b->addr < (wide)a->addr + a->size;
	if (a->addr != b->addr)
		return false;
	if (a->len == 0 || b->len == 0)
		return true;
	if (a->len != b->len)
		return false;
	return !a->match || !b->match || a->mask != b->mask || a->data == b->data;
}

int model_assign(struct model *m, const struct m_bell *bell)
{
	unsigned int i;

	for (i = 0; i < m->nr_bells; i++) {
		if (collide(&m->bell[i], bell))
			return -EEXIST;
	}
	if (m->nr_bells == m->max_bells) {
		m->max_bells = m->max_bells * 2 + 8;
		m->bell = realloc(m->bell, m->max_bells * sizeof(*m->bell));
		assert(m->bell);
	}
	m->bell[m->nr_bells++] = *bell;
	return 0;
}

int model_deassign(struct model *m, const struct m_bell *bell)
{
	unsigned int i;

	for (i = 0; i < m->nr_bells; i++) {
		struct m_bell *b = &m->bell[i];

		if (b->bus != bell->bus || b->addr != bell->addr ||
		    b->len != bell->len || b->match != bell->match ||
		    b->eventfd != bell->eventfd || b->size != bell->size)
			continue;
		if (b->match && (b->data != bell->data || b->mask != bell->mask))
			continue;
		if (b->size && b->stride != bell->stride)
			continue;
		*b = m->bell[--m->nr_bells];
		return 0;
	}
	return -ENOENT;
}

static uint64_t number(int len, const unsigned char *val)
{
	uint64_t data = 0;

	if (len == 1) {
		data = val[0];
	} else if (len == 2) {
		uint16_t v;

		memcpy(&v, val, 2);
		data = v;
	} else if (len == 4) {
		uint32_t v;

		memcpy(&v, val, 4);
		data = v;
	} else {
		memcpy(&data, val, 8);
	}
	return data;
}

static bool hits(const struct m_bell *bell, int bus, uint64_t addr, int len,
		 const unsigned char *val)
{
	/* The fast path rings what is for any length on the MMIO bus. */
	if (bell->bus != (bus == M_FAST ? M_MMIO : bus))
		return false;
	if (bell->size ? addr < bell->addr || addr - bell->addr >= bell->size ||
			 (addr - bell->addr) % bell->stride : bell->addr != addr)
		return false;
	if (bell->len == 0)
		return true;
	if (bus == M_FAST || (int)bell->len != len)
		return false;
	return !bell->match || (number(len, val) & bell->mask) == bell->data;
}

/* The one that a write hits: not a range, if there is another; or NULL */
static const struct m_bell *hit(const struct model *m, int bus, uint64_t addr,
				int len, const unsigned char *val)
{
	const struct m_bell *found[2] = {};
	unsigned int i;

	for (i = 0; i < m->nr_bells; i++) {
		const struct m_bell *bell = &m->bell[i];

		if (hits(bell, bus, addr, len, val)) {
			/* What collides is not let in. */
			assert(!found[!bell->size]);
			found[!bell->size] = bell;
		}
	}
	return found[1] ? found[1] : found[0];
}

/* Stores and rings; false if the page stands in the way. */
static bool ring(const struct m_bell *bell, uint64_t addr, int len,
		 const unsigned char *val, bool may_wait, struct trace *trace)
{
	uint64_t at = bell->post + (addr - bell->addr), data;
	int page = at / 4096 % 4;

	if (bell->post) {
		if (page != M_THERE && (page != M_AWAY || !may_wait))
			return false;
		data = number(len, val);
		trace_add(trace, '=', at);
		trace_add(trace, '#', data ^ data >> 32);
	}
	if (bell->eventfd != M_NO_EVENTFD)
		trace_add(trace, '!', bell->eventfd);
	return true;
}

bool model_ring(const struct model *m, int bus, uint64_t addr, int len,
		const unsigned char *val, struct trace *trace, bool *by_range)
{
	const struct m_bell *bell = hit(m, bus, addr, len, val);
	unsigned int i;

	/* What has ioeventfds of its own is looked for in ranges later. */
	for (i = 0; bell && bell->size && i < m->nr_bells; i++) {
		if (!m->bell[i].size && m->bell[i].addr == addr &&
		    m->bell[i].bus == bell->bus)
			bell = NULL;
	}
	*by_range = bell && bell->size;
	return bell && ring(bell, addr, len, val, false, trace);
}

/* Devices */

int model_add_dev(struct model *m, const struct m_dev *dev)
{
	unsigned int i, nr = 0;

	if ((wide)dev->start + dev->size > (wide)UINT64_MAX + 1)
		return -EINVAL;
	for (i = 0; i < m->nr_devs; i++)
		nr += m->dev[i].bus == dev->bus;
	if (nr == M_MAX_DEVS)
		return -ENOSPC;
	if (m->nr_devs == m->max_devs) {
		m->max_devs = m->max_devs * 2 + 8;
		m->dev = realloc(m->dev, m->max_devs * sizeof(*m->dev));
		assert(m->dev);
	}
	m->dev[m->nr_devs++] = *dev;
	return 0;
}

bool model_del_dev(struct model *m, int bus, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < m->nr_devs; i++) {
		if (m->dev[i].bus != bus || m->dev[i].id != id)
			continue;
		m->nr_devs--;
		memmove(&m->dev[i], &m->dev[i + 1],
			(m->nr_devs - i) * sizeof(*m->dev));
		return true;
	}
	return false;
}

static bool holds(const struct m_dev *dev, uint64_t addr, uint64_t len)
{
	return addr >= dev->start &&
	       (wide)addr + len <= (wide)dev->start + dev->size;
}

bool dev_has(unsigned int behaviour, bool write)
{
	return !(behaviour & (write ? DEV_HAS_NO_WRITE : DEV_HAS_NO_READ));
}

bool dev_takes(unsigned int behaviour, bool write, uint64_t addr)
{
	if (!dev_has(behaviour, write))
		return false;
	if (!(behaviour & (write ? DEV_TAKES_WRITES : DEV_TAKES_READS)))
		return false;
	return !(behaviour & DEV_TAKES_ODD) || addr % 2;
}

/* The narrowest one that is not done yet, and of those the first. */
static int next_dev(const struct model *m, int bus, uint64_t addr,
		    uint64_t len, const bool *done)
{
	unsigned int i;
	int best = -1;

	for (i = 0; i < m->nr_devs; i++) {
		if (done[i] || m->dev[i].bus != bus ||
		    !holds(&m->dev[i], addr, len))
			continue;
		if (best < 0 || m->dev[i].size < m->dev[best].size)
			best = i;
	}
	return best;
}

static int offer(const struct model *m, int bus, uint64_t addr, int len,
		 bool write, struct trace *trace)
{
	bool *done = calloc(m->nr_devs + 1, sizeof(*done));
	int i, ret = -EOPNOTSUPP;

	assert(done);
	while ((i = next_dev(m, bus, addr, len, done)) >= 0) {
		done[i] = true;
		if (dev_has(m->dev[i].behaviour, write))
			trace_add(trace, write ? 'w' : 'r', m->dev[i].id);
		if (dev_takes(m->dev[i].behaviour, write, addr)) {
			ret = 0;
			break;
		}
	}
	free(done);
	return ret;
}

int model_write(const struct model *m, int bus, uint64_t addr, int len,
		const unsigned char *val, struct trace *trace)
{
	const struct m_bell *bell = hit(m, bus, addr, len, val);

	if (bell)
		return ring(bell, addr, len, val, true, trace) ? 0 : -EOPNOTSUPP;
	return offer(m, bus, addr, len, true, trace);
}

int model_read(const struct model *m, int bus, uint64_t addr, int len,
	       struct trace *trace)
{
	return offer(m, bus, addr, len, false, trace);
}

int model_get_dev(const struct model *m, int bus, uint64_t addr)
{
	bool *none = calloc(m->nr_devs + 1, sizeof(*none));
	int i;

	assert(none);
	i = next_dev(m, bus, addr, 1, none);
	free(none);
	return i < 0 ? -1 : (int)m->dev[i].id;
}
