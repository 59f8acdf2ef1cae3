// SPDX-License-Identifier: GPL-2.0-only
/*
 * A doorbell to ring: a counter which an eventfd advances from inside the
 * kernel, with no thread in between, the way vhost takes its kicks.
 *
 * The counter belongs to the open file.  Binding an eventfd hangs one entry
 * into its wait queue; each signal of the eventfd calls bell_wakeup(), which
 * moves the eventfd's count over to the counter.  So no signal is lost or
 * counted twice, however many of them one wakeup stands for.
 *
 * Lifetimes: the entry lives in struct bell, so it has to be off the queue
 * before the bell is freed.  A bell holds a reference to the eventfd's
 * context, which keeps the queue itself in place even when all descriptors
 * of the eventfd are closed.  bell_unbind() takes the entry off under the
 * queue's lock, so that no bell_wakeup() is running or can start once it has
 * returned.  It is called by the ioctl and by release, and may sleep on
 * nothing else than bell->mutex.
 */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "doorbell_ioctl.h"

struct bell {
	atomic64_t count;

	/* Serializes bind and unbind; guards what follows. */
	struct mutex mutex;
	struct eventfd_ctx *ctx;
	wait_queue_head_t *queue;
	wait_queue_entry_t entry;
	poll_table pt;
	/* Set under the queue's lock: the eventfd has lost its last file. */
	bool gone;
};

/* With the eventfd's queue locked.  One of EFD_SEMAPHORE hands out 1 a time. */
static void bell_drain(struct bell *bell)
{
	u64 rings;

	for (;;) {
		eventfd_ctx_do_read(bell->ctx, &rings);
		if (!rings)
			break;
		atomic64_add(rings, &bell->count);
	}
}

/* Runs under the eventfd's queue lock, interrupts off. */
static int bell_wakeup(wait_queue_entry_t *entry, unsigned int mode, int sync,
		       void *key)
{
	struct bell *bell = container_of(entry, struct bell, entry);
	__poll_t events = key_to_poll(key);

	if (events & EPOLLIN)
		bell_drain(bell);

	if (events & EPOLLHUP) {
		/* Off the queue now: no signal comes after this. */
		list_del_init(&entry->entry);
		WRITE_ONCE(bell->gone, true);
	}

	return 0;
}

static void bell_enqueue(struct file *file, wait_queue_head_t *queue,
			 poll_table *pt)
{
	struct bell *bell = container_of(pt, struct bell, pt);

	bell->queue = queue;
	add_wait_queue(queue, &bell->entry);
}

static void bell_unbind(struct bell *bell)
{
	u64 rings;

	lockdep_assert_held(&bell->mutex);

	/* Normally 0: bell_wakeup() has taken each ring as it came. */
	eventfd_ctx_remove_wait_queue(bell->ctx, &bell->entry, &rings);
	atomic64_add(rings, &bell->count);

	eventfd_ctx_put(bell->ctx);
	bell->ctx = NULL;
	bell->queue = NULL;
}

static int bell_bind(struct bell *bell, int fd)
{
	struct eventfd_ctx *ctx;
	struct file *file;

	guard(mutex)(&bell->mutex);

	if (bell->ctx) {
		if (!READ_ONCE(bell->gone))
			return -EBUSY;
		bell_unbind(bell);
	}

	file = fget(fd);
	if (!file)
		return -EBADF;

	ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(ctx)) {
		fput(file);
		return PTR_ERR(ctx);
	}

	bell->ctx = ctx;
	bell->gone = false;
	init_waitqueue_func_entry(&bell->entry, bell_wakeup);
	init_poll_funcptr(&bell->pt, bell_enqueue);
	vfs_poll(file, &bell->pt);

	/* What was signalled before the entry was on the queue has woken nothing. */
	spin_lock_irq(&bell->queue->lock);
	bell_drain(bell);
	spin_unlock_irq(&bell->queue->lock);

	fput(file);
	return 0;
}

static long bell_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct bell *bell = file->private_data;

	switch (cmd) {
	case DOORBELL_RING:
		atomic64_inc(&bell->count);
		return 0;
	case DOORBELL_COUNT:
		return put_user((u64)atomic64_read(&bell->count),
				(u64 __user *)arg);
	case DOORBELL_BIND:
		return bell_bind(bell, arg);
	case DOORBELL_UNBIND:
		scoped_guard(mutex, &bell->mutex) {
			if (!bell->ctx)
				return -ENOENT;
			bell_unbind(bell);
		}
		return 0;
	default:
		return -ENOTTY;
	}
}

static ssize_t bell_read(struct file *file, char __user *buf, size_t size,
			 loff_t *pos)
{
	struct bell *bell = file->private_data;
	u64 count = atomic64_read(&bell->count);

	if (size < sizeof(count))
		return -EINVAL;
	if (copy_to_user(buf, &count, sizeof(count)))
		return -EFAULT;
	return sizeof(count);
}

static int bell_open(struct inode *inode, struct file *file)
{
	struct bell *bell = kzalloc(sizeof(*bell), GFP_KERNEL_ACCOUNT);

	if (!bell)
		return -ENOMEM;

	mutex_init(&bell->mutex);
	file->private_data = bell;
	return stream_open(inode, file);
}

static int bell_release(struct inode *inode, struct file *file)
{
	struct bell *bell = file->private_data;

	scoped_guard(mutex, &bell->mutex) {
		if (bell->ctx)
			bell_unbind(bell);
	}
	mutex_destroy(&bell->mutex);
	kfree(bell);
	return 0;
}

static const struct file_operations bell_fops = {
	.owner		= THIS_MODULE,
	.open		= bell_open,
	.release	= bell_release,
	.read		= bell_read,
	.unlocked_ioctl	= bell_ioctl,
	.compat_ioctl	= bell_ioctl,
};

static struct miscdevice bell_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= DOORBELL_DEVICE,
	.fops	= &bell_fops,
	.mode	= 0600,
};
module_misc_device(bell_device);

MODULE_DESCRIPTION("Counts doorbell rings from an eventfd or an ioctl");
MODULE_LICENSE("GPL");
