// SPDX-License-Identifier: GPL-2.0

/**
 * DOC: Interrupt live update, taking over
 *
 * The kernel that takes over, in the order of events:
 *
 * 1. An interrupt remapping unit looks up its record while it is set up, long
 *    before LUO is initialized: irq_liveupdate_incoming_unit(). The first call
 *    loads and validates the whole state. The unit continues with the table of
 *    the previous kernel, and irq_liveupdate_take_over() reserves the table
 *    entries and irq numbers before any other interrupt can get them.
 *
 * 2. The bus finds a device that may have been handed over:
 *    irq_liveupdate_match().
 *
 * 3. The driver of the device allocates its interrupts as usual. The allocators
 *    ask irq_liveupdate_irq() and irq_liveupdate_handle() for the reserved
 *    number and index. The message composed from the same index is the one that
 *    the device already holds. Activation makes the entry present, and
 *    unmasking lets the device send its latched interrupts.
 *
 * 4. irq_liveupdate_finish(): each requested vector gets one synthetic
 *    interrupt, for interrupts that could not be latched. A vector that is not
 *    requested yet gets it upon request: irq_liveupdate_requested(). A number
 *    or an entry that is freed stays reserved for its vector.
 *
 * 5. irq_liveupdate_release(): the owner has closed the device. Unused
 *    reservations are released. A device whose vectors are all in use needs no
 *    release.
 *
 * 6. The live update ends with its last device, or by
 *    irq_liveupdate_revoke_absent() when no further device can be claimed: the
 *    memory of the previous kernel is freed, except for records that failed
 *    validation. Their memory is lost until the next reboot.
 *
 * 7. irq_liveupdate_finish_units(): the bus has stopped the devices that nobody
 *    has claimed. Table entries that nobody uses report faults again.
 *
 * Steps 4 to 7 are in liveupdate_finish.c.
 *
 * Records are not trusted. If anything is wrong with one, its device starts
 * cold, and everything else continues: irq_lu_refuse(). This protects against
 * damage and other versions. The content of the page tables that a device keeps
 * using is trusted, because no record says what they map.
 *
 * The interrupts that a refused device raised after the block were dropped
 * nevertheless, so each vector that its driver uses at FINISH gets a synthetic
 * interrupt, whether or not it was handed over.
 *
 * Locking: irq_lu_in.lock protects everything but the list of units, and nests
 * inside of the MSI descriptor lock and of irq_lu_in.units_lock. The allocators
 * run in any context and find the records of an irq number by RCU.
 */

#define pr_fmt(fmt) "irq_liveupdate: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/init.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/kexec_handover.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/msi.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "liveupdate_in.h"
#include "liveupdate_ser.h"

#include <trace/events/irq_liveupdate.h>

/* Far above what any machine has. Limits the size of irq_lu_state::records. */
#define IRQ_LU_NR_IRQS		BIT(20)

struct irq_lu_in irq_lu_in = {
	.lock		= __MUTEX_INITIALIZER(irq_lu_in.lock),
	.units_lock	= __MUTEX_INITIALIZER(irq_lu_in.units_lock),
};

/* List of struct irq_lu_in_dev, protected by irq_lu_in.lock. Empty most of the time. */
LIST_HEAD(irq_liveupdate_incoming);

bool irq_lu_enabled __ro_after_init = true;

static int __init irq_lu_setup(char *str)
{
	if (str && !strcmp(str, "off"))
		irq_lu_enabled = false;
	return 0;
}
early_param("irq_liveupdate", irq_lu_setup);

static DEFINE_HASHTABLE(irq_lu_unmatched, 8);
static DEFINE_HASHTABLE(irq_lu_matched, 8);

/*
 * Loading
 */

/* An address from a record is used only if KHO preserved the memory there. */
static void *irq_lu_map(u64 phys, size_t len)
{
	return kho_preserved_size(phys) >= len ? phys_to_virt(phys) : NULL;
}

