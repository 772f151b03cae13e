/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_KHO_ABI_PCI_H
#define _LINUX_KHO_ABI_PCI_H

#include <linux/build_bug.h>
#include <linux/types.h>

/**
 * DOC: PCI Live Update ABI
 *
 * This header is the contract between the kernel that hands over PCI devices
 * and the kernel that takes them over. The name of the LUO file-lifecycle-bound
 * object, %PCI_LU_FLB_COMPATIBLE, is the only version of the format. A change of
 * a layout, or of the meaning of a field or a constant, requires a new name. Once
 * there is a second format, a kernel also reads the previous one, by registering an
 * object of that name. A KUnit test keeps an image of each format.
 *
 * The data of the object is the physical address of a struct pci_lu_ser. The
 * structure and its entries are physically contiguous memory, preserved with
 * KHO.
 *
 * An entry stands for a preserved device, for a bridge between such a device and
 * its root bus, or for the physical function of a preserved virtual function. There
 * is at most one entry for each pair of segment and devid, and each bridge above a
 * device has an entry. So has the physical function of each virtual function. That
 * one is preserved as well, unless it has %PCI_LU_DEV_KEEPS_VFS.
 *
 * All fields are in the byte order of the machine and of fixed width. Nothing
 * here depends on the configuration of either kernel. There is no checksum,
 * because a device is compared with its entry, and an entry grants no access.
 */

#define PCI_LU_FLB_COMPATIBLE	"pci-liveupdate-v1"

/* pci_lu_dev_ser::flags */
#define PCI_LU_DEV_BRIDGE	0x01
#define PCI_LU_DEV_ARI		0x02
#define PCI_LU_DEV_VIRTFN	0x04
#define PCI_LU_DEV_SRIOV	0x08
#define PCI_LU_DEV_KEEPS_VFS	0x10
#define PCI_LU_DEV_FLAGS	(PCI_LU_DEV_BRIDGE | PCI_LU_DEV_ARI | \
				 PCI_LU_DEV_VIRTFN | PCI_LU_DEV_SRIOV | \
				 PCI_LU_DEV_KEEPS_VFS)

/**
 * struct pci_lu_sriov_ser - The SR-IOV capability of a physical function
 * @ctrl:		SR-IOV Control register, with VF Enable set
 * @initial_vfs:	InitialVFs
 * @total_vfs:		TotalVFs
 * @num_vfs:		NumVFs, not zero
 * @offset:		First VF Offset, for that NumVFs
 * @stride:		VF Stride, for that NumVFs
 * @vf_device:		VF Device ID
 * @reserved:		Zero
 * @page_size:		System Page Size register
 * @addresses:		The VF Base Address Registers
 */
struct pci_lu_sriov_ser {
	__u16	ctrl;
	__u16	initial_vfs;
	__u16	total_vfs;
	__u16	num_vfs;
	__u16	offset;
	__u16	stride;
	__u16	vf_device;
	__u16	reserved;
	__u32	page_size;
	__u32	addresses[6];
};

static_assert(sizeof(struct pci_lu_sriov_ser) == 44);

/**
 * struct pci_lu_dev_ser - One preserved device, or a bridge above one
 * @segment:		PCI segment (domain number)
 * @devid:		Bus number << 8 | devfn
 * @vendor:		PCI vendor id
 * @device:		PCI device id
 * @acs_ctrl:		ACS Control register of a bridge, zero without one
 * @hdr_type:		PCI header type, without the multi-function bit
 * @flags:		PCI_LU_DEV_*. %PCI_LU_DEV_ARI: the bridge forwards to
 *			function numbers above 7. %PCI_LU_DEV_VIRTFN: a virtual
 *			function. %PCI_LU_DEV_SRIOV: a physical function whose
 *			virtual functions are enabled. %PCI_LU_DEV_KEEPS_VFS: a
 *			physical function of which only virtual functions are
 *			preserved, and which starts cold itself
 * @secondary:		Secondary bus number of a bridge, else zero
 * @subordinate:	Subordinate bus number of a bridge, else zero
 * @addresses:		The Base Address Registers of a device. Of a bridge, I/O
 *			Base and Limit, Memory Base and Limit, Prefetchable Memory
 *			Base and Limit, the upper halves of the prefetchable base
 *			and limit, and of I/O Base and Limit
 * @sriov:		With %PCI_LU_DEV_SRIOV, else zero
 */
struct pci_lu_dev_ser {
	__u32	segment;
	__u16	devid;
	__u16	vendor;
	__u16	device;
	__u16	acs_ctrl;
	__u8	hdr_type;
	__u8	flags;
	__u8	secondary;
	__u8	subordinate;
	__u32	addresses[6];
	struct pci_lu_sriov_ser	sriov;
};

static_assert(sizeof(struct pci_lu_dev_ser) == 84);

/**
 * struct pci_lu_ser - The preserved devices and the bridges above them
 * @nr_devices:		Number of entries in @devices, not zero
 * @devices:		The entries, in no particular order
 */
struct pci_lu_ser {
	__u64			nr_devices;
	struct pci_lu_dev_ser	devices[];
};

static_assert(sizeof(struct pci_lu_ser) == 8);

/* Not more entries than this are written or accepted. */
#define PCI_LU_MAX_DEVICES	32768

#endif /* _LINUX_KHO_ABI_PCI_H */
