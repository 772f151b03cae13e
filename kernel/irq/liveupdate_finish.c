// SPDX-License-Identifier: GPL-2.0

/*
 * Interrupt live update, FINISH in the kernel that has taken over: send
 * synthetic interrupts, revoke unclaimed reservations, free the memory of the
 * previous kernel. See liveupdate_in.c.
 */

#define pr_fmt(fmt) "irq_liveupdate: " fmt

#include <kunit/visibility.h>
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/hashtable.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/list.h>
#include <linux/msi.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <trace/events/irq_liveupdate.h>

#include "internals.h"
#include "liveupdate_in.h"
#include "liveupdate_ser.h"

const char * const irq_lu_injections[] = {
	[IRQ_LU_SENT]		= "sent",
	[IRQ_LU_PENDING]	= "pending",
	[IRQ_LU_REPLAY]		= "replay",
};

/*
 * An interrupt that is not started has no vector to which it could be sent, and
 * a disabled one must not reach its handler. In both cases the synthetic
 * interrupt is left pending until the interrupt is requested or enabled. If a
 * resend is already in flight, it also serves as the synthetic interrupt.
 */
static enum irq_lu_injection irq_lu_inject_locked(struct irq_desc *desc)
{
	struct irq_data *irqd = &desc->irq_data;

	if (desc->action && irqd_is_started(irqd) && !irqd_irq_disabled(irqd) &&
	    !irqd_irq_masked(irqd)) {
		int err = check_irq_resend(desc, true);

		if (!err)
			return IRQ_LU_SENT;
		if (err == -EBUSY)
			return IRQ_LU_REPLAY;
	}
	desc->istate |= IRQS_PENDING;
	return IRQ_LU_PENDING;
}

/*
 * Returns whether the synthetic interrupt was given. Without a handler, the interrupt
 * is only left pending if @last: before that, the descriptor may still be freed, and
 * the interrupt would be lost.
 */
static bool irq_lu_inject(unsigned int irq, bool last)
{
	scoped_irqdesc_get_and_buslock(irq, 0) {
		bool was_pending = scoped_irqdesc->istate & IRQS_PENDING;
		enum irq_lu_injection how;

		if (!scoped_irqdesc->action && !last)
			return false;

		how = irq_lu_inject_locked(scoped_irqdesc);
		irq_lu_in.counters.was_pending += was_pending;
		irq_lu_in.counters.injected[how]++;
		trace_irq_liveupdate_inject(irq, scoped_irqdesc->tot_count, was_pending, how);
		return true;
	}
	return false;
}

/*
 * Each vector that was handed over is owed a synthetic interrupt while it is
 * reserved. If the device starts cold, it is not known which interrupts were lost,
 * so each vector that its driver uses is owed one instead.
 */
static bool irq_lu_is_owed(struct irq_lu_in_dev *in, unsigned int msi_index)
{
	const struct irq_lu_vector_ser *rec;

	if (msi_index >= IRQ_LU_MAX_VECTORS || test_bit(msi_index, in->given))
		return false;
	if (in->refused)
		return true;

	rec = irq_lu_ser_find_vector(in->ser, msi_index);
	return rec && irq_lu_is_reserved(rec);
}

static bool irq_lu_give(struct irq_lu_in_dev *in, struct msi_desc *msi, unsigned int i,
			bool last)
{
	unsigned int msi_index = msi->msi_index + i;

	if (!irq_lu_is_owed(in, msi_index) || !irq_lu_inject(msi->irq + i, last))
		return false;
	__set_bit(msi_index, in->given);
	return true;
}

/* The MSI descriptors are locked, so the irq numbers in them belong to the device. */
static unsigned int irq_lu_give_all(struct irq_lu_in_dev *in, bool last)
{
	unsigned int i, nr = 0;
	struct msi_desc *msi;

	msi_for_each_desc(msi, in->dev, MSI_DESC_ASSOCIATED) {
		for (i = 0; i < msi->nvec_used; i++)
			nr += irq_lu_give(in, msi, i, last);
	}
	return nr;
}

/* Before FINISH changes anything, log where device and kernel differ. */
static void irq_lu_audit_incoming(struct device *dev)
{
	const struct irq_liveupdate_dev_ops *ops = NULL;
	struct irq_lu_in_dev *in;

	scoped_guard(mutex, &irq_lu_in.lock) {
		in = irq_lu_find_matched(dev);
		if (in)
			ops = in->ops;
	}
	if (ops)
		irq_liveupdate_audit(dev, ops);
}

