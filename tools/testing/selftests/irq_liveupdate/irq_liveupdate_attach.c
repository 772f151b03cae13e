// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live update of one or two e1000es (82574) that receive all the time, even while they
 * are attached in the next kernel:
 *
 *	irq_liveupdate_attach -s 1 HOW BDF...	receives until the jump
 *	kexec -e
 *	irq_liveupdate_attach -s 2 HOW BDF...	continues, and attaches one after the other
 *
 * In the first stage all of them share a page table. HOW says how each is
 * attached again:
 *
 *	hwpt	to a page table of its own
 *	again	the same, and then everything is preserved for another live update
 *	ioas	to an address space of its own; iommufd chooses the page table
 *	less	to a page table in which one of three buffers is where it was, one is
 *		missing, and one is different memory
 *
 * Then it continues in the background. The frames are numbered, and none may be missing
 * except those whose buffer is. Memory that is free after an attach is overwritten: it must
 * no longer be a page table of a card.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"

#include "dma.h"
#include "luo.h"
#include "receiver.h"
#include "signals.h"
#include "test.h"

#define SESSION		"irq_liveupdate_attach"
#define MEMORY_TOKEN	1
#define DEVICE_TOKEN	2		/* of the first one */

#define MAX_CARDS	2
#define FRAMES		50		/* that each has to receive */
#define TIMEOUT_MS	8000
#define FREE_BYTES	(192UL << 20)

/* What becomes of each buffer in "less" */
enum { STAYS, MISSING, ELSEWHERE, NR_KINDS };

static struct receiver cards[MAX_CARDS];
static char **bdfs;
static unsigned int nr_cards;
static void *memory;
static int session;
static bool stop;

static unsigned int nr_pages(void)
{
	return nr_cards * RECEIVER_PAGES;
}

static void map_memory(int memfd)
{
	unsigned int i;

	check(memfd, "memfd");
	memory = dma_map(memfd, nr_pages());
	if (!memory)
		ksft_exit_fail_msg("memory is not mapped\n");
	for (i = 0; i < nr_cards; i++)
		receiver_use_memory(&cards[i], memory + i * RECEIVER_PAGES * DMA_PAGE_BYTES);
}

/* All are bound to the same iommufd; signals of the vector are not used. */
static void bind_card(struct receiver *card)
{
	card->dev.iommufd = cards[0].dev.iommufd;
	check(vfio_dev_bind(&card->dev), "bind");
	receiver_map_registers(card);
}

static void arm(struct receiver *card)
{
	int event = signals_create();

	check(vfio_dev_arm(&card->dev, 0, 1, &event), "arm");
	receiver_enable_interrupt(card);
}

/* The address space that is attached */
static __u32 new_ioas(void)
{
	struct ioas ioas;

	check(dma_map_ioas(&ioas, cards[0].dev.iommufd, memory, nr_pages()), "map");
	return ioas.id;
}

/* A page table for a card, filled from an address space */
static __u32 hwpt_of(const struct receiver *card, __u32 id)
{
	struct ioas ioas = { .iommufd = card->dev.iommufd, .id = id };
	__u32 hwpt;

	check(ioas_alloc_hwpt(&ioas, card->dev.devid, &hwpt), "page table");
	return hwpt;
}

static void attach(struct receiver *card, __u32 id)
{
	check(vfio_dev_attach(&card->dev, id), "attach");
}

/* Until the process ends or is told to stop */
static void *receive(void *unused)
{
	unsigned int i;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < nr_cards; i++)
			receiver_take_frames(&cards[i]);
		usleep(500);
	}
	return NULL;
}

static bool numbers_are_right(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr_cards; i++)
		wrong += cards[i].wrong_numbers;
	return !wrong;
}

