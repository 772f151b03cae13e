// SPDX-License-Identifier: GPL-2.0

/*
 * Interrupt live update, its end in the kernel which has taken over: synthetic
 * interrupts, what nobody came for is revoked, the memory of the previous
 * kernel is freed. See liveupdate_in.c.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/msi.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>

#include <trace/events/irq_liveupdate.h>

#include "internals.h"
#include "liveupdate_in.h"

/* Synthetic interrupts which a CPU gets without a break */
#define IRQ_LU_BURST	16

/* Those which were sent to a CPU since boot, protected by irq_lu_in.lock */
static DEFINE_PER_CPU(unsigned int, irq_lu_nr_sent);

const char * const irq_lu_injections[] = {
	[IRQ_LU_SENT]		= "sent",
	[IRQ_LU_PENDING]	= "pending",
	[IRQ_LU_REPLAY]		= "replay",
};

/*
 * An interrupt which is not started has no vector to which it could be sent,
 * and a disabled one must not reach its handler: it is left pending, for the
 * request or the enable to come. Where a resend is already on its way the
 * handler runs for that one, which is as good.
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

/* Returns how, or %IRQ_LU_INJECTIONS when there is no such interrupt. */
static enum irq_lu_injection irq_lu_inject_irq(unsigned int irq, unsigned int *cpu)
{
	scoped_irqdesc_get_and_buslock(irq, 0) {
		struct irq_data *irqd = &scoped_irqdesc->irq_data;
		bool was_pending = scoped_irqdesc->istate & IRQS_PENDING;
		enum irq_lu_injection how = irq_lu_inject_locked(scoped_irqdesc);

		irq_lu_in.counters.was_pending += was_pending;
		irq_lu_in.counters.injected[how]++;
		trace_irq_liveupdate_inject(irq, scoped_irqdesc->tot_count, was_pending,
					    irq_lu_injections[how]);
		*cpu = cpumask_first(irq_data_get_effective_affinity_mask(irqd));
		return how;
	}
	return IRQ_LU_INJECTIONS;
}

static int irq_lu_nothing(void *unused)
{
	return 0;
}

/*
 * Until the CPU has handled what it has got: its stopper does not run while an
 * interrupt is pending, and does not wait for any task.
 */
VISIBLE_IF_KUNIT void irq_lu_break(unsigned int cpu)
{
	KUNIT_STATIC_STUB_REDIRECT(irq_lu_break, cpu);
	stop_one_cpu(cpu, irq_lu_nothing, NULL);
}

/*
 * Sending is faster than handling, and all of them may go to one CPU, which then
 * does nothing else. Returns whether there is such an interrupt.
 */
static bool irq_lu_inject(unsigned int irq)
{
	unsigned int cpu = nr_cpu_ids;
	enum irq_lu_injection how = irq_lu_inject_irq(irq, &cpu);

	if (how == IRQ_LU_SENT && cpu < nr_cpu_ids &&
	    ++per_cpu(irq_lu_nr_sent, cpu) % IRQ_LU_BURST == 0)
		irq_lu_break(cpu);
	return how < IRQ_LU_INJECTIONS;
}

static void irq_lu_finish_device(struct irq_lu_in_dev *in)
{
	unsigned int i, nr, injected = 0, revoked = 0;
	const struct irq_lu_vector_ser *rec;

	while ((rec = irq_lu_pop_vectors(in, &nr))) {
		/*
		 * Nobody but the vector it is reserved for can have the number,
		 * and vectors which are allocated at once are freed at once.
		 */
		bool in_use = irq_lu_inject(rec->irq);

		for (i = 1; in_use && i < nr; i++)
			irq_lu_inject(rec[i].irq);
		irq_lu_release_vectors(in, rec, nr, !in_use);
		if (in_use)
			injected += nr;
		else
			revoked += nr;
	}
	dev_info(in->dev, "irq_liveupdate: finished: %u synthetic interrupts, %u vectors revoked\n",
		 injected, revoked);
}

static void irq_lu_free_device(struct irq_lu_in_dev *in)
{
	list_del(&in->node);
	hash_del(&in->hash);
	put_device(in->dev);
	kfree(in);
}

