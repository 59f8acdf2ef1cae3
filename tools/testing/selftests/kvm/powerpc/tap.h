/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP for the tests of TCE tables. A test is a function. A failed CHECK() marks
 * the test as failed, and the test goes on. The first failures are printed.
 */

#ifndef TAP_H
#define TAP_H

#include <stdio.h>
#include <string.h>

static int tap_number, tap_failed_tests, tap_failures;
static const char *tap_skipped;

#define CHECK(condition, ...) ({					\
	int __ok = !!(condition);					\
	if (!__ok && tap_failures++ < 5) {				\
		printf("# %s:%d: ", __FILE__, __LINE__);		\
		printf(__VA_ARGS__);					\
		printf("\n");						\
	}								\
	__ok;								\
})

#define CHECK_EQ(got, want) ({						\
	long __got = (long)(got), __want = (long)(want);		\
	CHECK(__got == __want, "%s is %ld (%#lx), should be %ld (%#lx)",	\
	      #got, __got, __got, __want, __want);			\
})

static inline void tap_begin(void)
{
	tap_failures = 0;
	tap_skipped = NULL;
}

static inline void tap_end(const char *name, const char *where)
{
	printf("%sok %d %s%s%s%s%s%s\n", tap_failures ? "not " : "",
	       ++tap_number, name, *where ? " (" : "", where,
	       *where ? ")" : "", tap_skipped ? " # SKIP " : "",
	       tap_skipped ? tap_skipped : "");
	fflush(stdout);
	if (tap_failures)
		tap_failed_tests++;
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_number);
	printf("# %d of %d failed\n", tap_failed_tests, tap_number);
	fflush(stdout);
	return !!tap_failed_tests;
}

#endif /* TAP_H */
