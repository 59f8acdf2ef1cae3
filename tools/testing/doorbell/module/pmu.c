// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PMU for a processor that has none, such as QEMU's software CPU, so that KVM
 * gives its guests a virtual one. To be loaded before KVM's vendor module, which
 * asks once what there is.
 *
 * The counters behind it stand still: a guest's counter has what KVM adds to it,
 * for the instructions that KVM itself executes or steps over, and no more.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <asm/perf_event.h>

/* AMD's, in PMCx0C0, PMCx0C2 and PMCx076 */
#define RETIRED_INSTRUCTIONS	0xc0
#define RETIRED_BRANCHES	0xc2
#define CYCLES			0x76

static int remember_argument(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	*(unsigned long *)ri->data = regs->di;
	return 0;
}

static int capability(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct x86_pmu_capability *cap = *(void **)ri->data;

	*cap = (struct x86_pmu_capability) {
		.version = 2,
		.num_counters_gp = 6,
		.bit_width_gp = 48,
	};
	return 0;
}

static int event_config(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	switch (*(unsigned int *)ri->data) {
	case PERF_COUNT_HW_CPU_CYCLES:
		regs->ax = CYCLES;
		break;
	case PERF_COUNT_HW_INSTRUCTIONS:
		regs->ax = RETIRED_INSTRUCTIONS;
		break;
	case PERF_COUNT_HW_BRANCH_INSTRUCTIONS:
		regs->ax = RETIRED_BRANCHES;
		break;
	}
	return 0;
}

static struct kretprobe probes[] = {
	{
		.kp.symbol_name = "perf_get_x86_pmu_capability",
		.entry_handler = remember_argument,
		.handler = capability,
		.data_size = sizeof(unsigned long),
	},
	{
		.kp.symbol_name = "perf_get_hw_event_config",
		.entry_handler = remember_argument,
		.handler = event_config,
		.data_size = sizeof(unsigned long),
	},
};

static int event_init(struct perf_event *event)
{
	return event->attr.type == PERF_TYPE_RAW ? 0 : -ENOENT;
}

static int event_add(struct perf_event *event, int flags)
{
	return 0;
}

static void event_nothing(struct perf_event *event, int flags)
{
}

static void event_read(struct perf_event *event)
{
}

static struct pmu still = {
	.module = THIS_MODULE,
	.event_init = event_init,
	.add = event_add,
	.del = event_nothing,
	.start = event_nothing,
	.stop = event_nothing,
	.read = event_read,
};

static struct kretprobe *list[] = { &probes[0], &probes[1] };

/* It stays: KVM does not ask again. */
static int __init pmu_init(void)
{
	int ret;

	ret = register_kretprobes(list, ARRAY_SIZE(list));
	if (ret)
		return ret;
	ret = perf_pmu_register(&still, "still", PERF_TYPE_RAW);
	if (ret)
		unregister_kretprobes(list, ARRAY_SIZE(list));
	return ret;
}

module_init(pmu_init);
MODULE_DESCRIPTION("A PMU whose counters stand still");
MODULE_LICENSE("GPL");