/* KHO returns memory only once, so no other record can refer to it and free it. */
static void *irq_lu_take(u64 phys, size_t len)
{
	return irq_lu_map(phys, len) && kho_restore_folio(phys) ? phys_to_virt(phys) : NULL;
}

static void irq_lu_put(void *mem)
{
	folio_put(virt_to_folio(mem));
}

VISIBLE_IF_KUNIT const struct irq_lu_memory irq_lu_kho_memory = {
	.map	= irq_lu_map,
	.take	= irq_lu_take,
	.free	= irq_lu_put,
};

static const char *irq_lu_load_root(struct irq_lu_state *state, u64 phys, size_t size,
				    const struct irq_lu_memory *memory)
{
	struct irq_lu_device_ref_ser *dir;
	struct irq_lu_root_ser *root;
	const char *reason;

	root = memory->map(phys, size);
	if (!root)
		return "invalid address of the root";

	reason = irq_lu_ser_check_root_head(root, size);
	if (reason)
		return reason;

	/*
	 * No checksum covers the address of the root. Take the memory only once it is known
	 * to hold a root; otherwise it is in use for something else.
	 */
	if (!memory->take(phys, size))
		return "invalid address of the root";

	dir = memory->take(root->device_dir,
			   array_size(root->nr_devices, sizeof(*dir)) ?: 1);
	if (!dir)
		return "invalid address of the device directory";

	reason = irq_lu_ser_check_root(root, dir);
	if (reason)
		return reason;

	state->root = root;
	state->dir = dir;
	state->free = memory->free;
	return NULL;
}

static unsigned long irq_lu_address(const struct irq_lu_device_ser *ser)
{
	return irq_lu_key(ser->segment, ser->devid);
}

static struct irq_lu_in_dev *irq_lu_find_unmatched(unsigned long address)
{
	struct irq_lu_in_dev *in;

	lockdep_assert_held(&irq_lu_in.lock);

	hash_for_each_possible(irq_lu_unmatched, in, hash, address) {
		if (irq_lu_address(in->ser) == address)
			return in;
	}
	return NULL;
}

/* Only a record that is used is taken: other memory may be the table of a unit, for example. */
static const struct irq_lu_device_ser *
irq_lu_take_device(struct irq_lu_state *state, const struct irq_lu_device_ref_ser *ref,
		   const struct irq_lu_memory *memory, const char **reason)
{
	const struct irq_lu_device_ser *ser = memory->map(ref->blob, ref->len);

	if (!ser) {
		*reason = "invalid address of its record";
		return NULL;
	}

	*reason = irq_lu_ser_check_device(ser, ref->len, state->root);
	if (*reason)
		return NULL;

	if (irq_lu_find_unmatched(irq_lu_address(ser))) {
		*reason = "second record of its device";
		return NULL;
	}

	ser = memory->take(ref->blob, ref->len);
	if (!ser)
		*reason = "invalid address of its record";
	return ser;
}

static void irq_lu_count_irqs(struct irq_lu_state *state,
			      const struct irq_lu_device_ser *ser)
{
	unsigned int i;

	for (i = 0; i < ser->nr_vectors; i++) {
		if (ser->vectors[i].irq < IRQ_LU_NR_IRQS)
			state->nr_irqs = max(state->nr_irqs, ser->vectors[i].irq + 1);
	}
}

static const char *irq_lu_load_device(struct irq_lu_state *state,
				      struct irq_lu_device_ref_ser *ref,
				      const struct irq_lu_memory *memory)
{
	const struct irq_lu_device_ser *ser;
	struct irq_lu_in_dev *in;
	const char *reason;

	guard(mutex)(&irq_lu_in.lock);

	ser = irq_lu_take_device(state, ref, memory, &reason);
	if (!ser) {
		/* Nothing to free */
		ref->blob = 0;
		return reason;
	}

	in = kzalloc_obj(*in);
	if (!in)
		return "out of memory";

	in->ser = ser;
	irq_lu_count_irqs(state, ser);
	list_add_tail(&in->node, &irq_liveupdate_incoming);
	hash_add(irq_lu_unmatched, &in->hash, irq_lu_address(ser));
	return NULL;
}

