// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-io-bus-threads [time=SECONDS] [readers=N]
 *
 * Threads that kick, read and write, against threads that register and
 * unregister, for ThreadSanitizer and AddressSanitizer to look at. What is
 * checked besides:
 *  - a doorbell or zone that stays is found by every access, and is rung once
 *    for each write;
 *  - one that was there from before an access to after it is found;
 *  - one that was not is not found: unregistering has returned, and nothing is
 *    rung or called any more;
 *  - the destructor runs once and after the last caller has left;
 *  - unregistering a doorbell waits for a kick of it that is under way, and not
 *    for another doorbell's.
 */
#include <sched.h>
#include <time.h>
#include <unistd.h>
#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>
#include <kvm/iodev.h>

#include "irqoff.h"
#include "shim_ctl.h"

#define REGISTER	0x10000ull	/* with many doorbells, by data */
#define FIELD		0x20000ull	/* with many registers */
#define ZONE		0x100000ull	/* with many devices in it */

/* Where values are posted, one place for each slot */
#define POSTED		(4ul * SHIM_USER_PAGE)
#define SENTINEL	0xeeeeul

#define NR_STAY		32
#define NR_CHURN	192
#define NR_DEVS		16

/* gone -> coming -> there -> going -> gone */
enum { GONE, COMING, THERE, GOING, PHASES };

struct slot {
	struct kvm_ioeventfd_key key;
	unsigned long phase;
	struct eventfd_ctx *eventfd;
	unsigned long rung;
};

struct tdev {
	struct kvm_io_device dev;
	unsigned int magic;
	unsigned int index;
};

/*
 * Plain loads between the begin and the retry of a seqcount are no race, and
 * that ThreadSanitizer does not know. What they lead to is checked below.
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race_top:kvm_io_index_search\nrace_top:kvm_io_index_find\n"
	       "race_top:floor_in_node\n";
}

static struct kvm kvm;
static struct kvm_vcpu vcpu = { .kvm = &kvm };
/* Each reader is a vCPU. */
static __thread struct kvm_vcpu my_vcpu;
static struct slot stay[NR_STAY], churn[NR_CHURN];
static unsigned long dev_phase[NR_DEVS];
static u64 posted[NR_CHURN];
static bool stop;
static unsigned long nr_kicks, nr_accesses, nr_changes, nr_missed;
static __thread int called;

#define CHECK(cond) SHIM_ASSERT(cond)

static void on_store(unsigned long addr, int len, u64 value)
{
	CHECK(addr >= POSTED && (addr - POSTED) / 8 < NR_CHURN);
	/* Under the lock of the ioeventfd: that is what the writer relies on. */
	posted[(addr - POSTED) / 8] = value & 0xffff;
}

static u64 rnd(u64 *seed)
{
	u64 z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	return z ^ z >> 29;
}

static bool kick(const struct kvm_ioeventfd_key *key)
{
	struct kvm_vcpu *v = &my_vcpu;
	bool rung;

	v->kvm = &kvm;
	rcu_read_lock();
	rung = ring_irqoff(v, KVM_MMIO_BUS, key->addr, key->len, key->data);
	rcu_read_unlock();
	return rung;
}

static void phase_next(unsigned long *phase)
{
	__atomic_store_n(phase, *phase + 1, __ATOMIC_SEQ_CST);
}

static unsigned long phase_get(unsigned long *phase)
{
	return __atomic_load_n(phase, __ATOMIC_SEQ_CST);
}

/* Devices */

static int dev_write(struct kvm_vcpu *v, struct kvm_io_device *dev, gpa_t addr,
		     int len, const void *val)
{
	struct tdev *t = container_of(dev, struct tdev, dev);
	int i;

	for (i = 0; i < 3; i++) {
		CHECK(READ_ONCE(t->magic) == 0x600df00d);
		if (i == 1 && addr & 64)
			sched_yield();
	}
	called = t->index;
	return 0;
}

