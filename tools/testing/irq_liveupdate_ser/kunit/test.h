/* SPDX-License-Identifier: GPL-2.0 */

/* As much of KUnit as the suite needs: a runner which prints KTAP. */

#ifndef _KUNIT_TEST_H
#define _KUNIT_TEST_H

#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KUNIT_MAX_ACTIONS	1024
#define KUNIT_PARAM_DESC_SIZE	128

#define sizeof_field(_type, _member)	sizeof(((_type *)0)->_member)

#define GFP_KERNEL		0
#define MODULE_DESCRIPTION(_text)
#define MODULE_LICENSE(_text)

struct kunit {
	void		*priv;
	const void	*param_value;
	bool		failed;
	jmp_buf		abort;
	unsigned int	nr_actions;
	struct {
		void	(*func)(void *ctx);
		void	*ctx;
	} actions[KUNIT_MAX_ACTIONS];
};

struct kunit_case {
	const char	*name;
	void		(*run_case)(struct kunit *test);
	const void	*(*generate_params)(struct kunit *test, const void *prev, char *desc);
};

struct kunit_suite {
	const char		*name;
	int			(*init)(struct kunit *test);
	struct kunit_case	*test_cases;
};

#define KUNIT_CASE(_func)		{ .name = #_func, .run_case = _func }
#define KUNIT_CASE_PARAM(_func, _gen)	{ .name = #_func, .run_case = _func, .generate_params = _gen }

#define KUNIT_ARRAY_PARAM_DESC(_name, _array, _desc)					\
	static const void *_name##_gen_params(struct kunit *test, const void *prev,	\
					      char *desc)				\
	{										\
		typeof(&(_array)[0]) next = prev ? (typeof(next))prev + 1 : (_array);	\
											\
		if (next == (_array) + ARRAY_SIZE(_array))				\
			return NULL;							\
		snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", next->_desc);		\
		return next;								\
	}

#define KUNIT_CHECK(_test, _on_failure, _ok, ...)					\
do {											\
	if (!(_ok)) {									\
		printf("# %s:%d: ", __func__, __LINE__);				\
		printf(__VA_ARGS__);							\
		printf("\n");								\
		(_test)->failed = true;							\
		_on_failure;								\
	}										\
} while (0)

#define KUNIT_ABORT(_test)	longjmp((_test)->abort, 1)

#define KUNIT_COMPARE(_test, _on_failure, _left, _op, _right, ...)			\
do {											\
	typeof(_left) __left = (_left);							\
	typeof(_right) __right = (_right);						\
											\
	KUNIT_CHECK(_test, printf("# %lld, not " #_op " %lld\n", (long long)__left,	\
				  (long long)__right); _on_failure,			\
		    __left _op __right, __VA_ARGS__);					\
} while (0)

#define KUNIT_EXPECT_EQ(_test, _left, _right) \
	KUNIT_COMPARE(_test, , _left, ==, _right, "%s", #_left)
#define KUNIT_EXPECT_GT(_test, _left, _right) \
	KUNIT_COMPARE(_test, , _left, >, _right, "%s", #_left)
#define KUNIT_EXPECT_NE_MSG(_test, _left, _right, ...) \
	KUNIT_COMPARE(_test, , _left, !=, _right, __VA_ARGS__)
#define KUNIT_EXPECT_NOT_NULL(_test, _ptr) \
	KUNIT_CHECK(_test, , (_ptr), "%s is NULL", #_ptr)
#define KUNIT_EXPECT_MEMEQ(_test, _left, _right, _size) \
	KUNIT_CHECK(_test, , !memcmp(_left, _right, _size), "%s differs", #_left)
#define KUNIT_EXPECT_STREQ(_test, _left, _right)					\
do {											\
	const char *__str = (_left);							\
											\
	KUNIT_CHECK(_test, , __str && !strcmp(__str, _right), "%s is \"%s\", not \"%s\"",\
		    #_left, __str ?: "(null)", _right);					\
} while (0)

#define KUNIT_ASSERT_EQ(_test, _left, _right) \
	KUNIT_COMPARE(_test, KUNIT_ABORT(_test), _left, ==, _right, "%s", #_left)
#define KUNIT_ASSERT_LT(_test, _left, _right) \
	KUNIT_COMPARE(_test, KUNIT_ABORT(_test), _left, <, _right, "%s", #_left)
#define KUNIT_ASSERT_GT(_test, _left, _right) \
	KUNIT_COMPARE(_test, KUNIT_ABORT(_test), _left, >, _right, "%s", #_left)
#define KUNIT_ASSERT_EQ_MSG(_test, _left, _right, ...) \
	KUNIT_COMPARE(_test, KUNIT_ABORT(_test), _left, ==, _right, __VA_ARGS__)
#define KUNIT_ASSERT_NOT_NULL(_test, _ptr) \
	KUNIT_CHECK(_test, KUNIT_ABORT(_test), (_ptr), "%s is NULL", #_ptr)

static inline int kunit_add_action_or_reset(struct kunit *test, void (*func)(void *), void *ctx)
{
	if (test->nr_actions == KUNIT_MAX_ACTIONS) {
		func(ctx);
		return -1;
	}
	test->actions[test->nr_actions].func = func;
	test->actions[test->nr_actions++].ctx = ctx;
	return 0;
}

static inline void *kunit_kzalloc(struct kunit *test, size_t size, int gfp)
{
	void *p = calloc(1, size);

	return kunit_add_action_or_reset(test, free, p) ? NULL : p;
}

static inline bool kunit_run_one(struct kunit_suite *suite, struct kunit_case *tc,
				 const void *param)
{
	static struct kunit test;

	memset(&test, 0, sizeof(test));
	test.param_value = param;

	if (!setjmp(test.abort)) {
		suite->init(&test);
		tc->run_case(&test);
	}
	while (test.nr_actions--)
		test.actions[test.nr_actions].func(test.actions[test.nr_actions].ctx);

	return !test.failed;
}

static inline bool kunit_run_params(struct kunit_suite *suite, struct kunit_case *tc)
{
	char desc[KUNIT_PARAM_DESC_SIZE];
	const void *param = NULL;
	bool passed = true;

	while ((param = tc->generate_params(NULL, param, desc))) {
		if (!kunit_run_one(suite, tc, param)) {
			printf("# %s: %s failed\n", tc->name, desc);
			passed = false;
		}
	}
	return passed;
}

static inline int kunit_run_suite(struct kunit_suite *suite)
{
	unsigned int nr = 0, failed = 0;

	printf("KTAP version 1\n# Subtest: %s\n", suite->name);
	for (struct kunit_case *tc = suite->test_cases; tc->run_case; tc++) {
		bool passed = tc->generate_params ? kunit_run_params(suite, tc) :
						    kunit_run_one(suite, tc, NULL);

		printf("%s %u %s\n", passed ? "ok" : "not ok", ++nr, tc->name);
		failed += !passed;
	}
	printf("1..%u\n", nr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define kunit_test_suite(_suite)		\
int main(void)					\
{						\
	return kunit_run_suite(&(_suite));	\
}

#endif /* _KUNIT_TEST_H */