/* All devices start cold. */
static void irq_lu_refuse_all(const char *reason)
{
	irq_lu_in.refused = reason;
	pr_err("interrupts not taken over: %s\n", reason);
}

/**
 * irq_lu_load - Load and validate the state of the previous kernel
 * @phys:	Physical address of the root
 * @size:	Size of the memory there
 * @memory:	How to map, take and free memory of the previous kernel
 *
 * Context: May sleep. Single threaded, while nothing is loaded.
 */
VISIBLE_IF_KUNIT void irq_lu_load(u64 phys, size_t size,
				  const struct irq_lu_memory *memory)
{
	struct irq_lu_state *state = kzalloc_obj(*state);
	const char *reason;
	unsigned int i;

	reason = state ? irq_lu_load_root(state, phys, size, memory) : "out of memory";
	if (reason) {
		irq_lu_refuse_all(reason);
		kfree(state);
		return;
	}

	for (i = 0; i < state->root->nr_devices; i++) {
		reason = irq_lu_load_device(state, &state->dir[i], memory);
		if (reason)
			pr_err("device %u not taken over: %s\n", i, reason);
	}
	state->records = kvcalloc(state->nr_irqs, sizeof(*state->records), GFP_KERNEL);
	rcu_assign_pointer(irq_lu_in.state, state);
}

VISIBLE_IF_KUNIT int irq_lu_find_root(phys_addr_t *phys, size_t *size)
{
	KUNIT_STATIC_STUB_REDIRECT(irq_lu_find_root, phys, size);

	return kho_retrieve_subtree(IRQ_LU_KHO_NODE, phys, size);
}

/*
 * First called while an interrupt remapping unit is set up, or from an initcall if there
 * is none. Both are single-threaded.
 */
static void irq_lu_load_once(void)
{
	phys_addr_t phys;
	size_t size;
	int ret;

	if (irq_lu_in.loaded)
		return;
	irq_lu_in.loaded = true;

	ret = irq_lu_find_root(&phys, &size);
	if (ret == -ENOENT)
		return;

	irq_lu_in.handed_over = true;
	if (!irq_lu_enabled)
		irq_lu_refuse_all("switched off on the command line");
	else if (ret)
		irq_lu_refuse_all("KHO node is damaged");
	else
		irq_lu_load(phys, size, &irq_lu_kho_memory);
}

/*
 * Reserving and refusing
 */

/**
 * irq_lu_is_reserved - Test whether irq number and table entry of a vector are reserved
 * @rec:	Record of the vector
 *
 * Context: Called with irq_lu_in.lock held.
 * Return: True until its reservation is released.
 */
bool irq_lu_is_reserved(const struct irq_lu_vector_ser *rec)
{
	struct irq_lu_state *state = irq_lu_get_state();

	return state && state->records && rec->irq < state->nr_irqs &&
	       state->records[rec->irq] == rec;
}

static int irq_lu_reserve_irq(const struct irq_lu_vector_ser *rec)
{
	struct irq_lu_state *state = irq_lu_get_state();

	if (rec->irq >= IRQ_LU_NR_IRQS || rec->irq < arch_dynirq_lower_bound(0))
		return -ERANGE;
	if (!state->records)
		return -ENOMEM;
	if (irq_to_desc(rec->irq) || state->records[rec->irq])
		return -EEXIST;

	WRITE_ONCE(state->records[rec->irq], rec);
	return 0;
}

/* From here on the number is either free or in ordinary use. */
static void irq_lu_release_irq(const struct irq_lu_vector_ser *rec)
{
	WRITE_ONCE(irq_lu_get_state()->records[rec->irq], NULL);
}

