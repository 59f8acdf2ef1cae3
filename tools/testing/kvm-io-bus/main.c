// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-io-bus CHECK [ops=N] [time=SECONDS] [seed=N] [shrink=0]
 *	random programs, against the model (check "random"), with memory running
 *	out ("starve") or with readers and writers stopped in each other
 *	("interleave"), until N operations are done or time is over. The
 *	shortest program found is printed if one goes wrong.
 * kvm-io-bus regress [NAME]
 *	the named tests, or one of them
 * kvm-io-bus replay FILE...
 *	the fuzzer's inputs
 *
 * Exit status 0 if all is well.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus_and_model.h"

int regress(const char *name);

static const struct check {
	const char *name;
	bool (*run)(const struct program *p);
	unsigned int max;
} checks[] = {
	{ "random", program_run, 4096 },
	{ "starve", program_starve, 1024 },
	{ "interleave", program_interleave, 512 },
};

/* What the child tells */
static struct {
	u64 seed;
	unsigned long programs;
	unsigned long ops[OP_KINDS];
	unsigned long starved;
	unsigned long met_by_writer;
	unsigned long met_by_reader;
	bool done;
} *told;

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Whether the program goes wrong, in a process of its own */
static bool goes_wrong(const struct check *check, const struct program *p)
{
	int status;
	pid_t pid;

	pid = fork();
	SHIM_ASSERT(pid >= 0);
	if (!pid) {
		shim_quiet = true;
		/* Nothing is said, and no end is not an end either. */
		if (!freopen("/dev/null", "w", stdout) ||
		    !freopen("/dev/null", "w", stderr))
			_exit(0);
		alarm(20);
		_exit(!check->run(p));
	}
	SHIM_ASSERT(waitpid(pid, &status, 0) == pid);
	return status;
}

static void shrink(const struct check *check, struct program *p)
{
	unsigned int chunk = p->nr, at;
	double until = seconds() + 60;

	while (chunk) {
		bool removed = false;

		for (at = 0; at < p->nr && seconds() < until;) {
			unsigned int n = p->nr - at < chunk ? p->nr - at : chunk;
			struct program q = *p;

			q.op = calloc(p->nr, sizeof(*q.op));
			SHIM_ASSERT(q.op);
			memcpy(q.op, p->op, at * sizeof(*q.op));
			memcpy(q.op + at, p->op + at + n,
			       (p->nr - at - n) * sizeof(*q.op));
			q.nr = p->nr - n;
			if (q.nr && goes_wrong(check, &q)) {
				memcpy(p->op, q.op, q.nr * sizeof(*q.op));
				p->nr = q.nr;
				removed = true;
			} else {
				at += n;
			}
			free(q.op);
		}
		if (!removed || chunk > p->nr)
			chunk /= 2;
		if (chunk > p->nr)
			chunk = p->nr;
	}
}

static unsigned long total(const unsigned long *ops)
{
	unsigned long n = 0;
	int i;

	for (i = 0; i < OP_KINDS; i++)
		n += ops[i];
	return n;
}

static void tell(void)
{
	memcpy(told->ops, nr_ops, sizeof(nr_ops));
	told->starved = nr_starved;
	told->met_by_writer = nr_met_by_writer;
	told->met_by_reader = nr_met_by_reader;
}

static void run_child(const struct check *check, unsigned long ops,
		      double until, u64 seed)
{
	struct program p = {};

	while (total(nr_ops) < ops && seconds() < until) {
		u64 s;

		told->seed = seed;
		s = seed;
		program_random(&p, &s, check->max);
		if (!check->run(&p))
			_exit(1);
		seed = s;
		told->programs++;
		tell();
	}
	told->done = true;
	program_exit(&p);
	exit(0);
}

static int run_check(const struct check *check, unsigned long ops,
		     double limit, u64 seed, int shrinks)
{
	struct program p = {};
	int status, i;
	double begin;
	pid_t pid;

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	SHIM_ASSERT(told != MAP_FAILED);
	begin = seconds();
	fflush(NULL);
	pid = fork();
	SHIM_ASSERT(pid >= 0);
	if (!pid)
		run_child(check, ops, begin + limit, seed);
	SHIM_ASSERT(waitpid(pid, &status, 0) == pid);

	printf("%s: %lu operations in %lu programs, %.1f s", check->name,
	       total(told->ops), told->programs, seconds() - begin);
	if (told->starved)
		printf(", %lu allocations failed", told->starved);
	if (told->met_by_writer)
		printf(", %lu accesses within a change, %lu changes within an access",
		       told->met_by_writer, told->met_by_reader);
	printf("\n ");
	for (i = 0; i < OP_KINDS; i++)
		printf(" %s %lu", op_name[i], told->ops[i]);
	printf("\n");
	if (!status && told->done) {
		if (total(told->ops) >= ops)
			return 0;
		printf("%s: only %lu of %lu operations in time\n", check->name,
		       total(told->ops), ops);
		return 1;
	}

	if (!shrinks)
		return 1;
	seed = told->seed;
	program_random(&p, &seed, check->max);
	printf("%s: a program of %u operations goes wrong (seed=%llu); the shortest found:\n",
	       check->name, p.nr, told->seed);
	if (goes_wrong(check, &p))
		shrink(check, &p);
	else
		printf("(not when it runs alone)\n");
	fflush(NULL);
	verbose = true;
	pid = fork();
	if (!pid)
		_exit(!check->run(&p));
	waitpid(pid, &status, 0);
	printf("%s: %u operations\n", check->name, p.nr);
	program_exit(&p);
	return 1;
}

static int replay(int n, char **name)
{
	static u8 data[1 << 20];
	struct program p = {};
	int i;

	for (i = 0; i < n; i++) {
		FILE *f = fopen(name[i], "rb");
		size_t size;

		if (!f) {
			perror(name[i]);
			return 2;
		}
		size = fread(data, 1, sizeof(data), f);
		fclose(f);
		if (!program_from_bytes(&p, data, size))
			continue;
		verbose = n == 1;
		if (!program_run(&p) || !program_starve(&p) ||
		    !program_interleave(&p)) {
			printf("replay: %s goes wrong\n", name[i]);
			return 1;
		}
	}
	program_exit(&p);
	printf("replay: %d inputs\n", n);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long ops = 1000000;
	double limit = 60;
	unsigned int c;
	u64 seed = 1;
	int i, shrinks = 1;

	/* What says nothing for long is still at work */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 2 && !strcmp(argv[1], "regress"))
		return regress(argv[2]);
	if (argc >= 3 && !strcmp(argv[1], "replay"))
		return replay(argc - 2, argv + 2);
	for (i = 2; i < argc; i++) {
		if (sscanf(argv[i], "ops=%lu", &ops) != 1 &&
		    sscanf(argv[i], "time=%lf", &limit) != 1 &&
		    sscanf(argv[i], "shrink=%d", &shrinks) != 1 &&
		    sscanf(argv[i], "seed=%llu", &seed) != 1)
			argc = 0;
	}
	for (c = 0; argc >= 2 && c < sizeof(checks) / sizeof(*checks); c++) {
		if (!strcmp(argv[1], checks[c].name))
			return run_check(&checks[c], ops, limit, seed, shrinks);
	}
	fprintf(stderr, "usage: kvm-io-bus random|starve|interleave [ops=N] [time=SECONDS] [seed=N] [shrink=0]\n"
			"       kvm-io-bus regress [NAME]\n"
			"       kvm-io-bus replay FILE...\n");
	return 2;
}
