/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_PCI_LIVEUPDATE_H
#define _LINUX_PCI_LIVEUPDATE_H

#include <linux/pci.h>
#include <linux/types.h>

struct liveupdate_file_handler;

#ifdef CONFIG_PCI_IOV
int pci_iov_running(struct pci_dev *dev);
#else
static inline int pci_iov_running(struct pci_dev *dev)
{
	return 0;
}
#endif

#ifdef CONFIG_PCI_LIVEUPDATE
int pci_liveupdate_register_flb(struct liveupdate_file_handler *fh,
				bool (*find_obstacle)(struct pci_dev *pdev,
						      char *reason, size_t size));

bool pci_liveupdate_find_obstacle(struct pci_dev *pdev, char *reason, size_t size);
int pci_liveupdate_preserve(struct pci_dev *pdev);
void pci_liveupdate_unpreserve(struct pci_dev *pdev);
int pci_liveupdate_freeze(struct pci_dev *pdev);
void pci_liveupdate_unfreeze(struct pci_dev *pdev);
bool pci_liveupdate_outgoing(struct pci_dev *pdev);
bool pci_liveupdate_frozen(struct pci_dev *pdev);
bool pci_liveupdate_lock_unfrozen(struct pci_dev *pdev);
bool pci_liveupdate_kexec(void);
bool pci_liveupdate_vfs_outgoing(struct pci_dev *pdev);

bool pci_liveupdate_inherit_layout(void);
bool pci_liveupdate_recorded(struct pci_dev *pdev);
int pci_liveupdate_mps(struct pci_dev *pdev, int mps);
void pci_liveupdate_setup_device(struct pci_dev *pdev);
bool pci_liveupdate_is_master(struct pci_dev *pdev);
bool pci_liveupdate_incoming(struct pci_dev *pdev);
bool pci_liveupdate_keeps_running(struct pci_dev *pdev);
bool pci_liveupdate_running(struct pci_dev *pdev);
bool pci_liveupdate_bus_running(struct pci_bus *bus);
bool pci_liveupdate_vfs_incoming(struct pci_dev *pdev);
bool pci_liveupdate_vfs_running(struct pci_dev *pdev);
void pci_liveupdate_add_vfs(struct pci_dev *pdev);
void pci_liveupdate_stop_vfs(struct pci_dev *pdev, const char *reason);
bool pci_liveupdate_may_bind(struct pci_dev *pdev, const struct pci_driver *drv);
void pci_liveupdate_use_intx(struct pci_dev *pdev);
int pci_liveupdate_retrieve(struct pci_dev *pdev);
void pci_liveupdate_unretrieve(struct pci_dev *pdev);
bool pci_liveupdate_retrieved(struct pci_dev *pdev);
void pci_liveupdate_finish(struct pci_dev *pdev);
void pci_liveupdate_stop(struct pci_dev *pdev, const char *reason);
void pci_liveupdate_stop_unretrieved(u32 segment, u16 devid);
void pci_liveupdate_remove(struct pci_dev *pdev);

const char *pci_msi_liveupdate_find_obstacle(struct pci_dev *pdev);
int pci_msi_liveupdate_preserve(struct pci_dev *pdev);
int pci_msi_liveupdate_freeze(struct pci_dev *pdev);
void pci_msi_liveupdate_match(struct pci_dev *pdev);
int pci_msi_liveupdate_audit(struct pci_dev *pdev);
void pci_msi_liveupdate_stop(struct pci_dev *pdev);
#else
static inline bool pci_liveupdate_outgoing(struct pci_dev *pdev)
{
	return false;
}

static inline bool pci_liveupdate_frozen(struct pci_dev *pdev)
{
	return false;
}

static inline bool pci_liveupdate_lock_unfrozen(struct pci_dev *pdev)
{
	device_lock(&pdev->dev);
	return true;
}

static inline bool pci_liveupdate_kexec(void)
{
	return false;
}

static inline bool pci_liveupdate_vfs_outgoing(struct pci_dev *pdev)
{
	return false;
}

static inline bool pci_liveupdate_inherit_layout(void)
{
	return false;
}

static inline bool pci_liveupdate_recorded(struct pci_dev *pdev)
{
	return false;
}

static inline int pci_liveupdate_mps(struct pci_dev *pdev, int mps)
{
	return mps;
}

static inline void pci_liveupdate_setup_device(struct pci_dev *pdev)
{
}

static inline void pci_liveupdate_remove(struct pci_dev *pdev)
{
}

static inline bool pci_liveupdate_incoming(struct pci_dev *pdev)
{
	return false;
}

static inline bool pci_liveupdate_keeps_running(struct pci_dev *pdev)
{
	return false;
}

static inline bool pci_liveupdate_running(struct pci_dev *pdev)
{
	return false;
}

static inline bool pci_liveupdate_bus_running(struct pci_bus *bus)
{
	return false;
}

static inline bool pci_liveupdate_vfs_incoming(struct pci_dev *pdev)
{
	return false;
}

static inline void pci_liveupdate_add_vfs(struct pci_dev *pdev)
{
}

static inline void pci_liveupdate_stop_vfs(struct pci_dev *pdev, const char *reason)
{
}

static inline bool pci_liveupdate_may_bind(struct pci_dev *pdev,
					   const struct pci_driver *drv)
{
	return true;
}

static inline void pci_liveupdate_use_intx(struct pci_dev *pdev)
{
}
#endif /* CONFIG_PCI_LIVEUPDATE */

#endif /* _LINUX_PCI_LIVEUPDATE_H */
