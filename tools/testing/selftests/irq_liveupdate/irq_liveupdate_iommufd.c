// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device may reach by DMA when it is preserved, and what cannot be changed
 * after that. Needs no kexec:
 *
 *	irq_liveupdate_iommufd [BDF]
 *
 * with an MSI-X device behind an IOMMU that is bound to vfio-pci and not in use.
 * A device that was refused can be preserved once the reason is gone.
 * Operations that fail with EBUSY while the device is preserved work before and
 * after.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"

#include "ioas.h"
#include "kmsg.h"
#include "luo.h"
#include "test.h"
#include "vfio_dev.h"

#define SESSION		"irq_liveupdate_iommufd"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2

#define PAGE		4096
#define NR_PAGES	16
#define SIZE		(NR_PAGES * PAGE)
#define IOVA		0x40000000ULL
#define FREE_IOVA	0x50000000ULL

static const char *bdf;
static struct vfio_dev dev;
static struct ioas ioas;
static int memfd;
static char *memory;

/* A device, memory and an address space, not connected with each other */
static void set_up(void)
{
	check(vfio_dev_open_cdev(&dev, bdf), bdf);
	check(vfio_dev_bind(&dev), bdf);
	check(ioas_alloc(&ioas, dev.iommufd), "IOAS");
	memfd = memfd_create("memory", MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, SIZE))
		ksft_exit_fail_perror("memfd");
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
	if (memory == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
}

static void tear_down(void)
{
	munmap(memory, SIZE);
	close(memfd);
	vfio_dev_close(&dev);
}

static void map_and_attach(void)
{
	check(ioas_map(&ioas, IOVA, memory, SIZE), "map");
	check(vfio_dev_attach(&dev, ioas.id), "attach");
}

static int open_session(const char *name)
{
	int session = luo_create_session(name);

	check(session, "session");

	return session;
}

static int preserve_device(int session)
{
	return luo_preserve_fd(session, dev.fd, DEVICE_TOKEN);
}

/* A session in which the memory is preserved. */
static int session_with_memory(void)
{
	int session = open_session(SESSION);

	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");

	return session;
}

static void expect_refused(int session, int error, const char *line, const char *what)
{
	int kmsg = kmsg_from_now();
	int ret = preserve_device(session);
	unsigned int lines = kmsg_count_and_close(kmsg, bdf, line);

	ksft_test_result(ret == -error && lines == 1, "%s: %s, %u line\n", what,
			 ret ? strerrorname_np(-ret) : "preserved", lines);
}

static void expect_preserved(int session, const char *what)
{
	int ret = preserve_device(session);

	ksft_test_result(!ret, "%s: %s\n", what, ret ? strerrorname_np(-ret) : "preserved");
}

/* Unmap and map again, so that the current pages of the file are mapped. */
static void map_again(void)
{
	check(ioas_unmap(&ioas, IOVA, SIZE), "unmap");
	check(ioas_map(&ioas, IOVA, memory, SIZE), "map again");
}

/* ---- What is refused ---- */

static void test_order(void)
{
	int session, other;

	set_up();
	map_and_attach();

	session = open_session(SESSION);
	expect_refused(session, EINVAL, "a file that was not preserved",
		       "memory that is not preserved");
	other = open_session(SESSION "2");
	check(luo_preserve_fd(other, memfd, MEMORY_TOKEN), "preserve in other session");
	expect_refused(session, EINVAL, "a file that was not preserved",
		       "memory that is preserved in another session");
	close(other);
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
	expect_preserved(session, "memory that was preserved before, in its session");
	close(session);
	tear_down();
}

static void test_anonymous(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int session;

	set_up();
	map_and_attach();
	check(ioas_map(&ioas, FREE_IOVA, page, PAGE), "map anonymous");
	session = session_with_memory();
	expect_refused(session, EOPNOTSUPP, "IOVA 0x50000000 maps anonymous memory",
		       "a page of anonymous memory beside");
	check(ioas_unmap(&ioas, FREE_IOVA, PAGE), "unmap anonymous");
	expect_preserved(session, "without it");
	close(session);
	tear_down();
	munmap(page, PAGE);
}

