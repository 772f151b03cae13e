/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A call that has to wait for the test, in a task of its own.
 */

#ifndef _KUNIT_WAITING_TASK_H
#define _KUNIT_WAITING_TASK_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

/* A debug kernel in an emulated machine may need seconds. */
#define WAITING_TASK_MS		10000

/**
 * struct waiting_task - A call and its task
 * @call:	The call
 * @arg:	Its argument
 * @task:	The task that makes it
 * @begun:	The task is about to make it
 * @done:	It has returned
 */
struct waiting_task {
	void			(*call)(void *arg);
	void			*arg;
	struct task_struct	*task;
	struct completion	begun;
	bool			done;
};

static inline int run_waiting_task(void *data)
{
	struct waiting_task *waiting = data;

	complete(&waiting->begun);
	waiting->call(waiting->arg);
	WRITE_ONCE(waiting->done, true);
	return 0;
}

static inline void start_waiting_task(struct kunit *test, struct waiting_task *waiting)
{
	init_completion(&waiting->begun);
	waiting->task = kthread_run(run_waiting_task, waiting, "kunit_waiting");
	KUNIT_ASSERT_FALSE(test, IS_ERR(waiting->task));
	get_task_struct(waiting->task);
	wait_for_completion(&waiting->begun);
}

/* Returns once the call waits, which it has to do before it returns. */
static inline void expect_task_waits(struct kunit *test, struct waiting_task *waiting)
{
	bool waits = false;

	/* A task that wants a mutex spins while the owner runs, so sleep. */
	for (unsigned int ms = 0; ms < WAITING_TASK_MS && !waits; ms++) {
		usleep_range(1000, 2000);
		waits = READ_ONCE(waiting->task->__state) == TASK_UNINTERRUPTIBLE;
	}
	KUNIT_EXPECT_TRUE(test, waits);
	/* After the call, the task may sleep while it exits. */
	KUNIT_EXPECT_FALSE(test, READ_ONCE(waiting->done));
}

/* For a call that must not wait for what the test holds */
static inline void expect_task_returns(struct kunit *test, struct waiting_task *waiting)
{
	bool done;

	for (unsigned int ms = 0; ms < WAITING_TASK_MS && !READ_ONCE(waiting->done); ms++)
		usleep_range(1000, 2000);
	done = READ_ONCE(waiting->done);
	KUNIT_EXPECT_TRUE(test, done);
}

/* Returns once the call has returned. */
static inline void end_waiting_task(struct waiting_task *waiting)
{
	kthread_stop_put(waiting->task);
}

#endif /* _KUNIT_WAITING_TASK_H */