static void dev_destructor(struct kvm_io_device *dev)
{
	struct tdev *t = container_of(dev, struct tdev, dev);

	CHECK(t->magic == 0x600df00d);
	t->magic = 0;
	free(t);
}

static const struct kvm_io_device_ops dev_ops = {
	.write = dev_write,
	.destructor = dev_destructor,
};

static struct tdev *dev_new(unsigned int index)
{
	struct tdev *t = calloc(1, sizeof(*t));

	CHECK(t);
	t->dev.ops = &dev_ops;
	t->magic = 0x600df00d;
	t->index = index;
	return t;
}

static int dev_register(struct tdev *t, u64 addr, u64 size)
{
	int ret;

	mutex_lock(&kvm.slots_lock);
	ret = kvm_io_bus_register_dev(&kvm, KVM_MMIO_BUS, addr, size, &t->dev);
	mutex_unlock(&kvm.slots_lock);
	return ret;
}

/* Readers */

static void *reader(void *arg)
{
	u64 seed = (unsigned long)arg;
	unsigned long kicks = 0, accesses = 0;

	shim_thread = (unsigned long)arg;
	while (!READ_ONCE(stop)) {
		unsigned int i = rnd(&seed);
		unsigned long before, after;
		struct slot *s;
		bool rung;

		switch (rnd(&seed) % 4) {
		case 0:
			s = &stay[i % NR_STAY];
			CHECK(kick(&s->key));
			__atomic_fetch_add(&s->rung, 1, __ATOMIC_RELAXED);
			kicks++;
			break;
		case 1:
		case 2:
			s = &churn[i % NR_CHURN];
			before = phase_get(&s->phase);
			rung = kick(&s->key);
			after = phase_get(&s->phase);
			if (before == after) {
				if (before % PHASES == THERE)
					CHECK(rung);
				else if (before % PHASES == GONE)
					CHECK(!rung);
			}
			kicks++;
			break;
		default:
			i %= NR_DEVS;
			before = phase_get(&dev_phase[i]);
			called = -1;
			srcu_read_lock(&kvm.srcu);
			CHECK(!kvm_io_bus_write(&vcpu, KVM_MMIO_BUS,
						ZONE + 0x100 * i + (seed & 64),
						4, &seed));
			srcu_read_unlock(&kvm.srcu, 0);
			after = phase_get(&dev_phase[i]);
			/* The zone around all of them, or the inner one */
			CHECK(called == NR_DEVS || called == (int)i);
			if (before == after && before % PHASES == THERE)
				CHECK(called == (int)i);
			if (before == after && before % PHASES == GONE)
				CHECK(called == NR_DEVS);
			accesses++;
		}
	}
	__atomic_fetch_add(&nr_kicks, kicks, __ATOMIC_RELAXED);
	__atomic_fetch_add(&nr_accesses, accesses, __ATOMIC_RELAXED);
	return NULL;
}

/* Writers */

static void *bell_writer(void *arg)
{
	unsigned long me = (unsigned long)arg, half = me & 1, changes = 0;
	u64 seed = me;

	shim_thread = me;
	while (!READ_ONCE(stop)) {
		/* Each has every other slot to itself. */
		struct slot *s = &churn[rnd(&seed) % (NR_CHURN / 2) * 2 + half];

		phase_next(&s->phase);
		if (s->phase % PHASES == COMING) {
			/* It was quiet since it went. */
			if (s->eventfd) {
				CHECK(__atomic_load_n(&s->eventfd->count,
						      __ATOMIC_SEQ_CST) == s->rung);
				CHECK(posted[s - churn] == SENTINEL);
				eventfd_ctx_put(s->eventfd);
			}
			s->eventfd = shim_eventfd_new(0);
			eventfd_ctx_get(s->eventfd);
			CHECK(!kvm_io_bus_register_ioeventfd(&kvm, KVM_MMIO_BUS,
							    &s->key, s->eventfd));
		} else {
			CHECK(!kvm_io_bus_unregister_ioeventfd(&kvm, KVM_MMIO_BUS,
							      &s->key,
							      s->eventfd));
			s->rung = __atomic_load_n(&s->eventfd->count,
						  __ATOMIC_SEQ_CST);
			if (s->key.post && posted[s - churn] != SENTINEL)
				CHECK(s->rung && posted[s - churn] == s->key.data);
			posted[s - churn] = SENTINEL;
		}
		phase_next(&s->phase);
		changes++;
	}
	__atomic_fetch_add(&nr_changes, changes, __ATOMIC_RELAXED);
	return NULL;
}

