// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that a device may reach stays in place while the device is on its
 * way from one kernel to the next, whatever is done to the file:
 *
 *	irq_liveupdate_memory -s 1 BDF	maps a memfd, preserves, punches, compacts, reclaims
 *	kexec -e
 *	irq_liveupdate_memory -s 2 BDF	does so again, before the device is attached
 *
 * with an MSI-X device behind an IOMMU that is bound to vfio-pci. In the next
 * kernel, pages that are punched out of the file are not reused before the device
 * has left its old page table, and all of them are reused after that. Pages are
 * reclaimed only on a machine with swap.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "luo.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_memory"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2

/* The first pages, which hold the addresses of all */
#define NR_PAGES	2048
#define NR_STAY		(NR_PAGES / 2)
#define TAKEN_BYTES	(4 * NR_PAGES * DMA_PAGE_BYTES)

#define COMPACT		"/proc/sys/vm/compact_memory"
#define EVENTS		"/proc/vmstat"
#define NR_OTHERS	16384		/* pages that may move, and leave holes first */
#define MIN_OTHERS	64		/* this many of them have to be moved */
#define ROUNDS		8
#define NR_RECLAIMED	(NR_STAY / 2)	/* the swap area need not be large */
#define PAGE_FLAGS	"/proc/kpageflags"
/* SLAB, BUDDY, PGTABLE */
#define FLAGS_REUSED	0x4000480ULL
#define WAIT_TICKS	20
#define TICK_US		50000

static struct vfio_dev dev;
static int memfd;
static char *memory;

static void *page_of(unsigned int page)
{
	return memory + (size_t)page * DMA_PAGE_BYTES;
}

static __u64 *record(void)
{
	return (__u64 *)memory;
}

static void map_memory(void)
{
	memory = dma_map(memfd, NR_PAGES);
	if (!memory || !dma_physical(memory))
		ksft_exit_fail_msg("no physical addresses\n");
}

static void write_record(void)
{
	unsigned int page;

	for (page = 0; page < NR_PAGES; page++)
		record()[page] = dma_physical(page_of(page));
}

static unsigned int nr_moved(unsigned int nr_pages)
{
	unsigned int page, moved = 0;

	for (page = 0; page < nr_pages; page++)
		moved += dma_physical(page_of(page)) != record()[page];

	return moved;
}

static int punch(unsigned int first)
{
	off_t offset = (off_t)first * DMA_PAGE_BYTES;

	return fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
			 (off_t)NR_PAGES * DMA_PAGE_BYTES - offset) ? -errno : 0;
}

static int truncate_to(unsigned int nr_pages)
{
	return ftruncate(memfd, (off_t)nr_pages * DMA_PAGE_BYTES) ? -errno : 0;
}

/* False if this kernel cannot do it */
static bool compact(void)
{
	int fd = open(COMPACT, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, "1", 1) == 1;
	close(fd);

	return done;
}

/* How many pages the kernel has moved, or -1 if it does not count them */
static long nr_migrated(void)
{
	FILE *events = fopen(EVENTS, "r");
	char line[128];
	long nr = -1;

	while (events && fgets(line, sizeof(line), events) &&
	       sscanf(line, "pgmigrate_success %ld", &nr) != 1)
		;
	if (events)
		fclose(events);

	return nr;
}

/* Every other page of a file, which nobody has pinned */
static void *create_others(__u64 *addresses)
{
	int fd = dma_create(NR_OTHERS);
	void *others;
	off_t page;

	check(fd, "memfd");
	others = dma_map(fd, NR_OTHERS);
	if (!others)
		ksft_exit_fail_perror("mmap");
	for (page = 0; page < NR_OTHERS; page += 2) {
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (page + 1) * DMA_PAGE_BYTES, DMA_PAGE_BYTES))
			ksft_exit_fail_perror("punch");
		addresses[page] = dma_physical(others + page * DMA_PAGE_BYTES);
	}
	close(fd);

	return others;
}

static unsigned int nr_others_moved(void *others, const __u64 *addresses)
{
	unsigned int page, moved = 0;

	for (page = 0; page < NR_OTHERS; page += 2)
		moved += dma_physical(others + (size_t)page * DMA_PAGE_BYTES) != addresses[page];

	return moved;
}

