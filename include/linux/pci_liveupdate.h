/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_PCI_LIVEUPDATE_H
#define _LINUX_PCI_LIVEUPDATE_H

#include <linux/errno.h>
#include <linux/types.h>

struct irq_liveupdate_dev_ops;
struct liveupdate_file_handler;
struct liveupdate_flb_ops;
struct pci_dev;
struct pci_driver;

#ifdef CONFIG_PCI_LIVEUPDATE
int pci_liveupdate_register_flb(struct liveupdate_file_handler *fh);

int pci_liveupdate_preserve(struct pci_dev *pdev);
void pci_liveupdate_unpreserve(struct pci_dev *pdev);
bool pci_liveupdate_outgoing(struct pci_dev *pdev);

void pci_liveupdate_setup_device(struct pci_dev *pdev);
bool pci_liveupdate_incoming(struct pci_dev *pdev);
bool pci_liveupdate_may_bind(struct pci_dev *pdev, struct pci_driver *drv);
int pci_liveupdate_retrieve(struct pci_dev *pdev);
bool pci_liveupdate_retrieved(struct pci_dev *pdev);
void pci_liveupdate_finish(struct pci_dev *pdev);
#if IS_ENABLED(CONFIG_KUNIT)
extern struct xarray pci_lu_in_devices;
extern const struct liveupdate_flb_ops pci_liveupdate_flb_ops;
const char *pci_lu_load(u64 pa);
void pci_lu_unload(void);
#endif
#else
static inline bool pci_liveupdate_outgoing(struct pci_dev *pdev)
{
	return false;
}

static inline void pci_liveupdate_setup_device(struct pci_dev *pdev)
{
}

static inline bool pci_liveupdate_incoming(struct pci_dev *pdev)
{
	return false;
}

static inline bool pci_liveupdate_may_bind(struct pci_dev *pdev,
					   struct pci_driver *drv)
{
	return true;
}
#endif /* CONFIG_PCI_LIVEUPDATE */

#ifdef CONFIG_IRQ_LIVEUPDATE
int pci_msi_liveupdate_preserve(struct pci_dev *pdev);
void pci_msi_liveupdate_unpreserve(struct pci_dev *pdev);
int pci_msi_liveupdate_freeze(struct pci_dev *pdev);
void pci_msi_liveupdate_unfreeze(struct pci_dev *pdev);
void pci_msi_liveupdate_match(struct pci_dev *pdev);
bool pci_msi_liveupdate_placed(struct pci_dev *pdev);
int pci_msi_liveupdate_audit(struct pci_dev *pdev);
void pci_msi_liveupdate_finish(struct pci_dev *pdev);
void pci_msi_liveupdate_finish_rest(void);
#if IS_ENABLED(CONFIG_KUNIT)
extern const struct irq_liveupdate_dev_ops pci_msi_liveupdate_ops;
#endif
#else
/*
 * Bus mastering stays on through the jump, so nobody may hand over a device
 * whose interrupts would go on unattended.
 */
static inline int pci_msi_liveupdate_preserve(struct pci_dev *pdev)
{
	return -EOPNOTSUPP;
}

static inline void pci_msi_liveupdate_unpreserve(struct pci_dev *pdev)
{
}

static inline int pci_msi_liveupdate_freeze(struct pci_dev *pdev)
{
	return -EOPNOTSUPP;
}

static inline void pci_msi_liveupdate_unfreeze(struct pci_dev *pdev)
{
}

static inline void pci_msi_liveupdate_match(struct pci_dev *pdev)
{
}

static inline bool pci_msi_liveupdate_placed(struct pci_dev *pdev)
{
	return false;
}

static inline int pci_msi_liveupdate_audit(struct pci_dev *pdev)
{
	return 0;
}

static inline void pci_msi_liveupdate_finish(struct pci_dev *pdev)
{
}

static inline void pci_msi_liveupdate_finish_rest(void)
{
}
#endif /* CONFIG_IRQ_LIVEUPDATE */

#endif /* _LINUX_PCI_LIVEUPDATE_H */
