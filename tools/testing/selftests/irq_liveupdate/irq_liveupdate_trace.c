// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace events of a live update. In the old kernel, without any kexec,
 *
 *	irq_liveupdate_trace [BDF]
 *
 * with an MSI-X device that is bound to vfio-pci and not in use. In the next kernel,
 * which was booted with trace_event=irq_liveupdate, after the live update of a
 * device with this number of vectors is finished,
 *
 *	irq_liveupdate_trace -n BDF VECTORS
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"

#include "luo.h"
#include "signals.h"
#include "test.h"
#include "tracing.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_trace"
#define TOKEN		1
#define VECTORS		2
#define NOT_BOUND	"step=preserve reason=not a cdev bound to an iommufd"

static const char *bdf;

static void expect_one(const char *trace, const char *event, const char *text)
{
	ksft_test_result(tracing_count(trace, event, text) == 1, "%s: %s\n", event, text);
}

static int open_session(void)
{
	int session = luo_create_session(SESSION);

	check(session, "session");
	return session;
}

static void test_refusal(struct vfio_dev *dev)
{
	int session = open_session();
	char text[128], *trace;

	tracing_start();
	ksft_test_result(luo_preserve_fd(session, dev->fd, TOKEN) == -EINVAL,
			 "an unbound cdev is refused\n");
	trace = tracing_read();
	snprintf(text, sizeof(text), "device=%s " NOT_BOUND, bdf);
	expect_one(trace, "refuse", text);
	ksft_test_result(!tracing_find(trace, "preserve", ""), "no other event\n");
	free(trace);
	close(session);
}

static void test_cancel(struct vfio_dev *dev)
{
	const char *preserved, *unpreserved;
	char text[64], *trace;
	int session;

	snprintf(text, sizeof(text), "device=%s vectors=%u", bdf, VECTORS);
	session = open_session();
	tracing_start();
	check(luo_preserve_fd(session, dev->fd, TOKEN), "preserve");
	close(session);
	trace = tracing_read();
	expect_one(trace, "preserve", text);
	expect_one(trace, "unpreserve", text);
	preserved = tracing_find(trace, "preserve", text);
	unpreserved = tracing_find(trace, "unpreserve", text);
	ksft_test_result(preserved && preserved < unpreserved,
			 "preserve is traced before unpreserve\n");
	ksft_test_result(!tracing_find(trace, "refuse", ""), "nothing is refused\n");
	free(trace);
}

static void test_old_kernel(const char *given)
{
	int eventfds[VECTORS], i;
	struct vfio_dev dev = { };

	require_liveupdate();
	bdf = require_device(given);
	check(vfio_dev_open_cdev(&dev, bdf), bdf);

	ksft_set_plan(7);
	test_refusal(&dev);

	check(vfio_dev_bind(&dev), bdf);
	for (i = 0; i < VECTORS; i++)
		eventfds[i] = signals_create();
	check(vfio_dev_arm(&dev, 0, VECTORS, eventfds), "arm");
	test_cancel(&dev);
}

/* The number after a name in a line, or -1 */
static int number_of(const char *line, const char *name)
{
	const char *at = line ? strstr(line, name) : NULL;

	return at ? atoi(at + strlen(name)) : -1;
}

/* One vector: reserved, adopted with the same number, injected, and then finished. */
static void test_vector(const char *trace, unsigned int vector)
{
	const char *reserved, *adopted, *injected, *finished;
	char text[64], irq[16];

	snprintf(text, sizeof(text), "device=%s vector=%u", bdf, vector);
	reserved = tracing_find(trace, "reserve", text);
	adopted = tracing_find(trace, "adopt", text);
	snprintf(irq, sizeof(irq), "irq=%d", number_of(reserved, "irq="));
	injected = tracing_find(trace, "inject", irq);
	snprintf(text, sizeof(text), "device=%s", bdf);
	finished = tracing_find(trace, "finish", text);

	ksft_test_result(reserved && adopted && injected && finished &&
			 tracing_find(trace, "take_over", "") < reserved &&
			 reserved < adopted && adopted < injected && injected < finished &&
			 number_of(adopted, "irq=") == number_of(reserved, "irq=") &&
			 number_of(adopted, "handle=") == number_of(reserved, "handle="),
			 "vector %u: reserved, adopted, injected, finished\n", vector);
}

static void test_next_kernel(unsigned int nr_vectors)
{
	char *trace = tracing_read(), text[64];
	unsigned int i;

	ksft_set_plan(nr_vectors + 3);
	ksft_test_result(tracing_find(trace, "take_over", "segment=0000"), "unit taken over\n");
	for (i = 0; i < nr_vectors; i++)
		test_vector(trace, i);
	snprintf(text, sizeof(text), "device=%s vectors=%u", bdf, nr_vectors);
	expect_one(trace, "finish", text);
	ksft_test_result(!tracing_find(trace, "refuse", "") && !tracing_find(trace, "revoke", ""),
			 "nothing is refused or revoked\n");
	free(trace);
}

int main(int argc, char *argv[])
{
	ksft_print_header();

	if (argc == 4 && !strcmp(argv[1], "-n")) {
		bdf = argv[2];
		test_next_kernel(atoi(argv[3]));
	} else if (argc <= 2) {
		test_old_kernel(argv[1]);
	} else {
		ksft_exit_fail_msg("usage: %s [BDF] or -n BDF VECTORS\n", argv[0]);
	}

	ksft_finished();
}
