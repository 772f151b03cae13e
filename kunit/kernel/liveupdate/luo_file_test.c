// SPDX-License-Identifier: GPL-2.0

/*
 * Tests of what a LUO file handler can learn about the session of its file, and of
 * the ioctls of a session: the real code of luo_file.c and luo_session.c, with a
 * handler of files that have an id and no state.
 */

#include <kunit/luo_session.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/rwsem.h>
#include <uapi/linux/liveupdate.h>

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

/* Memory of the user of a session, and what the kernel holds when it first writes there */
static u8 user_page[PAGE_SIZE] __aligned(PAGE_SIZE);
static struct luo_session *user_session;
static bool written, written_with_lock;

static vm_fault_t user_page_fault(struct vm_fault *vmf)
{
	return vmf_insert_pfn(vmf->vma, vmf->address, PHYS_PFN(__pa_symbol(user_page)));
}

static vm_fault_t user_page_mkwrite(struct vm_fault *vmf)
{
	written = true;
	written_with_lock = rwsem_is_locked(&luo_session_serialize_rwsem) ||
			    mutex_is_locked(&user_session->mutex);
	return 0;
}

static const struct vm_operations_struct user_page_vm_ops = {
	.fault		= user_page_fault,
	.pfn_mkwrite	= user_page_mkwrite,
};

static int user_page_mmap(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_PFNMAP);
	vma->vm_ops = &user_page_vm_ops;
	return 0;
}

static const struct file_operations user_page_fops = {
	.mmap	= user_page_mmap,
};

static unsigned long map_user_page(struct kunit *test)
{
	struct file *file = anon_inode_getfile("[fake]", &user_page_fops, NULL, O_RDWR);
	unsigned long address;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	address = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	fput(file);
	KUNIT_ASSERT_NE(test, address, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(address));
	return address;
}

static void put_session(void *file)
{
	fput(file);
	flush_delayed_fput();
}

static struct file *create_session(struct kunit *test)
{
	struct file *file;

	KUNIT_ASSERT_EQ(test, luo_session_create("luo-file-test", &file), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_session, file), 0);
	user_session = file->private_data;
	return file;
}

static void set_outgoing(void *priv)
{
	struct luo_session *session = priv;

	session->retrieved = false;
}

/* As if the session was handed over, until it is released. */
static void set_incoming(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, set_outgoing, user_session), 0);
	user_session->retrieved = true;
}

/* User space decides how long the write takes. */
static void expect_no_lock(struct kunit *test, struct file *session, unsigned int cmd)
{
	unsigned long address = map_user_page(test);

	written = false;
	KUNIT_EXPECT_EQ(test, session->f_op->unlocked_ioctl(session, cmd, address), 0);
	KUNIT_EXPECT_TRUE(test, written);
	KUNIT_EXPECT_FALSE(test, written_with_lock);
}

static void file_is_preserved_before_the_user_is_told(struct kunit *test)
{
	struct liveupdate_session_preserve_fd *arg = (void *)user_page;
	struct file *session = create_session(test);

	*arg = (struct liveupdate_session_preserve_fd) {
		.size	= sizeof(*arg),
		.fd	= new_fd(test, 1, NULL),
		.token	= 1,
	};
	expect_no_lock(test, session, LIVEUPDATE_SESSION_PRESERVE_FD);
}

static void file_is_retrieved_before_the_user_is_told(struct kunit *test)
{
	struct liveupdate_session_retrieve_fd *arg = (void *)user_page;
	struct file *session = create_session(test);

	preserve(test, user_session, 1, new_fd(test, 1, NULL));
	luo_file_set_retrieved(&user_session->file_set);
	set_incoming(test);

	*arg = (struct liveupdate_session_retrieve_fd) {
		.size	= sizeof(*arg),
		.fd	= -1,
		.token	= 1,
	};
	expect_no_lock(test, session, LIVEUPDATE_SESSION_RETRIEVE_FD);
	own_fd(test, arg->fd);
}

static void session_is_finished_before_the_user_is_told(struct kunit *test)
{
	struct liveupdate_session_finish *arg = (void *)user_page;
	struct file *session = create_session(test);

	set_incoming(test);
	*arg = (struct liveupdate_session_finish) { .size = sizeof(*arg) };
	expect_no_lock(test, session, LIVEUPDATE_SESSION_FINISH);
}

static void name_of_session_is_told_without_a_lock(struct kunit *test)
{
	struct liveupdate_session_get_name *arg = (void *)user_page;
	struct file *session = create_session(test);

	*arg = (struct liveupdate_session_get_name) { .size = sizeof(*arg) };
	expect_no_lock(test, session, LIVEUPDATE_SESSION_GET_NAME);
	KUNIT_EXPECT_STREQ(test, (const char *)arg->name, "luo-file-test");
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
	KUNIT_CASE(file_is_preserved_before_the_user_is_told),
	KUNIT_CASE(file_is_retrieved_before_the_user_is_told),
	KUNIT_CASE(session_is_finished_before_the_user_is_told),
	KUNIT_CASE(name_of_session_is_told_without_a_lock),
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