/* Whether each card receives this many more frames, numbered consecutively */
static bool all_receive(void)
{
	unsigned int before[MAX_CARDS], i, ms = 0;

	for (i = 0; i < nr_cards; i++)
		before[i] = __atomic_load_n(&cards[i].record->received, __ATOMIC_RELAXED);
	for (i = 0; i < nr_cards; i++) {
		while (__atomic_load_n(&cards[i].record->received, __ATOMIC_RELAXED) - before[i] <
		       FRAMES) {
			if (ms++ == TIMEOUT_MS)
				return false;
			usleep(1000);
		}
	}
	return numbers_are_right();
}

static void preserve_memory(int memfd)
{
	session = luo_create_session(SESSION);
	check(session, "session");
	check(luo_preserve_fd(session, memfd, MEMORY_TOKEN), "preserve memory");
}

static void preserve_cards(void)
{
	unsigned int i;

	for (i = 0; i < nr_cards; i++)
		check(luo_preserve_fd(session, cards[i].dev.fd, DEVICE_TOKEN + i), "preserve card");
}

static void start_thread(pthread_t *thread)
{
	if (pthread_create(thread, NULL, receive, NULL))
		ksft_exit_fail_perror("thread");
}

/* Started in the background process: a thread would not survive the fork */
static void receive_until_end(void)
{
	if (!stay())
		ksft_finished();
	receive(NULL);
}

static void stage_1(void)
{
	unsigned int i;
	__u32 hwpt;
	int memfd;

	memfd = dma_create(nr_pages());
	preserve_memory(memfd);
	map_memory(memfd);
	for (i = 0; i < nr_cards; i++) {
		check(vfio_dev_open_cdev(&cards[i].dev, bdfs[i]), "open");
		bind_card(&cards[i]);
		if (!i)
			hwpt = hwpt_of(&cards[i], new_ioas());
		attach(&cards[i], hwpt);
		check(vfio_dev_set_bus_master(&cards[i].dev), "bus master");
		arm(&cards[i]);
		receiver_reset(&cards[i]);
		receiver_set_up_interrupt(&cards[i]);
		receiver_start(&cards[i]);
	}
	preserve_cards();

	ksft_set_plan(1);
	ksft_test_result_pass("all is preserved\n");
	receive_until_end();
}

/* Returns the memfd. */
static int get_cards(void)
{
	int memfd;
	unsigned int i;

	session = luo_retrieve_session(SESSION);
	check(session, "session");
	memfd = luo_retrieve_fd(session, MEMORY_TOKEN);
	map_memory(memfd);
	for (i = 0; i < nr_cards; i++) {
		snprintf(cards[i].dev.bdf, sizeof(cards[i].dev.bdf), "%s", bdfs[i]);
		cards[i].dev.fd = luo_retrieve_fd(session, DEVICE_TOKEN + i);
		check(cards[i].dev.fd, "retrieve device");
		bind_card(&cards[i]);
		receiver_continue(&cards[i]);
	}
	return memfd;
}

