/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCI live update, shared by the half that hands over (liveupdate.c) and the
 * half that takes over (liveupdate_in.c).
 */

#ifndef _DRIVERS_PCI_LIVEUPDATE_H
#define _DRIVERS_PCI_LIVEUPDATE_H

#include <linux/mutex.h>
#include <linux/pci.h>

struct liveupdate_flb_op_args;
struct liveupdate_flb_ops;
struct notifier_block;
struct pci_lu_dev_ser;
struct work_struct;

/* Protects the outgoing list and the incoming devices. Nests inside of the device lock. */
extern struct mutex pci_lu_lock;
extern bool (*pci_lu_handler_find_obstacle)(struct pci_dev *pdev, char *reason, size_t size);

extern const struct liveupdate_flb_ops pci_liveupdate_flb_ops;

/* The device on which another one depends: its physical function, or the bridge above */
static inline struct pci_dev *pci_lu_above(struct pci_dev *pdev)
{
	return pdev->is_virtfn ? pci_physfn(pdev) : pci_upstream_bridge(pdev);
}

void pci_lu_describe(struct pci_dev *pdev, struct pci_lu_dev_ser *dev);

int pci_flb_retrieve(struct liveupdate_flb_op_args *args);
void pci_flb_finish(struct liveupdate_flb_op_args *args);
void pci_flb_abandon(struct liveupdate_flb_op_args *args);

#if IS_ENABLED(CONFIG_KUNIT)
extern struct work_struct pci_lu_probe_work;
int pci_lu_sleep(struct notifier_block *nb, unsigned long action, void *unused);
int pci_lu_added(struct notifier_block *nb, unsigned long action, void *data);
void pci_lu_forget_absent(void);
#endif

#endif /* _DRIVERS_PCI_LIVEUPDATE_H */
