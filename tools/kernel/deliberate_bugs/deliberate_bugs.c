// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mistakes on demand, for each checker of our kernels: proof that a mistake in KVM
 * would not go unseen. insmod deliberate_bugs.ko what=NAME[,NAME]...
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "which mistakes to make");

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);
static DEFINE_SPINLOCK(spin);
static int __rcu *pointer;
static DECLARE_WAIT_QUEUE_HEAD(queue);

static void use_after_free(void)
{
	int *p = kmalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return;
	OPTIMIZER_HIDE_VAR(p);
	kfree(p);
	WRITE_ONCE(*p, 1);
}

static int woken(struct wait_queue_entry *wait, unsigned int mode, int flags, void *key)
{
	return 0;
}

/* The kernel's own code meets what was freed, as an eventfd would an irqfd. */
static void freed_waiter(void)
{
	struct {
		char head[64];	/* KASAN writes to the begin of what is freed */
		struct wait_queue_entry wait;
	} *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return;
	init_waitqueue_func_entry(&p->wait, woken);
	add_wait_queue(&queue, &p->wait);
	kfree(p);
	wake_up(&queue);
}

static void out_of_bounds(void)
{
	char *p = kmalloc(13, GFP_KERNEL);

	if (!p)
		return;
	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(p[13], 1);
	kfree(p);
}

static void leak(void)
{
	void *p;

	for (int i = 0; i < 10; i++) {
		p = kmalloc(100, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
}

static void inversion(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);
	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
}

static void atomic_sleep(void)
{
	spin_lock(&spin);
	msleep(1);
	spin_unlock(&spin);
}

static void rcu_unprotected(void)
{
	rcu_dereference(pointer);
}

static void nothing(struct work_struct *work)
{
}

static void active_object(void)
{
	struct delayed_work *work = kmalloc(sizeof(*work), GFP_KERNEL);

	if (!work)
		return;
	INIT_DELAYED_WORK(work, nothing);
	schedule_delayed_work(work, 1000 * HZ);
	kfree(work);
}

static unsigned long raced;

static int race_thread(void *arg)
{
	while (!kthread_should_stop()) {
		raced++;
		cond_resched();
	}
	return 0;
}

/* Two threads count without a lock. */
static void unlocked_counter(void)
{
	struct task_struct *a, *b;

	a = kthread_run(race_thread, NULL, "race-a");
	b = kthread_run(race_thread, NULL, "race-b");
	msleep(10000);
	if (!IS_ERR(a))
		kthread_stop(a);
	if (!IS_ERR(b))
		kthread_stop(b);
}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	{ "none", NULL },
	{ "use-after-free", use_after_free },
	{ "freed-waiter", freed_waiter },
	{ "out-of-bounds", out_of_bounds },
	{ "leak", leak },
	{ "inversion", inversion },
	{ "atomic-sleep", atomic_sleep },
	{ "rcu-unprotected", rcu_unprotected },
	{ "active-object", active_object },
	{ "data-race", unlocked_counter },
};

static int __init bugs_init(void)
{
	char *rest = what, *name;
	int i;

	while ((name = strsep(&rest, ","))) {
		for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
			if (!strcmp(mistakes[i].name, name))
				break;
		}
		if (i == ARRAY_SIZE(mistakes))
			return -EINVAL;
		if (mistakes[i].make)
			mistakes[i].make();
	}
	return 0;
}

static void __exit bugs_exit(void)
{
}

module_init(bugs_init);
module_exit(bugs_exit);
MODULE_DESCRIPTION("One mistake for each checker of the debug kernel");
MODULE_LICENSE("GPL");
