/* SPDX-License-Identifier: GPL-2.0 */

#ifndef _LINUX_KHO_ABI_VFIO_PCI_H
#define _LINUX_KHO_ABI_VFIO_PCI_H

/**
 * DOC: vfio-pci Live Update ABI
 *
 * This header is the contract between the kernel that hands the file of a
 * vfio-pci device over and the kernel that takes it over.
 *
 * The data of a LUO file with the handler %VFIO_PCI_LU_FH_COMPATIBLE is the name
 * of the device, in one number:
 *
 * ======  =====================================================
 * Bits    Meaning
 * ======  =====================================================
 * 0-15    Its bus number << 8 | device number << 3 | function
 * 16-47   Its PCI segment (domain number)
 * 48-63   Zero
 * ======  =====================================================
 *
 * What of the device survives is told by the PCI live update state
 * (include/linux/kho/abi/pci.h) and the interrupt live update state
 * (include/linux/kho/abi/irq.h), which have versions of their own.
 *
 * LUO gives back no file at all when it does not know the handler of one of
 * them, so the compatible string never changes, and neither does the meaning of
 * the number. A reader refuses a file whose number has a bit set that is zero
 * here.
 */

/* The constant name of the handler */
#define VFIO_PCI_LU_FH_COMPATIBLE	"vfio-pci-v1"

#define VFIO_PCI_LU_DEVID_MASK		0x000000000000ffffULL
#define VFIO_PCI_LU_SEGMENT_MASK	0x0000ffffffff0000ULL

#endif /* _LINUX_KHO_ABI_VFIO_PCI_H */