static void irq_lu_finish_device(struct device *dev)
{
	struct irq_lu_in_dev *in;
	unsigned int nr = 0;

	CLASS(irq_lu_descs, descs)(dev);
	guard(mutex)(&irq_lu_in.lock);

	in = irq_lu_find_matched(dev);
	if (!in || in->finished)
		return;

	if (descs)
		nr = irq_lu_give_all(in, false);
	in->finished = true;
	trace_irq_liveupdate_finish(dev, nr);
	dev_info(dev, "irq_liveupdate: finished: %u synthetic interrupts\n", nr);
}

/* The entry of a vector is closed while it has no handler. */
static bool irq_lu_any_closed(const struct msi_desc *msi)
{
	for (unsigned int i = 0; i < msi->nvec_used; i++) {
		if (!irqd_is_activated(irq_get_irq_data(msi->irq + i)))
			return true;
	}
	return false;
}

/* Vectors in use are no longer reserved. Returns whether entries of some are closed. */
static bool irq_lu_release_used(struct irq_lu_in_dev *in)
{
	const struct irq_lu_vector_ser *rec;
	struct msi_desc *msi;
	bool closed = false;

	msi_for_each_desc(msi, in->dev, MSI_DESC_ASSOCIATED) {
		rec = irq_lu_ser_find_vector(in->ser, msi->msi_index);
		if (rec && rec->irq == msi->irq && irq_lu_is_reserved(rec)) {
			irq_lu_release_vectors(in, rec, false);
			closed |= irq_lu_any_closed(msi);
		}
	}
	return closed;
}

static void irq_lu_free_device(struct irq_lu_in_dev *in)
{
	list_del(&in->node);
	hash_del(&in->hash);
	put_device(in->dev);
	kfree(in);
}

/* If each vector has got its interrupt, each has had a handler, and nothing is owed any more. */
static bool irq_lu_is_done(struct irq_lu_in_dev *in)
{
	return !in->refused &&
	       bitmap_weight(in->given, IRQ_LU_MAX_VECTORS) == in->ser->nr_vectors;
}

/* Returns whether the device was released. Sets @closed if closed entries are left. */
static bool irq_lu_release_device(struct device *dev, bool gone, bool *closed)
{
	struct irq_lu_in_dev *in;
	unsigned int nr;

	CLASS(irq_lu_descs, descs)(dev);
	guard(mutex)(&irq_lu_in.lock);

	in = irq_lu_find_matched(dev);
	if (!in || !in->finished || !(gone || irq_lu_is_done(in)))
		return false;

	in->ops->disable(dev);
	if (descs) {
		irq_lu_give_all(in, true);
		*closed |= irq_lu_release_used(in);
	}
	nr = irq_lu_revoke_device(in);
	*closed |= nr > 0;
	if (nr)
		dev_info(dev, "irq_liveupdate: released: %u unused vectors\n", nr);
	irq_lu_free_device(in);
	return true;
}

/* Static, because a kernel takes over only once. */
static struct irq_lu_state *irq_lu_to_free;

static void irq_lu_free_old_state(struct work_struct *work)
{
	struct irq_lu_state *state = irq_lu_to_free;
	unsigned int i;

	for (i = 0; i < state->root->nr_devices; i++) {
		if (state->dir[i].blob)
			state->free(phys_to_virt(state->dir[i].blob));
	}
	state->free(state->dir);
	state->free(state->root);
	kvfree(state->records);
	kfree(state);
}

VISIBLE_IF_KUNIT struct rcu_work irq_lu_free_work = {
	.work	= __WORK_INITIALIZER(irq_lu_free_work.work, irq_lu_free_old_state),
};

/*
 * Scans all tables and waits for the units. That takes too long to be part of
 * FINISH, or to hold irq_lu_in.lock, which FINISH needs.
 */
static void irq_lu_report_faults(struct work_struct *work)
{
	struct irq_domain *d;
	unsigned int i;
	bool last;

	guard(mutex)(&irq_lu_in.units_lock);

	/* What is released from now on queues this work once more. */
	scoped_guard(mutex, &irq_lu_in.lock)
		last = list_empty(&irq_liveupdate_incoming);

	for (i = 0; i < irq_lu_in.nr_units; i++) {
		d = irq_lu_in.units[i];
		d->ops->liveupdate->finish(d);
	}
	/* Nothing is reserved any more that could be released later. */
	if (last) {
		kfree(irq_lu_in.units);
		irq_lu_in.units = NULL;
		irq_lu_in.nr_units = 0;
	}
}

VISIBLE_IF_KUNIT DECLARE_WORK(irq_lu_report_work, irq_lu_report_faults);

/*
 * The live update ends with its last device. The memory is freed by a worker,
 * because there may be a lot of it, and the allocators may still access a
 * record under RCU.
 */