static int irq_lu_reserve_vectors(struct irq_lu_in_dev *in, const struct irq_lu_vector_ser *rec)
{
	const struct irq_domain_liveupdate_ops *ops = in->unit->ops->liveupdate;
	unsigned int nr = irq_lu_nr_at_once(in->ser);
	unsigned int i;
	int ret;

	ret = ops->reserve(in->unit, rec, nr);
	if (ret)
		return ret;

	for (i = 0; i < nr; i++) {
		ret = irq_lu_reserve_irq(&rec[i]);
		if (ret)
			goto release;
	}
	for (i = 0; i < nr; i++)
		trace_irq_liveupdate_reserve(in->ser, &rec[i]);
	return 0;

release:
	while (i--)
		irq_lu_release_irq(&rec[i]);
	ops->release(in->unit, rec, nr, true);
	return ret;
}

/**
 * irq_lu_release_vectors - End the reservation of vectors that were allocated together
 * @in:		Their device
 * @rec:	The first of their records
 * @revoke:	They are unused: free their numbers and table entries
 *
 * Context: May sleep, called with irq_lu_in.lock held.
 */
void irq_lu_release_vectors(struct irq_lu_in_dev *in, const struct irq_lu_vector_ser *rec,
			    bool revoke)
{
	unsigned int nr = irq_lu_nr_at_once(in->ser);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		irq_lu_release_irq(&rec[i]);
		if (revoke)
			trace_irq_liveupdate_revoke(in->ser, &rec[i]);
	}
	if (revoke)
		irq_lu_in.counters.revoked += nr;
	in->unit->ops->liveupdate->release(in->unit, rec, nr, revoke);
}

/**
 * irq_lu_revoke_device - Revoke all vectors of a device that are still reserved
 * @in:		The device, which uses none of them
 *
 * Context: May sleep, called with irq_lu_in.lock held.
 * Return: Their number.
 */
unsigned int irq_lu_revoke_device(struct irq_lu_in_dev *in)
{
	unsigned int nr = irq_lu_nr_at_once(in->ser);
	unsigned int i, revoked = 0;

	for (i = 0; i < in->ser->nr_vectors; i += nr) {
		if (!irq_lu_is_reserved(&in->ser->vectors[i]))
			continue;
		irq_lu_release_vectors(in, &in->ser->vectors[i], true);
		revoked += nr;
	}
	return revoked;
}

static void irq_lu_log_refused(const struct irq_lu_device_ser *ser, const char *reason)
{
	pr_err("%04x:%02x:%02x.%d: interrupts not taken over: %s\n", ser->segment,
	       PCI_BUS_NUM(ser->devid), PCI_SLOT(ser->devid), PCI_FUNC(ser->devid), reason);
	irq_liveupdate_record_refusal(ser->segment, ser->devid, IRQ_LIVEUPDATE_TAKE_OVER, reason);
}

/**
 * irq_lu_refuse - Let a device start cold
 * @in:		The device, which uses none of its reserved vectors
 * @reason:	Why
 *
 * A device is never taken over partially: either all of its interrupts get
 * their reserved numbers and entries, or none does.
 *
 * Context: May sleep, called with irq_lu_in.lock held.
 */
void irq_lu_refuse(struct irq_lu_in_dev *in, const char *reason)
{
	lockdep_assert_held(&irq_lu_in.lock);

	if (in->refused)
		return;

	irq_lu_log_refused(in->ser, reason);
	irq_lu_revoke_device(in);
	in->refused = true;
}

static void irq_lu_reserve_device(struct irq_lu_in_dev *in)
{
	unsigned int nr = irq_lu_nr_at_once(in->ser);
	unsigned int i;

	for (i = 0; i < in->ser->nr_vectors; i += nr) {
		int ret = irq_lu_reserve_vectors(in, &in->ser->vectors[i]);

		if (ret) {
			irq_lu_refuse(in, ret == -EEXIST ? "irq number or table entry is taken" :
					  ret == -ERANGE ? "irq number out of range" :
					  ret == -ENOMEM ? "out of memory" :
					  "table entry does not match its record");
			return;
		}
	}
}

