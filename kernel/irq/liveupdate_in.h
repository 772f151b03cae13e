/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupt live update, internals of the half that takes over, for
 * liveupdate_in.c, liveupdate_finish.c, liveupdate_refuse.c and
 * liveupdate_debugfs.c.
 */

#ifndef _KERNEL_IRQ_LIVEUPDATE_IN_H
#define _KERNEL_IRQ_LIVEUPDATE_IN_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include "liveupdate.h"

/**
 * enum irq_lu_injection - What became of a synthetic interrupt
 * @IRQ_LU_SENT:	It was sent to the CPU
 * @IRQ_LU_PENDING:	It is left pending
 * @IRQ_LU_REPLAY:	It was merged with a resend that was already in flight
 * @IRQ_LU_INJECTIONS:	Number of these values
 */
enum irq_lu_injection {
	IRQ_LU_SENT,
	IRQ_LU_PENDING,
	IRQ_LU_REPLAY,
	IRQ_LU_INJECTIONS,
};

/**
 * struct irq_lu_counters - What became of all interrupts that were handed over
 * @injected:	Synthetic interrupts, by what became of them
 * @was_pending: Interrupts which were pending at FINISH already
 * @revoked:	Reservations that were revoked
 */
struct irq_lu_counters {
	unsigned long	injected[IRQ_LU_INJECTIONS];
	unsigned long	was_pending;
	unsigned long	revoked;
};

/**
 * struct irq_lu_in_dev - A device which was handed over
 * @node:	Entry in %irq_liveupdate_incoming
 * @hash:	Entry in the hash of devices, by its address before the match, and by
 *		@dev after it
 * @ser:	Its record, or @none
 * @unit:	Its interrupt remapping unit, NULL before the unit is taken over, and
 *		if it no longer remaps
 * @dev:	The device, NULL before the match
 * @ops:	Methods of its bus
 * @refused:	The device starts cold. None of its vectors is reserved.
 * @checked:	@dev and @unit were found to belong together
 * @finished:	Synthetic interrupts were sent at FINISH. Vectors that are not requested
 *		yet still wait for theirs.
 * @given:	Vectors that have received their synthetic interrupt, by MSI index
 * @none:	Replaces a record that is missing or failed validation
 */
struct irq_lu_in_dev {
	struct list_head			node;
	struct hlist_node			hash;
	const struct irq_lu_device_ser		*ser;
	struct irq_domain			*unit;
	struct device				*dev;
	const struct irq_liveupdate_dev_ops	*ops;
	bool					refused;
	bool					checked;
	bool					finished;
	DECLARE_BITMAP(given, IRQ_LU_MAX_VECTORS);
	struct irq_lu_device_ser		none;	/* must be last */
};

/**
 * struct irq_lu_state - The state that the previous kernel handed over
 * @root:	The root
 * @dir:	The device directory. The address of a record that failed validation is
 *		zero.
 * @free:	Frees one block of this memory
 * @nr_irqs:	Size of @records, larger than any irq number in the records
 * @records:	The record for which an irq number is reserved, by irq number
 */
struct irq_lu_state {
	struct irq_lu_root_ser		*root;
	struct irq_lu_device_ref_ser	*dir;
	void				(*free)(void *mem);
	unsigned int			nr_irqs;
	const struct irq_lu_vector_ser	**records;
};

/**
 * struct irq_lu_in - What was handed over
 * @lock:	Nests inside of the MSI descriptor lock
 * @loaded:	The state of the previous kernel was searched for
 * @handed_over: The previous kernel left state, valid or not
 * @refused:	Why the state as a whole was refused, or NULL
 * @state:	The state, NULL when there is none or it was refused
 * @units_lock:	Protects @units and @nr_units. @lock nests inside of it.
 * @units:	Remapping units whose free entries suppress faults, whether or not they
 *		were handed over
 * @nr_units:	How many there are
 * @stopped:	Devices that nobody has claimed are stopped, so entries that are
 *		not reserved report faults again
 * @counters:	Of the live update that started this kernel
 */
struct irq_lu_in {
	struct mutex			lock;	/* protects all but the units */
	bool				loaded;
	bool				handed_over;
	const char			*refused;
	struct irq_lu_state __rcu	*state;
	struct mutex			units_lock;	/* of units and nr_units */
	struct irq_domain		**units;
	unsigned int			nr_units;
	bool				stopped;
	struct irq_lu_counters		counters;
};

extern struct irq_lu_in irq_lu_in;
extern const char * const irq_lu_injections[];

/* The state, for those who hold the lock. */
static inline struct irq_lu_state *irq_lu_get_state(void)
{
	return rcu_dereference_protected(irq_lu_in.state, lockdep_is_held(&irq_lu_in.lock));
}

/* PCI segment and device id as one key */
static inline unsigned long irq_lu_key(u32 segment, u16 devid)
{
	return (unsigned long)segment << 16 | devid;
}

bool irq_lu_is_reserved(const struct irq_lu_vector_ser *rec);
void irq_lu_release_vectors(struct irq_lu_in_dev *in, const struct irq_lu_vector_ser *rec,
			    bool revoke);
unsigned int irq_lu_revoke_device(struct irq_lu_in_dev *in);
void irq_lu_refuse(struct irq_lu_in_dev *in, const char *reason);
struct irq_lu_in_dev *irq_lu_find_matched(struct device *dev);

#endif /* _KERNEL_IRQ_LIVEUPDATE_IN_H */
