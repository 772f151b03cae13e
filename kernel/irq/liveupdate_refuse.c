// SPDX-License-Identifier: GPL-2.0

/*
 * Interrupt live update, reporting of refusals: as a line in the log, as a
 * trace event with the same reason, and as the outcome of the live update of
 * the device, which can be read as long as this kernel runs.
 */

#include <linux/device.h>
#include <linux/export.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/stdarg.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "liveupdate_in.h"

#define CREATE_TRACE_POINTS
#include <trace/events/irq_liveupdate.h>

/* Size of the address of a PCI device, ffffffff:ff:1f.7 */
#define IRQ_LU_NAME_LEN		17

/*
 * The reasons why this kernel has not taken over, not returned, or stopped
 * devices. They are kept by address, because a record can be refused long
 * before its device is enumerated.
 */
static DEFINE_XARRAY(irq_lu_reasons);

/*
 * The outcome concerns the live update that started this kernel, so refusals
 * while this kernel hands over devices itself do not count. Only the first
 * reason is kept, because others follow from it. The allocation must not fail:
 * otherwise a refused device would look like one that was not handed over. It
 * is small, and there is at most one per device.
 */
static void irq_lu_remember(u32 segment, u16 devid, enum irq_liveupdate_step step,
			    const char *reason)
{
	char *copy;

	if (step < IRQ_LIVEUPDATE_TAKE_OVER)
		return;

	copy = kstrdup(reason, GFP_KERNEL | __GFP_NOFAIL);
	if (xa_insert(&irq_lu_reasons, irq_lu_key(segment, devid), copy,
		      GFP_KERNEL | __GFP_NOFAIL))
		kfree(copy);
}

/**
 * irq_liveupdate_was_refused - Find out whether this kernel refused a device, and why
 * @segment:	PCI segment of the device
 * @devid:	Its bus number << 8 | devfn
 * @reason:	Where to write the reason
 * @size:	Size of @reason
 *
 * Context: Process context.
 * Return: True if the device was handed over to this kernel, and was refused.
 */
bool irq_liveupdate_was_refused(u32 segment, u16 devid, char *reason, size_t size)
{
	const char *found;

	guard(spinlock)(&irq_lu_reasons.xa_lock);

	found = xa_load(&irq_lu_reasons, irq_lu_key(segment, devid));
	if (found)
		strscpy(reason, found, size);
	return found;
}

/**
 * irq_liveupdate_forget - Drop the outcome at an address that now has a different device
 * @segment:	PCI segment of the device
 * @devid:	Its bus number << 8 | devfn
 *
 * Context: May sleep.
 */
void irq_liveupdate_forget(u32 segment, u16 devid)
{
	kfree(xa_erase(&irq_lu_reasons, irq_lu_key(segment, devid)));
}

/**
 * irq_liveupdate_record_refusal - Trace and remember why a device is refused
 * @segment:	PCI segment of the device, which need not be enumerated
 * @devid:	Its bus number << 8 | devfn
 * @step:	The step at which it is refused
 * @reason:	Why. The caller has logged it.
 *
 * Context: May sleep.
 */
void irq_liveupdate_record_refusal(u32 segment, u16 devid, enum irq_liveupdate_step step,
				   const char *reason)
{
	char name[IRQ_LU_NAME_LEN];

	scnprintf(name, sizeof(name), "%04x:%02x:%02x.%d", segment, PCI_BUS_NUM(devid),
		  PCI_SLOT(devid), PCI_FUNC(devid));
	trace_irq_liveupdate_refuse(name, step, reason);
	irq_lu_remember(segment, devid, step, reason);
}

static const char * const irq_lu_refusals[] = {
	[IRQ_LIVEUPDATE_PRESERVE]	= "not preserved",
	[IRQ_LIVEUPDATE_FREEZE]		= "not frozen",
	[IRQ_LIVEUPDATE_BLOCK]		= "not blocked",
	[IRQ_LIVEUPDATE_TAKE_OVER]	= "not taken over",
	[IRQ_LIVEUPDATE_RETRIEVE]	= "not retrieved",
	[IRQ_LIVEUPDATE_STOP]		= "stopped",
};

/**
 * irq_liveupdate_report_refusal - Report why a device is not handed over or not taken over
 * @dev:	Device
 * @step:	The step at which it is refused
 * @fmt:	Why
 *
 * The reason is logged, traced, and remembered as the outcome for a PCI device.
 *
 * Context: May sleep.
 */
void irq_liveupdate_report_refusal(struct device *dev, enum irq_liveupdate_step step,
				   const char *fmt, ...)
{
	char reason[IRQ_LIVEUPDATE_REASON_LEN];
	va_list args;

	va_start(args, fmt);
	vscnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);

	dev_err(dev, "live update: %s: %s\n", irq_lu_refusals[step], reason);
	trace_irq_liveupdate_refuse(dev_name(dev), step, reason);
	if (!dev_is_pci(dev))
		return;
	/*
	 * A file may name a device that was already returned or was never handed over.
	 * The failure to retrieve that file says nothing about the device.
	 */
	if (step != IRQ_LIVEUPDATE_RETRIEVE || irq_liveupdate_is_incoming(dev))
		irq_lu_remember(pci_domain_nr(to_pci_dev(dev)->bus),
				pci_dev_id(to_pci_dev(dev)), step, reason);
}
EXPORT_SYMBOL_GPL(irq_liveupdate_report_refusal);