/*
 * Without a unit, the messages of the device would be taken for vectors. MSI-X
 * stays masked until its driver sets it up, but MSI may have no mask bits, so
 * disable it.
 */
static void irq_lu_disable_unremapped(struct irq_lu_in_dev *in)
{
	if (in->dev && !in->unit && in->ser->msi_type == IRQ_LU_MSI)
		in->ops->disable(in->dev);
}

static bool irq_lu_is_behind(struct irq_lu_in_dev *in, u32 unit)
{
	return in->ser->nr_vectors && in->ser->vectors[0].unit == unit;
}

/**
 * irq_liveupdate_handed_over - Test whether the previous kernel left interrupt state
 *
 * This is true even if the state was refused. Interrupt remapping must not be
 * disabled in that case, because devices are running, and a message meant for
 * remapping would be taken for a vector.
 *
 * Context: Any. The first call may sleep, see irq_liveupdate_incoming_unit().
 * Return: True if there is such state.
 */
bool irq_liveupdate_handed_over(void)
{
	KUNIT_STATIC_STUB_REDIRECT(irq_liveupdate_handed_over);

	irq_lu_load_once();
	return irq_lu_in.handed_over;
}

/**
 * irq_liveupdate_incoming_unit - Find the record of an interrupt remapping unit
 * @backend:	What kind of unit it is, IRQ_LU_BACKEND_*
 * @segment:	PCI segment of the unit
 * @reg_base:	Physical address of its registers
 *
 * The first call is made while a unit is set up, before any other CPU is up.
 *
 * Context: May sleep.
 * Return: The record, which may be used until the live update is over, or NULL if the unit
 * was not handed over, or if the live update is over.
 */
const struct irq_lu_unit_ser *
irq_liveupdate_incoming_unit(u32 backend, u32 segment, u64 reg_base)
{
	const struct irq_lu_unit_ser *unit;
	struct irq_lu_state *state;
	unsigned int i;

	KUNIT_STATIC_STUB_REDIRECT(irq_liveupdate_incoming_unit, backend, segment, reg_base);

	irq_lu_load_once();

	guard(mutex)(&irq_lu_in.lock);

	state = irq_lu_get_state();
	for (i = 0; state && i < state->root->nr_units; i++) {
		unit = &state->root->units[i];
		if (unit->backend == backend && unit->segment == segment &&
		    unit->reg_base == reg_base)
			return unit;
	}
	return NULL;
}

static u32 irq_lu_unit_number(const struct irq_lu_unit_ser *unit)
{
	return unit - irq_lu_get_state()->root->units;
}

/**
 * irq_liveupdate_refuse_unit - Do not take over a unit, or give it up
 * @unit:	Record of the unit
 * @reason:	Why
 *
 * All devices behind the unit start cold. Its irq domain is no longer used.
 *
 * Does nothing once the live update is over.
 *
 * Context: May sleep.
 */
void irq_liveupdate_refuse_unit(const struct irq_lu_unit_ser *unit,
				const char *reason)
{
	struct irq_lu_in_dev *in;
	u32 number;

	KUNIT_STATIC_STUB_REDIRECT(irq_liveupdate_refuse_unit, unit, reason);

	guard(mutex)(&irq_lu_in.lock);

	if (!irq_lu_get_state())
		return;

	number = irq_lu_unit_number(unit);
	list_for_each_entry(in, &irq_liveupdate_incoming, node) {
		if (!irq_lu_is_behind(in, number))
			continue;
		irq_lu_refuse(in, reason);
		in->unit = NULL;
		irq_lu_disable_unremapped(in);
	}
}

