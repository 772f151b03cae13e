/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCI live update, shared by the half that hands over (liveupdate.c) and the
 * half that takes over (liveupdate_in.c for the list, liveupdate_device.c for the
 * devices).
 */

#ifndef _DRIVERS_PCI_LIVEUPDATE_H
#define _DRIVERS_PCI_LIVEUPDATE_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>

#include "pci.h"

struct liveupdate_flb_op_args;
struct liveupdate_flb_ops;
struct notifier_block;
struct pci_lu_dev_ser;
struct work_struct;
struct xarray;

/* Protects the outgoing list and the incoming devices. Nests inside of the device lock. */
extern struct mutex pci_lu_lock;
extern bool (*pci_lu_handler_find_obstacle)(struct pci_dev *pdev, char *reason, size_t size);

extern const struct liveupdate_flb_ops pci_lu_flb_ops;

/* The device on which another one depends: its physical function, or the bridge above */
static inline struct pci_dev *pci_lu_above(struct pci_dev *pdev)
{
	return pdev->is_virtfn ? pci_physfn(pdev) : pci_upstream_bridge(pdev);
}

/* Is a device incoming, or one whose virtual functions are? */
static inline bool pci_lu_protected(struct pci_dev *pdev)
{
	return READ_ONCE(pdev->priv_flags) & (BIT(PCI_DEV_LIVEUPDATE_INCOMING) |
					      BIT(PCI_DEV_LIVEUPDATE_VFS_INCOMING));
}

/* Neither a bridge, nor a device with the class of one */
static inline bool pci_lu_is_endpoint(struct pci_dev *pdev)
{
	return pdev->hdr_type == PCI_HEADER_TYPE_NORMAL &&
	       pdev->class >> 16 != PCI_BASE_CLASS_BRIDGE;
}

void pci_lu_describe(struct pci_dev *pdev, struct pci_lu_dev_ser *dev);

/* liveupdate_in.c: the list */
void pci_lu_forget(struct pci_dev *pdev);
const char *pci_lu_changed(struct pci_dev *pdev, struct pci_dev **where);
const char *pci_lu_too_late(struct pci_dev *pdev);
void pci_lu_finish_iommus(void);
int pci_flb_retrieve(struct liveupdate_flb_op_args *args);
void pci_flb_finish(struct liveupdate_flb_op_args *args);
void pci_flb_abandon(struct liveupdate_flb_op_args *args);

/* liveupdate_device.c: incoming devices */
int pci_lu_register_notifiers(void);
void pci_lu_stop_unclaimed(struct pci_dev *pdev, const char *reason);

#if IS_ENABLED(CONFIG_KUNIT)
extern struct xarray pci_lu_in_devices;
extern bool pci_lu_in_lost;
void pci_lu_report_refused(const struct pci_lu_dev_ser *dev, const char *reason);
const char *pci_lu_load(u64 pa);
void pci_lu_unload(void);
extern struct work_struct pci_lu_probe_work;
int pci_lu_sleep(struct notifier_block *nb, unsigned long action, void *unused);
int pci_lu_added(struct notifier_block *nb, unsigned long action, void *data);
void pci_lu_forget_absent(void);
#endif

#endif /* _DRIVERS_PCI_LIVEUPDATE_H */
