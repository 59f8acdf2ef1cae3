// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-irqfd [NAME]
 *
 * Named tests of virt/kvm/irqfd.c, irqfd_resample.c and irq_ack.c, with threads.
 */
#include "shim_irqfd.h"
#include "shim_ctl.h"
#include <signal.h>
#include <time.h>
#include <linux/kvm_irqfd.h>

void shim_start(void);
void shim_end(void);

/*
 * A route is copied by memcpy() between the begin and the retry of a seqcount,
 * which ThreadSanitizer takes for a race with the code that writes it there.
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:irqfd_update\n";
}

static struct kvm vm[2];

#define TEST(cond) \
	do { \
		if (!(cond)) { \
			printf("  %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			fflush(stdout); \
			_exit(1); \
		} \
	} while (0)

static void routes_set(struct kvm *kvm, unsigned int id, unsigned int type)
{
	struct routes *routes = kzalloc(sizeof(*routes), GFP_KERNEL_ACCOUNT);
	struct routes *old = kvm->routes;
	unsigned int i;

	for (i = 0; i < NR_GSIS; i++) {
		routes->entry[i].gsi = i;
		routes->entry[i].id = id;
		routes->entry[i].type = type ?: (i & 1) + 1;
	}
	mutex_lock(&kvm->irq_lock);
	__atomic_store_n(&kvm->routes, routes, __ATOMIC_RELEASE);
	kvm_irq_routing_update(kvm);
	mutex_unlock(&kvm->irq_lock);
	synchronize_srcu_expedited(&kvm->irq_srcu);
	kvm_irq_routing_settle(kvm);
	kfree(old);
}

static void vm_init(struct kvm *kvm)
{
	memset(kvm, 0, sizeof(*kvm));
	mutex_init(&kvm->irq_lock);
	shim_srcu_init(&kvm->irq_srcu);
	kvm_irqfd_vm_init(kvm);
	routes_set(kvm, 1, 0);
}

static void vm_exit(struct kvm *kvm)
{
	kvm_irqfd_release(kvm);
	TEST(!kvm->irqfds.nr && list_empty(&kvm->irqfds.items));
	TEST(list_empty(&kvm->irqfds.resampler_list));
	TEST(!kvm->irq_ack_notifier_list.first);
	kfree(kvm->routes);
}

static int irqfd(struct kvm *kvm, int fd, u32 gsi, u32 flags, int resamplefd)
{
	struct kvm_irqfd args = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resamplefd,
	};

	return flags & KVM_IRQFD_FLAG_DEASSIGN ? kvm_irqfd_deassign(kvm, &args) :
						 kvm_irqfd_assign(kvm, &args);
}

#define GONE	KVM_IRQFD_FLAG_DEASSIGN
#define LEVEL	KVM_IRQFD_FLAG_RESAMPLE

static unsigned long arrived(struct kvm *kvm, unsigned int gsi)
{
	return __atomic_load_n(&kvm->arrived[gsi], __ATOMIC_SEQ_CST);
}

static bool arrives(struct kvm *kvm, unsigned int gsi, unsigned long n)
{
	int i;

	for (i = 0; i < 2000 && arrived(kvm, gsi) < n; i++)
		usleep(1000);
	return arrived(kvm, gsi) == n;
}

static void signals_and_ends(void)
{
	unsigned int gsi;

	/* One that is injected at once, one that is left to a work item */
	for (gsi = 4; gsi < 6; gsi++) {
		int fd = shim_open(true);

		shim_write(fd);
		TEST(!irqfd(&vm[0], fd, gsi, 0, 0));
		TEST(arrives(&vm[0], gsi, 1));
		shim_write(fd);
		TEST(arrives(&vm[0], gsi, 2));
		TEST(shim_read(fd) == 0);
		TEST(!irqfd(&vm[0], fd, gsi + 1, GONE, 0));
		shim_write(fd);
		TEST(arrives(&vm[0], gsi, 3));
		TEST(!irqfd(&vm[0], fd, gsi, GONE, 0));
		shim_write(fd);
		usleep(10000);
		TEST(arrived(&vm[0], gsi) == 3 && shim_read(fd) == 1);
		TEST(!irqfd(&vm[0], fd, gsi, GONE, 0));
		shim_close(fd);
	}
}