/* How many of the other pages the kernel has moved, or -1 if it does not compact */
static int compact_beside_others(void)
{
	static __u64 addresses[NR_OTHERS];
	void *others = create_others(addresses);
	int moved = compact() ? (int)nr_others_moved(others, addresses) : -1;

	munmap(others, (size_t)NR_OTHERS * DMA_PAGE_BYTES);

	return moved;
}

/*
 * Pages that may be moved are moved, those that a device may reach are not. Of the
 * other pages, the first may be in a place from which nothing has to be moved.
 */
static void test_compaction(const char *when)
{
	unsigned int round, others_moved = 0, moved;
	long migrated = nr_migrated();
	int ret = 0;

	for (round = 0; round < ROUNDS && others_moved < MIN_OTHERS; round++) {
		ret = compact_beside_others();
		if (migrated < 0 || ret < 0) {
			ksft_test_result_skip("compaction %s: not in this kernel\n", when);
			return;
		}
		others_moved += ret;
	}
	migrated = nr_migrated() - migrated;
	moved = nr_moved(NR_STAY);
	ksft_print_msg("%ld pages were migrated, %u of them others\n", migrated, others_moved);
	ksft_test_result(others_moved >= MIN_OTHERS && migrated >= others_moved && !moved,
			 "compaction %s: %u pages moved\n", when, moved);
}

static bool has_swap(void)
{
	struct sysinfo info;

	return !sysinfo(&info) && info.freeswap;
}

/* A page that was swapped out is mapped again at another address. */
static void reclaim(void *pages)
{
	size_t bytes = (size_t)NR_RECLAIMED * DMA_PAGE_BYTES;

	if (madvise(pages, bytes, MADV_PAGEOUT) || madvise(pages, bytes, MADV_POPULATE_READ))
		ksft_exit_fail_perror("madvise");
}

static unsigned int reclaim_others(void)
{
	static __u64 addresses[NR_OTHERS];
	void *others = create_others(addresses);
	unsigned int moved;

	reclaim(others);
	moved = nr_others_moved(others, addresses);
	munmap(others, (size_t)NR_OTHERS * DMA_PAGE_BYTES);

	return moved;
}

/* Other pages are swapped out, those that a device may reach are not. */
static void test_reclaim(const char *when)
{
	unsigned int moved, others_moved;

	if (!has_swap()) {
		ksft_test_result_skip("reclaim %s: no swap\n", when);
		return;
	}
	reclaim(memory);
	moved = nr_moved(NR_RECLAIMED);
	others_moved = reclaim_others();
	ksft_print_msg("%u other pages were swapped out\n", others_moved);
	ksft_test_result(others_moved >= MIN_OTHERS && !moved, "reclaim %s: %u pages moved\n",
			 when, moved);
}

/*
 * Take the pages in a CPU's free lists: what was freed last is allocated first, and
 * does not show up as free before that. Returns what was taken.
 */