static void irq_lu_free_reserved(void)
{
	irq_lock_sparse();
	bitmap_free(irq_lu_in.reserved);
	irq_lu_in.reserved = NULL;
	irq_unlock_sparse();
}

static void irq_lu_free_memory(void)
{
	const struct irq_lu_vector_ser **records = irq_lu_in.records;
	unsigned int i;

	/* The allocators may still look at a record. */
	WRITE_ONCE(irq_lu_in.records, NULL);
	synchronize_rcu();
	irq_lu_in.nr_irqs = 0;
	kvfree(records);

	for (i = 0; i < irq_lu_in.root->nr_devices; i++) {
		if (irq_lu_in.table[i].blob)
			irq_lu_in.free(phys_to_virt(irq_lu_in.table[i].blob));
	}
	irq_lu_in.free(irq_lu_in.table);
	irq_lu_in.free(irq_lu_in.root);
	irq_lu_in.table = NULL;
	irq_lu_in.root = NULL;
}

/* The live update ends with its last device. */
static void irq_lu_end(void)
{
	scoped_guard(mutex, &irq_lu_in.lock) {
		if (!irq_lu_in.root || !list_empty(&irq_lu_in.devices))
			return;
		irq_lu_free_reserved();
		irq_lu_free_memory();
	}
	/* Takes the lock of CPU hotplug, and therefore not inside of ours. */
	static_branch_disable(&irq_liveupdate_placing);
}

/* Before FINISH, while all is as it was handed over and adopted. Says itself what differs. */
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

static void irq_lu_finish_locked(struct device *dev)
{
	struct irq_lu_in_dev *in;

	guard(mutex)(&irq_lu_in.lock);

	in = irq_lu_find_matched(dev);
	if (!in)
		return;

	if (!in->refused)
		irq_lu_finish_device(in);
	irq_lu_free_device(in);
}

/**
 * irq_liveupdate_finish - End the live update of a device
 * @dev:	Device
 *
 * One synthetic interrupt is delivered for each interrupt which was handed over
 * and is in use, because nobody knows whether the device raised one when it
 * could not be delivered. Interrupts nobody asked for are revoked: table entry
 * and number are free for others.
 *
 * Context: May sleep. The driver may use the device at the same time. The caller
 * makes sure that it is neither bound nor unbound. The MSI descriptors of @dev
 * must not be locked.
 */
void irq_liveupdate_finish(struct device *dev)
{
	if (IS_ENABLED(CONFIG_IRQ_LIVEUPDATE_DEBUG))
		irq_lu_audit_incoming(dev);

	if (dev->msi.data) {
		/* What is in use stays in use, and the other way round. */
		guard(msi_descs_lock)(dev);
		irq_lu_finish_locked(dev);
	} else {
		irq_lu_finish_locked(dev);
	}
	irq_lu_end();
}

static struct device *irq_lu_get_matched(void)
{
	struct irq_lu_in_dev *in;

	guard(mutex)(&irq_lu_in.lock);

	list_for_each_entry(in, &irq_lu_in.devices, node) {
		if (in->dev)
			return get_device(in->dev);
	}
	return NULL;
}

static void irq_lu_free_missing(void)
{
	struct irq_lu_in_dev *in, *next;

	guard(mutex)(&irq_lu_in.lock);

	list_for_each_entry_safe(in, next, &irq_lu_in.devices, node) {
		irq_lu_refuse(in, "nobody has claimed them");
		irq_lu_free_device(in);
	}
}

/**
 * irq_liveupdate_finish_rest - End the live update of all devices
 *
 * For the bus, when it knows that no further device can be claimed. Devices
 * which were found but not finished are finished, the interrupts of all others
 * are revoked.
 *
 * Context: May sleep. Neither devices nor their MSI descriptors may be locked.
 */
void irq_liveupdate_finish_rest(void)
{
	struct device *dev;

	while ((dev = irq_lu_get_matched())) {
		/* Against its driver, whose MSI descriptors end with it */
		scoped_guard(device, dev)
			irq_liveupdate_finish(dev);
		put_device(dev);
	}
	irq_lu_free_missing();
	irq_lu_end();
}
