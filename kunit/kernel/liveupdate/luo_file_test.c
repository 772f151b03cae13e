// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of what a LUO file handler can learn about the session of its file: the
 * real code of luo_file.c, with a handler of files that have an id and no state.
 */

#include <kunit/luo_session.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>

#include "luo_internal.h"

/* What the handler was called with, and what it then found. */
static struct luo_session *seen_session;
static struct address_space *wanted;
static bool found;

static struct address_space fake_mappings[2];

static const struct file_operations fake_fops;

static bool fake_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	return file->f_op == &fake_fops;
}

static unsigned long fake_get_id(struct file *file)
{
	return (unsigned long)file->private_data;
}

static int fake_preserve(struct liveupdate_file_op_args *args)
{
	seen_session = args->session;
	found = wanted && liveupdate_session_has_mapping(args->session, wanted);
	return 0;
}

static void fake_unpreserve(struct liveupdate_file_op_args *args)
{
	seen_session = args->session;
}

static int fake_retrieve(struct liveupdate_file_op_args *args)
{
	return -EOPNOTSUPP;
}

static void fake_finish(struct liveupdate_file_op_args *args)
{
}

static const struct liveupdate_file_ops fake_ops = {
	.can_preserve	= fake_can_preserve,
	.get_id		= fake_get_id,
	.preserve	= fake_preserve,
	.unpreserve	= fake_unpreserve,
	.retrieve	= fake_retrieve,
	.finish		= fake_finish,
	.owner		= THIS_MODULE,
};

static struct liveupdate_file_handler fake_handler = {
	.ops		= &fake_ops,
	.compatible	= "luo-file-test",
};

/* A file of the object @id, with a page cache of its own. */
static int new_fd(struct kunit *test, unsigned long id, struct address_space *mapping)
{
	int fd = anon_inode_getfd("[fake]", &fake_fops, (void *)id, O_RDWR);
	struct file *file;

	own_fd(test, fd);
	file = fget(fd);
	KUNIT_ASSERT_NOT_NULL(test, file);
	file->f_mapping = mapping;
	fput(file);
	return fd;
}

/* Does the handler of a further file of the session find this page cache? */
static bool finds(struct kunit *test, struct luo_session *session, struct address_space *mapping)
{
	static unsigned long id = 1000;

	wanted = mapping;
	preserve(test, session, id, new_fd(test, id, NULL));
	wanted = NULL;
	id++;
	return found;
}

static void handler_knows_session(struct kunit *test)
{
	struct luo_session *session = new_session(test);

	seen_session = NULL;
	preserve(test, session, 1, new_fd(test, 1, &fake_mappings[0]));
	KUNIT_EXPECT_PTR_EQ(test, seen_session, session);
	seen_session = NULL;
	kunit_release_action(test, forget_session, session);
	KUNIT_EXPECT_PTR_EQ(test, seen_session, session);
}

static void mapping_preserved_before_is_found(struct kunit *test)
{
	struct luo_session *session = new_session(test);
	int fd = new_fd(test, 1, &fake_mappings[0]);

	KUNIT_EXPECT_FALSE(test, finds(test, session, &fake_mappings[0]));
	preserve(test, session, 1, fd);
	KUNIT_EXPECT_TRUE(test, finds(test, session, &fake_mappings[0]));
	KUNIT_EXPECT_FALSE(test, finds(test, session, &fake_mappings[1]));
}

static void mapping_of_other_session_is_not_found(struct kunit *test)
{
	struct luo_session *session = new_session(test), *other = new_session(test);

	preserve(test, other, 1, new_fd(test, 1, &fake_mappings[0]));
	KUNIT_EXPECT_FALSE(test, finds(test, session, &fake_mappings[0]));
}

/* A file that is being preserved cannot be found yet. */
static void file_does_not_find_itself(struct kunit *test)
{
	struct luo_session *session = new_session(test);
	int fd = new_fd(test, 1, &fake_mappings[0]);

	wanted = &fake_mappings[0];
	preserve(test, session, 1, fd);
	wanted = NULL;
	KUNIT_EXPECT_FALSE(test, found);
}

static void mapping_of_cancelled_file_is_not_found(struct kunit *test)
{
	struct luo_session *session = new_session(test);

	preserve(test, session, 1, new_fd(test, 1, &fake_mappings[0]));
	kunit_release_action(test, forget_session, session);
	scoped_guard(mutex, &session->mutex)
		KUNIT_EXPECT_FALSE(test, liveupdate_session_has_mapping(session,
									&fake_mappings[0]));
}

static int luo_test_suite_init(struct kunit_suite *suite)
{
	return liveupdate_enabled() ? liveupdate_register_file_handler(&fake_handler) : 0;
}

static void luo_test_suite_exit(struct kunit_suite *suite)
{
	liveupdate_unregister_file_handler(&fake_handler);
}

static int luo_test_init(struct kunit *test)
{
	if (!liveupdate_enabled())
		kunit_skip(test, "needs liveupdate=on");
	return 0;
}

static struct kunit_case luo_test_cases[] = {
	KUNIT_CASE(handler_knows_session),
	KUNIT_CASE(mapping_preserved_before_is_found),
	KUNIT_CASE(mapping_of_other_session_is_not_found),
	KUNIT_CASE(mapping_of_cancelled_file_is_not_found),
	KUNIT_CASE(file_does_not_find_itself),
	{}
};

static struct kunit_suite luo_test_suite = {
	.name		= "luo_file",
	.suite_init	= luo_test_suite_init,
	.suite_exit	= luo_test_suite_exit,
	.init		= luo_test_init,
	.test_cases	= luo_test_cases,
};

kunit_test_suite(luo_test_suite);

MODULE_DESCRIPTION("KUnit tests of what a LUO file handler knows about its session");
MODULE_LICENSE("GPL");
