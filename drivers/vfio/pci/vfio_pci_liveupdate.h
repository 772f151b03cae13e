/* SPDX-License-Identifier: GPL-2.0-only */

#ifndef VFIO_PCI_LIVEUPDATE_H
#define VFIO_PCI_LIVEUPDATE_H

#include <linux/cleanup.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/vfio_pci_core.h>

struct liveupdate_file_ops;

#ifdef CONFIG_VFIO_PCI_LIVEUPDATE
/**
 * vfio_pci_liveupdate_running() - Test whether a device is running before its first open
 * @vdev: The device
 *
 * Context: With the lock of the device set held.
 * Return: True if @vdev was taken over from the previous kernel, and the
 *         retrieved file was not bound yet.
 */
static inline bool vfio_pci_liveupdate_running(struct vfio_pci_core_device *vdev)
{
	return pci_liveupdate_incoming(vdev->pdev) && !vdev->claimed;
}

/*
 * The first open of a device starts from a defined state: not a bus master, and
 * reset. A device that is already running is left as it is.
 */
static inline void vfio_pci_initial_clear_master(struct vfio_pci_core_device *vdev)
{
	if (!vfio_pci_liveupdate_running(vdev))
		pci_clear_master(vdev->pdev);
}

/*
 * Resets a device that is not running. For a running one, returns what a reset would
 * tell about it: -ENOTTY if there is no method. Do not open a physical function
 * that cannot be reset because its virtual functions are running: it would keep
 * the state of its previous user.
 */
static inline int vfio_pci_initial_reset(struct vfio_pci_core_device *vdev)
{
	if (vfio_pci_liveupdate_running(vdev))
		return vdev->pdev->reset_methods[0] ? 0 : -ENOTTY;
	if (pci_liveupdate_vfs_running(vdev->pdev))
		return -EAGAIN;

	return pci_try_reset_function(vdev->pdev);
}

/**
 * vfio_pci_liveupdate_unregister() - A device is going to be unregistered
 * @vdev: The device
 *
 * The driver is about to wait for the user. From here on preserve() and
 * freeze() refuse the device, so that live updates do not wait for the user as
 * well.
 *
 * Context: With the device locked. Sleeps.
 */
static inline void vfio_pci_liveupdate_unregister(struct vfio_pci_core_device *vdev)
{
	guard(mutex)(&vdev->igate);

	vdev->unregistering = true;
}

int vfio_pci_liveupdate_begin_sriov(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_end_sriov(struct vfio_pci_core_device *vdev);

int vfio_pci_liveupdate_may_open(struct vfio_device *device);
int vfio_pci_liveupdate_enable(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_disable(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_release(struct vfio_device *device);
void vfio_pci_liveupdate_audit(struct vfio_pci_core_device *vdev);

void vfio_pci_liveupdate_init(struct pci_driver *drv);
void vfio_pci_liveupdate_exit(void);

u64 vfio_pci_luo_name(struct pci_dev *pdev);
struct pci_dev *vfio_pci_luo_find(u64 name);
void vfio_pci_luo_set_ops(const struct liveupdate_file_ops *ops,
			  const char *(*find_obstacle)(struct pci_dev *pdev));
#if IS_ENABLED(CONFIG_KUNIT)
const char *vfio_pci_lu_find_obstacle(struct vfio_pci_core_device *vdev, int *err);
const char *vfio_pci_liveupdate_find_obstacle(struct pci_dev *pdev);
int vfio_pci_lu_check_set(struct vfio_pci_core_device *vdev);
void vfio_pci_lu_set_frozen(struct vfio_pci_core_device *vdev, bool frozen);
int vfio_pci_lu_check_physfn(struct vfio_pci_core_device *vdev);
u64 vfio_pci_luo_pack(u32 segment, u16 devid);
bool vfio_pci_luo_unpack(u64 name, u32 *segment, u16 *devid);
#endif
#else
#define vfio_pci_liveupdate_may_open		NULL
#define vfio_pci_liveupdate_enable		vfio_pci_core_enable
#define vfio_pci_liveupdate_release		NULL

static inline bool vfio_pci_liveupdate_running(struct vfio_pci_core_device *vdev)
{
	return false;
}

static inline void vfio_pci_initial_clear_master(struct vfio_pci_core_device *vdev)
{
	pci_clear_master(vdev->pdev);
}

static inline int vfio_pci_initial_reset(struct vfio_pci_core_device *vdev)
{
	return pci_try_reset_function(vdev->pdev);
}

static inline void vfio_pci_liveupdate_unregister(struct vfio_pci_core_device *vdev)
{
}

static inline int vfio_pci_liveupdate_begin_sriov(struct vfio_pci_core_device *vdev)
{
	return 0;
}

static inline void vfio_pci_liveupdate_end_sriov(struct vfio_pci_core_device *vdev)
{
}

static inline void vfio_pci_liveupdate_disable(struct vfio_pci_core_device *vdev)
{
}

static inline void vfio_pci_liveupdate_audit(struct vfio_pci_core_device *vdev)
{
}

static inline void vfio_pci_liveupdate_init(struct pci_driver *drv)
{
}

static inline void vfio_pci_liveupdate_exit(void)
{
}
#endif /* CONFIG_VFIO_PCI_LIVEUPDATE */

#endif /* VFIO_PCI_LIVEUPDATE_H */