/**
 * irq_liveupdate_take_over - Reserve the interrupts that were handed over behind a unit
 * @unit:	Record of the unit
 * @domain:	Irq domain of the unit
 *
 * Table entries and irq numbers are reserved for their devices. The reserve()
 * method of the unit is called for each group of entries that were allocated
 * together. The caller clears all other entries afterwards.
 *
 * Context: May sleep.
 */
void irq_liveupdate_take_over(const struct irq_lu_unit_ser *unit,
			      struct irq_domain *domain)
{
	struct irq_lu_in_dev *in;
	u32 number;

	KUNIT_STATIC_STUB_REDIRECT(irq_liveupdate_take_over, unit, domain);

	guard(mutex)(&irq_lu_in.lock);

	trace_irq_liveupdate_take_over(unit);
	number = irq_lu_unit_number(unit);
	list_for_each_entry(in, &irq_liveupdate_incoming, node) {
		if (!irq_lu_is_behind(in, number) || in->refused)
			continue;
		in->unit = domain;
		irq_lu_reserve_device(in);
	}
}

/**
 * irq_liveupdate_add_unit - Register a unit that suppresses faults until FINISH
 * @domain:	Irq domain of the unit, whether it was handed over or not
 *
 * Devices which the previous kernel has left running must not fill the log before it
 * is known whether somebody claims them. The &irq_domain_liveupdate_ops.finish of the
 * unit is called then.
 *
 * Context: May sleep.
 */
void irq_liveupdate_add_unit(struct irq_domain *domain)
{
	struct irq_domain **units;

	KUNIT_STATIC_STUB_REDIRECT(irq_liveupdate_add_unit, domain);

	guard(mutex)(&irq_lu_in.units_lock);

	units = krealloc_array(irq_lu_in.units, irq_lu_in.nr_units + 1, sizeof(*units),
			       GFP_KERNEL);
	if (!units) {
		pr_err("%s: does not report all faults: out of memory\n", domain->name);
		return;
	}
	units[irq_lu_in.nr_units++] = domain;
	irq_lu_in.units = units;
}

/**
 * irq_liveupdate_remove_unit - Unregister a unit
 * @domain:	Irq domain of the unit, whether it was added or not
 *
 * Context: May sleep. Its methods are not called from now on.
 */
void irq_liveupdate_remove_unit(struct irq_domain *domain)
{
	unsigned int i;

	guard(mutex)(&irq_lu_in.units_lock);

	for (i = 0; i < irq_lu_in.nr_units; i++) {
		if (irq_lu_in.units[i] == domain) {
			irq_lu_in.units[i] = irq_lu_in.units[--irq_lu_in.nr_units];
			return;
		}
	}
}

/* All units are set up by now. A unit that has not looked up its record is missing. */
static int __init irq_lu_refuse_missing(void)
{
	struct irq_lu_in_dev *in;

	irq_lu_load_once();

	guard(mutex)(&irq_lu_in.lock);

	list_for_each_entry(in, &irq_liveupdate_incoming, node) {
		if (!in->unit && in->ser->nr_vectors)
			irq_lu_refuse(in, "its interrupt remapping unit is missing");
	}
	return 0;
}
core_initcall(irq_lu_refuse_missing);

/*
 * Devices
 */

/**
 * irq_lu_find_matched - Find the state of a device that was matched
 * @dev:	Device
 *
 * Context: Called with irq_lu_in.lock held.
 * Return: Its state, or NULL if it was not handed over, or is released.
 */
struct irq_lu_in_dev *irq_lu_find_matched(struct device *dev)
{
	struct irq_lu_in_dev *in;

	lockdep_assert_held(&irq_lu_in.lock);

	hash_for_each_possible(irq_lu_matched, in, hash, (unsigned long)dev) {
		if (in->dev == dev)
			return in;
	}
	return NULL;
}

