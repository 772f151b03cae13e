// SPDX-License-Identifier: GPL-2.0

/* Runs a KUnit suite in user space and prints KTAP. */

#include <kunit/test.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int kunit_add_action_or_reset(struct kunit *test, void (*func)(void *), void *ctx)
{
	if (test->nr_actions == KUNIT_MAX_ACTIONS) {
		func(ctx);
		return -1;
	}
	test->actions[test->nr_actions].func = func;
	test->actions[test->nr_actions].ctx = ctx;
	test->nr_actions++;
	return 0;
}

static void run_actions(struct kunit *test)
{
	while (test->nr_actions) {
		test->nr_actions--;
		test->actions[test->nr_actions].func(test->actions[test->nr_actions].ctx);
	}
}

void *kunit_kzalloc(struct kunit *test, size_t size, int gfp)
{
	void *p = calloc(1, size);

	return kunit_add_action_or_reset(test, free, p) ? NULL : p;
}

const void *kunit_next_param(const void *prev, const void *array, size_t size,
			     size_t elem_size, size_t desc_offset, char *desc)
{
	const void *next = prev ? prev + elem_size : array;

	if (next == array + size)
		return NULL;

	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", *(const char **)(next + desc_offset));
	return next;
}

void kunit_fail(struct kunit *test, bool fatal, const char *func, int line,
		const char *fmt, ...)
{
	va_list args;

	printf("# %s:%d: expectation failed: ", func, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");

	test->failed = true;
	if (fatal)
		longjmp(test->abort, 1);
}

static bool run_once(struct kunit_suite *suite, struct kunit_case *tc, const void *param)
{
	static struct kunit test;

	memset(&test, 0, sizeof(test));
	test.param_value = param;

	if (!setjmp(test.abort)) {
		suite->init(&test);
		tc->run_case(&test);
	}
	run_actions(&test);

	return !test.failed;
}

static bool run_case(struct kunit_suite *suite, struct kunit_case *tc)
{
	char desc[KUNIT_PARAM_DESC_SIZE];
	const void *param = NULL;
	bool passed = true;

	if (!tc->generate_params)
		return run_once(suite, tc, NULL);

	while ((param = tc->generate_params(NULL, param, desc))) {
		if (!run_once(suite, tc, param)) {
			printf("# %s: %s\n", tc->name, desc);
			passed = false;
		}
	}
	return passed;
}

static unsigned int nr_cases(struct kunit_suite *suite)
{
	unsigned int nr = 0;

	while (suite->test_cases[nr].run_case)
		nr++;
	return nr;
}

int main(void)
{
	struct kunit_suite *suite = kunit_the_suite;
	unsigned int nr = nr_cases(suite), nr_failed = 0;

	printf("KTAP version 1\n1..1\n");
	printf("    KTAP version 1\n    # Subtest: %s\n    1..%u\n", suite->name, nr);
	for (unsigned int i = 0; i < nr; i++) {
		struct kunit_case *tc = &suite->test_cases[i];
		bool passed = run_case(suite, tc);

		printf("    %s %u %s\n", passed ? "ok" : "not ok", i + 1, tc->name);
		nr_failed += !passed;
	}
	printf("%s 1 %s\n", nr_failed ? "not ok" : "ok", suite->name);

	return nr_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
