/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupt live update, what the files of the half that takes over share:
 * liveupdate_in.c, liveupdate_finish.c and liveupdate_debugfs.c.
 */

#ifndef _KERNEL_IRQ_LIVEUPDATE_IN_H
#define _KERNEL_IRQ_LIVEUPDATE_IN_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "liveupdate.h"

/**
 * enum irq_lu_injection - What became of a synthetic interrupt
 * @IRQ_LU_SENT:	It was sent to the CPU
 * @IRQ_LU_PENDING:	It is left pending
 * @IRQ_LU_REPLAY:	The one which is on its way stands for it, too
 * @IRQ_LU_INJECTIONS:	How many of these there are
 */
enum irq_lu_injection {
	IRQ_LU_SENT,
	IRQ_LU_PENDING,
	IRQ_LU_REPLAY,
	IRQ_LU_INJECTIONS,
};

/**
 * struct irq_lu_counters - What this kernel did with interrupts of others, in total
 * @injected:	Synthetic interrupts, by what became of them
 * @was_pending: Interrupts which were pending at FINISH already
 * @revoked:	Reservations taken back
 */
struct irq_lu_counters {
	unsigned long	injected[IRQ_LU_INJECTIONS];
	unsigned long	was_pending;
	unsigned long	revoked;
};

/**
 * struct irq_lu_in_dev - A device whose interrupts were handed over
 * @node:	Entry in the list of all these devices
 * @hash:	Entry in the hash of devices, by its place before the match, and by
 *		@dev after it
 * @ser:	Its record
 * @unit:	Its interrupt remapping unit, NULL before take over
 * @dev:	The device, NULL before the match
 * @ops:	Methods of its bus
 * @nr_reserved: How many vectors have their number and entry reserved. That is
 *		all of them, or none when the device was refused.
 * @refused:	The device starts cold
 * @checked:	@dev and @unit were found to belong together
 */
struct irq_lu_in_dev {
	struct list_head			node;
	struct hlist_node			hash;
	const struct irq_lu_device_ser		*ser;
	struct irq_domain			*unit;
	struct device				*dev;
	const struct irq_liveupdate_dev_ops	*ops;
	unsigned int				nr_reserved;
	bool					refused;
	bool					checked;
};

/**
 * struct irq_lu_in - What was handed over
 * @lock:	Nests inside of the MSI descriptor lock
 * @loaded:	The state was looked for
 * @handed_over: The previous kernel left state, useful or not
 * @root:	The root, NULL when there is none or it was refused
 * @table:	The device table. A record which did not pass its checks has
 *		address zero.
 * @free:	Frees what the previous kernel left
 * @devices:	List of struct irq_lu_in_dev
 * @nr_irqs:	Size of @records and @reserved, above all numbers of the records
 * @records:	Records which have their places reserved, by irq number. NULL when
 *		nothing is taken over
 * @reserved:	Reserved irq numbers, NULL when nothing is taken over
 * @counters:	Of all live updates since boot
 */
struct irq_lu_in {
	struct mutex			lock;	/* protects everything */
	bool				loaded;
	bool				handed_over;
	struct irq_lu_root_ser		*root;
	struct irq_lu_device_ref_ser	*table;
	void				(*free)(void *mem);
	struct list_head		devices;
	unsigned int			nr_irqs;
	const struct irq_lu_vector_ser	**records;
	unsigned long			*reserved;
	struct irq_lu_counters		counters;
};

extern struct irq_lu_in irq_lu_in;
extern const char * const irq_lu_injections[];

void irq_lu_release_vectors(struct irq_lu_in_dev *in, const struct irq_lu_vector_ser *rec,
			    unsigned int nr, bool revoke);
const struct irq_lu_vector_ser *irq_lu_pop_vectors(struct irq_lu_in_dev *in, unsigned int *nr);
void irq_lu_refuse(struct irq_lu_in_dev *in, const char *reason);
struct irq_lu_in_dev *irq_lu_find_matched(struct device *dev);

#endif /* _KERNEL_IRQ_LIVEUPDATE_IN_H */