/**
 * irq_liveupdate_is_incoming - Test whether the live update of a device is in progress
 * @dev:	Device
 *
 * Context: May sleep.
 * Return: True from irq_liveupdate_match() to irq_liveupdate_finish().
 */
bool irq_liveupdate_is_incoming(struct device *dev)
{
	struct irq_lu_in_dev *in;

	KUNIT_STATIC_STUB_REDIRECT(irq_liveupdate_is_incoming, dev);

	guard(mutex)(&irq_lu_in.lock);

	in = irq_lu_find_matched(dev);
	return in && !in->finished;
}

/*
 * If there are no records at all, the reason was logged when they were loaded.
 * If only the record of this device is missing, it was invalid, and when that
 * was logged it was not known to which device it belongs.
 */
static void irq_lu_refuse_unrecorded(const struct irq_lu_device_ser *found)
{
	if (irq_lu_in.refused)
		irq_liveupdate_record_refusal(found->segment, found->devid,
					      IRQ_LIVEUPDATE_TAKE_OVER, irq_lu_in.refused);
	else
		irq_lu_log_refused(found, "no valid record of its interrupts");
}

static struct irq_lu_in_dev *irq_lu_add_unrecorded(const struct irq_lu_device_ser *found)
{
	struct irq_lu_in_dev *in = kzalloc_obj(*in);

	irq_lu_refuse_unrecorded(found);
	if (!in)
		return NULL;

	in->none = *found;
	in->ser = &in->none;
	in->refused = true;
	list_add_tail(&in->node, &irq_liveupdate_incoming);
	return in;
}

static const char *irq_lu_compare(const struct irq_lu_device_ser *found,
				  const struct irq_lu_device_ser *ser)
{
	if (found->vendor != ser->vendor || found->device != ser->device)
		return "another device is at its address";
	if (found->hdr_type != ser->hdr_type)
		return "header type differs";
	if (found->msi_type != ser->msi_type || found->hwsize != ser->hwsize)
		return "MSI capability differs";
	return NULL;
}

/**
 * irq_liveupdate_match - Find the record of a device that was handed over
 * @dev:	Device that, according to the bus, was handed over. It has no driver
 *		yet.
 * @ops:	Methods of its bus
 *
 * Without a valid record the device starts cold. It is incoming until
 * irq_liveupdate_finish(), unless it has neither MSI nor MSI-X, or memory is
 * short.
 *
 * Context: May sleep.
 */
void irq_liveupdate_match(struct device *dev,
			  const struct irq_liveupdate_dev_ops *ops)
{
	struct irq_lu_device_ser found = { };
	struct irq_lu_in_dev *in;
	const char *reason;

	guard(mutex)(&irq_lu_in.lock);

	if (ops->identify(dev, &found))
		return;

	in = irq_lu_find_unmatched(irq_lu_address(&found)) ?: irq_lu_add_unrecorded(&found);
	if (!in)
		return;

	in->dev = get_device(dev);
	in->ops = ops;
	hash_del(&in->hash);
	hash_add(irq_lu_matched, &in->hash, (unsigned long)dev);
	reason = irq_lu_compare(&found, in->ser);
	if (reason)
		irq_lu_refuse(in, reason);
	irq_lu_disable_unremapped(in);
}

/* The driver may have disabled its interrupts, and enable different ones now. */
static const char *irq_lu_check_request(struct irq_lu_in_dev *in, struct msi_desc *desc)
{
	bool wants_msix = desc->pci.msi_attrib.is_msix;
	bool has_msix = in->ser->msi_type == IRQ_LU_MSIX;

	if (wants_msix != has_msix)
		return "driver uses the other MSI type";
	if (!wants_msix && desc->nvec_used != in->ser->nr_vectors)
		return "driver uses another number of MSI messages";
	return NULL;
}