static void irq_lu_end(bool released, bool closed)
{
	struct irq_lu_state *state;

	guard(mutex)(&irq_lu_in.lock);

	/*
	 * Closed entries still suppress faults. Making them report again means a scan and
	 * a flush of all units. That is not worthwhile if all vectors of the device are
	 * in use.
	 */
	if (released && irq_lu_in.stopped && (closed || list_empty(&irq_liveupdate_incoming)))
		queue_work(system_dfl_wq, &irq_lu_report_work);

	state = irq_lu_get_state();
	if (!state || !list_empty(&irq_liveupdate_incoming))
		return;

	rcu_assign_pointer(irq_lu_in.state, NULL);
	irq_lu_to_free = state;
	queue_rcu_work(system_dfl_wq, &irq_lu_free_work);
}

static void irq_lu_release(struct device *dev, bool gone)
{
	bool closed = false;
	bool released = irq_lu_release_device(dev, gone, &closed);

	irq_lu_end(released, closed);
}

/**
 * irq_liveupdate_finish - FINISH of a device
 * @dev:	Device
 *
 * Each interrupt that was handed over and is requested gets one synthetic
 * interrupt, because it is not known whether the device raised one that could
 * not be delivered. An interrupt that is not requested yet gets it upon
 * request, and its irq number and table entry stay reserved until
 * irq_liveupdate_release(), or until each interrupt of the device has been
 * requested. If all interrupts are requested already, the device is released
 * immediately.
 *
 * Does nothing for a device which is not incoming, or is finished.
 *
 * Context: May sleep. The driver may use the device at the same time, but must not
 * set up its first interrupts. The caller makes sure that it is neither bound nor
 * unbound. The MSI descriptors of @dev must not be locked.
 */
void irq_liveupdate_finish(struct device *dev)
{
	if (IS_ENABLED(CONFIG_IRQ_LIVEUPDATE_DEBUG))
		irq_lu_audit_incoming(dev);

	irq_lu_finish_device(dev);
	irq_lu_release(dev, false);
}
EXPORT_SYMBOL_GPL(irq_liveupdate_finish);

static bool irq_lu_give_requested(struct msi_desc *msi, unsigned int i)
{
	struct irq_lu_in_dev *in;

	guard(mutex)(&irq_lu_in.lock);

	in = irq_lu_find_matched(msi->dev);
	return in && in->finished && irq_lu_give(in, msi, i, false);
}

/**
 * __irq_liveupdate_requested - An interrupt has got a handler
 * @irq:	Irq number
 *
 * Context: See irq_liveupdate_requested().
 */
void __irq_liveupdate_requested(unsigned int irq)
{
	struct msi_desc *msi = irq_get_msi_desc(irq);

	if (msi && irq_lu_give_requested(msi, irq - msi->irq))
		irq_lu_release(msi->dev, false);
}

/**
 * irq_liveupdate_release - Release a finished device whose owner has closed it
 * @dev:	Device
 *
 * Unused interrupts are revoked: their irq numbers and table entries become
 * free, and MSI or MSI-X is disabled if the driver has not enabled it. The
 * synthetic interrupt of an interrupt that is allocated but not requested yet
 * is left pending.
 *
 * Does nothing for a device which is not incoming, not finished, or released.
 *
 * Context: As irq_liveupdate_finish().
 */
void irq_liveupdate_release(struct device *dev)
{
	irq_lu_release(dev, true);
}
EXPORT_SYMBOL_GPL(irq_liveupdate_release);

/* Returns whether there was any. */
static bool irq_lu_free_missing(void)
{
	struct irq_lu_in_dev *in, *next;
	bool found = false;

	guard(mutex)(&irq_lu_in.lock);

	list_for_each_entry_safe(in, next, &irq_liveupdate_incoming, node) {
		if (in->dev)
			continue;
		irq_lu_refuse(in, "nobody has claimed them");
		irq_lu_free_device(in);
		found = true;
	}
	return found;
}

/**
 * irq_liveupdate_revoke_absent - Revoke interrupts of devices that were not found
 *
 * The bus calls this when no further device can be claimed. Devices that were
 * found must be finished and released by the bus.
 *
 * Context: May sleep.
 */
void irq_liveupdate_revoke_absent(void)
{
	bool found = irq_lu_free_missing();

	irq_lu_end(found, found);
}

/**
 * irq_liveupdate_finish_units - Let all units report faults again
 *
 * Called by the bus, after irq_liveupdate_revoke_absent(). Devices that nobody has
 * claimed are stopped by now. If one still sends, that is a fault worth reporting.
 *
 * Context: Any that may sleep. A worker does it, later.
 */
void irq_liveupdate_finish_units(void)
{
	guard(mutex)(&irq_lu_in.lock);

	irq_lu_in.stopped = true;
	queue_work(system_dfl_wq, &irq_lu_report_work);
}
