/* SPDX-License-Identifier: GPL-2.0 */

/* As much of KUnit as the suite needs. The runner is in main.c. */

#ifndef _KUNIT_TEST_H
#define _KUNIT_TEST_H

#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KUNIT_MAX_ACTIONS	1024
#define KUNIT_PARAM_DESC_SIZE	128

#define GFP_KERNEL		0
#define kunit_info(_test, _fmt, ...) \
	((void)(_test), printf("# " _fmt "\n", ##__VA_ARGS__))
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

int kunit_add_action_or_reset(struct kunit *test, void (*func)(void *), void *ctx);
void *kunit_kzalloc(struct kunit *test, size_t size, int gfp);
const void *kunit_next_param(const void *prev, const void *array, size_t size,
			     size_t elem_size, size_t desc_offset, char *desc);
__printf(5, 6)
void kunit_fail(struct kunit *test, bool fatal, const char *func, int line,
		const char *fmt, ...);

#define KUNIT_CASE(_func) \
	{ .name = #_func, .run_case = _func }
#define KUNIT_CASE_SLOW(_func)	KUNIT_CASE(_func)
#define KUNIT_CASE_PARAM(_func, _gen) \
	{ .name = #_func, .run_case = _func, .generate_params = _gen }

#define KUNIT_ARRAY_PARAM_DESC(_name, _array, _desc)				\
	static const void *_name##_gen_params(struct kunit *test,		\
					      const void *prev, char *desc)	\
	{									\
		return kunit_next_param(prev, _array, sizeof(_array),		\
					sizeof((_array)[0]),			\
					offsetof(typeof((_array)[0]), _desc),	\
					desc);					\
	}

#define KUNIT_CHECK(_test, _fatal, _ok, ...)					\
do {										\
	if (!(_ok))								\
		kunit_fail(_test, _fatal, __func__, __LINE__, __VA_ARGS__);	\
} while (0)

static inline bool kunit_streq(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

#define KUNIT_EXPECT_EQ(_test, _left, _right) \
	KUNIT_CHECK(_test, false, (_left) == (_right), #_left " == " #_right)
#define KUNIT_EXPECT_GT(_test, _left, _right) \
	KUNIT_CHECK(_test, false, (_left) > (_right), #_left " > " #_right)
#define KUNIT_EXPECT_EQ_MSG(_test, _left, _right, ...) \
	KUNIT_CHECK(_test, false, (_left) == (_right), __VA_ARGS__)
#define KUNIT_EXPECT_NULL(_test, _ptr) \
	KUNIT_CHECK(_test, false, !(_ptr), #_ptr " == NULL")
#define KUNIT_EXPECT_NOT_NULL_MSG(_test, _ptr, ...) \
	KUNIT_CHECK(_test, false, _ptr, __VA_ARGS__)
#define KUNIT_EXPECT_NULL_MSG(_test, _ptr, ...) \
	KUNIT_CHECK(_test, false, !(_ptr), __VA_ARGS__)
#define KUNIT_EXPECT_MEMEQ(_test, _left, _right, _size) \
	KUNIT_CHECK(_test, false, !memcmp(_left, _right, _size), #_left " == " #_right)
#define KUNIT_EXPECT_STREQ(_test, _left, _right) \
	KUNIT_CHECK(_test, false, kunit_streq(_left, _right), #_left " == " #_right)

#define KUNIT_ASSERT_EQ(_test, _left, _right) \
	KUNIT_CHECK(_test, true, (_left) == (_right), #_left " == " #_right)
#define KUNIT_ASSERT_LT(_test, _left, _right) \
	KUNIT_CHECK(_test, true, (_left) < (_right), #_left " < " #_right)
#define KUNIT_ASSERT_GT(_test, _left, _right) \
	KUNIT_CHECK(_test, true, (_left) > (_right), #_left " > " #_right)
#define KUNIT_ASSERT_EQ_MSG(_test, _left, _right, ...) \
	KUNIT_CHECK(_test, true, (_left) == (_right), __VA_ARGS__)
#define KUNIT_ASSERT_NULL(_test, _ptr) \
	KUNIT_CHECK(_test, true, !(_ptr), #_ptr " == NULL")
#define KUNIT_ASSERT_NOT_NULL(_test, _ptr) \
	KUNIT_CHECK(_test, true, _ptr, #_ptr)

extern struct kunit_suite *const kunit_the_suite;

#define kunit_test_suite(_suite) \
	struct kunit_suite *const kunit_the_suite = &(_suite)

#endif /* _KUNIT_TEST_H */