static void *dev_writer(void *arg)
{
	static struct tdev *dev[NR_DEVS];
	unsigned long changes = 0;
	u64 seed = 99;

	shim_thread = (unsigned long)arg;
	while (!READ_ONCE(stop)) {
		unsigned int i = rnd(&seed) % NR_DEVS;

		phase_next(&dev_phase[i]);
		if (dev_phase[i] % PHASES == COMING) {
			dev[i] = dev_new(i);
			CHECK(!dev_register(dev[i], ZONE + 0x100 * i, 0x80));
		} else {
			mutex_lock(&kvm.slots_lock);
			kvm_io_bus_unregister_dev(&kvm, KVM_MMIO_BUS,
						  &dev[i]->dev);
			mutex_unlock(&kvm.slots_lock);
		}
		phase_next(&dev_phase[i]);
		changes++;
	}
	__atomic_fetch_add(&nr_changes, changes, __ATOMIC_RELAXED);
	return NULL;
}

static void *reclaimer(void *arg)
{
	shim_thread = (unsigned long)arg;
	while (!READ_ONCE(stop)) {
		shim_rcu_barrier();
		usleep(200);
	}
	return NULL;
}

/* What waits for what */

static unsigned long in_kick, let_go, gone;

static void slow_signal(struct eventfd_ctx *ctx)
{
	if (ctx->id != 1000)
		return;
	__atomic_store_n(&in_kick, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&let_go, __ATOMIC_SEQ_CST))
		sched_yield();
}

static const struct kvm_ioeventfd_key slow_key = {
	.addr = REGISTER, .len = 8, .match = true, .data = 1 };
static const struct kvm_ioeventfd_key other_key = {
	.addr = REGISTER, .len = 8, .match = true, .data = 2 };

static void *slow_kicker(void *arg)
{
	shim_thread = 1;
	srcu_read_lock(&kvm.srcu);
	CHECK(kick(&slow_key));
	srcu_read_unlock(&kvm.srcu, 0);
	return NULL;
}