static void overwrite_free_memory(void)
{
	void *map = mmap(NULL, FREE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (map == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	memset(map, 0xff, FREE_BYTES);
	munmap(map, FREE_BYTES);
}

static void stage_2(bool own_table, bool again)
{
	pthread_t thread;
	unsigned int i;
	int memfd;

	ksft_set_plan(2 + nr_cards);
	memfd = get_cards();
	start_thread(&thread);
	ksft_test_result(all_receive(), "frames arrive through the old page table\n");

	for (i = 0; i < nr_cards; i++) {
		__u32 ioas = new_ioas();

		attach(&cards[i], own_table ? hwpt_of(&cards[i], ioas) : ioas);
		arm(&cards[i]);
		overwrite_free_memory();
		ksft_test_result(all_receive(), "%s is attached, no frame is missing\n",
				 cards[i].dev.bdf);
	}

	check(luo_finish(session), "finish");
	overwrite_free_memory();
	ksft_test_result(all_receive(), "no frame is missing after FINISH\n");
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	stop = false;

	close(session);
	if (again) {
		preserve_memory(memfd);
		preserve_cards();
	}
	receive_until_end();
}

/* Ring and record, and the buffers of a card: one in three stays where it was. */
static __u32 new_ioas_with_less(struct receiver *card, void *elsewhere)
{
	struct ioas ioas;
	unsigned int i;

	check(dma_map_ioas(&ioas, card->dev.iommufd, memory, RECEIVER_FIRST_PAGE), "map ring");
	for (i = 0; i < RECEIVER_ENTRIES; i++) {
		void *page = receiver_buffer(card, i);

		if (i % NR_KINDS == MISSING)
			continue;
		check(ioas_map(&ioas, dma_address(page),
			       i % NR_KINDS == STAYS ? page : elsewhere + i * DMA_PAGE_BYTES,
			       DMA_PAGE_BYTES), "map buffer");
	}
	return ioas.id;
}

/* Whether a frame is where it belongs, and nowhere else */
static bool is_right(struct receiver *card, const void *elsewhere, unsigned int kind)
{
	unsigned int entry = card->record->next, number = card->record->number;
	bool there = receiver_number(receiver_buffer(card, entry)) == number;
	bool other = receiver_number(elsewhere + entry * DMA_PAGE_BYTES) == number;

	return there == (kind == STAYS) && other == (kind == ELSEWHERE);
}

/*
 * All frames that arrive. From an entry on, they go where the new page table leads. Those before
 * it may have arrived before the attach, or while it was returning.
 */
static void count_frames(struct receiver *card, const void *elsewhere, unsigned int first,
			 unsigned int right[NR_KINDS], unsigned int *wrong)
{
	bool attached = false;
	unsigned int ms;

	for (ms = 0; ms < TIMEOUT_MS && right[MISSING] < FRAMES; ms++) {
		for (; receiver_has_frame(card); receiver_give_back(card)) {
			unsigned int entry = card->record->next;
			unsigned int kind = entry % NR_KINDS;

			attached |= entry == first;
			card->record->number++;
			if (is_right(card, elsewhere, kind))
				right[kind] += attached;
			else
				*wrong += attached || !is_right(card, elsewhere, STAYS);
		}
		usleep(1000);
	}
}

static void stage_2_less(struct receiver *card)
{
	unsigned int right[NR_KINDS] = { }, wrong = 0, first;
	void *elsewhere;

	ksft_set_plan(2);
	get_cards();
	elsewhere = mmap(NULL, RECEIVER_ENTRIES * DMA_PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (elsewhere == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	ksft_test_result(receiver_frames(card, FRAMES) && numbers_are_right(),
			 "frames arrive through the old page table\n");

	attach(card, hwpt_of(card, new_ioas_with_less(card, elsewhere)));
	first = receiver_head(card);
	arm(card);
	count_frames(card, elsewhere, first, right, &wrong);
	check(luo_finish(session), "finish");
	ksft_print_msg("%u frames stay, %u are missing, %u elsewhere, %u are wrong\n",
		       right[STAYS], right[MISSING], right[ELSEWHERE], wrong);
	ksft_test_result(right[STAYS] && right[MISSING] && right[ELSEWHERE] && !wrong,
			 "after the attach, frames arrive where they are mapped, not elsewhere\n");
	ksft_finished();
}

int main(int argc, char *argv[])
{
	const char *how = argc > 4 ? argv[3] : "";

	ksft_print_header();
	if (argc < 5 || argc > 4 + MAX_CARDS || strcmp(argv[1], "-s"))
		ksft_exit_fail_msg("usage: %s -s 1|2 hwpt|again|ioas|less BDF...\n", argv[0]);
	require_liveupdate();
	bdfs = argv + 4;
	nr_cards = argc - 4;

	if (!strcmp(argv[2], "1"))
		stage_1();
	else if (!strcmp(how, "less"))
		stage_2_less(&cards[0]);
	else
		stage_2(strcmp(how, "ioas"), !strcmp(how, "again"));
}