static char *take(unsigned int cpu)
{
	cpu_set_t cpus;
	char *taken;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		ksft_exit_fail_perror("sched_setaffinity");
	taken = mmap(NULL, TAKEN_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (taken == MAP_FAILED)
		ksft_exit_fail_perror("mmap");

	return taken;
}

/* Which of the pages that were punched out have been seen free, or in use by others */
static bool reused[NR_PAGES];

static void note_reused(__u64 address)
{
	unsigned int page;

	for (page = NR_STAY; page < NR_PAGES; page++)
		reused[page] |= record()[page] == address;
}

static void look_at_others(void)
{
	unsigned int cpu;
	size_t offset;
	char *taken;

	for (cpu = 0; cpu < (unsigned int)get_nprocs(); cpu++) {
		taken = take(cpu);
		for (offset = 0; offset < TAKEN_BYTES; offset += DMA_PAGE_BYTES)
			note_reused(dma_physical(taken + offset));
		munmap(taken, TAKEN_BYTES);
	}
}

/* The kernel may have allocated them for its own use in between. */
static void look_at_flags(void)
{
	int fd = open(PAGE_FLAGS, O_RDONLY | O_CLOEXEC);
	unsigned int page;
	__u64 flags;

	if (fd < 0)
		ksft_exit_fail_perror(PAGE_FLAGS);
	for (page = NR_STAY; page < NR_PAGES; page++) {
		off_t pfn = record()[page] / DMA_PAGE_BYTES;

		if (pread(fd, &flags, sizeof(flags), pfn * sizeof(flags)) != sizeof(flags))
			ksft_exit_fail_perror(PAGE_FLAGS);
		reused[page] |= !!(flags & FLAGS_REUSED);
	}
	close(fd);
}

static unsigned int nr_reused(void)
{
	unsigned int page, nr = 0;

	look_at_flags();
	look_at_others();
	for (page = NR_STAY; page < NR_PAGES; page++)
		nr += reused[page];

	return nr;
}

static bool none_reused(void)
{
	unsigned int nr = nr_reused();

	if (nr)
		ksft_print_msg("%u pages are free, or in use by others\n", nr);

	return !nr;
}

/* The kernel releases them in a work item. */
static bool all_reused_at_last(void)
{
	unsigned int ticks, nr = 0;

	for (ticks = 0; ticks < WAIT_TICKS && nr < NR_PAGES - NR_STAY; ticks++) {
		usleep(TICK_US);
		nr = nr_reused();
	}
	ksft_print_msg("%u of %u pages are free, or in use by others\n", nr, NR_PAGES - NR_STAY);

	return nr == NR_PAGES - NR_STAY;
}

static void stage_1(const char *bdf)
{
	int session = luo_create_session(SESSION);

	check(session, "session");
	check(vfio_dev_open_cdev(&dev, bdf), bdf);
	check(vfio_dev_bind(&dev), bdf);
	check(vfio_dev_set_bus_master(&dev), "bus master");
	memfd = dma_create(NR_PAGES);
	check(memfd, "memfd");
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
	map_memory();
	write_record();
	check(dma_attach(&dev, memory, NR_PAGES), "attach");
	check(luo_preserve_fd(session, dev.fd, DEVICE_TOKEN), "preserve device");

	ksft_set_plan(4);
	ksft_test_result(punch(NR_STAY) == -EPERM, "no hole can be punched\n");
	ksft_test_result(truncate_to(NR_STAY) == -EPERM, "the file cannot be truncated\n");
	test_compaction("while the device is preserved");
	test_reclaim("while the device is preserved");
	if (!stay())
		ksft_finished();
	for (;;)
		pause();
}

static void stage_2(const char *bdf)
{
	int session = luo_retrieve_session(SESSION);

	check(session, "session");
	memfd = luo_retrieve_fd(session, MEMORY_TOKEN);
	check(memfd, "retrieve memory");
	snprintf(dev.bdf, sizeof(dev.bdf), "%s", bdf);
	dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN);
	check(dev.fd, "retrieve device");
	check(vfio_dev_bind(&dev), "bind");
	map_memory();

	ksft_set_plan(7);
	ksft_test_result(!nr_moved(NR_PAGES), "the memory is where it was\n");
	test_compaction("while the device is incoming");
	test_reclaim("while the device is incoming");

	check(punch(NR_STAY), "punch");
	ksft_test_result(none_reused(), "pages that were punched out are not reused\n");
	check(truncate_to(NR_STAY), "truncate");
	check(truncate_to(NR_PAGES), "truncate back");
	ksft_test_result(none_reused(), "pages that were truncated are not reused\n");

	check(dma_attach(&dev, memory, NR_STAY), "attach");
	ksft_test_result(all_reused_at_last(), "all pages are reused after the attach\n");
	ksft_test_result(!luo_finish(session), "FINISH\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if (argc != 4 || strcmp(argv[1], "-s"))
		ksft_exit_fail_msg("usage: %s -s 1|2 BDF\n", argv[0]);
	require_liveupdate();

	if (!strcmp(argv[2], "1"))
		stage_1(argv[3]);
	else
		stage_2(argv[3]);
}
