// SPDX-License-Identifier: GPL-2.0

/*
 * Preserves a file of a number of pages that are not adjacent: those of a
 * second file, which is not preserved, lie in between. So the next kernel has as
 * many regions of reserved memory. Stays in the background, with its session.
 */

#include <err.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "luo.h"

#define SESSION	"scatter"
#define TOKEN	1

static int create(const char *name)
{
	int memfd = memfd_create(name, 0);

	if (memfd < 0)
		err(1, "memfd %s", name);
	return memfd;
}

static void write_page(int memfd, size_t i)
{
	long page = sysconf(_SC_PAGESIZE);

	if (pwrite(memfd, "x", 1, i * page) != 1)
		err(1, "write");
}

int main(int argc, char **argv)
{
	size_t nr_pages = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	int kept = create("kept"), between = create("between");
	int session, ret;
	size_t i;

	for (i = 0; i < nr_pages; i++) {
		write_page(kept, i);
		write_page(between, i);
	}

	session = luo_create_session(SESSION);
	ret = session < 0 ? session : luo_preserve_fd(session, kept, TOKEN);
	if (ret)
		errx(1, "preserve: error %d", ret);

	if (daemon(0, 0))
		err(1, "daemon");
	for (;;)
		pause();
}