static void *unregisterer(void *arg)
{
	shim_thread = 2;
	CHECK(!kvm_io_bus_unregister_ioeventfd(&kvm, KVM_MMIO_BUS, &slow_key, arg));
	__atomic_store_n(&gone, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void waits_for_its_own(void)
{
	struct eventfd_ctx *slow = shim_eventfd_new(1000);
	struct eventfd_ctx *other = shim_eventfd_new(1001);
	pthread_t kicker, unreg;

	CHECK(!kvm_io_bus_register_ioeventfd(&kvm, KVM_MMIO_BUS, &slow_key, slow));
	CHECK(!kvm_io_bus_register_ioeventfd(&kvm, KVM_MMIO_BUS, &other_key, other));
	shim_on_signal = slow_signal;
	CHECK(!pthread_create(&kicker, NULL, slow_kicker, NULL));
	while (!__atomic_load_n(&in_kick, __ATOMIC_SEQ_CST))
		sched_yield();
	/* Another one's, of the same register: no wait. */
	CHECK(!kvm_io_bus_unregister_ioeventfd(&kvm, KVM_MMIO_BUS, &other_key, other));
	CHECK(!pthread_create(&unreg, NULL, unregisterer, slow));
	usleep(100000);
	CHECK(!__atomic_load_n(&gone, __ATOMIC_SEQ_CST));
	__atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
	pthread_join(unreg, NULL);
	pthread_join(kicker, NULL);
	CHECK(gone);
	shim_on_signal = NULL;
	CHECK(!kick(&slow_key));
}

int main(int argc, char **argv)
{
	pthread_t thread[SHIM_MAX_THREADS];
	unsigned long i, nr = 0, readers = 3;
	double limit = 10;
	struct timespec ts;
	int a;

	for (a = 1; a < argc; a++) {
		if (sscanf(argv[a], "time=%lf", &limit) != 1 &&
		    sscanf(argv[a], "readers=%lu", &readers) != 1) {
			fprintf(stderr, "usage: kvm-io-bus-threads [time=SECONDS] [readers=N]\n");
			return 2;
		}
	}
	CHECK(readers >= 1 && readers <= 8);
	shim_srcu_init(&kvm.srcu);
	mutex_init(&kvm.slots_lock);
	kvm_io_bus_init(&kvm);

	waits_for_its_own();

	for (i = 0; i < NR_STAY; i++) {
		stay[i].key.len = 2;
		stay[i].key.match = i & 1;
		stay[i].key.addr = i & 1 ? REGISTER : FIELD + 0x40 * i;
		stay[i].key.data = i & 1 ? i : 0;
		stay[i].eventfd = shim_eventfd_new(i);
		eventfd_ctx_get(stay[i].eventfd);
		CHECK(!kvm_io_bus_register_ioeventfd(&kvm, KVM_MMIO_BUS,
						    &stay[i].key,
						    stay[i].eventfd));
	}
	for (i = 0; i < NR_CHURN; i++) {
		churn[i].key.len = i % 3 ? 2 : 4;
		churn[i].key.match = i % 3 != 1;
		churn[i].key.addr = i % 3 == 1 ? FIELD + 4 + 8 * i : REGISTER;
		churn[i].key.data = i % 3 == 1 ? 0 : 0x100 + i;
		/* A third posts; some of these are ranges of one register. */
		if (i % 3 == 1 || i % 12 == 0)
			churn[i].key.post = POSTED + 8 * i;
		if (i % 12 == 4) {
			churn[i].key.size = 8;
			churn[i].key.stride = 8;
		}
		posted[i] = SENTINEL;
	}
	shim_on_store = on_store;
	CHECK(!dev_register(dev_new(NR_DEVS), ZONE, 0x10000));

	for (i = 1; i <= readers; i++)
		CHECK(!pthread_create(&thread[nr++], NULL, reader, (void *)i));
	CHECK(!pthread_create(&thread[nr++], NULL, bell_writer, (void *)10));
	CHECK(!pthread_create(&thread[nr++], NULL, bell_writer, (void *)11));
	CHECK(!pthread_create(&thread[nr++], NULL, dev_writer, (void *)12));
	CHECK(!pthread_create(&thread[nr++], NULL, reclaimer, (void *)13));
	ts.tv_sec = limit;
	ts.tv_nsec = (limit - ts.tv_sec) * 1e9;
	nanosleep(&ts, NULL);
	WRITE_ONCE(stop, true);
	while (nr)
		pthread_join(thread[--nr], NULL);

	for (i = 0; i < NR_STAY; i++)
		nr_missed += stay[i].rung - stay[i].eventfd->count;
	CHECK(!nr_missed);
	kvm_io_bus_destroy(&kvm);
	shim_rcu_barrier();
	for (i = 0; i < NR_STAY; i++) {
		CHECK(stay[i].eventfd->refs == 1);
		eventfd_ctx_put(stay[i].eventfd);
	}
	for (i = 0; i < NR_CHURN; i++) {
		if (churn[i].eventfd) {
			CHECK(churn[i].eventfd->refs == 1);
			eventfd_ctx_put(churn[i].eventfd);
		}
	}
	CHECK(!shim_nr_live);
	printf("threads: %lu readers: %lu kicks, %lu accesses to devices, %lu changes in %.0f s, no ring lost\n",
	       readers, nr_kicks, nr_accesses, nr_changes, limit);
	return 0;
}