/* Data written to a private mapping is not in the file. */
static void test_private(void)
{
	int session;
	char *copy;

	set_up();
	map_and_attach();
	copy = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, memfd, 0);
	copy[PAGE] = 1;
	check(ioas_map(&ioas, FREE_IOVA, copy + PAGE, PAGE), "map private");
	session = session_with_memory();
	expect_refused(session, EOPNOTSUPP, "anonymous memory",
		       "a page of a private mapping of the memfd, written");
	check(ioas_unmap(&ioas, FREE_IOVA, PAGE), "unmap private");
	expect_preserved(session, "without it");
	close(session);
	tear_down();
	munmap(copy, SIZE);
}

static void expect_stale(const char *what)
{
	int session = session_with_memory();

	expect_refused(session, EINVAL, "a page that is in no file any more", what);
	map_again();
	expect_preserved(session, "mapped again");
	close(session);
	tear_down();
}

static void punch_hole(void)
{
	if (fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE, PAGE))
		ksft_exit_fail_perror("punch hole");
}

static void test_hole(void)
{
	set_up();
	map_and_attach();
	punch_hole();
	expect_stale("a hole was punched");
}

static void test_hole_of_file(void)
{
	set_up();
	check(ioas_map_file(&ioas, IOVA, memfd, SIZE), "map file");
	check(vfio_dev_attach(&dev, ioas.id), "attach");
	punch_hole();
	memory[3 * PAGE] = 1;
	expect_stale("a hole was punched into what was mapped by file, and is filled again");
}

static void test_truncated(void)
{
	set_up();
	map_and_attach();
	if (ftruncate(memfd, SIZE - PAGE) || ftruncate(memfd, SIZE))
		ksft_exit_fail_perror("ftruncate");
	expect_stale("the memfd was truncated, and is as long as before again");
}

/* The process itself need not have the memory mapped. */
static void test_unmapped_by_process(void)
{
	int session;

	set_up();
	map_and_attach();
	munmap(memory, SIZE);
	session = session_with_memory();
	expect_preserved(session, "memory that the process has unmapped");
	close(session);
	tear_down();
}

/* ---- What cannot be changed ---- */

static struct ioas other_ioas;
static __u32 hwpt, other_hwpt;
static char *more;

static int map(void)
{
	int ret = ioas_map(&ioas, FREE_IOVA, more, PAGE);

	return ret ? ret : ioas_unmap(&ioas, FREE_IOVA, PAGE);
}

static int map_file(void)
{
	int ret = ioas_map_file(&ioas, FREE_IOVA, memfd, PAGE);

	return ret ? ret : ioas_unmap(&ioas, FREE_IOVA, PAGE);
}

static int copy_into(void)
{
	int ret = ioas_copy(&ioas, FREE_IOVA, &other_ioas, IOVA, PAGE);

	return ret ? ret : ioas_unmap(&ioas, FREE_IOVA, PAGE);
}

static int unmap(void)
{
	int ret = ioas_unmap(&ioas, IOVA, SIZE);

	return ret ? ret : ioas_map(&ioas, IOVA, memory, SIZE);
}

static int vfio_map(void)
{
	int ret = ioas_vfio_map(&ioas, FREE_IOVA, more, PAGE);

	return ret ? ret : ioas_vfio_unmap(&ioas, FREE_IOVA, PAGE);
}

static int vfio_unmap(void)
{
	int ret = ioas_vfio_unmap(&ioas, IOVA, SIZE);

	return ret ? ret : ioas_map(&ioas, IOVA, memory, SIZE);
}

static int attach_again(void)
{
	return vfio_dev_attach(&dev, hwpt);
}

static int replace(void)
{
	int ret = vfio_dev_attach(&dev, other_hwpt);

	return ret ? ret : vfio_dev_attach(&dev, hwpt);
}

static int detach(void)
{
	int ret = vfio_dev_detach(&dev);

	return ret ? ret : vfio_dev_attach(&dev, hwpt);
}

static int truncate_memory(void)
{
	if (ftruncate(memfd, SIZE + PAGE))
		return -errno;

	return ftruncate(memfd, SIZE) ? -errno : 0;
}

/* ---- What still works ---- */