static void one_irqfd_per_eventfd(void)
{
	int fd = shim_open(true), other = shim_open(false), i;

	TEST(irqfd(&vm[0], other, 1, 0, 0) == -EINVAL);
	TEST(irqfd(&vm[0], 999, 1, 0, 0) == -EBADF);
	TEST(irqfd(&vm[0], fd, 1, LEVEL, other) == -EINVAL);
	TEST(irqfd(&vm[0], fd, 1, LEVEL, 999) == -EBADF);
	TEST(irqfd(&vm[0], other, 1, GONE, 0) == -EINVAL);
	TEST(irqfd(&vm[0], 999, 1, GONE, 0) == -EBADF);
	for (i = 0; i < 100; i++) {
		TEST(!irqfd(&vm[i & 1], fd, 1, 0, 0));
		TEST(irqfd(&vm[i & 1], fd, 1, 0, 0) == -EBUSY);
		TEST(irqfd(&vm[i & 1], fd, 2, 0, 0) == -EBUSY);
		TEST(irqfd(&vm[!(i & 1)], fd, 1, 0, 0) == -EBUSY);
		TEST(!irqfd(&vm[i & 1], fd, 1, GONE, 0));
	}
	shim_close(fd);
	shim_close(other);
}

static void last_close_ends_it(void)
{
	int i, fd;

	for (i = 0; i < 50; i++) {
		int back = shim_open(true);

		fd = shim_open(true);
		TEST(!irqfd(&vm[0], fd, 3, i & 1 ? LEVEL : 0, back));
		shim_close(fd);
		shim_close(back);
	}
	for (i = 0; i < 2000; i++) {
		spin_lock(&vm[0].irqfds.lock);
		fd = vm[0].irqfds.nr;
		spin_unlock(&vm[0].irqfds.lock);
		if (!fd)
			break;
		usleep(1000);
	}
	TEST(!fd);
}

/* A number beyond the routes is no index. */
static void gsi_out_of_range(void)
{
	static const u32 far[] = {
		NR_GSIS, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff
	};
	struct kvm_irqfd_info info;
	unsigned int i;

	for (i = 0; i < 12; i++) {
		int fd = shim_open(true), back = shim_open(true);
		unsigned long n = vm[0].arrived_nowhere;

		TEST(!irqfd(&vm[0], fd, far[i / 2], i & 1 ? LEVEL : 0, back));
		TEST(kvm_irqfd_list(&vm[0], &info, 1) == 1 && !info.route.type);
		shim_write(fd);
		routes_set(&vm[0], 2 + i, 0);
		TEST(!irqfd(&vm[0], fd, far[i / 2], GONE, 0));
		TEST(vm[0].arrived_nowhere > n);
		shim_close(fd);
		shim_close(back);
	}
}

/* A deassignment must not take the route from an event that is under way. */
static int clobber_fd;
static pthread_t clobber_thread[2];
static unsigned long clobber_done;

