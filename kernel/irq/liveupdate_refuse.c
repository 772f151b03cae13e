// SPDX-License-Identifier: GPL-2.0

/*
 * Interrupt live update, how a refusal is told: in the log for people, with the same
 * reason as a trace event for tools.
 */

#include <linux/array_size.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/sprintf.h>
#include <linux/stdarg.h>

#include "liveupdate_in.h"

#define CREATE_TRACE_POINTS
#include <trace/events/irq_liveupdate.h>

/* Longer than any reason that the kernel gives */
#define IRQ_LU_REASON_LEN	128

static const char * const irq_lu_refusals[] = {
	[IRQ_LIVEUPDATE_PRESERVE]	= "not preserved",
	[IRQ_LIVEUPDATE_FREEZE]		= "not frozen",
	[IRQ_LIVEUPDATE_BLOCK]		= "not blocked",
	[IRQ_LIVEUPDATE_TAKE_OVER]	= "not taken over",
	[IRQ_LIVEUPDATE_RETRIEVE]	= "not retrieved",
	[IRQ_LIVEUPDATE_STOP]		= "stopped",
};

/**
 * irq_liveupdate_refuse - Say why a device is not handed over, or not taken over
 * @dev:	Device
 * @step:	What it is refused at
 * @fmt:	Why
 *
 * For those who know more of a device than its interrupts: its bus, its IOMMU, its
 * driver.
 *
 * Context: May sleep.
 */
void irq_liveupdate_refuse(struct device *dev, enum irq_liveupdate_step step,
			   const char *fmt, ...)
{
	char reason[IRQ_LU_REASON_LEN];
	va_list args;

	va_start(args, fmt);
	vscnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);

	dev_err(dev, "live update: %s: %s\n", irq_lu_refusals[step], reason);
	trace_irq_liveupdate_refuse(dev_name(dev), step, reason);
}
EXPORT_SYMBOL_GPL(irq_liveupdate_refuse);