/* A caller that asks for a number by value may have got a reserved one. */
static bool irq_lu_is_free(const struct irq_lu_vector_ser *rec, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!irq_lu_is_reserved(&rec[i]) || irq_to_desc(rec[i].irq))
			return false;
	}
	return true;
}

/* Called when the driver allocates interrupts: only now are device and unit known. */
static const char *irq_lu_check_device(struct irq_lu_in_dev *in)
{
	if (in->checked)
		return NULL;
	if (!irq_lu_is_free(in->ser->vectors, in->ser->nr_vectors))
		return "irq number is taken";
	/* Fixups that add aliases have run by now. */
	if (in->ops->requester_id(in->dev) != in->ser->requester_id)
		return "requester id differs";
	if (irq_lu_find_unit(dev_get_msi_domain(in->dev)) != in->unit)
		return "device is behind another interrupt remapping unit";
	if (!in->unit->ops->liveupdate->check(in->unit, in->dev, &in->ser->vectors[0]))
		return "source id of its table entries differs";
	in->checked = true;
	return NULL;
}

/*
 * A driver that changes its interrupts after FINISH has adopted them before. It configures
 * the device again, so it gets no synthetic interrupt, and the outcome stays.
 */
static void irq_lu_reject_request(struct irq_lu_in_dev *in, const char *reason)
{
	if (in->finished && in->checked)
		irq_lu_revoke_device(in);
	else
		irq_lu_refuse(in, reason);
}

bool __irq_liveupdate_reserved(struct device *dev)
{
	struct irq_lu_in_dev *in;

	guard(mutex)(&irq_lu_in.lock);

	in = irq_lu_find_matched(dev);
	return in && in->ser->nr_vectors && irq_lu_is_reserved(&in->ser->vectors[0]);
}

int __irq_liveupdate_irq(struct device *dev, struct msi_desc *desc)
{
	const struct irq_lu_vector_ser *rec;
	const char *reason = NULL;
	struct irq_lu_in_dev *in;
	unsigned int i;

	guard(mutex)(&irq_lu_in.lock);

	in = irq_lu_find_matched(dev);
	if (!in)
		return -1;

	if (!in->refused && in->ser->nr_vectors) {
		reason = irq_lu_check_request(in, desc) ?: irq_lu_check_device(in);
		if (reason)
			irq_lu_reject_request(in, reason);
	}
	if (in->refused || reason) {
		in->ops->disable(dev);
		return -1;
	}

	rec = irq_lu_ser_find_vector(in->ser, desc->msi_index);
	if (!rec || !irq_lu_is_free(rec, desc->nvec_used))
		return -1;

	for (i = 0; i < desc->nvec_used; i++)
		trace_irq_liveupdate_adopt(in->ser, &rec[i]);
	return rec->irq;
}

static const struct irq_lu_vector_ser *irq_lu_find_record(unsigned int irq)
{
	struct irq_lu_state *state = rcu_dereference(irq_lu_in.state);

	if (!state || !state->records || irq >= state->nr_irqs)
		return NULL;
	return READ_ONCE(state->records[irq]);
}

int __irq_liveupdate_handle(unsigned int irq)
{
	const struct irq_lu_vector_ser *rec;

	guard(rcu)();
	rec = irq_lu_find_record(irq);
	return rec ? rec->handle : -1;
}

int __irq_liveupdate_target(unsigned int irq, u32 *target)
{
	const struct irq_lu_vector_ser *rec;

	guard(rcu)();
	rec = irq_lu_find_record(irq);
	if (!rec)
		return -ENOENT;
	*target = rec->target;
	return 0;
}

bool __irq_liveupdate_skip(int *start, unsigned int cnt)
{
	unsigned int irq = *start;

	guard(rcu)();

	if (*start < 0)
		return false;

	while (cnt && !irq_lu_find_record(irq)) {
		irq++;
		cnt--;
	}
	if (!cnt)
		return false;

	while (irq_lu_find_record(irq))
		irq++;
	*start = irq;
	return true;
}
