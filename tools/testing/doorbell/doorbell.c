// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest's doorbell costs: options, the run over all operations, and
 * the results as text and as JSON.  The operations themselves are in cases.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "doorbell_ioctl.h"

#define DEFAULT_REPEAT	7
#define DEFAULT_KICKS	500
#define MAX_PATTERNS	32

#define SETTLE_MS	500
#define SETTLE_TRIES	240

struct options options = {
	.repeat = DEFAULT_REPEAT,
	.kicks = DEFAULT_KICKS,
	.device = -1,
};

struct spread {
	double min, median, max;
};

u64 now(void)
{
	struct timespec ts;

	if (options.ticks)
		return __builtin_ia32_rdtsc();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void op_sample(struct op *op, int round, u64 ns, unsigned int count)
{
	if (round >= 0 && op->samples < MAX_REPEAT)
		op->sample[op->samples++] = (double)ns / count;
}

void op_fail(struct op *op, const char *format, ...)
{
	va_list args;

	/* The first failure says most. */
	if (op->failure[0])
		return;
	va_start(args, format);
	vsnprintf(op->failure, sizeof(op->failure), format, args);
	va_end(args);
}

void op_skip(struct op *op, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(op->skipped, sizeof(op->skipped), format, args);
	va_end(args);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct spread op_spread(struct op *op)
{
	int n = op->samples;

	qsort(op->sample, n, sizeof(op->sample[0]), compare);
	return (struct spread) {
		.min = op->sample[0],
		.median = (op->sample[(n - 1) / 2] + op->sample[n / 2]) / 2,
		.max = op->sample[n - 1],
	};
}

static void print_op(FILE *out, struct op *op)
{
	struct spread spread;

	if (op->failure[0]) {
		fprintf(out, "%-30s FAILED: %s\n", op->name, op->failure);
	} else if (op->skipped[0]) {
		fprintf(out, "%-30s skipped: %s\n", op->name, op->skipped);
	} else {
		spread = op_spread(op);
		fprintf(out, "%-30s %12.0f %12.1f %12.1f %12.1f %4d\n",
			op->name, 1e9 / spread.median, spread.median,
			spread.min, spread.max, op->samples);
	}
	fflush(out);
}

/* Nothing in a name or a message of ours needs more than this. */
static void json_string(FILE *out, const char *string)
{
	fputc('"', out);
	for (; *string; string++) {
		if (*string == '"' || *string == '\\')
			fputc('\\', out);
		if ((unsigned char)*string >= ' ')
			fputc(*string, out);
	}
	fputc('"', out);
}

static void json_member(FILE *out, const char *name, const char *string)
{
	fprintf(out, ", \"%s\": ", name);
	json_string(out, string);
}

static void json_op(FILE *out, struct op *op)
{
	struct spread spread;
	int i;

	fputs("    {\"name\": ", out);
	json_string(out, op->name);
	json_member(out, "text", op->text);
	if (op->failure[0]) {
		json_member(out, "failure", op->failure);
	} else if (op->skipped[0]) {
		json_member(out, "skipped", op->skipped);
	} else {
		spread = op_spread(op);
		fprintf(out,
			", \"per_second\": %.0f, \"min\": %.1f, \"median\": %.1f, \"max\": %.1f, \"samples\": [",
			1e9 / spread.median, spread.min, spread.median,
			spread.max);
		for (i = 0; i < op->samples; i++)
			fprintf(out, "%s%.1f", i ? ", " : "", op->sample[i]);
		fputc(']', out);
	}
	fputc('}', out);
}

static void write_json(const char *path, struct group *groups)
{
	FILE *out = strcmp(path, "-") ? fopen(path, "w") : stdout;
	const char *comma = "";
	struct group *group;
	struct utsname uts;
	int i;

	if (!out)
		die_errno("cannot write %s", path);

	uname(&uts);
	fprintf(out, "{\n  \"version\": 1");
	json_member(out, "unit", options.ticks ? "ticks" : "ns");
	json_member(out, "kernel", uts.release);
	json_member(out, "machine", uts.machine);
	fprintf(out, ",\n  \"repeat\": %d, \"kicks\": %u, \"module\": %s,\n",
		options.repeat, options.kicks,
		options.device < 0 ? "false" : "true");
	fprintf(out, "  \"operations\": [");
	for (group = groups; group; group = group->next) {
		for (i = 0; i < group->ops; i++) {
			if (!group->op[i].wanted)
				continue;
			fprintf(out, "%s\n", comma);
			json_op(out, &group->op[i]);
			comma = ",";
		}
	}
	fprintf(out, "\n  ]\n}\n");
	if (fflush(out) || ferror(out))
		die_errno("cannot write %s", path);
	if (out != stdout)
		fclose(out);
}

static void list(struct group *groups)
{
	int i;

	for (; groups; groups = groups->next)
		for (i = 0; i < groups->ops; i++)
			if (groups->op[i].wanted)
				printf("%-30s %s\n", groups->op[i].name,
				       groups->op[i].text);
}

static void print_help(void)
{
	printf("Usage: doorbell [OPTION]...\n"
	       "Measure what doorbells (ioeventfds) and irqfds cost on this machine's KVM.\n\n"
	       "  -j, --json FILE     write the results to FILE as JSON; with - to standard\n"
	       "                      output, and the text to standard error\n"
	       "  -l, --list          list the operations, and measure none\n"
	       "  -o, --only PATTERN  only the operations that match the shell pattern, such as\n"
	       "                      'kick/*'; give it more than once for more of them\n"
	       "  -n, --not PATTERN   not those; given once\n"
	       "  -r, --repeat N      take N samples of each operation (1 to %d; %d)\n"
	       "  -k, --kicks N       ring N times for each sample (1 to %d; %d)\n"
	       "  -m, --module FILE   load the doorbell module from this file first\n"
	       "  -s, --settle        wait until the machine is idle first\n"
	       "  -t, --ticks         count ticks of the TSC instead of nanoseconds\n"
	       "  -h, --help          show this\n\n"
	       "A line is: operation, operations per second, median, minimum and maximum of\n"
	       "the nanoseconds per operation, number of samples.  The exit status is 1 if a\n"
	       "ring was lost or counted twice, and 2 for bad usage.\n",
	       MAX_REPEAT, DEFAULT_REPEAT, MAX_KICKS, DEFAULT_KICKS);
}

static __noreturn __printf(1, 2) void bad_usage(const char *format, ...)
{
	va_list args;

	fputs("doorbell: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs(" (doorbell --help tells more)\n", stderr);
	exit(2);
}

static unsigned int parse_number(const char *option, const char *text,
				 unsigned int max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || !value ||
	    value > max)
		bad_usage("%s takes a number from 1 to %u, not '%s'", option,
			  max, text);
	return value;
}

/* Want what a pattern matches, or everything without patterns; less @not. */
static void select_ops(struct group *groups, char **patterns, int count,
		       const char *not)
{
	struct group *group;
	bool matched;
	int i, p;

	for (p = 0; p < count || p == 0; p++) {
		matched = false;
		for (group = groups; group; group = group->next) {
			for (i = 0; i < group->ops; i++) {
				const char *name = group->op[i].name;

				if (!name[0] || !fnmatch(not, name, 0) ||
				    (count && fnmatch(patterns[p], name, 0)))
					continue;
				group->op[i].wanted = true;
				matched = true;
			}
		}
		if (!matched)
			bad_usage("no operation matches '%s'", patterns[p]);
	}
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die_errno("cannot open %s", path);
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		die_errno("cannot load %s", path);
	close(fd);
}

/* All processor time since boot, and the idle part of it, in ticks. */
static bool read_ticks(unsigned long long *all, unsigned long long *idle)
{
	unsigned long long tick[8];
	FILE *stat = fopen("/proc/stat", "re");
	int found, i;

	if (!stat)
		return false;
	found = fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu",
		       &tick[0], &tick[1], &tick[2], &tick[3], &tick[4],
		       &tick[5], &tick[6], &tick[7]);
	fclose(stat);
	for (*all = 0, i = 0; i < found; i++)
		*all += tick[i];
	*idle = tick[3];
	return found == 8;
}

/* A kernel that has just booted may still be busy with itself: wait it out. */
static void settle(void)
{
	unsigned long long all[2], idle[2];
	int quiet = 0, tries;

	for (tries = 0; quiet < 3; tries++) {
		if (tries == SETTLE_TRIES)
			die("the machine is never idle");
		if (!read_ticks(&all[0], &idle[0]))
			die("cannot tell from /proc/stat what is idle");
		usleep(SETTLE_MS * 1000);
		if (!read_ticks(&all[1], &idle[1]))
			die("cannot tell from /proc/stat what is idle");
		/* A tick or two are what the look itself may take. */
		if (idle[1] - idle[0] + 2 >= all[1] - all[0])
			quiet++;
		else
			quiet = 0;
	}
}

/* Thousands of irqfds need as many eventfds; groups see how far it goes. */
static void raise_limits(void)
{
	struct rlimit limit = { 16384, 16384 };

	if (setrlimit(RLIMIT_NOFILE, &limit) &&
	    !getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* A page fault in a timed stretch would only be noise. */
	mlockall(MCL_CURRENT);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "json", required_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "only", required_argument, NULL, 'o' },
		{ "not", required_argument, NULL, 'n' },
		{ "repeat", required_argument, NULL, 'r' },
		{ "kicks", required_argument, NULL, 'k' },
		{ "module", required_argument, NULL, 'm' },
		{ "settle", no_argument, NULL, 's' },
		{ "ticks", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL }
	};
	struct group *groups = all_groups(), *group;
	char *patterns[MAX_PATTERNS];
	const char *json = NULL, *module = NULL, *not = "";
	bool only_list = false, wait = false;
	int failed = 0, count = 0, opt, i;
	FILE *out = stdout;

	while ((opt = getopt_long(argc, argv, ":j:ln:o:r:k:m:sth", longopts,
				  NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = optarg;
			break;
		case 'l':
			only_list = true;
			break;
		case 'n':
			not = optarg;
			break;
		case 'o':
			if (count == MAX_PATTERNS)
				bad_usage("more than %d patterns",
					  MAX_PATTERNS);
			patterns[count++] = optarg;
			break;
		case 'r':
			options.repeat = parse_number("--repeat", optarg, MAX_REPEAT);
			break;
		case 'k':
			options.kicks = parse_number("--kicks", optarg, MAX_KICKS);
			break;
		case 'm':
			module = optarg;
			break;
		case 's':
			wait = true;
			break;
		case 't':
			options.ticks = true;
			break;
		case 'h':
			print_help();
			return 0;
		case ':':
			bad_usage("%s needs an argument", argv[optind - 1]);
		default:
			bad_usage("no such option: %s", argv[optind - 1]);
		}
	}
	if (optind < argc)
		bad_usage("no such argument: %s", argv[optind]);
	select_ops(groups, patterns, count, not);

	if (only_list) {
		list(groups);
		return 0;
	}

	kvm_open();
	if (!kvm_capability(KVM_CAP_IOEVENTFD))
		die("this KVM has no ioeventfd");
	if (module)
		load_module(module);
	options.device = open("/dev/" DOORBELL_DEVICE, O_RDWR | O_CLOEXEC);
	raise_limits();
	if (wait)
		settle();

	if (json && !strcmp(json, "-"))
		out = stderr;
	fprintf(out, "%-30s %12s %12s %12s %12s %4s\n", "operation",
		"per second", "median ns", "min", "max", "n");
	fflush(out);
	for (group = groups; group; group = group->next) {
		bool wanted = false;

		for (i = 0; i < group->ops; i++)
			wanted |= group->op[i].wanted;
		if (!wanted)
			continue;

		group->run(group);
		for (i = 0; i < group->ops; i++) {
			struct op *op = &group->op[i];

			if (!op->wanted)
				continue;
			if (!op->samples && !op->skipped[0])
				op_fail(op, "gave no sample");
			print_op(out, op);
			failed += !!op->failure[0];
		}
	}

	if (json)
		write_json(json, groups);
	if (failed)
		fprintf(stderr, "doorbell: %d operation%s failed\n", failed,
			failed == 1 ? "" : "s");
	return failed ? 1 : 0;
}
