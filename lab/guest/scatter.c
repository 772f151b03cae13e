// SPDX-License-Identifier: GPL-2.0

/*
 * Preserves a file of a number of pages that are not adjacent: those of a
 * second file, which is not preserved, lie in between. So the next kernel has as
 * many regions of reserved memory, more than memblock can initially hold. Stays in
 * the background, with its session.
 */

#include <err.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dma.h"
#include "luo.h"

#define SESSION	"scatter"
#define TOKEN	1
/* As many regions as memblock can initially hold: INIT_MEMBLOCK_REGIONS */
#define TOO_FEW	128

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

static int compare(const void *a, const void *b)
{
	const __u64 *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* How many regions of physical memory the pages are in */
static size_t count_regions(int memfd, size_t nr_pages)
{
	long page = sysconf(_SC_PAGESIZE);
	__u64 *address = calloc(nr_pages, sizeof(*address));
	size_t i, nr_regions = 0;
	void *pages;

	pages = mmap(NULL, nr_pages * page, PROT_READ, MAP_SHARED | MAP_POPULATE, memfd, 0);
	if (!address || pages == MAP_FAILED)
		err(1, "map pages");
	for (i = 0; i < nr_pages; i++) {
		address[i] = dma_physical(pages + i * page);
		if (!address[i])
			errx(1, "page %zu: its physical address is unknown", i);
	}
	qsort(address, nr_pages, sizeof(*address), compare);
	for (i = 0; i < nr_pages; i++)
		nr_regions += !i || address[i] != address[i - 1] + page;
	munmap(pages, nr_pages * page);
	free(address);

	return nr_regions;
}

int main(int argc, char **argv)
{
	size_t nr_pages = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	int kept = create("kept"), between = create("between");
	int session, ret;
	size_t i, nr_regions;

	for (i = 0; i < nr_pages; i++) {
		write_page(kept, i);
		write_page(between, i);
	}
	nr_regions = count_regions(kept, nr_pages);
	if (nr_regions <= TOO_FEW)
		errx(1, "%zu pages are in only %zu regions", nr_pages, nr_regions);

	session = luo_create_session(SESSION);
	ret = session < 0 ? session : luo_preserve_fd(session, kept, TOKEN);
	if (ret)
		errx(1, "preserve: error %d", ret);

	if (daemon(0, 0))
		err(1, "daemon");
	for (;;)
		pause();
}
