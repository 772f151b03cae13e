/* SPDX-License-Identifier: GPL-2.0 */

/*
 * A fake machine, on which the suites run the real core, genirq and MSI code. It
 * has a CPU domain, two interrupt remapping units whose tables are arrays, and
 * devices whose MSI-X table is an array.
 *
 * What the previous kernel left is either written by the test (fake_image_*()),
 * or by the core itself, from where fake_reboot() copies it.
 */

#ifndef _KERNEL_IRQ_KUNIT_FAKE_MACHINE_H
#define _KERNEL_IRQ_KUNIT_FAKE_MACHINE_H

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/irq_liveupdate.h>
#include <linux/irq_work.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/workqueue.h>

#include "liveupdate_in.h"
#include "liveupdate_ser.h"

/*
 * All numbers below fake_irq_base are in use: a search finds the first one from
 * there on that is not reserved.
 */
extern unsigned int fake_irq_base;

#define IRQ_RECORDED	(fake_irq_base + 16)
#define IRQ_OTHER	(fake_irq_base + 32)
#define IRQ_TAKEN	(fake_irq_base + 48)

#define NR_UNITS	2
#define NR_ENTRIES	64
#define NR_VECS		3
#define HWSIZE		32
#define NR_MEM_BLOCKS	8
#define NR_EVENTS	32
#define NR_IPIS		256
#define NR_FILLERS	128

#define TARGET		0x77

/* A table entry: state, and source id in the high half */
#define ENTRY_PRESENT	BIT_ULL(0)
#define ENTRY_FPD	BIT_ULL(1)
#define ENTRY(source, state)	((u64)(source) << 32 | (state))

enum fake_event_type {
	MASKED,
	BLOCKED,
	SYNCED,
};

struct fake_event {
	enum fake_event_type	type;
	const void		*who;
	u32			state;
};

/* Physically contiguous memory that the previous kernel left */
struct mem_block {
	void			*mem;
	size_t			size;
	bool			taken;
	bool			freed;
};

struct fake_unit {
	struct irq_domain	*domain;
	struct fake_machine	*machine;
	u64			reg_base;
	int			refusal;
	bool			sync_fails;
	unsigned int		nr_devices;
	unsigned int		nr_finished;
	struct irq_lu_unit_ser	*ser;
	u64			table[NR_ENTRIES];
	DECLARE_BITMAP(used, NR_ENTRIES);
	DECLARE_BITMAP(held, NR_ENTRIES);
	DECLARE_BITMAP(latched, NR_ENTRIES);
};

struct fake_device {
	struct device			*dev;
	struct fake_machine		*machine;
	struct fake_unit		*unit;
	struct irq_lu_device_ser	head;
	struct msi_msg			hw[HWSIZE];
	atomic_t			count[HWSIZE];
	struct msi_device_data		*late_descs;
	unsigned long			requested;
	unsigned int			nr_captured;
	bool				msi_broken;
	bool				masked;
	bool				disabled;
	bool				allocated;
	bool				preserved;
};

struct fake_machine {
	struct kunit		*test;
	unsigned int		fillers[NR_FILLERS];
	unsigned int		nr_fillers;
	struct irq_domain	*cpus;
	struct fake_unit	units[NR_UNITS];

	/* Interrupts on their way to a CPU */
	struct irq_work		ipi;
	bool			ipi_held;
	bool			ipi_refused;
	raw_spinlock_t		ipi_lock;	/* protects the two below */
	unsigned int		ipi_pending[NR_IPIS];
	unsigned int		nr_pending;
	atomic_t		nr_ipis;

	struct fake_event	events[NR_EVENTS];
	unsigned int		nr_events;

	struct mem_block	blocks[NR_MEM_BLOCKS];
	unsigned int		nr_blocks;
	struct irq_lu_root_ser	*root;
	struct irq_lu_device_ref_ser *table;

	/* A driver that wants to allocate or free vectors */
	struct device		*driver_dev;
	struct work_struct	driver;
	struct task_struct	*driver_task;
	struct completion	driver_runs;
	bool			driver_waited;
};

/* Of kunit_fake_machine.c */

extern const struct irq_liveupdate_dev_ops fake_device_ops;
extern const struct irq_lu_device_ser fake_msi_head;
extern const struct irq_lu_device_ser fake_msix_head;
extern const struct irq_lu_device_ser fake_other_head;
extern const struct irq_lu_device_ser fake_third_head;
extern const struct irq_lu_device_ser * const fake_msi_types[2];
extern const struct irq_lu_memory fake_memory;

unsigned int fake_irq_of(struct fake_device *fake, unsigned int index);
u32 fake_handle_of(struct fake_device *fake, unsigned int index);
irqreturn_t fake_count_irq(int irq, void *count);
int fake_request(struct fake_device *fake, unsigned int index, unsigned long flags);
void fake_release_irq(struct fake_device *fake, unsigned int index);
int fake_alloc_vectors(struct fake_device *fake, unsigned int nr);
void fake_free_vectors(struct fake_device *fake);
void fake_end(struct fake_device *fake);
struct fake_device *fake_add(struct kunit *test, const char *name,
			     const struct irq_lu_device_ser *head, unsigned int unit);
void fake_unplug(struct kunit *test, struct fake_device *fake);
void *fake_add_mem_block(struct kunit *test, size_t size);
void fake_expect_all_freed_but(struct kunit *test, const void *kept);
void fake_expect_all_freed(struct kunit *test);
int fake_machine_init(struct kunit *test);
bool fake_is_free(unsigned int irq);
void fake_expect_adopted(struct kunit *test, struct fake_device *fake,
			 const struct irq_lu_vector_ser *first, unsigned int nr);
void fake_expect_revoked(struct kunit *test, const struct irq_lu_vector_ser *first,
			 unsigned int nr);
void fake_expect_counts(struct kunit *test, struct fake_device *fake, unsigned int nr,
			int count);
void fake_use_cold(struct kunit *test, struct fake_device *fake, unsigned int nr);
void fake_describe_type(const struct irq_lu_device_ser * const *head, char *desc);
void fake_describe_count(const unsigned int *nr, char *desc);
void fake_driver_tries(struct kunit *test, struct fake_device *fake);
struct fake_device *fake_add_running(struct kunit *test, const char *name,
				     const struct irq_lu_device_ser *head,
				     unsigned int unit, unsigned int nr);
int fake_preserve(struct fake_device *fake);
void fake_unpreserve(struct fake_device *fake);

/* Of kunit_fake_image.c */

extern struct irq_lu_vector_ser fake_vector;
extern struct irq_lu_vector_ser fake_other_vector;

void fake_image_init(struct kunit *test);
struct irq_lu_device_ser *fake_image_add(struct kunit *test,
					 const struct irq_lu_device_ser *head,
					 const struct irq_lu_vector_ser *first,
					 unsigned int nr_vectors);
void fake_end_live_update(void *unused);
void fake_take_over(struct fake_machine *m);
void fake_boot(struct kunit *test);
void fake_reboot(struct kunit *test, const struct irq_lu_root_ser *root);
void fake_reset_units(struct fake_machine *m);
struct fake_device *fake_adopt(struct kunit *test, unsigned int nr);
void fake_live_on(struct kunit *test, const struct irq_lu_device_ser *head, unsigned int nr);

#endif /* _KERNEL_IRQ_KUNIT_FAKE_MACHINE_H */
