// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PMU for a processor that has none, such as QEMU's software CPU, so that KVM
 * gives its guests a virtual one. To be loaded before KVM's vendor module, which
 * asks once what there is.
 *
 * The counters behind it stand still: a guest's counter has what KVM adds to it,
 * for the instructions that KVM itself executes or steps over, and no more.
 *
 * Newer kernels can give a guest the counters themselves (kvm_amd.enable_mediated_pmu).
 * The software CPU ignores writes of their MSRs, and to it RDPMC is no instruction. So
 * this keeps what is written to them, and executes RDPMC.
 */
#include <linux/kdebug.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/uaccess.h>
#include <asm/msr-trace.h>
#include <asm/perf_event.h>
#include <asm/trapnr.h>

#define COUNTERS		6

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
		.num_counters_gp = COUNTERS,
		.bit_width_gp = 48,
#ifdef PERF_PMU_CAP_MEDIATED_VPMU
		.mediated = true,
#endif
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

#ifdef PERF_PMU_CAP_MEDIATED_VPMU
static DEFINE_PER_CPU(u64 [COUNTERS], counters);

static void msr_written(void *unused, unsigned int msr, u64 val, int failed)
{
	unsigned int n = (msr - MSR_F15H_PERF_CTR) / 2;

	if (msr == MSR_F15H_PERF_CTR + 2 * n && n < COUNTERS)
		this_cpu_write(counters[n], val);
}

static int rdpmc_is_undefined(struct notifier_block *nb, unsigned long event, void *data)
{
	static const u8 rdpmc_insn[] = { 0x0f, 0x33 };
	struct die_args *args = data;
	struct pt_regs *regs = args->regs;
	u8 insn[sizeof(rdpmc_insn)];
	u64 val;

	if (event != DIE_TRAP || args->trapnr != X86_TRAP_UD || user_mode(regs) ||
	    copy_from_kernel_nofault(insn, (void *)regs->ip, sizeof(insn)) ||
	    memcmp(insn, rdpmc_insn, sizeof(insn)) || regs->cx >= COUNTERS)
		return NOTIFY_DONE;
	val = this_cpu_read(counters[regs->cx]);
	regs->ax = (u32)val;
	regs->dx = val >> 32;
	regs->ip += sizeof(insn);
	return NOTIFY_STOP;
}

static struct notifier_block rdpmc_notifier = { .notifier_call = rdpmc_is_undefined };

static int make_counters(void)
{
	int ret = register_trace_write_msr(msr_written, NULL);

	if (ret)
		return ret;
	ret = register_die_notifier(&rdpmc_notifier);
	if (ret) {
		unregister_trace_write_msr(msr_written, NULL);
		tracepoint_synchronize_unregister();
	}
	return ret;
}
#else
static int make_counters(void)
{
	return 0;
}
#endif

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
		goto probes;
	ret = make_counters();
	if (!ret)
		return 0;

	perf_pmu_unregister(&still);
probes:
	unregister_kretprobes(list, ARRAY_SIZE(list));
	return ret;
}

module_init(pmu_init);
MODULE_DESCRIPTION("A PMU whose counters stand still");
MODULE_LICENSE("GPL");
