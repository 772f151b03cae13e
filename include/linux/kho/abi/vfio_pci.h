/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_KHO_ABI_VFIO_PCI_H
#define _LINUX_KHO_ABI_VFIO_PCI_H

#include <linux/build_bug.h>
#include <linux/types.h>

/**
 * DOC: vfio-pci Live Update ABI
 *
 * This header is the contract between the kernel that hands the file of a
 * vfio-pci device over and the kernel that takes it over. Any change of the
 * layout, of the meaning of a field or of a constant needs a new
 * %VFIO_PCI_LU_VERSION, or a new bit in the features word when an old reader
 * must refuse the file and nothing else changes. A reader refuses what it does
 * not know.
 *
 * All fields are in the byte order of the machine and of fixed width. Nothing
 * in here depends on the configuration of either kernel.
 *
 * The data of a LUO file with the handler %VFIO_PCI_LU_FH_COMPATIBLE is the
 * physical address of a struct vfio_pci_lu_ser in preserved memory. It says
 * only which device the file belongs to. What of the device survives is told by
 * the PCI live update state (include/linux/kho/abi/pci.h) and the interrupt
 * live update state (include/linux/kho/abi/irq.h).
 *
 * The checksum is CRC-32 (polynomial 0xEDB88320, initial value ~0, not inverted
 * at the end) over @len bytes with the checksum field itself taken as zero.
 */

/* The constant name of the handler. Versions are told by the data itself. */
#define VFIO_PCI_LU_FH_COMPATIBLE	"vfio-pci-v1"

#define VFIO_PCI_LU_MAGIC	0x4c494656	/* "VFIL" */
#define VFIO_PCI_LU_VERSION	1

/* All feature bits which this version knows. */
#define VFIO_PCI_LU_FEATURES	0ULL

/**
 * struct vfio_pci_lu_ser - The file of one vfio-pci device
 * @magic:	%VFIO_PCI_LU_MAGIC
 * @version:	%VFIO_PCI_LU_VERSION
 * @features:	What a reader must understand to use the file
 * @len:	Length of this structure in bytes
 * @checksum:	Over @len bytes
 * @segment:	PCI segment (domain number) of the device
 * @devid:	Bus number << 8 | devfn
 * @vendor:	PCI vendor id
 * @device:	PCI device id
 * @reserved:	Zero
 */
struct vfio_pci_lu_ser {
	__u32	magic;
	__u32	version;
	__u64	features;
	__u32	len;
	__u32	checksum;
	__u32	segment;
	__u16	devid;
	__u16	vendor;
	__u16	device;
	__u16	reserved[15];
};

static_assert(sizeof(struct vfio_pci_lu_ser) == 64);

#endif /* _LINUX_KHO_ABI_VFIO_PCI_H */
