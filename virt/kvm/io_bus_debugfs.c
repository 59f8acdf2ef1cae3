// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioeventfds, irqfds and devices of a VM in debugfs, in the directory of
 * the VM below /sys/kernel/debug/kvm:
 *
 *	ioeventfds	bus, address, length, value, rings, address of the posted
 *			value, size and stride of a range
 *	irqfds		GSI, route, how events were injected, resamples
 *	bus		ranges of in-kernel devices in order, and callbacks
 *
 * A file shows the state of the VM at the time of open(). open() copies the
 * state, under the locks of the writers. read() takes no lock and uses nothing
 * of the VM, so a slow reader delays no other task.
 */
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/seq_file.h>

#include "io_bus_debugfs.h"

/* One kind of file, and how to make its lines. */
struct view {
	/* Copies up to @max entries to @info; returns the number of all. */
	unsigned long (*list)(struct kvm *kvm, void *info, unsigned long max);
	void (*head)(struct seq_file *m);
	void (*line)(struct seq_file *m, const void *entry);
	size_t size;
};

struct snapshot {
	const struct view *view;
	unsigned long nr;
	char info[];
};

static const char *bus_name(enum kvm_bus bus)
{
	static const char * const names[KVM_NR_BUSES] = {
		[KVM_MMIO_BUS] = "mmio",
		[KVM_PIO_BUS] = "pio",
		[KVM_VIRTIO_CCW_NOTIFY_BUS] = "ccw",
		[KVM_FAST_MMIO_BUS] = "fast-mmio",
	};

	return names[bus];
}

static unsigned long ioeventfds_list(struct kvm *kvm, void *info,
				     unsigned long max)
{
	return kvm_io_bus_list_ioeventfds(kvm, info, max);
}

static void ioeventfds_head(struct seq_file *m)
{
	seq_puts(m, "# bus address length value rings");
	seq_puts(m, " post range");
	seq_putc(m, '\n');
}

/* The value, and the mask if it is not for all bits of the width. */
static void value_show(struct seq_file *m, const struct kvm_ioeventfd_key *key)
{
	if (!key->match)
		seq_puts(m, "any ");
	else if (key->mask == ~0ULL >> (64 - 8 * key->len))
		seq_printf(m, "0x%llx ", key->data);
	else
		seq_printf(m, "0x%llx/0x%llx ", key->data, key->mask);
}

/* Where values are stored, then size and stride of a range. */
static void post_show(struct seq_file *m, const struct kvm_ioeventfd_key *key)
{
	if (key->post)
		seq_printf(m, " 0x%lx", key->post);
	else
		seq_puts(m, " -");
	if (key->size)
		seq_printf(m, " 0x%x/%u", key->size, key->stride);
	else
		seq_puts(m, " -");
}

static void ioeventfds_line(struct seq_file *m, const void *entry)
{
	const struct kvm_ioeventfd_info *info = entry;

	seq_printf(m, "%s 0x%llx ", bus_name(info->bus), info->key.addr);
	if (info->key.len)
		seq_printf(m, "%u ", info->key.len);
	else
		seq_puts(m, "any ");
	value_show(m, &info->key);
	seq_printf(m, "%lu", info->rings);
	post_show(m, &info->key);
	seq_putc(m, '\n');
}

static const struct view ioeventfds_view = {
	.list = ioeventfds_list,
	.head = ioeventfds_head,
	.line = ioeventfds_line,
	.size = sizeof(struct kvm_ioeventfd_info),
};

static unsigned long devs_list(struct kvm *kvm, void *info, unsigned long max)
{
	return kvm_io_bus_list_devs(kvm, info, max);
}

static void devs_head(struct seq_file *m)
{
	seq_puts(m, "# bus start size device\n");
}

static void devs_line(struct seq_file *m, const void *entry)
{
	const struct kvm_io_dev_info *info = entry;

	seq_printf(m, "%s 0x%llx 0x%llx %ps\n", bus_name(info->bus),
		   info->start, info->size, info->ops);
}

static const struct view devs_view = {
	.list = devs_list,
	.head = devs_head,
	.line = devs_line,
	.size = sizeof(struct kvm_io_dev_info),
};

#ifdef CONFIG_HAVE_KVM_IRQCHIP
static unsigned long irqfds_list(struct kvm *kvm, void *info, unsigned long max)
{
	return kvm_irqfd_list(kvm, info, max);
}

static void irqfds_head(struct seq_file *m)
{
	seq_puts(m, "# gsi trigger route at-once by-work resamples bypass\n");
}

