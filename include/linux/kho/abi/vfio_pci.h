/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_KHO_ABI_VFIO_PCI_H
#define _LINUX_KHO_ABI_VFIO_PCI_H

/**
 * DOC: vfio-pci Live Update ABI
 *
 * This header is the contract between the kernel that hands over the file of a
 * vfio-pci device and the kernel that takes it over.
 *
 * The data of a LUO file with the handler %VFIO_PCI_LU_FH_COMPATIBLE is one number
 * that identifies the device:
 *
 * ======  =====================================================
 * Bits    Meaning
 * ======  =====================================================
 * 0-15    Its bus number << 8 | device number << 3 | function
 * 16-47   Its PCI segment (domain number)
 * 48-63   Zero
 * ======  =====================================================
 *
 * The state of the device is in the PCI live update state
 * (include/linux/kho/abi/pci.h) and the interrupt live update state
 * (include/linux/kho/abi/irq.h), which have their own versions.
 *
 * LUO does not return any file if it does not know the handler of one of them.
 * Therefore neither the compatible string nor the meaning of the number ever
 * changes. A reader refuses a file if a bit that is zero here is set in its number.
 */

/* The constant name of the handler */
#define VFIO_PCI_LU_FH_COMPATIBLE	"vfio-pci-v1"

#define VFIO_PCI_LU_DEVID_MASK		0x000000000000ffffULL
#define VFIO_PCI_LU_SEGMENT_MASK	0x0000ffffffff0000ULL

#endif /* _LINUX_KHO_ABI_VFIO_PCI_H */