static void *clobberer(void *arg)
{
	shim_thread = (uintptr_t)arg;
	TEST(!irqfd(&vm[0], clobber_fd, 5, GONE, 0));
	__atomic_fetch_add(&clobber_done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static bool claimed(void)
{
	struct kvm_kernel_irqfd *irqfd;
	bool dying = false;

	spin_lock_irq(&vm[0].irqfds.lock);
	list_for_each_entry(irqfd, &vm[0].irqfds.items, list)
		dying = irqfd->state == KVM_IRQFD_DYING;
	spin_unlock_irq(&vm[0].irqfds.lock);
	return dying;
}

static void start_clobberer(void)
{
	unsigned int i;

	shim_on_read_route = NULL;
	TEST(!pthread_create(&clobber_thread[0], NULL, clobberer, (void *)3));
	for (i = 0; i < 30000 && !claimed(); i++)
		usleep(1000);
	TEST(claimed());
	TEST(!pthread_create(&clobber_thread[1], NULL, clobberer, (void *)4));
	usleep(100000);
	/* Both wait for this event, also the one that comes too late. */
	TEST(!__atomic_load_n(&clobber_done, __ATOMIC_SEQ_CST));
}

static void route_stays_until_the_end(void)
{
	/* GSI 5's route is one that is injected at once. */
	clobber_fd = shim_open(true);
	TEST(!irqfd(&vm[0], clobber_fd, 5, 0, 0));
	shim_on_read_route = start_clobberer;
	shim_write(clobber_fd);
	TEST(arrived(&vm[0], 5) == 1 && vm[0].by_table[5] == 1);
	/* By the route that it had, not by a work item that looks for one. */
	TEST(vm[0].arrived_at_once == 1);
	pthread_join(clobber_thread[0], NULL);
	pthread_join(clobber_thread[1], NULL);
	usleep(10000);
	TEST(arrived(&vm[0], 5) == 1);
	shim_close(clobber_fd);
}

/* After the routes were replaced nothing arrives by the old ones. */
static bool reroute_stop;
static int reroute_fd[2];

static void *reroute_writer(void *arg)
{
	shim_thread = 4;
	while (!__atomic_load_n(&reroute_stop, __ATOMIC_SEQ_CST)) {
		shim_write(reroute_fd[0]);
		shim_write(reroute_fd[1]);
	}
	return NULL;
}

static void no_arrival_by_old_routes(void)
{
	const time_t end = time(NULL) + 5;
	unsigned int id, gsi;
	pthread_t thread;

	for (gsi = 4; gsi < 6; gsi++) {
		reroute_fd[gsi - 4] = shim_open(true);
		TEST(!irqfd(&vm[0], reroute_fd[gsi - 4], gsi, 0, 0));
	}
	__atomic_store_n(&reroute_stop, false, __ATOMIC_SEQ_CST);
	TEST(!pthread_create(&thread, NULL, reroute_writer, NULL));
	/* Few changes that do not wait are seen: make many of them */
	for (id = 2; time(NULL) < end; id++) {
		unsigned int i;

		routes_set(&vm[0], id, id % 3);
		for (i = 0; i < 20; i++) {
			for (gsi = 4; gsi < 6; gsi++) {
				unsigned long n = arrived(&vm[0], gsi), by;

				sched_yield();
				if (arrived(&vm[0], gsi) == n)
					continue;
				/* One more has arrived, and by this table */
				by = __atomic_load_n(&vm[0].by_table[gsi],
						     __ATOMIC_SEQ_CST);
				if (by != id && id != 2)
					fprintf(stderr, "gsi %u: by table %lu after %u\n",
						gsi, by, id);
				TEST(by == id || id == 2);
			}
		}
	}
	__atomic_store_n(&reroute_stop, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	for (gsi = 4; gsi < 6; gsi++) {
		TEST(!irqfd(&vm[0], reroute_fd[gsi - 4], gsi, GONE, 0));
		shim_close(reroute_fd[gsi - 4]);
	}
}

/* Level-triggered: up until the guest is done with it, then all are told. */
static void level_triggered(void)
{
	int fd[3], back[3], i;

	for (i = 0; i < 3; i++) {
		fd[i] = shim_open(true);
		back[i] = shim_open(true);
		TEST(!irqfd(&vm[0], fd[i], 6, LEVEL, back[i]));
	}
	TEST(kvm_irq_has_notifier(&vm[0], 0, 6) &&
	     !kvm_irq_has_notifier(&vm[0], 0, 9));
	shim_write(fd[0]);
	TEST(arrives(&vm[0], 6, 1));
	usleep(10000);
	TEST(READ_ONCE(vm[0].line[6]));
	kvm_notify_acked_irq(&vm[0], 0, 6);
	TEST(!vm[0].line[6] && vm[0].lowered[6] == 1);
	for (i = 0; i < 3; i++)
		TEST(shim_read(back[i]) == 1);
	TEST(kvm_notify_irqfd_resampler(&vm[0], 0, 6));
	TEST(!kvm_notify_irqfd_resampler(&vm[0], 0, 9));
	TEST(shim_read(back[0]) == 1);

	/* The last one takes the line down with it. */
	shim_write(fd[1]);
	TEST(arrives(&vm[0], 6, 2));
	for (i = 0; i < 3; i++) {
		usleep(5000);
		TEST(READ_ONCE(vm[0].line[6]));
		TEST(!irqfd(&vm[0], fd[i], 6, GONE, 0));
	}
	TEST(!vm[0].line[6] && !kvm_irq_has_notifier(&vm[0], 0, 6));
	for (i = 0; i < 3; i++) {
		shim_close(fd[i]);
		shim_close(back[i]);
	}
}

/*
 * An end that waits for a grace period of kvm->irq_srcu delays its own GSI only.
 */
static int slow_fd;
static unsigned long slow_done;

static void *slow_end(void *arg)
{
	shim_thread = 5;
	TEST(!irqfd(&vm[0], slow_fd, 8, GONE, 0));
	__atomic_store_n(&slow_done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *other_gsi(void *arg)
{
	int fd = shim_open(true), back = shim_open(true);

	shim_thread = 6;
	TEST(!irqfd(&vm[0], fd, 10, LEVEL, back));
	__atomic_store_n((unsigned long *)arg, 1, __ATOMIC_SEQ_CST);
	TEST(!irqfd(&vm[0], fd, 10, GONE, 0));
	shim_close(fd);
	shim_close(back);
	return NULL;
}

/* A walk of the list of an acknowledgment meets no irqfd that is gone. */
static void irqfd_stays_under_reader(void)
{
	int back = shim_open(true), other = shim_open(true), idx;
	pthread_t slow;

	slow_fd = shim_open(true);
	slow_done = 0;
	TEST(!irqfd(&vm[0], slow_fd, 8, LEVEL, back));
	TEST(!irqfd(&vm[0], other, 8, LEVEL, back));
	idx = srcu_read_lock(&vm[0].irq_srcu);
	TEST(!pthread_create(&slow, NULL, slow_end, NULL));
	usleep(300000);
	TEST(!__atomic_load_n(&slow_done, __ATOMIC_SEQ_CST));
	srcu_read_unlock(&vm[0].irq_srcu, idx);
	pthread_join(slow, NULL);
	TEST(slow_done);
	slow_done = 0;
	TEST(!irqfd(&vm[0], other, 8, GONE, 0));
	shim_close(slow_fd);
	shim_close(other);
	shim_close(back);
}

static void grace_period_not_under_mutex(void)
{
	int back = shim_open(true), idx, i;
	unsigned long other_done = 0;
	pthread_t slow, other;
	bool retires = false;

	slow_fd = shim_open(true);
	TEST(!irqfd(&vm[0], slow_fd, 8, LEVEL, back));
	idx = srcu_read_lock(&vm[0].irq_srcu);
	TEST(!pthread_create(&slow, NULL, slow_end, NULL));
	for (i = 0; i < 3000 && !retires; i++) {
		usleep(1000);
		spin_lock_irq(&vm[0].irqfds.lock);
		retires = !list_empty(&vm[0].irqfds.retiring);
		spin_unlock_irq(&vm[0].irqfds.lock);
	}
	TEST(retires);
	TEST(!pthread_create(&other, NULL, other_gsi, &other_done));
	for (i = 0; i < 3000; i++) {
		if (__atomic_load_n(&other_done, __ATOMIC_SEQ_CST))
			break;
		usleep(1000);
	}
	TEST(__atomic_load_n(&other_done, __ATOMIC_SEQ_CST));
	TEST(!__atomic_load_n(&slow_done, __ATOMIC_SEQ_CST));
	srcu_read_unlock(&vm[0].irq_srcu, idx);
	pthread_join(slow, NULL);
	pthread_join(other, NULL);
	shim_close(slow_fd);
	shim_close(back);
}

/* Each event is counted once: at its end, or when the statistics are read. */
static void statistics_count_each_event(void)
{
	struct kvm_vm_stat_generic *stat = &vm[0].stat.generic;
	int fd[2] = { shim_open(true), shim_open(true) };
	unsigned int i;

	/* One that is injected at once, one that is left to a work item */
	TEST(!irqfd(&vm[0], fd[0], 5, 0, 0));
	TEST(!irqfd(&vm[0], fd[1], 4, 0, 0));
	for (i = 1; i <= 3; i++) {
		shim_write(fd[0]);
		TEST(arrives(&vm[0], 5, i));
	}
	shim_write(fd[1]);
	TEST(arrives(&vm[0], 4, 1));

	TEST(!stat->irqfd_atomic && !stat->irqfd_deferred);
	for (i = 0; i < 2; i++) {
		kvm_irqfd_update_stats(&vm[0]);
		TEST(stat->irqfd_atomic == 3 && stat->irqfd_deferred == 1);
	}
	shim_write(fd[0]);
	shim_write(fd[1]);
	TEST(arrives(&vm[0], 5, 4) && arrives(&vm[0], 4, 2));
	for (i = 0; i < 2; i++)
		TEST(!irqfd(&vm[0], fd[i], 5 - i, GONE, 0));
	TEST(stat->irqfd_atomic == 4 && stat->irqfd_deferred == 2);
	kvm_irqfd_update_stats(&vm[0]);
	TEST(stat->irqfd_atomic == 4 && stat->irqfd_deferred == 2);
	TEST(!vm[1].stat.generic.irqfd_atomic);
	for (i = 0; i < 2; i++)
		shim_close(fd[i]);
}

/* Every allocation of an assignment fails once. */
static void assign_without_memory(void)
{
	int fd = shim_open(true), back = shim_open(true);
	unsigned int n, failed = 0;

	for (n = 1;; n++) {
		unsigned long live = shim_nr_live;
		int ret;

		shim_fail_at = shim_nr_allocs + n;
		ret = irqfd(&vm[0], fd, 12, LEVEL, back);
		shim_fail_at = 0;
		if (!ret)
			break;
		TEST(ret == -ENOMEM && shim_nr_live == live);
		TEST(!vm[0].irqfds.nr && !vm[0].irq_ack_notifier_list.first);
		failed++;
	}
	TEST(failed == 2);
	shim_write(fd);
	TEST(arrives(&vm[0], 12, 1));
	TEST(!irqfd(&vm[0], fd, 12, GONE, 0));
	shim_close(fd);
	shim_close(back);
}

/* All at once. */
static unsigned long nr_mixed;
static bool mix_stop;

static void *mixer(void *arg)
{
	u64 seed = (uintptr_t)arg;
	int fd[4], back;
	unsigned int i;

	shim_thread = (uintptr_t)arg;
	back = shim_open(true);
	for (i = 0; i < 4; i++)
		fd[i] = shim_open(true);
	while (!READ_ONCE(mix_stop)) {
		unsigned int r = (seed = seed * 6364136223846793005ull + 1) >> 33;
		struct kvm *kvm = &vm[r & 1];
		unsigned int gsi = 1 + (r >> 1) % 6;

		i = r >> 4 & 3;
		switch (r >> 6 & 7) {
		case 0:
		case 1: {
			int ret = irqfd(kvm, fd[i], gsi, r >> 10 & 1 ? LEVEL : 0,
					back);

			TEST(!ret || ret == -EBUSY);
			break;
		}
		case 2:
			TEST(!irqfd(kvm, fd[i], gsi, GONE, 0));
			break;
		case 3:
			shim_close(fd[i]);
			fd[i] = shim_open(true);
			break;
		case 4:
			kvm_notify_acked_irq(kvm, 0, gsi);
			break;
		default:
			shim_write(fd[i]);
		}
		__atomic_fetch_add(&nr_mixed, 1, __ATOMIC_RELAXED);
	}
	for (i = 0; i < 4; i++)
		shim_close(fd[i]);
	shim_close(back);
	return NULL;
}

static void all_at_once(void)
{
	pthread_t thread[3];
	unsigned long i;

	mix_stop = false;
	for (i = 0; i < 3; i++)
		TEST(!pthread_create(&thread[i], NULL, mixer, (void *)(i + 3)));
	for (i = 0; i < 200; i++) {
		routes_set(&vm[i & 1], 1000 + i, i % 3);
		usleep(10000);
	}
	WRITE_ONCE(mix_stop, true);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	printf("  %lu operations\n", nr_mixed);
}

/* The VM goes with its own irqfds only. */
static void release_ends_all(void)
{
	struct kvm_irqfd_info info[8];
	int fd[6], back = shim_open(true), i;

	vm[0].intc_late = true;
	fd[0] = shim_open(true);
	TEST(irqfd(&vm[0], fd[0], 4, 0, 0) == -EAGAIN);
	vm[0].intc_late = false;
	shim_close(fd[0]);

	for (i = 0; i < 6; i++) {
		fd[i] = shim_open(true);
		TEST(!irqfd(&vm[i == 5], fd[i], 4 + i, i & 1 ? 0 : LEVEL, back));
		shim_write(fd[i]);
	}
	for (i = 0; i < 6; i++)
		TEST(arrives(&vm[i == 5], 4 + i, 1));
	TEST(kvm_irqfd_list(&vm[0], NULL, 0) == 5);
	TEST(kvm_irqfd_list(&vm[0], info, 8) == 5);
	for (i = 0; i < 5; i++) {
		TEST(info[i].gsi == 4 + i && info[i].level == !(i & 1));
		TEST(info[i].nr_atomic + info[i].nr_work == 1);
		TEST(!info[i].nr_resampled);
		TEST(info[i].route.type == (i & 1) + 1);
	}
	routes_set(&vm[0], 2, KVM_IRQ_ROUTING_MSI);
	TEST(kvm_irqfd_list(&vm[0], info, 8) == 5);
	for (i = 0; i < 5; i++)
		TEST(info[i].route.type == KVM_IRQ_ROUTING_MSI);
	TEST(READ_ONCE(vm[0].line[4]) && READ_ONCE(vm[0].line[8]));

	kvm_irqfd_release(&vm[0]);
	TEST(!kvm_irqfd_list(&vm[0], info, 8));
	TEST(!vm[0].line[4] && !vm[0].line[8]);
	TEST(kvm_irqfd_list(&vm[1], info, 8) == 1 && info[0].gsi == 9);
	for (i = 0; i < 6; i++)
		shim_write(fd[i]);
	TEST(arrives(&vm[1], 9, 2));
	for (i = 0; i < 5; i++) {
		TEST(arrived(&vm[0], 4 + i) == 1);
		TEST(shim_read(fd[i]) == 1);
		/* Free to be had by others */
		TEST(!irqfd(&vm[1], fd[i], 4 + i, 0, 0));
		TEST(!irqfd(&vm[1], fd[i], 4 + i, GONE, 0));
	}
	TEST(!irqfd(&vm[1], fd[5], 9, GONE, 0));
	for (i = 0; i < 6; i++)
		shim_close(fd[i]);
	shim_close(back);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "signals_and_ends", signals_and_ends },
	{ "one_irqfd_per_eventfd", one_irqfd_per_eventfd },
	{ "last_close_ends_it", last_close_ends_it },
	{ "gsi_out_of_range", gsi_out_of_range },
	{ "route_stays_until_the_end", route_stays_until_the_end },
	{ "no_arrival_by_old_routes", no_arrival_by_old_routes },
	{ "level_triggered", level_triggered },
	{ "irqfd_stays_under_reader", irqfd_stays_under_reader },
	{ "grace_period_not_under_mutex", grace_period_not_under_mutex },
	{ "statistics_count_each_event", statistics_count_each_event },
	{ "assign_without_memory", assign_without_memory },
	{ "release_ends_all", release_ends_all },
	{ "all_at_once", all_at_once },
};

int main(int argc, char **argv)
{
	unsigned int i, nr = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	shim_thread = 1;
	for (i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		unsigned long live = shim_nr_live;

		if (argc > 1 && strcmp(argv[1], tests[i].name))
			continue;
		/* A wait that does not end is cut off */
		alarm(120);
		shim_start();
		vm_init(&vm[0]);
		vm_init(&vm[1]);
		tests[i].run();
		vm_exit(&vm[0]);
		vm_exit(&vm[1]);
		shim_end();
		TEST(shim_nr_live == live);
		printf("ok   %s\n", tests[i].name);
		nr++;
	}
	printf("irqfd: %u passed, 0 failed\n", nr);
	return !nr;
}
