/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A LUO session without a file of its own, as a test needs it: the files in it are
 * unpreserved at the end of the test.
 */

#ifndef _KUNIT_LUO_SESSION_H
#define _KUNIT_LUO_SESSION_H

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/fdtable.h>
#include <linux/mutex.h>

#include "../../kernel/liveupdate/luo_internal.h"

static void forget_session(void *priv)
{
	struct luo_session *session = priv;

	guard(mutex)(&session->mutex);
	luo_file_unpreserve_files(&session->file_set);
}

static struct luo_session *new_session(struct kunit *test)
{
	struct luo_session *session = kunit_kzalloc(test, sizeof(*session), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, session);
	mutex_init(&session->mutex);
	luo_file_set_init(&session->file_set);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, forget_session, session), 0);
	return session;
}

static void preserve(struct kunit *test, struct luo_session *session, u64 token, int fd)
{
	int err;

	/* An assertion that fails leaves the mutex locked. */
	scoped_guard(mutex, &session->mutex)
		err = luo_preserve_file(&session->file_set, token, fd);
	KUNIT_ASSERT_EQ(test, err, 0);
}

static void forget_fd(void *fd)
{
	close_fd((unsigned long)fd);
}

/* Has the file descriptor closed at the end of the test. */
static void own_fd(struct kunit *test, int fd)
{
	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, forget_fd,
							(void *)(unsigned long)fd), 0);
}

#endif /* _KUNIT_LUO_SESSION_H */
