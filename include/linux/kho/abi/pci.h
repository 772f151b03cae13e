/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_KHO_ABI_PCI_H
#define _LINUX_KHO_ABI_PCI_H

#include <linux/build_bug.h>
#include <linux/types.h>

/**
 * DOC: PCI Live Update ABI
 *
 * This header is the contract between the kernel that hands PCI devices over
 * and the kernel that takes them over. Any change of a layout, of the meaning
 * of a field or of a constant needs a new %PCI_LU_VERSION, or a new bit in the
 * features word when an old reader must refuse the state and nothing else
 * changes. A reader refuses what it does not know.
 *
 * All fields are in the byte order of the machine and of fixed width. Nothing
 * in here depends on the configuration of either kernel.
 *
 * The data of the LUO file-lifecycle-bound object %PCI_LU_FLB_COMPATIBLE is the
 * physical address of a struct pci_lu_ser. The structure and its device entries
 * are physically contiguous, preserved memory.
 *
 * An entry stands either for a preserved device or for a bridge between such a
 * device and its root bus. There is at most one entry for each pair of segment
 * and devid, and no bridge without a preserved device below it.
 *
 * The checksum is CRC-32 (polynomial 0xEDB88320, initial value ~0, not inverted
 * at the end) over @len bytes with the checksum field itself taken as zero.
 */

/* The constant name of the object. Versions are told by the data itself. */
#define PCI_LU_FLB_COMPATIBLE	"pci-liveupdate-v1"

#define PCI_LU_MAGIC		0x4c494350	/* "PCIL" */
#define PCI_LU_VERSION		1

/* All feature bits which this version knows. */
#define PCI_LU_FEATURES		0ULL

/* pci_lu_dev_ser::flags */
#define PCI_LU_DEV_BRIDGE	0x01
#define PCI_LU_DEV_ARI		0x02
#define PCI_LU_DEV_FLAGS	(PCI_LU_DEV_BRIDGE | PCI_LU_DEV_ARI)

/**
 * struct pci_lu_dev_ser - One preserved device, or a bridge above one
 * @segment:		PCI segment (domain number)
 * @devid:		Bus number << 8 | devfn
 * @vendor:		PCI vendor id
 * @device:		PCI device id
 * @hdr_type:		PCI header type, without the multi-function bit
 * @flags:		PCI_LU_DEV_*. %PCI_LU_DEV_ARI: the bridge forwards to
 *			function numbers above 7
 * @secondary:		Secondary bus number of a bridge, else zero
 * @subordinate:	Subordinate bus number of a bridge, else zero
 * @acs_ctrl:		ACS Control register of a bridge, zero without one
 * @refcount:		Number of preserved devices below a bridge, one for a
 *			device
 * @reserved:		Zero
 */
struct pci_lu_dev_ser {
	__u32	segment;
	__u16	devid;
	__u16	vendor;
	__u16	device;
	__u8	hdr_type;
	__u8	flags;
	__u8	secondary;
	__u8	subordinate;
	__u16	acs_ctrl;
	__u32	refcount;
	__u32	reserved[3];
};

static_assert(sizeof(struct pci_lu_dev_ser) == 32);

/**
 * struct pci_lu_ser - The preserved devices and the bridges above them
 * @magic:		%PCI_LU_MAGIC
 * @version:		%PCI_LU_VERSION
 * @features:		What a reader must understand to use the state
 * @len:		Length of header and entries in bytes
 * @checksum:		Over @len bytes
 * @nr_devices:		Number of entries in @devices
 * @reserved:		Zero
 * @devices:		The entries, in no particular order
 */
struct pci_lu_ser {
	__u32			magic;
	__u32			version;
	__u64			features;
	__u32			len;
	__u32			checksum;
	__u32			nr_devices;
	__u32			reserved[9];
	struct pci_lu_dev_ser	devices[];
};

static_assert(sizeof(struct pci_lu_ser) == 64);

/* More entries than this are not written, and not believed. */
#define PCI_LU_MAX_DEVICES	65536

#endif /* _LINUX_KHO_ABI_PCI_H */