static void irqfds_line(struct seq_file *m, const void *entry)
{
	const struct kvm_irqfd_info *info = entry;
	const struct kvm_kernel_irq_routing_entry *route = &info->route;

	seq_printf(m, "%d %s ", info->gsi, info->level ? "level" : "edge");
	switch (route->type) {
	case 0:
		/* The GSI has no route, or more than one. */
		seq_puts(m, "table ");
		break;
	case KVM_IRQ_ROUTING_MSI:
		seq_printf(m, "msi:0x%08x%08x:0x%x ", route->msi.address_hi,
			   route->msi.address_lo, route->msi.data);
		break;
	case KVM_IRQ_ROUTING_IRQCHIP:
		seq_printf(m, "irqchip:%u:%u ", route->irqchip.irqchip,
			   route->irqchip.pin);
		break;
	default:
		seq_printf(m, "type:%u ", route->type);
		break;
	}
	seq_printf(m, "%lu %lu %lu %s\n", info->nr_atomic, info->nr_work,
		   info->nr_resampled, info->bypass ? "yes" : "no");
}

static const struct view irqfds_view = {
	.list = irqfds_list,
	.head = irqfds_head,
	.line = irqfds_line,
	.size = sizeof(struct kvm_irqfd_info),
};
#endif

static void *snap_start(struct seq_file *m, loff_t *pos)
{
	struct snapshot *snap = m->private;

	if (!*pos)
		return SEQ_START_TOKEN;
	if (*pos > snap->nr)
		return NULL;
	return snap->info + (*pos - 1) * snap->view->size;
}

static void *snap_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return snap_start(m, pos);
}

static void snap_stop(struct seq_file *m, void *v)
{
}

static int snap_show(struct seq_file *m, void *v)
{
	struct snapshot *snap = m->private;

	if (v == SEQ_START_TOKEN)
		snap->view->head(m);
	else
		snap->view->line(m, v);
	return 0;
}

static const struct seq_operations snap_ops = {
	.start = snap_start,
	.next = snap_next,
	.stop = snap_stop,
	.show = snap_show,
};

static struct snapshot *snap_take(struct kvm *kvm, const struct view *view)
{
	struct snapshot *snap = NULL;
	unsigned long nr = 0, max;
	size_t size;

	/* Try again if the number has grown above the room. */
	do {
		kvfree(snap);
		max = nr;
		size = size_add(sizeof(*snap), size_mul(max, view->size));
		snap = kvzalloc(size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!snap)
			return NULL;
		nr = view->list(kvm, snap->info, max);
	} while (nr > max);

	snap->view = view;
	snap->nr = nr;
	return snap;
}

static int snap_open(struct inode *inode, struct file *file,
		     const struct view *view)
{
	struct kvm *kvm = inode->i_private;
	struct snapshot *snap;
	int ret;

	/*
	 * This takes no reference to the VM, and must not put the last one. The
	 * files are removed before anything else of a VM is destroyed. debugfs
	 * waits for open() before it removes a file.
	 */
	snap = snap_take(kvm, view);
	if (!snap)
		return -ENOMEM;

	ret = seq_open(file, &snap_ops);
	if (ret) {
		kvfree(snap);
		return ret;
	}
	((struct seq_file *)file->private_data)->private = snap;
	return 0;
}

static int snap_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;

	kvfree(m->private);
	return seq_release(inode, file);
}

#define DEFINE_SNAP_FOPS(name)						\
static int name##_open(struct inode *inode, struct file *file)		\
{									\
	return snap_open(inode, file, &name##_view);			\
}									\
									\
static const struct file_operations name##_fops = {			\
	.owner = THIS_MODULE,						\
	.open = name##_open,						\
	.read = seq_read,						\
	.llseek = seq_lseek,						\
	.release = snap_release,					\
}

DEFINE_SNAP_FOPS(ioeventfds);
DEFINE_SNAP_FOPS(devs);
#ifdef CONFIG_HAVE_KVM_IRQCHIP
DEFINE_SNAP_FOPS(irqfds);
#endif

/**
 * kvm_io_bus_debugfs_init - create the files of a VM
 * @kvm: the VM; its directory exists, and is removed with all files in it
 *
 * Context: process context, may sleep.
 */
void kvm_io_bus_debugfs_init(struct kvm *kvm)
{
	debugfs_create_file("ioeventfds", 0400, kvm->debugfs_dentry, kvm,
			    &ioeventfds_fops);
	debugfs_create_file("bus", 0400, kvm->debugfs_dentry, kvm, &devs_fops);
#ifdef CONFIG_HAVE_KVM_IRQCHIP
	debugfs_create_file("irqfds", 0400, kvm->debugfs_dentry, kvm,
			    &irqfds_fops);
#endif
}