static int map_elsewhere(void)
{
	int ret = ioas_map(&other_ioas, FREE_IOVA, more, PAGE);

	return ret ? ret : ioas_unmap(&other_ioas, FREE_IOVA, PAGE);
}

static int copy_from(void)
{
	int ret = ioas_copy(&other_ioas, FREE_IOVA, &ioas, IOVA, PAGE);

	return ret ? ret : ioas_unmap(&other_ioas, FREE_IOVA, PAGE);
}

static int other_page_table(void)
{
	__u32 id;
	int ret = ioas_alloc_hwpt(&ioas, dev.devid, &id);

	return ret ? ret : ioas_destroy(dev.iommufd, id);
}

static int change_process(void)
{
	return ioas_change_process(&ioas);
}

static int write_memory(void)
{
	return pwrite(memfd, "x", 1, 0) == 1 ? 0 : -errno;
}

static const struct operation {
	const char *name;
	int (*run)(void);
	int preserved;
} operations[] = {
	{ "MAP",					map,			-EBUSY },
	{ "MAP_FILE",					map_file,		-EBUSY },
	{ "COPY into it",				copy_into,		-EBUSY },
	{ "UNMAP",					unmap,			-EBUSY },
	{ "VFIO_IOMMU_MAP_DMA",				vfio_map,		-EBUSY },
	{ "VFIO_IOMMU_UNMAP_DMA",			vfio_unmap,		-EBUSY },
	{ "ATTACH to the same page table",		attach_again,		-EBUSY },
	{ "ATTACH to another page table",		replace,		-EBUSY },
	{ "DETACH",					detach,			-EBUSY },
	{ "truncate the memfd",				truncate_memory,	-EPERM },
	{ "MAP and UNMAP in another IOAS",		map_elsewhere,		0 },
	{ "COPY from it",				copy_from,		0 },
	{ "another page table of the IOAS",		other_page_table,	0 },
	{ "write to the memfd",				write_memory,		0 },
};

static void expect(const struct operation *op, int wanted, const char *when)
{
	int ret = op->run();

	ksft_test_result(ret == wanted, "%s: %s %s\n", op->name,
			 ret ? strerrorname_np(-ret) : "done", when);
}

static void run_all(bool preserved, const char *when)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		expect(&operations[i], preserved ? operations[i].preserved : 0, when);
}

static void test_gate(void)
{
	int session;

	set_up();
	more = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(ioas_alloc(&other_ioas, dev.iommufd), "other IOAS");
	check(ioas_map(&other_ioas, IOVA, more, PAGE), "map more");
	check(ioas_map(&ioas, IOVA, memory, SIZE), "map");
	check(ioas_alloc_hwpt(&ioas, dev.devid, &hwpt), "page table");
	check(ioas_alloc_hwpt(&ioas, dev.devid, &other_hwpt), "other page table");
	check(vfio_dev_attach(&dev, hwpt), "attach");

	run_all(false, "before");
	session = session_with_memory();
	expect_preserved(session, "the device");
	run_all(true, "while it is preserved");
	close(session);
	run_all(false, "after a cancelled update");

	tear_down();
	munmap(more, PAGE);
}

/* Only what is mapped by file can change hands. */
static void test_change_process(void)
{
	int session;

	set_up();
	check(ioas_map_file(&ioas, IOVA, memfd, SIZE), "map file");
	check(vfio_dev_attach(&dev, ioas.id), "attach");
	session = session_with_memory();
	expect_preserved(session, "memory mapped by file");
	ksft_test_result(!change_process(), "CHANGE_PROCESS goes on\n");
	close(session);
	tear_down();
}

int main(int argc, char *argv[])
{
	ksft_print_header();
	if (argc > 2)
		ksft_exit_fail_msg("usage: %s [BDF]\n", argv[0]);
	require_liveupdate();
	bdf = require_device(argv[1]);

	ksft_set_plan(14 + 1 + 3 * ARRAY_SIZE(operations) + 2);
	test_order();
	test_anonymous();
	test_private();
	test_hole();
	test_hole_of_file();
	test_truncated();
	test_unmapped_by_process();
	test_gate();
	test_change_process();
	ksft_finished();
}
