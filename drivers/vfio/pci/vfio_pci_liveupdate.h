/* SPDX-License-Identifier: GPL-2.0-only */

#ifndef VFIO_PCI_LIVEUPDATE_H
#define VFIO_PCI_LIVEUPDATE_H

#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/vfio_pci_core.h>

#ifdef CONFIG_VFIO_PCI_LIVEUPDATE
/*
 * The first open of a device starts from a defined state: not a bus master, and
 * reset. A device which was retrieved from the previous kernel is in use already.
 */
static inline void vfio_pci_initial_clear_master(struct pci_dev *pdev)
{
	if (!pci_liveupdate_retrieved(pdev))
		pci_clear_master(pdev);
}

/* Returns what the reset would return if it worked: -ENOTTY without a method */
static inline int vfio_pci_initial_reset(struct pci_dev *pdev)
{
	if (!pci_liveupdate_retrieved(pdev))
		return pci_try_reset_function(pdev);

	return pdev->reset_methods[0] ? 0 : -ENOTTY;
}

int vfio_pci_liveupdate_enable(struct vfio_pci_core_device *vdev);
long vfio_pci_liveupdate_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
			       unsigned long arg);
int vfio_pci_liveupdate_ioctl_feature(struct vfio_device *core_vdev, u32 flags,
				      void __user *arg, size_t argsz);
ssize_t vfio_pci_liveupdate_write(struct vfio_device *core_vdev,
				  const char __user *buf, size_t count,
				  loff_t *ppos);
int vfio_pci_liveupdate_attach_ioas(struct vfio_device *core_vdev, u32 *pt_id);
int vfio_pci_liveupdate_pasid_attach_ioas(struct vfio_device *core_vdev,
					  u32 pasid, u32 *pt_id);

void vfio_pci_liveupdate_init(struct pci_driver *drv);
#if IS_ENABLED(CONFIG_KUNIT)
const char *vfio_pci_lu_refuse(u64 pa);
#endif
#else
#define vfio_pci_initial_clear_master		pci_clear_master
#define vfio_pci_initial_reset			pci_try_reset_function
#define vfio_pci_liveupdate_enable		vfio_pci_core_enable
#define vfio_pci_liveupdate_ioctl		vfio_pci_core_ioctl
#define vfio_pci_liveupdate_ioctl_feature	vfio_pci_core_ioctl_feature
#define vfio_pci_liveupdate_write		vfio_pci_core_write
#define vfio_pci_liveupdate_attach_ioas		vfio_iommufd_physical_attach_ioas
#define vfio_pci_liveupdate_pasid_attach_ioas	\
	vfio_iommufd_physical_pasid_attach_ioas

static inline void vfio_pci_liveupdate_init(struct pci_driver *drv)
{
}
#endif /* CONFIG_VFIO_PCI_LIVEUPDATE */

#endif /* VFIO_PCI_LIVEUPDATE_H */
